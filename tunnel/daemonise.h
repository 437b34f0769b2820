/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * To the background, the way wg-quick expects it: the command returns when interface and socket are there, with the status of the
 * start, and what it was started from holds nothing of the process that goes on.
 */
#pragma once

struct daemonise {
	int ready; /* write end; -1: stays in the foreground */
};

/*
 * Forks. In the parent it does not return: it ends with 0 when the child says that it is ready, with 1 when the child ends before that.
 * Returns in the child: 0, or a negative errno (in the parent, nothing was forked).
 */
int daemonise_begin(struct daemonise *d);
/* Ready. What is logged from now on goes to the journal, if there is one (program: what it is called there), or nowhere. */
void daemonise_end(struct daemonise *d, const char *program);
