/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many deadlines, the earliest at hand: a binary heap of what its owners embed. No allocation once it was reserved. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

struct deadline {
	uint64_t at_us;
	size_t place; /* in the heap, counted from 1; 0: in none */
};

struct deadlines {
	struct deadline **heap;
	size_t n, size;
};

/* Room for n in all. 0 or -ENOMEM. */
int deadlines_reserve(struct deadlines *d, size_t n);
void deadlines_clear(struct deadlines *d);
/* Puts it in, moves it, or for US_NEVER takes it out. There must be room. */
void deadlines_set(struct deadlines *d, struct deadline *one, uint64_t at_us);
/* NULL: none. It stays in. */
static inline struct deadline *deadlines_first(const struct deadlines *d)
{
	return d->n ? d->heap[0] : NULL;
}
