/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wgfido-prompt with its two buses, its dialog and its files: what prompt.h decides, done. */
#pragma once

struct prompt_options {
	const char *pinentry; /* NULL: none, the PIN cannot be typed here */
};

/* Until a signal (0), or until a bus is gone, another one runs or something failed: the exit status, said on stderr. */
int prompt_run(const struct prompt_options *o);
