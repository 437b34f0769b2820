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
	const char *state, *end_reason, *public_key, *mode, *held, *handle, *next_public_key, *next_handle;
};

static const struct properties no_properties = {
	.state = "", .end_reason = "", .public_key = "", .mode = "", .held = "", .handle = "", .next_public_key = "", .next_handle = "",
};

/* Where the string of this name goes; NULL: it is not one of ours. */
static const char **property(struct properties *p, const char *name)
{
	const struct {
		const char *name, **where;
	} ours[] = {
		{ "State", &p->state },
		{ "EndReason", &p->end_reason },
		{ "PublicKey", &p->public_key },
		{ "Mode", &p->mode },
		{ "Held", &p->held },
		{ "Handle", &p->handle },
		{ "NextPublicKey", &p->next_public_key },
		{ "NextHandle", &p->next_handle },
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (strcmp(ours[i].name, name) == 0)
			return ours[i].where;
	return NULL;
}

/* An a{sv} as of GetAll. *ret_any: some of it is ours. */
static int properties_read(sd_bus_message *m, struct properties *ret, bool *ret_any)
{
	const char *name, **where;
	int r;

	*ret = no_properties;
	*ret_any = false;
	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &name);
		if (r < 0)
			return r;
		where = property(ret, name);
		*ret_any = *ret_any || where || strcmp(name, "ApprovedUntil") == 0;
		if (where)
			r = sd_bus_message_read(m, "v", "s", where);
		else if (strcmp(name, "ApprovedUntil") == 0)
			r = sd_bus_message_read(m, "v", "t", &ret->approved_until);
		else
			r = sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* NULL where there is none. */
static const uint8_t *key_of(uint8_t key[static KEY_SIZE], const char *text)
{
	return key_from_base64(key, text) == 0 ? key : NULL;
}

static void tell_tunnel(struct bus *b, const char *ifname, const struct properties *p)
{
	uint8_t public_key[KEY_SIZE], handle[KEY_SIZE], next_public_key[KEY_SIZE], next_handle[KEY_SIZE];
	const struct bus_tunnel t = {
		.public_key = key_of(public_key, p->public_key),
		.approved_until_us = strcmp(p->state, "approved") == 0 ? p->approved_until : 0,
		.mode = p->mode,
		.held = p->held,
		.state = p->state,
		.end_reason = p->end_reason,
		.handle = key_of(handle, p->handle),
		.next_public_key = key_of(next_public_key, p->next_public_key),
		.next_handle = key_of(next_handle, p->next_handle),
	};

	b->handlers->tunnel(b->userdata, ifname, &t);
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
	bool any;
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &interface);
		if (r >= 0)
			r = properties_read(m, &p, &any);
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
	struct properties p = no_properties;
	bool any;

	(void)error;
	if (!question_is_current(q))
		return 0;
	/* What cannot be read is not approved. */
	if (sd_bus_message_is_method_error(m, NULL) || properties_read(m, &p, &any) < 0)
		p = no_properties;
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
	struct properties p;
	uint8_t public_key[KEY_SIZE];
	char ifname[IF_NAMESIZE];
	bool is_peer, any;

	(void)error;
	if (!bus_is_from_broker(b, m) || !path || !path_parse(path, ifname, public_key, &is_peer) ||
		sd_bus_message_read_basic(m, 's', &interface) < 0)
		return 0;
	if (strcmp(interface, is_peer ? WGFIDO_PEER_INTERFACE : WGFIDO_TUNNEL_INTERFACE) != 0)
		return 0;
	if (properties_read(m, &p, &any) >= 0) {
		const bool closes = *p.state && strcmp(p.state, "approved") != 0;

		/* Closing does not wait for a round trip, nor does opening a peer when all that it takes is here. */
		if (is_peer && (closes || (*p.state && p.approved_until))) {
			tell_peer(b, ifname, public_key, &p);
			return 0;
		}
		if (!is_peer && closes)
			b->handlers->not_approved(b->userdata, ifname, p.end_reason);
		if (!any)
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
		b->handlers->tunnel(b->userdata, ifname, NULL);
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
