/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All guarded interfaces of one agent, and what the broker's word, the lease and the configuration mean for them. Knows no bus and no
 * event loop: main.c brings both, a test brings its own.
 */
#pragma once

#include "agent/guard.h"
#include "bus/lease.h"

struct agent {
	struct guard_world world;
	struct guard *guards; /* by name */
	struct lease lease;
	bool broker_here;
	bool wants_objects;
	/* Where to send what the rotators want; negative errno: could not be sent. NULL at a gateway. */
	/* slot: ROTATOR_NO_SLOT for the one at hand. */
	int (*ask_psk)(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t slot);
	int (*ask_private_key)(struct agent *a, const char *ifname);
	void *userdata;
};

void agent_init(struct agent *a);
void agent_clear(struct agent *a);

/* Reads all of CONFIG-DIR again; guards whose file is gone end when they are closed. */
int agent_reload(struct agent *a);
struct guard *agent_find(const struct agent *a, const char *ifname);

/* The broker is on the bus (nothing opens before it answered a lease), or left it. */
void agent_broker(struct agent *a, bool here);
void agent_lease(struct agent *a, bool answered);
/* True when a lease is to be asked for now. */
bool agent_lease_due(struct agent *a, const struct instant *now);
/* True, once, when what the broker said of its tunnels is to be heard again from the start. */
bool agent_wants_objects(struct agent *a);
/* It was asked for that, and gave no answer: it will be asked again. */
void agent_objects_failed(struct agent *a);
void agent_tunnel(struct agent *a, const char *ifname, const uint8_t *public_key, uint64_t until_us, const char *state,
	const char *end_reason);
/* The tunnel is not approved, and agent_tunnel will tell the rest: what is approved here ends now, what is not is left as it was told. */
void agent_not_approved(struct agent *a, const char *ifname, const char *end_reason);
/* Is the tunnel's key in a token, and which is to be the next (NULL: none)? Before agent_tunnel. */
void agent_resident(struct agent *a, const char *ifname, bool resident, const uint8_t *next_key);
void agent_peer(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t until_us);
void agent_got_psk(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE], struct secret *psk,
	uint64_t start, uint64_t end, const char *error);
void agent_got_private_key(struct agent *a, const char *ifname, struct secret *key, const char *error);
/* NULL: any. */
void agent_interface(struct agent *a, const char *ifname);

/* Does what is due; true when all guards could do theirs. */
bool agent_run(struct agent *a);
uint64_t agent_next(const struct agent *a);
/* Closes everything for good: false if an interface could not be closed. */
bool agent_stop(struct agent *a, const char *reason);
