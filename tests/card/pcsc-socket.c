/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcsc_system for the tests' build of wgfido-token: tests/card/readers in pcscd's place, over a SOCK_SEQPACKET socket. A request is a letter
 * and its data, an answer an errno and its data. Made once, before the sandbox is shut, as PC/SC's own socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "token/card/pcsc.h"

struct socket_pcsc {
	struct pcsc pcsc;
	int fd;
	uint8_t buf[70000];
};

static struct socket_pcsc *own(struct pcsc *p)
{
	return (struct socket_pcsc *)(void *)p;
}

static int call(struct pcsc *p, char what, const void *data, size_t len, size_t *ret_len)
{
	struct socket_pcsc *s = own(p);
	ssize_t n;

	s->buf[0] = (uint8_t)what;
	memcpy(s->buf + 1, data, len);
	if (send(s->fd, s->buf, 1 + len, MSG_NOSIGNAL) < 0)
		return -ECONNRESET;
	do
		n = recv(s->fd, s->buf, sizeof(s->buf), 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -ECONNRESET;
	if (ret_len)
		*ret_len = (size_t)n - 1;
	return -s->buf[0];
}

static int socket_open(struct pcsc **ret, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct socket_pcsc *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	s->pcsc.ops = &pcsc_system;
	s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	r = connect(s->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : call(&s->pcsc, 'O', "", 0, NULL);
	if (r < 0) {
		close(s->fd);
		free(s);
		return r;
	}
	*ret = &s->pcsc;
	return 0;
}

static void socket_close(struct pcsc *p)
{
	close(own(p)->fd);
	free(own(p));
}

static int socket_connect(struct pcsc *p, const char *reader, struct pcsc_connection *ret)
{
	size_t len;
	int r = call(p, 'C', reader, strlen(reader), &len);

	if (r == 0) {
		ret->atr_len = len;
		memcpy(ret->atr, own(p)->buf + 1, len);
		ret->t0 = false;
	}
	return r;
}

static int socket_reconnect(struct pcsc *p)
{
	return call(p, 'R', "", 0, NULL);
}

static void socket_disconnect(struct pcsc *p, bool reset)
{
	(void)call(p, 'D', reset ? "1" : "0", 1, NULL);
}

static int socket_begin(struct pcsc *p)
{
	return call(p, 'B', "", 0, NULL);
}

static void socket_end(struct pcsc *p)
{
	(void)call(p, 'E', "", 0, NULL);
}

static int socket_transmit(struct pcsc *p, const uint8_t *command, size_t len, uint8_t *answer, size_t size, size_t *ret_len)
{
	int r = call(p, 'T', command, len, ret_len);

	if (r == 0 && *ret_len > size)
		r = -EMSGSIZE;
	if (r == 0)
		memcpy(answer, own(p)->buf + 1, *ret_len);
	return r;
}

static int socket_watch(struct pcsc *p, struct pcsc_readers *known)
{
	size_t len;
	int r = call(p, 'W', known, sizeof(*known), &len);

	if (r == 0 && len == sizeof(*known))
		memcpy(known, own(p)->buf + 1, sizeof(*known));
	return r;
}

const struct pcsc_ops pcsc_system = {
	.open = socket_open,
	.close = socket_close,
	.connect = socket_connect,
	.reconnect = socket_reconnect,
	.disconnect = socket_disconnect,
	.begin = socket_begin,
	.end = socket_end,
	.transmit = socket_transmit,
	.watch = socket_watch,
};
