/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guarded interface at the side without a token: no broker, no bus, only the interface's private key and the peers' token
 * public keys. Pure, like the rotator: snapshot and time in, changes out. There may be tens of thousands of peers: one pass over
 * them a poll, merged with the snapshot by public key.
 *
 * No guarded peer ever has the zero PSK longer than it takes to see it. One that comes with it is refused: it has been open to
 * whoever has the peer's private key, and would be again at every boot, until its static config has a PresharedKey.
 */
#pragma once

#include "agent/derive.h"
#include "agent/hunt.h"
#include "agent/plan.h"
#include "agent/status.h"

struct gateway_peer {
	const struct config_peer *conf;
	struct derive derive;
	struct secret *psk; /* what WireGuard shall hold; NULL: not thought about yet */
	struct hunt hunt;
	uint64_t slot;
	uint64_t drift;
	bool present, refused, unusable, closed; /* closed: psk is one that nobody knows */
	bool issued;				 /* psk was sent, not seen yet */
};

struct gateway {
	const struct config *config; /* borrowed; NULL: none that is valid */
	const struct secret *const *preshared; /* borrowed: of the config's peers, in its order */
	const char *hold;
	struct hunt_clock clock;
	uint32_t ifindex; /* 0: not there */
	bool has_private_key, wrong_public_key;
	bool handle_key; /* what it has is a token key's handle: everybody could compute the peers' PSKs */
	uint8_t public_key[KEY_SIZE]; /* the interface's, from which the roots were made */
	size_t n_unguarded, n_missing, n_refused, n_unusable, n_hunting, n_open;
	size_t n_peers;
	struct gateway_peer *peers; /* those with a TokenPublicKey, by public key */
	/* Were guarded once and are in the config no more: what they hold is not left in them for good. */
	size_t n_dropped;
	uint8_t (*dropped)[KEY_SIZE];
	struct secret *dropped_psk;
	int64_t own_slot, steady_slot; /* at the last look */
};

int gateway_new(struct gateway **ret, struct instant now);
struct gateway *gateway_free(struct gateway *g);
/* config NULL: every peer that was guarded is given a PSK that nobody knows. -ENOMEM: nothing has changed. */
int gateway_configure(struct gateway *g, const struct config *config, const struct secret *const *preshared);
/* Random PSKs into all guarded peers, whose sessions go on: a gateway's agent that stops drops nobody. NULL: no more. */
void gateway_hold(struct gateway *g, const char *reason);

/* d NULL: there is no such interface. One look a poll is enough: the next one is the read-back. -ENOMEM. */
int gateway_look(struct gateway *g, const struct device *d, const struct instant *now, struct plan *plan);

/* Has a slot begun since the last look? */
bool gateway_slot_over(const struct gateway *g, const struct instant *now);
/* Between two polls: few peers are looked at often. Reading ten thousand costs tens of milliseconds. */
uint64_t gateway_poll_us(const struct gateway *g);
uint64_t gateway_drift(const struct gateway *g);
void gateway_status_peer(const struct gateway *g, size_t i, struct status_peer *ret);
