/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/seqpacket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_US (20 * US_PER_MS)

struct seqpacket {
	struct transport transport;
	struct sockaddr_un address;
	int fd;
};

static struct seqpacket *seqpacket_of(struct transport *t)
{
	return (struct seqpacket *)(void *)t;
}

static void seqpacket_close(struct transport *t)
{
	struct seqpacket *s = seqpacket_of(t);

	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void describe(struct seqpacket *s)
{
	const char *slash = strrchr(s->address.sun_path, '/');
	char text[TRANSPORT_TEXT_MAX];

	snprintf(text, sizeof(text), "Software token %.100s", slash ? slash + 1 : s->address.sun_path);
	transport_set_text(s->transport.product, text);
	s->transport.serial[0] = 0;
}

/* A software token that is plugged in again is another process. */
static int read_incarnation(struct seqpacket *s)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	s->transport.incarnation = (uint64_t)peer.pid;
	return 0;
}

static int seqpacket_open(struct transport *t, uint64_t deadline_us)
{
	struct seqpacket *s = seqpacket_of(t);
	int r = 0;

	seqpacket_close(t);
	s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	while (connect(s->fd, (struct sockaddr *)&s->address, sizeof(s->address)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return -ENODEV; /* unplugged */
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		/* Its queue of connections is full. */
		r = transport_pause(t, RETRY_US, deadline_us);
		if (r < 0)
			return r == -ETIMEDOUT ? -EBUSY : r;
	}
	t->in_size = t->out_size = SEQPACKET_REPORT_SIZE;
	describe(s);
	return read_incarnation(s);
}

static int seqpacket_read(struct transport *t, uint8_t *report, uint64_t deadline_us)
{
	struct seqpacket *s = seqpacket_of(t);
	ssize_t n;
	int r;

	do {
		r = transport_wait(t, s->fd, POLLIN, deadline_us);
		if (r < 0)
			return r;
		n = recv(s->fd, report, SEQPACKET_REPORT_SIZE, MSG_TRUNC);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENODEV;
	return n == SEQPACKET_REPORT_SIZE ? 0 : -EPROTO;
}

static int seqpacket_write(struct transport *t, const uint8_t *report, uint64_t deadline_us)
{
	struct seqpacket *s = seqpacket_of(t);
	ssize_t n;
	int r;

	do {
		r = transport_wait(t, s->fd, POLLOUT, deadline_us);
		if (r < 0)
			return r;
		n = send(s->fd, report, SEQPACKET_REPORT_SIZE, MSG_NOSIGNAL);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return errno == EPIPE ? -ENODEV : -errno;
	return n == SEQPACKET_REPORT_SIZE ? 0 : -EIO;
}

static const struct transport_ops seqpacket_ops = {
	.open = seqpacket_open,
	.close = seqpacket_close,
	.read = seqpacket_read,
	.write = seqpacket_write,
};

int seqpacket_new(struct transport **ret, const char *path, struct clock *clock)
{
	struct seqpacket *s;

	if (path[0] == 0 || strlen(path) >= sizeof(s->address.sun_path))
		return -ENAMETOOLONG;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->transport.ops = &seqpacket_ops;
	s->transport.clock = clock;
	s->address.sun_family = AF_UNIX;
	memcpy(s->address.sun_path, path, strlen(path) + 1);
	s->fd = -1;
	*ret = &s->transport;
	return 0;
}

struct transport *seqpacket_free(struct transport *t)
{
	if (t) {
		seqpacket_close(t);
		free(seqpacket_of(t));
	}
	return NULL;
}
