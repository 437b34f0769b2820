/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node stands for a prefix; its children's prefixes begin with it and differ in the bit behind it. A node without a peer
 * only joins two children. Nodes with a peer are also in that peer's list.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/allowedips.h"
#include "tunnel/peer.h"

struct allowedips_node {
	struct allowedips_node *child[2];
	struct allowedips_node *parent;
	struct peer *peer;
	struct allowedips_node *peer_next, *peer_prev; /* with a peer */
	uint64_t high, low; /* the prefix, host byte order, left-aligned; v4: the upper half of high */
	uint8_t cidr;
	bool v6;
};

struct bits {
	uint64_t high, low;
};

static struct bits bits_from(int family, const void *address)
{
	struct bits b = { 0 };
	uint32_t v4;

	if (family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		b.high = (uint64_t)be32toh(v4) << 32;
	} else {
		memcpy(&b.high, address, sizeof(b.high));
		memcpy(&b.low, (const uint8_t *)address + sizeof(b.high), sizeof(b.low));
		b.high = be64toh(b.high);
		b.low = be64toh(b.low);
	}
	return b;
}

/* How many leading bits are the same. */
static unsigned int common_bits(struct bits a, struct bits b)
{
	if (a.high != b.high)
		return (unsigned int)__builtin_clzll(a.high ^ b.high);
	if (a.low != b.low)
		return 64 + (unsigned int)__builtin_clzll(a.low ^ b.low);
	return 128;
}

static unsigned int bit_at(struct bits b, unsigned int n)
{
	return (unsigned int)((n < 64 ? b.high >> (63 - n) : b.low >> (127 - n)) & 1);
}

static struct bits bits_cut(struct bits b, unsigned int cidr)
{
	if (cidr == 0)
		return (struct bits){ 0 };
	if (cidr <= 64)
		return (struct bits){ .high = b.high & UINT64_MAX << (64 - cidr) };
	return (struct bits){ .high = b.high, .low = b.low & UINT64_MAX << (128 - cidr) };
}

static struct bits bits_of(const struct allowedips_node *n)
{
	return (struct bits){ .high = n->high, .low = n->low };
}

static struct peer *lookup(const struct allowedips_node *n, struct bits address, unsigned int max)
{
	struct peer *found = NULL;

	while (n && common_bits(bits_of(n), address) >= n->cidr) {
		if (n->peer)
			found = n->peer;
		if (n->cidr == max)
			break;
		n = n->child[bit_at(address, n->cidr)];
	}
	return found;
}

struct peer *allowedips_lookup4(const struct allowedips *a, const void *address4)
{
	return lookup(a->root4, bits_from(AF_INET, address4), 32);
}

struct peer *allowedips_lookup6(const struct allowedips *a, const void *address16)
{
	return lookup(a->root6, bits_from(AF_INET6, address16), 128);
}

static struct peer *lookup_packet(const struct allowedips *a, const uint8_t *packet, size_t len, size_t at4, size_t at6)
{
	if (len >= 20 && packet[0] >> 4 == 4)
		return allowedips_lookup4(a, packet + at4);
	if (len >= 40 && packet[0] >> 4 == 6)
		return allowedips_lookup6(a, packet + at6);
	return NULL;
}

struct peer *allowedips_lookup_destination(const struct allowedips *a, const uint8_t *packet, size_t len)
{
	return lookup_packet(a, packet, len, 16, 24);
}

struct peer *allowedips_lookup_source(const struct allowedips *a, const uint8_t *packet, size_t len)
{
	return lookup_packet(a, packet, len, 12, 8);
}

static void peer_unlink(struct allowedips_node *n)
{
	if (!n->peer)
		return;
	if (n->peer_prev)
		n->peer_prev->peer_next = n->peer_next;
	else
		n->peer->allowed_ips = n->peer_next;
	if (n->peer_next)
		n->peer_next->peer_prev = n->peer_prev;
	else
		n->peer->last_allowed_ip = n->peer_prev;
	n->peer = NULL;
	n->peer_next = n->peer_prev = NULL;
}

static void peer_link(struct allowedips_node *n, struct peer *peer)
{
	peer_unlink(n);
	n->peer = peer;
	n->peer_prev = peer->last_allowed_ip;
	if (n->peer_prev)
		n->peer_prev->peer_next = n;
	else
		peer->allowed_ips = n;
	peer->last_allowed_ip = n;
}

static struct allowedips_node *node_new(bool v6, struct bits bits, uint8_t cidr)
{
	struct allowedips_node *n = calloc(1, sizeof(*n));

	if (n) {
		n->v6 = v6;
		n->high = bits.high;
		n->low = bits.low;
		n->cidr = cidr;
	}
	return n;
}

/* The link that leads, or would lead, to the prefix: it points to nothing, to the very node, or to the first node that does
 * not contain the prefix. *ret_parent is the node it belongs to. */
static struct allowedips_node **find_link(struct allowedips_node **root, struct bits bits, uint8_t cidr,
	struct allowedips_node **ret_parent)
{
	struct allowedips_node **link = root;

	*ret_parent = NULL;
	while (*link && (*link)->cidr < cidr && common_bits(bits_of(*link), bits) >= (*link)->cidr) {
		*ret_parent = *link;
		link = &(*link)->child[bit_at(bits, (*link)->cidr)];
	}
	return link;
}

static bool is_node(const struct allowedips_node *n, struct bits bits, uint8_t cidr)
{
	return n && n->cidr == cidr && n->high == bits.high && n->low == bits.low;
}

static void adopt(struct allowedips_node *parent, struct allowedips_node *child)
{
	parent->child[bit_at(bits_of(child), parent->cidr)] = child;
	child->parent = parent;
}

int allowedips_insert(struct allowedips *a, int family, const void *address, uint8_t cidr, struct peer *peer)
{
	const bool v6 = family == AF_INET6;
	struct allowedips_node **link, *parent, *below, *node, *join;
	struct bits bits;
	unsigned int common;

	if ((!v6 && family != AF_INET) || cidr > (v6 ? 128 : 32))
		return -EINVAL;
	bits = bits_cut(bits_from(family, address), cidr);
	link = find_link(v6 ? &a->root6 : &a->root4, bits, cidr, &parent);
	below = *link;
	if (is_node(below, bits, cidr)) {
		peer_link(below, peer);
		return 0;
	}
	node = node_new(v6, bits, cidr);
	if (!node)
		return -ENOMEM;
	common = below ? common_bits(bits_of(below), bits) : 0;
	if (below && common < cidr) {
		/* Neither contains the other, or the other's prefix is shorter than what they share of ours. */
		if (common > below->cidr)
			common = below->cidr;
		join = node_new(v6, bits_cut(bits, common), (uint8_t)common);
		if (!join) {
			free(node);
			return -ENOMEM;
		}
		adopt(join, node);
		adopt(join, below);
		join->parent = parent;
		*link = join;
	} else {
		if (below)
			adopt(node, below);
		node->parent = parent;
		*link = node;
	}
	peer_link(node, peer);
	return 0;
}

/* A node without a peer stays only while it joins two; its parent may have been waiting for that as well. */
static void prune(struct allowedips_node **root, struct allowedips_node *n)
{
	while (n && !n->peer && !(n->child[0] && n->child[1])) {
		struct allowedips_node *child = n->child[0] ? n->child[0] : n->child[1], *parent = n->parent;

		*(parent ? &parent->child[parent->child[1] == n] : root) = child;
		if (child)
			child->parent = parent;
		free(n);
		n = parent;
	}
}

void allowedips_remove(struct allowedips *a, int family, const void *address, uint8_t cidr, const struct peer *peer)
{
	struct allowedips_node **root = family == AF_INET6 ? &a->root6 : &a->root4, *parent, *n;
	struct bits bits;

	if ((family != AF_INET && family != AF_INET6) || cidr > (family == AF_INET6 ? 128 : 32))
		return;
	bits = bits_cut(bits_from(family, address), cidr);
	n = *find_link(root, bits, cidr, &parent);
	if (!is_node(n, bits, cidr) || n->peer != peer)
		return;
	peer_unlink(n);
	prune(root, n);
}

void allowedips_remove_peer(struct allowedips *a, struct peer *peer)
{
	for (struct allowedips_node *n; (n = peer->allowed_ips);) {
		struct allowedips_node **root = n->v6 ? &a->root6 : &a->root4;

		peer_unlink(n);
		prune(root, n);
	}
}

static void clear(struct allowedips_node *n)
{
	struct allowedips_node *parent;

	while (n) {
		if (n->child[0] || n->child[1]) {
			n = n->child[0] ? n->child[0] : n->child[1];
			continue;
		}
		parent = n->parent;
		if (parent)
			parent->child[parent->child[1] == n] = NULL;
		peer_unlink(n);
		free(n);
		n = parent;
	}
}

void allowedips_clear(struct allowedips *a)
{
	clear(a->root4);
	clear(a->root6);
	*a = (struct allowedips){ 0 };
}

const struct allowedips_node *allowedips_next(const struct peer *peer, const struct allowedips_node *node)
{
	return node ? node->peer_next : peer->allowed_ips;
}

void allowedips_describe(const struct allowedips_node *node, int *ret_family, uint8_t ret_address[static 16], uint8_t *ret_cidr)
{
	const uint64_t high = htobe64(node->high), low = htobe64(node->low);

	*ret_family = node->v6 ? AF_INET6 : AF_INET;
	memcpy(ret_address, &high, sizeof(high));
	memcpy(ret_address + sizeof(high), &low, sizeof(low));
	*ret_cidr = node->cidr;
}
