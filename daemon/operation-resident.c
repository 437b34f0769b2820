/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * enroll and rekey with a key that never leaves its token, and generate-key for no tunnel yet. First the tokens tell which keys
 * they have, then, as far as it takes: the token is paired with this computer, makes the key, and proves that it has it.
 * Only then is anything written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/handle.h"
#include "daemon/broker.h"
#include "daemon/operation-resident.h"
#include "daemon/resident-slot.h"

#define CACHED_SECONDS 15 /* touch = cached: a touch is good for a handshake and its retries */
#define NOTHING_CHANGED "nothing was changed"

struct resident {
	struct operation op;
	struct survey *survey;
	struct use *use;
	struct job *job;
	/* The token that will do, and what it listed */
	unsigned int n_found;
	bool taken, full, open; /* why others would not */
	struct token *token; /* valid while there is a job, or a survey that has just ended */
	uint64_t number;
	bool adopt;
	bool paired_now; /* in this operation */
	struct wire_x_slot slot;
	uint8_t token_public[KEY_SIZE];
	struct keyfile_resident key;
};

static void pair(struct resident *e);
static void generate(struct resident *e);

/* Present key of the tunnel, if the new one is to come beside it. */
static const struct keyfile_resident *beside(const struct resident *e)
{
	const struct tunnel *t = operation_tunnel(&e->op);

	if (e->op.kind != REQUEST_REKEY || !t || !t->keyfile || t->keyfile->held != KEYFILE_RESIDENT)
		return NULL;
	return &t->keyfile->resident;
}

/* When the key is to ask for a touch. Where nothing was said a card decides for itself, and a next key asks as the present one does. */
static enum wire_x_touch touch_wanted(const struct resident *e)
{
	const struct keyfile_resident *present = beside(e);
	const enum wire_x_touch said = e->adopt ? e->key.touch : e->op.options.x_touch;

	if (e->adopt || said != WIRE_X_TOUCH_UNKNOWN || e->slot.kind != WIRE_X_CTAPHID)
		return said;
	return present && present->touch != WIRE_X_TOUCH_UNKNOWN ? present->touch : WIRE_X_TOUCH_NEVER;
}

static bool has_key(const struct wire_result *list, const uint8_t public_key[static KEY_SIZE])
{
	for (size_t i = 0; i < list->n_x_keys; i++)
		if (key_equal(list->x_keys[i].public_key, public_key))
			return true;
	return false;
}

static void adopt(struct resident *e, const struct wire_x_key *k)
{
	e->adopt = true;
	e->slot = k->slot;
	memcpy(e->key.public_key, k->public_key, KEY_SIZE);
	e->key.touch = k->touch;
	e->key.cached_seconds = k->cached_seconds;
	e->key.needs_pin = k->needs_pin;
}

/* Every token is looked at, since two that would do are one too many. */
static bool visit(void *userdata, struct token *t, const struct wire_result *list)
{
	struct resident *e = userdata;
	const struct keyfile_resident *present = beside(e);
	struct resident_slot choice;

	if (present && !has_key(list, present->public_key))
		return false;
	if (!resident_slot_choose(&choice, e->op.broker, &e->op.options, t, list)) {
		e->taken |= choice.taken;
		e->full |= choice.full;
		e->open |= choice.open;
		return false;
	}
	e->slot = choice.slot;
	if (choice.key)
		adopt(e, choice.key);
	e->n_found++;
	e->number = t->number;
	memcpy(e->token_public, list->x_token_public, KEY_SIZE);
	return false;
}

static struct token *find_token(const struct resident *e)
{
	struct token *t;

	TAILQ_FOREACH(t, &e->op.broker->tokens.list, link)
		if (t->number == e->number)
			return t;
	return NULL;
}

static int check_pin(struct resident *e, bool needs_pin, char *detail, size_t size)
{
	const struct pin *pin = &e->op.pin;

	detail[0] = 0;
	if (!needs_pin || (pin->text && pin_fits(pin, e->token)))
		return OUTCOME_OK;
	if (pin->text)
		pin_explain(detail, size, pin, e->token);
	return OUTCOME_PIN_REQUIRED;
}

static void prove(struct resident *e);

static void on_surveyed(void *userdata, int outcome, const char *detail)
{
	struct resident *e = userdata;
	struct operation *op = &e->op;
	const struct tunnel *other;
	char why[REQUEST_DETAIL_MAX];
	uint8_t host_index;
	int r;

	e->token = e->n_found == 1 ? find_token(e) : NULL;
	if (e->n_found > 1) {
		operation_fail(op, OUTCOME_INVALID_ARGUMENT, "several keys are plugged in: name one, or unplug the others");
		return;
	}
	if (!e->token) {
		if (e->open)
			operation_fail(op, OUTCOME_UNSUPPORTED, "that key is bound to no computer: every program that has the token open can use it");
		else if (e->taken)
			operation_fail(op, OUTCOME_EXISTS, "that slot has a key already: adopt it by its handle, or name another slot");
		else if (e->full)
			operation_fail(op, OUTCOME_LIMIT_EXCEEDED, "no slot is free, or several keys on the card could be meant: name the slot");
		else
			operation_fail_with(op, outcome, "%s", detail);
		return;
	}
	other = e->adopt ? broker_find_key(op->broker, e->key.public_key) : NULL;
	if (other) {
		operation_fail_with(op, OUTCOME_EXISTS, "that key is the one of %s", other->ifname);
		return;
	}
	r = check_pin(e, e->key.needs_pin || (!e->adopt && op->pin.text), why, sizeof(why));
	if (r) {
		operation_fail(op, (enum outcome)r, why);
		return;
	}
	r = e->slot.kind == WIRE_X_CTAPHID ? pairings_find(op->broker->pairings, &host_index, e->token_public) : 0;
	if (r < 0) {
		operation_fail_with(op, r, "%s", "this computer's pairings");
		return;
	}
	/* Pairing and making take a touch each, and the proof does where the key asks for it. */
	op->steps = (r != 0) + (e->adopt ? 0u : 1u) + (touch_wanted(e) != WIRE_X_TOUCH_NEVER ? 1u : 0u);
	if (r != 0)
		pair(e);
	else if (e->adopt)
		prove(e);
	else
		generate(e);
}

static void on_touch(void *userdata, struct job *j)
{
	struct resident *e = userdata;

	(void)j;
	operation_set_state(&e->op, OPERATION_TOUCH);
}

static void on_begun(void *userdata, struct job *j)
{
	struct resident *e = userdata;

	operation_set_prompt(&e->op, j->token, broker_touch_deadline(e->op.broker));
}

static void submit(struct resident *e, struct job *j, void (*done)(void *, struct job *, struct wire_result *))
{
	j->request.timeout_ms = e->op.broker->options.touch_timeout_ms;
	j->begun = on_begun;
	j->touch = on_touch;
	j->done = done;
	e->job = j;
	operation_set_state(&e->op, OPERATION_BUSY);
	job_start(j);
}

static void on_paired(void *userdata, struct job *j, struct wire_result *result)
{
	struct resident *e = userdata;
	struct operation *op = &e->op;
	struct pairing p = {.created = broker_now(op->broker).real_us / US_PER_SEC};
	int r;

	e->job = NULL;
	if (result->outcome != OUTCOME_OK) {
		operation_fail(op, result->outcome, result->detail);
		return;
	}
	/* What it said before, when nothing was at stake, and what it says now that it is pinned. */
	if (!key_equal(result->x_token_public, e->token_public)) {
		operation_fail(op, OUTCOME_TOKEN_FAILED, "it is paired under another name than it said it had");
		return;
	}
	memcpy(p.token_public, result->x_token_public, sizeof(p.token_public));
	p.host_index = result->x_host_index;
	(void)snprintf(p.label, sizeof(p.label), "%s", token_name(j->token));
	text_mend_utf8(p.label);
	r = pairings_add(op->broker->pairings, &p);
	if (r < 0) {
		operation_fail_with(op, r, "%s", "the pairing cannot be written");
		return;
	}
	broker_note(op->broker, LOG_LEVEL_INFO, "%s: paired with this computer, asked for by %s", token_name(j->token), op->requester.text);
	operation_set_step(op, op->step + (op->step < op->steps ? 1u : 0u)); /* what takes no touch is no step */
	op->touch = "touch";
	e->token = j->token;
	if (e->adopt)
		prove(e);
	else
		generate(e);
}

static void pair(struct resident *e)
{
	struct operation *op = &e->op;
	struct job *j = NULL;
	int r;

	e->paired_now = true;
	op->touch = "touch-pair";
	r = job_new(&j, e->token, WIRE_X_PAIR, e);
	/* If it is paired under another name than it has said so far, that is no pairing: on_paired looks. */
	if (r == 0)
		r = pairings_channel_key(op->broker->pairings, &j->request.x_host_key, e->token_public, true);
	if (r < 0) {
		job_cancel(j);
		operation_fail_with(op, r, "%s", "this computer's own key for pairings");
		return;
	}
	submit(e, j, on_paired);
}

static void on_generated(void *userdata, struct job *j, struct wire_result *result)
{
	struct resident *e = userdata;
	struct operation *op = &e->op;
	const struct wire_x_key *k = &result->x_keys[0];

	e->job = NULL;
	/* It was made to forget us since. */
	if (result->outcome == OUTCOME_WRONG_TOKEN && e->slot.kind == WIRE_X_CTAPHID && !e->paired_now) {
		e->token = j->token;
		op->steps++;
		pair(e);
		return;
	}
	if (result->outcome != OUTCOME_OK) {
		operation_fail(op, result->outcome, result->detail);
		return;
	}
	if (result->n_x_keys != 1 || !resident_slot_equal(&k->slot, &e->slot)) {
		operation_fail(op, OUTCOME_TOKEN_FAILED, "it answered what was not asked");
		return;
	}
	memcpy(e->key.public_key, k->public_key, KEY_SIZE);
	e->key.touch = k->touch;
	e->key.cached_seconds = k->cached_seconds;
	e->key.needs_pin = k->needs_pin;
	e->token = j->token;
	operation_set_step(op, op->step + (op->step < op->steps ? 1u : 0u)); /* what takes no touch is no step */
	prove(e);
}

static void generate(struct resident *e)
{
	struct operation *op = &e->op;
	const struct request_options *o = &op->options;
	const char *detail = "";
	struct job *j;
	int r;

	r = job_new(&j, e->token, WIRE_X_GENERATE, e);
	if (r < 0) {
		operation_fail_with(op, r, "%s", "");
		return;
	}
	j->request.x_slot = e->slot;
	j->request.x_touch = touch_wanted(e);
	j->request.x_cached_seconds = j->request.x_touch == WIRE_X_TOUCH_CACHED && e->slot.kind == WIRE_X_CTAPHID ? CACHED_SECONDS : 0;
	j->confirm_pin = o->confirm_pin;
	r = x_fill_channel(op->broker, &j->request, e->slot.kind, e->token_public, &detail);
	if (r == 0 && op->pin.text && e->slot.kind != WIRE_X_CTAPHID) {
		j->request.uv = WIRE_UV_PIN;
		j->request.pin = secret_dup(op->pin.text);
		r = j->request.pin ? 0 : -ENOMEM;
		op->pin.token = e->token->number;
	}
	if (r) {
		job_cancel(j);
		operation_fail_with(op, r, "%s", detail);
		return;
	}
	submit(e, j, on_generated);
}

static int write_key(struct resident *e, struct tunnel *t, bool *ret_next)
{
	struct keyfile *k = NULL;
	int r;

	*ret_next = beside(e) != NULL;
	if (*ret_next) {
		k = malloc(sizeof(*k));
		if (!k)
			return -ENOMEM;
		*k = *t->keyfile;
		r = keyfile_set_next(k, &e->key);
	} else {
		r = keyfile_new_resident(&k, t->ifname, t->config->mode, &e->key);
	}
	if (r == 0)
		r = keystore_save(e->op.broker->keys_dir, k);
	keyfile_free(k);
	return r;
}

static void finish(struct resident *e, const struct token *token)
{
	struct request_result done = {.detail = "", .public_key = e->key.public_key, .x_slot = &e->slot};
	struct operation *op = &e->op;
	struct tunnel *t = operation_tunnel(op);
	const struct tunnel *other;
	bool next;
	int r;

	if (op->kind == REQUEST_GENERATE) {
		broker_note(op->broker, LOG_LEVEL_INFO, "a key for no tunnel yet made by %s on %s", op->requester.text, token_name(token));
		operation_end(op, &done);
		return;
	}
	if (!t || !t->config) {
		operation_fail(op, OUTCOME_CANCELLED, "the tunnel is gone, " NOTHING_CHANGED);
		return;
	}
	/* Another one may have come into being meanwhile, made by hand. */
	if (op->kind != REQUEST_REKEY && (tunnel_read_key(t) < 0 || t->keyfile || t->key_problem)) {
		operation_fail(op, OUTCOME_EXISTS, NOTHING_CHANGED);
		return;
	}
	/* Looked at when the token was found, and somebody else may have done the same since. */
	other = e->adopt ? broker_find_key(op->broker, e->key.public_key) : NULL;
	if (other) {
		operation_fail_with(op, OUTCOME_EXISTS, "that key is the one of %s, " NOTHING_CHANGED, other->ifname);
		return;
	}
	r = write_key(e, t, &next);
	if (r) {
		operation_fail_with(op, r, "%s", "cannot write the key file, " NOTHING_CHANGED);
		return;
	}
	if (!next) {
		/* Whoever waits for a touch of the old key would get that. */
		broker_cancel_operations(op->broker, op, t->ifname, "the key was replaced meanwhile");
		broker_end_approvals(op->broker, t->ifname, NULL, APPROVAL_END_RECONFIGURED);
	}
	r = tunnel_read_key(t);
	t->exporter[0] = 0;
	tunnel_mark(t, TUNNEL_CHANGE_KEY, NULL);
	if (r < 0) {
		operation_fail_with(op, r, "the new key file");
		return;
	}
	broker_note(op->broker, LOG_LEVEL_INFO, "%s: %s key (%s) by %s on %s", t->ifname, next ? "next" : "new",
		request_kind_name(op->kind), op->requester.text, token_name(token));
	operation_end(op, &done);
}

static void on_proved(struct operation *op, struct use_result *result)
{
	struct resident *e = (struct resident *)op;

	if (result->outcome == OUTCOME_OK)
		finish(e, result->token);
	else
		operation_fail_with(op, result->outcome, "%s%sthe key could not be proved, " NOTHING_CHANGED, result->detail,
			result->detail[0] ? "; " : "");
}

static void prove(struct resident *e)
{
	struct operation *op = &e->op;
	struct use_params params = {
		.key = &e->key,
		.pin = &op->pin,
		.token_id = "",
		.only_number = e->token->number,
		.confirm_pin = op->options.confirm_pin,
	};
	char why[REQUEST_DETAIL_MAX];
	const char *label = op->options.label[0] ? op->options.label : token_name(e->token);
	int r;

	e->key.slot = e->slot;
	e->key.paired = e->slot.kind == WIRE_X_CTAPHID;
	if (e->key.paired)
		memcpy(e->key.token_public, e->token_public, sizeof(e->key.token_public));
	(void)snprintf(e->key.serial, sizeof(e->key.serial), "%s", e->token->info.serial);
	(void)snprintf(e->key.label, sizeof(e->key.label), "%s", label);
	text_mend_utf8(e->key.label);
	e->key.created = broker_now(op->broker).real_us / US_PER_SEC;
	r = check_pin(e, e->key.needs_pin, why, sizeof(why));
	if (r) {
		operation_fail(op, (enum outcome)r, why);
		return;
	}
	r = use_start(&e->use, op, &params, on_proved);
	if (r)
		operation_fail_with(op, r, "%s", "");
}

static int check(const struct resident *e, const struct tunnel *t, const char **ret_detail)
{
	const struct operation *op = &e->op;
	struct handle handle;

	*ret_detail = "";
	if (op->options.uv != REQUEST_UV_AUTO) {
		*ret_detail = "option uv: the key itself says whether it wants a PIN";
		return OUTCOME_INVALID_ARGUMENT;
	}
	if (op->options.recovery_asked) {
		*ret_detail = "option recovery: a key that never leaves its security key cannot be recovered";
		return OUTCOME_INVALID_ARGUMENT;
	}
	if (op->options.has_handle && handle_parse(&handle, op->options.handle) < 0) {
		*ret_detail = "option handle: it is none, or damaged";
		return OUTCOME_INVALID_ARGUMENT;
	}
	if (op->kind == REQUEST_GENERATE)
		return OUTCOME_OK;
	if (!t)
		return OUTCOME_CANCELLED;
	if (!t->config) {
		*ret_detail = tunnel_problem(t);
		return OUTCOME_FAILED;
	}
	if (op->kind == REQUEST_REKEY && !t->keyfile && !t->key_problem)
		return OUTCOME_NOT_ENROLLED;
	if (op->kind != REQUEST_REKEY && (t->keyfile || t->key_problem))
		return OUTCOME_EXISTS;
	if (broker_key_file_busy(op->broker, op, t->ifname)) {
		*ret_detail = "another new key for this tunnel is being made";
		return OUTCOME_TOKEN_BUSY;
	}
	return OUTCOME_OK;
}

static void start(struct operation *op)
{
	struct resident *e = (struct resident *)op;
	const struct request_options *o = &op->options;
	struct survey_params params = {.capabilities = X_CAPABILITIES, .token_id = o->token, .wait = o->wait, .first = true};
	const struct keyfile_resident *present;
	const char *detail;
	int r;

	r = check(e, operation_tunnel(op), &detail);
	if (r) {
		operation_fail(op, (enum outcome)r, detail);
		return;
	}
	present = beside(e);
	if (o->has_x_slot)
		params.capabilities = x_capability(o->x_slot.kind);
	else if (present)
		params.capabilities = x_capability(present->slot.kind);
	r = survey_start(&e->survey, op, &params, visit, on_surveyed, e);
	if (r < 0)
		operation_fail_with(op, r, "%s", "");
}

static void token_added(struct operation *op, struct token *t)
{
	struct resident *e = (struct resident *)op;

	if (e->use)
		use_token_added(e->use, t);
	else
		survey_token_added(e->survey, t);
}

static void clear(struct operation *op)
{
	struct resident *e = (struct resident *)op;

	e->job = job_cancel(e->job);
	e->use = use_free(e->use);
	e->survey = survey_free(e->survey);
}

const struct operation_ops operation_resident = {
	.size = sizeof(struct resident),
	.steps = 2,
	.start = start,
	.token_added = token_added,
	.clear = clear,
};
