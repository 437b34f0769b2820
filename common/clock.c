/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <time.h>

#include "common/clock.h"

static uint64_t clock_read_us(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * US_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

static void clock_system_read(struct clock *c, struct instant *ret)
{
	(void)c;
	ret->boot_us = clock_read_us(CLOCK_BOOTTIME);
	ret->real_us = clock_read_us(CLOCK_REALTIME);
}

struct clock clock_system = { .read = clock_system_read };

static void clock_fake_read(struct clock *c, struct instant *ret)
{
	/* clock is the first member */
	*ret = ((struct clock_fake *)c)->now;
}

void clock_fake_init(struct clock_fake *c, uint64_t boot_us, uint64_t real_us)
{
	*c = (struct clock_fake){
		.clock.read = clock_fake_read,
		.now = { .boot_us = boot_us, .real_us = real_us },
	};
}

void clock_fake_advance(struct clock_fake *c, uint64_t us)
{
	c->now.boot_us += us;
	c->now.real_us += us;
}
