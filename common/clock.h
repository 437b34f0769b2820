/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Time is an argument. Pure code takes a struct instant; only main() and the event loops read a clock, through
 * a struct clock that tests replace.
 */
#pragma once

#include <stdint.h>

#define US_PER_SEC UINT64_C(1000000)
#define US_PER_MS UINT64_C(1000)
#define US_NEVER UINT64_MAX

struct instant {
	uint64_t boot_us; /* CLOCK_BOOTTIME: counts, runs on in suspend */
	uint64_t real_us; /* CLOCK_REALTIME: may jump */
};

struct clock {
	void (*read)(struct clock *c, struct instant *ret);
};

extern struct clock clock_system;

static inline struct instant clock_now(struct clock *c)
{
	struct instant now;

	c->read(c, &now);
	return now;
}

/* For tests: goes only where it is set. */
struct clock_fake {
	struct clock clock;
	struct instant now;
};

void clock_fake_init(struct clock_fake *c, uint64_t boot_us, uint64_t real_us);
void clock_fake_advance(struct clock_fake *c, uint64_t us); /* both clocks */
