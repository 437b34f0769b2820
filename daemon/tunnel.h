/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configured tunnel: its configuration, its key file, and why its last approval ended. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/config.h"
#include "daemon/approval.h"
#include "daemon/dh.h"
#include "daemon/keystore.h"

struct broker;

/* What changed, for the bus to tell. */
enum tunnel_change {
	TUNNEL_CHANGE_STATE = 1,  /* State, ApprovedUntil, EndReason */
	TUNNEL_CHANGE_PROMPT = 2, /* State, Prompt... */
	TUNNEL_CHANGE_KEY = 4,	  /* Held, PublicKey, KeySlots, Guarantee, Problem, State */
	TUNNEL_CHANGE_CONFIG = 8, /* anything */
};

struct tunnel_peer {
	struct tunnel *tunnel;
	const struct config_peer *config;
	enum approval_end end_reason;
	bool dirty;
	struct dh_peer dh;
	char requester[96]; /* of the last approval: "uid 1000 (alice)" */
};

struct tunnel {
	TAILQ_ENTRY(tunnel) link;
	struct broker *broker;
	char ifname[IF_NAMESIZE];
	struct config *config;	   /* NULL: misconfigured */
	struct tunnel_peer *peers; /* beside config->peers */
	char *config_problem;	   /* "file:line: what" */
	struct keyfile *keyfile;   /* NULL: none, or damaged */
	char *key_problem;	   /* what is damaged */
	uint8_t config_hash[32], key_hash[32]; /* of the files as read: to know what a reload changed */
	enum approval_end end_reason;
	unsigned int dirty; /* enum tunnel_change */
	struct dh_tunnel dh;
	/* ForgetKey is for whom has just exported the key. */
	char exporter[64];
	uint64_t forget_until_boot_us;
};
TAILQ_HEAD(tunnel_list, tunnel);

/* Why some things cannot be done with a resident key. */
#define TUNNEL_RESIDENT_NO_KEYSLOTS "the key never leaves its security key, so it has no keyslots and no recovery code: a spare one is a tunnel of its own"
#define TUNNEL_RESIDENT_NO_EXPORT "the key never leaves its security key, so nobody can take it out"

int tunnel_new(struct tunnel **ret, struct broker *b, const char *ifname);
struct tunnel *tunnel_free(struct tunnel *t);

/* Reads both files anew. Problems are no error: they become the tunnel's. *ret_changed: enum tunnel_change of what differs. */
int tunnel_read(struct tunnel *t, unsigned int *ret_changed);
int tunnel_read_key(struct tunnel *t);

/* The admin's own PSKs to mix in, one entry for each peer of the configuration, NULL for none. Negative errno, with *ret_path. */
int tunnel_load_preshared(struct secret ***ret, const struct tunnel *t, const char **ret_path);
void tunnel_free_preshared(struct secret **preshared, const struct tunnel *t);

/* OUTCOME_OK if its key can be used, else why not; *ret_detail is the tunnel's. */
int tunnel_check_usable(const struct tunnel *t, const char **ret_detail);
/* NULL: every peer of it is meant */
void tunnel_mark(struct tunnel *t, unsigned int what, const uint8_t *peer);
/* What people call it: "wg0", or "wg0 (Office)" */
void tunnel_describe(const struct tunnel *t, const uint8_t *peer, char *buf, size_t size);

const char *tunnel_held(const struct tunnel *t);
const char *tunnel_state(const struct tunnel *t);
const char *tunnel_problem(const struct tunnel *t);
const char *tunnel_guarantee(const struct tunnel *t);
uint64_t tunnel_approved_until(const struct tunnel *t);
const char *tunnel_peer_state(const struct tunnel *t, const struct config_peer *peer);
uint64_t tunnel_peer_approved_until(const struct tunnel *t, const struct config_peer *peer);
/* "" if nobody */
const char *tunnel_peer_requester(const struct tunnel *t, const struct config_peer *peer);
/* What Prompt and what goes with it say, where that is of no operation but of a handshake: the token wants a touch for it. */
bool tunnel_handshake_touch(const struct tunnel *t);
/* The operation whose prompt is shown: the oldest on this tunnel. NULL: none. */
const struct operation *tunnel_operation(const struct tunnel *t);
