/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/udp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (7 * 1024 * 1024)
#define PORT_TRIES 100
/* Once per udp_send: the out lock is held meanwhile, for which a closing tunnel waits. */
#define EAGAIN_WAIT_MS 1
#define REFUSED_FOR 4096

static void set(int fd, int level, int option, int value)
{
	/* What is missing costs speed, or a source address that is not kept: no reason to do without the socket. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static bool has_segment(int fd)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &len) == 0;
}

static void set_buffer(int fd, int force, int plain)
{
	const int value = BUFFER_BYTES;

	if (setsockopt(fd, SOL_SOCKET, force, &value, sizeof(value)) < 0)
		set(fd, SOL_SOCKET, plain, value);
}

/* A socket or a negative errno. */
static int open_one(int family, uint16_t port, uint32_t fwmark)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} any = { .sa.sa_family = (sa_family_t)family };
	const socklen_t len = family == AF_INET ? sizeof(any.in) : sizeof(any.in6);
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP), r;

	if (fd < 0)
		return -errno;
	if (family == AF_INET) {
		any.in.sin_port = htons(port);
		set(fd, IPPROTO_IP, IP_PKTINFO, 1);
		set(fd, IPPROTO_IP, IP_RECVTOS, 1);
		/* As the kernel's WireGuard: the outer packet may be fragmented, and the inner one's sender sees the tunnel's MTU only. */
		set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	} else {
		any.in6.sin6_port = htons(port);
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	}
	set(fd, SOL_UDP, UDP_GRO, 1);
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	r = fwmark && setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof(fwmark)) < 0 ? -errno : 0;
	if (r == 0 && bind(fd, &any.sa, len) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* Both families have the port at the same place. */
static int port_of(int fd, uint16_t *ret)
{
	struct sockaddr_in6 any;
	socklen_t len = sizeof(any);

	if (getsockname(fd, (struct sockaddr *)&any, &len) < 0)
		return -errno;
	*ret = ntohs(any.sin6_port);
	return 0;
}

static bool no_family(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

static int open_both(struct udp *u, uint16_t port, uint32_t fwmark)
{
	int r;

	u->fd[UDP_V4] = open_one(AF_INET, port, fwmark);
	if (u->fd[UDP_V4] < 0 && !no_family(u->fd[UDP_V4]))
		return u->fd[UDP_V4];
	if (u->fd[UDP_V4] >= 0) {
		r = port_of(u->fd[UDP_V4], &port);
		if (r < 0)
			goto fail;
	}
	u->fd[UDP_V6] = open_one(AF_INET6, port, fwmark);
	if (u->fd[UDP_V6] < 0 && (!no_family(u->fd[UDP_V6]) || u->fd[UDP_V4] < 0)) {
		r = u->fd[UDP_V6];
		goto fail;
	}
	if (u->fd[UDP_V4] < 0) {
		r = port_of(u->fd[UDP_V6], &port);
		if (r < 0)
			goto fail;
	}
	u->port = port;
	return 0;
fail:
	udp_close(u);
	return r;
}

int udp_open(struct udp *ret, uint16_t *port, uint32_t fwmark)
{
	struct udp u = { .fd = { -1, -1 } };
	int r = -EADDRINUSE;

	/* A port that is free for one family may be taken for the other. */
	for (int i = 0; r == -EADDRINUSE && i < (*port ? 1 : PORT_TRIES); i++)
		r = open_both(&u, *port, fwmark);
	if (r < 0)
		return r;
	for (int i = 0; i < _UDP_FAMILIES; i++)
		u.segment[i] = u.fd[i] >= 0 && has_segment(u.fd[i]);
	*port = u.port;
	*ret = u;
	return 0;
}

void udp_close(struct udp *u)
{
	for (int i = 0; i < _UDP_FAMILIES; i++) {
		if (u->fd[i] >= 0)
			close(u->fd[i]);
		u->fd[i] = -1;
	}
}

/* Room for all that we add to what is sent. */
struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))];
};

static void control_put(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *const c = (struct cmsghdr *)((uint8_t *)m->msg_control + m->msg_controllen);

	assert(m->msg_controllen + CMSG_SPACE(len) <= sizeof(struct control));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

static bool from_known(const struct endpoint *e)
{
	static const struct in6_addr none6;

	return e->to.sa.sa_family == AF_INET ? e->from.in.s_addr != 0 : memcmp(&e->from.in6, &none6, sizeof(none6)) != 0;
}

/* The interface is the route's choice, as the kernel's WireGuard has it; but for link-local addresses, which are nothing without. */
static void control_fill(struct msghdr *m, const struct endpoint *to, bool with_from, uint8_t ecn, size_t segment)
{
	const bool v6 = to->to.sa.sa_family == AF_INET6;
	const uint16_t size = (uint16_t)segment;
	const int tos = ecn;

	m->msg_controllen = 0;
	if (with_from && v6) {
		const struct in6_pktinfo info = { .ipi6_addr = to->from.in6,
			.ipi6_ifindex = IN6_IS_ADDR_LINKLOCAL(&to->from.in6) ? to->from_ifindex : 0 };

		control_put(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	} else if (with_from) {
		const struct in_pktinfo info = { .ipi_spec_dst = to->from.in };

		control_put(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (ecn)
		control_put(m, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos));
	if (segment)
		control_put(m, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
}

static int send_once(int fd, const struct msghdr *m, bool *may_wait)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	if (sendmsg(fd, m, MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno != EAGAIN || !*may_wait)
		return -errno;
	*may_wait = false;
	(void)poll(&room, 1, EAGAIN_WAIT_MS);
	return sendmsg(fd, m, MSG_NOSIGNAL) >= 0 ? 0 : -errno;
}

struct sending {
	struct udp *u;
	int family;
	struct msghdr m;
	struct iovec iov;
	struct control control;
	const struct endpoint *to;
	uint8_t ecn;
	bool with_from;
	bool from_refused;
	bool *may_wait;
};

static int send_packets(struct sending *s, const uint8_t *bytes, size_t len, size_t segment)
{
	int r;

	/* Not written to. */
	s->iov = (struct iovec){ .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	control_fill(&s->m, s->to, s->with_from, s->ecn, segment);
	r = send_once(s->u->fd[s->family], &s->m, s->may_wait);
	/* An address that is ours no longer is EINVAL in IPv4 and IPv6, and so are segments that do not fit the route. */
	if (s->with_from && (r == -EINVAL || r == -EADDRNOTAVAIL || r == -ENETUNREACH || r == -EHOSTUNREACH)) {
		control_fill(&s->m, s->to, false, s->ecn, segment);
		if (send_once(s->u->fd[s->family], &s->m, s->may_wait) == 0) {
			s->with_from = false;
			s->from_refused = true;
			return 0;
		}
	}
	return r;
}

static bool may_segment(struct udp *u, int family, size_t segment)
{
	if (!u->segment[family])
		return false;
	if (u->refused_size == 0 || segment < u->refused_size)
		return true;
	if (--u->refused_left > 0)
		return false;
	u->refused_size = 0;
	return true;
}

int udp_send(struct udp *u, const uint8_t *bytes, size_t len, size_t segment, uint8_t ecn, const struct endpoint *to, bool *may_wait,
	bool *ret_from_refused)
{
	const int family = to->to.sa.sa_family == AF_INET ? UDP_V4 : UDP_V6;
	struct sending s = { .u = u, .family = family, .to = to, .ecn = ecn, .may_wait = may_wait };
	int r = 0;

	*ret_from_refused = false;
	if (!endpoint_known(to))
		return -EDESTADDRREQ;
	if (u->fd[family] < 0)
		return -EAFNOSUPPORT;
	s.with_from = from_known(to);
	s.m = (struct msghdr){ .msg_name = (void *)(uintptr_t)&to->to, .msg_namelen = family == UDP_V4 ? sizeof(to->to.in) : sizeof(to->to.in6),
		.msg_iov = &s.iov, .msg_iovlen = 1, .msg_control = &s.control };
	if (segment < len && may_segment(u, family, segment)) {
		r = send_packets(&s, bytes, len, segment);
		if (r != -EIO && r != -EINVAL && r != -EMSGSIZE)
			goto out;
		/* EIO: a device on the way has no checksums to offload, so nothing is cut for it. The others: this route's MTU. */
		if (r == -EIO) {
			u->segment[family] = false;
		} else {
			u->refused_size = (uint16_t)segment;
			u->refused_left = REFUSED_FOR;
		}
		r = 0;
	}
	for (size_t n; len > 0; bytes += n, len -= n) {
		int e;

		n = segment < len ? segment : len;
		e = send_packets(&s, bytes, n, 0);
		if (e < 0)
			r = e;
		if (e == -EAGAIN)
			break;
	}
out:
	*ret_from_refused = s.from_refused;
	return r;
}
