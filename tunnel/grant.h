/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the broker allows this tunnel now. Pure: the broker's words and the time go in, yes or no comes out. Nothing is allowed to begin
 * with, nor without a lease, whatever was approved; an approval's end is kept here, on CLOCK_BOOTTIME, and needs no word of
 * the broker's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/lease.h"
#include "common/encoding.h"

/* A key of the tunnel's in a token. */
struct grant_key {
	bool known;
	uint8_t public_key[KEY_SIZE];
	uint8_t handle[KEY_SIZE]; /* all zero: not told */
};

struct grant_peer {
	uint8_t public_key[KEY_SIZE];
	uint64_t until_us;
};

struct grant {
	bool here; /* the broker is on the bus */
	struct lease lease;
	bool known;    /* it has told of this tunnel */
	bool resident; /* it is an identity whose key is in a token */
	struct grant_key present, next;
	uint64_t until_us; /* of the tunnel; 0: not approved */
	char why[96];	   /* it is not approved: for the log and the status */
	struct grant_peer *peers;
	size_t n_peers;
	bool wants_handle; /* somebody set this as the interface's private key: the tunnel's key must be it */
	uint8_t wanted_handle[KEY_SIZE];
};

void grant_init(struct grant *g);
void grant_clear(struct grant *g);

/* The broker came, or left: all that it said is forgotten. */
void grant_broker(struct grant *g, bool here);
/* What was approved counts again only when the broker has said it again. */
void grant_forget(struct grant *g);
/* until_us counts while the peer is listed; -ENOMEM: it is not allowed. */
int grant_peer(struct grant *g, const uint8_t public_key[static KEY_SIZE], uint64_t until_us);

/* Is the tunnel open? ret_why NULL or set when it is not: one phrase. */
bool grant_is_open(const struct grant *g, uint64_t now_us, const char **ret_why);
/* Is it for this peer? */
bool grant_is_open_for(const struct grant *g, const uint8_t public_key[static KEY_SIZE], uint64_t now_us);
/* CLOCK_BOOTTIME of the next end of an approval, US_NEVER if none is. */
uint64_t grant_next(const struct grant *g, uint64_t now_us);
/* The key is not the one that was set as the interface's private key. */
bool grant_is_mismatch(const struct grant *g);
