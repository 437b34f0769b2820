/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The side of org.wgfido1 that opens and closes tunnels: what the broker allows, and the keys it hands out. It believes
 * nothing but what the name's present owner says, and opens nothing: it calls back.
 */
#pragma once

#include <systemd/sd-event.h>

#include "common/encoding.h"
#include "common/outcome.h"
#include "common/secret.h"

struct bus;
struct sd_bus;

/* A tunnel object as it is now; all borrowed for the call. */
struct bus_tunnel {
	const uint8_t *public_key; /* NULL: not enrolled */
	uint64_t approved_until_us; /* 0: not approved */
	const char *mode, *held, *state, *end_reason; /* Tunnel.Mode, Held, State, EndReason; "" where not told */
	/* Of a key in a token; NULL: none. */
	const uint8_t *handle, *next_public_key, *next_handle;
};

/* What X25519 with a tunnel's resident key is for: Tunnel.DiffieHellman. */
enum bus_dh_role { BUS_DH_STATIC, BUS_DH_INITIATOR, BUS_DH_RESPONDER };
struct bus_dh {
	enum bus_dh_role role;
	const uint8_t *point;	/* KEY_SIZE */
	const uint8_t *peer;	/* KEY_SIZE; BUS_DH_INITIATOR */
	const uint8_t *message; /* BUS_DH_INITIATOR, BUS_DH_RESPONDER */
	size_t message_len;
	bool next; /* with the key that is to be the next */
};

struct bus_handlers {
	/* The broker came (ask it for leases and objects), or is gone: off the bus, or the bus itself is. */
	void (*broker)(void *userdata, bool here);
	/* NULL: there is no such tunnel any more. */
	void (*tunnel)(void *userdata, const char *ifname, const struct bus_tunnel *t);
	/* It is not approved: no more, or still not; end_reason: "" where not told. The whole of what has changed is on its way. */
	void (*not_approved)(void *userdata, const char *ifname, const char *end_reason);
	void (*peer)(void *userdata, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t approved_until_us);
	/* What bus_ask_objects asked for did not come, or not whole. */
	void (*objects_failed)(void *userdata);
	/* A tunnel object came or went: the configuration has changed. */
	void (*changed)(void *userdata);
	void (*lease)(void *userdata, bool answered);
	/* The secret is the handler's; NULL: none, error says why. */
	void (*psk)(void *userdata, const char *ifname, const uint8_t public_key[static KEY_SIZE], struct secret *psk, uint64_t start,
		uint64_t end, const char *error);
	void (*private_key)(void *userdata, const char *ifname, struct secret *key, const char *error);
	/* The answer to bus_ask_dh with that id. The secret is the handler's; NULL: none, why says what kind of refusal, error its words. */
	void (*dh)(void *userdata, uint64_t id, struct secret *shared, enum outcome why, const char *error);
	/* CommitRekey's. */
	void (*committed)(void *userdata, const char *ifname, const char *error);
};

/* Handlers for what is never asked for may be NULL. The system bus (or DBUS_SYSTEM_BUS_ADDRESS). Negative errno when it cannot be reached: try again later. */
int bus_new(struct bus **ret, sd_event *event, const struct bus_handlers *handlers, void *userdata);
struct bus *bus_free(struct bus *b);
/* False once the connection is lost: free it and make another. */
bool bus_is_alive(const struct bus *b);

/* For what concerns others than the broker. */
struct sd_bus *bus_connection(struct bus *b);

/* All tunnels and peers, told by the handlers. */
int bus_ask_objects(struct bus *b);
int bus_ask_lease(struct bus *b);
/* slot NULL: the one at hand. */
int bus_ask_psk(struct bus *b, const char *ifname, const uint8_t public_key[static KEY_SIZE], const uint64_t *slot);
int bus_ask_private_key(struct bus *b, const char *ifname);
int bus_ask_dh(struct bus *b, const char *ifname, uint64_t id, const struct bus_dh *what);
/* The next key of a resident tunnel takes the place of the present one. */
int bus_ask_commit(struct bus *b, const char *ifname);
