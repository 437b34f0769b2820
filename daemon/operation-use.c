/* SPDX-License-Identifier: GPL-2.0-or-later */
/* use: the token that says that it has the key in that slot is asked, once for each point. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation-resident.h"

struct use {
	struct operation *op;
	struct use_params params;
	struct keyfile_resident key;
	char token_id[64];
	uint8_t (*points)[KEY_SIZE];
	struct secret **shared;
	size_t n; /* of points: 1 for the proof */
	size_t i; /* the one at hand */
	struct secret *ephemeral; /* of the proof */
	struct survey *survey;
	struct token *token; /* valid while there is a job */
	struct job *job;
	use_done_t done;
	bool finished;
	bool keeps; /* the job at hand */
	char session[sizeof(((struct token_node *)NULL)->id)]; /* the token that was asked to keep one; "": none */
	char detail[REQUEST_DETAIL_MAX];
};

static void ask(struct use *u);
static void begin_again(struct use *u);

static void finish(struct use *u, int outcome, const char *detail, const struct token *token)
{
	struct use_result result = {
		.outcome = outcome,
		.detail = detail,
		.token = token,
		.uv = u->key.needs_pin ? WIRE_UV_PIN : WIRE_UV_PRESENCE,
		.shared = u->params.n_points > 0 ? u->shared : NULL,
	};

	u->finished = true;
	u->job = job_cancel(u->job);
	if (u->op->state != OPERATION_DONE)
		u->done(u->op, &result);
}

static void fail(struct use *u, int outcome, const char *detail)
{
	finish(u, outcome, detail, NULL);
}

static bool wants_touch(const struct keyfile_resident *key)
{
	return key->touch == WIRE_X_TOUCH_ALWAYS;
}

unsigned int use_touches(const struct keyfile_resident *key, size_t n_points)
{
	return wants_touch(key) && n_points > 1 ? (unsigned int)n_points : 1;
}

/* The other half is ours, so what must come out is known; a key that is not T's cannot say it. */
static int check_proof(const struct use *u)
{
	_cleanup_secret_ struct secret *expected = NULL;
	int r;

	r = schedule_shared(&expected, u->ephemeral, u->key.public_key);
	if (r < 0)
		return r == -EBADMSG ? OUTCOME_KEYFILE_DAMAGED : r;
	return secret_equal(expected, u->shared[0]) ? 0 : OUTCOME_WRONG_TOKEN;
}

static void on_used(void *userdata, struct job *j, struct wire_result *result)
{
	struct use *u = userdata;
	int r;

	u->job = NULL;
	if (!u->keeps)
		u->session[0] = 0; /* over, whether it worked or not */
	if (result->outcome == OUTCOME_TOKEN_FAILED && u->params.wait && !tokens_find(&u->op->broker->tokens, j->token->node.id)) {
		begin_again(u);
		return;
	}
	if (result->outcome != OUTCOME_OK) {
		fail(u, (int)result->outcome, result->detail);
		return;
	}
	if (result->n_outputs != 1 || secret_is_zero(result->outputs[0])) {
		fail(u, OUTCOME_TOKEN_FAILED, "it answered what was not asked");
		return;
	}
	u->shared[u->i++] = secret_take(&result->outputs[0]);
	if (u->i < u->n) {
		if (wants_touch(&u->key))
			operation_set_step(u->op, u->op->step + 1);
		ask(u);
		return;
	}
	r = u->params.n_points > 0 ? 0 : check_proof(u);
	if (r)
		fail(u, r, r == OUTCOME_WRONG_TOKEN ? "the key in its slot is another one than it says" : "");
	else
		finish(u, OUTCOME_OK, "", j->token);
}

static int survey(struct use *u);

/* Who waits for a token waits on when one was pulled out. A PIN does not: it was for that one. */
static void begin_again(struct use *u)
{
	int r;

	for (size_t i = 0; i < u->n; i++)
		u->shared[i] = secret_free(u->shared[i]);
	if (wants_touch(&u->key))
		operation_set_step(u->op, u->op->step - (unsigned int)u->i);
	u->i = 0;
	u->token = NULL;
	u->survey = survey_free(u->survey);
	r = survey(u);
	if (r < 0)
		fail(u, r, "");
}

static void on_touch(void *userdata, struct job *j)
{
	struct use *u = userdata;

	(void)j;
	operation_set_state(u->op, OPERATION_TOUCH);
}

static void on_begun(void *userdata, struct job *j)
{
	struct use *u = userdata;

	operation_set_prompt(u->op, j->token, broker_touch_deadline(u->op->broker));
}

static int fill(struct use *u, struct job *j, const char **ret_detail)
{
	struct wire_request *request = &j->request;
	const bool last = u->i + 1 == u->n;

	request->timeout_ms = u->op->broker->options.touch_timeout_ms;
	request->x_slot = u->key.slot;
	memcpy(request->x_point, u->points[u->i], KEY_SIZE);
	if (u->key.slot.kind != WIRE_X_CTAPHID)
		request->x_keep = u->params.keep || !last || x_session_wanted(u->op->broker, u->token->node.id);
	u->keeps = request->x_keep;
	if (u->keeps)
		(void)snprintf(u->session, sizeof(u->session), "%s", u->token->node.id);
	/* It opens the session that the others are in. */
	if (u->key.needs_pin && u->i == 0) {
		request->uv = WIRE_UV_PIN;
		request->pin = secret_dup(u->params.pin->text);
		if (!request->pin)
			return -ENOMEM;
		u->params.pin->token = u->token->number;
	}
	j->confirm_pin = u->params.confirm_pin;
	return x_fill_channel(u->op->broker, request, u->key.slot.kind, u->key.token_public, ret_detail);
}

static void ask(struct use *u)
{
	const char *detail = "";
	struct job *j;
	int r;

	r = job_new(&j, u->token, WIRE_X_DH, u);
	if (r == 0) {
		r = fill(u, j, &detail);
		if (r)
			job_cancel(j);
	}
	if (r) {
		fail(u, r, detail);
		return;
	}
	j->begun = on_begun;
	j->touch = on_touch;
	j->done = on_used;
	u->job = j;
	operation_set_state(u->op, OPERATION_BUSY);
	job_start(j);
}

/* Whoever has two tokens with the same key (it was imported) has it used where it was first found. */
static bool visit(void *userdata, struct token *t, const struct wire_result *list)
{
	const struct wire_x_key *k;
	struct use *u = userdata;

	for (size_t i = 0; i < list->n_x_keys; i++) {
		k = &list->x_keys[i];
		if (k->slot.kind != u->key.slot.kind || k->slot.number != u->key.slot.number ||
			!key_equal(k->public_key, u->key.public_key))
			continue;
		u->token = t;
		if (u->key.needs_pin && !u->params.pin->text) {
			fail(u, OUTCOME_PIN_REQUIRED, "");
		} else if (u->key.needs_pin && !pin_fits(u->params.pin, t)) {
			pin_explain(u->detail, sizeof(u->detail), u->params.pin, t);
			fail(u, OUTCOME_PIN_REQUIRED, u->detail);
		} else {
			ask(u);
		}
		return true;
	}
	return false;
}

static void on_surveyed(void *userdata, int outcome, const char *detail)
{
	fail(userdata, outcome, detail);
}

static int prepare(struct use *u, const struct use_params *params)
{
	u->n = params->n_points > 0 ? params->n_points : 1;
	u->points = calloc(u->n, sizeof(*u->points));
	u->shared = calloc(u->n, sizeof(*u->shared));
	if (!u->points || !u->shared)
		return -ENOMEM;
	if (params->n_points > 0) {
		memcpy(u->points, params->points, u->n * sizeof(*u->points));
		return 0;
	}
	u->ephemeral = secret_new(SECRET_KEY_SIZE);
	if (!u->ephemeral)
		return -ENOMEM;
	secret_fill_random(u->ephemeral);
	schedule_public(u->points[0], u->ephemeral);
	return 0;
}

static int survey(struct use *u)
{
	const struct survey_params params = {
		.capabilities = x_capability(u->key.slot.kind),
		.token_id = u->token_id,
		.only_number = u->params.only_number,
		.wait = u->params.wait,
	};

	return survey_start(&u->survey, u->op, &params, visit, on_surveyed, u);
}

int use_start(struct use **ret, struct operation *op, const struct use_params *params, use_done_t done)
{
	struct use *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	*ret = u;
	u->op = op;
	u->params = *params;
	u->key = *params->key;
	(void)snprintf(u->token_id, sizeof(u->token_id), "%s", params->token_id);
	u->done = done;
	if (prepare(u, params) < 0)
		return -ENOMEM;
	return survey(u);
}

void use_token_added(struct use *u, struct token *t)
{
	if (u && !u->finished)
		survey_token_added(u->survey, t);
}

struct use *use_free(struct use *u)
{
	if (!u)
		return NULL;
	u->survey = survey_free(u->survey);
	job_cancel(u->job);
	/* Cancelled, failed, or nothing came of it: without an approval nobody else would end it. */
	if (u->session[0])
		x_forget_session(u->op->broker, u->session);
	for (size_t i = 0; u->shared && i < u->n; i++)
		secret_free(u->shared[i]);
	free(u->shared);
	free(u->points);
	secret_free(u->ephemeral);
	free(u);
	return NULL;
}
