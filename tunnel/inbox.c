/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tunnel/inbox.h"

bool inbox_push(struct inbox *b, const void *bytes, size_t len, const struct endpoint *from, bool *ret_was_empty)
{
	const uint32_t written = atomic_load_explicit(&b->written, memory_order_relaxed);
	const uint32_t read = atomic_load(&b->read);
	struct inbox_message *m = &b->ring[written % INBOX_SIZE];

	if (len < 1 || len > INBOX_MESSAGE_MAX || written - read >= INBOX_SIZE) {
		atomic_fetch_add_explicit(&b->dropped, 1, memory_order_relaxed);
		return false;
	}
	m->from = *from;
	m->len = (uint8_t)len;
	memcpy(m->bytes, bytes, len);
	atomic_store(&b->written, written + 1);
	/* Read again: control may have come to the end between the two, and gone to sleep. */
	*ret_was_empty = atomic_load(&b->read) == written;
	return true;
}

const struct inbox_message *inbox_peek(struct inbox *b)
{
	const uint32_t read = atomic_load_explicit(&b->read, memory_order_relaxed);

	return atomic_load(&b->written) == read ? NULL : &b->ring[read % INBOX_SIZE];
}

void inbox_pop(struct inbox *b)
{
	atomic_fetch_add(&b->read, 1);
}

uint32_t inbox_fill(const struct inbox *b)
{
	return atomic_load_explicit(&b->written, memory_order_relaxed) - atomic_load_explicit(&b->read, memory_order_relaxed);
}
