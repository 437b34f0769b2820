/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The window keys that a tunnel's configuration names, as the command line reads them: they are no secret, and the broker says nothing of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct windows {
	uint64_t window_end; /* unix seconds: the earliest end of the windows at hand; 0: there is an error */
	uint64_t keys_end;   /* the earliest end of the files */
	char *error;	     /* a sentence; NULL: none */
};

/* False: no peer has any, or the configuration cannot be read. To be cleared in any case. */
bool windows_of(struct windows *ret, const char *ifname, uint64_t now_unix_seconds);
void windows_clear(struct windows *w);
/* What is to be done about them, soon or at once: false: nothing. */
bool windows_problem(char *buf, size_t size, const struct windows *w, uint64_t now_unix_seconds);
