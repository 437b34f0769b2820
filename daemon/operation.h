/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An operation is the work behind one request, or behind several approve requests that are equal and share a touch. Each
 * kind is a small state machine over the results of jobs, built from two parts: unlock (get a tunnel's token key out of its
 * key file) and create (make a credential and a wrapping key on a token that is to have a keyslot).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "daemon/request.h"
#include "daemon/token.h"
#include "daemon/tunnel.h"

struct operation;
TAILQ_HEAD(operation_list, operation);

/*
 * A PIN of the call. It goes to one token, and to none that was plugged in after the call came: that one may be of the same
 * model, and another key.
 */
struct pin {
	const struct secret *text; /* NULL: none was given */
	uint64_t newest;	   /* number of the last token that was there; UINT64_MAX: later ones may have it too */
	uint64_t token;		   /* the one that it went to; 0: none yet */
};

enum operation_state {
	OPERATION_BUSY,	      /* the token works, or serves others first */
	OPERATION_WAIT_TOKEN, /* for one to be plugged in */
	OPERATION_TOUCH,      /* the token blinks */
	OPERATION_DONE,
};

struct operation_ops {
	size_t size; /* of the struct that begins with struct operation */
	unsigned int steps;
	/* Refusals and the first step. */
	void (*start)(struct operation *op);
	/* A token came, or became known. */
	void (*token_added)(struct operation *op, struct token *t);
	/* Cancels its jobs and wipes what it holds. Once, when no function of the operation is on the stack any more. */
	void (*clear)(struct operation *op);
};

struct operation {
	TAILQ_ENTRY(operation) link;
	struct broker *broker;
	const struct operation_ops *ops;
	enum request_kind kind;
	enum operation_state state;
	struct request_list requests;
	struct requester requester; /* of the first one */
	char ifname[IF_NAMESIZE];   /* as asked */
	char target[IF_NAMESIZE];   /* the tunnel at hand: another one while a global approval goes round */
	bool has_peer;
	uint8_t peer[KEY_SIZE];
	struct request_options options;
	struct pin pin, old_pin; /* of the options */
	/* The prompt, for properties */
	const char *waits_for;	    /* "token" or "token-with-key", in OPERATION_WAIT_TOKEN */
	const char *touch;	    /* "touch", "touch-new" or "touch-pair", in OPERATION_TOUCH */
	char token_name[WIRE_TEXT_MAX];
	uint64_t deadline_boot_us;
	unsigned int step, steps;
	uint64_t window_end; /* approve: of window keys, unix seconds; 0 and UINT64_MAX: none */
	bool round;		    /* a global approval, that goes on to other tunnels */
	sd_event_source *wait_timer;
};

/* Takes the request in: joins an equal operation or makes a new one. -ENOMEM: neither. */
int operation_begin(struct broker *b, struct request *r);
void operation_free(struct operation *op);

/* Answers all its requests; its struct stays valid until the event loop's next turn. A second end is ignored. */
void operation_end(struct operation *op, const struct request_result *result);
void operation_fail(struct operation *op, enum outcome outcome, const char *detail);
/* outcome: negative errno or positive outcome; the format says what was tried */
void operation_fail_with(struct operation *op, int outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void operation_set_state(struct operation *op, enum operation_state state);
/* For the prompt: at which token, until when. */
void operation_set_prompt(struct operation *op, const struct token *t, uint64_t deadline_boot_us);
void operation_set_step(struct operation *op, unsigned int step);
struct tunnel *operation_tunnel(const struct operation *op);
/* "", "token", "token-with-key", "touch", "touch-new", "touch-pair", "busy" */
const char *operation_prompt(const struct operation *op);
bool pin_fits(const struct pin *p, const struct token *t);
/* Why it does not. */
void pin_explain(char *buf, size_t size, const struct pin *p, const struct token *t);
/* Seconds that the approval of the tunnel at hand will last; 0: it is none, or the tunnel is gone. */
uint32_t operation_lifetime(const struct operation *op);

extern const struct operation_ops operation_approve, operation_enroll, operation_add_keyslot,
	operation_remove_keyslot, operation_export;

/*
 * unlock: the token key t out of a key file. Every plugged token that has a keyslot is asked, and the first one touched wins;
 * or a recovery code, at once.
 */
struct unlock;
struct unlock_params {
	const struct keyfile *keyfile;	/* copied */
	struct pin *pin;		/* borrowed until the end */
	const struct secret *recovery;	/* the same; NULL: none */
	const char *token_id;		/* "": any */
	uint64_t only_number;		/* 0: any */
	uint64_t except_number;		/* 0: none */
	bool wait;
	bool confirm_pin;
};
struct unlock_result {
	int outcome; /* negative errno, or an outcome */
	const char *detail;
	struct secret **t;	   /* may be taken */
	const struct token *token; /* NULL: a recovery code did it */
	enum wire_uv uv;
};
typedef void (*unlock_done_t)(struct operation *op, struct unlock_result *result);

/* done may come from within the call. -ENOMEM */
int unlock_start(struct unlock **ret, struct operation *op, const struct unlock_params *params, unlock_done_t done);
void unlock_token_added(struct unlock *u, struct token *t);
struct unlock *unlock_free(struct unlock *u); /* cancels what runs */

/* create: chooses the token, makes the credential (one touch) and evaluates salt with it (another). */
struct create;
struct create_params {
	const struct keyfile *keyfile;	/* AddKeyslot: whose credentials are excluded; NULL: none. Copied */
	const char *tunnel_name;
	const uint8_t *salt;		/* 32 bytes, copied */
	struct pin *pin;		/* borrowed until the end */
	const char *token_id;		/* "": the only one there is */
	enum request_uv uv;
	bool wait;
	bool confirm_pin;
};
struct create_result {
	int outcome;
	const char *detail;
	struct token *token;
	enum wire_uv uv;
	const uint8_t *aaguid;
	const struct wire_credential *credential;
	struct secret **kek; /* may be taken */
};
typedef void (*create_done_t)(struct operation *op, struct create_result *result);

int create_start(struct create **ret, struct operation *op, const struct create_params *params, create_done_t done);
void create_token_added(struct create *c, struct token *t);
struct create *create_free(struct create *c);
