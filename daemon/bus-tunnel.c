/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.wgfido1.Tunnel */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/handle.h"
#include "common/names.h"
#include "daemon/bus-call.h"
#include "daemon/bus-dh.h"

#define CREATE_OPTIONS \
	(BUS_OPTION_PIN | BUS_OPTION_TOKEN | BUS_OPTION_UV | BUS_OPTION_LABEL | BUS_OPTION_MAKE_RECOVERY | \
		BUS_OPTION_CONFIRM_PIN | BUS_OPTION_WAIT)
#define RESIDENT_OPTIONS (BUS_OPTION_RESIDENT | BUS_OPTION_X_SLOT | BUS_OPTION_TOUCH | BUS_OPTION_HANDLE)
#define UNLOCK_OPTIONS (BUS_OPTION_PIN | BUS_OPTION_CONFIRM_PIN | BUS_OPTION_RECOVERY | BUS_OPTION_TOKEN | BUS_OPTION_WAIT)

int bus_tunnel_path(char **ret, const struct tunnel *t)
{
	return sd_bus_path_encode(WGFIDO_TUNNEL_PATH_PREFIX, t->ifname, ret);
}

static int get_text(sd_bus_message *reply, const char *text)
{
	return sd_bus_message_append_basic(reply, 's', text ? text : "");
}

static int get_base64(sd_bus_message *reply, const uint8_t *key)
{
	char text[KEY_BASE64_SIZE] = "";

	if (key)
		key_to_base64(text, key);
	return get_text(reply, text);
}

static int get_number(sd_bus_message *reply, uint64_t n)
{
	return sd_bus_message_append_basic(reply, 't', &n);
}

static int get_unsigned(sd_bus_message *reply, uint32_t n)
{
	return sd_bus_message_append_basic(reply, 'u', &n);
}

#define GETTER(name, body) \
	static int get_##name(sd_bus *bus, const char *path, const char *interface, const char *property, \
		sd_bus_message *reply, void *userdata, sd_bus_error *error) \
	{ \
		const struct tunnel *t = userdata; \
		const struct operation *op = tunnel_operation(t); \
		(void)bus, (void)path, (void)interface, (void)property, (void)error, (void)op; \
		return body; \
	}

static int append_slot(sd_bus_message *reply, const struct keyslot *s)
{
	bool token = s->type == KEYSLOT_HMAC_SECRET;

	return sd_bus_message_append(reply, "(ussst)", s->id, token ? "hmac-secret" : "recovery", s->label,
		!token ? "" : s->uv == WIRE_UV_PIN ? "pin" : "presence", s->created);
}

static int append_slots(sd_bus_message *reply, const struct keyfile *k)
{
	size_t i;
	int r;

	r = sd_bus_message_open_container(reply, 'a', "(ussst)");
	for (i = 0; r >= 0 && k && i < k->n_slots; i++)
		r = append_slot(reply, &k->slots[i]);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const struct keyfile_resident *resident_of(const struct tunnel *t, bool next)
{
	if (!t->keyfile || t->keyfile->held != KEYFILE_RESIDENT || (next && !t->keyfile->has_next))
		return NULL;
	return next ? &t->keyfile->next : &t->keyfile->resident;
}

static int get_slot_of(sd_bus_message *reply, const struct keyfile_resident *k)
{
	char text[KEYFILE_X_SLOT_MAX] = "";

	if (k)
		keyfile_x_slot_format(text, &k->slot);
	return get_text(reply, text);
}

static int get_handle_of(sd_bus_message *reply, const struct keyfile_resident *k)
{
	uint8_t handle[KEY_SIZE];

	if (k)
		handle_make(handle, (uint8_t)k->slot.kind, k->slot.number, k->public_key);
	return get_base64(reply, k ? handle : NULL);
}

GETTER(interface, get_text(reply, t->ifname))
GETTER(name, get_text(reply, t->config ? t->config->name : ""))
GETTER(mode, get_text(reply, t->config ? config_mode_name(t->config->mode) : ""))
GETTER(held, get_text(reply, tunnel_held(t)))
GETTER(public_key, get_base64(reply, t->keyfile ? t->keyfile->public_key : NULL))
GETTER(slot, get_slot_of(reply, resident_of(t, false)))
GETTER(touch_policy, get_text(reply, resident_of(t, false) ? keyfile_x_touch_name(t->keyfile->resident.touch) : ""))
GETTER(handle, get_handle_of(reply, resident_of(t, false)))
GETTER(next_public_key, get_base64(reply, resident_of(t, true) ? t->keyfile->next.public_key : NULL))
GETTER(next_handle, get_handle_of(reply, resident_of(t, true)))
GETTER(state, get_text(reply, tunnel_state(t)))
GETTER(guarantee, get_text(reply, tunnel_guarantee(t)))
GETTER(scope, get_text(reply, t->config ? config_scope_name(t->config->scope) : ""))
GETTER(lifetime, get_number(reply, t->config ? t->config->lifetime_seconds : 0))
GETTER(approved_until, get_number(reply, tunnel_approved_until(t)))
GETTER(end_reason, get_text(reply, approval_end_name(t->end_reason)))
GETTER(problem, get_text(reply, tunnel_problem(t)))
GETTER(prompt, get_text(reply, op ? operation_prompt(op) : tunnel_handshake_touch(t) ? "touch" : ""))
GETTER(prompt_token, get_text(reply, op ? op->token_name : tunnel_handshake_touch(t) ? t->dh.token_name : ""))
GETTER(prompt_deadline, get_number(reply, op ? op->deadline_boot_us : tunnel_handshake_touch(t) ? t->dh.deadline_boot_us : 0))
GETTER(prompt_step, get_unsigned(reply, op ? op->step : 0))
GETTER(prompt_steps, get_unsigned(reply, op ? op->steps : 0))
GETTER(prompt_for, get_number(reply, op ? operation_lifetime(op) : 0))
GETTER(prompt_requester, get_text(reply, op ? op->requester.text : ""))
GETTER(keyslots, append_slots(reply, t->keyfile))

static const struct {
	const char *name;
	unsigned int what;
} changes[] = {
	{"State", TUNNEL_CHANGE_STATE | TUNNEL_CHANGE_PROMPT | TUNNEL_CHANGE_KEY},
	{"ApprovedUntil", TUNNEL_CHANGE_STATE},
	{"EndReason", TUNNEL_CHANGE_STATE},
	{"Prompt", TUNNEL_CHANGE_PROMPT},
	{"PromptToken", TUNNEL_CHANGE_PROMPT},
	{"PromptDeadline", TUNNEL_CHANGE_PROMPT},
	{"PromptStep", TUNNEL_CHANGE_PROMPT},
	{"PromptSteps", TUNNEL_CHANGE_PROMPT},
	{"PromptFor", TUNNEL_CHANGE_PROMPT},
	{"PromptRequester", TUNNEL_CHANGE_PROMPT},
	{"Held", TUNNEL_CHANGE_KEY},
	{"PublicKey", TUNNEL_CHANGE_KEY},
	{"KeySlots", TUNNEL_CHANGE_KEY},
	{"Slot", TUNNEL_CHANGE_KEY},
	{"TouchPolicy", TUNNEL_CHANGE_KEY},
	{"Handle", TUNNEL_CHANGE_KEY},
	{"NextPublicKey", TUNNEL_CHANGE_KEY},
	{"NextHandle", TUNNEL_CHANGE_KEY},
	{"Guarantee", TUNNEL_CHANGE_KEY},
	{"Problem", TUNNEL_CHANGE_KEY},
};

void bus_tunnel_properties(const char *names[static 24], unsigned int what)
{
	size_t i, n = 0;

	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (changes[i].what & what)
			names[n++] = changes[i].name;
	names[n] = NULL;
}

/* All objects' userdata is the object; the bus is found by way of its broker. */
static struct bus *bus_of(const struct tunnel *t)
{
	return t->broker->userdata;
}

static int request(sd_bus_message *m, struct tunnel *t, enum request_kind kind, const char *action, unsigned int options,
	sd_bus_error *error)
{
	struct bus_request what = {.kind = kind, .action = action, .tunnel = t, .known_options = options};

	return bus_call_request(bus_of(t), m, &what, error);
}

static int method_approve(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return request(m, userdata, REQUEST_APPROVE, WGFIDO_ACTION_APPROVE,
		BUS_OPTION_FOR | BUS_OPTION_WAIT | BUS_OPTION_PIN | BUS_OPTION_CONFIRM_PIN | BUS_OPTION_TOKEN, error);
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct tunnel *t = userdata;
	struct requester who;
	int r;

	r = bus_requester(&who, m, error);
	if (r < 0)
		return r;
	(void)broker_cancel(t->broker, &who, t->ifname, NULL);
	return sd_bus_reply_method_return(m, NULL);
}

static int do_revoke(struct bus_call *c, sd_bus_error *error)
{
	struct tunnel *t = broker_find_tunnel(c->bus->broker, c->ifname);

	(void)error;
	if (t)
		(void)broker_revoke(c->bus->broker, t, NULL, c->who.text);
	return sd_bus_reply_method_return(c->message, NULL);
}

static int method_revoke(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct tunnel *t = userdata;

	return bus_call_later(bus_of(t), m, WGFIDO_ACTION_REVOKE, t, NULL, do_revoke, error);
}

static int method_enroll(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return request(m, userdata, REQUEST_ENROLL, WGFIDO_ACTION_ENROLL, CREATE_OPTIONS | RESIDENT_OPTIONS, error);
}

static int method_rekey(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return request(m, userdata, REQUEST_REKEY, WGFIDO_ACTION_REKEY, CREATE_OPTIONS | RESIDENT_OPTIONS, error);
}

static int method_commit_rekey(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	/* The agent switches when it has seen the other end answer to the next key. */
	return request(m, userdata, REQUEST_COMMIT, WGFIDO_ACTION_REKEY,
		BUS_OPTION_PIN | BUS_OPTION_CONFIRM_PIN | BUS_OPTION_TOKEN | BUS_OPTION_WAIT | BUS_OPTION_ABANDON | BUS_OPTION_ERASE,
		error);
}

static int method_add_keyslot(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return request(m, userdata, REQUEST_ADD_KEYSLOT, WGFIDO_ACTION_KEYSLOTS,
		UNLOCK_OPTIONS | BUS_OPTION_TYPE | BUS_OPTION_OLD_PIN | BUS_OPTION_UV | BUS_OPTION_LABEL, error);
}

static int method_remove_keyslot(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct tunnel *t = userdata;
	struct bus_request what = {
		.kind = REQUEST_REMOVE_KEYSLOT,
		.action = WGFIDO_ACTION_KEYSLOTS,
		.tunnel = t,
		.known_options = UNLOCK_OPTIONS,
	};
	int r;

	r = sd_bus_message_read(m, "u", &what.slot);
	return r < 0 ? r : bus_call_request(bus_of(t), m, &what, error);
}

static int method_export_key(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return request(m, userdata, REQUEST_EXPORT, WGFIDO_ACTION_EXPORT, UNLOCK_OPTIONS | BUS_OPTION_FORGET, error);
}

static int forget_key(struct bus_call *c, sd_bus_error *error)
{
	struct tunnel *t = broker_find_tunnel(c->bus->broker, c->ifname);
	int r;

	r = t ? broker_forget_key(c->bus->broker, t, c->who.sender) : OUTCOME_DENIED;
	if (r)
		return bus_error(error, r, "only within a minute after your own ExportKey with \"forget\"");
	return sd_bus_reply_method_return(c->message, NULL);
}

static int method_forget_key(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct tunnel *t = userdata;

	return bus_call_later(bus_of(t), m, WGFIDO_ACTION_EXPORT, t, NULL, forget_key, error);
}

static int method_get_private_key(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct tunnel *t = userdata;
	const struct secret *key;
	struct instant now = broker_now(t->broker);
	int fd, r;

	r = bus_check_agent(bus_of(t), m, error);
	if (r < 0)
		return r;
	if (t->keyfile && t->keyfile->held == KEYFILE_RESIDENT)
		return bus_error(error, OUTCOME_UNSUPPORTED, TUNNEL_RESIDENT_NO_EXPORT);
	r = approvals_private_key(t->broker->approvals, &key, t->ifname, &now);
	if (r)
		return bus_error(error, r, "");
	r = secret_to_pipe(key, &fd);
	if (r < 0)
		return bus_error(error, r, "");
	r = sd_bus_reply_method_return(m, "h", fd);
	(void)close(fd);
	return r;
}

static int method_diffie_hellman(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return bus_dh(bus_of(userdata), m, userdata, error);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Interface", "s", get_interface, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Mode", "s", get_mode, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Held", "s", get_held, 0, CHANGES),
	SD_BUS_PROPERTY("PublicKey", "s", get_public_key, 0, CHANGES),
	SD_BUS_PROPERTY("Slot", "s", get_slot, 0, CHANGES),
	SD_BUS_PROPERTY("TouchPolicy", "s", get_touch_policy, 0, CHANGES),
	SD_BUS_PROPERTY("Handle", "s", get_handle, 0, CHANGES),
	SD_BUS_PROPERTY("NextPublicKey", "s", get_next_public_key, 0, CHANGES),
	SD_BUS_PROPERTY("NextHandle", "s", get_next_handle, 0, CHANGES),
	SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
	SD_BUS_PROPERTY("Guarantee", "s", get_guarantee, 0, CHANGES),
	SD_BUS_PROPERTY("ApprovalScope", "s", get_scope, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("ApprovalLifetime", "t", get_lifetime, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("ApprovedUntil", "t", get_approved_until, 0, CHANGES),
	SD_BUS_PROPERTY("EndReason", "s", get_end_reason, 0, CHANGES),
	SD_BUS_PROPERTY("Problem", "s", get_problem, 0, CHANGES),
	SD_BUS_PROPERTY("Prompt", "s", get_prompt, 0, CHANGES),
	SD_BUS_PROPERTY("PromptToken", "s", get_prompt_token, 0, CHANGES),
	SD_BUS_PROPERTY("PromptDeadline", "t", get_prompt_deadline, 0, CHANGES),
	SD_BUS_PROPERTY("PromptStep", "u", get_prompt_step, 0, CHANGES),
	SD_BUS_PROPERTY("PromptSteps", "u", get_prompt_steps, 0, CHANGES),
	SD_BUS_PROPERTY("PromptFor", "t", get_prompt_for, 0, CHANGES),
	SD_BUS_PROPERTY("PromptRequester", "s", get_prompt_requester, 0, CHANGES),
	SD_BUS_PROPERTY("KeySlots", "a(ussst)", get_keyslots, 0, CHANGES),
	SD_BUS_METHOD_WITH_ARGS("Approve", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("t", until), method_approve, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_cancel, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Revoke", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_revoke, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Enroll", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a{sv}", result), method_enroll,
		ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Rekey", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a{sv}", result), method_rekey, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("CommitRekey", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_commit_rekey, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("AddKeyslot", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a{sv}", result),
		method_add_keyslot, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("RemoveKeyslot", SD_BUS_ARGS("u", slot, "a{sv}", options), SD_BUS_NO_RESULT,
		method_remove_keyslot, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ExportKey", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", key), method_export_key,
		ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ForgetKey", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_forget_key, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("GetPrivateKey", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", key), method_get_private_key, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("DiffieHellman", SD_BUS_ARGS("ay", point, "a{sv}", options), SD_BUS_RESULT("h", shared),
		method_diffie_hellman, ANYBODY),
	SD_BUS_VTABLE_END,
};

static int find(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret, sd_bus_error *error)
{
	struct bus *b = userdata;
	struct tunnel *t;
	char *ifname = NULL;
	int r;

	(void)bus, (void)interface, (void)error;
	r = sd_bus_path_decode(path, WGFIDO_TUNNEL_PATH_PREFIX, &ifname);
	if (r <= 0)
		return r;
	t = ifname ? broker_find_tunnel(b->broker, ifname) : NULL;
	free(ifname);
	*ret = t;
	return t != NULL;
}

static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error)
{
	struct bus *b = userdata;
	struct tunnel *t;
	size_t i, n = 1;
	char **paths;

	(void)bus, (void)prefix, (void)error;
	TAILQ_FOREACH(t, &b->broker->tunnels, link)
		n += 1 + (t->config ? t->config->n_peers : 0);
	paths = calloc(n, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	n = 0;
	TAILQ_FOREACH(t, &b->broker->tunnels, link) {
		if (bus_tunnel_path(&paths[n], t) >= 0)
			n++;
		for (i = 0; t->config && i < t->config->n_peers; i++)
			if (bus_peer_path(&paths[n], t, &t->config->peers[i]) >= 0)
				n++;
	}
	*ret = paths;
	return 0;
}

int bus_tunnel_add(struct bus *b)
{
	int r;

	r = sd_bus_add_fallback_vtable(b->bus, NULL, WGFIDO_TUNNEL_PATH_PREFIX, WGFIDO_TUNNEL_INTERFACE, vtable, find, b);
	return r < 0 ? r : sd_bus_add_node_enumerator(b->bus, NULL, WGFIDO_TUNNEL_PATH_PREFIX, enumerate, b);
}
