/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A static key that is in a token, asked for each use through the broker (Tunnel.DiffieHellman). Knows no bus: questions go out
 * by the caller's function, answers come in by static_key_broker_answer. Whatever the token takes, nobody waits: calls are independent of
 * each other, and one whose answer came too late finds its approval gone and is thrown away.
 */
#pragma once

#include "common/clock.h"
#include "common/outcome.h"
#include "tunnel/grant.h"
#include "tunnel/static_key.h"

struct static_key_broker;

struct static_key_broker_options {
	const struct grant *grant; /* borrowed; outlives the key */
	struct clock *clock;
	bool next; /* it is to take the present key's place: of the grant's two, that one */
	/* Sends the question, which is to this key; the answer bears the id. 0, or a negative errno: it could not be sent. */
	int (*ask)(void *userdata, uint64_t id, const struct static_request *request, const uint8_t public_key[static KEY_SIZE]);
	void *userdata;
};

/* Its public key is the grant's, which must be known. NULL: no memory. */
struct static_key *static_key_broker_new(const struct static_key_broker_options *options);

/* The answer to question id, whether anybody still waits for it or not. shared is taken over; NULL: outcome says why. */
void static_key_broker_answer(struct static_key *k, uint64_t id, struct secret *shared, enum outcome outcome);
/* The grant has changed, or its time is over: tells the device, which closes what is to be closed before this returns. */
void static_key_broker_changed(struct static_key *k);
/* Does this one wait for the answer to that question? */
bool static_key_broker_asked(const struct static_key *k, uint64_t id);
/* How many wait for an answer. */
size_t static_key_broker_waiting(const struct static_key *k);
