/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "bus/question.h"

static void question_free(void *userdata)
{
	struct question *q = userdata;

	free(q->owner);
	free(q);
}

bool question_is_current(const struct question *q)
{
	return q->bus->owner && strcmp(q->bus->owner, q->owner) == 0;
}

int bus_message(struct bus *b, sd_bus_message **ret, const char *path, const char *interface, const char *member)
{
	int r;

	if (!b->owner)
		return -ENOTCONN;
	/* To the owner, not to the name: an answer is this broker's or nobody's. */
	r = sd_bus_message_new_method_call(b->bus, ret, b->owner, path, interface, member);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(*ret, 0);
	return r;
}

int bus_send(struct bus *b, sd_bus_message *m, sd_bus_message_handler_t handler, uint64_t timeout_us, const char *ifname,
	const uint8_t *public_key, uint64_t id)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->bus = b;
	q->id = id;
	q->owner = strdup(b->owner);
	if (!q->owner) {
		question_free(q);
		return -ENOMEM;
	}
	if (ifname)
		(void)snprintf(q->ifname, sizeof(q->ifname), "%s", ifname);
	if (public_key)
		memcpy(q->public_key, public_key, KEY_SIZE);
	return question_send(b->bus, m, handler, q, question_free, timeout_us);
}

int bus_call(struct bus *b, const char *path, const char *interface, const char *member, sd_bus_message_handler_t handler,
	uint64_t timeout_us, const char *ifname, const uint8_t *public_key, const char *types, ...)
{
	sd_bus_message *m = NULL;
	va_list ap;
	int r;

	r = bus_message(b, &m, path, interface, member);
	va_start(ap, types);
	if (r >= 0)
		r = sd_bus_message_appendv(m, types, ap);
	va_end(ap);
	if (r >= 0)
		r = bus_send(b, m, handler, timeout_us, ifname, public_key, 0);
	sd_bus_message_unref(m);
	return r;
}

int bus_path(char **ret, const char *ifname, const uint8_t *public_key)
{
	char hex[KEY_HEX_SIZE], *tunnel = NULL;
	int r;

	r = sd_bus_path_encode(WGFIDO_TUNNEL_PATH_PREFIX, ifname, &tunnel);
	if (r < 0)
		return r;
	if (!public_key) {
		*ret = tunnel;
		return 0;
	}
	key_to_hex(hex, public_key);
	r = asprintf(ret, "%s/peer/%s", tunnel, hex) < 0 ? -ENOMEM : 0;
	free(tunnel);
	return r;
}

bool bus_is_from_broker(const struct bus *b, sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);

	return b->owner && sender && strcmp(sender, b->owner) == 0;
}

/*
 * sd-bus takes a signal from any unique name for one of a well-known name, since the daemon does not say who owns that; and a
 * signal that somebody sends straight to us is not filtered by our matches. So the sender has to be looked at.
 */
static bool from_bus_daemon(sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);

	return sender && strcmp(sender, "org.freedesktop.DBus") == 0;
}

static void broker_is(struct bus *b, const char *owner)
{
	if (b->owner && owner && strcmp(b->owner, owner) == 0)
		return;
	if (b->owner) {
		free(b->owner);
		b->owner = NULL;
		b->handlers->broker(b->userdata, false);
	}
	if (!owner || !*owner)
		return;
	b->owner = strdup(owner);
	if (!b->owner)
		return;
	b->handlers->broker(b->userdata, true);
}

static int on_name_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *name, *before, *after;

	(void)error;
	if (!from_bus_daemon(m) || sd_bus_message_read(m, "sss", &name, &before, &after) < 0 || strcmp(name, WGFIDO_BUS_NAME) != 0)
		return 0;
	broker_is(userdata, after);
	return 0;
}

static int on_name_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *owner;

	(void)error;
	/* No owner yet: NameOwnerChanged will tell. */
	if (sd_bus_message_is_method_error(m, NULL) || sd_bus_message_read_basic(m, 's', &owner) < 0)
		return 0;
	broker_is(userdata, owner);
	return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;

	(void)m;
	(void)error;
	b->alive = false;
	broker_is(b, NULL);
	return 0;
}

static int on_lease(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;

	(void)error;
	if (question_is_current(q))
		q->bus->handlers->lease(q->bus->userdata, !sd_bus_message_is_method_error(m, NULL));
	return 0;
}

int bus_ask_lease(struct bus *b)
{
	return bus_call(b, WGFIDO_PATH, WGFIDO_MANAGER_INTERFACE, "Lease", on_lease, BUS_LEASE_REPLY_US, NULL, NULL, "");
}

static int bus_watch(struct bus *b)
{
	const char *const name = WGFIDO_BUS_NAME;
	int r;

	r = bus_watch_objects(b);
	if (r >= 0)
		r = sd_bus_add_match_async(b->bus, NULL,
			"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
			"member='NameOwnerChanged',arg0='" WGFIDO_BUS_NAME "'",
			on_name_owner_changed, NULL, b);
	if (r >= 0)
		r = sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
			"org.freedesktop.DBus.Local", "Disconnected", on_disconnected, b);
	if (r >= 0)
		r = sd_bus_call_method_async(b->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
			"GetNameOwner", on_name_owner, b, "s", name);
	return r;
}

int bus_new(struct bus **ret, sd_event *event, const struct bus_handlers *handlers, void *userdata)
{
	struct bus *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->handlers = handlers;
	b->userdata = userdata;
	b->alive = true;
	r = sd_bus_open_system(&b->bus);
	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(b->bus, 0);
	if (r >= 0)
		r = bus_watch(b);
	if (r >= 0)
		r = sd_bus_attach_event(b->bus, event, SD_EVENT_PRIORITY_NORMAL);
	if (r < 0) {
		bus_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

struct bus *bus_free(struct bus *b)
{
	if (!b)
		return NULL;
	if (b->bus)
		sd_bus_detach_event(b->bus);
	sd_bus_close_unref(b->bus);
	free(b->owner);
	free(b);
	return NULL;
}

struct sd_bus *bus_connection(struct bus *b)
{
	return b->bus;
}

bool bus_is_alive(const struct bus *b)
{
	return b->alive;
}
