/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wgX25519 in the software token: the device of token/x25519 between CTAPHID (token/soft/hid.h) and the state
 * file (token/soft/store.h).
 */
#pragma once

#include "token/soft/hid.h"
#include "token/soft/store.h"
#include "token/x25519/device.h"

/* What to do wrong with an answer: for tests of the host. What CTAPHID itself can do wrong is SOFTHID_*. */
enum soft_x25519_lie {
	SOFT_X25519_HONEST,
	SOFT_X25519_GARBAGE, /* op, status and length are right, the rest is nonsense */
	SOFT_X25519_SHORT,   /* one byte too few */
	SOFT_X25519_LONG,    /* one too many */
	SOFT_X25519_ZERO,    /* the result of DH is zero, properly sealed */
	SOFT_X25519_REPLAY,  /* the answer before, again */
};

struct soft_x25519;

/* In guarded memory. data stays the caller's. save writes *data; a failure fails the request. -ENOMEM, -EIO. */
int soft_x25519_new(struct soft_x25519 **ret, struct store_data *data, int (*save)(void *userdata), void *userdata);
/* NULL is allowed; always returns NULL. */
struct soft_x25519 *soft_x25519_free(struct soft_x25519 *s);
/* The first so many answers are honest. */
void soft_x25519_set_lie(struct soft_x25519 *s, enum soft_x25519_lie lie, unsigned int honest_first);

/* The handler of X25519_COMMAND; userdata is a struct soft_x25519. */
enum softhid_verdict soft_x25519_handle(void *userdata, const struct softhid_message *message, struct softhid_reply *reply);
/* For struct softhid's channel_ended. */
void soft_x25519_channel_ended(void *userdata, uint32_t channel);
/* *data was emptied. -EIO: it has no channel key then, and pairs nobody. */
int soft_x25519_reset(struct soft_x25519 *s);
