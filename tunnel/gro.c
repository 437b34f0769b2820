/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/gro.h"

#include "tunnel/gso.h"
#include "tunnel/inet.h"

#define NONE UINT16_MAX
/* Flows that are looked through, the youngest first; a flow that is further back begins a new group. */
#define LOOK_BACK 8u
#define PACKET_MAX 65535u

struct parsed {
	uint16_t network_len, header_len;
	uint8_t version, protocol;
};

/* Is it one that may be coalesced at all? */
static bool parse(const struct gro *g, const uint8_t *p, uint32_t len, struct parsed *ret)
{
	const uint8_t *t;

	if (len < INET4_HEADER + UDP_HEADER)
		return false;
	ret->version = p[0] >> 4;
	if (ret->version == 4) {
		ret->network_len = INET4_HEADER;
		ret->protocol = p[INET4_PROTOCOL];
		if (p[0] != 0x45 || get16(p + INET4_LENGTH) != len || (get16(p + INET4_FRAGMENT) & ~INET4_DF))
			return false;
	} else if (ret->version == 6 && len >= INET6_HEADER + UDP_HEADER) {
		ret->network_len = INET6_HEADER;
		ret->protocol = p[INET6_NEXT];
		if (get16(p + INET6_LENGTH) + INET6_HEADER != len)
			return false;
	} else {
		return false;
	}
	t = p + ret->network_len;
	if (ret->protocol == INET_TCP) {
		const size_t header = len < ret->network_len + TCP_HEADER ? 0 : (t[TCP_DATA_OFFSET] >> 4) * 4u;

		ret->header_len = (uint16_t)(ret->network_len + header);
		return header >= TCP_HEADER && len > ret->header_len && (t[TCP_DATA_OFFSET] & 0xf) == 0 &&
			(t[TCP_FLAGS] & ~(TCP_PSH | TCP_ECE)) == TCP_ACKED;
	}
	ret->header_len = (uint16_t)(ret->network_len + UDP_HEADER);
	return g->udp && ret->protocol == INET_UDP && len > ret->header_len &&
		get16(t + UDP_LENGTH) == len - ret->network_len && get16(t + UDP_CHECKSUM) != 0;
}

static bool checksums_right(const uint8_t *p, uint32_t len, uint8_t version, uint8_t protocol)
{
	const bool v6 = version == 6;
	const uint32_t network = v6 ? INET6_HEADER : INET4_HEADER;

	if (!v6 && inet_fold(inet_sum(p, INET4_HEADER)) != 0xffff)
		return false;
	return inet_fold(inet_pseudo(v6, p + (v6 ? INET6_SOURCE : INET4_SOURCE), protocol, len - network) +
		       inet_sum(p + network, len - network)) == 0xffff;
}

/* Of two packets that parse took: addresses and ports. */
static bool same_flow(const uint8_t *a, const uint8_t *b, uint8_t version)
{
	/* Ports follow addresses in both. */
	return version == 6 ? memcmp(a + INET6_SOURCE, b + INET6_SOURCE, 32 + 4) == 0 :
			      memcmp(a + INET4_SOURCE, b + INET4_SOURCE, 8 + 4) == 0;
}

static bool same_headers(const uint8_t *a, const uint8_t *b, const struct parsed *h, uint16_t n)
{
	const uint8_t *x = a + h->network_len, *y = b + h->network_len;

	if (h->version == 4) {
		/* One that may be fragmented later is told by its number, so they must count up as a cut packet's do. */
		if (a[INET4_TOS] != b[INET4_TOS] || a[INET4_TTL] != b[INET4_TTL] || get16(a + INET4_FRAGMENT) != get16(b + INET4_FRAGMENT) ||
			(!(get16(a + INET4_FRAGMENT) & INET4_DF) && get16(b + INET4_ID) != (uint16_t)(get16(a + INET4_ID) + n)))
			return false;
	} else if (memcmp(a, b, INET6_LENGTH) != 0 || a[INET6_NEXT + 1] != b[INET6_NEXT + 1]) {
		return false;
	}
	if (h->protocol == INET_UDP)
		return true;
	return memcmp(x + TCP_ACK, y + TCP_ACK, TCP_FLAGS - TCP_ACK) == 0 && ((x[TCP_FLAGS] ^ y[TCP_FLAGS]) & ~TCP_PSH) == 0 &&
		memcmp(x + TCP_FLAGS + 1, y + TCP_FLAGS + 1, 2) == 0 && memcmp(x + TCP_CHECKSUM + 2, y + TCP_CHECKSUM + 2,
			(size_t)(h->header_len - h->network_len) - (TCP_CHECKSUM + 2)) == 0;
}

/* Appends, or says that this group is the flow's and takes no more. */
static bool append(struct gro *g, struct gro_group *group, uint16_t index, const struct parsed *h)
{
	struct gro_packet *const p = &g->packets[index], *const first = &g->packets[group->first];
	const uint32_t text = p->len - h->header_len;

	if (group->size == 0 || text > group->size || group->n == GRO_GROUP_MAX || group->len + text > PACKET_MAX ||
		first->header_len != h->header_len || !same_headers(first->bytes, p->bytes, h, group->n))
		return false;
	if (h->protocol == INET_TCP && get32(p->bytes + h->network_len + TCP_SEQUENCE) != group->sequence)
		return false;
	if (!checksums_right(p->bytes, p->len, h->version, h->protocol))
		return false;
	if (!group->checked && !checksums_right(first->bytes, first->len, h->version, h->protocol)) {
		group->size = 0;
		return false;
	}
	group->checked = true;
	g->packets[group->last].next = index;
	group->last = index;
	group->n++;
	group->len += text;
	group->sequence += text;
	/* What is shorter or pushed was the end of what was sent at once. */
	if (text < group->size || (h->protocol == INET_TCP && (p->bytes[h->network_len + TCP_FLAGS] & TCP_PSH)))
		group->size = 0;
	return true;
}

bool gro_add(struct gro *g, uint8_t *packet, uint32_t len)
{
	const uint16_t index = g->n_packets;
	struct gro_group *group;
	struct parsed h = { 0 };
	uint32_t text;
	bool may;

	if (index == GRO_PACKETS_MAX)
		return false;
	may = parse(g, packet, len, &h);
	g->packets[index] = (struct gro_packet){ .bytes = packet, .len = len, .header_len = h.header_len, .next = NONE };
	g->n_packets++;
	if (may) {
		const uint16_t end = g->n_groups > LOOK_BACK ? (uint16_t)(g->n_groups - LOOK_BACK) : 0;

		for (uint16_t i = g->n_groups; i-- > end;) {
			struct gro_group *const old = &g->groups[i];

			if (old->version != h.version || old->protocol != h.protocol ||
				!same_flow(g->packets[old->first].bytes, packet, h.version))
				continue;
			if (append(g, old, index, &h))
				return true;
			break; /* not into an older one: the flow's order */
		}
	}
	group = &g->groups[g->n_groups++];
	*group = (struct gro_group){ .first = index, .last = index, .n = 1, .len = len };
	if (!may)
		return true;
	text = len - h.header_len;
	group->version = h.version;
	group->protocol = h.protocol;
	group->size = (uint16_t)text;
	if (h.protocol == INET_TCP) {
		group->sequence = get32(packet + h.network_len + TCP_SEQUENCE) + text;
		if (packet[h.network_len + TCP_FLAGS] & TCP_PSH)
			group->size = 0;
	}
	return true;
}

/* The first one's headers become those of the whole. */
static void fill(struct gro *g, const struct gro_group *group)
{
	const struct gro_packet *const first = &g->packets[group->first], *const last = &g->packets[group->last];
	const bool v6 = group->version == 6, tcp = group->protocol == INET_TCP;
	const uint16_t network = v6 ? INET6_HEADER : INET4_HEADER;
	const uint32_t transport_len = group->len - network;
	uint8_t *const p = first->bytes, *const t = p + network;

	if (v6) {
		put16(p + INET6_LENGTH, (uint16_t)transport_len);
	} else {
		put16(p + INET4_LENGTH, (uint16_t)group->len);
		put16(p + INET4_CHECKSUM, 0);
		inet_store(p + INET4_CHECKSUM, (uint16_t)~inet_fold(inet_sum(p, INET4_HEADER)));
	}
	if (tcp)
		t[TCP_FLAGS] |= last->bytes[network + TCP_FLAGS] & TCP_PSH;
	else
		put16(t + UDP_LENGTH, (uint16_t)transport_len);
	/* The sum of the pseudo-header; who segments or checks adds the rest. */
	inet_store(t + (tcp ? TCP_CHECKSUM : UDP_CHECKSUM),
		inet_fold(inet_pseudo(v6, p + (v6 ? INET6_SOURCE : INET4_SOURCE), group->protocol, transport_len)));
	g->header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = !tcp ? VIRTIO_NET_HDR_GSO_UDP_L4 : v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = first->header_len,
		.gso_size = (uint16_t)(first->len - first->header_len),
		.csum_start = network,
		.csum_offset = tcp ? TCP_CHECKSUM : UDP_CHECKSUM,
	};
}

int gro_next(struct gro *g, uint16_t *cursor, const struct iovec **ret_iov)
{
	const struct gro_group *group;
	int n = 1;

	if (*cursor == g->n_groups) {
		g->n_packets = g->n_groups = 0;
		return 0;
	}
	group = &g->groups[(*cursor)++];
	g->header = (struct virtio_net_hdr){ 0 };
	if (group->n > 1)
		fill(g, group);
	g->iov[0] = (struct iovec){ .iov_base = &g->header, .iov_len = sizeof(g->header) };
	for (uint16_t i = group->first; i != NONE; i = g->packets[i].next) {
		const size_t skip = n == 1 ? 0 : g->packets[i].header_len;

		g->iov[n++] = (struct iovec){ .iov_base = g->packets[i].bytes + skip, .iov_len = g->packets[i].len - skip };
	}
	*ret_iov = g->iov;
	return n;
}
