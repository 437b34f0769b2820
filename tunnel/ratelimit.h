/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often one address may have us compute under load: per v4 address or v6 /64. A fixed table; only senders that have
 * shown by a cookie that they are where they say get into it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tunnel/endpoint.h"

#define RATELIMIT_PER_SECOND 20
#define RATELIMIT_BURST 5

struct ratelimit;

/* NULL: no memory. */
struct ratelimit *ratelimit_new(void);
struct ratelimit *ratelimit_free(struct ratelimit *r);
bool ratelimit_allow(struct ratelimit *r, const struct endpoint *from, uint64_t now_us);

/* A bucket for all together: burst at once, then one each rate_us. */
struct bucket {
	uint64_t empty_until_us; /* what was taken lasts to here; in the past: full */
};

static inline bool bucket_take(struct bucket *b, uint32_t burst, uint64_t rate_us, uint64_t now_us)
{
	const uint64_t from = b->empty_until_us > now_us ? b->empty_until_us : now_us;

	if (from + rate_us > now_us + burst * rate_us)
		return false;
	b->empty_until_us = from + rate_us;
	return true;
}
