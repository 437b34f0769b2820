/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the decoders: a struct device that grows while answers are read, with an upper limit to what is believed.
 * For the encoders: what a change must be.
 */
#pragma once

#include "agent/device.h"

#define DEVICE_PEERS_MAX (1u << 20) /* WireGuard's own limit */
#define DEVICE_ALLOWED_IPS_MAX (1u << 22)

struct device_builder {
	struct device *device;
	size_t peers_allocated;
	size_t allowed_ips_allocated; /* of the last peer */
	size_t n_allowed_ips;	      /* of all of them */
};

/* -ENOMEM. */
int device_builder_init(struct device_builder *b);
void device_builder_clear(struct device_builder *b);

/* A new peer at the end, zeroed but for the key. The pointer holds until the next one. -E2BIG: too many. */
int device_builder_add_peer(struct device_builder *b, const uint8_t public_key[static KEY_SIZE],
	struct device_peer **ret);
/* The last peer; NULL if there is none. */
struct device_peer *device_builder_peer(struct device_builder *b);
/* To the last peer, which there must be. */
int device_builder_add_allowed_ip(struct device_builder *b, const struct device_allowed_ip *ip);

/* Into a new secret, or NULL where all are zero: WireGuard's "none". Replaces (and frees) what *slot held. */
int device_builder_key(struct secret **slot, const uint8_t key[static KEY_SIZE]);

/* Sorts, and hands over. -EBADMSG: a peer is in it twice. b is empty afterwards either way. */
int device_builder_finish(struct device_builder *b, struct device **ret);

/* Whether a change is as device.h says: keys of KEY_SIZE, prefixes that there are. 0, -EINVAL. */
int device_change_check(const struct device_change *c);
