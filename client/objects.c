/* SPDX-License-Identifier: GPL-2.0-or-later */
/* a{sv} of the bus to the structs of proxy.h, by one table per interface. */
#include "client/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/proxy.h"
#include "client/text.h"
#include "common/names.h"

enum field_type { FIELD_STRING, FIELD_U64, FIELD_U32, FIELD_BOOL, FIELD_STRINGS, FIELD_KEYSLOTS };

struct object_field {
	const char *name;
	enum field_type type;
	size_t offset;
};

#define FIELD(object, property, kind, member)                                                                \
	{                                                                                                    \
		property, kind, offsetof(struct object, member)                                              \
	}

static const struct object_field tunnel_fields[] = {
	FIELD(proxy_tunnel, "Interface", FIELD_STRING, interface),
	FIELD(proxy_tunnel, "Name", FIELD_STRING, name),
	FIELD(proxy_tunnel, "Mode", FIELD_STRING, mode),
	FIELD(proxy_tunnel, "Held", FIELD_STRING, held),
	FIELD(proxy_tunnel, "PublicKey", FIELD_STRING, public_key),
	FIELD(proxy_tunnel, "Slot", FIELD_STRING, slot),
	FIELD(proxy_tunnel, "TouchPolicy", FIELD_STRING, touch_policy),
	FIELD(proxy_tunnel, "Handle", FIELD_STRING, handle),
	FIELD(proxy_tunnel, "NextPublicKey", FIELD_STRING, next_public_key),
	FIELD(proxy_tunnel, "NextHandle", FIELD_STRING, next_handle),
	FIELD(proxy_tunnel, "State", FIELD_STRING, state),
	FIELD(proxy_tunnel, "Guarantee", FIELD_STRING, guarantee),
	FIELD(proxy_tunnel, "ApprovalScope", FIELD_STRING, approval_scope),
	FIELD(proxy_tunnel, "ApprovalLifetime", FIELD_U64, approval_lifetime),
	FIELD(proxy_tunnel, "ApprovedUntil", FIELD_U64, approved_until),
	FIELD(proxy_tunnel, "EndReason", FIELD_STRING, end_reason),
	FIELD(proxy_tunnel, "Problem", FIELD_STRING, problem),
	FIELD(proxy_tunnel, "Prompt", FIELD_STRING, prompt),
	FIELD(proxy_tunnel, "PromptToken", FIELD_STRING, prompt_token),
	FIELD(proxy_tunnel, "PromptDeadline", FIELD_U64, prompt_deadline),
	FIELD(proxy_tunnel, "PromptStep", FIELD_U32, prompt_step),
	FIELD(proxy_tunnel, "PromptSteps", FIELD_U32, prompt_steps),
	FIELD(proxy_tunnel, "PromptFor", FIELD_U64, prompt_for),
	FIELD(proxy_tunnel, "PromptRequester", FIELD_STRING, prompt_requester),
	FIELD(proxy_tunnel, "KeySlots", FIELD_KEYSLOTS, keyslots),
	{NULL},
};

static const struct object_field peer_fields[] = {
	FIELD(proxy_peer, "PublicKey", FIELD_STRING, public_key),
	FIELD(proxy_peer, "Name", FIELD_STRING, name),
	FIELD(proxy_peer, "State", FIELD_STRING, state),
	FIELD(proxy_peer, "ApprovedUntil", FIELD_U64, approved_until),
	FIELD(proxy_peer, "Requester", FIELD_STRING, requester),
	FIELD(proxy_peer, "EndReason", FIELD_STRING, end_reason),
	{NULL},
};

static const struct object_field token_fields[] = {
	FIELD(proxy_token, "Id", FIELD_STRING, id),
	FIELD(proxy_token, "Name", FIELD_STRING, name),
	FIELD(proxy_token, "Serial", FIELD_STRING, serial),
	FIELD(proxy_token, "Capabilities", FIELD_STRINGS, capabilities),
	FIELD(proxy_token, "PinState", FIELD_STRING, pin_state),
	FIELD(proxy_token, "PinTries", FIELD_U32, pin_tries),
	FIELD(proxy_token, "Busy", FIELD_BOOL, busy),
	{NULL},
};

static const struct object_field manager_fields[] = {
	FIELD(proxy, "Version", FIELD_STRING, version),
	FIELD(proxy, "Prompt", FIELD_STRING, generating.prompt),
	FIELD(proxy, "PromptToken", FIELD_STRING, generating.prompt_token),
	FIELD(proxy, "PromptDeadline", FIELD_U64, generating.prompt_deadline),
	FIELD(proxy, "PromptStep", FIELD_U32, generating.prompt_step),
	FIELD(proxy, "PromptSteps", FIELD_U32, generating.prompt_steps),
	FIELD(proxy, "PromptRequester", FIELD_STRING, generating.prompt_requester),
	{NULL},
};

static void strings_free(char **strings)
{
	for (char **s = strings; s && *s; s++)
		free(*s);
	free(strings);
}

static void keyslots_clear(struct proxy_keyslots *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->slots[i].type);
		free(k->slots[i].label);
		free(k->slots[i].uv);
	}
	free(k->slots);
	*k = (struct proxy_keyslots){};
}

void object_clear(const struct object_field *fields, void *object)
{
	for (const struct object_field *f = fields; f->name; f++) {
		char *at = (char *)object + f->offset;

		switch (f->type) {
		case FIELD_STRING:
			free(*(char **)at);
			*(char **)at = NULL;
			break;
		case FIELD_STRINGS:
			strings_free(*(char ***)at);
			*(char ***)at = NULL;
			break;
		case FIELD_KEYSLOTS:
			keyslots_clear((struct proxy_keyslots *)at);
			break;
		case FIELD_U64:
		case FIELD_U32:
		case FIELD_BOOL:
			break;
		}
	}
}

/* Strings are never NULL once an object was made, so that nobody has to ask. */
int object_init(const struct object_field *fields, void *object)
{
	for (const struct object_field *f = fields; f->name; f++)
		if (f->type == FIELD_STRING) {
			char **at = (char **)((char *)object + f->offset);

			if (!*at && !(*at = strdup("")))
				return -ENOMEM;
		}
	return 0;
}

static int string_read(sd_bus_message *m, char **ret)
{
	const char *s;
	char *copy;
	int r;

	r = sd_bus_message_read_basic(m, 's', &s);
	if (r < 0)
		return r;
	copy = strdup(s);
	if (!copy)
		return -ENOMEM;
	text_make_printable(copy);
	free(*ret);
	*ret = copy;
	return 0;
}

static int strings_read(sd_bus_message *m, char ***ret)
{
	char **strings = NULL;
	int r;

	r = sd_bus_message_read_strv(m, &strings);
	if (r < 0)
		return r;
	for (char **s = strings; s && *s; s++)
		text_make_printable(*s);
	strings_free(*ret);
	*ret = strings;
	return 0;
}

static int keyslot_read(sd_bus_message *m, struct proxy_keyslot *slot)
{
	int r;

	r = sd_bus_message_enter_container(m, 'r', NULL);
	if (r >= 0)
		r = sd_bus_message_read_basic(m, 'u', &slot->id);
	if (r >= 0)
		r = string_read(m, &slot->type);
	if (r >= 0)
		r = string_read(m, &slot->label);
	if (r >= 0)
		r = string_read(m, &slot->uv);
	if (r >= 0)
		r = sd_bus_message_read_basic(m, 't', &slot->created);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int keyslots_read(sd_bus_message *m, struct proxy_keyslots *ret)
{
	struct proxy_keyslots k = {};
	char type;
	int r;

	r = sd_bus_message_enter_container(m, 'a', NULL);
	while (r >= 0 && (r = sd_bus_message_peek_type(m, &type, NULL)) > 0) {
		struct proxy_keyslot *more = reallocarray(k.slots, k.n + 1, sizeof(*more));

		if (!more) {
			r = -ENOMEM;
			break;
		}
		k.slots = more;
		k.slots[k.n++] = (struct proxy_keyslot){};
		r = keyslot_read(m, &k.slots[k.n - 1]);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r < 0) {
		keyslots_clear(&k);
		return r;
	}
	keyslots_clear(ret);
	*ret = k;
	return 0;
}

static int field_read(sd_bus_message *m, const struct object_field *f, const char *contents, void *object)
{
	static const char *const signatures[] = {[FIELD_STRING] = "s",
		[FIELD_U64] = "t",
		[FIELD_U32] = "u",
		[FIELD_BOOL] = "b",
		[FIELD_STRINGS] = "as",
		[FIELD_KEYSLOTS] = "a(ussst)"};
	char *at = (char *)object + f->offset;
	int b, r = -EINVAL;

	if (strcmp(contents, signatures[f->type]))
		return -EBADMSG;
	r = sd_bus_message_enter_container(m, 'v', contents);
	if (r < 0)
		return r;
	switch (f->type) {
	case FIELD_STRING:
		r = string_read(m, (char **)at);
		break;
	case FIELD_U64:
		r = sd_bus_message_read_basic(m, 't', at);
		break;
	case FIELD_U32:
		r = sd_bus_message_read_basic(m, 'u', at);
		break;
	case FIELD_BOOL:
		r = sd_bus_message_read_basic(m, 'b', &b);
		if (r >= 0)
			*(bool *)at = b;
		break;
	case FIELD_STRINGS:
		r = strings_read(m, (char ***)at);
		break;
	case FIELD_KEYSLOTS:
		r = keyslots_read(m, (struct proxy_keyslots *)at);
		break;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* a{sv} into object; names that are not in fields are skipped. */
int object_read_properties(sd_bus_message *m, const struct object_field *fields, void *object)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const struct object_field *f;
		const char *name, *contents;
		char type;

		r = sd_bus_message_read_basic(m, 's', &name);
		if (r < 0)
			return r;
		for (f = fields; f->name && strcmp(f->name, name);)
			f++;
		if (f->name) {
			r = sd_bus_message_peek_type(m, &type, &contents);
			if (r >= 0)
				r = field_read(m, f, contents, object);
		} else {
			r = sd_bus_message_skip(m, "v");
		}
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

const struct object_field *object_fields(const char *interface)
{
	if (!strcmp(interface, WGFIDO_TUNNEL_INTERFACE))
		return tunnel_fields;
	if (!strcmp(interface, WGFIDO_PEER_INTERFACE))
		return peer_fields;
	if (!strcmp(interface, WGFIDO_TOKEN_INTERFACE))
		return token_fields;
	if (!strcmp(interface, WGFIDO_MANAGER_INTERFACE))
		return manager_fields;
	return NULL;
}
