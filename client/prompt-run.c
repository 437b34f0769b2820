/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/prompt-run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "client/call.h"
#include "client/dirs.h"
#include "client/notify.h"
#include "client/pinentry.h"
#include "client/prompt-facts.h"
#include "client/prompt.h"
#include "client/proxy.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"

#define PIN_SECONDS 120

struct run {
	const struct prompt_options *options;
	sd_event *event;
	sd_event_source *update; /* several changes at once are one */
	struct proxy *proxy;
	sd_bus *session;
	struct notify *notify;
	struct prompt *prompt;
	struct agent_watch *watch;
	struct call_slot *calls;
	/* The dialog that is open */
	struct pinentry *pinentry;
	char pin_ifname[64];
	char *pin_token; /* the path of the key it is for; NULL: unknown */
	size_t n_tokens; /* how many there were then */
};

/* An Approve() that is not answered. */
struct call_slot {
	struct call_slot *next;
	struct run *run;
	char ifname[64];
	sd_bus_slot *slot;
	sd_event_source *failed; /* it could not be sent, which is told in a moment */
	struct secret *pin;      /* kept for a confirmation */
};

static void update_soon(void *userdata)
{
	struct run *run = userdata;

	(void)sd_event_source_set_enabled(run->update, SD_EVENT_ONESHOT);
}

static void on_proxy(struct proxy *p, void *userdata)
{
	(void)p;
	update_soon(userdata);
}

static void op_show(void *userdata, const char *ifname, const struct prompt_card *card)
{
	struct run *run = userdata;

	log_debug("%s: shows \"%s\"", ifname, card->summary);
	notify_show(run->notify, ifname, card);
}

static void op_close(void *userdata, const char *ifname)
{
	struct run *run = userdata;

	log_debug("%s: shows nothing", ifname);
	notify_close(run->notify, ifname);
}

static struct call_slot **call_find(struct run *run, const char *ifname)
{
	struct call_slot **c = &run->calls;

	while (*c && strcmp((*c)->ifname, ifname) != 0)
		c = &(*c)->next;
	return c;
}

static void call_drop(struct call_slot **at)
{
	struct call_slot *c = *at;

	if (!c)
		return;
	*at = c->next;
	sd_bus_slot_unref(c->slot);
	sd_event_source_disable_unref(c->failed);
	secret_free(c->pin);
	free(c);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct call_slot *c = userdata;
	struct run *run = c->run;
	const sd_bus_error *e = sd_bus_message_get_error(m);
	enum outcome outcome = OUTCOME_OK;
	char text[1024] = "", ifname[sizeof(c->ifname)];

	(void)ret_error;
	if (e)
		outcome = proxy_error_text(text, sizeof(text), e, -sd_bus_error_get_errno(e));
	c->slot = sd_bus_slot_unref(c->slot);
	snprintf(ifname, sizeof(ifname), "%s", c->ifname);
	/* The answer comes before the news of the state that it leaves: what still looks pending is over. */
	(void)proxy_refresh(run->proxy);
	/* The PIN stays for the confirmation that few tries want, and for nothing else. */
	if (!prompt_reply(run->prompt, ifname, outcome, text))
		call_drop(call_find(run, ifname));
	update_soon(run);
	return 0;
}

static int approve(struct run *run, struct call_slot *c, const struct proxy_tunnel *t, bool confirm_pin)
{
	struct call_options options = CALL_OPTIONS_INIT;
	const struct call call = {
		.path = t->path,
		.interface = WGFIDO_TUNNEL_INTERFACE,
		.method = "Approve",
		.tunnel_path = t->path,
		.options = &options,
	};
	sd_bus_message *m = NULL;
	int r;

	options.wait = true;
	options.confirm_pin = confirm_pin;
	options.pin = c->pin; /* borrowed: not cleared */
	r = call_message(run->proxy, &call, &m);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, 0);
	/* The broker has deadlines of its own. */
	if (r >= 0)
		r = sd_bus_call_async(run->proxy->bus, &c->slot, m, on_reply, c, UINT64_MAX);
	sd_bus_message_unref(m);
	return r;
}

/* What the state machine must not hear while it speaks is told from the loop's next turn. */
static int on_failed_call(sd_event_source *source, void *userdata)
{
	struct call_slot *c = userdata;
	struct run *run = c->run;
	char ifname[sizeof(c->ifname)];

	(void)source;
	snprintf(ifname, sizeof(ifname), "%s", c->ifname);
	call_drop(call_find(run, ifname));
	(void)prompt_reply(run->prompt, ifname, OUTCOME_FAILED, "The wgfido broker cannot be asked: `wgfido doctor` tells more");
	return 0;
}

static void op_approve(void *userdata, const char *ifname, const struct secret *pin, bool confirm_pin)
{
	struct run *run = userdata;
	const struct proxy_tunnel *t = proxy_find_tunnel(run->proxy, ifname);
	struct call_slot *c = *call_find(run, ifname);
	int r = -ENOENT;

	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c) {
			log_error("out of memory");
			sd_event_exit(run->event, EXIT_FAILURE);
			return;
		}
		c->run = run;
		snprintf(c->ifname, sizeof(c->ifname), "%s", ifname);
		c->next = run->calls;
		run->calls = c;
	}
	/* Answers to what was asked before would find what is asked now. */
	c->slot = sd_bus_slot_unref(c->slot);
	c->failed = sd_event_source_disable_unref(c->failed);
	/* Only a confirmation is about a PIN that was typed before. */
	if (pin || !confirm_pin)
		c->pin = secret_free(c->pin);
	if (pin)
		c->pin = secret_dup(pin);
	if (t && (!pin || c->pin))
		r = approve(run, c, t, confirm_pin);
	if (r < 0) {
		log_warning("%s: Approve() cannot be sent: %s", ifname, strerror(-r));
		if (sd_event_add_defer(run->event, &c->failed, on_failed_call, c) < 0)
			sd_event_exit(run->event, EXIT_FAILURE);
	}
}

static void op_cancel(void *userdata, const char *ifname)
{
	struct run *run = userdata;
	const struct proxy_tunnel *t = proxy_find_tunnel(run->proxy, ifname);

	if (t)
		(void)sd_bus_call_method_async(run->proxy->bus, NULL, WGFIDO_BUS_NAME, t->path, WGFIDO_TUNNEL_INTERFACE, "Cancel",
			NULL, NULL, "");
}

static void pin_close(struct run *run)
{
	run->pinentry = pinentry_free(run->pinentry);
	free(run->pin_token);
	run->pin_token = NULL;
}

static void op_drop_pin(void *userdata, const char *ifname)
{
	struct run *run = userdata;

	/* The dialog may be another tunnel's. */
	if (!strcmp(run->pin_ifname, ifname))
		pin_close(run);
	call_drop(call_find(run, ifname));
}

static void pin_end(struct run *run, enum outcome outcome, const struct secret *pin, const char *text)
{
	char ifname[sizeof(run->pin_ifname)];

	memcpy(ifname, run->pin_ifname, sizeof(ifname));
	pin_close(run);
	if (outcome != OUTCOME_OK)
		call_drop(call_find(run, ifname));
	prompt_pin(run->prompt, ifname, outcome, pin, text);
	update_soon(run);
}

static void on_pin(void *userdata, enum outcome outcome, const struct secret *pin, const char *text)
{
	pin_end(userdata, outcome, pin, text);
}

static int on_no_pinentry(sd_event_source *source, void *userdata)
{
	sd_event_source_unref(source);
	pin_end(userdata, OUTCOME_FAILED, NULL, "The security key wants its PIN, and it cannot be asked for here: run `wgfido approve` on a terminal.");
	return 0;
}

/* The key whose PIN it is, where that is clear: the dialog goes when it is pulled. */
static char *pin_token(struct run *run, const char *ifname)
{
	const struct proxy_tunnel *t = proxy_find_tunnel(run->proxy, ifname);
	const struct proxy_token *found = NULL;

	for (size_t i = 0; i < run->proxy->n_tokens; i++) {
		const struct proxy_token *token = &run->proxy->tokens[i];

		if (run->proxy->n_tokens > 1 && (!t || !*t->prompt_token || strcmp(token->name, t->prompt_token) != 0))
			continue;
		if (found)
			return NULL;
		found = token;
	}
	return found ? strdup(found->path) : NULL;
}

static void op_ask_pin(void *userdata, const char *ifname, const struct prompt_question *q)
{
	struct run *run = userdata;
	const struct pinentry_question question = {
		.program = run->options->pinentry,
		.text = q->text,
		.warning = q->confirm ? q->warning : NULL,
		.want_pin = !q->has_pin,
		.timeout_seconds = PIN_SECONDS,
	};
	sd_event_source *defer = NULL;
	int r = -ENOENT;

	snprintf(run->pin_ifname, sizeof(run->pin_ifname), "%s", ifname);
	run->pin_token = pin_token(run, ifname);
	run->n_tokens = run->proxy->n_tokens;
	if (question.program)
		r = pinentry_start(&run->pinentry, run->event, &question, on_pin, run);
	if (r >= 0)
		return;
	log_warning("%s cannot be run: %s", question.program ? question.program : "pinentry", strerror(-r));
	if (sd_event_add_defer(run->event, &defer, on_no_pinentry, run) < 0)
		sd_event_exit(run->event, EXIT_FAILURE);
}

static const struct prompt_ops ops = {
	.show = op_show,
	.close = op_close,
	.approve = op_approve,
	.cancel = op_cancel,
	.ask_pin = op_ask_pin,
	.drop_pin = op_drop_pin,
};

static bool pin_token_is_there(const struct run *run)
{
	if (!run->pin_token)
		return run->proxy->n_tokens >= run->n_tokens;
	for (size_t i = 0; i < run->proxy->n_tokens; i++)
		if (!strcmp(run->proxy->tokens[i].path, run->pin_token))
			return true;
	return false;
}

static int on_update(sd_event_source *source, void *userdata)
{
	struct run *run = userdata;
	struct prompt_facts_list l = {};
	int r;

	(void)source;
	if (run->pinentry && !pin_token_is_there(run))
		pin_end(run, OUTCOME_TOKEN_MISSING, NULL, "The security key was pulled out.");
	r = prompt_facts_read(&l, run->proxy, dirs_agent_run());
	for (size_t i = 0; i < l.n; i++)
		log_debug("%s: %s, %s for the agent", l.facts[i].tunnel->interface, l.facts[i].tunnel->state,
			*l.facts[i].agent ? l.facts[i].agent : "unknown");
	if (r >= 0)
		r = prompt_update(run->prompt, run->proxy->running, l.facts, l.n);
	log_debug("%zu tunnels seen", l.n);
	prompt_facts_clear(&l);
	if (r < 0)
		log_error("out of memory");
	return r;
}

static void on_click(void *userdata, const char *key, enum prompt_action action)
{
	struct run *run = userdata;
	char ifname[64];

	/* key lies in what a click may change. */
	snprintf(ifname, sizeof(ifname), "%s", key);
	prompt_clicked(run->prompt, ifname, action);
}

/* One per session: two would ask twice. 0, or the exit status. */
static int own_name(struct run *run)
{
	int r = sd_bus_request_name(run->session, WGFIDO_PROMPT_BUS_NAME, 0);

	if (r == -EEXIST) {
		log_info("another wgfido-prompt runs in this session");
		return -EEXIST;
	}
	return r;
}

static int connect_both(struct run *run)
{
	int r = sd_bus_open_user(&run->session);

	if (r < 0) {
		log_error("the session bus cannot be reached: %s", strerror(-r));
		return r;
	}
	r = proxy_open_passive(&run->proxy);
	if (r < 0) {
		log_error("the system bus cannot be reached: %s", strerror(-r));
		return r;
	}
	/* systemd starts us again, when there is a bus again. */
	r = sd_bus_set_exit_on_disconnect(run->session, 1);
	if (r >= 0)
		r = sd_bus_set_exit_on_disconnect(run->proxy->bus, 1);
	if (r >= 0)
		r = sd_bus_attach_event(run->session, run->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_attach_event(run->proxy->bus, run->event, SD_EVENT_PRIORITY_NORMAL);
	return r;
}

static int start(struct run *run)
{
	int r = connect_both(run);

	if (r >= 0)
		r = notify_new(&run->notify, run->session, on_click, run);
	if (r >= 0)
		r = prompt_new(&run->prompt, &ops, run, getuid());
	if (r >= 0)
		r = sd_event_add_defer(run->event, &run->update, on_update, run);
	if (r >= 0)
		r = agent_watch_new(&run->watch, run->event, dirs_agent_run(), update_soon, run);
	if (r >= 0)
		r = proxy_watch(run->proxy, on_proxy, run);
	/* What changed between the first reading and the watch. */
	if (r >= 0)
		(void)proxy_refresh(run->proxy);
	return r < 0 ? r : own_name(run);
}

static void stop(struct run *run)
{
	pin_close(run);
	while (run->calls)
		call_drop(&run->calls);
	run->prompt = prompt_free(run->prompt);
	run->notify = notify_free(run->notify);
	run->watch = agent_watch_free(run->watch);
	sd_event_source_disable_unref(run->update);
	if (run->proxy) {
		sd_bus_detach_event(run->proxy->bus);
		proxy_free(run->proxy);
	}
	sd_bus_detach_event(run->session);
	sd_bus_flush_close_unref(run->session);
	sd_event_unref(run->event);
}

int prompt_run(const struct prompt_options *o)
{
	struct run run = {.options = o};
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD); /* for the child source of the dialog */
	sigprocmask(SIG_BLOCK, &mask, NULL);
	r = sd_event_new(&run.event);
	if (r >= 0)
		r = sd_event_add_signal(run.event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(run.event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(run.event, NULL, SIGHUP, NULL, NULL);
	if (r >= 0)
		r = start(&run);
	if (r >= 0)
		r = sd_event_loop(run.event);
	else if (r != -EEXIST)
		log_error("cannot start: %s", strerror(-r));
	stop(&run);
	return r < 0 && r != -EEXIST ? EXIT_FAILURE : r > 0 ? r : 0;
}
