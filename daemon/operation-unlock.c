/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unlock: each plugged token is a candidate with a small life of its own: probed, then asked for a touch if it has one of
 * the key file's credentials. The first good answer ends the others. A credential that needs a PIN hides from the probe
 * (credProtect), so a token of the same model counts as a possible holder of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation.h"

enum candidate_state {
	CANDIDATE_PROBING,
	CANDIDATE_NEEDS_PIN, /* may have a credential that wants a PIN */
	CANDIDATE_EVALUATING,
	CANDIDATE_BLINKING,
	CANDIDATE_OVER,
};

struct candidate {
	TAILQ_ENTRY(candidate) link;
	struct unlock *unlock;
	struct token *token; /* valid while there is a job */
	uint64_t number;
	enum candidate_state state;
	struct job *job;
	enum wire_uv uv;
	unsigned int known;		    /* bit i: keyfile->slots[i] answered the probe */
	uint8_t n_asked;
	uint8_t slots[WIRE_CREDENTIALS_MAX]; /* asked credential -> index into keyfile->slots */
};
TAILQ_HEAD(candidate_list, candidate);

struct unlock {
	struct operation *op;
	struct keyfile *keyfile;
	struct unlock_params params;
	char token_id[64];
	struct candidate_list candidates;
	unlock_done_t done;
	bool finished;
	int outcome; /* of candidates that are over: the one that says most */
	char detail[REQUEST_DETAIL_MAX];
};

static void settle(struct unlock *u);

/* Which of several failures the user should hear of. */
static int rank(int outcome)
{
	switch (outcome) {
	case OUTCOME_TOKEN_MISSING:
		return 1;
	case OUTCOME_WRONG_TOKEN:
		return 2;
	case OUTCOME_UNSUPPORTED:
		return 3;
	case OUTCOME_TOKEN_FAILED:
		return 4;
	case OUTCOME_TOUCH_TIMEOUT:
		return 5;
	case OUTCOME_PIN_REQUIRED:
		return 6;
	default:
		return outcome == OUTCOME_OK ? 0 : 7;
	}
}

static void remember(struct unlock *u, int outcome, const char *detail)
{
	if (rank(outcome) < rank(u->outcome))
		return;
	u->outcome = outcome;
	(void)snprintf(u->detail, sizeof(u->detail), "%s", detail);
}

static void finish(struct unlock *u, struct unlock_result *result)
{
	struct candidate *c;

	u->finished = true;
	TAILQ_FOREACH(c, &u->candidates, link) {
		c->job = job_cancel(c->job);
		c->state = CANDIDATE_OVER;
	}
	if (u->op->state != OPERATION_DONE)
		u->done(u->op, result);
}

static void fail(struct unlock *u, int outcome, const char *detail)
{
	struct unlock_result result = {.outcome = outcome, .detail = detail};

	finish(u, &result);
}

static void opened(struct unlock *u, struct secret **t, const struct token *token, enum wire_uv uv)
{
	struct unlock_result result = {.detail = "", .t = t, .token = token, .uv = uv};

	finish(u, &result);
}

static struct token *find_number(struct broker *b, uint64_t number)
{
	struct token *t;

	TAILQ_FOREACH(t, &b->tokens.list, link)
		if (t->number == number)
			return t;
	return NULL;
}

static void candidate_over(struct candidate *c, int outcome, const char *detail)
{
	/* Who waits for a token waits on when one was pulled out. */
	if (outcome == OUTCOME_TOKEN_FAILED && c->unlock->params.wait && !find_number(c->unlock->op->broker, c->number))
		outcome = OUTCOME_TOKEN_MISSING;
	c->state = CANDIDATE_OVER;
	remember(c->unlock, outcome, detail);
	settle(c->unlock);
}

static int try_slot(const struct keyfile *k, uint32_t slot, const struct secret *slot_secret, struct secret **ret_t)
{
	_cleanup_secret_ struct secret *kek = NULL;
	int r;

	r = keyslot_kek(&kek, slot_secret, k->salt);
	return r ? r : keyfile_unwrap(ret_t, k, slot, kek);
}

static void on_evaluated(void *userdata, struct job *j, struct wire_result *result)
{
	_cleanup_secret_ struct secret *t = NULL;
	struct candidate *c = userdata;
	struct unlock *u = c->unlock;
	int r;

	c->job = NULL;
	if (result->outcome != OUTCOME_OK) {
		candidate_over(c, (int)result->outcome, result->detail);
		return;
	}
	if (result->credential_index >= c->n_asked || result->n_outputs != 1) {
		candidate_over(c, OUTCOME_TOKEN_FAILED, "it answered what was not asked");
		return;
	}
	r = try_slot(u->keyfile, u->keyfile->slots[c->slots[result->credential_index]].id, result->outputs[0], &t);
	if (r == 0)
		opened(u, &t, j->token, c->uv);
	else if (r == OUTCOME_WRONG_TOKEN) /* but its signature was right, so it is not the token that is wrong */
		candidate_over(c, OUTCOME_KEYFILE_DAMAGED, "the keyslot of this key was altered");
	else
		fail(u, r, r == OUTCOME_KEYFILE_DAMAGED ? "its list of keyslots was altered" : "cannot unwrap the key");
}

static void on_touch(void *userdata, struct job *j)
{
	struct candidate *c = userdata;

	(void)j;
	if (c->state != CANDIDATE_EVALUATING)
		return;
	c->state = CANDIDATE_BLINKING;
	settle(c->unlock);
}

static void on_begun(void *userdata, struct job *j)
{
	struct candidate *c = userdata;

	operation_set_prompt(c->unlock->op, j->token, broker_touch_deadline(c->unlock->op->broker));
}

static bool slot_asked(const struct candidate *c, const struct keyslot *slot, size_t i, enum wire_uv uv)
{
	if (slot->type != KEYSLOT_HMAC_SECRET || slot->uv != uv)
		return false;
	if (c->known & (1u << i))
		return true;
	return uv == WIRE_UV_PIN && memcmp(slot->aaguid, c->token->info.aaguid, sizeof(slot->aaguid)) == 0;
}

static unsigned int count_asked(const struct candidate *c, enum wire_uv uv)
{
	const struct keyfile *k = c->unlock->keyfile;
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < k->n_slots; i++)
		n += slot_asked(c, &k->slots[i], i, uv);
	return n;
}

static int evaluate(struct candidate *c, enum wire_uv uv)
{
	struct unlock *u = c->unlock;
	struct keyfile *k = u->keyfile;
	struct wire_request *request;
	struct job *j;
	size_t i;
	int r;

	r = job_new(&j, c->token, WIRE_EVALUATE, c);
	if (r < 0)
		return r;
	request = &j->request;
	request->timeout_ms = u->op->broker->options.touch_timeout_ms;
	request->uv = uv;
	if (uv == WIRE_UV_PIN) {
		request->pin = secret_dup(u->params.pin->text);
		if (!request->pin) {
			job_cancel(j);
			return -ENOMEM;
		}
	}
	for (i = 0; i < k->n_slots; i++) {
		if (!slot_asked(c, &k->slots[i], i, uv))
			continue;
		request->credentials[request->n_credentials] = k->slots[i].credential;
		c->slots[request->n_credentials++] = (uint8_t)i;
	}
	c->n_asked = request->n_credentials;
	request->n_salts = 1;
	memcpy(request->salts[0], k->salt, sizeof(request->salts[0]));
	j->confirm_pin = u->params.confirm_pin;
	j->begun = on_begun;
	j->touch = on_touch;
	j->done = on_evaluated;
	if (uv == WIRE_UV_PIN)
		u->params.pin->token = c->number;
	c->uv = uv;
	c->job = j;
	c->state = CANDIDATE_EVALUATING;
	job_start(j);
	return 0;
}

static void on_probed(void *userdata, struct job *j, struct wire_result *result)
{
	struct candidate *c = userdata;
	const struct keyfile *k = c->unlock->keyfile;
	unsigned int bit = 0;
	size_t i;
	int r;

	(void)j;
	c->job = NULL;
	if (result->outcome != OUTCOME_OK) {
		candidate_over(c, (int)result->outcome, result->detail);
		return;
	}
	/* Bits of the answer count the credentials that were asked about. */
	for (i = 0; i < k->n_slots; i++)
		if (k->slots[i].type == KEYSLOT_HMAC_SECRET && (result->known & (1u << bit++)))
			c->known |= 1u << i;
	/* What opens without a PIN goes first: it asks the least. */
	if (count_asked(c, WIRE_UV_PRESENCE) > 0) {
		r = evaluate(c, WIRE_UV_PRESENCE);
		if (r < 0)
			fail(c->unlock, r, "");
		else
			settle(c->unlock);
	} else if (count_asked(c, WIRE_UV_PIN) > 0) {
		c->state = CANDIDATE_NEEDS_PIN;
		settle(c->unlock);
	} else {
		candidate_over(c, OUTCOME_WRONG_TOKEN, "");
	}
}

static int probe(struct unlock *u, struct token *t)
{
	const struct keyfile *k = u->keyfile;
	struct candidate *c;
	struct job *j;
	size_t i;
	int r;

	if (u->token_id[0] && strcmp(u->token_id, t->node.id) != 0)
		return 0;
	/* A smart card holds no hmac-secret credential; a named one is told so by its worker. */
	if (!u->token_id[0] && t->node.kind == TOKEN_CARD)
		return 0;
	if ((u->params.only_number && t->number != u->params.only_number) || t->number == u->params.except_number)
		return 0;
	r = job_new(&j, t, WIRE_PROBE, NULL);
	if (r < 0)
		return r;
	for (i = 0; i < k->n_slots; i++)
		if (k->slots[i].type == KEYSLOT_HMAC_SECRET)
			j->request.credentials[j->request.n_credentials++] = k->slots[i].credential;
	c = j->request.n_credentials > 0 ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		r = j->request.n_credentials > 0 ? -ENOMEM : 0;
		job_cancel(j);
		return r;
	}
	c->unlock = u;
	c->token = t;
	c->number = t->number;
	c->state = CANDIDATE_PROBING;
	c->job = j;
	TAILQ_INSERT_TAIL(&u->candidates, c, link);
	j->request.timeout_ms = broker_quick_timeout_ms(u->op->broker);
	j->done = on_probed;
	j->userdata = c;
	job_start(j);
	return 0;
}

/* late: the token that the PIN which was given is not for; NULL: none was given. */
static void require_pin(struct unlock *u, const struct token *late)
{
	char detail[REQUEST_DETAIL_MAX] = "";

	/* What the one that had the PIN made of it comes first. */
	if (late && rank(u->outcome) > rank(OUTCOME_PIN_REQUIRED)) {
		fail(u, u->outcome, u->detail);
		return;
	}
	if (late)
		pin_explain(detail, sizeof(detail), u->params.pin, late);
	/* Another token could have opened it with a touch. */
	if (u->outcome == OUTCOME_TOUCH_TIMEOUT)
		fail(u, OUTCOME_TOUCH_TIMEOUT, "");
	else
		fail(u, OUTCOME_PIN_REQUIRED, detail);
}

/* Once no probe runs: a PIN goes to one token only, or a wrong guess would cost another one a try. */
static int use_pin(struct unlock *u, bool others_run)
{
	struct candidate *c, *holder = NULL;
	const struct token *late = NULL;
	unsigned int n = 0;

	TAILQ_FOREACH(c, &u->candidates, link) {
		if (c->state != CANDIDATE_NEEDS_PIN)
			continue;
		c->token = find_number(u->op->broker, c->number);
		if (!c->token) {
			c->state = CANDIDATE_OVER;
			remember(u, OUTCOME_TOKEN_FAILED, "it was pulled out");
			continue;
		}
		if (u->params.pin->text && !pin_fits(u->params.pin, c->token)) {
			late = c->token;
			continue;
		}
		holder = c;
		n++;
	}
	if (n == 0 && !late)
		return 0;
	if (n == 0 || !u->params.pin->text) {
		/* Another token may still open it. */
		if (!others_run)
			require_pin(u, late);
		return 0;
	}
	if (n > 1) {
		fail(u, OUTCOME_INVALID_ARGUMENT, "the PIN could be for several of the plugged keys: name one, or unplug the others");
		return 0;
	}
	return evaluate(holder, WIRE_UV_PIN);
}

/* What the whole is doing, seen from its candidates. */
static void settle(struct unlock *u)
{
	bool blinking = false, running = false, probing = false;
	struct candidate *c;
	int r;

	if (u->finished)
		return;
	TAILQ_FOREACH(c, &u->candidates, link) {
		probing |= c->state == CANDIDATE_PROBING;
		running |= c->state == CANDIDATE_EVALUATING;
		blinking |= c->state == CANDIDATE_BLINKING;
	}
	if (!probing) {
		r = use_pin(u, running || blinking);
		if (r < 0)
			fail(u, r, "");
		if (u->finished)
			return;
		TAILQ_FOREACH(c, &u->candidates, link)
			running |= c->state == CANDIDATE_EVALUATING;
	}
	if (blinking) {
		operation_set_state(u->op, OPERATION_TOUCH);
	} else if (running || probing) {
		operation_set_state(u->op, OPERATION_BUSY);
	} else if (u->params.wait && rank(u->outcome) <= rank(OUTCOME_UNSUPPORTED)) {
		u->outcome = OUTCOME_TOKEN_MISSING;
		u->op->waits_for = "token-with-key";
		operation_set_state(u->op, OPERATION_WAIT_TOKEN);
	} else {
		fail(u, u->outcome, u->detail);
	}
}

static void try_recovery(struct unlock *u)
{
	_cleanup_secret_ struct secret *bits = NULL, *t = NULL;
	const struct keyfile *k = u->keyfile;
	int r, best = OUTCOME_NOT_ENROLLED;
	size_t i;

	r = recovery_parse(&bits, u->params.recovery);
	if (r) {
		fail(u, r, r == OUTCOME_INVALID_ARGUMENT ? "the recovery code has a typing error" : "");
		return;
	}
	for (i = 0; i < k->n_slots; i++) {
		if (k->slots[i].type != KEYSLOT_RECOVERY)
			continue;
		best = try_slot(k, k->slots[i].id, bits, &t);
		if (best != OUTCOME_WRONG_TOKEN)
			break;
	}
	if (best == OUTCOME_OK)
		opened(u, &t, NULL, WIRE_UV_PRESENCE);
	else if (best == OUTCOME_NOT_ENROLLED)
		fail(u, OUTCOME_INVALID_ARGUMENT, "this tunnel has no recovery code");
	else if (best == OUTCOME_WRONG_TOKEN)
		fail(u, OUTCOME_INVALID_ARGUMENT, "the recovery code is not of this tunnel's key");
	else
		fail(u, best, "");
}

int unlock_start(struct unlock **ret, struct operation *op, const struct unlock_params *params, unlock_done_t done)
{
	struct unlock *u = calloc(1, sizeof(*u));
	struct token *t;
	int r = 0;

	if (!u)
		return -ENOMEM;
	u->keyfile = malloc(sizeof(*u->keyfile));
	if (!u->keyfile) {
		free(u);
		return -ENOMEM;
	}
	*u->keyfile = *params->keyfile;
	u->op = op;
	u->params = *params;
	(void)snprintf(u->token_id, sizeof(u->token_id), "%s", params->token_id);
	u->done = done;
	u->outcome = OUTCOME_TOKEN_MISSING;
	TAILQ_INIT(&u->candidates);
	*ret = u;
	if (params->recovery) {
		try_recovery(u);
		return 0;
	}
	TAILQ_FOREACH(t, &op->broker->tokens.list, link) {
		r = probe(u, t);
		if (r < 0)
			break;
	}
	if (r < 0)
		fail(u, r, "");
	else
		settle(u);
	return 0;
}

void unlock_token_added(struct unlock *u, struct token *t)
{
	if (!u || u->finished || u->params.recovery)
		return;
	if (probe(u, t) < 0)
		fail(u, -ENOMEM, "");
	else
		settle(u);
}

struct unlock *unlock_free(struct unlock *u)
{
	struct candidate *c;

	if (!u)
		return NULL;
	while ((c = TAILQ_FIRST(&u->candidates))) {
		TAILQ_REMOVE(&u->candidates, c, link);
		job_cancel(c->job);
		free(c);
	}
	keyfile_free(u->keyfile);
	free(u);
	return NULL;
}
