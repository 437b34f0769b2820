/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.wgfido1.Peer */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/names.h"
#include "daemon/bus-call.h"

int bus_peer_path(char **ret, const struct tunnel *t, const struct config_peer *peer)
{
	char hex[KEY_HEX_SIZE], *tunnel;
	int r;

	r = bus_tunnel_path(&tunnel, t);
	if (r < 0)
		return r;
	key_to_hex(hex, peer->public_key);
	r = asprintf(ret, "%s/peer/%s", tunnel, hex) < 0 ? -ENOMEM : 0;
	free(tunnel);
	return r;
}

static int get_text(sd_bus_message *reply, const char *text)
{
	return sd_bus_message_append_basic(reply, 's', text);
}

static int get_base64(sd_bus_message *reply, const uint8_t key[static KEY_SIZE])
{
	char text[KEY_BASE64_SIZE];

	key_to_base64(text, key);
	return get_text(reply, text);
}

static int get_number(sd_bus_message *reply, uint64_t n)
{
	return sd_bus_message_append_basic(reply, 't', &n);
}

#define GETTER(name, body) \
	static int get_##name(sd_bus *bus, const char *path, const char *interface, const char *property, \
		sd_bus_message *reply, void *userdata, sd_bus_error *error) \
	{ \
		const struct tunnel_peer *p = userdata; \
		(void)bus, (void)path, (void)interface, (void)property, (void)error; \
		return body; \
	}

GETTER(public_key, get_base64(reply, p->config->public_key))
GETTER(name, get_text(reply, p->config->name ? p->config->name : ""))
GETTER(state, get_text(reply, tunnel_peer_state(p->tunnel, p->config)))
GETTER(approved_until, get_number(reply, tunnel_peer_approved_until(p->tunnel, p->config)))
GETTER(requester, get_text(reply, tunnel_peer_requester(p->tunnel, p->config)))
GETTER(end_reason, get_text(reply, approval_end_name(p->end_reason)))

/* The core's userdata of all objects is the object; the bus is found by way of its broker. */
static struct bus *bus_of(const struct tunnel_peer *p)
{
	return p->tunnel->broker->userdata;
}

static int method_approve(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct tunnel_peer *p = userdata;
	struct bus_request what = {
		.kind = REQUEST_APPROVE,
		.action = WGFIDO_ACTION_APPROVE,
		.tunnel = p->tunnel,
		.peer = p->config->public_key,
		.known_options = BUS_OPTION_FOR | BUS_OPTION_WAIT | BUS_OPTION_PIN | BUS_OPTION_CONFIRM_PIN | BUS_OPTION_TOKEN,
	};

	return bus_call_request(bus_of(p), m, &what, error);
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct tunnel_peer *p = userdata;
	struct requester who;
	int r;

	r = bus_requester(&who, m, error);
	if (r < 0)
		return r;
	(void)broker_cancel(p->tunnel->broker, &who, p->tunnel->ifname, p->config->public_key);
	return sd_bus_reply_method_return(m, NULL);
}

static int do_revoke(struct bus_call *c, sd_bus_error *error)
{
	struct tunnel *t = broker_find_tunnel(c->bus->broker, c->ifname);

	(void)error;
	if (t)
		(void)broker_revoke(c->bus->broker, t, c->peer, c->who.text);
	return sd_bus_reply_method_return(c->message, NULL);
}

static int method_revoke(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct tunnel_peer *p = userdata;

	return bus_call_later(bus_of(p), m, WGFIDO_ACTION_REVOKE, p->tunnel, p->config->public_key, do_revoke, error);
}

static int method_get_psk(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_secret_ struct secret *psk = NULL;
	struct tunnel_peer *p = userdata;
	struct broker *broker = p->tunnel->broker;
	struct request_options options = {0};
	struct instant now = broker_now(broker);
	uint64_t start, end;
	int fd, r;

	r = bus_check_agent(bus_of(p), m, error);
	if (r >= 0)
		r = bus_options_read(m, BUS_OPTION_SLOT, &options, error);
	if (r < 0)
		return r;
	/* Slots to come outlive the approval at the agent, so only a peer that may have to be hunted gets them. */
	if (!options.has_slot)
		r = approvals_psk(broker->approvals, &psk, &start, &end, p->tunnel->ifname, p->config->public_key, &now);
	else if (p->config->has_token_public_key)
		r = approvals_psk_of_slot(broker->approvals, &psk, &start, &end, p->tunnel->ifname, p->config->public_key,
			options.slot, &now);
	else
		r = OUTCOME_NOT_APPROVED;
	if (r)
		return bus_error(error, r, "");
	r = secret_to_pipe(psk, &fd);
	if (r < 0)
		return bus_error(error, r, "");
	r = sd_bus_reply_method_return(m, "htt", fd, start, end);
	(void)close(fd);
	return r;
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("PublicKey", "s", get_public_key, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("ApprovedUntil", "t", get_approved_until, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Requester", "s", get_requester, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("EndReason", "s", get_end_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_METHOD_WITH_ARGS("Approve", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("t", until), method_approve,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Revoke", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_revoke, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("GetPsk", SD_BUS_ARGS("a{sv}", options),
		SD_BUS_RESULT("h", psk, "t", slot_start, "t", slot_end), method_get_psk, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret, sd_bus_error *error)
{
	const struct config_peer *peer;
	struct bus *b = userdata;
	struct tunnel *t;
	char *ifname = NULL, *hex = NULL;
	uint8_t key[KEY_SIZE];
	int r;

	(void)bus, (void)interface, (void)error;
	r = sd_bus_path_decode_many(path, WGFIDO_TUNNEL_PATH_PREFIX "/%/peer/%", &ifname, &hex);
	if (r > 0) {
		t = broker_find_tunnel(b->broker, ifname);
		r = t && t->config && key_from_hex(key, hex) == 0;
		peer = r ? config_find_peer(t->config, key) : NULL;
		if (peer)
			*ret = &t->peers[peer - t->config->peers];
		r = peer != NULL;
	}
	free(ifname);
	free(hex);
	return r;
}

int bus_peer_add(struct bus *b)
{
	return sd_bus_add_fallback_vtable(b->bus, NULL, WGFIDO_TUNNEL_PATH_PREFIX, WGFIDO_PEER_INTERFACE, vtable, find, b);
}
