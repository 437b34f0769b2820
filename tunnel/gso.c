/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/gso.h"

#include <errno.h>

#include "tunnel/inet.h"

/* Of a packet that stays whole: the device counts on us for the sum over csum_start and what follows. */
static int finish_checksum(const struct virtio_net_hdr *h, uint8_t *packet, size_t len)
{
	const size_t start = h->csum_start, at = start + h->csum_offset;
	uint16_t sum;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return 0;
	if (start >= len || at + 2 > len)
		return -EINVAL;
	/* The field holds the sum of the pseudo-header. */
	sum = (uint16_t)~inet_fold(inet_sum(packet + start, len - start));
	/* 0 says in UDP that there is none. In TCP both mean the same. */
	inet_store(packet + at, sum ? sum : 0xffff);
	return 0;
}

/* Where TCP or UDP begin; extension headers are what csum_start tells. */
static int find_transport(struct gso *g, const struct virtio_net_hdr *h)
{
	const uint8_t *p = g->packet;

	g->version = g->len ? p[0] >> 4 : 0;
	if (g->version == 4 && g->len >= INET4_HEADER) {
		g->network_len = (p[0] & 0xfu) * 4u;
		if (g->network_len < INET4_HEADER || p[INET4_PROTOCOL] != g->protocol)
			return -EINVAL;
		return h->csum_start == g->network_len ? 0 : -EINVAL;
	}
	if (g->version == 6 && g->len >= INET6_HEADER) {
		g->network_len = h->csum_start;
		if (g->network_len < INET6_HEADER || (g->network_len == INET6_HEADER && p[INET6_NEXT] != g->protocol))
			return -EINVAL;
		return 0;
	}
	return -EINVAL;
}

int gso_begin(struct gso *g, const struct virtio_net_hdr *h, uint8_t *packet, size_t len)
{
	const uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	size_t transport;

	*g = (struct gso){ .packet = packet, .len = len };
	if (len == 0 || len > UINT16_MAX + INET6_HEADER)
		return -EINVAL;
	if (type == VIRTIO_NET_HDR_GSO_NONE)
		return finish_checksum(h, packet, len);
	g->protocol = type == VIRTIO_NET_HDR_GSO_UDP_L4 ? INET_UDP : INET_TCP;
	if (type != VIRTIO_NET_HDR_GSO_TCPV4 && type != VIRTIO_NET_HDR_GSO_TCPV6 && type != VIRTIO_NET_HDR_GSO_UDP_L4)
		return -EINVAL;
	if (find_transport(g, h) < 0 || (type == VIRTIO_NET_HDR_GSO_TCPV4 && g->version != 4) ||
		(type == VIRTIO_NET_HDR_GSO_TCPV6 && g->version != 6))
		return -EINVAL;
	transport = g->protocol == INET_TCP ? TCP_HEADER : UDP_HEADER;
	if (len < g->network_len + transport)
		return -EINVAL;
	if (g->protocol == INET_TCP) {
		transport = (packet[g->network_len + TCP_DATA_OFFSET] >> 4) * 4u;
		if (transport < TCP_HEADER)
			return -EINVAL;
	}
	/* h->hdr_len is a hint that some drivers get wrong. */
	g->header_len = g->network_len + transport;
	g->size = h->gso_size;
	g->at = g->header_len;
	if (g->size == 0 || len <= g->header_len)
		return -EINVAL;
	return 0;
}

size_t gso_next_len(const struct gso *g)
{
	if (g->header_len == 0)
		return g->n ? 0 : g->len;
	if (g->at == g->len)
		return 0;
	return g->header_len + (g->len - g->at < g->size ? g->len - g->at : g->size);
}

static void fill_network(const struct gso *g, uint8_t *to, size_t len)
{
	if (g->version == 4) {
		put16(to + INET4_LENGTH, (uint16_t)len);
		put16(to + INET4_ID, (uint16_t)(get16(g->packet + INET4_ID) + g->n));
		put16(to + INET4_CHECKSUM, 0);
		inet_store(to + INET4_CHECKSUM, (uint16_t)~inet_fold(inet_sum(to, g->network_len)));
	} else {
		put16(to + INET6_LENGTH, (uint16_t)(len - INET6_HEADER));
	}
}

static void fill_transport(const struct gso *g, uint8_t *to, size_t len, bool last)
{
	const bool v6 = g->version == 6;
	uint8_t *const t = to + g->network_len, *field;
	const size_t transport_len = len - g->network_len;
	uint16_t sum;

	if (g->protocol == INET_TCP) {
		put32(t + TCP_SEQUENCE, get32(g->packet + g->network_len + TCP_SEQUENCE) + (uint32_t)(g->at - g->header_len));
		/* What ends the text belongs to the last segment, that the window was reduced to the first (RFC 3168). */
		if (!last)
			t[TCP_FLAGS] &= (uint8_t)~(TCP_FIN | TCP_PSH);
		if (g->n)
			t[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
		field = t + TCP_CHECKSUM;
	} else {
		put16(t + UDP_LENGTH, (uint16_t)transport_len);
		field = t + UDP_CHECKSUM;
	}
	put16(field, 0);
	sum = (uint16_t)~inet_fold(inet_pseudo(v6, to + (v6 ? INET6_SOURCE : INET4_SOURCE), g->protocol, (uint32_t)transport_len) +
		inet_sum(t, transport_len));
	inet_store(field, g->protocol == INET_UDP && sum == 0 ? 0xffff : sum);
}

void gso_next(struct gso *g, uint8_t *to)
{
	const size_t len = gso_next_len(g);

	if (g->header_len == 0) {
		memcpy(to, g->packet, len);
		g->n = 1;
		return;
	}
	memcpy(to, g->packet, g->header_len);
	memcpy(to + g->header_len, g->packet + g->at, len - g->header_len);
	fill_network(g, to, len);
	fill_transport(g, to, len, g->at + (len - g->header_len) == g->len);
	g->at += len - g->header_len;
	g->n++;
}
