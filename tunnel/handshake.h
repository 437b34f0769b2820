/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control thread's half of a peer: its handshakes in both roles, its configuration and its timers.
 *
 *   NONE --want a session--> WANT_STATIC --ss--> SENT --response--> WANT_RESULT --se--> a session, NONE
 *          (ss is at hand: at once)     retries every 5 s for 90 s    wrong: back to SENT
 *
 * As responder there is no state between messages: struct responder lives from an initiation to the response to it.
 * Both directions may be under way at once; each leads to a session of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tunnel/control.h"
#include "tunnel/cookie.h"
#include "tunnel/noise.h"
#include "tunnel/timers.h"

enum handshake_state {
	HANDSHAKE_NONE,
	HANDSHAKE_WANT_STATIC, /* ss is asked for */
	HANDSHAKE_SENT,
	HANDSHAKE_WANT_RESULT, /* a response is here, se is asked for */
};

struct handshake {
	struct control *control;
	struct peer *peer;

	struct secret *psk; /* NULL: none */
	uint16_t keepalive_s;

	struct secret *ss; /* while approved */
	struct static_call *ss_call;

	enum handshake_state state;
	bool wanted; /* begin again when the one under way has ended in nothing */
	struct noise noise;
	struct index_entry entry; /* in the device's table from SENT on */
	struct static_call *se_call;
	struct message_response response;
	struct endpoint response_from;
	uint64_t response_us;
	uint64_t sent_us; /* the last initiation; 0: never */
	struct cookie_jar jar;

	uint8_t latest_timestamp[MESSAGE_TIMESTAMP_SIZE];
	uint64_t consumed_us; /* when the last initiation was accepted */
	struct responder *waiting; /* for ss */

	struct probe *probe; /* under the next key (tunnel/successor.h); NULL: none */

	struct timers timers;
	struct deadline deadline;
	uint64_t completed_real_us; /* the last handshake; 0: never */
	uint64_t roamed_us; /* when its endpoint last changed with a packet; 0: never */
};

/* One initiation on its way to being answered. */
struct responder {
	struct responder *next, *prev;
	struct control *control;
	struct peer *peer; /* once it is known; it waits for ss */
	struct message_initiation message;
	struct endpoint from;
	uint64_t came_us;
	bool proven; /* it came with a cookie */
	struct noise noise;
	struct static_call *call; /* es */
};

/* handshake.c: as initiator. retry: of the same series. */
void handshake_begin(struct handshake *h, bool retry, struct instant now);
void handshake_response(struct control *c, const struct message_response *m, const struct endpoint *from, struct instant now);
/* Asks for ss. 1: it is there; 0: it comes later, and then both roles go on; negative: refused. */
int handshake_want_ss(struct handshake *h, struct instant now);
/* Forgets the one under way as initiator, nothing else. */
void handshake_abandon(struct handshake *h);
/* Forgets what was made with the static key, in the role of initiator; sessions stay. */
void handshake_forget_key(struct handshake *h);
/* Forgets everything secret of the peer but its psk, in both roles, and all of its sessions and staged packets. Both
 * locks are held. */
void handshake_close_locked(struct handshake *h);
/* Puts the timers into order after something happened. */
void handshake_schedule(struct handshake *h, uint64_t now_us);
void handshake_timers(struct handshake *h, struct instant now);
/* Where it was heard from, when that was authenticated. */
void handshake_roam(struct handshake *h, const struct endpoint *from);
/* Notes a handshake message that went out, or one that was authenticated. */
void handshake_note_sent(struct handshake *h, size_t len, uint64_t now_us);
void handshake_note_received(struct handshake *h, size_t len, uint64_t now_us);

/* session-install.c: the new session of a handshake, in its place among the peer's. Takes s over, whose entry takes from's place in
 * the table. */
void handshake_install(struct handshake *h, struct session *s, struct index_entry *from, struct instant now);
/* A packet came in peer->next. */
void handshake_confirm(struct handshake *h, struct instant now);

/* responder.c */
void responder_initiation(struct control *c, const struct message_initiation *m, const struct endpoint *from, struct instant now);
/* ss came, or did not (NULL in h). */
void responder_resume(struct responder *r, struct instant now);
struct responder *responder_free(struct responder *r);
