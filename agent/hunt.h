/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer whose clock is off, as the side without a choice sees it: which slot's PSK shall WireGuard hold for this peer now?
 * Pure; one small struct per peer, fed with what a poll of the interface shows.
 *
 * What it must never do:
 *  - try a slot further than HUNT_REACH from the gateway's own clock (where both ends have a token, further back than the
 *    broker's chain goes: HUNT_REACH_BACK_TOKEN);
 *  - try a slot more than one behind the furthest that a handshake has confirmed, moved on by the time gone by since (CLOCK_BOOTTIME).
 *    So a client that was frozen, or a copy of one, cannot pull the gateway back to PSKs of the past, not even step by step;
 *  - leave the peer's slot for one that arriving data alone suggests: only initiations without a handshake do.
 *
 * Offsets are in slots, against the "steady" slot: that of a clock which agrees with CLOCK_REALTIME when the agent starts and
 * runs with CLOCK_BOOTTIME from there. A step of the gateway's clock thus does not move what is known of the peers'.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define HUNT_REACH 5
#define HUNT_REACH_BACK_TOKEN 1

struct hunt_clock {
	uint64_t slot_us;
	int64_t steady_us;   /* add to CLOCK_BOOTTIME */
	int64_t reach_back;  /* slots; HUNT_REACH unless set to less */
	struct instant now;
	/* How long a handshake keeps a peer out of the hunt; how long a try takes at least, and the pause where it most likely is, behind each;
	 * how long until silence ends one. */
	uint64_t live_us, try_us, between_us, quiet_us;
};
/* WireGuard's timers: a live session rekeys from 120 s on, retries every 5 s and a third. */
#define HUNT_LIVE_US (135 * US_PER_SEC)
#define HUNT_TRY_US (11 * US_PER_SEC)
#define HUNT_BETWEEN_US (6 * US_PER_SEC)
#define HUNT_QUIET_US (30 * US_PER_SEC)
#define HUNT_BACKOFF_US (30 * US_PER_SEC) /* doubled by every fruitless round, up to */
#define HUNT_BACKOFF_MAX_US (600 * US_PER_SEC)

void hunt_clock_init(struct hunt_clock *c, uint32_t slot_seconds, struct instant now);
/* The gateway's own slot, and the steady one. */
int64_t hunt_own_slot(const struct hunt_clock *c);
int64_t hunt_steady_slot(const struct hunt_clock *c);

struct hunt {
	uint64_t rx_bytes, last_handshake_us; /* as last seen; the latter CLOCK_REALTIME */
	uint64_t handshake_boot_us;	      /* when that was, on this clock; 0: never */
	/* In WireGuard now, and before that; when it was set (CLOCK_REALTIME, which WireGuard's own stamps are in). */
	int32_t offset, previous_offset;
	uint64_t set_real_us, previous_set_real_us;
	/* What handshakes confirmed: the latest, and the furthest (which bounds how far back a try may go). */
	int32_t confirmed, furthest;
	uint64_t furthest_boot_us;
	uint64_t try_boot_us, heard_boot_us, rest_until_us;
	int8_t attempt; /* index into the order of tries; -1: not hunting */
	uint8_t rounds;
	bool between; /* while hunting: back where it most likely is, until the next try */
	bool has_confirmed, is_set, seen;
};

void hunt_init(struct hunt *h);
/* A poll's figures. */
void hunt_observe(struct hunt *h, const struct hunt_clock *c, uint64_t rx_bytes, uint64_t last_handshake_us);
/* The slot whose PSK WireGuard shall hold; false where none is permitted (the gateway's clock went far back). */
bool hunt_slot(const struct hunt *h, const struct hunt_clock *c, uint64_t *ret_slot);
/* That slot's PSK went into WireGuard. */
void hunt_applied(struct hunt *h, const struct hunt_clock *c, uint64_t slot);
/* The interface was made anew: what WireGuard counted starts from nothing. What was confirmed stays. */
void hunt_reset_device(struct hunt *h);
bool hunt_is_active(const struct hunt *h);
/* Of the peer's clock against the gateway's own. */
int64_t hunt_offset(const struct hunt *h, const struct hunt_clock *c);
