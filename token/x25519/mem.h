/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The four functions that a compiler expects of every environment, also a freestanding one (GCC manual,
 * "Language Standards Supported by GCC"). Where there is a libc its header says more about them.
 */
#pragma once

#include <stddef.h>

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
#endif
