/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tunnel/ratelimit.h"

#define WAYS 4
#define SETS 512

struct slot {
	uint64_t address; /* v4, or the upper half of v6; with used */
	struct bucket bucket;
	uint8_t family; /* 0: free */
};

struct ratelimit {
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct slot slots[SETS][WAYS];
};

struct ratelimit *ratelimit_new(void)
{
	struct ratelimit *r = calloc(1, sizeof(*r));

	if (r)
		randombytes_buf(r->key, sizeof(r->key));
	return r;
}

struct ratelimit *ratelimit_free(struct ratelimit *r)
{
	free(r);
	return NULL;
}

bool ratelimit_allow(struct ratelimit *r, const struct endpoint *from, uint64_t now_us)
{
	const uint8_t family = (uint8_t)from->to.sa.sa_family;
	struct slot *slot = NULL, *set;
	uint64_t address = 0, hash;

	if (family == AF_INET)
		memcpy(&address, &from->to.in.sin_addr, 4);
	else
		memcpy(&address, &from->to.in6.sin6_addr, 8);
	crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&address, sizeof(address), r->key);
	set = r->slots[hash % SETS];
	for (int i = 0; i < WAYS; i++) {
		if (set[i].family == family && set[i].address == address) {
			slot = &set[i];
			break;
		}
		/* Else the one whose bucket is fullest goes: it loses least. */
		if (!slot || set[i].bucket.empty_until_us < slot->bucket.empty_until_us)
			slot = &set[i];
	}
	if (slot->family != family || slot->address != address)
		*slot = (struct slot){ .family = family, .address = address };
	return bucket_take(&slot->bucket, RATELIMIT_BURST, US_PER_SEC / RATELIMIT_PER_SECOND, now_us);
}
