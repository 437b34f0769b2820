/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's WireGuard. Dumps hold the private key and all PSKs, requests the new ones: one guarded buffer serves both, and
 * is wiped after every exchange.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/device-io.h"
#include "agent/device-netlink-message.h"
#include "agent/device.h"

#define DUMP_TRIES 16

struct device_netlink {
	struct device_backend backend; /* first: the backend is cast to this */
	struct mnl_socket *socket;     /* NULL: to be opened again */
	uint16_t family;
	uint32_t seq;
	uint8_t *buf; /* guarded, DEVICE_NETLINK_MESSAGE_MAX */
};

static struct device_netlink *netlink_from(struct device_backend *b)
{
	return (struct device_netlink *)b;
}

static void netlink_close(struct device_netlink *n)
{
	if (n->socket)
		mnl_socket_close(n->socket);
	n->socket = NULL;
}

static int netlink_open(struct device_netlink *n)
{
	int on = 1, r;

	if (n->socket)
		return 0;
	n->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!n->socket)
		return -errno;
	if (mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		netlink_close(n);
		return r;
	}
	/* An error's answer must not bring the request and its keys back. */
	(void)mnl_socket_setsockopt(n->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

/* One datagram, from the kernel and nobody else (any process may send to a netlink socket). */
static ssize_t netlink_receive(struct device_netlink *n, uint64_t deadline)
{
	const int fd = mnl_socket_get_fd(n->socket);
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = n->buf, .iov_len = DEVICE_NETLINK_MESSAGE_MAX };
	struct msghdr msg;
	ssize_t len;
	int r;

	for (;;) {
		msg = (struct msghdr){
			.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
		};
		len = recvmsg(fd, &msg, MSG_DONTWAIT);
		if (len < 0 && errno == EAGAIN) {
			r = device_io_wait(fd, POLLIN, deadline);
			if (r < 0)
				return r;
			continue;
		}
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
			continue;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		return len;
	}
}

/* Sends the len bytes in the buffer and reads what answers them. */
static int netlink_exchange(struct device_netlink *n, size_t len, struct device_netlink_decoder *d, uint64_t deadline)
{
	ssize_t got;
	int r = 0;

	if (mnl_socket_sendto(n->socket, n->buf, len) < 0)
		r = -errno;
	while (r == 0) {
		got = netlink_receive(n, deadline);
		if (got < 0) {
			r = (int)got;
			break;
		}
		r = device_netlink_decode(d, n->buf, (size_t)got);
		if (r == DEVICE_NETLINK_DONE)
			break;
	}
	sodium_memzero(n->buf, DEVICE_NETLINK_MESSAGE_MAX);
	/* A dump that we did not read to its end would make the next one -EBUSY. */
	if (!d->finished)
		netlink_close(n);
	return r < 0 ? r : 0;
}

static int netlink_resolve(struct device_netlink *n, uint64_t deadline)
{
	struct device_netlink_decoder d = { .seq = ++n->seq };
	int r;

	r = netlink_open(n);
	if (r < 0)
		return r;
	r = netlink_exchange(n, device_netlink_encode_get_family(n->buf, d.seq), &d, deadline);
	if (r == -ENOENT)
		return -EOPNOTSUPP;
	if (r < 0)
		return r;
	n->family = d.ret_family;
	return 0;
}

/* -EOPNOTSUPP says that the interface is not a WireGuard one. */
static int netlink_error(int r)
{
	return r == -EOPNOTSUPP ? -ENODEV : r;
}

static int netlink_dump(struct device_netlink *n, const char *ifname, struct device **ret, uint64_t deadline)
{
	struct device_netlink_decoder d = { .seq = ++n->seq, .family = n->family, .want_dump = true };
	int r;

	r = netlink_open(n);
	if (r < 0)
		return r;
	r = device_builder_init(&d.builder);
	if (r < 0)
		return r;
	r = netlink_exchange(n, device_netlink_encode_get(n->buf, n->family, d.seq, ifname), &d, deadline);
	if (r == 0 && d.interrupted)
		r = -EINTR;
	if (r < 0) {
		device_builder_clear(&d.builder);
		return r;
	}
	return device_builder_finish(&d.builder, ret);
}

static int netlink_get(struct device_backend *b, const char *ifname, struct device **ret)
{
	struct device_netlink *n = netlink_from(b);
	const uint64_t deadline = device_io_deadline_us(device_io_timeout_ms);
	int r;

	if (strlen(ifname) >= IF_NAMESIZE)
		return -ENODEV;
	/* Somebody's change in the middle of a dump (-EINTR), or an overrun of our socket, makes it worthless: once more. */
	for (unsigned int i = 0; i < DUMP_TRIES; i++) {
		r = netlink_dump(n, ifname, ret, deadline);
		/* No such family any more: the module was unloaded, and came back under another number. */
		if (r == -ENOENT) {
			r = netlink_resolve(n, deadline);
			if (r < 0)
				break;
			r = -EINTR;
		}
		if (r != -EINTR && r != -ENOBUFS)
			break;
	}
	return netlink_error(r);
}

static int netlink_set_message(struct device_netlink *n, size_t len, uint32_t seq)
{
	struct device_netlink_decoder d = { .seq = seq, .family = n->family };

	return netlink_exchange(n, len, &d, device_io_deadline_us(device_io_timeout_ms));
}

static int netlink_set_once(struct device_netlink *n, const char *ifname, const struct device_change *change)
{
	struct device_netlink_encoder e = { .ifname = ifname, .change = change };
	int r;

	for (;;) {
		r = netlink_open(n);
		if (r < 0)
			return r;
		r = device_netlink_encode_set(&e, n->buf, DEVICE_NETLINK_MESSAGE_MAX, n->family, ++n->seq);
		if (r > 0)
			r = netlink_set_message(n, (size_t)r, n->seq);
		else
			return r;
		if (r < 0)
			return r;
	}
}

static int netlink_set(struct device_backend *b, const char *ifname, const struct device_change *change)
{
	struct device_netlink *n = netlink_from(b);
	int r;

	if (strlen(ifname) >= IF_NAMESIZE)
		return -ENODEV;
	r = netlink_set_once(n, ifname, change);
	if (r == -ENOENT) {
		r = netlink_resolve(n, device_io_deadline_us(device_io_timeout_ms));
		if (r == 0)
			r = netlink_set_once(n, ifname, change);
	}
	sodium_memzero(n->buf, DEVICE_NETLINK_MESSAGE_MAX);
	return netlink_error(r);
}

static struct device_backend *netlink_free(struct device_backend *b)
{
	struct device_netlink *n = netlink_from(b);

	if (!n)
		return NULL;
	netlink_close(n);
	sodium_free(n->buf);
	free(n);
	return NULL;
}

static const struct device_backend_ops netlink_ops = {
	.name = "kernel",
	.get = netlink_get,
	.set = netlink_set,
	.free = netlink_free,
};

int device_netlink_new(struct device_backend **ret)
{
	struct device_netlink *n = calloc(1, sizeof(*n));
	int r = -ENOMEM;

	if (!n)
		return r;
	n->backend.ops = &netlink_ops;
	n->buf = sodium_malloc(DEVICE_NETLINK_MESSAGE_MAX);
	if (n->buf)
		r = netlink_resolve(n, device_io_deadline_us(device_io_timeout_ms));
	if (r < 0) {
		netlink_free(&n->backend);
		return r;
	}
	*ret = &n->backend;
	return 0;
}
