/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The key material of one approval: what its window needs, and nothing that reaches further. Pure; times are slots.
 *
 * Forward only: once approval_keys_advance() has been told of a slot, no PSK earlier than the slot before it can be had, from
 * here or from the memory this occupies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/schedule.h"
#include "common/secret.h"
#include "common/window.h"

struct approval_peer_key {
	uint8_t public_key[KEY_SIZE];	/* the peer's, S */
	enum config_schedule schedule;
	/* time: */
	size_t n_epochs;		/* one per epoch the window touches */
	uint64_t first_epoch;
	struct secret **epoch_keys;	/* K[first_epoch ...]; NULL once reached or passed: the chain has taken over */
	bool has_chain;
	struct schedule_chain chain;	/* of the epoch at hand */
	struct secret *boundary_psk;	/* of the last slot of the epoch before, while the chain is at its index 0 */
	/* static: */
	struct secret *static_psk;
};

struct approval_keys {
	enum config_mode mode;
	struct schedule schedule;
	uint64_t slot;			/* the latest that was reached */
	uint64_t last_slot;		/* of the window */
	struct secret *private_key;	/* identity; NULL where it never leaves its token */
	size_t n_peers;			/* psk; sorted by public key */
	struct approval_peer_key *peers;
};

/*
 * t is borrowed. peer NULL: every peer of config. preshared (NULL: none at all) has one entry, maybe NULL, per peer of config.
 * OUTCOME_INVALID_ARGUMENT: config lacks the peer or this side's public key, or a peer's key is a low-order point.
 * On any failure *ret is empty.
 */
int approval_keys_make(struct approval_keys *ret, const struct config *config, const uint8_t *peer, const struct secret *t,
	const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared, uint32_t slot_seconds, uint64_t first_slot,
	uint64_t last_slot);
/*
 * The same where t never leaves its token. shared has one entry per peer of config: X25519(t, the peer's point) as the token gave it,
 * NULL for peers that are not wanted. In identity mode nothing is held, and shared is NULL. points: which point that was, one per peer
 * of config too; NULL: the peers' public keys. OUTCOME_UNSUPPORTED, here and above: a peer has window keys, and its point is none of them.
 */
int approval_keys_make_resident(struct approval_keys *ret, const struct config *config, const uint8_t *peer, struct secret *const *shared,
	const struct window_point *points, const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared,
	uint32_t slot_seconds, uint64_t first_slot, uint64_t last_slot);
void approval_keys_clear(struct approval_keys *keys);

/*
 * Time has reached slot: what lies behind is wiped. Earlier slots than the latest are ignored. Negative errno: out of
 * memory, or slot is behind the window (-ERANGE): the keys are of no use any more.
 */
int approval_keys_advance(struct approval_keys *keys, uint64_t slot);

/* The PSK of slot: the latest that was reached, or the one before; else OUTCOME_NOT_APPROVED, as for an unknown peer. */
int approval_keys_psk(struct secret **ret, const struct approval_keys *keys, const uint8_t peer[static KEY_SIZE], uint64_t slot);

/*
 * The PSK of a slot that is still to come, up to the end of the window: made from a copy, the chain stays where it is. Else
 * OUTCOME_NOT_APPROVED, as for Schedule = static, which has no slots.
 */
int approval_keys_psk_ahead(struct secret **ret, const struct approval_keys *keys, const uint8_t peer[static KEY_SIZE], uint64_t slot);

const struct approval_peer_key *approval_keys_find(const struct approval_keys *keys, const uint8_t peer[static KEY_SIZE]);
