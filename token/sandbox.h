/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is left to a worker once it is set up: its socket to the broker, its token, and memory. A hostile token that
 * takes the worker over finds nothing else to open, connect to, trace or start.
 */
#pragma once

#include <stdbool.h>

struct sandbox {
	bool landlock; /* false: the kernel has none; then files are kept shut by the system call filter alone, or by permissions */
	bool seccomp;
};

/*
 * For good. node: the only file that may still be opened, by its path; NULL: no file at all, but UNIX SOCK_SEQPACKET sockets.
 * A kernel without Landlock is no error; everything else that fails is (negative errno), and the caller must not go on.
 */
int sandbox_enter(struct sandbox *ret, const char *node);

/* The same for a worker whose token is behind a socket that is connected already: no file, and no socket either. */
int sandbox_enter_connected(struct sandbox *ret);
