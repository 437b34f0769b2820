/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/hunt.h"

/* A handshake that ends this soon after a new PSK may have begun with the old one. */
#define HUNT_OVERLAP_US (1500 * US_PER_MS)
/* A furthest slot that no handshake reached for so long was a peer's clock that was ahead then and is not any more. */
#define HUNT_FURTHEST_US (24 * 3600 * US_PER_SEC)

static const int8_t hunt_order[] = { 0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, -6, 6, -7, 7, -8, 8, -9, 9, -10, 10 };
#define HUNT_ATTEMPTS ((int8_t)(sizeof(hunt_order) / sizeof(hunt_order[0])))

void hunt_clock_init(struct hunt_clock *c, uint32_t slot_seconds, struct instant now)
{
	*c = (struct hunt_clock){
		.slot_us = slot_seconds * US_PER_SEC,
		.steady_us = (int64_t)(now.real_us - now.boot_us),
		.reach_back = HUNT_REACH,
		.now = now,
		.live_us = HUNT_LIVE_US,
		.try_us = HUNT_TRY_US,
		.between_us = HUNT_BETWEEN_US,
		.quiet_us = HUNT_QUIET_US,
	};
}

int64_t hunt_own_slot(const struct hunt_clock *c)
{
	return (int64_t)(c->now.real_us / c->slot_us);
}

int64_t hunt_steady_slot(const struct hunt_clock *c)
{
	return (int64_t)((c->now.boot_us + (uint64_t)c->steady_us) / c->slot_us);
}

void hunt_init(struct hunt *h)
{
	*h = (struct hunt){ .attempt = -1 };
}

void hunt_reset_device(struct hunt *h)
{
	h->rx_bytes = 0;
	h->last_handshake_us = 0;
	h->handshake_boot_us = 0;
	h->set_real_us = h->previous_set_real_us = 0;
	h->is_set = h->seen = false;
	h->attempt = -1;
}

/* Where the peer's clock is thought to be. */
static int64_t hunt_base(const struct hunt *h, const struct hunt_clock *c)
{
	const int64_t own = hunt_own_slot(c), steady = hunt_steady_slot(c);
	const int64_t base = steady + h->confirmed;

	if (h->has_confirmed && base >= own - c->reach_back && base <= own + HUNT_REACH)
		return base;
	return own;
}

static bool hunt_permitted(const struct hunt *h, const struct hunt_clock *c, int64_t slot)
{
	const int64_t own = hunt_own_slot(c);

	if (slot < 0 || slot < own - c->reach_back || slot > own + HUNT_REACH)
		return false;
	return !h->has_confirmed || slot >= hunt_steady_slot(c) + h->furthest - 1;
}

/* The next attempt after this one whose slot is permitted; HUNT_ATTEMPTS: the round is over. */
static int8_t hunt_next_attempt(const struct hunt *h, const struct hunt_clock *c, int8_t attempt)
{
	do
		attempt++;
	while (attempt < HUNT_ATTEMPTS && !hunt_permitted(h, c, hunt_base(h, c) + hunt_order[attempt]));
	return attempt;
}

/* offset: where the peer most likely is; bound: where it is at least, which alone limits later tries. */
static void hunt_confirm(struct hunt *h, const struct hunt_clock *c, int32_t offset, int32_t bound)
{
	const bool behind = h->has_confirmed && bound < h->furthest;
	const bool aged = c->now.boot_us - h->furthest_boot_us >= HUNT_FURTHEST_US;

	h->confirmed = offset;
	if (behind && !aged)
		return;
	/* One at a time even then: a copy of the client as it was falls behind by a slot every slot. */
	h->furthest = behind ? h->furthest - 1 : bound;
	h->furthest_boot_us = c->now.boot_us;
	h->has_confirmed = true;
}

static void hunt_handshake(struct hunt *h, const struct hunt_clock *c, uint64_t at_us)
{
	const int64_t age = (int64_t)(c->now.real_us - at_us);

	h->last_handshake_us = at_us;
	/* Before this clock began, or after a step of it: as old as can be told. */
	h->handshake_boot_us = age > 0 && (uint64_t)age < c->now.boot_us ? c->now.boot_us - (uint64_t)age : c->now.boot_us;
	h->attempt = -1;
	h->rounds = 0;
	h->rest_until_us = 0;
	if (!h->is_set)
		return;
	if (at_us >= h->set_real_us)
		hunt_confirm(h, c, h->offset,
			h->previous_set_real_us && at_us < h->set_real_us + HUNT_OVERLAP_US && h->previous_offset < h->offset ?
				h->previous_offset :
				h->offset);
	else if (h->previous_set_real_us && at_us >= h->previous_set_real_us + HUNT_OVERLAP_US)
		hunt_confirm(h, c, h->previous_offset, h->previous_offset);
}

static void hunt_move_on(struct hunt *h, const struct hunt_clock *c)
{
	uint64_t backoff = HUNT_BACKOFF_US << (h->rounds < 5 ? h->rounds : 5);
	const int8_t next = hunt_next_attempt(h, c, h->attempt);

	/* Whoever tries in vain is most often a client that is not approved, with a clock that is right: once it is, it shall not wait
	 * for the end of a round. */
	h->between = h->attempt > 0 && next < HUNT_ATTEMPTS && !h->between;
	h->try_boot_us = c->now.boot_us;
	if (h->between)
		return;
	h->attempt = next;
	if (h->attempt < HUNT_ATTEMPTS)
		return;
	if (backoff > HUNT_BACKOFF_MAX_US)
		backoff = HUNT_BACKOFF_MAX_US;
	h->attempt = -1;
	h->rest_until_us = c->now.boot_us + backoff;
	if (h->rounds < UINT8_MAX)
		h->rounds++;
}

void hunt_observe(struct hunt *h, const struct hunt_clock *c, uint64_t rx_bytes, uint64_t last_handshake_us)
{
	const bool grew = h->seen ? rx_bytes > h->rx_bytes : false;
	const uint64_t now = c->now.boot_us;

	h->rx_bytes = rx_bytes;
	if (last_handshake_us != h->last_handshake_us && last_handshake_us != 0) {
		h->seen = true;
		hunt_handshake(h, c, last_handshake_us);
		return;
	}
	if (last_handshake_us == 0) {
		h->last_handshake_us = 0;
		h->handshake_boot_us = 0;
	}
	h->seen = true;
	if (grew)
		h->heard_boot_us = now;
	if (h->attempt < 0) {
		if (grew && h->is_set && now >= h->rest_until_us &&
			(h->handshake_boot_us == 0 || now - h->handshake_boot_us > c->live_us)) {
			h->attempt = hunt_next_attempt(h, c, -1);
			h->between = false;
			h->try_boot_us = now;
			if (h->attempt >= HUNT_ATTEMPTS)
				hunt_move_on(h, c);
		}
		return;
	}
	if (now - h->heard_boot_us >= c->quiet_us) {
		/* It stopped trying: back to where it was last, without having learned anything. */
		h->attempt = -1;
		return;
	}
	if (now - h->try_boot_us >= (h->between ? c->between_us : c->try_us) && h->heard_boot_us > h->try_boot_us)
		hunt_move_on(h, c);
}

bool hunt_slot(const struct hunt *h, const struct hunt_clock *c, uint64_t *ret_slot)
{
	int64_t slot = hunt_base(h, c);

	if (h->attempt > 0 && !h->between && hunt_permitted(h, c, slot + hunt_order[h->attempt]))
		slot += hunt_order[h->attempt];
	if (!hunt_permitted(h, c, slot)) {
		/* A confirmed slot lies at most one behind the furthest; further only when a clock was stepped. */
		const int64_t least = hunt_steady_slot(c) + h->furthest - 1;

		if (!h->has_confirmed || slot > least || !hunt_permitted(h, c, least))
			return false;
		slot = least;
	}
	*ret_slot = (uint64_t)slot;
	return true;
}

void hunt_applied(struct hunt *h, const struct hunt_clock *c, uint64_t slot)
{
	const int32_t offset = (int32_t)((int64_t)slot - hunt_steady_slot(c));

	/* Only another offset makes a handshake's slot doubtful; the next slot of the same offset is the peer's as well. */
	h->previous_offset = h->is_set ? h->offset : offset;
	h->previous_set_real_us = h->is_set ? h->set_real_us : 0;
	h->offset = offset;
	h->set_real_us = c->now.real_us;
	h->is_set = true;
}

bool hunt_is_active(const struct hunt *h)
{
	return h->attempt >= 0;
}

int64_t hunt_offset(const struct hunt *h, const struct hunt_clock *c)
{
	return (h->is_set ? hunt_steady_slot(c) + h->offset : hunt_base(h, c)) - hunt_own_slot(c);
}
