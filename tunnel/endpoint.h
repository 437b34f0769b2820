/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a peer is, and from which of our addresses it was last heard: what is sent goes out there again. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct endpoint {
	/* sa.sa_family is AF_UNSPEC while none is known. A v4 address never stands here mapped into v6. */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} to;
	/* Our address (IP_PKTINFO, IPV6_PKTINFO) of to's family; all zero: the kernel's choice. Dropped (zeroed) by whoever sends
	 * when the kernel refuses it. */
	union {
		struct in_addr in;
		struct in6_addr in6;
	} from;
	uint32_t from_ifindex; /* with from; 0: any */
};

static inline bool endpoint_known(const struct endpoint *e)
{
	return e->to.sa.sa_family != AF_UNSPEC;
}

/* The same place as seen from the same address: what a packet that was authenticated is compared with. */
static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	if (a->to.sa.sa_family != b->to.sa.sa_family)
		return false;
	if (a->to.sa.sa_family == AF_INET)
		return a->to.in.sin_addr.s_addr == b->to.in.sin_addr.s_addr && a->to.in.sin_port == b->to.in.sin_port &&
			a->from.in.s_addr == b->from.in.s_addr && a->from_ifindex == b->from_ifindex;
	if (a->to.sa.sa_family == AF_INET6)
		return memcmp(&a->to.in6.sin6_addr, &b->to.in6.sin6_addr, 16) == 0 && a->to.in6.sin6_port == b->to.in6.sin6_port &&
			a->to.in6.sin6_scope_id == b->to.in6.sin6_scope_id && memcmp(&a->from.in6, &b->from.in6, 16) == 0 &&
			a->from_ifindex == b->from_ifindex;
	return true;
}
