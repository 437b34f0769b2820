/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/card/monitor.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/wire-card.h"

/* Watches the nearest directory on the way to path that is there. */
static int watch_parent(int fd, const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	if (strlen(path) >= sizeof(dir) || path[0] != '/')
		return -EINVAL;
	strcpy(dir, path);
	for (;;) {
		slash = strrchr(dir, '/');
		if (!slash)
			return -ENOENT;
		slash[slash == dir ? 1 : 0] = '\0';
		if (inotify_add_watch(fd, dir, IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) >= 0)
			return 0;
		if (errno != ENOENT && errno != ENOTDIR)
			return -errno;
		if (slash == dir)
			return -ENOENT;
	}
}

static bool is_there(const char *socket)
{
	struct stat st;

	return stat(socket, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int await_change(int fd, int quit_fd)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = quit_fd, .events = POLLIN}};

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	return fds[1].revents ? -ECANCELED : 0;
}

int monitor_await(const char *socket, int quit_fd)
{
	int fd, r;

	for (;;) {
		fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (fd < 0)
			return -errno;
		r = watch_parent(fd, socket);
		/* Looked for after the watch is set: nothing falls between. A new set each time, since the way may have grown. */
		if (r == 0 && is_there(socket)) {
			close(fd);
			return 0;
		}
		if (r == 0)
			r = await_change(fd, quit_fd);
		close(fd);
		if (r < 0)
			return r;
	}
}

static int tell(int fd, enum wire_card_event event, const char *reader)
{
	struct wire_card_message message = {.event = event};
	uint8_t bytes[WIRE_CARD_MESSAGE_MAX];
	size_t len;
	ssize_t n;

	strncpy(message.reader, reader, sizeof(message.reader) - 1);
	/* A reader that the broker would not take by its name is none. */
	if (wire_card_encode(bytes, &len, &message) < 0)
		return 0;
	do
		n = send(fd, bytes, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

void monitor_tell_denied(int fd)
{
	(void)tell(fd, WIRE_CARD_DENIED, "");
}

static const struct pcsc_reader *find(const struct pcsc_readers *in, const char *name)
{
	for (unsigned int i = 0; i < in->n; i++)
		if (strcmp(in->list[i].name, name) == 0)
			return &in->list[i];
	return NULL;
}

static int tell_reader(int fd, const struct pcsc_reader *before, const struct pcsc_reader *now)
{
	const bool was = before && before->present, swapped = was && before->events != now->events;
	int r = 0;

	if (was && (!now->present || swapped))
		r = tell(fd, WIRE_CARD_REMOVED, now->name);
	if (r == 0 && now->present && (!was || swapped))
		return tell(fd, WIRE_CARD_ADDED, now->name);
	if (r == 0 && now->present && was && before->exclusive && !now->exclusive)
		r = tell(fd, WIRE_CARD_FREED, now->name);
	return r;
}

/* Removals first: approvals hang on them. */
static int tell_changes(int fd, const struct pcsc_readers *before, const struct pcsc_readers *now)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < before->n; i++)
		if (before->list[i].present && !find(now, before->list[i].name))
			r = tell(fd, WIRE_CARD_REMOVED, before->list[i].name);
	for (unsigned int i = 0; r == 0 && i < now->n; i++)
		r = tell_reader(fd, find(before, now->list[i].name), &now->list[i]);
	return r;
}

int monitor_run(struct pcsc *pcsc, int fd)
{
	struct pcsc_readers before = {0}, now = {0};
	int r;

	r = tell(fd, WIRE_CARD_CONNECTED, "");
	while (r == 0) {
		r = pcsc->ops->watch(pcsc, &now);
		if (r == 0)
			r = tell_changes(fd, &before, &now);
		before = now;
	}
	return r == -EPIPE ? 0 : r;
}
