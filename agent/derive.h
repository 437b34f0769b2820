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
	struct secret *root;
	struct schedule_window window; /* the root's; zeros where the peer has no window keys */
	struct schedule_chain chain;
};

/*
 * The root from which the PSK of slot comes, where it is not at hand yet: with window keys that of the slot's window, and the one
 * of another window is wiped. own_public belongs to private_key. preshared: the static key to mix in, or NULL. -EBADMSG: the
 * token public key is a low-order point.
 */
int derive_prepare(struct derive *d, const struct config_peer *conf, const struct secret *private_key,
	const uint8_t own_public[static KEY_SIZE], const struct secret *preshared, const struct schedule *schedule, uint64_t slot);
/* Of the slot that was prepared: the next one is cheap, one that lies behind costs the way from the root. */
int derive_psk(struct derive *d, const struct config_peer *conf, struct secret **ret, const struct schedule *schedule, uint64_t slot);
void derive_clear(struct derive *d);
