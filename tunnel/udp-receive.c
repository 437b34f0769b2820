/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tunnel/udp.h"

#define ROOM (UDP_HEADROOM + UDP_ROOM) /* what is behind one is before the next */
#define ROOMS (UDP_BATCH * ROOM + UDP_HEADROOM)

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
};

struct udp_batch {
	struct mmsghdr headers[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	union address from[UDP_BATCH];
	struct control control[UDP_BATCH];
	struct udp_message messages[UDP_BATCH];
	uint8_t *rooms; /* UDP_BATCH of them; what was never used takes no memory */
};

struct udp_batch *udp_batch_new(void)
{
	struct udp_batch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->rooms = mmap(NULL, ROOMS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->rooms == MAP_FAILED) {
		free(b);
		return NULL;
	}
	for (unsigned int i = 0; i < UDP_BATCH; i++) {
		b->iov[i] = (struct iovec){ .iov_base = b->rooms + i * ROOM + UDP_HEADROOM, .iov_len = UDP_ROOM };
		b->headers[i].msg_hdr = (struct msghdr){ .msg_name = &b->from[i], .msg_iov = &b->iov[i], .msg_iovlen = 1,
			.msg_control = &b->control[i] };
	}
	return b;
}

struct udp_batch *udp_batch_free(struct udp_batch *b)
{
	if (b) {
		munmap(b->rooms, ROOMS);
		free(b);
	}
	return NULL;
}

static void read_control(struct msghdr *h, struct udp_message *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			int size;

			memcpy(&size, CMSG_DATA(c), sizeof(size));
			if (size > 0)
				m->segment = (uint32_t)size;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			m->from.from.in = info.ipi_spec_dst;
			m->from.from_ifindex = (uint32_t)info.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			m->from.from.in6 = info.ipi6_addr;
			m->from.from_ifindex = info.ipi6_ifindex;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			m->ecn = *(const uint8_t *)CMSG_DATA(c) & 3;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			int class;

			memcpy(&class, CMSG_DATA(c), sizeof(class));
			m->ecn = class & 3;
		}
	}
}

static void read_message(struct udp_batch *b, unsigned int i)
{
	struct msghdr *const h = &b->headers[i].msg_hdr;
	struct udp_message *const m = &b->messages[i];
	const uint32_t len = b->headers[i].msg_len;

	*m = (struct udp_message){ .bytes = b->iov[i].iov_base, .segment = len };
	memset(&m->from, 0, sizeof(m->from));
	if ((h->msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return;
	if (b->from[i].sa.sa_family == AF_INET)
		m->from.to.in = b->from[i].in;
	else if (b->from[i].sa.sa_family == AF_INET6)
		m->from.to.in6 = b->from[i].in6;
	else
		return;
	m->len = len;
	read_control(h, m);
}

int udp_receive(int fd, struct udp_batch *b, const struct udp_message **ret)
{
	int n;

	for (unsigned int i = 0; i < UDP_BATCH; i++) {
		b->headers[i].msg_hdr.msg_namelen = sizeof(b->from[i]);
		b->headers[i].msg_hdr.msg_controllen = sizeof(b->control[i]);
	}
	n = recvmmsg(fd, b->headers, UDP_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		read_message(b, (unsigned int)i);
	*ret = b->messages;
	return n;
}
