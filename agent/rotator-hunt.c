/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two tokens, and two clocks: which slot to ask the broker for. */
#include <string.h>

#include "agent/rotator.h"

void rotator_set_clock(struct rotator *r, const struct instant *now)
{
	if (r->clock.slot_us == 0) {
		hunt_clock_init(&r->clock, SCHEDULE_SLOT_SECONDS, *now);
		r->clock.reach_back = HUNT_REACH_BACK_TOKEN;
	}
	if (r->config)
		r->clock.slot_us = r->config->slot_seconds * US_PER_SEC;
	r->clock.now = *now;
}

bool rotator_hunts(const struct rotator *r, const struct rotator_peer *p)
{
	/* As schedule_combine orders them. */
	return p->conf && p->conf->has_token_public_key && p->conf->schedule == CONFIG_SCHEDULE_TIME && r->has_public &&
	       memcmp(r->public_key, p->conf->token_public_key, KEY_SIZE) > 0;
}

bool rotator_hunted_slot(const struct rotator *r, const struct rotator_peer *p, const struct instant *now, uint64_t *ret_slot)
{
	struct hunt_clock c = r->clock;

	c.now = *now;
	return hunt_slot(&p->hunt, &c, ret_slot);
}

uint64_t rotator_hunted_slot_end(const struct rotator *r, const struct instant *now)
{
	const uint64_t own = now->real_us % r->clock.slot_us;
	const uint64_t steady = (now->boot_us + (uint64_t)r->clock.steady_us) % r->clock.slot_us;

	return now->boot_us + r->clock.slot_us - (own > steady ? own : steady);
}
