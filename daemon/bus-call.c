/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-call.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "common/handle.h"
#include "common/log.h"
#include "common/names.h"
#include "daemon/polkit.h"

/* Only the local file: an account service on the network could make us wait. */
static void name_of_uid(uid_t uid, char *buf, size_t size)
{
	char line[1024];
	struct passwd entry, *found;
	FILE *f = fopen("/etc/passwd", "re");

	buf[0] = 0;
	while (f && fgetpwent_r(f, &entry, line, sizeof(line), &found) == 0)
		if (found->pw_uid == uid) {
			(void)snprintf(buf, size, " (%s)", found->pw_name);
			break;
		}
	if (f)
		(void)fclose(f);
}

/* The session of the caller's process; of a process of the user's service manager, the session on the user's screen. */
static void find_session(struct requester *who, sd_bus_creds *creds)
{
	const char *session = NULL;
	char *display = NULL;

	if (sd_bus_creds_get_session(creds, &session) < 0 && sd_uid_get_display(who->uid, &display) >= 0)
		session = display;
	(void)snprintf(who->session, sizeof(who->session), "%s", session ? session : "");
	free(display);
}

int bus_requester(struct requester *ret, sd_bus_message *m, sd_bus_error *error)
{
	sd_bus_creds *creds = NULL;
	char name[48];
	int r;

	memset(ret, 0, sizeof(*ret));
	r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID | SD_BUS_CREDS_SESSION | SD_BUS_CREDS_AUGMENT, &creds);
	/* Where there are no control groups the session cannot be had; who asks is the bus's word alone. */
	if (r < 0)
		r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, &ret->uid);
	if (r < 0) {
		sd_bus_creds_unref(creds);
		return bus_error(error, OUTCOME_DENIED, "the bus does not say who asks");
	}
	find_session(ret, creds);
	sd_bus_creds_unref(creds);
	name_of_uid(ret->uid, name, sizeof(name));
	(void)snprintf(ret->text, sizeof(ret->text), "uid %u%s", ret->uid, name);
	text_mend_utf8(ret->text);
	(void)snprintf(ret->sender, sizeof(ret->sender), "%s", sd_bus_message_get_sender(m));
	return 0;
}

static void call_free(struct bus_call *c)
{
	c->check = polkit_cancel(c->check);
	TAILQ_REMOVE(&c->bus->calls, c, link);
	sd_bus_track_unref(c->track);
	sd_bus_message_unref(c->message);
	free(c);
}

/* Without a request behind it, the call answers for itself. */
static void call_fail(struct bus_call *c, enum outcome outcome, const char *detail)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;

	if (c->request) {
		request_refuse(c->request, outcome, detail);
		return;
	}
	(void)bus_error(&error, (int)outcome, detail);
	(void)sd_bus_reply_method_error(c->message, &error);
	sd_bus_error_free(&error);
	call_free(c);
}

static int on_caller_gone(sd_bus_track *track, void *userdata)
{
	struct bus_call *c = userdata;

	(void)track;
	if (c->request)
		request_cancel(c->request, "the caller went away");
	else
		call_free(c);
	return 1;
}

static int append_pipe(sd_bus_message *m, const struct secret *s)
{
	int fd, r;

	r = secret_to_pipe(s, &fd);
	if (r < 0)
		return r;
	r = sd_bus_message_append_basic(m, 'h', &fd); /* which makes a duplicate for the message */
	(void)close(fd);
	return r;
}

static int append_recovery(sd_bus_message *m, const struct secret *recovery)
{
	int r;

	if (!recovery)
		return 0;
	r = sd_bus_message_open_container(m, 'e', "sv");
	if (r >= 0)
		r = sd_bus_message_append_basic(m, 's', "recovery");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "h");
	if (r >= 0)
		r = append_pipe(m, recovery);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static void handle_of(char ret[static KEY_BASE64_SIZE], const struct wire_x_slot *slot, const uint8_t public_key[static KEY_SIZE])
{
	uint8_t handle[KEY_SIZE];

	handle_make(handle, (uint8_t)slot->kind, slot->number, public_key);
	key_to_base64(ret, handle);
}

static int append_list(sd_bus_message *m, const struct wire_result *list)
{
	char slot[KEYFILE_X_SLOT_MAX], key[KEY_BASE64_SIZE], handle[KEY_BASE64_SIZE];
	int r;

	r = sd_bus_message_append(m, "u", (uint32_t)list->x_slots);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(ssubbss)");
	for (size_t i = 0; r >= 0 && i < list->n_x_keys; i++) {
		const struct wire_x_key *k = &list->x_keys[i];

		keyfile_x_slot_format(slot, &k->slot);
		key_to_base64(key, k->public_key);
		handle_of(handle, &k->slot, k->public_key);
		r = sd_bus_message_append(m, "(ssubbss)", slot, keyfile_x_touch_name(k->touch), (uint32_t)k->cached_seconds,
			k->needs_pin, k->bound, key, handle);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_result(sd_bus_message *m, const struct request *r, const struct request_result *result)
{
	char key[KEY_BASE64_SIZE], handle[KEY_BASE64_SIZE], slot[KEYFILE_X_SLOT_MAX];
	int e;

	switch (r->kind) {
	case REQUEST_APPROVE:
		return sd_bus_message_append(m, "t", result->until_boot_us);
	case REQUEST_REMOVE_KEYSLOT:
	case REQUEST_COMMIT:
		return 0;
	case REQUEST_FIND:
		key_to_base64(key, result->public_key);
		return sd_bus_message_append(m, "s", key);
	case REQUEST_LIST:
		return append_list(m, result->x_list);
	case REQUEST_GENERATE:
		key_to_base64(key, result->public_key);
		handle_of(handle, result->x_slot, result->public_key);
		return sd_bus_message_append(m, "ss", handle, key);
	case REQUEST_EXPORT:
		return append_pipe(m, result->key);
	case REQUEST_ENROLL:
	case REQUEST_IMPORT:
	case REQUEST_REKEY:
	case REQUEST_ADD_KEYSLOT:
		break;
	}
	e = sd_bus_message_open_container(m, 'a', "{sv}");
	if (e >= 0 && result->public_key) {
		key_to_base64(key, result->public_key);
		e = sd_bus_message_append(m, "{sv}", "public-key", "s", key);
	}
	if (e >= 0 && result->x_slot) {
		handle_of(handle, result->x_slot, result->public_key);
		keyfile_x_slot_format(slot, result->x_slot);
		e = sd_bus_message_append(m, "{sv}{sv}", "handle", "s", handle, "slot", "s", slot);
	}
	if (e >= 0 && r->kind == REQUEST_ADD_KEYSLOT)
		e = sd_bus_message_append(m, "{sv}", "slot", "u", result->slot);
	if (e >= 0)
		e = append_recovery(m, result->recovery);
	return e < 0 ? e : sd_bus_message_close_container(m);
}

static void on_reply(void *userdata, struct request *r, const struct request_result *result)
{
	struct bus_call *c = userdata;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	int e = 0;

	if (result->outcome == OUTCOME_OK) {
		e = sd_bus_message_new_method_return(c->message, &reply);
		if (e >= 0)
			e = append_result(reply, r, result);
		if (e >= 0)
			e = sd_bus_send(NULL, reply, NULL);
	}
	if (e < 0)
		(void)bus_error(&error, e, "the answer cannot be sent");
	else if (result->outcome != OUTCOME_OK)
		(void)bus_error(&error, (int)result->outcome, result->detail);
	if (sd_bus_error_is_set(&error))
		(void)sd_bus_reply_method_error(c->message, &error);
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
	c->request = NULL;
	call_free(c);
}

static void go(struct bus_call *c)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	if (c->request) {
		request_start(c->request);
		return;
	}
	r = c->go(c, &error);
	if (r < 0 && !sd_bus_error_is_set(&error))
		(void)bus_error(&error, r, "");
	if (sd_bus_error_is_set(&error))
		(void)sd_bus_reply_method_error(c->message, &error);
	sd_bus_error_free(&error);
	call_free(c);
}

static void on_checked(void *userdata, enum outcome outcome, const char *why)
{
	struct bus_call *c = userdata;

	c->check = NULL; /* frees itself */
	if (outcome == OUTCOME_OK) {
		go(c);
		return;
	}
	log_info("%s: %s refused to %s: %s", c->ifname[0] ? c->ifname : "all", sd_bus_message_get_member(c->message),
		c->who.text, why[0] ? why : "not authorized");
	call_fail(c, outcome, why);
}

static const char *polkit_message(const struct bus_call *c)
{
	if (!c->request)
		return NULL; /* the action's own */
	switch (c->request->kind) {
	case REQUEST_APPROVE:
		return "Authentication is required to open the tunnel $(tunnel) for $(duration)";
	case REQUEST_ENROLL:
		return "Authentication is required to enroll a security key for the tunnel $(tunnel)";
	case REQUEST_IMPORT:
		return "Authentication is required to wrap the private key of the tunnel $(tunnel)";
	case REQUEST_REKEY:
		return "Authentication is required to make a new key for the tunnel $(tunnel)";
	case REQUEST_ADD_KEYSLOT:
	case REQUEST_REMOVE_KEYSLOT:
		return "Authentication is required to change the keyslots of the tunnel $(tunnel)";
	case REQUEST_COMMIT:
		return "Authentication is required to put the next key of the tunnel $(tunnel) in its place";
	case REQUEST_GENERATE:
		return "Authentication is required to make a key on a security key";
	case REQUEST_FIND:
	case REQUEST_LIST:
		return NULL;
	case REQUEST_EXPORT:
		return "Authentication is required to take the private key of the tunnel $(tunnel) out";
	}
	return NULL;
}

static int authorize(struct bus_call *c, const char *action, const struct tunnel *t)
{
	struct polkit_details details = {.message = polkit_message(c)};
	char tunnel[160] = "", peer[KEY_BASE64_SIZE] = "", span[48] = "";
	uint64_t seconds;

	if (t)
		tunnel_describe(t, c->has_peer ? c->peer : NULL, tunnel, sizeof(tunnel));
	if (c->has_peer)
		key_to_base64(peer, c->peer);
	if (c->request && c->request->kind == REQUEST_APPROVE && t && t->config) {
		seconds = c->request->options.for_seconds;
		if (seconds == 0 || seconds > t->config->lifetime_seconds)
			seconds = t->config->lifetime_seconds;
		(void)duration_format(span, sizeof(span), seconds);
	}
	details.tunnel = tunnel;
	details.peer = peer;
	details.duration = span;
	return polkit_ask(&c->check, c->message, action, &details, on_checked, c);
}

static int check_limit(struct bus *b, uid_t uid, sd_bus_error *error)
{
	unsigned int n = 0, n_uid = 0;
	const struct bus_call *c;

	TAILQ_FOREACH(c, &b->calls, link) {
		n++;
		n_uid += c->who.uid == uid;
	}
	/* Whoever has many uids may fill the house, but not keep root from revoking. */
	if ((n < REQUESTS_MAX || uid == 0) && n_uid < REQUESTS_PER_UID_MAX)
		return 0;
	return bus_error(error, OUTCOME_LIMIT_EXCEEDED, "too many calls of yours wait already");
}

static int call_new(struct bus_call **ret, struct bus *b, sd_bus_message *m, const struct tunnel *t, const uint8_t *peer,
	sd_bus_error *error)
{
	struct requester who;
	struct bus_call *c;
	int r;

	r = bus_requester(&who, m, error);
	if (r >= 0)
		r = check_limit(b, who.uid, error);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->bus = b;
	c->who = who;
	c->message = sd_bus_message_ref(m);
	if (t)
		memcpy(c->ifname, t->ifname, sizeof(c->ifname));
	if (peer) {
		c->has_peer = true;
		memcpy(c->peer, peer, KEY_SIZE);
	}
	TAILQ_INSERT_TAIL(&b->calls, c, link);
	r = sd_bus_track_new(b->bus, &c->track, on_caller_gone, c);
	if (r >= 0)
		r = sd_bus_track_add_sender(c->track, m);
	if (r < 0) {
		call_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* The agent switches to the next key when it sees that the other end has it; more than that it may not do. */
static bool is_agents(const struct bus_call *c)
{
	return c->who.uid == c->bus->agent_uid && c->request && c->request->kind == REQUEST_COMMIT && !c->request->options.abandon &&
		!c->request->options.erase;
}

/* Returns 1 (an answer will come), or <0 with nothing pending. */
static int call_begin(struct bus_call *c, const char *action, const struct tunnel *t)
{
	/* root can do anything anyway */
	if (!action || c->who.uid == 0 || is_agents(c)) {
		go(c);
		return 1;
	}
	if (authorize(c, action, t) < 0)
		call_fail(c, OUTCOME_DENIED, "polkit cannot be asked");
	return 1;
}

int bus_call_later(struct bus *b, sd_bus_message *m, const char *action, const struct tunnel *t, const uint8_t *peer,
	int (*go_)(struct bus_call *c, sd_bus_error *error), sd_bus_error *error)
{
	struct bus_call *c;
	int r;

	r = call_new(&c, b, m, t, peer, error);
	if (r < 0)
		return r;
	c->go = go_;
	return call_begin(c, action, t);
}

int bus_call_request(struct bus *b, sd_bus_message *m, const struct bus_request *what, sd_bus_error *error)
{
	struct request_options options = {.make_recovery = true};
	struct bus_call *c;
	struct request *request;
	int r;

	r = what->known_options ? bus_options_read(m, what->known_options, &options, error) : 0;
	if (r >= 0)
		r = call_new(&c, b, m, what->tunnel, what->peer, error);
	if (r < 0) {
		request_options_clear(&options);
		return r;
	}
	r = request_new(&request, b->broker, what->kind, &c->who);
	if (r) {
		request_options_clear(&options);
		call_free(c);
		return bus_error(error, r, r == OUTCOME_LIMIT_EXCEEDED ? "too many requests wait already" : "");
	}
	request->options = options;
	request->slot = what->slot;
	if (what->handle) {
		memcpy(request->options.handle, what->handle, sizeof(request->options.handle));
		request->options.has_handle = true;
	}
	if (what->token)
		(void)snprintf(request->options.token, sizeof(request->options.token), "%s", what->token->node.id);
	if (what->import_key)
		request->import_key = secret_take(what->import_key);
	memcpy(request->ifname, c->ifname, sizeof(request->ifname));
	request->has_peer = c->has_peer;
	memcpy(request->peer, c->peer, sizeof(request->peer));
	request->reply = on_reply;
	request->userdata = c;
	c->request = request;
	return call_begin(c, what->action, what->tunnel);
}

void bus_call_drop_all(struct bus *b)
{
	while (!TAILQ_EMPTY(&b->calls))
		call_fail(TAILQ_FIRST(&b->calls), OUTCOME_CANCELLED, "wgfidod stops");
}
