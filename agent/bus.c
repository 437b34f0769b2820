/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "agent/bus.h"
#include "common/clock.h"
#include "common/names.h"

#define REPLY_US (5 * US_PER_SEC)
#define LEASE_REPLY_US (700 * US_PER_MS) /* well before the next one is due */
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
};

static void question_free(void *userdata)
{
	struct question *q = userdata;

	free(q->owner);
	free(q);
}

static bool question_is_current(const struct question *q)
{
	return q->bus->owner && strcmp(q->bus->owner, q->owner) == 0;
}

static int on_lease(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;

	(void)error;
	if (question_is_current(q))
		q->bus->handlers->lease(q->bus->userdata, !sd_bus_message_is_method_error(m, NULL));
	return 0;
}

static int bus_call(struct bus *b, const char *path, const char *interface, const char *member, sd_bus_message_handler_t handler,
	const char *ifname, const uint8_t *public_key, const char *types, ...)
{
	sd_bus_message *m = NULL;
	sd_bus_slot *slot = NULL;
	struct question *q;
	va_list ap;
	int r;

	if (!b->owner)
		return -ENOTCONN;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->bus = b;
	q->owner = strdup(b->owner);
	if (ifname)
		(void)snprintf(q->ifname, sizeof(q->ifname), "%s", ifname);
	if (public_key)
		memcpy(q->public_key, public_key, KEY_SIZE);
	/* To the owner, not to the name: an answer is this broker's or nobody's. */
	r = q->owner ? sd_bus_message_new_method_call(b->bus, &m, b->owner, path, interface, member) : -ENOMEM;
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, 0);
	va_start(ap, types);
	if (r >= 0)
		r = sd_bus_message_appendv(m, types, ap);
	va_end(ap);
	if (r >= 0)
		r = sd_bus_call_async(b->bus, &slot, m, handler, q, handler == on_lease ? LEASE_REPLY_US : REPLY_US);
	sd_bus_message_unref(m);
	if (r < 0) {
		question_free(q);
		return r;
	}
	sd_bus_slot_set_destroy_callback(slot, question_free);
	sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
	return 0;
}

/* /org/wgfido1/tunnel/IFACE[/peer/HEX] */
static bool path_parse(const char *path, char ifname[static IF_NAMESIZE], uint8_t public_key[static KEY_SIZE], bool *ret_is_peer)
{
	const size_t prefix = strlen(WGFIDO_TUNNEL_PATH_PREFIX "/");
	const char *peer = strstr(path, "/peer/");
	char *tunnel = NULL, *decoded = NULL;
	bool ok = false;

	if (strncmp(path, WGFIDO_TUNNEL_PATH_PREFIX "/", prefix) != 0)
		return false;
	tunnel = peer ? strndup(path, (size_t)(peer - path)) : strdup(path);
	if (tunnel && sd_bus_path_decode(tunnel, WGFIDO_TUNNEL_PATH_PREFIX, &decoded) > 0 && ifname_valid(decoded)) {
		(void)snprintf(ifname, IF_NAMESIZE, "%s", decoded);
		*ret_is_peer = peer != NULL;
		ok = !peer || key_from_hex(public_key, peer + strlen("/peer/")) == 0;
	}
	free(tunnel);
	free(decoded);
	return ok;
}

static int tunnel_path(char **ret, const char *ifname, const uint8_t *public_key)
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

struct properties {
	uint64_t approved_until;
	const char *state, *end_reason, *public_key;
};

/* An a{sv} as of GetAll. */
static int properties_read(sd_bus_message *m, struct properties *ret)
{
	const char *name;
	int r;

	*ret = (struct properties){ .state = "", .end_reason = "", .public_key = "" };
	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &name);
		if (r < 0)
			return r;
		if (strcmp(name, "ApprovedUntil") == 0)
			r = sd_bus_message_read(m, "v", "t", &ret->approved_until);
		else if (strcmp(name, "State") == 0)
			r = sd_bus_message_read(m, "v", "s", &ret->state);
		else if (strcmp(name, "EndReason") == 0)
			r = sd_bus_message_read(m, "v", "s", &ret->end_reason);
		else if (strcmp(name, "PublicKey") == 0)
			r = sd_bus_message_read(m, "v", "s", &ret->public_key);
		else
			r = sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static void tell_tunnel(struct bus *b, const char *ifname, const struct properties *p)
{
	uint8_t public_key[KEY_SIZE];
	const bool enrolled = key_from_base64(public_key, p->public_key) == 0;

	b->handlers->tunnel(b->userdata, ifname, enrolled ? public_key : NULL,
		strcmp(p->state, "approved") == 0 ? p->approved_until : 0, p->state, p->end_reason);
}

static void tell_peer(struct bus *b, const char *ifname, const uint8_t public_key[static KEY_SIZE], const struct properties *p)
{
	b->handlers->peer(b->userdata, ifname, public_key, strcmp(p->state, "approved") == 0 ? p->approved_until : 0);
}

/* One a{sa{sv}} of an object at path. */
static int interfaces_read(struct bus *b, sd_bus_message *m, const char *path)
{
	uint8_t public_key[KEY_SIZE];
	char ifname[IF_NAMESIZE];
	bool is_peer = false;
	const bool ours = path_parse(path, ifname, public_key, &is_peer);
	struct properties p;
	const char *interface;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &interface);
		if (r >= 0)
			r = properties_read(m, &p);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r < 0)
			return r;
		if (ours && !is_peer && strcmp(interface, WGFIDO_TUNNEL_INTERFACE) == 0)
			tell_tunnel(b, ifname, &p);
		else if (ours && is_peer && strcmp(interface, WGFIDO_PEER_INTERFACE) == 0)
			tell_peer(b, ifname, public_key, &p);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int on_objects(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	const char *path;
	int r;

	(void)error;
	if (!question_is_current(q))
		return 0;
	/* What is not told is closed. */
	if (sd_bus_message_is_method_error(m, NULL)) {
		q->bus->handlers->objects_failed(q->bus->userdata);
		return 0;
	}
	r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
		r = sd_bus_message_read_basic(m, 'o', &path);
		if (r >= 0)
			r = interfaces_read(q->bus, m, path);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		q->bus->handlers->objects_failed(q->bus->userdata);
	return 0;
}

static int on_get_all(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	static const uint8_t none[KEY_SIZE];
	struct question *q = userdata;
	const bool is_peer = !key_equal(q->public_key, none);
	struct properties p = { .state = "", .end_reason = "", .public_key = "" };

	(void)error;
	if (!question_is_current(q))
		return 0;
	/* What cannot be read is not approved. */
	if (sd_bus_message_is_method_error(m, NULL) || properties_read(m, &p) < 0)
		p = (struct properties){ .state = "", .end_reason = "", .public_key = "" };
	if (is_peer)
		tell_peer(q->bus, q->ifname, q->public_key, &p);
	else
		tell_tunnel(q->bus, q->ifname, &p);
	return 0;
}

static bool from_broker(const struct bus *b, sd_bus_message *m)
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

static int on_properties_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	const char *path = sd_bus_message_get_path(m), *interface;
	struct properties p = { .state = "" };
	uint8_t public_key[KEY_SIZE];
	char ifname[IF_NAMESIZE];
	bool is_peer;

	(void)error;
	if (!from_broker(b, m) || !path || !path_parse(path, ifname, public_key, &is_peer) ||
		sd_bus_message_read_basic(m, 's', &interface) < 0)
		return 0;
	if (strcmp(interface, is_peer ? WGFIDO_PEER_INTERFACE : WGFIDO_TUNNEL_INTERFACE) != 0)
		return 0;
	if (properties_read(m, &p) == 0) {
		const bool closes = *p.state && strcmp(p.state, "approved") != 0;

		/* Closing does not wait for a round trip, nor does opening a peer when all that it takes is here. */
		if (is_peer && (closes || (*p.state && p.approved_until))) {
			tell_peer(b, ifname, public_key, &p);
			return 0;
		}
		if (!is_peer && closes)
			b->handlers->tunnel(b->userdata, ifname, NULL, 0, "", "");
		if (!*p.state && !p.approved_until && !*p.end_reason && !*p.public_key)
			return 0;
	}
	/* A signal has only what changed, and of that not all; the whole is one round trip away. */
	(void)bus_call(b, path, PROPERTIES, "GetAll", on_get_all, ifname, is_peer ? public_key : NULL, "s", interface);
	return 0;
}

static int on_interfaces_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	uint8_t public_key[KEY_SIZE];
	char ifname[IF_NAMESIZE];
	const char *path;
	bool is_peer;

	(void)error;
	if (!from_broker(b, m) || sd_bus_message_read_basic(m, 'o', &path) < 0 || !path_parse(path, ifname, public_key, &is_peer))
		return 0;
	if (strcmp(sd_bus_message_get_member(m), "InterfacesAdded") == 0)
		(void)interfaces_read(b, m, path);
	else if (is_peer)
		b->handlers->peer(b->userdata, ifname, public_key, 0);
	else {
		b->handlers->tunnel(b->userdata, ifname, NULL, 0, "", "");
		b->handlers->changed(b->userdata);
	}
	return 0;
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

/* The secret in the pipe at the head of the reply. error: of the reply, or what is wrong with it. */
static struct secret *reply_secret(sd_bus_message *m, const char **ret_error)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	struct secret *s = NULL;
	int fd, r;

	if (e) {
		*ret_error = e->message ? e->message : e->name;
		return NULL;
	}
	r = sd_bus_message_read_basic(m, 'h', &fd);
	if (r >= 0)
		r = secret_from_pipe(&s, fd, SECRET_KEY_SIZE);
	*ret_error = r < 0 ? "the broker's answer has no key in it" : NULL;
	return s;
}

static int on_psk(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	uint64_t start = 0, end = 0;
	struct secret *psk;
	const char *why;

	(void)error;
	if (!question_is_current(q))
		return 0;
	psk = reply_secret(m, &why);
	if (psk && sd_bus_message_read(m, "tt", &start, &end) < 0) {
		psk = secret_free(psk);
		why = "the broker's answer has no slot in it";
	}
	q->bus->handlers->psk(q->bus->userdata, q->ifname, q->public_key, psk, start, end, why);
	return 0;
}

static int on_private_key(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	struct secret *key;
	const char *why;

	(void)error;
	if (!question_is_current(q))
		return 0;
	key = reply_secret(m, &why);
	q->bus->handlers->private_key(q->bus->userdata, q->ifname, key, why);
	return 0;
}

int bus_ask_lease(struct bus *b)
{
	return bus_call(b, WGFIDO_PATH, WGFIDO_MANAGER_INTERFACE, "Lease", on_lease, NULL, NULL, "");
}

int bus_ask_objects(struct bus *b)
{
	return bus_call(b, WGFIDO_PATH, OBJECT_MANAGER, "GetManagedObjects", on_objects, NULL, NULL, "");
}

int bus_ask_psk(struct bus *b, const char *ifname, const uint8_t public_key[static KEY_SIZE], const uint64_t *slot)
{
	char *path = NULL;
	int r = tunnel_path(&path, ifname, public_key);

	if (r == 0 && slot)
		r = bus_call(b, path, WGFIDO_PEER_INTERFACE, "GetPsk", on_psk, ifname, public_key, "a{sv}", 1, "slot", "t", *slot);
	else if (r == 0)
		r = bus_call(b, path, WGFIDO_PEER_INTERFACE, "GetPsk", on_psk, ifname, public_key, "a{sv}", 0);
	free(path);
	return r;
}

int bus_ask_private_key(struct bus *b, const char *ifname)
{
	char *path = NULL;
	int r = tunnel_path(&path, ifname, NULL);

	if (r == 0)
		r = bus_call(b, path, WGFIDO_TUNNEL_INTERFACE, "GetPrivateKey", on_private_key, ifname, NULL, "");
	free(path);
	return r;
}

static int bus_watch(struct bus *b)
{
	const char *const name = WGFIDO_BUS_NAME;
	int r;

	r = sd_bus_match_signal_async(b->bus, NULL, WGFIDO_BUS_NAME, NULL, PROPERTIES, "PropertiesChanged", on_properties_changed, NULL, b);
	if (r >= 0)
		r = sd_bus_match_signal_async(b->bus, NULL, WGFIDO_BUS_NAME, WGFIDO_PATH, OBJECT_MANAGER, NULL, on_interfaces_changed, NULL, b);
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
