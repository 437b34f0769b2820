/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `wgfido gateway --windows`: the side without a token makes its window keys (common/window.h), as its admin. */
#pragma once

struct window_options {
	const char *windows; /* --windows TIME: how long the keys shall last; NULL: it is not this that is asked for */
	const char *window;  /* --window PLAN */
	const char *from;    /* --from DATE */
	const char *output;  /* --output FILE */
};

struct verb;

/* The exit status; says what went wrong. */
int window_keys_main(const struct verb *verb, const char *ifname, const struct window_options *o);
