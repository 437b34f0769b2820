/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/device-watch.h"

/* inotify tells of bind(), but there is an answer only after listen(): tried again every 10 ms, for two seconds. */
#define RETRY_NS 10000000
#define RETRY_MAX 200
#define PENDING_MAX 64

/* IN_ATTRIB: a socket that was root's alone may be ours to use after a chmod or setfacl. */
#define DIR_EVENTS                                                                                                     \
	(IN_ATTRIB | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct pending {
	char ifname[IF_NAMESIZE];
	unsigned int tries;
};

struct device_watch_dir {
	int inotify_fd, timer_fd;
	char path[PATH_MAX];
	int wd;	       /* of the directory, or of the nearest one above it that exists */
	bool attached; /* of the directory itself */
	device_watch_event_t event;
	void *userdata;
	size_t n_pending;
	struct pending pending[PENDING_MAX];
};

/* "wg0.sock": the interface's name. */
static bool socket_name(char ret[static IF_NAMESIZE], const char *file)
{
	const size_t len = strlen(file);

	if (len <= 5 || len - 5 >= IF_NAMESIZE || strcmp(file + len - 5, ".sock") != 0)
		return false;
	memcpy(ret, file, len - 5);
	ret[len - 5] = '\0';
	return ifname_valid(ret);
}

static bool socket_answers(const struct device_watch_dir *d, const char *ifname)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r, n;

	n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", d->path, ifname);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return true;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true;
	/* Any other trouble is for the one who will really use it, to see and to report. */
	r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED;
	close(fd);
	return !r;
}

static int pending_arm(struct device_watch_dir *d)
{
	const struct itimerspec t = { .it_value.tv_nsec = d->n_pending ? RETRY_NS : 0 };

	return timerfd_settime(d->timer_fd, 0, &t, NULL) < 0 ? -errno : 0;
}

static void pending_remove(struct device_watch_dir *d, const char *ifname)
{
	for (size_t i = 0; i < d->n_pending; i++)
		if (strcmp(d->pending[i].ifname, ifname) == 0) {
			d->pending[i] = d->pending[--d->n_pending];
			return;
		}
}

static int socket_appeared(struct device_watch_dir *d, const char *ifname)
{
	struct pending *p;

	pending_remove(d, ifname);
	/* So many at once are nobody's interfaces; telling too early does no harm beyond a first try in vain. */
	if (d->n_pending == PENDING_MAX || socket_answers(d, ifname)) {
		d->event(d->userdata, ifname, true);
		return 0;
	}
	p = &d->pending[d->n_pending++];
	memset(p, 0, sizeof(*p));
	strcpy(p->ifname, ifname);
	return pending_arm(d);
}

static int pending_retry(struct device_watch_dir *d)
{
	char ifname[IF_NAMESIZE];
	uint64_t expirations;

	if (read(d->timer_fd, &expirations, sizeof(expirations)) < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < d->n_pending;) {
		const bool answers = socket_answers(d, d->pending[i].ifname);

		if (!answers && ++d->pending[i].tries < RETRY_MAX) {
			i++;
			continue;
		}
		memcpy(ifname, d->pending[i].ifname, sizeof(ifname));
		d->pending[i] = d->pending[--d->n_pending];
		if (answers)
			d->event(d->userdata, ifname, true);
	}
	return pending_arm(d);
}

/* What was there before we looked: only where the directory itself appeared later than we. */
static int dir_scan(struct device_watch_dir *d)
{
	char ifname[IF_NAMESIZE];
	struct dirent *e;
	DIR *dir = opendir(d->path);
	int r = 0;

	if (!dir)
		return 0;
	while (r == 0 && (e = readdir(dir)))
		if (socket_name(ifname, e->d_name))
			r = socket_appeared(d, ifname);
	closedir(dir);
	return r;
}

/* The parent of path, in place; "" becomes "." and "/" stays. */
static void path_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		strcpy(path, ".");
	else if (slash == path)
		path[1] = '\0';
	else
		*slash = '\0';
}

/*
 * Watches the directory, or else the nearest one above it that exists. What is made between looking and watching is
 * seen by looking again once the watch stands.
 */
static int dir_attach(struct device_watch_dir *d)
{
	char at[PATH_MAX];
	int wd;

	if (d->wd >= 0)
		inotify_rm_watch(d->inotify_fd, d->wd);
	d->wd = -1;
	d->attached = false;
	for (;;) {
		int old = d->wd;

		strcpy(at, d->path);
		for (;;) {
			wd = inotify_add_watch(d->inotify_fd, at, DIR_EVENTS);
			if (wd >= 0 || (errno != ENOENT && errno != ENOTDIR) || strcmp(at, "/") == 0 ||
				strcmp(at, ".") == 0)
				break;
			path_parent(at);
		}
		if (wd < 0)
			return -errno;
		d->wd = wd;
		d->attached = strcmp(at, d->path) == 0;
		if (d->attached || wd == old)
			return 0;
		if (old >= 0)
			inotify_rm_watch(d->inotify_fd, old);
	}
}

static int dir_event(struct device_watch_dir *d, const struct inotify_event *e)
{
	char ifname[IF_NAMESIZE];
	int r;

	if (e->mask & IN_Q_OVERFLOW) {
		r = dir_attach(d);
		d->event(d->userdata, NULL, true);
		return r;
	}
	/* Of a watch that was given up meanwhile. */
	if (e->wd != d->wd)
		return 0;
	if (!d->attached || (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))) {
		r = dir_attach(d);
		if (r == 0 && d->attached)
			r = dir_scan(d);
		return r;
	}
	if (e->len == 0 || !socket_name(ifname, e->name))
		return 0;
	if (e->mask & (IN_CREATE | IN_MOVED_TO | IN_ATTRIB))
		return socket_appeared(d, ifname);
	pending_remove(d, ifname);
	d->event(d->userdata, ifname, false);
	return 0;
}

int device_watch_dir_read(struct device_watch_dir *d)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t len;
	int r;

	for (;;) {
		len = read(d->inotify_fd, buf, sizeof(buf));
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			break;
		if (len < 0)
			return -errno;
		for (const char *at = buf; at < buf + len;) {
			const struct inotify_event *e = (const struct inotify_event *)(const void *)at;

			r = dir_event(d, e);
			if (r < 0)
				return r;
			at += sizeof(*e) + e->len;
		}
	}
	return pending_retry(d);
}

int device_watch_dir_new(struct device_watch_dir **ret, const char *path, device_watch_event_t event, void *userdata)
{
	struct device_watch_dir *d;
	size_t len = strlen(path);
	int r = 0;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || len >= sizeof(d->path))
		return len == 0 ? -EINVAL : -ENAMETOOLONG;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	memcpy(d->path, path, len);
	d->event = event;
	d->userdata = userdata;
	d->wd = -1;
	d->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d->inotify_fd < 0 || d->timer_fd < 0)
		r = -errno;
	if (r == 0)
		r = dir_attach(d);
	if (r < 0) {
		device_watch_dir_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

int device_watch_dir_fd(const struct device_watch_dir *d)
{
	return d->inotify_fd;
}

int device_watch_dir_timer_fd(const struct device_watch_dir *d)
{
	return d->timer_fd;
}

struct device_watch_dir *device_watch_dir_free(struct device_watch_dir *d)
{
	if (!d)
		return NULL;
	if (d->inotify_fd >= 0)
		close(d->inotify_fd);
	if (d->timer_fd >= 0)
		close(d->timer_fd);
	free(d);
	return NULL;
}
