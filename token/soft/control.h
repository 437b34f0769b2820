/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The finger: a SOCK_SEQPACKET socket, beside the token's at PATH.ctl unless --control says where. One text per packet, without a NUL:
 *   "status"  answered "idle" or "touch"
 *   "touch"   waits until a touch is wanted, gives it, and is answered "ok"
 *   "deny"    the same, but refuses
 * "auto" is the answer to the last two where touches are given by themselves; "unknown" to anything else.
 * Closing the connection takes a waiting touch back.
 */
#pragma once

#include "token/soft/hid.h"
#include "token/soft/server.h"

#define CONTROL_SUFFIX ".ctl"
#define CONTROL_REPLY_MAX 16

struct control {
	struct server server;
	enum ctap2_touch pending[SERVER_CLIENTS_MAX]; /* CTAP2_TOUCH_NONE: nothing waits */
	bool automatic;
	struct softhid *hid;
};

/* Opens and publishes. */
int control_open(struct control *c, const char *path, mode_t mode, struct softhid *hid, bool automatic);
/* Gives a waiting touch to a token that wants one; to be called whenever one of the two may have changed. */
void control_apply(struct control *c, uint64_t now_us);
void control_close(struct control *c);
