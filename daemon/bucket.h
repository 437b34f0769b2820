/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A token bucket, as a limit on calls: so many at once, and then one each interval. Pure; times are an argument. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	unsigned int level; /* how many may be taken, at since_us */
	uint64_t since_us;
};

static inline void bucket_init(struct bucket *b, unsigned int burst, uint64_t now_us)
{
	*b = (struct bucket){.level = burst, .since_us = now_us};
}

/* Takes one. False: there is none. interval_us may differ from call to call. A clock that goes back fills nothing. */
static inline bool bucket_take(struct bucket *b, unsigned int burst, uint64_t interval_us, uint64_t now_us)
{
	const uint64_t passed = now_us > b->since_us ? (now_us - b->since_us) / interval_us : 0;

	if (passed >= burst - b->level) {
		b->level = burst;
		b->since_us = now_us;
	} else {
		b->level += (unsigned int)passed;
		b->since_us += passed * interval_us;
	}
	if (b->level == 0)
		return false;
	b->level--;
	return true;
}
