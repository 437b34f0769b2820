/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.wgfido1.Token */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "daemon/bus-call.h"

int bus_token_path(char **ret, const struct token *t)
{
	return asprintf(ret, WGFIDO_TOKEN_PATH_PREFIX "/%" PRIu64, t->number) < 0 ? -ENOMEM : 0;
}

static int get_text(sd_bus_message *reply, const char *text)
{
	return sd_bus_message_append_basic(reply, 's', text);
}

#define GETTER(name, body) \
	static int get_##name(sd_bus *bus, const char *path, const char *interface, const char *property, \
		sd_bus_message *reply, void *userdata, sd_bus_error *error) \
	{ \
		const struct token *t = userdata; \
		(void)bus, (void)path, (void)interface, (void)property, (void)error; \
		return body; \
	}

GETTER(id, get_text(reply, t->node.id))
GETTER(name, get_text(reply, token_name(t)))
GETTER(serial, get_text(reply, t->info.serial))
GETTER(pin_state, get_text(reply, token_pin_state(t)))
GETTER(pin_tries, sd_bus_message_append(reply, "u", t->info_known && t->info.pin_retries > 0 ? (uint32_t)t->info.pin_retries : 0u))
GETTER(busy, sd_bus_message_append(reply, "b", token_busy(t)))

static const struct {
	uint32_t capability;
	const char *name;
} capabilities[] = {
	{WIRE_CAP_FIDO2, "fido2"},
	{WIRE_CAP_HMAC_SECRET, "hmac-secret"},
	{WIRE_CAP_CLIENT_PIN, "client-pin"},
	{WIRE_CAP_UV, "uv"},
	{WIRE_CAP_CRED_PROTECT, "cred-protect"},
	{WIRE_CAP_ALWAYS_UV, "always-uv"},
	{WIRE_CAP_X25519, "wgX25519"},
	{WIRE_CAP_OPENPGP, "openpgp"},
	{WIRE_CAP_PIV, "piv"},
};

static int append_capabilities(sd_bus_message *reply, const struct token *t)
{
	size_t i;
	int r;

	r = sd_bus_message_open_container(reply, 'a', "s");
	for (i = 0; r >= 0 && i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		if (t->info.capabilities & capabilities[i].capability)
			r = sd_bus_message_append_basic(reply, 's', capabilities[i].name);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}
GETTER(capabilities, append_capabilities(reply, t))

static int method_list_keys(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct token *t = userdata;
	const struct bus_request what = {.kind = REQUEST_LIST, .token = t};
	const struct broker *b = t->all->userdata;

	return bus_call_request(b->userdata, m, &what, error);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "s", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Serial", "s", get_serial, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Capabilities", "as", get_capabilities, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("PinState", "s", get_pin_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("PinTries", "u", get_pin_tries, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Busy", "b", get_busy, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_METHOD_WITH_ARGS("ListKeys", SD_BUS_NO_ARGS, SD_BUS_RESULT("u", slots, "a(ssubbss)", keys), method_list_keys,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret, sd_bus_error *error)
{
	struct bus *b = userdata;
	struct token *t;
	char *own;
	bool same;

	(void)bus, (void)interface, (void)error;
	TAILQ_FOREACH(t, &b->broker->tokens.list, link) {
		if (bus_token_path(&own, t) < 0)
			return -ENOMEM;
		same = strcmp(own, path) == 0;
		free(own);
		if (same) {
			*ret = t;
			return 1;
		}
	}
	return 0;
}

static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error)
{
	struct bus *b = userdata;
	struct token *t;
	char **paths;
	size_t n = 0;

	(void)bus, (void)prefix, (void)error;
	paths = calloc(b->broker->tokens.n + 1, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	TAILQ_FOREACH(t, &b->broker->tokens.list, link)
		if (bus_token_path(&paths[n], t) == 0)
			n++;
	*ret = paths;
	return 0;
}

int bus_token_add(struct bus *b)
{
	int r;

	r = sd_bus_add_fallback_vtable(b->bus, NULL, WGFIDO_TOKEN_PATH_PREFIX, WGFIDO_TOKEN_INTERFACE, vtable, find, b);
	return r < 0 ? r : sd_bus_add_node_enumerator(b->bus, NULL, WGFIDO_TOKEN_PATH_PREFIX, enumerate, b);
}
