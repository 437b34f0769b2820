/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/worker-spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER_FD 3

struct child {
	char *const *argv;
	int socket, null;
	pid_t parent;
	volatile int error; /* shared with the parent: see below */
};

/*
 * Runs in the parent's memory (vfork): system calls only. fork would put every page of the broker, secrets among them, behind
 * copy-on-write in a second process; posix_spawn cannot set the parent-death signal.
 */
static void __attribute__((noreturn)) child_run(struct child *c)
{
	static char *const no_environment[] = { NULL };
	struct sigaction default_action = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* Before the signal mask opens: a handler of ours must not run here. Fails for the few that cannot be set. */
	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &default_action, NULL);

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		goto fail;
	if (getppid() != c->parent) /* it died before that took effect */
		goto fail;
	/* The pair was made above fd 3 (see spawn_socketpair), so that nothing that is still needed is overwritten here. */
	if (dup2(c->null, STDIN_FILENO) < 0 || dup2(c->null, STDOUT_FILENO) < 0)
		goto fail;
	if (fcntl(STDERR_FILENO, F_GETFD) < 0 && dup2(c->null, STDERR_FILENO) < 0)
		goto fail;
	if (dup2(c->socket, WORKER_FD) < 0)
		goto fail;
	if (close_range(WORKER_FD + 1, ~0u, 0) < 0)
		goto fail;
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		goto fail;
	execve(c->argv[0], c->argv, no_environment);
fail:
	c->error = errno ? errno : EIO;
	_exit(127);
}

/* fd is closed and *ret is the same, above WORKER_FD. */
static int move_up(int *ret, int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, WORKER_FD + 1);
	int r = up < 0 ? -errno : 0;

	close(fd);
	*ret = up;
	return r;
}

static int wait_for(const struct worker_process *p)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)p->pid, &info, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Its own function, with nothing in registers across vfork but what is not touched after it. */
static pid_t __attribute__((noinline)) spawn_child(struct child *c)
{
	pid_t pid = vfork();

	if (pid == 0)
		child_run(c);
	return pid;
}

int worker_spawn(struct worker_process *ret, char *const argv[])
{
	struct child c = { .argv = argv, .socket = -1, .null = -1, .parent = getpid() };
	struct worker_process p = { .pid = -1, .pidfd = -1, .socket = -1 };
	sigset_t all, saved;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p.socket = pair[0];
	r = move_up(&c.socket, pair[1]);
	if (r < 0)
		goto fail;
	r = fcntl(p.socket, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (r < 0)
		goto fail;
	c.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (c.null < 0) {
		r = -errno;
		goto fail;
	}
	r = move_up(&c.null, c.null);
	if (r < 0)
		goto fail;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &saved);
	p.pid = spawn_child(&c);
	r = p.pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &saved, NULL);
	if (r < 0)
		goto fail;
	if (c.error != 0) {
		wait_for(&p);
		r = -c.error;
		goto fail;
	}

	/* Not reaped yet, so the pid is still its own. */
	p.pidfd = pidfd_open(p.pid, PIDFD_NONBLOCK);
	if (p.pidfd < 0) {
		r = -errno;
		kill(p.pid, SIGKILL);
		wait_for(&p);
		goto fail;
	}
	close(c.null);
	close(c.socket);
	*ret = p;
	return 0;
fail:
	if (c.null >= 0)
		close(c.null);
	if (c.socket >= 0)
		close(c.socket);
	close(p.socket);
	return r;
}

void worker_process_kill(const struct worker_process *p)
{
	(void)pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
}

int worker_process_reap(const struct worker_process *p)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) < 0)
		/* Somebody ignores SIGCHLD: the kernel has buried it. */
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	return info.si_pid == 0 ? -EAGAIN : 0;
}

/*
 * Outlives its worker, and belongs to the event loop alone (its sources float, so they do not keep the loop alive): goes when the
 * process has gone, or with the loop.
 */
struct grave {
	struct worker_process process;
	sd_event_source *linger; /* borrowed from the loop */
};

static int on_linger(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct grave *g = userdata;

	(void)usec;
	worker_process_kill(&g->process);
	g->linger = NULL;
	sd_event_source_set_floating(s, false);
	return 0;
}

static int on_buried_exit(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct grave *g = userdata;

	(void)fd;
	(void)events;
	if (worker_process_reap(&g->process) == -EAGAIN)
		return 0;
	if (g->linger)
		sd_event_source_set_floating(g->linger, false); /* the last reference: frees it */
	sd_event_source_set_floating(s, false);			/* this one after the call */
	return 0;
}

/* Called when the exit source goes. With the loop: the other source is the loop's to free, maybe gone already. */
static void grave_free(void *userdata)
{
	struct grave *g = userdata;

	if (worker_process_reap(&g->process) == -EAGAIN) {
		/* The loop ends before the process: it must not stay behind. If it does not go at once, init collects it. */
		worker_process_kill(&g->process);
		(void)worker_process_reap(&g->process);
	}
	close(g->process.pidfd);
	free(g);
}

void worker_process_bury(struct worker_process *p, sd_event *event, uint64_t linger_us)
{
	struct grave *g = calloc(1, sizeof(*g));
	sd_event_source *exit_source = NULL, *linger = NULL;

	close(p->socket);
	p->socket = -1;
	if (!g)
		goto fail;
	g->process = *p;
	if (sd_event_add_io(event, &exit_source, p->pidfd, EPOLLIN, on_buried_exit, g) < 0)
		goto fail;
	if (sd_event_add_time_relative(event, &linger, CLOCK_MONOTONIC, linger_us, 0, on_linger, g) < 0)
		goto fail;
	if (sd_event_source_set_destroy_callback(exit_source, grave_free) < 0)
		goto fail;

	g->linger = linger;
	sd_event_source_set_floating(exit_source, true);
	sd_event_source_set_floating(linger, true);
	sd_event_source_unref(exit_source);
	sd_event_source_unref(linger);
	p->pidfd = -1;
	return;
fail:
	/* No memory to be gentle with. */
	sd_event_source_disable_unref(exit_source);
	sd_event_source_disable_unref(linger);
	free(g);
	worker_process_kill(p);
	wait_for(p);
	close(p->pidfd);
	p->pidfd = -1;
}
