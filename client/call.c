/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/call.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "client/say.h"
#include "client/term.h"
#include "client/text.h"
#include "common/clock.h"
#include "common/encoding.h"
#include "common/names.h"

/* The broker has deadlines of its own; this is for one that hangs. Enough for a password and a handful of touches. */
#define CALL_TIMEOUT (15 * 60 * US_PER_SEC)

struct pending {
	struct proxy *proxy;
	const struct call *call;
	sd_event *event;
	sd_bus_message *reply;
	bool live;
	bool done;
	unsigned int interrupts;
	char shown[512]; /* the last line, without its seconds */
	char drawn[560]; /* with them: the live line as it stands */
	char token[128]; /* the last token that a prompt named */
	bool touched_new; /* this try came to the touches of the token to be added */
};

/* 0, or -1 after an error was said. */
static int option_take(struct call_options *o, const struct verb *verb, int c, const char *argument)
{
	char *end;
	long fd;
	int r;

	switch (c) {
	case OPTION_TOKEN:
		o->token = argument;
		return 0;
	case OPTION_LABEL:
		o->label = argument;
		return 0;
	case OPTION_UV:
		if (strcmp(argument, "auto") && strcmp(argument, "pin") && strcmp(argument, "presence"))
			break;
		o->uv = argument;
		return 0;
	case OPTION_CONFIRM_PIN:
		o->confirm_pin = true;
		return 0;
	case OPTION_YES:
		o->yes = true;
		return 0;
	case OPTION_NO_RECOVERY:
		o->recovery = false;
		return 0;
	case OPTION_WAIT:
		o->wait = true;
		return 0;
	case OPTION_RESIDENT:
		o->resident = true;
		return 0;
	case OPTION_COMMIT:
		o->commit = true;
		return 0;
	case OPTION_ABANDON:
		o->abandon = true;
		return 0;
	case OPTION_SLOT:
		o->x_slot = argument;
		return 0;
	case OPTION_TOUCH:
		if (strcmp(argument, "never") && strcmp(argument, "cached") && strcmp(argument, "always"))
			break;
		o->touch = argument;
		return 0;
	case OPTION_FOR:
		if (duration_parse(&o->for_seconds, argument) < 0 || !o->for_seconds) {
			verb_usage_error(verb, "\"%s\" is no duration, write for example 8h, 90m or 1h30m", argument);
			return -1;
		}
		return 0;
	case OPTION_PIN_FD:
	case OPTION_RECOVERY_FD:
		errno = 0;
		fd = strtol(argument, &end, 10);
		if (errno || end == argument || *end || fd < 0 || fd > 65535)
			break;
		if (c == OPTION_PIN_FD) {
			o->pin_fd = (int)fd;
			return 0;
		}
		o->recovery_code = secret_free(o->recovery_code);
		r = term_read_secret_line(&o->recovery_code, (int)fd);
		if (r < 0) {
			verb_usage_error(verb, "No recovery code can be read from fd %ld (%s)", fd, strerror(-r));
			return -1;
		}
		return 0;
	default:
		break;
	}
	verb_usage_error(verb, "\"%s\" does not fit here", argument ? argument : "?");
	return -1;
}

int call_options_parse(struct call_options *o, const struct verb *verb, int argc, char **argv, const struct option *options)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == OPTION_HELP) {
			verb_print_help(verb, stdout);
			return 0;
		}
		if (c == '?')
			return verb_usage(verb);
		if (c && option_take(o, verb, c, optarg) < 0) /* 0: a flag was set */
			return EXIT_USAGE;
	}
	return -1;
}

void call_options_clear(struct call_options *o)
{
	o->pin = secret_free(o->pin);
	o->old_pin = secret_free(o->old_pin);
	o->recovery_code = secret_free(o->recovery_code);
}

int call_check_resident(const struct call_options *o, const struct verb *verb)
{
	if (o->resident && o->uv)
		return verb_usage_error(verb, "--uv is not for --resident: whether a PIN is asked for is the token's own to say");
	if (!o->resident && (o->x_slot || o->touch))
		return verb_usage_error(verb, "--slot and --touch are of --resident");
	return 0;
}

int call_key_main(const struct verb *verb, int argc, char **argv, const struct option *options,
	int (*make)(struct proxy *p, const char *tunnel, struct call_options *o))
{
	_cleanup_call_options_ struct call_options o = CALL_OPTIONS_INIT;
	_cleanup_proxy_ struct proxy *p = NULL;
	int r;

	o.says_recovery = o.recovery = true;
	r = call_options_parse(&o, verb, argc, argv, options);
	if (r >= 0)
		return r;
	if (argc - optind != 1)
		return verb_usage_error(verb, "Say which tunnel");
	r = call_check_resident(&o, verb);
	if (r)
		return r;
	/* There is nothing that a code could bring back. */
	if (o.resident)
		o.says_recovery = o.recovery = false;
	r = proxy_open(&p);
	return r ? r : make(p, argv[optind], &o);
}

/* A pipe per message: it can be read only once. */
static int append_secret(sd_bus_message *m, const char *name, const struct secret *s)
{
	int fd = -1, r;

	if (!s)
		return 0;
	r = secret_to_pipe(s, &fd);
	if (r < 0)
		return r;
	r = name ? sd_bus_message_append(m, "{sv}", name, "h", fd) : sd_bus_message_append(m, "h", fd);
	close(fd); /* the message has its own */
	return r;
}

static int append_string(sd_bus_message *m, const char *name, const char *value)
{
	return value ? sd_bus_message_append(m, "{sv}", name, "s", value) : 0;
}

static int append_true(sd_bus_message *m, const char *name, bool value)
{
	return value ? sd_bus_message_append(m, "{sv}", name, "b", 1) : 0;
}

static int append_handle(sd_bus_message *m, const uint8_t *handle)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append_basic(m, 's', "handle");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "ay");
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', handle, KEY_SIZE);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_options(sd_bus_message *m, const struct call_options *o)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0 && o->for_seconds)
		r = sd_bus_message_append(m, "{sv}", "for", "t", o->for_seconds);
	if (r >= 0)
		r = append_true(m, "wait", o->wait);
	if (r >= 0)
		r = append_string(m, "token", o->token);
	if (r >= 0)
		r = append_string(m, "uv", o->uv);
	if (r >= 0)
		r = append_string(m, "label", o->label);
	if (r >= 0)
		r = append_string(m, "type", o->type);
	if (r >= 0 && o->says_recovery)
		r = sd_bus_message_append(m, "{sv}", "recovery", "b", (int)o->recovery);
	if (r >= 0)
		r = append_true(m, "resident", o->resident);
	if (r >= 0)
		r = append_string(m, "slot", o->x_slot);
	if (r >= 0)
		r = append_string(m, "touch", o->touch);
	if (r >= 0 && o->handle)
		r = append_handle(m, o->handle);
	if (r >= 0)
		r = append_true(m, "abandon", o->abandon);
	if (r >= 0)
		r = append_true(m, "forget", o->forget);
	if (r >= 0)
		r = append_true(m, "confirm-pin", o->confirm_pin);
	if (r >= 0)
		r = append_secret(m, "pin", o->pin);
	if (r >= 0)
		r = append_secret(m, "old-pin", o->old_pin);
	if (r >= 0)
		r = append_secret(m, "recovery", o->recovery_code);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int call_message(struct proxy *p, const struct call *c, sd_bus_message **ret)
{
	sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(p->bus, &m, WGFIDO_BUS_NAME, c->path, c->interface, c->method);
	if (r >= 0)
		r = sd_bus_message_set_allow_interactive_authorization(m, 1);
	if (r >= 0 && c->iface)
		r = sd_bus_message_append(m, "s", c->iface);
	if (r >= 0 && c->key)
		r = append_secret(m, NULL, c->key);
	if (r >= 0 && c->slot)
		r = sd_bus_message_append(m, "u", *c->slot);
	if (r >= 0)
		r = append_options(m, c->options);
	if (r < 0) {
		sd_bus_message_unref(m);
		return r;
	}
	*ret = m;
	return 0;
}

/* What is waited for now: a live line on a terminal, elsewhere a line for each change. */
static void prompt_show(struct pending *w, bool tick)
{
	struct proxy_tunnel *t = proxy_find_tunnel_path(w->proxy, w->call->tunnel_path);
	char line[512], live[560];
	int left;

	if (!t)
		return;
	w->touched_new |= !strcmp(t->prompt, "touch-new");
	if (*t->prompt_token)
		snprintf(w->token, sizeof(w->token), "%s", t->prompt_token);
	/* A token is busy for a moment before every touch; only where it lasts is there something to tell. */
	if (!strcmp(t->prompt, "busy") && !tick && !w->interrupts)
		return;
	text_prompt(line, sizeof(line), t, w->call->purpose);
	if (w->interrupts)
		snprintf(line, sizeof(line), "Cancelling");
	if (w->live) {
		left = *line ? text_prompt_left(t, clock_now(&clock_system).boot_us) : -1;
		if (left >= 0)
			snprintf(live, sizeof(live), "%s ... %d s", line, left);
		else
			snprintf(live, sizeof(live), "%s%s", line, *line ? " ..." : "");
		if (strcmp(live, w->drawn))
			term_live_line(live);
		snprintf(w->drawn, sizeof(w->drawn), "%s", live);
	} else if (*line && strcmp(line, w->shown)) {
		fprintf(stderr, "%s\n", line);
	}
	snprintf(w->shown, sizeof(w->shown), "%s", line);
}

static void on_change(struct proxy *p, void *userdata)
{
	(void)p;
	prompt_show(userdata, false);
}

static int on_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	prompt_show(userdata, true);
	sd_event_source_set_time(source, usec + US_PER_SEC);
	return 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct pending *w = userdata;

	(void)error;
	w->reply = sd_bus_message_ref(m);
	w->done = true;
	return 0;
}

/* The first one stops the token's blinking and waits for the broker's word; the second one ends us at once. */
static int on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct pending *w = userdata;
	const char *path = w->call->path, *interface = w->call->interface;

	(void)source;
	(void)info;
	/* What belongs to no tunnel has no Cancel: the broker stops it when we are gone. */
	if (w->interrupts++ || !strcmp(w->call->tunnel_path, WGFIDO_PATH)) {
		w->done = true;
		return 0;
	}
	if (strcmp(interface, WGFIDO_PEER_INTERFACE)) {
		path = w->call->tunnel_path;
		interface = WGFIDO_TUNNEL_INTERFACE;
	}
	sd_bus_call_method_async(w->proxy->bus, NULL, WGFIDO_BUS_NAME, path, interface, "Cancel", NULL, NULL, "");
	prompt_show(w, false);
	return 0;
}

/* One try: the message out, the prompt while it takes, the reply (or an error reply) in w->reply. */
static int call_once(struct pending *w)
{
	sd_bus_message *m = NULL;
	sd_event_source *tick = NULL;
	sd_bus_slot *slot = NULL;
	sigset_t mask, old;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, &old);

	r = sd_event_new(&w->event);
	if (r >= 0)
		r = sd_bus_attach_event(w->proxy->bus, w->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_event_add_signal(w->event, NULL, SIGINT, on_interrupt, w);
	if (r >= 0)
		r = sd_event_add_signal(w->event, NULL, SIGTERM, on_interrupt, w);
	if (r >= 0)
		r = sd_event_add_signal(w->event, NULL, SIGHUP, on_interrupt, w);
	if (r >= 0)
		r = sd_event_add_time_relative(w->event, &tick, CLOCK_BOOTTIME, US_PER_SEC, US_PER_MS, on_second, w);
	/* Time sources are one-shot by default. */
	if (r >= 0 && tick)
		r = sd_event_source_set_enabled(tick, SD_EVENT_ON);
	if (r >= 0)
		r = proxy_watch(w->proxy, on_change, w);
	if (r >= 0)
		r = call_message(w->proxy, w->call, &m);
	if (r >= 0)
		r = sd_bus_call_async(w->proxy->bus, &slot, m, on_reply, w,
			w->call->options->wait ? UINT64_MAX : CALL_TIMEOUT);
	/* Not sd_event_loop(): a loop that exits closes the bus, and there may be another try. */
	for (w->done = false; r >= 0 && !w->done;)
		r = sd_event_run(w->event, UINT64_MAX);

	if (*w->drawn)
		term_live_line("");
	*w->drawn = '\0';
	w->proxy->changed = NULL;
	sd_bus_slot_unref(slot);
	sd_bus_message_unref(m);
	sd_event_source_unref(tick);
	sd_bus_detach_event(w->proxy->bus);
	w->event = sd_event_unref(w->event);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? r : 0;
}

/* AddKeyslot asks for the new token's PIN before its touches, and for the old one's after them. */
static struct secret **pin_at_hand(struct pending *w)
{
	bool old = !strcmp(w->call->method, "AddKeyslot") && w->touched_new;

	return old ? &w->call->options->old_pin : &w->call->options->pin;
}

/* The PIN, from --pin-fd once, else asked for. 0 = try again with it; else the exit status. */
static int pin_get(struct pending *w)
{
	struct call_options *o = w->call->options;
	struct secret **pin = pin_at_hand(w);
	char question[256];
	int r;

	*pin = secret_free(*pin);
	if (o->pin_fd >= 0) {
		r = term_read_secret_line(pin, o->pin_fd);
		if (r == -ENODATA)
			return say_outcome(OUTCOME_PIN_REQUIRED, "No PIN is left to read from --pin-fd %d", o->pin_fd);
		if (r < 0)
			return say_outcome(OUTCOME_PIN_REQUIRED, "The PIN cannot be read from --pin-fd %d: %s",
				o->pin_fd, strerror(-r));
		return 0;
	}
	snprintf(question, sizeof(question), "PIN of %s, %s: ", *w->token ? w->token : "the security key",
		w->call->purpose);
	r = term_ask_secret(pin, question, false);
	if (r == -ENXIO)
		return say_outcome(OUTCOME_PIN_REQUIRED,
			"The security key wants its PIN: run this on a terminal, or give it with --pin-fd");
	if (r == -EINTR || r == -ENODATA)
		return say_outcome(OUTCOME_CANCELLED, NULL);
	if (r == -EMSGSIZE)
		return say_outcome(OUTCOME_PIN_INVALID, "A PIN has at most 63 bytes; it was not tried");
	return r < 0 ? say_errno(r, "The PIN cannot be asked for") : 0;
}

/* Can the user mend this error? 0 = call again; else the exit status, everything said. */
static int error_handle(struct pending *w, const sd_bus_error *error, int r)
{
	struct call_options *o = w->call->options;
	enum outcome outcome = proxy_outcome(error, r);
	int answer, status;

	if (w->interrupts) {
		if (outcome == OUTCOME_CANCELLED || !sd_bus_error_is_set(error))
			return say_outcome(OUTCOME_CANCELLED, NULL);
		return proxy_say_error(error, r);
	}
	if (outcome == OUTCOME_PIN_REQUIRED) {
		/* Not for the one that has it, but for another that was plugged in meanwhile: say which. */
		if (*pin_at_hand(w)) {
			(void)proxy_say_error(error, r);
			*w->token = '\0';
		}
		return pin_get(w);
	}
	if (outcome == OUTCOME_PIN_INVALID) {
		status = proxy_say_error(error, r);
		if (o->pin_fd >= 0 || !term_can_ask() || term_confirm("Try another PIN?") != 1)
			return status;
		return pin_get(w);
	}
	if (outcome == OUTCOME_PIN_FEW_TRIES_LEFT && !o->confirm_pin) {
		status = proxy_say_error(error, r);
		if (o->pin_fd >= 0 || !term_can_ask())
			return status;
		answer = term_confirm("Use one of the last tries? When none is left, only a reset that erases the "
				      "security key helps.");
		if (answer != 1)
			return status;
		o->confirm_pin = true;
		return o->pin || o->old_pin ? 0 : pin_get(w);
	}
	return proxy_say_error(error, r);
}

/*
 * --token is the token's id, its name, or a part of either that only one has. One that is not plugged in may come: then it is the
 * broker's to judge. 0, or the exit status.
 */
static int token_resolve(struct proxy *p, struct call_options *o)
{
	const struct proxy_token *found = NULL;
	size_t n = 0;

	if (!o->token || o->token == o->token_id)
		return 0;
	for (size_t i = 0; i < p->n_tokens; i++) {
		const struct proxy_token *t = &p->tokens[i];

		if (!strcmp(t->id, o->token))
			return 0;
		if (strstr(t->id, o->token) || strstr(t->name, o->token)) {
			found = t;
			n++;
		}
	}
	if (n > 1)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"\"%s\" fits several security keys: give the id that `wgfido tokens` shows", o->token);
	if (found) {
		snprintf(o->token_id, sizeof(o->token_id), "%s", found->id);
		o->token = o->token_id;
	}
	return 0;
}

int call_run(struct proxy *p, const struct call *c, sd_bus_message **ret_reply)
{
	struct call own = *c;
	struct pending w = {.proxy = p, .call = &own, .live = term_is_live(stderr)};
	char *path = strdup(c->path), *tunnel_path = strdup(c->tunnel_path);
	int status = token_resolve(p, c->options);

	/* The caller's paths point into the proxy's objects, which a signal may replace. */
	own.path = path;
	own.tunnel_path = tunnel_path;
	if (!status && (!path || !tunnel_path))
		status = say_errno(-ENOMEM, "There is no memory");

	while (!status) {
		int r = call_once(&w);
		const sd_bus_error *error = w.reply ? sd_bus_message_get_error(w.reply) : NULL;

		if (r >= 0 && w.reply && !error) {
			*ret_reply = w.reply;
			w.reply = NULL;
			break;
		}
		/* No reply at all: a second Ctrl-C. */
		if (r >= 0 && !w.reply)
			status = outcome_exit_status(OUTCOME_CANCELLED);
		else
			status = error_handle(&w, error, r < 0 ? r : -sd_bus_error_get_errno(error));
		w.reply = sd_bus_message_unref(w.reply);
		*w.shown = '\0';
		w.touched_new = false;
	}
	free(path);
	free(tunnel_path);
	return status;
}
