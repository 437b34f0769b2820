/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INFO_TIMEOUT_MS 5000u

static int on_kick(sd_event_source *source, void *userdata);

void tokens_init(struct tokens *all, sd_event *event, const char *worker_exe,
	void (*changed)(void *userdata, struct token *t), void *userdata)
{
	*all = (struct tokens){
		.event = event,
		.worker_exe = worker_exe,
		.next_number = 1,
		.changed = changed,
		.userdata = userdata,
	};
	TAILQ_INIT(&all->list);
}

void tokens_clear(struct tokens *all)
{
	while (!TAILQ_EMPTY(&all->list))
		token_remove(TAILQ_FIRST(&all->list));
}

struct token *tokens_find(struct tokens *all, const char *id)
{
	struct token *t;

	TAILQ_FOREACH(t, &all->list, link)
		if (strcmp(t->node.id, id) == 0)
			return t;
	return NULL;
}

const char *token_name(const struct token *t)
{
	return t->info_known && t->info.product[0] ? t->info.product : t->node.name;
}

const char *token_pin_state(const struct token *t)
{
	if (!t->info_known)
		return "unknown";
	if (!(t->info.capabilities & WIRE_CAP_CLIENT_PIN))
		return "unsupported";
	if (!(t->info.capabilities & WIRE_CAP_PIN_SET))
		return "none";
	return t->info.pin_retries == 0 ? "blocked" : "set";
}

bool token_busy(const struct token *t)
{
	return !TAILQ_EMPTY(&t->jobs);
}

static void token_changed(struct token *t)
{
	if (t->kick) /* not while it is being removed */
		t->all->changed(t->all->userdata, t);
}

/* Handshakes come and go too often, and are over too soon, for telling the bus that the token is busy. */
static void job_changed(const struct job *j)
{
	if (j->turn == JOB_FOR_USERS)
		token_changed(j->token);
}

/* The queue moves from the event loop only: a failed start then reports to nobody who is in the middle of something. */
static void token_kick(struct token *t)
{
	(void)sd_event_source_set_enabled(t->kick, SD_EVENT_ONESHOT);
}

static void job_free(struct job *j)
{
	wire_request_clear(&j->request);
	free(j);
}

static void describe_pin(struct wire_result *result)
{
	if (result->pin_retries < 0)
		return;
	(void)snprintf(result->detail, sizeof(result->detail), "%d %s left", result->pin_retries,
		result->pin_retries == 1 ? "try" : "tries");
}

/* Takes the first job off the queue and tells its owner. */
static void job_end(struct job *j, struct wire_result *result)
{
	struct token *t = j->token;

	switch (result->outcome) {
	case OUTCOME_PIN_INVALID:
	case OUTCOME_PIN_FEW_TRIES_LEFT:
		if (result->pin_retries >= 0 && t->info_known)
			t->info.pin_retries = result->pin_retries;
		describe_pin(result);
		break;
	case OUTCOME_PIN_BLOCKED:
		/* Until it is plugged in again, if there are tries left. */
		if (t->info_known)
			t->info.pin_retries = result->pin_retries > 0 ? result->pin_retries : 0;
		break;
	case OUTCOME_OK:
	case OUTCOME_TOKEN_MISSING:
	case OUTCOME_TOUCH_TIMEOUT:
	case OUTCOME_CANCELLED:
	case OUTCOME_PIN_REQUIRED:
	case OUTCOME_NOT_ENROLLED:
	case OUTCOME_NOT_APPROVED:
	case OUTCOME_WRONG_TOKEN:
	case OUTCOME_TOKEN_BUSY:
	case OUTCOME_TOKEN_FAILED:
	case OUTCOME_UNSUPPORTED:
	case OUTCOME_DENIED:
	case OUTCOME_INVALID_ARGUMENT:
	case OUTCOME_LIMIT_EXCEEDED:
	case OUTCOME_KEYFILE_DAMAGED:
	case OUTCOME_EXISTS:
	case OUTCOME_FAILED:
	case OUTCOME_MAX_:
		break;
	}
	TAILQ_REMOVE(&t->jobs, j, link);
	token_kick(t);
	job_changed(j);
	if (j->state != JOB_DROPPED)
		j->done(j->userdata, j, result);
	job_free(j);
}

static void job_fail(struct job *j, enum outcome outcome, const char *detail)
{
	struct wire_result result = {.outcome = outcome, .pin_retries = -1};

	(void)snprintf(result.detail, sizeof(result.detail), "%s", detail);
	job_end(j, &result);
}

static int job_submit(struct job *j)
{
	int r;

	r = worker_submit(j->token->worker, &j->request);
	if (r < 0)
		return r;
	/* The PIN, if there was one, is the worker's now. */
	wire_request_clear(&j->request);
	j->state = JOB_RUNNING;
	if (j->begun)
		j->begun(j->userdata, j);
	return 0;
}

static int token_ask(struct token *t)
{
	struct wire_request request = {.type = WIRE_INFO, .timeout_ms = INFO_TIMEOUT_MS};
	int r;

	r = worker_submit(t->worker, &request);
	wire_request_clear(&request);
	return r;
}

/* The PIN goes out right after these figures came in, with nobody's request in between. */
static int check_pin(const struct token *t, const struct job *j, struct wire_result *ret)
{
	const int few = t->node.kind == TOKEN_CARD ? TOKEN_PIN_FEW_CARD : TOKEN_PIN_FEW;

	*ret = (struct wire_result){.pin_retries = -1};
	if (!j->request.pin)
		return OUTCOME_OK;
	if (!(t->info.capabilities & WIRE_CAP_PIN_SET)) {
		(void)snprintf(ret->detail, sizeof(ret->detail), "this key has no PIN set");
		return ret->outcome = OUTCOME_UNSUPPORTED;
	}
	if (t->info.pin_retries == 0)
		return ret->outcome = OUTCOME_PIN_BLOCKED;
	if (t->info.pin_retries > 0 && t->info.pin_retries <= few && !j->confirm_pin) {
		ret->pin_retries = t->info.pin_retries;
		return ret->outcome = OUTCOME_PIN_FEW_TRIES_LEFT;
	}
	return OUTCOME_OK;
}

static void on_result(void *userdata, struct worker *w, struct wire_result *result)
{
	struct token *t = userdata;
	struct job *j = TAILQ_FIRST(&t->jobs);
	struct wire_result refused;

	(void)w;
	if (!j)
		return;
	if (result->outcome == OUTCOME_OK && result->answers == WIRE_INFO) {
		t->info = result->info;
		t->info_known = true;
		token_changed(t);
	}
	if (j->state != JOB_ASKING || result->outcome != OUTCOME_OK) {
		job_end(j, result);
		return;
	}
	if (check_pin(t, j, &refused) != OUTCOME_OK)
		job_end(j, &refused);
	else if (job_submit(j) < 0)
		job_fail(j, OUTCOME_TOKEN_FAILED, "the request could not be sent to it");
}

static void on_status(void *userdata, struct worker *w, const struct wire_status_message *status)
{
	struct token *t = userdata;
	struct job *j = TAILQ_FIRST(&t->jobs);

	(void)w;
	if (j && j->state == JOB_RUNNING && status->status == WIRE_STATUS_TOUCH && j->touch)
		j->touch(j->userdata, j);
}

static void on_gone(void *userdata, struct worker *w)
{
	struct token *t = userdata;

	t->worker = worker_free(w);
	token_kick(t);
}

static const struct worker_callbacks callbacks = {
	.status = on_status,
	.result = on_result,
	.gone = on_gone,
};

static int submit_first(struct token *t, struct job *j)
{
	int r = 0;

	if (!t->worker)
		r = worker_new(&t->worker, t->all->event, t->all->worker_exe, &t->node, &callbacks, t);
	if (r < 0)
		return r;
	if (j->request.type == WIRE_INFO || (t->info_known && !j->request.pin))
		return job_submit(j);
	r = token_ask(t);
	if (r >= 0)
		j->state = JOB_ASKING;
	return r;
}

static int on_kick(sd_event_source *source, void *userdata)
{
	struct token *t = userdata;
	struct job *j = TAILQ_FIRST(&t->jobs);
	int r;

	(void)source;
	if (!j || j->state != JOB_QUEUED)
		return 0;
	r = submit_first(t, j);
	if (r == -EPIPE) {
		/* It has just broken, and is not buried yet: this job is not to suffer for the last one. */
		t->worker = worker_free(t->worker);
		r = submit_first(t, j);
	}
	if (r < 0)
		job_fail(j, OUTCOME_TOKEN_FAILED, "its worker does not run");
	return 0;
}

int job_new(struct job **ret, struct token *t, enum wire_type type, void *userdata)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->token = t;
	j->state = JOB_NEW;
	j->brief = type == WIRE_INFO || type == WIRE_X_LIST;
	j->request.type = type;
	j->userdata = userdata;
	*ret = j;
	return 0;
}

void job_start(struct job *j)
{
	struct job *other;

	j->state = JOB_QUEUED;
	TAILQ_FOREACH(other, &j->token->jobs, link)
		if (other->turn > j->turn && other->state == JOB_QUEUED)
			break;
	if (other)
		TAILQ_INSERT_BEFORE(other, j, link);
	else
		TAILQ_INSERT_TAIL(&j->token->jobs, j, link);
	if (TAILQ_FIRST(&j->token->jobs) == j) {
		token_kick(j->token);
		job_changed(j);
	}
}

struct job *job_cancel(struct job *j)
{
	if (!j)
		return NULL;
	switch (j->state) {
	case JOB_QUEUED:
		TAILQ_REMOVE(&j->token->jobs, j, link);
		job_changed(j);
		job_free(j);
		break;
	case JOB_NEW:
		job_free(j);
		break;
	case JOB_ASKING: /* and WIRE_INFO is as brief as any */
		wire_request_clear(&j->request);
		j->state = JOB_DROPPED;
		break;
	case JOB_RUNNING:
		j->state = JOB_DROPPED;
		/* A card's worker ends when it is cancelled, and with it the session of an approval. Nobody is to bring that about by
		 * a question that takes no right and no touch; it is over soon, or at the worker's deadline. */
		if (!j->brief && j->token->worker)
			worker_cancel(j->token->worker);
		break;
	case JOB_DROPPED:
		break;
	}
	return NULL;
}

static void on_info(void *userdata, struct job *j, struct wire_result *result)
{
	(void)userdata;
	(void)j;
	(void)result;
}

int tokens_add(struct tokens *all, struct token **ret, const struct token_node *node)
{
	struct token *t;
	struct job *j;
	int r;

	if (tokens_find(all, node->id))
		return -EEXIST;
	if (all->n >= TOKENS_MAX)
		return -E2BIG;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->all = all;
	t->node = *node;
	TAILQ_INIT(&t->jobs);
	r = sd_event_add_defer(all->event, &t->kick, on_kick, t);
	if (r >= 0)
		r = sd_event_source_set_enabled(t->kick, SD_EVENT_OFF);
	if (r >= 0)
		r = job_new(&j, t, WIRE_INFO, NULL);
	if (r < 0) {
		sd_event_source_unref(t->kick);
		free(t);
		return r;
	}
	t->number = all->next_number++;
	TAILQ_INSERT_TAIL(&all->list, t, link);
	all->n++;
	j->request.timeout_ms = INFO_TIMEOUT_MS;
	j->done = on_info;
	job_start(j);
	*ret = t;
	return 0;
}

void token_remove(struct token *t)
{
	struct wire_result result = {.outcome = OUTCOME_TOKEN_FAILED, .detail = "it was pulled out", .pin_retries = -1};
	struct job *j;

	TAILQ_REMOVE(&t->all->list, t, link);
	t->all->n--;
	t->worker = worker_free(t->worker);
	t->kick = sd_event_source_disable_unref(t->kick);
	/* Each callback may cancel others of this token's jobs, so the first one is looked up anew. */
	while ((j = TAILQ_FIRST(&t->jobs))) {
		TAILQ_REMOVE(&t->jobs, j, link);
		if (j->state != JOB_DROPPED)
			j->done(j->userdata, j, &result);
		job_free(j);
	}
	free(t);
}
