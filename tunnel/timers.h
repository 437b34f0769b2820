/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a peer wants attention by itself (WireGuard whitepaper section 6). Pure: what is known and the time in, what is due and
 * the next deadline out. Times are CLOCK_BOOTTIME in us, 0: not set.
 *
 * The path threads only write down when something was sent and received; nobody arms a timer per packet. While a peer is active
 * we look again every TIMERS_POLL_US, which is shorter than the shortest of the waits that such a note can begin.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

/* Whitepaper section 6.1. */
/* A test's program has another. */
#ifndef TIMERS_REKEY_TIMEOUT_US
#define TIMERS_REKEY_TIMEOUT_US (5 * US_PER_SEC)
#endif
#define TIMERS_REKEY_ATTEMPT_US (90 * US_PER_SEC)
#define TIMERS_KEEPALIVE_US (10 * US_PER_SEC)
#define TIMERS_UNANSWERED_US (TIMERS_KEEPALIVE_US + TIMERS_REKEY_TIMEOUT_US)
#define TIMERS_ZERO_KEYS_US (3 * 180 * US_PER_SEC)
#define TIMERS_JITTER_US (333 * US_PER_MS)
#define TIMERS_POLL_US (5 * US_PER_SEC)

#define TIMERS_RETRANSMIT 1u  /* the initiation again */
#define TIMERS_GIVE_UP 2u     /* instead: for REKEY_ATTEMPT nobody has answered */
#define TIMERS_UNANSWERED 4u  /* data was sent and nothing came back: a new handshake */
#define TIMERS_KEEPALIVE 8u   /* data came and nothing was sent: an empty packet */
#define TIMERS_PERSISTENT 16u /* nothing went either way for the configured interval */
#define TIMERS_ZERO_KEYS 32u  /* no new session for so long: wipe what is left */
#define TIMERS_IDLE 64u	      /* nothing waits: active may be cleared */

struct timers {
	uint64_t attempt_since_us; /* the first of this series of initiations */
	uint64_t retransmit_us;	   /* deadline */
	uint64_t zero_keys_us;	   /* deadline */
	uint64_t persistent_us;	   /* interval */
	uint64_t persistent_base_us; /* when it was configured, or last fell due */
	uint64_t poll_us;	   /* deadline, while active */
};

/* What the path threads have noted: a snapshot of struct peer_traffic. */
struct timers_seen {
	uint64_t last_sent_us, last_received_us, unanswered_since_us, unacknowledged_since_us;
	bool active;
};

/* The deadlines that were reached are cleared or moved on in t; notes of the path threads are the caller's to clear. */
uint32_t timers_due(struct timers *t, const struct timers_seen *seen, uint64_t now_us);
/* The next one, US_NEVER when nothing waits. */
uint64_t timers_next(const struct timers *t, const struct timers_seen *seen);
