/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into a program under test: kills it right before its KILL_AT-th step that changes a file or sends a message, as a
 * power cut would. Every such step from the first to the last is tried by the test that uses it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void step(void)
{
	static long left = -1;

	if (left < 0)
		left = getenv("KILL_AT") ? atol(getenv("KILL_AT")) : 0;
	if (left > 0 && --left == 0)
		raise(SIGKILL);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		step();
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return NEXT(openat)(dir, path, flags, mode);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	step();
	return NEXT(renameat)(from_dir, from, to_dir, to);
}

int unlinkat(int dir, const char *path, int flags)
{
	step();
	return NEXT(unlinkat)(dir, path, flags);
}

int fsync(int fd)
{
	step();
	return NEXT(fsync)(fd);
}

int fchmod(int fd, mode_t mode)
{
	step();
	return NEXT(fchmod)(fd, mode);
}

ssize_t write(int fd, const void *data, size_t len)
{
	struct stat st;

	/* Only what goes to a file: the terminal and pipes change nothing that lasts. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		step();
	return NEXT(write)(fd, data, len);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	step();
	return NEXT(sendmsg)(fd, message, flags);
}
