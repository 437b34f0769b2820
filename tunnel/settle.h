/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that only starting took. */
#pragma once

/*
 * Gives back what nothing needs any more once everything runs: free pieces of the heap, and pages of programs and libraries that were
 * read while they were linked and tested themselves. What is needed again comes back by itself from the file.
 */
void settle(void);
