/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which peer an address belongs to: a compressed binary trie per family, the longest prefix wins. An address block belongs to one
 * peer: inserting it for another takes it away from the first. Written with both path locks held (tunnel/device.h), read
 * with one's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer;
struct allowedips_node;

struct allowedips {
	struct allowedips_node *root4, *root6;
};

/* Addresses are in network byte order. NULL: nobody's. No allocation, no lock. */
struct peer *allowedips_lookup4(const struct allowedips *a, const void *address4);
struct peer *allowedips_lookup6(const struct allowedips *a, const void *address16);

/* Of an IP packet's destination (out) or source (in); NULL also where it is no IP packet or shorter than its header. */
struct peer *allowedips_lookup_destination(const struct allowedips *a, const uint8_t *packet, size_t len);
struct peer *allowedips_lookup_source(const struct allowedips *a, const uint8_t *packet, size_t len);

/* family AF_INET or AF_INET6; bits behind the prefix are cut off. 0, -EINVAL (cidr), -ENOMEM (nothing changed). */
int allowedips_insert(struct allowedips *a, int family, const void *address, uint8_t cidr, struct peer *peer);
/* Only where it is this peer's. */
void allowedips_remove(struct allowedips *a, int family, const void *address, uint8_t cidr, const struct peer *peer);
void allowedips_remove_peer(struct allowedips *a, struct peer *peer);
void allowedips_clear(struct allowedips *a);

/* The peer's blocks, in the order they came; peer->allowed_ips heads them. node NULL: the first; NULL: no more. */
const struct allowedips_node *allowedips_next(const struct peer *peer, const struct allowedips_node *node);
/* ret_address takes 16 bytes (4 of them used for AF_INET). */
void allowedips_describe(const struct allowedips_node *node, int *ret_family, uint8_t ret_address[static 16], uint8_t *ret_cidr);
