/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/wgshow.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/encoding.h"

#define OUTPUT_MAX (4u << 20)

static int read_all(char **ret, int fd)
{
	char *text = NULL;
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0) {
		char *more = realloc(text, len + 4096 + 1);

		if (!more || len > OUTPUT_MAX) {
			free(more ? more : text);
			return more ? -EFBIG : -ENOMEM;
		}
		text = more;
		n = read(fd, text + len, 4096);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	if (n < 0) {
		free(text);
		return -EIO;
	}
	text[len] = '\0';
	*ret = text;
	return 0;
}

static int read_key(struct secret **ret, int fd)
{
	_cleanup_secret_ struct secret *text = NULL;
	int r = secret_from_fd(&text, fd, SECRET_MAX);

	if (r < 0)
		return r;
	r = secret_from_base64(ret, (const char *)secret_borrow(text), secret_len(text));
	return r == -EINVAL ? -ENOKEY : r;
}

/* Into *ret_text, or what is secret into *ret_key. */
static int run(char **ret_text, struct secret **ret_key, const char *ifname, const char *field)
{
	char *argv[] = {(char[]){"wg"}, (char[]){"show"}, (char *)(uintptr_t)ifname, (char *)(uintptr_t)field, NULL};
	posix_spawn_file_actions_t actions;
	struct secret *key = NULL;
	char *text = NULL;
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	r = -posix_spawn_file_actions_init(&actions);
	if (r < 0)
		goto out;
	r = -posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	if (!r)
		r = -posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (!r)
		r = -posix_spawnp(&pid, "wg", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r < 0)
		goto out;
	close(fds[1]);
	fds[1] = -1;
	r = ret_key ? read_key(&key, fds[0]) : read_all(&text, fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if ((!r || ret_key) && (!WIFEXITED(status) || WEXITSTATUS(status)))
		r = -ENODEV;
	if (r < 0) {
		free(text);
		secret_free(key);
	} else if (ret_key) {
		*ret_key = key;
	} else {
		*ret_text = text;
	}
out:
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return r;
}

int wgshow(char **ret, const char *ifname, const char *field)
{
	return run(ret, NULL, ifname, field);
}

int wgshow_private_key(struct secret **ret, const char *ifname)
{
	return run(NULL, ret, ifname, "private-key");
}
