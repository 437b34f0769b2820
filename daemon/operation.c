/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/operation.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation-resident.h"

/* A key is made anew as it is held now, if nothing else is said. */
static bool wants_resident(struct broker *b, const struct request *r)
{
	const struct tunnel *t = broker_find_tunnel(b, r->ifname);

	if (r->options.has_resident)
		return r->options.resident;
	return r->kind == REQUEST_REKEY && t && t->keyfile && t->keyfile->held == KEYFILE_RESIDENT;
}

static const struct operation_ops *ops_of(struct broker *b, const struct request *r)
{
	switch (r->kind) {
	case REQUEST_APPROVE:
		return &operation_approve;
	case REQUEST_ENROLL:
	case REQUEST_REKEY:
		return wants_resident(b, r) ? &operation_resident : &operation_enroll;
	case REQUEST_IMPORT:
		return &operation_enroll;
	case REQUEST_GENERATE:
		return &operation_resident;
	case REQUEST_FIND:
		return &operation_find;
	case REQUEST_LIST:
		return &operation_list;
	case REQUEST_COMMIT:
		return &operation_commit;
	case REQUEST_ADD_KEYSLOT:
		return &operation_add_keyslot;
	case REQUEST_REMOVE_KEYSLOT:
		return &operation_remove_keyslot;
	case REQUEST_EXPORT:
		return &operation_export;
	}
	return NULL;
}

/* One touch for several only where it means the same: who, what, how long; and never for one who brought a PIN. */
static struct operation *find_equal(struct broker *b, const struct request *r)
{
	const struct request_options *mine = &r->options, *its;
	struct operation *op;

	if (r->kind != REQUEST_APPROVE || mine->pin || mine->recovery)
		return NULL;
	TAILQ_FOREACH(op, &b->operations, link) {
		its = &op->options;
		if (op->kind == REQUEST_APPROVE && strcmp(op->ifname, r->ifname) == 0 && op->has_peer == r->has_peer &&
			(!r->has_peer || key_equal(op->peer, r->peer)) && op->requester.uid == r->requester.uid &&
			strcmp(op->requester.session, r->requester.session) == 0 &&
			its->for_seconds == mine->for_seconds && its->wait == mine->wait &&
			its->confirm_pin == mine->confirm_pin && strcmp(its->token, mine->token) == 0 && !its->pin &&
			!its->recovery)
			return op;
	}
	return NULL;
}

/* What is asked for, by the tunnel's ApprovalScope: one peer, or all of it. */
static void fit_scope(struct broker *b, struct request *r)
{
	const struct tunnel *t = broker_find_tunnel(b, r->ifname);

	if (r->kind != REQUEST_APPROVE || !t || !t->config)
		return;
	switch (t->config->scope) {
	case CONFIG_SCOPE_PEER:
		if (!r->has_peer && t->config->n_peers == 1) {
			r->has_peer = true;
			memcpy(r->peer, t->config->peers[0].public_key, sizeof(r->peer));
		}
		break;
	case CONFIG_SCOPE_TUNNEL:
	case CONFIG_SCOPE_GLOBAL:
		r->has_peer = false;
		break;
	}
}

static void join(struct operation *op, struct request *r)
{
	TAILQ_INSERT_TAIL(&op->requests, r, operation_link);
	r->operation = op;
}

int operation_begin(struct broker *b, struct request *r)
{
	const struct operation_ops *ops = ops_of(b, r);
	struct operation *op;

	fit_scope(b, r);
	op = find_equal(b, r);
	if (op) {
		join(op, r);
		return 0;
	}
	op = calloc(1, ops->size);
	if (!op)
		return -ENOMEM;
	op->broker = b;
	op->ops = ops;
	op->kind = r->kind;
	op->state = OPERATION_BUSY;
	op->steps = ops->steps;
	op->step = 1;
	op->requester = r->requester;
	memcpy(op->ifname, r->ifname, sizeof(op->ifname));
	memcpy(op->target, r->ifname, sizeof(op->target));
	op->has_peer = r->has_peer;
	memcpy(op->peer, r->peer, sizeof(op->peer));
	/* The secrets move with the options. */
	op->options = r->options;
	r->options = (struct request_options){0};
	op->pin = (struct pin){.text = op->options.pin, .newest = r->newest_token};
	op->old_pin = (struct pin){.text = op->options.old_pin, .newest = r->newest_token};
	op->touch = "touch";
	op->waits_for = "token-with-key";
	TAILQ_INIT(&op->requests);
	join(op, r);
	TAILQ_INSERT_TAIL(&b->operations, op, link);
	operation_set_state(op, OPERATION_BUSY);
	ops->start(op);
	return 0;
}

void operation_free(struct operation *op)
{
	assert(op->state == OPERATION_DONE);
	op->ops->clear(op);
	request_options_clear(&op->options);
	free(op);
}

bool pin_fits(const struct pin *p, const struct token *t)
{
	return p->token ? t->number == p->token : t->number <= p->newest;
}

void pin_explain(char *buf, size_t size, const struct pin *p, const struct token *t)
{
	(void)snprintf(buf, size, p->token ? "the PIN was given for another key than %s" : "the PIN was given before %s was plugged in",
		token_name(t));
}

struct tunnel *operation_tunnel(const struct operation *op)
{
	return broker_find_tunnel(op->broker, op->target);
}

static void mark(const struct operation *op)
{
	struct tunnel *t = operation_tunnel(op);

	if (t)
		tunnel_mark(t, TUNNEL_CHANGE_PROMPT, op->has_peer ? op->peer : NULL);
	else if (op->kind == REQUEST_GENERATE)
		broker_mark_prompt(op->broker);
}

static int on_waited(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct operation *op = userdata;

	(void)source;
	(void)usec;
	operation_fail(op, OUTCOME_TOKEN_MISSING, "none that fits was plugged in while waiting");
	return 0;
}

static int start_waiting(struct operation *op)
{
	uint64_t us = op->broker->options.wait_timeout_ms * US_PER_MS;
	int r;

	if (op->wait_timer)
		return 0;
	r = sd_event_add_time_relative(op->broker->event, &op->wait_timer, CLOCK_BOOTTIME, us, 1, on_waited, op);
	if (r >= 0)
		op->deadline_boot_us = broker_now(op->broker).boot_us + us;
	return r;
}

/* Every transition: busy, waiting and touch follow each other as tokens come, blink and go; done is for good. */
void operation_set_state(struct operation *op, enum operation_state to)
{
	if (op->state == OPERATION_DONE)
		return;
	switch (to) {
	case OPERATION_WAIT_TOKEN:
		op->token_name[0] = 0;
		if (start_waiting(op) < 0) {
			operation_fail(op, OUTCOME_FAILED, "out of memory");
			return;
		}
		break;
	case OPERATION_BUSY:
	case OPERATION_TOUCH:
		op->wait_timer = sd_event_source_disable_unref(op->wait_timer);
		break;
	case OPERATION_DONE:
		op->wait_timer = sd_event_source_disable_unref(op->wait_timer);
		break;
	}
	op->state = to;
	mark(op);
}

void operation_set_prompt(struct operation *op, const struct token *t, uint64_t deadline_boot_us)
{
	(void)snprintf(op->token_name, sizeof(op->token_name), "%s", t ? token_name(t) : "");
	op->deadline_boot_us = deadline_boot_us;
	mark(op);
}

void operation_set_step(struct operation *op, unsigned int step)
{
	op->step = step;
	mark(op);
}

const char *operation_prompt(const struct operation *op)
{
	switch (op->state) {
	case OPERATION_BUSY:
		return "busy";
	case OPERATION_WAIT_TOKEN:
		return op->waits_for;
	case OPERATION_TOUCH:
		return op->touch;
	case OPERATION_DONE:
		break;
	}
	return "";
}

uint32_t operation_lifetime(const struct operation *op)
{
	const struct tunnel *t = operation_tunnel(op);
	uint64_t now, lifetime;

	if (op->kind != REQUEST_APPROVE || !t || !t->config)
		return 0;
	lifetime = t->config->lifetime_seconds;
	if (op->options.for_seconds && op->options.for_seconds < lifetime)
		lifetime = op->options.for_seconds;
	now = broker_now(op->broker).real_us / US_PER_SEC;
	if (op->window_end > now && op->window_end - now < lifetime)
		lifetime = op->window_end - now;
	return (uint32_t)lifetime;
}

void operation_end(struct operation *op, const struct request_result *result)
{
	struct broker *b = op->broker;

	if (op->state == OPERATION_DONE)
		return;
	operation_set_state(op, OPERATION_DONE);
	TAILQ_REMOVE(&b->operations, op, link);
	/* Freed later: whoever called may be in the middle of it. */
	TAILQ_INSERT_TAIL(&b->ended, op, link);
	while (!TAILQ_EMPTY(&op->requests))
		request_answer(TAILQ_FIRST(&op->requests), result);
	broker_settle_soon(b);
}

void operation_fail(struct operation *op, enum outcome outcome, const char *detail)
{
	struct request_result result = {.outcome = outcome, .detail = detail};

	operation_end(op, &result);
}

void operation_fail_with(struct operation *op, int outcome, const char *format, ...)
{
	char detail[REQUEST_DETAIL_MAX];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	if (outcome < 0 && n >= 0 && (size_t)n < sizeof(detail))
		(void)snprintf(detail + n, sizeof(detail) - (size_t)n, "%s%s", n > 0 ? ": " : "", strerror(-outcome));
	operation_fail(op, outcome < 0 ? OUTCOME_FAILED : (enum outcome)outcome, detail);
}
