/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PSK schedule: pure functions of keys and time (DESIGN section 3). libsodium's documented functions only:
 *
 *   shared   = X25519(t, S)                                  low-order results are refused
 *   root     = generichash-256(key = shared, "wgfido psk v1" || T || C || S [|| static])
 *   K[e]     = kdf(root, e, "wgfEpoch")                      e = floor(unix_time / 3600)
 *   c[e,0]   = kdf(K[e], 0, "wgfChain")
 *   c[e,i+1] = kdf(c[e,i], 1, "wgfChain")
 *   psk[e,i] = kdf(c[e,i], 2, "wgfChain")                    i = floor((unix_time mod 3600) / 120)
 *
 * T is the token key's public key, C the WireGuard public key of the token's side, S that of the other side.
 *
 * With window keys (common/window.h) the other side has another key pair (g, G) for each window of time, made from its private
 * key s, and the root is one of the window w that begins with epoch b and has n epochs:
 *
 *   g[w]      = kdf(kdf(clamped s, n, "wgfWinLn"), b, "wgfWinSt")     clamped as in RFC 7748, section 5: what WireGuard hands back is
 *   G[w]      = X25519(g[w], 9)
 *   shared[w] = X25519(t, G[w]) = X25519(g[w], T)
 *   root[w]   = generichash-256(key = shared[w], "wgfido psk window v1" || T || C || S || le64(b) || le64(n) [|| static])
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/encoding.h"
#include "common/secret.h"

#define SCHEDULE_EPOCH_SECONDS 3600
#define SCHEDULE_SLOT_SECONDS 120
#define SCHEDULE_SLOT_SECONDS_MIN 2 /* must divide the epoch; shorter than the default only for tests and the demo */

/* A slot is named by one number that only grows: floor(unix_time / slot_seconds). */
struct schedule {
	uint32_t slot_seconds;
};

static inline uint64_t schedule_slot(const struct schedule *s, uint64_t unix_seconds)
{
	return unix_seconds / s->slot_seconds;
}
static inline uint64_t schedule_slot_start(const struct schedule *s, uint64_t slot)
{
	return slot * s->slot_seconds;
}
static inline uint64_t schedule_slot_epoch(const struct schedule *s, uint64_t slot)
{
	return slot * s->slot_seconds / SCHEDULE_EPOCH_SECONDS;
}
/* i within the epoch */
static inline uint32_t schedule_slot_index(const struct schedule *s, uint64_t slot)
{
	return (uint32_t)(slot * s->slot_seconds % SCHEDULE_EPOCH_SECONDS / s->slot_seconds);
}
bool schedule_slot_seconds_valid(uint64_t seconds);

/* X25519(private, public) into a new secret. -EBADMSG: low-order point (all-zero result). -ENOMEM. */
int schedule_shared(struct secret **ret, const struct secret *private_key, const uint8_t public_key[static KEY_SIZE]);
/* X25519(private, 9). The private key is clamped by X25519 itself. */
void schedule_public(uint8_t ret[static KEY_SIZE], const struct secret *private_key);

struct schedule_parties {
	uint8_t token_public[KEY_SIZE];	 /* T */
	uint8_t client_public[KEY_SIZE]; /* C */
	uint8_t server_public[KEY_SIZE]; /* S */
};

/* preshared: the admin's static PSK to mix in, or NULL. */
int schedule_root(struct secret **ret, const struct secret *shared, const struct schedule_parties *parties,
	const struct secret *preshared);

/* Of window keys: a whole number of epochs. */
struct schedule_window {
	uint64_t start, end; /* unix seconds, multiples of SCHEDULE_EPOCH_SECONDS; the end is the next one's start */
};

/* g[w] of this side's WireGuard private key, clamped or not. */
int schedule_window_private(struct secret **ret, const struct secret *private_key, const struct schedule_window *w);
/* shared: X25519 of t and G[w], or of g[w] and T. */
int schedule_window_root(struct secret **ret, const struct secret *shared, const struct schedule_parties *parties,
	const struct schedule_window *w, const struct secret *preshared);

int schedule_epoch_key(struct secret **ret, const struct secret *root, uint64_t epoch);
/* Schedule = static: kdf(root, 0, "wgfStatc"), a PSK that does not change. */
int schedule_static_psk(struct secret **ret, const struct secret *root);
/* Both ends have a token: generichash-256("wgfido both" || psk_x || psk_y), x the one with the lesser token public key. */
int schedule_combine(struct secret **ret, const struct secret *psk_a, const uint8_t token_public_a[static KEY_SIZE],
	const struct secret *psk_b, const uint8_t token_public_b[static KEY_SIZE]);

/*
 * The chain of one epoch, forward only: it holds c[e,i] and the PSK of slot i-1, and nothing from which earlier
 * slots could be computed.
 */
struct schedule_chain {
	uint64_t epoch;
	uint32_t index;
	struct secret *link;	     /* c[e,index] */
	struct secret *previous_psk; /* psk[e,index-1], NULL at index 0 */
};

int schedule_chain_start(struct schedule_chain *ret, const struct secret *epoch_key, uint64_t epoch);
/* Moves forward to index. -ERANGE when that lies behind; the chain is unchanged then. */
int schedule_chain_advance(struct schedule_chain *chain, uint32_t index);
/* The PSK of index (which must be the chain's, or the one before: else -ERANGE). */
int schedule_chain_psk(struct secret **ret, const struct schedule_chain *chain, uint32_t index);
void schedule_chain_clear(struct schedule_chain *chain);
