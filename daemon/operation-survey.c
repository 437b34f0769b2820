/* SPDX-License-Identifier: GPL-2.0-or-later */
/* survey: the tokens are asked side by side, first what they are, where that is not known yet, then which keys they have. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation-resident.h"

struct visited {
	TAILQ_ENTRY(visited) link;
	struct survey *survey;
	struct job *job; /* NULL: over */
};

struct survey {
	struct operation *op;
	struct survey_params params;
	char token_id[64];
	TAILQ_HEAD(, visited) tokens;
	survey_visit_t visit;
	survey_done_t done;
	void *userdata;
	bool finished, visited;
	int outcome; /* of those that are over: the one that says most */
	char detail[REQUEST_DETAIL_MAX];
};

uint32_t x_capability(enum wire_x_kind kind)
{
	switch (kind) {
	case WIRE_X_CTAPHID:
		return WIRE_CAP_X25519;
	case WIRE_X_OPENPGP:
		return WIRE_CAP_OPENPGP;
	case WIRE_X_PIV:
		return WIRE_CAP_PIV;
	}
	return 0;
}

int x_fill_channel(struct broker *b, struct wire_request *request, enum wire_x_kind kind, const uint8_t token_public[static KEY_SIZE],
	const char **ret_detail)
{
	int r;

	if (kind != WIRE_X_CTAPHID)
		return 0;
	r = pairings_find(b->pairings, &request->x_host_index, token_public);
	if (r == OUTCOME_NOT_ENROLLED) {
		*ret_detail = "it is not paired with this computer any more";
		return OUTCOME_WRONG_TOKEN;
	}
	if (r == 0)
		r = pairings_channel_key(b->pairings, &request->x_host_key, token_public, false);
	if (r < 0)
		*ret_detail = "this computer's pairing with the key";
	request->x_paired = true;
	memcpy(request->x_token_public, token_public, KEY_SIZE);
	return r;
}

bool x_session_wanted(struct broker *b, const char *token_id)
{
	struct instant now = broker_now(b);
	const struct approval *a;
	const struct tunnel *t;

	TAILQ_FOREACH(t, &b->tunnels, link) {
		if (!t->config || t->config->mode != CONFIG_MODE_IDENTITY || !t->keyfile ||
			t->keyfile->held != KEYFILE_RESIDENT || !t->keyfile->resident.needs_pin)
			continue;
		a = approvals_find(b->approvals, t->ifname, NULL, &now);
		if (a && strcmp(approval_request(a)->token_id, token_id) == 0)
			return true;
	}
	return false;
}

static void on_forgotten(void *userdata, struct job *j, struct wire_result *result)
{
	/* A card that cannot be told has been pulled out, or its worker has died: the session went with it. */
	(void)userdata, (void)j, (void)result;
}

void x_forget_session(struct broker *b, const char *token_id)
{
	struct token *token = tokens_find(&b->tokens, token_id);
	struct job *j;

	if (!token || !(token->info.capabilities & (WIRE_CAP_OPENPGP | WIRE_CAP_PIV)) || x_session_wanted(b, token_id))
		return;
	if (job_new(&j, token, WIRE_X_FORGET, NULL) < 0)
		return;
	j->request.timeout_ms = broker_quick_timeout_ms(b);
	j->done = on_forgotten;
	job_start(j);
}

static int rank(int outcome)
{
	switch (outcome) {
	case OUTCOME_TOKEN_MISSING:
		return 1;
	case OUTCOME_UNSUPPORTED:
		return 2;
	case OUTCOME_WRONG_TOKEN:
		return 3;
	default:
		return 4;
	}
}

static void remember(struct survey *s, int outcome, const char *detail)
{
	if (rank(outcome) < rank(s->outcome))
		return;
	s->outcome = outcome;
	(void)snprintf(s->detail, sizeof(s->detail), "%s", detail);
}

static void finish(struct survey *s)
{
	struct visited *v;

	s->finished = true;
	TAILQ_FOREACH(v, &s->tokens, link)
		v->job = job_cancel(v->job);
}

static void settle(struct survey *s)
{
	const struct visited *v;

	if (s->finished)
		return;
	TAILQ_FOREACH(v, &s->tokens, link)
		if (v->job) {
			operation_set_state(s->op, OPERATION_BUSY);
			return;
		}
	if (s->params.wait && !(s->params.first && s->visited) && rank(s->outcome) <= rank(OUTCOME_WRONG_TOKEN)) {
		s->op->waits_for = s->params.first ? "token" : "token-with-key";
		s->outcome = OUTCOME_TOKEN_MISSING;
		operation_set_state(s->op, OPERATION_WAIT_TOKEN);
		return;
	}
	finish(s);
	if (s->op->state != OPERATION_DONE)
		s->done(s->userdata, s->outcome, s->detail);
}

static void over(struct visited *v, int outcome, const char *detail)
{
	v->job = NULL;
	remember(v->survey, outcome, detail);
	settle(v->survey);
}

/* Who waits for a token waits on when one was pulled out. */
static int failure(const struct visited *v, const struct job *j, const struct wire_result *result)
{
	const struct survey *s = v->survey;

	if (result->outcome == OUTCOME_TOKEN_FAILED && s->params.wait && !tokens_find(&s->op->broker->tokens, j->token->node.id))
		return OUTCOME_TOKEN_MISSING;
	return (int)result->outcome;
}

static void on_listed(void *userdata, struct job *j, struct wire_result *result)
{
	struct visited *v = userdata;
	struct survey *s = v->survey;

	v->job = NULL;
	if (result->outcome != OUTCOME_OK) {
		over(v, failure(v, j, result), result->detail);
		return;
	}
	s->visited = true;
	if (!s->visit(s->userdata, j->token, result)) {
		over(v, OUTCOME_WRONG_TOKEN, "");
		return;
	}
	finish(s);
}

static int ask(struct visited *v, struct token *t, enum wire_type type, void (*done)(void *, struct job *, struct wire_result *))
{
	if (job_new(&v->job, t, type, v) < 0)
		return -ENOMEM;
	v->job->request.timeout_ms = broker_quick_timeout_ms(v->survey->op->broker);
	v->job->done = done;
	v->job->turn = v->survey->params.behind ? JOB_FOR_ANYBODY : JOB_FOR_USERS;
	job_start(v->job);
	return 0;
}

static int list(struct visited *v, struct token *t)
{
	if (t->info.capabilities & v->survey->params.capabilities)
		return ask(v, t, WIRE_X_LIST, on_listed);
	remember(v->survey, OUTCOME_UNSUPPORTED, "it has no place for keys that never leave it");
	return 0;
}

static void on_info(void *userdata, struct job *j, struct wire_result *result)
{
	struct visited *v = userdata;

	v->job = NULL;
	if (result->outcome != OUTCOME_OK)
		over(v, failure(v, j, result), result->detail);
	else if (list(v, j->token) < 0)
		over(v, -ENOMEM, "");
	else
		settle(v->survey);
}

static int begin(struct survey *s, struct token *t)
{
	struct visited *v;

	if ((s->token_id[0] && strcmp(s->token_id, t->node.id) != 0) ||
		(s->params.only_number && t->number != s->params.only_number))
		return 0;
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->survey = s;
	TAILQ_INSERT_TAIL(&s->tokens, v, link);
	return t->info_known ? list(v, t) : ask(v, t, WIRE_INFO, on_info);
}

int survey_start(struct survey **ret, struct operation *op, const struct survey_params *params, survey_visit_t visit, survey_done_t done,
	void *userdata)
{
	struct survey *s = calloc(1, sizeof(*s));
	struct token *t;

	if (!s)
		return -ENOMEM;
	s->op = op;
	s->params = *params;
	(void)snprintf(s->token_id, sizeof(s->token_id), "%s", params->token_id);
	s->visit = visit;
	s->done = done;
	s->userdata = userdata;
	s->outcome = OUTCOME_TOKEN_MISSING;
	TAILQ_INIT(&s->tokens);
	*ret = s;
	TAILQ_FOREACH(t, &op->broker->tokens.list, link)
		if (begin(s, t) < 0)
			return -ENOMEM;
	settle(s);
	return 0;
}

void survey_token_added(struct survey *s, struct token *t)
{
	if (!s || s->finished)
		return;
	if (begin(s, t) < 0)
		remember(s, -ENOMEM, "");
	settle(s);
}

struct survey *survey_free(struct survey *s)
{
	struct visited *v;

	if (!s)
		return NULL;
	while ((v = TAILQ_FIRST(&s->tokens))) {
		TAILQ_REMOVE(&s->tokens, v, link);
		job_cancel(v->job);
		free(v);
	}
	free(s);
	return NULL;
}
