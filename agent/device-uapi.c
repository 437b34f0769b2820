/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Userspace WireGuards, over RUNDIR/IFACE.sock. PSKs and private keys go to whoever listens there, so it must be root or our
 * own uid that does: the directory is not writable for everyone, the socket's owner and the listening process (SO_PEERCRED)
 * are root or we. Anything else is -EPERM, and nothing was said to it.
 *
 * wireguard-go makes its socket for root alone: -EACCES until somebody gives the agent's user the right to write to it (as
 * "setfacl -m u:wgfido-net:rw /run/wireguard/wg0.sock" in an ExecStartPost or PostUp does; the watch sees that). One connection an operation: not all implementations
 * take a second one on the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/device-io.h"
#include "agent/device-uapi-text.h"
#include "agent/device-uapi.h"
#include "agent/device.h"

#define BUFFER_SIZE 16384

struct device_uapi {
	struct device_backend backend; /* first: the backend is cast to this */
	char *rundir;
	char *buf; /* guarded, BUFFER_SIZE */
	struct device_io_patience patience;
};

static struct device_uapi *uapi_from(struct device_backend *b)
{
	return (struct device_uapi *)b;
}

static bool uid_trusted(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static int uapi_check_path(const char *rundir, const char *path)
{
	struct stat st;

	if (stat(rundir, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENODEV : -errno;
	/* Not even with the sticky bit: there whoever comes first has the name. */
	if (!S_ISDIR(st.st_mode) || !uid_trusted(st.st_uid) || (st.st_mode & S_IWOTH))
		return -EPERM;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	if (!S_ISSOCK(st.st_mode) || !uid_trusted(st.st_uid))
		return -EPERM;
	return 0;
}

int device_uapi_connect(const char *rundir, const char *ifname)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd, r;

	if (!ifname_valid(ifname))
		return -ENODEV;
	r = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", rundir, ifname);
	if (r < 0 || (size_t)r >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	r = uapi_check_path(rundir, address.sun_path);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		/* Nobody listens: left behind by one that died. EAGAIN: too many wait to be taken. */
		r = errno == ECONNREFUSED || errno == ENOENT ? -ENODEV : errno == EAGAIN ? -EBUSY : -errno;
	} else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		r = -errno;
	} else if (!uid_trusted(peer.uid)) {
		r = -EPERM;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int uapi_send(int fd, const char *bytes, size_t len, uint64_t deadline)
{
	ssize_t n;
	int r;

	while (len > 0) {
		n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			r = device_io_wait(fd, POLLOUT, deadline);
			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The answer; the buffer is used over and over, so that thousands of peers need no more of it. */
static int uapi_receive(struct device_uapi *u, int fd, struct device_uapi_parser *p, uint64_t deadline)
{
	ssize_t n;
	int r;

	while (!p->complete) {
		n = recv(fd, u->buf, BUFFER_SIZE, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			r = device_io_wait(fd, POLLIN, deadline);
			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ECONNRESET;
		r = device_uapi_parser_push(p, u->buf, (size_t)n);
		if (r < 0)
			return r;
	}
	return 0;
}

static int uapi_get(struct device_backend *b, const char *ifname, struct device **ret)
{
	static const char request[] = "get=1\n\n";
	struct device_uapi *u = uapi_from(b);
	const uint64_t deadline = device_io_deadline_us(device_io_patience_ms(&u->patience, ifname));
	struct device_uapi_parser p;
	struct device *d = NULL;
	int fd, r;

	fd = device_uapi_connect(u->rundir, ifname);
	if (fd < 0)
		return fd;
	r = device_uapi_parser_init(&p, true);
	if (r == 0)
		r = uapi_send(fd, request, sizeof(request) - 1, deadline);
	if (r == 0)
		r = uapi_receive(u, fd, &p, deadline);
	if (r == 0)
		r = device_uapi_parser_finish(&p, &d);
	close(fd);
	device_io_patience_learn(&u->patience, ifname, r == -ETIMEDOUT);
	device_uapi_parser_clear(&p);
	sodium_memzero(u->buf, BUFFER_SIZE);
	if (r < 0)
		return r;
	snprintf(d->ifname, sizeof(d->ifname), "%s", ifname);
	d->ifindex = if_nametoindex(ifname);
	*ret = d;
	return 0;
}

/* One set=1 with its answer. 1: there is more to set; 0: that was all. */
static int uapi_set_operation(struct device_uapi *u, const char *ifname, struct device_uapi_encoder *e)
{
	const uint64_t deadline = device_io_deadline_us(device_io_patience_ms(&u->patience, ifname));
	struct device_uapi_parser p;
	bool end = false;
	int fd, len, r, answer;

	/* Made before connecting: an implementation has nothing to wait for, or to tear down, if the change is not valid. */
	len = device_uapi_encode_set(e, u->buf, BUFFER_SIZE, &end);
	if (len <= 0)
		return len;
	fd = device_uapi_connect(u->rundir, ifname);
	if (fd < 0)
		return fd;
	r = device_uapi_parser_init(&p, false);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = uapi_send(fd, u->buf, (size_t)len, deadline);
	while (r == 0 && !end) {
		len = device_uapi_encode_set(e, u->buf, BUFFER_SIZE, &end);
		r = len < 0 ? len : uapi_send(fd, u->buf, (size_t)len, deadline);
	}
	/* Who stops reading in the middle has said why, before. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET) {
		answer = uapi_receive(u, fd, &p, deadline);
		if (answer == 0)
			answer = device_uapi_parser_finish(&p, NULL);
		if (r == 0 || answer < 0)
			r = answer;
	}
	close(fd);
	device_io_patience_learn(&u->patience, ifname, r == -ETIMEDOUT);
	device_uapi_parser_clear(&p);
	return r < 0 ? r : 1;
}

static int uapi_set(struct device_backend *b, const char *ifname, const struct device_change *change)
{
	struct device_uapi *u = uapi_from(b);
	struct device_uapi_encoder e = { .change = change };
	int r;

	do
		r = uapi_set_operation(u, ifname, &e);
	while (r > 0);
	sodium_memzero(u->buf, BUFFER_SIZE);
	return r;
}

static struct device_backend *uapi_free(struct device_backend *b)
{
	struct device_uapi *u = uapi_from(b);

	if (!u)
		return NULL;
	sodium_free(u->buf);
	free(u->rundir);
	free(u);
	return NULL;
}

static const struct device_backend_ops uapi_ops = {
	.name = "userspace",
	.get = uapi_get,
	.set = uapi_set,
	.free = uapi_free,
};

int device_uapi_new(struct device_backend **ret, const char *rundir)
{
	struct device_uapi *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->backend.ops = &uapi_ops;
	u->rundir = strdup(rundir);
	u->buf = sodium_malloc(BUFFER_SIZE);
	if (!u->rundir || !u->buf) {
		uapi_free(&u->backend);
		return -ENOMEM;
	}
	*ret = &u->backend;
	return 0;
}
