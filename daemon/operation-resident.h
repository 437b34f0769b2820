/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What operations on resident keys are made of: survey (which keys do the plugged-in tokens have?) and use (have a token use its
 * key, after it was found). Built like unlock and create in operation.h, which do the same for wrapped keys.
 */
#pragma once

#include "daemon/operation.h"

/* Capabilities of which one is needed for resident keys. */
#define X_CAPABILITIES (WIRE_CAP_X25519 | WIRE_CAP_OPENPGP | WIRE_CAP_PIV)
uint32_t x_capability(enum wire_x_kind kind);

/*
 * Fills in who we are for a request about a key of that token: nothing for cards. OUTCOME_WRONG_TOKEN: not paired (any more).
 * Negative errno, with *ret_detail.
 */
int x_fill_channel(struct broker *b, struct wire_request *request, enum wire_x_kind kind, const uint8_t token_public[static KEY_SIZE],
	const char **ret_detail);
/* Whether a token's session, opened by a PIN, has to go on for an approval. */
bool x_session_wanted(struct broker *b, const char *token_id);

/* The end of that: where no approval wants it, the token is told. What key files say by now does not count. */
void x_forget_session(struct broker *b, const char *token_id);

/* survey: each plugged-in token that can have resident keys is asked which it has. No touch. */
struct survey;
struct survey_params {
	uint32_t capabilities;	/* any of these */
	const char *token_id;	/* "": any */
	uint64_t only_number;	/* 0: any */
	bool wait;		/* for a token to be plugged in; until visit has said true */
	bool first;		/* wait only until one was there to be visited */
	bool behind;		/* anybody may have it done: JOB_FOR_ANYBODY */
};
/* list: WIRE_X_LIST's. True: that was the one, no more are visited. */
typedef bool (*survey_visit_t)(void *userdata, struct token *t, const struct wire_result *list);
/* All were visited, and none was the one. outcome: OUTCOME_TOKEN_MISSING, _UNSUPPORTED, _WRONG_TOKEN, or what went wrong. */
typedef void (*survey_done_t)(void *userdata, int outcome, const char *detail);

/* done may come from within the call. -ENOMEM */
int survey_start(struct survey **ret, struct operation *op, const struct survey_params *params, survey_visit_t visit, survey_done_t done,
	void *userdata);
void survey_token_added(struct survey *s, struct token *t);
struct survey *survey_free(struct survey *s); /* cancels what runs */

/* use: finds the token with the key, and has it compute X25519 with each point in turn; or with one of ours, as proof that the key is T's. */
struct use;
struct use_params {
	const struct keyfile_resident *key; /* copied */
	const uint8_t (*points)[KEY_SIZE];  /* n_points of them, copied */
	size_t n_points;		    /* 0: the proof */
	struct pin *pin;		    /* borrowed until the end */
	const char *token_id;		    /* "": any */
	uint64_t only_number;		    /* 0: any */
	bool wait;
	bool confirm_pin;
	bool keep;			    /* the session that a PIN opened */
};
struct use_result {
	int outcome;
	const char *detail;
	const struct token *token;
	enum wire_uv uv;
	struct secret **shared; /* n_points of them, borrowed; NULL for a proof */
};
typedef void (*use_done_t)(struct operation *op, struct use_result *result);

/* Touches that it may ask for. */
unsigned int use_touches(const struct keyfile_resident *key, size_t n_points);
/* done may come from within the call. -ENOMEM. Moves the operation's step on between touches. */
int use_start(struct use **ret, struct operation *op, const struct use_params *params, use_done_t done);
void use_token_added(struct use *u, struct token *t);
struct use *use_free(struct use *u);

extern const struct operation_ops operation_resident, operation_find, operation_list, operation_commit;
