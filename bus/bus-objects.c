/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the broker says of its tunnels and peers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"

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

static int on_properties_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	const char *path = sd_bus_message_get_path(m), *interface;
	struct properties p = { .state = "" };
	uint8_t public_key[KEY_SIZE];
	char ifname[IF_NAMESIZE];
	bool is_peer;

	(void)error;
	if (!bus_is_from_broker(b, m) || !path || !path_parse(path, ifname, public_key, &is_peer) ||
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
	(void)bus_call(b, path, PROPERTIES, "GetAll", on_get_all, BUS_REPLY_US, ifname, is_peer ? public_key : NULL, "s", interface);
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
	if (!bus_is_from_broker(b, m) || sd_bus_message_read_basic(m, 'o', &path) < 0 || !path_parse(path, ifname, public_key, &is_peer))
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

int bus_ask_objects(struct bus *b)
{
	return bus_call(b, WGFIDO_PATH, OBJECT_MANAGER, "GetManagedObjects", on_objects, BUS_REPLY_US, NULL, NULL, "");
}

int bus_watch_objects(struct bus *b)
{
	int r;

	r = sd_bus_match_signal_async(b->bus, NULL, WGFIDO_BUS_NAME, NULL, PROPERTIES, "PropertiesChanged", on_properties_changed, NULL, b);
	if (r >= 0)
		r = sd_bus_match_signal_async(b->bus, NULL, WGFIDO_BUS_NAME, WGFIDO_PATH, OBJECT_MANAGER, NULL, on_interfaces_changed, NULL, b);
	return r;
}
