/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/daemonise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "common/log.h"

int daemonise_begin(struct daemonise *d)
{
	int ends[2];
	pid_t pid;
	char byte;

	d->ready = -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		const int r = -errno;

		close(ends[0]);
		close(ends[1]);
		return r;
	}
	if (pid > 0) {
		ssize_t n;

		close(ends[1]);
		do
			n = read(ends[0], &byte, 1);
		while (n < 0 && errno == EINTR);
		_exit(n == 1 ? 0 : 1);
	}
	close(ends[0]);
	d->ready = ends[1];
	(void)setsid();
	if (chdir("/") < 0)
		return -errno;
	return 0;
}

/* As systemd would have said it, so that the lines bear their priorities. */
static void tell_stream(int fd)
{
	char text[64];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	(void)snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	(void)setenv("JOURNAL_STREAM", text, 1);
}

void daemonise_end(struct daemonise *d, const char *program)
{
	int null, out;

	if (d->ready < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* Started by a service its log is the journal already. */
	if (!log_is_journal()) {
		out = sd_journal_stream_fd(program, LOG_INFO, 1);
		if (out >= 0)
			tell_stream(out);
		else
			out = null;
		if (out >= 0)
			(void)dup2(out, STDERR_FILENO);
		if (out >= 0 && out != null)
			close(out);
		log_reopen();
	}
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		close(null);
	}
	(void)!write(d->ready, "r", 1);
	close(d->ready);
	d->ready = -1;
}
