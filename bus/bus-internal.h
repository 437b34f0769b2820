/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the bus: questions and whom they went to. */
#pragma once

#include <net/if.h>
#include <systemd/sd-bus.h>

#include "bus/bus.h"
#include "common/clock.h"
#include "common/names.h"

#define BUS_REPLY_US (5 * US_PER_SEC)
#define BUS_DH_REPLY_US (35 * US_PER_SEC) /* the broker has an end of its own before that: a token may ask for a touch */
#define BUS_LEASE_REPLY_US (700 * US_PER_MS) /* well before the next one is due */

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"

struct bus {
	sd_bus *bus;
	const struct bus_handlers *handlers;
	void *userdata;
	char *owner; /* unique name; NULL: nobody */
	bool alive;
};

/* One question under way. */
struct question {
	struct bus *bus;
	char ifname[IF_NAMESIZE];
	uint8_t public_key[KEY_SIZE];
	char *owner; /* who was asked */
	uint64_t id; /* the asker's */
};

/* False: of a broker that is not there any more. */
bool question_is_current(const struct question *q);

/* A call to the broker that is there now, and nobody else. -ENOTCONN. */
int bus_message(struct bus *b, sd_bus_message **ret, const char *path, const char *interface, const char *member);
/* Sends it; m stays the caller's. */
int bus_send(struct bus *b, sd_bus_message *m, sd_bus_message_handler_t handler, uint64_t timeout_us, const char *ifname,
	const uint8_t *public_key, uint64_t id);
/* Both. The handler's userdata is a struct question, which is not the handler's to free. */
int bus_call(struct bus *b, const char *path, const char *interface, const char *member, sd_bus_message_handler_t handler,
	uint64_t timeout_us, const char *ifname, const uint8_t *public_key, const char *types, ...);

/* /org/wgfido1/tunnel/IFACE[/peer/HEX]; malloc'ed. */
int bus_path(char **ret, const char *ifname, const uint8_t *public_key);

/* Did the broker send it? */
bool bus_is_from_broker(const struct bus *b, sd_bus_message *m);

/* Of the objects: all that change, as long as the connection lives. */
int bus_watch_objects(struct bus *b);
