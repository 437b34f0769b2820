/* SPDX-License-Identifier: GPL-2.0-or-later */
/* create: choose the token that gets a keyslot, make the credential on it, evaluate the salt with that. Two touches. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation.h"

enum create_state { CREATE_CHOOSING, CREATE_SIFTING, CREATE_CREATING, CREATE_EVALUATING, CREATE_OVER };

struct create {
	struct operation *op;
	struct create_params params;
	struct keyfile *keyfile; /* NULL: no credentials to exclude */
	uint8_t salt[32];
	char token_id[64];
	char detail[REQUEST_DETAIL_MAX];
	create_done_t done;
	enum create_state state;
	struct token *token; /* valid while job runs */
	struct job *job;
	/* CREATE_SIFTING: the plugged tokens, one after the other, for the one that has no keyslot yet */
	uint64_t sifted_number, fresh_number;
	unsigned int n_fresh;
	enum wire_uv uv;
	struct wire_credential credential;
};

static void choose(struct create *c);

static void finish(struct create *c, struct create_result *result)
{
	c->job = job_cancel(c->job);
	c->state = CREATE_OVER;
	if (c->op->state != OPERATION_DONE)
		c->done(c->op, result);
}

static void fail(struct create *c, int outcome, const char *detail)
{
	struct create_result result = {.outcome = outcome, .detail = detail};

	finish(c, &result);
}

static void on_touch(void *userdata, struct job *j)
{
	struct create *c = userdata;

	(void)j;
	operation_set_state(c->op, OPERATION_TOUCH);
}

static void on_begun(void *userdata, struct job *j)
{
	struct create *c = userdata;

	operation_set_prompt(c->op, j->token, broker_touch_deadline(c->op->broker));
}

static int submit(struct create *c, enum wire_type type, void (*done)(void *, struct job *, struct wire_result *))
{
	struct wire_request *request;
	struct job *j;
	size_t i;
	int r;

	r = job_new(&j, c->token, type, c);
	if (r < 0)
		return r;
	request = &j->request;
	request->timeout_ms = c->op->broker->options.touch_timeout_ms;
	request->uv = c->uv;
	if (c->uv == WIRE_UV_PIN) {
		request->pin = secret_dup(c->params.pin->text);
		if (!request->pin) {
			job_cancel(j);
			return -ENOMEM;
		}
	}
	if (type == WIRE_EVALUATE) {
		request->credentials[request->n_credentials++] = c->credential;
		request->n_salts = 1;
		memcpy(request->salts[0], c->salt, sizeof(c->salt));
	} else {
		randombytes_buf(request->user_id, sizeof(request->user_id));
		(void)snprintf(request->user_name, sizeof(request->user_name), "%s", c->params.tunnel_name);
		for (i = 0; c->keyfile && i < c->keyfile->n_slots; i++)
			if (c->keyfile->slots[i].type == KEYSLOT_HMAC_SECRET)
				request->credentials[request->n_credentials++] = c->keyfile->slots[i].credential;
	}
	j->confirm_pin = c->params.confirm_pin;
	j->begun = on_begun;
	j->touch = on_touch;
	j->done = done;
	if (c->uv == WIRE_UV_PIN)
		c->params.pin->token = c->token->number;
	c->job = j;
	operation_set_state(c->op, OPERATION_BUSY);
	job_start(j);
	return 0;
}

static void on_evaluated(void *userdata, struct job *j, struct wire_result *result)
{
	_cleanup_secret_ struct secret *kek = NULL;
	struct create_result created = {.detail = ""};
	struct create *c = userdata;
	int r;

	c->job = NULL;
	if (result->outcome != OUTCOME_OK) {
		fail(c, (int)result->outcome, result->detail);
		return;
	}
	if (result->n_outputs != 1) {
		fail(c, OUTCOME_TOKEN_FAILED, "it answered what was not asked");
		return;
	}
	r = keyslot_kek(&kek, result->outputs[0], c->salt);
	if (r) {
		fail(c, r, "");
		return;
	}
	created.token = j->token;
	created.uv = c->uv;
	created.aaguid = j->token->info.aaguid;
	created.credential = &c->credential;
	created.kek = &kek;
	finish(c, &created);
}

static void on_created(void *userdata, struct job *j, struct wire_result *result)
{
	struct create *c = userdata;
	int r;

	(void)j;
	c->job = NULL;
	if (result->outcome != OUTCOME_OK) {
		fail(c, (int)result->outcome, result->detail);
		return;
	}
	c->credential = result->credential;
	c->state = CREATE_EVALUATING;
	operation_set_step(c->op, c->op->step + 1);
	r = submit(c, WIRE_EVALUATE, on_evaluated);
	if (r < 0)
		fail(c, r, "");
}

/* UV mode is fixed here for good: a PIN where the token has one, presence otherwise, or as asked. */
static int decide_uv(struct create *c, const char **ret_detail)
{
	uint32_t caps = c->token->info.capabilities;

	*ret_detail = "";
	if (!(caps & WIRE_CAP_HMAC_SECRET)) {
		*ret_detail = "it has no hmac-secret";
		return OUTCOME_UNSUPPORTED;
	}
	switch (c->params.uv) {
	case REQUEST_UV_AUTO:
		c->uv = caps & (WIRE_CAP_PIN_SET | WIRE_CAP_ALWAYS_UV) ? WIRE_UV_PIN : WIRE_UV_PRESENCE;
		break;
	case REQUEST_UV_PIN:
		c->uv = WIRE_UV_PIN;
		break;
	case REQUEST_UV_PRESENCE:
		c->uv = WIRE_UV_PRESENCE;
		break;
	}
	if (c->uv == WIRE_UV_PRESENCE)
		return OUTCOME_OK;
	if (!(caps & WIRE_CAP_PIN_SET)) {
		*ret_detail = "it has no PIN set";
		return OUTCOME_UNSUPPORTED;
	}
	if (caps & WIRE_CAP_PIN_CHANGE_NEEDED) {
		*ret_detail = "it wants its PIN changed first";
		return OUTCOME_UNSUPPORTED;
	}
	if (c->params.pin->text && pin_fits(c->params.pin, c->token))
		return OUTCOME_OK;
	if (c->params.pin->text) {
		pin_explain(c->detail, sizeof(c->detail), c->params.pin, c->token);
		*ret_detail = c->detail;
	}
	return OUTCOME_PIN_REQUIRED;
}

static void begin(struct create *c, struct token *t)
{
	const char *detail;
	int r;

	c->token = t;
	r = decide_uv(c, &detail);
	if (r == OUTCOME_OK) {
		c->state = CREATE_CREATING;
		r = submit(c, WIRE_CREATE, on_created);
	}
	if (r)
		fail(c, r, detail);
}

static bool eligible(const struct create *c, const struct token *t)
{
	/* A smart card makes no credential: it counts only where it was named, and is then told so. */
	return c->token_id[0] ? strcmp(c->token_id, t->node.id) == 0 : t->node.kind != TOKEN_CARD;
}

static void on_asked(void *userdata, struct job *j, struct wire_result *result)
{
	struct create *c = userdata;

	(void)j;
	c->job = NULL;
	if (result->outcome == OUTCOME_OK)
		choose(c);
	else
		fail(c, (int)result->outcome, result->detail);
}

/* What a token can do must be known before it is asked for anything. */
static void ask_info(struct create *c, struct token *t)
{
	if (job_new(&c->job, t, WIRE_INFO, c) < 0) {
		fail(c, -ENOMEM, "");
		return;
	}
	c->job->request.timeout_ms = broker_quick_timeout_ms(c->op->broker);
	c->job->done = on_asked;
	operation_set_state(c->op, OPERATION_BUSY);
	job_start(c->job);
}

static void sift(struct create *c);

static void on_sifted(void *userdata, struct job *j, struct wire_result *result)
{
	struct create *c = userdata;
	const struct keyfile *k = c->keyfile;
	bool ours;
	size_t i;

	c->job = NULL;
	ours = result->outcome != OUTCOME_OK || result->known;
	/* Credentials behind a PIN do not show: a token of the same model may be the one. */
	for (i = 0; i < k->n_slots; i++)
		ours |= k->slots[i].type == KEYSLOT_HMAC_SECRET && k->slots[i].uv == WIRE_UV_PIN &&
			memcmp(k->slots[i].aaguid, j->token->info.aaguid, sizeof(k->slots[i].aaguid)) == 0;
	if (!ours) {
		c->fresh_number = j->token->number;
		c->n_fresh++;
	}
	sift(c);
}

/* Asks the next token after sifted_number. */
static void sift(struct create *c)
{
	struct token *t, *fresh = NULL;
	size_t i;

	c->state = CREATE_SIFTING;
	TAILQ_FOREACH(t, &c->op->broker->tokens.list, link) {
		if (t->number == c->fresh_number)
			fresh = t;
		if (t->number > c->sifted_number && t->node.kind != TOKEN_CARD)
			break;
	}
	if (!t) {
		if (c->n_fresh == 1 && fresh)
			begin(c, fresh);
		else
			fail(c, OUTCOME_INVALID_ARGUMENT, "several keys are plugged in: name the new one, or unplug the others");
		return;
	}
	c->sifted_number = t->number;
	if (job_new(&c->job, t, WIRE_PROBE, c) < 0) {
		fail(c, -ENOMEM, "");
		return;
	}
	for (i = 0; i < c->keyfile->n_slots; i++)
		if (c->keyfile->slots[i].type == KEYSLOT_HMAC_SECRET)
			c->job->request.credentials[c->job->request.n_credentials++] = c->keyfile->slots[i].credential;
	if (c->job->request.n_credentials == 0) {
		c->job = job_cancel(c->job);
		fail(c, OUTCOME_INVALID_ARGUMENT, "several keys are plugged in: name the new one, or unplug the others");
		return;
	}
	c->job->request.timeout_ms = broker_quick_timeout_ms(c->op->broker);
	c->job->done = on_sifted;
	operation_set_state(c->op, OPERATION_BUSY);
	job_start(c->job);
}

static void choose(struct create *c)
{
	struct token *t, *found = NULL;
	unsigned int n = 0;

	c->state = CREATE_CHOOSING;
	TAILQ_FOREACH(t, &c->op->broker->tokens.list, link) {
		if (!eligible(c, t))
			continue;
		found = t;
		n++;
	}
	if (n == 0 && c->params.wait) {
		c->op->waits_for = "token";
		operation_set_state(c->op, OPERATION_WAIT_TOKEN);
	} else if (n == 0) {
		fail(c, OUTCOME_TOKEN_MISSING, c->token_id[0] ? "the named one is not plugged in" : "");
	} else if (n > 1 && c->keyfile) {
		sift(c);
	} else if (n > 1) {
		fail(c, OUTCOME_INVALID_ARGUMENT, "several keys are plugged in: name one, or unplug the others");
	} else if (!found->info_known) {
		ask_info(c, found);
	} else {
		begin(c, found);
	}
}

int create_start(struct create **ret, struct operation *op, const struct create_params *params, create_done_t done)
{
	struct create *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	if (params->keyfile) {
		c->keyfile = malloc(sizeof(*c->keyfile));
		if (!c->keyfile) {
			free(c);
			return -ENOMEM;
		}
		*c->keyfile = *params->keyfile;
	}
	c->op = op;
	c->params = *params;
	memcpy(c->salt, params->salt, sizeof(c->salt));
	(void)snprintf(c->token_id, sizeof(c->token_id), "%s", params->token_id);
	c->done = done;
	*ret = c;
	choose(c);
	return 0;
}

void create_token_added(struct create *c, struct token *t)
{
	if (c && c->state == CREATE_CHOOSING && !c->job && eligible(c, t))
		choose(c);
}

struct create *create_free(struct create *c)
{
	if (!c)
		return NULL;
	job_cancel(c->job);
	keyfile_free(c->keyfile);
	free(c);
	return NULL;
}
