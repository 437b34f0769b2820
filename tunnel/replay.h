/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which counters of a session were seen: a sliding window after RFC 6479 (WireGuard whitepaper section 5.4.6). The window is
 * wide, since packets of one batch may come out of order by hundreds. Not thread-safe: the in thread's alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REPLAY_WORD_BITS 64
#define REPLAY_BITS 8192			      /* a power of two */
#define REPLAY_WINDOW (REPLAY_BITS - REPLAY_WORD_BITS) /* the word that is being filled does not count */

struct replay {
	uint64_t next; /* one more than the greatest counter that was seen */
	uint64_t seen[REPLAY_BITS / REPLAY_WORD_BITS];
};

void replay_init(struct replay *r);

/* Could it be taken? Cheap, before decrypting; changes nothing. */
bool replay_may(const struct replay *r, uint64_t counter);

/* True once per counter: for a packet that was authenticated. False: seen before, too old, or at the end of counters
 * (SESSION_REJECT_AFTER_MESSAGES). */
bool replay_take(struct replay *r, uint64_t counter);
