/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/names.h"
#include "daemon/bus-call.h"
#include "daemon/bus-dh.h"
#include "daemon/logind.h"

int bus_error(sd_bus_error *error, int outcome, const char *detail)
{
	char name[96], message[REQUEST_DETAIL_MAX + 256], reason[96] = "";
	enum outcome o = outcome < 0 ? OUTCOME_FAILED : (enum outcome)outcome;
	const char *sentence = outcome_sentence(o);
	size_t len = strlen(sentence);

	if (outcome < 0)
		(void)snprintf(reason, sizeof(reason), "%s%s", detail[0] ? ": " : "", strerror(-outcome));
	/* The detail goes into the sentence, before its full stop. */
	if (len > 0 && sentence[len - 1] == '.')
		len--;
	(void)snprintf(name, sizeof(name), WGFIDO_ERROR_PREFIX "%s", outcome_name(o));
	/* What went wrong says more than that something did. */
	if (o == OUTCOME_FAILED && detail[0])
		(void)snprintf(message, sizeof(message), "It failed: %s%s. \"wgfido doctor\" and the log of wgfidod tell more.", detail, reason);
	else if (detail[0] || reason[0])
		(void)snprintf(message, sizeof(message), "%.*s (%s%s).", (int)len, sentence, detail, reason);
	else
		(void)snprintf(message, sizeof(message), "%s", sentence);
	/* The detail may be somebody's text, cut: what is not UTF-8 makes an answer that cannot be sent. */
	text_mend_utf8(message);
	return sd_bus_error_set(error, name, message);
}

int bus_check_agent(struct bus *b, sd_bus_message *m, sd_bus_error *error)
{
	sd_bus_creds *creds = NULL;
	uid_t uid = (uid_t)-1;
	int r;

	r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, &uid);
	sd_bus_creds_unref(creds);
	if (r >= 0 && uid == b->agent_uid)
		return 0;
	log_info("%s refused to uid %u: it is for the agent only", sd_bus_message_get_member(m), uid);
	return bus_error(error, OUTCOME_DENIED, "this is for the rotation agent only");
}

/* The emitting calls write to the socket at once where it takes it. */
static void note_failure(int r, const char *path)
{
	if (r < 0)
		log_warning("%s: cannot tell the bus: %s", path ? path : "object", strerror(-r));
}

static void emit_added(struct bus *b, char *path)
{
	note_failure(path ? sd_bus_emit_object_added(b->bus, path) : -ENOMEM, path);
	free(path);
}

static void emit_removed(struct bus *b, char *path)
{
	note_failure(path ? sd_bus_emit_object_removed(b->bus, path) : -ENOMEM, path);
	free(path);
}

static void emit_changed(struct bus *b, char *path, const char *interface, const char **names)
{
	note_failure(path ? sd_bus_emit_properties_changed_strv(b->bus, path, interface, (char **)names) : -ENOMEM, path);
	free(path);
}

static char *tunnel_path(const struct tunnel *t)
{
	char *path;

	return bus_tunnel_path(&path, t) < 0 ? NULL : path;
}

static char *peer_path(const struct tunnel *t, size_t i)
{
	char *path;

	return bus_peer_path(&path, t, &t->config->peers[i]) < 0 ? NULL : path;
}

static char *token_path(const struct token *t)
{
	char *path;

	return bus_token_path(&path, t) < 0 ? NULL : path;
}

static void on_token_added(void *userdata, struct token *t)
{
	emit_added(userdata, token_path(t));
}

static void on_token_changed(void *userdata, struct token *t)
{
	const char *names[] = {"Name", "Serial", "Capabilities", "PinState", "PinTries", "Busy", NULL};

	emit_changed(userdata, token_path(t), WGFIDO_TOKEN_INTERFACE, names);
}

static void on_token_removed(void *userdata, struct token *t)
{
	emit_removed(userdata, token_path(t));
}

static void on_tunnel_added(void *userdata, struct tunnel *t)
{
	size_t i;

	emit_added(userdata, tunnel_path(t));
	for (i = 0; t->config && i < t->config->n_peers; i++)
		emit_added(userdata, peer_path(t, i));
}

static void on_tunnel_removed(void *userdata, struct tunnel *t)
{
	size_t i;

	for (i = 0; t->config && i < t->config->n_peers; i++)
		emit_removed(userdata, peer_path(t, i));
	emit_removed(userdata, tunnel_path(t));
}

static void on_tunnel_changed(void *userdata, struct tunnel *t, unsigned int what)
{
	const char *peer_names[] = {"State", "ApprovedUntil", "Requester", "EndReason", NULL};
	const char *names[24];
	size_t i;

	bus_tunnel_properties(names, what);
	emit_changed(userdata, tunnel_path(t), WGFIDO_TUNNEL_INTERFACE, names);
	for (i = 0; t->config && i < t->config->n_peers; i++)
		if (t->peers[i].dirty)
			emit_changed(userdata, peer_path(t, i), WGFIDO_PEER_INTERFACE, peer_names);
}

static void on_prompt_changed(void *userdata)
{
	const char *names[] = {"Prompt", "PromptToken", "PromptDeadline", "PromptStep", "PromptSteps", "PromptRequester", NULL};

	emit_changed(userdata, strdup(WGFIDO_PATH), WGFIDO_MANAGER_INTERFACE, names);
}

static void on_note(void *userdata, enum log_level level, const char *text)
{
	(void)userdata;
	log_msg(level, "%s", text);
}

const struct broker_callbacks bus_broker_callbacks = {
	.token_added = on_token_added,
	.token_changed = on_token_changed,
	.token_removed = on_token_removed,
	.tunnel_added = on_tunnel_added,
	.tunnel_changed = on_tunnel_changed,
	.tunnel_removed = on_tunnel_removed,
	.prompt_changed = on_prompt_changed,
	.note = on_note,
};

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;

	(void)m, (void)error;
	b->lost(b->userdata, "the message bus is gone");
	return 0;
}

bool bus_is_from_daemon(sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);

	return sender && strcmp(sender, "org.freedesktop.DBus") == 0;
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	const char *name;

	(void)error;
	if (bus_is_from_daemon(m) && sd_bus_message_read(m, "s", &name) >= 0 && strcmp(name, WGFIDO_BUS_NAME) == 0)
		b->lost(b->userdata, "the name " WGFIDO_BUS_NAME " was taken away");
	return 0;
}

int bus_new(struct bus **ret, sd_event *event, uid_t agent_uid, void (*lost)(void *userdata, const char *why),
	void *userdata)
{
	struct bus *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->event = sd_event_ref(event);
	b->agent_uid = agent_uid;
	b->lost = lost;
	b->userdata = userdata;
	TAILQ_INIT(&b->calls);
	TAILQ_INIT(&b->dh_clients);
	r = sd_bus_open_system(&b->bus);
	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(b->bus, 0);
	if (r >= 0)
		r = sd_bus_attach_event(b->bus, event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
			"org.freedesktop.DBus.Local", "Disconnected", on_disconnected, b);
	if (r >= 0)
		r = sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			"org.freedesktop.DBus", "NameLost", on_name_lost, b);
	if (r < 0) {
		bus_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

int bus_serve(struct bus *b, struct broker *broker)
{
	int r;

	b->broker = broker;
	r = sd_bus_add_object_manager(b->bus, NULL, WGFIDO_PATH);
	if (r >= 0)
		r = bus_manager_add(b);
	if (r >= 0)
		r = bus_token_add(b);
	if (r >= 0)
		r = bus_tunnel_add(b);
	if (r >= 0)
		r = bus_peer_add(b);
	if (r >= 0)
		r = logind_new(&b->logind, b);
	return r;
}

int bus_take_name(struct bus *b)
{
	return sd_bus_request_name(b->bus, WGFIDO_BUS_NAME, 0);
}

void bus_stop(struct bus *b)
{
	if (b->broker)
		broker_stop(b->broker);
	bus_call_drop_all(b);
	bus_dh_drop_all(b);
}

struct bus *bus_free(struct bus *b)
{
	if (!b)
		return NULL;
	b->logind = logind_free(b->logind);
	sd_bus_flush_close_unref(b->bus);
	sd_event_unref(b->event);
	free(b);
	return NULL;
}
