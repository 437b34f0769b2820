/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One struct request per pending bus call. It owns the reply: exactly one, always, whatever happens. Counted per uid and in
 * all from the moment it is made, so that calls that still wait for polkit count too.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/encoding.h"
#include "common/outcome.h"
#include "common/secret.h"
#include "daemon/keystore.h"

#define REQUESTS_MAX 64
#define REQUESTS_PER_UID_MAX 8
#define REQUEST_DETAIL_MAX 512

struct broker;
struct operation;
struct request;
TAILQ_HEAD(request_list, request);

enum request_kind {
	REQUEST_APPROVE,
	REQUEST_ENROLL,
	REQUEST_IMPORT,
	REQUEST_REKEY,
	REQUEST_ADD_KEYSLOT,
	REQUEST_REMOVE_KEYSLOT,
	REQUEST_EXPORT,
	REQUEST_COMMIT,
	REQUEST_GENERATE, /* this one and those that follow are about no tunnel */
	REQUEST_FIND,
	REQUEST_LIST,
};
const char *request_kind_name(enum request_kind kind); /* "approve", ... for the log */

/* new -> pending -> answered, or new -> answered (refused before anything began) */
enum request_state { REQUEST_NEW, REQUEST_PENDING, REQUEST_ANSWERED };

/* What WireGuard's handshakes need of a static key. */
enum request_role { REQUEST_ROLE_NONE, REQUEST_ROLE_STATIC, REQUEST_ROLE_INITIATOR, REQUEST_ROLE_RESPONDER };
#define REQUEST_MESSAGE_MAX 148 /* WireGuard's handshake initiation */

enum request_uv { REQUEST_UV_AUTO, REQUEST_UV_PIN, REQUEST_UV_PRESENCE };

struct request_options {
	uint64_t for_seconds;	 /* 0: the configured lifetime */
	bool wait;		 /* for a token to be plugged in */
	bool confirm_pin;
	bool make_recovery;
	bool recovery_asked; /* make_recovery was said, and is no default */
	bool add_recovery;	 /* AddKeyslot: a recovery code instead of a token */
	bool forget;
	bool has_slot;
	uint64_t slot;		 /* GetPsk: of the schedule */
	enum request_uv uv;
	char token[64];		 /* a token's id; "" for any */
	char label[KEYFILE_LABEL_MAX];
	struct secret *pin, *old_pin, *recovery; /* owned; the code as text */
	/* resident keys */
	bool has_resident, resident;
	bool has_x_slot;		   /* false: any */
	struct wire_x_slot x_slot;
	enum wire_x_touch x_touch;	   /* WIRE_X_TOUCH_UNKNOWN: nothing was said */
	bool has_handle;
	uint8_t handle[KEY_SIZE];
	bool abandon, erase;
	/* DiffieHellman */
	enum request_role role;
	bool has_peer, next;
	uint8_t peer[KEY_SIZE];
	size_t message_len;		   /* 0: none */
	uint8_t message[REQUEST_MESSAGE_MAX];
};
void request_options_clear(struct request_options *o);

/* Everything borrowed for the length of the call. */
struct request_result {
	enum outcome outcome;
	const char *detail;		/* "" for none */
	uint64_t until_boot_us;		/* approve */
	uint32_t slot;			/* add keyslot */
	const uint8_t *public_key;	/* enroll, import, rekey, generate, find */
	const struct wire_x_slot *x_slot; /* generate, and the resident ones of enroll and rekey; else NULL */
	const struct wire_result *x_list; /* list: WIRE_X_LIST's */
	const struct secret *recovery;	/* the new code's text; NULL for none */
	const struct secret *key;	/* export */
};

struct requester {
	uid_t uid;
	char session[32];  /* logind's; "" for none */
	char text[96];	   /* "uid 1000 (alice)" */
	char sender[64];   /* unique bus name */
};

struct request {
	TAILQ_ENTRY(request) link;	     /* in the broker */
	TAILQ_ENTRY(request) operation_link; /* in its operation */
	struct broker *broker;
	struct operation *operation; /* while pending */
	enum request_kind kind;
	enum request_state state;
	struct requester requester;
	uint64_t newest_token; /* number of the last one that was there when the call came */
	char ifname[IF_NAMESIZE];
	bool has_peer;
	uint8_t peer[KEY_SIZE];
	struct request_options options;
	struct secret *import_key;
	uint32_t slot;
	/* Called once, just before the request is freed. */
	void (*reply)(void *userdata, struct request *r, const struct request_result *result);
	void *userdata;
};

/* In REQUEST_NEW, for the caller to fill in. OUTCOME_LIMIT_EXCEEDED, -ENOMEM: none was made, and no reply will be called. */
int request_new(struct request **ret, struct broker *b, enum request_kind kind, const struct requester *requester);
/* Begins the work; the reply may come from within the call. */
void request_start(struct request *r);
void request_answer(struct request *r, const struct request_result *result);
void request_refuse(struct request *r, enum outcome outcome, const char *detail);
/* The caller went away, or asked for it; ends the operation (and at the token) when nobody else waits for it. */
void request_cancel(struct request *r, const char *why);
