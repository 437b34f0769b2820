/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting and burying worker processes. */
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

struct worker_process {
	pid_t pid;
	int pidfd; /* readable once the process is over; non-blocking, O_CLOEXEC */
	int socket; /* our end, non-blocking, O_CLOEXEC */
};

/*
 * Runs argv[0] with an empty environment, our socketpair's other end as fd 3, /dev/null as stdin and stdout, our stderr, and
 * nothing else open. The process dies (SIGKILL) with its parent thread. Negative errno, also exec's own (-ENOENT...): nothing
 * is left running then.
 */
int worker_spawn(struct worker_process *ret, char *const argv[]);

/* SIGKILL. Not by pid, which may be somebody else's by now. */
void worker_process_kill(const struct worker_process *p);

/* Takes the exit status, without waiting. 0, or -EAGAIN while it still runs. */
int worker_process_reap(const struct worker_process *p);

/*
 * Hands the process over to the event loop: the socket is closed, which tells the worker to cancel and go; linger_us later it is
 * killed; its exit is collected. *p holds nothing any more.
 */
void worker_process_bury(struct worker_process *p, sd_event *event, uint64_t linger_us);
