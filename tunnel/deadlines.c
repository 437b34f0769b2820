/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "tunnel/deadlines.h"

int deadlines_reserve(struct deadlines *d, size_t n)
{
	struct deadline **heap;
	size_t size = d->size ? d->size : 16;

	while (size < n)
		size *= 2;
	if (size == d->size)
		return 0;
	heap = reallocarray(d->heap, size, sizeof(struct deadline *));
	if (!heap)
		return -ENOMEM;
	d->heap = heap;
	d->size = size;
	return 0;
}

void deadlines_clear(struct deadlines *d)
{
	for (size_t i = 0; i < d->n; i++)
		d->heap[i]->place = 0;
	free(d->heap);
	*d = (struct deadlines){ 0 };
}

static void put(struct deadlines *d, size_t i, struct deadline *one)
{
	d->heap[i] = one;
	one->place = i + 1;
}

static void settle(struct deadlines *d, size_t i, struct deadline *one)
{
	for (size_t parent; i > 0; i = parent) {
		parent = (i - 1) / 2;
		if (d->heap[parent]->at_us <= one->at_us)
			break;
		put(d, i, d->heap[parent]);
	}
	for (size_t child; (child = 2 * i + 1) < d->n; i = child) {
		if (child + 1 < d->n && d->heap[child + 1]->at_us < d->heap[child]->at_us)
			child++;
		if (one->at_us <= d->heap[child]->at_us)
			break;
		put(d, i, d->heap[child]);
	}
	put(d, i, one);
}

void deadlines_set(struct deadlines *d, struct deadline *one, uint64_t at_us)
{
	one->at_us = at_us;
	if (at_us != US_NEVER) {
		if (!one->place) {
			assert(d->n < d->size);
			one->place = ++d->n;
		}
		settle(d, one->place - 1, one);
	} else if (one->place) {
		const size_t i = one->place - 1;
		struct deadline *last = d->heap[--d->n];

		one->place = 0;
		if (last != one)
			settle(d, i, last);
	}
}
