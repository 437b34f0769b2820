/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/static-key-broker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* Initiations that are answered at once, and then one in so many us: somewhat below the broker's own bucket (16, and at best one
 * in 20 ms), so that what passes here finds a place there. */
#define BURST 12
#define RATE_US (50 * US_PER_MS)
/* Of a token that is slow the broker gives away every second moment, and half of that is kept for those who show where they are. */
#define RATE_COSTS 4
/* What took longer waited for a touch, or for other programs. */
#define COST_MAX_US US_PER_SEC
/* Of the four that may wait in the broker. */
#define WAITING_MAX 2

struct static_call {
	TAILQ_ENTRY(static_call) next;
	uint64_t id;
	uint64_t asked_us;
	bool alone; /* no other waited then */
	enum static_role role;
	uint8_t peer[KEY_SIZE]; /* not of a responder's */
	static_done done;
	void *userdata;
};

struct static_key_broker {
	struct static_key key;
	struct static_key_broker_options options;
	TAILQ_HEAD(, static_call) calls;
	uint64_t cost_us; /* how long the token takes, lately; 0: not known */
};

/* Of both keys together: an answer to the one is not taken for an answer to the other. */
static uint64_t last_id;

static uint64_t now_us(const struct static_key_broker *b)
{
	return clock_now(b->options.clock).boot_us;
}

static bool allowed(const struct static_key_broker *b, enum static_role role, const uint8_t peer[static KEY_SIZE])
{
	if (role == STATIC_RESPONDER)
		return grant_is_open(b->options.grant, now_us(b), NULL);
	return grant_is_open_for(b->options.grant, peer, now_us(b));
}

static void call_free(struct static_key_broker *b, struct static_call *call)
{
	TAILQ_REMOVE(&b->calls, call, next);
	free(call);
}

static int broker_dh(struct static_key *k, const struct static_request *request, static_done done, void *userdata,
	struct static_call **ret_call, struct secret **ret_shared)
{
	struct static_key_broker *b = (struct static_key_broker *)k;
	struct static_call *call;
	int r;

	(void)ret_shared;
	if (!allowed(b, request->role, request->peer))
		return -EACCES;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	call->id = ++last_id;
	call->asked_us = now_us(b);
	call->alone = TAILQ_EMPTY(&b->calls);
	call->role = request->role;
	memcpy(call->peer, request->peer, KEY_SIZE);
	call->done = done;
	call->userdata = userdata;
	TAILQ_INSERT_TAIL(&b->calls, call, next);
	r = b->options.ask(b->options.userdata, call->id, request, k->public_key);
	if (r < 0) {
		call_free(b, call);
		return r;
	}
	*ret_call = call;
	return 0;
}

static void broker_cancel(struct static_key *k, struct static_call *call)
{
	call_free((struct static_key_broker *)k, call);
}

static bool broker_approved(struct static_key *k, const uint8_t peer[static KEY_SIZE])
{
	return allowed((struct static_key_broker *)k, STATIC_PEER, peer);
}

static void broker_free(struct static_key *k)
{
	struct static_key_broker *b = (struct static_key_broker *)k;

	while (!TAILQ_EMPTY(&b->calls))
		call_free(b, TAILQ_FIRST(&b->calls));
	free(b);
}

static const struct static_key_ops ops = {
	.dh = broker_dh,
	.cancel = broker_cancel,
	.approved = broker_approved,
	.free = broker_free,
};

struct static_key *static_key_broker_new(const struct static_key_broker_options *options)
{
	struct static_key_broker *b = calloc(1, sizeof(*b));
	const struct grant_key *key = options->next ? &options->grant->next : &options->grant->present;

	if (!b)
		return NULL;
	b->options = *options;
	TAILQ_INIT(&b->calls);
	b->key.ops = &ops;
	b->key.resident = true;
	b->key.burst = BURST;
	b->key.rate_us = RATE_US;
	b->key.waiting_max = WAITING_MAX;
	memcpy(b->key.public_key, key->public_key, KEY_SIZE);
	memcpy(b->key.shown, key->handle, KEY_SIZE);
	return &b->key;
}

static int error_of(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_TOKEN_BUSY:
	case OUTCOME_LIMIT_EXCEEDED:
		return -EAGAIN;
	case OUTCOME_TOKEN_MISSING:
	case OUTCOME_WRONG_TOKEN:
		return -ENODEV;
	case OUTCOME_TOUCH_TIMEOUT:
	case OUTCOME_CANCELLED:
		return -ETIMEDOUT;
	case OUTCOME_INVALID_ARGUMENT:
		return -EINVAL;
	case OUTCOME_NOT_APPROVED:
	case OUTCOME_NOT_ENROLLED:
	case OUTCOME_DENIED:
	case OUTCOME_UNSUPPORTED:
	case OUTCOME_PIN_REQUIRED:
	case OUTCOME_PIN_INVALID:
	case OUTCOME_PIN_FEW_TRIES_LEFT:
	case OUTCOME_PIN_BLOCKED:
		return -EACCES;
	case OUTCOME_OK:
	case OUTCOME_TOKEN_FAILED:
	case OUTCOME_KEYFILE_DAMAGED:
	case OUTCOME_EXISTS:
	case OUTCOME_FAILED:
	case OUTCOME_MAX_:
		break;
	}
	return -EIO;
}

/* As the broker does: a moving average. */
static void learn_cost(struct static_key_broker *b, uint64_t us)
{
	if (us > COST_MAX_US)
		us = COST_MAX_US;
	b->cost_us = b->cost_us ? (7 * b->cost_us + us) / 8 : us;
	b->key.rate_us = RATE_COSTS * b->cost_us > RATE_US ? RATE_COSTS * b->cost_us : RATE_US;
}

void static_key_broker_answer(struct static_key *k, uint64_t id, struct secret *shared, enum outcome outcome)
{
	struct static_key_broker *b = (struct static_key_broker *)k;
	struct static_call *call;
	int error = 0;

	TAILQ_FOREACH(call, &b->calls, next)
		if (call->id == id)
			break;
	if (!call) {
		secret_free(shared);
		return;
	}
	if (shared && call->alone)
		learn_cost(b, now_us(b) - call->asked_us);
	if (!shared)
		error = error_of(outcome);
	else if (!allowed(b, call->role, call->peer))
		error = -EACCES;
	else if (secret_len(shared) != SECRET_KEY_SIZE || secret_is_zero(shared))
		error = -EINVAL;
	if (error)
		shared = secret_free(shared);
	{
		const struct static_call answered = *call;

		/* Before it is told: what it does with the answer may be to free us. */
		call_free(b, call);
		answered.done(answered.userdata, error, shared);
	}
}

bool static_key_broker_asked(const struct static_key *k, uint64_t id)
{
	const struct static_key_broker *b = (const struct static_key_broker *)k;
	const struct static_call *call;

	TAILQ_FOREACH(call, &b->calls, next)
		if (call->id == id)
			return true;
	return false;
}

void static_key_broker_changed(struct static_key *k)
{
	if (k->changed)
		k->changed(k->changed_userdata);
}

size_t static_key_broker_waiting(const struct static_key *k)
{
	const struct static_key_broker *b = (const struct static_key_broker *)k;
	const struct static_call *call;
	size_t n = 0;

	TAILQ_FOREACH(call, &b->calls, next)
		n++;
	return n;
}
