/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Software tokens: sockets in a directory. A token makes its socket under another name (beginning with '.', or ending in
 * ".ctl", which are passed over) and renames it when it accepts, so a socket that refuses is a dead token's leftover.
 *
 * One idle connection to each tells of a token that dies without unlinking: what comes over it (every client gets all
 * reports) is thrown away unread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/presence-internal.h"

#define REPORTS_PER_TURN 64

struct presence_soft {
	struct presence *presence;
	char *dir;
	int dirfd;
	sd_event_source *watch;
};

static bool name_fits(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && name[0] != '.' && !(len >= 4 && strcmp(name + len - 4, ".ctl") == 0);
}

static int on_connection(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct presence_entry *e = userdata;
	ssize_t n;
	char byte;

	if (!(events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))) {
		/* MSG_TRUNC: the rest of the packet goes as well. An empty packet looks like the end, and is no report either. */
		for (int i = 0; i < REPORTS_PER_TURN; i++) {
			n = recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC);
			if (n <= 0)
				break;
		}
		/* A token that never stops talking waits behind everybody else, until it does. */
		if (n > 0)
			return sd_event_source_set_priority(s, SD_EVENT_PRIORITY_IDLE);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return sd_event_source_set_priority(s, SD_EVENT_PRIORITY_IMPORTANT);
	}
	presence_remove(e->presence, e);
	return 0;
}

static int connect_to(const struct presence_entry *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(e->node.path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, e->node.path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* On UNIX sockets this is done at once, or not at all (EAGAIN: the token's backlog is full). */
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int entry_open(struct presence_soft *s, const char *name, const struct stat *st, struct presence_entry **ret)
{
	struct presence_entry *e = presence_entry_new(s->presence, TOKEN_SOFT);
	char printable[sizeof(e->node.name)];
	int n, r;

	if (!e)
		return -ENOMEM;
	e->dev = st->st_dev;
	e->ino = st->st_ino;
	presence_copy_printable(printable, sizeof(printable), name);
	memcpy(e->node.name, printable, sizeof(printable));
	snprintf(e->node.id, sizeof(e->node.id), "soft-%.50s", printable);
	n = snprintf(e->node.path, sizeof(e->node.path), "%s/%s", s->dir, name);
	r = n < 0 || (size_t)n >= sizeof(e->node.path) ? -ENAMETOOLONG : 0;
	if (r < 0)
		goto fail;

	r = connect_to(e);
	if (r < 0)
		goto fail;
	e->fd = r;
	r = sd_event_add_io(presence_event(s->presence), &e->source, e->fd, EPOLLIN | EPOLLRDHUP, on_connection, e);
	if (r < 0)
		goto fail;
	/* Pulling the key comes before whatever else waits. */
	r = sd_event_source_set_priority(e->source, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		goto fail;
	*ret = e;
	return 0;
fail:
	presence_entry_free(e);
	return r;
}

static void forget(struct presence_soft *s, const char *name)
{
	struct presence_entry *e = presence_find_soft(s->presence, name);

	if (e)
		presence_remove(s->presence, e);
}

/* What stands under this name now? */
static void look(struct presence_soft *s, const char *name)
{
	struct presence_entry *e;
	struct stat st;

	if (!name_fits(name))
		return;
	e = presence_find_soft(s->presence, name);
	if (fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode)) {
		if (e)
			presence_remove(s->presence, e);
		return;
	}
	if (e) {
		if (e->dev == st.st_dev && e->ino == st.st_ino)
			return; /* seen by the scan, told again by inotify */
		presence_remove(s->presence, e); /* another token in its place */
	}
	if (entry_open(s, name, &st, &e) == 0)
		presence_add(s->presence, e);
}

static void forget_all(struct presence_soft *s)
{
	struct presence_entry *e, *next;

	for (e = presence_first(s->presence); e; e = next) {
		next = e->next;
		if (e->node.kind == TOKEN_SOFT)
			presence_remove(s->presence, e);
	}
}

static int on_inotify(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct presence_soft *s = userdata;

	(void)source;
	if (event->mask & IN_Q_OVERFLOW)
		(void)presence_soft_scan(s);
	else if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
		forget_all(s); /* the paths mean nothing any more */
	else if (event->len == 0)
		return 0;
	else if (event->mask & (IN_DELETE | IN_MOVED_FROM))
		forget(s, event->name);
	else
		look(s, event->name);
	return 0;
}

int presence_soft_new(struct presence_soft **ret, struct presence *p, const char *dir)
{
	struct presence_soft *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->presence = p;
	s->dirfd = -1;
	s->dir = strdup(dir);
	r = s->dir ? 0 : -ENOMEM;
	if (r < 0)
		goto fail;
	s->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = s->dirfd < 0 ? -errno : 0;
	if (r < 0)
		goto fail;
	r = sd_event_add_inotify(presence_event(p), &s->watch, dir,
		IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR, on_inotify, s);
	if (r < 0)
		goto fail;
	r = sd_event_source_set_priority(s->watch, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		goto fail;
	*ret = s;
	return 0;
fail:
	presence_soft_free(s);
	return r;
}

struct presence_soft *presence_soft_free(struct presence_soft *s)
{
	if (!s)
		return NULL;
	sd_event_source_disable_unref(s->watch);
	if (s->dirfd >= 0)
		close(s->dirfd);
	free(s->dir);
	free(s);
	return NULL;
}

int presence_soft_scan(struct presence_soft *s)
{
	struct presence_entry *e, *next;
	struct dirent *entry;
	int fd, r;
	DIR *d;

	/* What went: look() takes it off the list. */
	for (e = presence_first(s->presence); e; e = next) {
		next = e->next;
		if (e->node.kind == TOKEN_SOFT)
			look(s, strrchr(e->node.path, '/') + 1);
	}

	fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while ((entry = readdir(d)))
		look(s, entry->d_name);
	closedir(d);
	return 0;
}
