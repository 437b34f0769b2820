/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugged tokens, with what is known of each, and the queue of work for its worker. A job is one operation at one token: queued by
 * turn, and within one first in, first out, since a worker does one thing at a time. All callbacks come from the event loop, never
 * from within a call made here, so that their owners need not expect re-entry.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "common/wire.h"
#include "daemon/presence.h"
#include "daemon/worker.h"

#define TOKENS_MAX 32
#define TOKEN_PIN_FEW 3 /* with so many tries left, or fewer, the user must confirm */
#define TOKEN_PIN_FEW_CARD 2 /* cards have three in all: as many as that are no sign of a mistake */

struct job;
TAILQ_HEAD(job_list, job);

struct token {
	TAILQ_ENTRY(token) link;
	struct tokens *all;
	uint64_t number; /* the N of its object path; never used twice */
	struct token_node node;
	struct worker *worker; /* NULL: none yet, or it died; the next job starts one */
	bool info_known;
	struct wire_token_info info;
	struct job_list jobs; /* the first one runs */
	sd_event_source *kick;
	bool dirty; /* its properties changed; the broker tells */
	uint64_t x_cost_us; /* how long it takes for an X25519, lately; 0: not known */
};
TAILQ_HEAD(token_list, token);

struct tokens {
	sd_event *event;
	const char *worker_exe;
	struct token_list list;
	size_t n;
	uint64_t next_number;
	void (*changed)(void *userdata, struct token *t); /* its properties */
	void *userdata;
};

enum job_state {
	JOB_NEW,
	JOB_QUEUED,
	JOB_ASKING,  /* WIRE_INFO goes first: PIN tries are looked at right before the PIN is used */
	JOB_RUNNING,
	JOB_DROPPED, /* cancelled, if need be at the token; its result is awaited, for nobody */
};

/* Who goes first of those that wait at a token. */
enum job_turn {
	JOB_FOR_USERS,	    /* somebody sits before it */
	JOB_FOR_HANDSHAKES, /* there are many of them, and nobody does */
	JOB_FOR_ANYBODY,    /* whoever likes has them done, as often as they like */
};

struct job {
	TAILQ_ENTRY(job) link;
	struct token *token;
	enum job_state state;
	bool brief; /* takes no touch, so that it ends by itself */
	struct wire_request request;
	bool confirm_pin; /* go on with TOKEN_PIN_FEW tries or fewer */
	enum job_turn turn;
	/* The token has begun with the request itself. May be NULL. */
	void (*begun)(void *userdata, struct job *j);
	void (*touch)(void *userdata, struct job *j);
	/* The end, once; j is freed after it. Secrets of result may be taken. */
	void (*done)(void *userdata, struct job *j, struct wire_result *result);
	void *userdata;
};

void tokens_init(struct tokens *all, sd_event *event, const char *worker_exe,
	void (*changed)(void *userdata, struct token *t), void *userdata);
void tokens_clear(struct tokens *all);

/* -E2BIG: too many; -EEXIST. Its WIRE_INFO is asked for at once. */
int tokens_add(struct tokens *all, struct token **ret, const struct token_node *node);
struct token *tokens_find(struct tokens *all, const char *id);
/* Its jobs end with OUTCOME_TOKEN_FAILED. It is off the list when their callbacks run. */
void token_remove(struct token *t);

/* What a person calls it: the product's name, else the node's. */
const char *token_name(const struct token *t);
const char *token_pin_state(const struct token *t);
bool token_busy(const struct token *t);

/* A job in JOB_NEW, for the caller to fill in request (whose type is set) and callbacks. */
int job_new(struct job **ret, struct token *t, enum wire_type type, void *userdata);
/* From here on it is the token's. */
void job_start(struct job *j);
/* No callback will come; NULL is allowed and always returned. */
struct job *job_cancel(struct job *j);
