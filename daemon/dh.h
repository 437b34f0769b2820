/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * X25519 with the resident key of an identity tunnel, for WireGuard's handshakes: what Tunnel.DiffieHellman on the bus asks for, as
 * its XML says. A call is no request of a user's, and has no operation: there are many, they are short, and a token that a user
 * sits before serves that one first. All of them end with the approval, and none is remembered but by its message's mac1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/bucket.h"
#include "daemon/keystore.h"
#include "daemon/mac1.h"
#include "daemon/request.h"

#define DH_RESPONDER_BURST 16
#define DH_RESPONDER_WAITING_MAX 4
#define DH_RESPONDER_INTERVAL_MIN_US 20000
#define DH_INITIATOR_BURST 4
#define DH_INITIATOR_INTERVAL_US 5000000 /* WireGuard's REKEY_TIMEOUT, whitepaper section 6.1 */
#define DH_WAITING_MAX 64		 /* of one tunnel, in all */
#define DH_REMEMBERED 64

struct broker;
struct tunnel;
struct dh_call;
TAILQ_HEAD(dh_call_list, dh_call);

/* What a tunnel remembers between calls. */
struct dh_tunnel {
	uint64_t generation;	  /* of its approval: another one when that has ended; starts at 1 */
	bool bucket_ready;
	struct bucket responder;
	unsigned int next_mac1;
	uint8_t mac1[DH_REMEMBERED][MAC1_SIZE];
	struct dh_call_list calls;
	/* What the token wants for one of the calls, for the prompt. */
	unsigned int touches;
	char token_name[WIRE_TEXT_MAX];
	uint64_t deadline_boot_us;
};

/* The same for a peer as responder to us. */
struct dh_peer {
	uint64_t generation; /* of the approval under which "static" was answered; 0: none */
	bool bucket_ready;
	struct bucket initiator;
	bool waiting;
};

struct dh_params {
	enum request_role role;
	uint8_t point[KEY_SIZE];
	bool has_peer;
	uint8_t peer[KEY_SIZE];
	const uint8_t *message; /* borrowed for the call */
	size_t message_len;	/* 0: none */
	bool next;		/* with the next key */
};

/* Once; never from within dh_start. shared may be taken; NULL unless OUTCOME_OK. */
typedef void (*dh_done_t)(void *userdata, int outcome, const char *detail, struct secret **shared);

void dh_tunnel_init(struct dh_tunnel *d);
/* An outcome or negative errno, with *ret_detail: nothing was begun. */
int dh_start(struct dh_call **ret, struct tunnel *t, const struct dh_params *params, dh_done_t done, void *userdata,
	const char **ret_detail);
/* No callback will come; NULL is allowed and always returned. */
struct dh_call *dh_cancel(struct dh_call *c);
/* The approval of a tunnel ended, or it goes: its calls are answered, with nothing. */
void dh_end(struct tunnel *t, int outcome, const char *detail);
