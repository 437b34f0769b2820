/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration socket RUNDIR/IFACE.sock (the cross-platform protocol of userspace WireGuards, which wg(8) speaks): 0660, so
 * that its group, the agent's, may speak it too.
 *
 * The process that has dropped its privileges cannot remove it: the directory is root's, and must stay so, or whoever took this
 * process over could put a socket of another interface in place and be given its keys. So a janitor is forked while we are
 * root still: it holds the directory and the read end of a pipe and nothing else, gives up every capability, may make four system
 * calls, and when the pipe closes, however the tunnel ended, removes the socket if it is still that one.
 */
#pragma once

#include <sys/types.h>

struct control_socket {
	int fd;	     /* listening, non-blocking, close-on-exec */
	int janitor; /* write end of its pipe: it acts when this closes for good */
};

/*
 * Makes the directory if it is not there. gid (gid_t)-1: leave the group. A socket that nobody listens on any more is replaced;
 * -EADDRINUSE: somebody does. -ENAMETOOLONG. To be called while there is one thread.
 */
int control_socket_open(struct control_socket *ret, const char *rundir, const char *ifname, gid_t gid);
/* Closes, which removes it. Harmless when it was never opened (fds -1). */
void control_socket_close(struct control_socket *s);
