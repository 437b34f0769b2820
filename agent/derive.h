/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The side of the schedule that has no token: PSKs from the interface's private key and the other end's token public key.
 * It keeps the root, since the private key from which it comes lies in WireGuard on the same machine anyway; and the chain, so
 * that the next slot costs two hashes.
 */
#pragma once

#include "common/config.h"
#include "common/schedule.h"

struct derive {
	enum config_schedule schedule;
	struct secret *root;
	struct schedule_chain chain;
};

/*
 * own_public belongs to private_key. preshared: the static key to mix in, or NULL. -EBADMSG: a low-order token public key.
 */
int derive_init(struct derive *ret, enum config_schedule schedule, const struct secret *private_key,
	const uint8_t own_public[static KEY_SIZE], const uint8_t peer_public[static KEY_SIZE],
	const uint8_t token_public[static KEY_SIZE], const struct secret *preshared);
/* Of any slot: the next one is cheap, one that lies behind costs the way from the root. */
int derive_psk(struct derive *d, struct secret **ret, const struct schedule *schedule, uint64_t slot);
void derive_clear(struct derive *d);
