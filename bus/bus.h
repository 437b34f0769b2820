/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The side of org.wgfido1 that opens and closes tunnels: what the broker allows, and the keys it hands out. It believes
 * nothing but what the name's present owner says, and opens nothing: it calls back.
 */
#pragma once

#include <systemd/sd-event.h>

#include "common/encoding.h"
#include "common/secret.h"

struct bus;
struct sd_bus;

struct bus_handlers {
	/* The broker came (ask it for leases and objects), or is gone: off the bus, or the bus itself is. */
	void (*broker)(void *userdata, bool here);
	/* public_key NULL: not enrolled. state: Tunnel.State; end_reason: why the last approval ended, or "". */
	void (*tunnel)(void *userdata, const char *ifname, const uint8_t *public_key, uint64_t approved_until_us, const char *state,
		const char *end_reason);
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
};

/* The system bus (or DBUS_SYSTEM_BUS_ADDRESS). Negative errno when it cannot be reached: try again later. */
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
