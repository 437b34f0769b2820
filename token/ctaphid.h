/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CTAPHID host (CTAP 2.1, section 11.2) on a transport: a channel, and one transaction at a time on it. libfido2's own
 * engine swallows KEEPALIVE, so that nobody could be told when to touch, and trusts the token to answer; this one does neither.
 *
 * Every function ends by the absolute deadline, whatever the token sends; a request that is given up (deadline, interrupt) is
 * cancelled at the token, whose answer to that is awaited for CTAPHID_CANCEL_GRACE_US more. After any negative return the
 * channel is out of step: close the transport.
 */
#pragma once

#include "token/ctaphid-frame.h"

#define CTAPHID_CANCEL_GRACE_US (400 * US_PER_MS)
/* INIT is answered at once, by a busy token too. */
#define CTAPHID_INIT_PATIENCE_US (5 * US_PER_SEC)
/* A token that has forgotten a channel may say so, or nothing. */
#define CTAPHID_RESUME_PATIENCE_US (300 * US_PER_MS)

enum ctaphid_error {
	CTAPHID_ERR_INVALID_COMMAND = 0x01,
	CTAPHID_ERR_MSG_TIMEOUT = 0x05,
	CTAPHID_ERR_CHANNEL_BUSY = 0x06,
	CTAPHID_ERR_LOCK_REQUIRED = 0x0a,
};

enum ctaphid_status { CTAPHID_STATUS_PROCESSING = 1, CTAPHID_STATUS_UPNEEDED = 2 };

struct ctaphid {
	struct transport *transport;
	void (*status)(void *userdata, uint8_t status); /* each KEEPALIVE; NULL: nobody asks */
	void *userdata;

	uint32_t cid;
	uint8_t protocol, major, minor, build, capabilities; /* as INIT answered */
	uint8_t error;					     /* of a CTAPHID_ERROR: set with -EREMOTEIO */
	bool touch_wanted; /* the last transaction's last KEEPALIVE asked for a touch: what a -ETIMEDOUT means */
};

void ctaphid_init(struct ctaphid *c, struct transport *t, void (*status)(void *userdata, uint8_t status), void *userdata);

/*
 * Allocates a channel on the transport, which is open. -EBUSY: busy up to the deadline. -EPROTO: a senseless channel.
 * -ETIMEDOUT, -ECANCELED and what the transport returns.
 */
int ctaphid_connect(struct ctaphid *c, uint64_t deadline_us);

/*
 * The same with a channel that was allocated before, instead of one more of the few that a token knows. What the token still has
 * going on in it ends (section 11.2.9.1.3). -ENOENT: the token does not take it up; connect.
 */
int ctaphid_resume(struct ctaphid *c, uint32_t cid, uint64_t deadline_us);

/*
 * Sends a request and waits for its reply: CHANNEL_BUSY is tried again with back-off (-EBUSY at the deadline), a few times too what
 * the token gave up because the rest of the request did not come in time (a machine that is overloaded); KEEPALIVE goes to the callback. -EREMOTEIO: the token answered CTAPHID_ERROR, see error. -EPROTO, -EMSGSIZE: the token broke the
 * protocol, or request or reply are too long. *ret_len is written on success only.
 */
int ctaphid_transact(struct ctaphid *c, uint8_t command, const uint8_t *request, size_t len, uint8_t *reply, size_t size,
	size_t *ret_len, uint64_t deadline_us);
