/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/session.h"

#define BUCKETS_FIRST 16u

struct session *session_new(struct peer *peer, struct secret *keys, bool initiator, uint32_t local_index,
	uint32_t remote_index, uint64_t now_us)
{
	struct session *s = calloc(1, sizeof(*s));

	assert(secret_len(keys) == 2 * SECRET_KEY_SIZE);
	if (!s) {
		secret_free(keys);
		return NULL;
	}
	s->entry = (struct index_entry){ .index = local_index, .peer = peer, .session = s };
	s->remote_index = remote_index;
	s->initiator = initiator;
	s->born_us = now_us;
	s->rekey_us = now_us + SESSION_REKEY_AFTER_US;
	s->keys = keys;
	s->send_key = secret_borrow(keys);
	s->receive_key = secret_borrow(keys) + SECRET_KEY_SIZE;
	replay_init(&s->replay);
	return s;
}

struct session *session_free(struct session *s)
{
	if (!s)
		return NULL;
	secret_free(s->keys);
	sodium_memzero(s, sizeof(*s));
	free(s);
	return NULL;
}

static int table_grow(struct index_table *t)
{
	const uint32_t n = t->buckets ? 2 * (t->mask + 1) : BUCKETS_FIRST;
	struct index_entry **buckets = calloc(n, sizeof(*buckets));

	if (!buckets)
		return -1;
	for (uint32_t i = 0; t->buckets && i <= t->mask; i++) {
		for (struct index_entry *e = t->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = buckets[e->index & (n - 1)];
			buckets[e->index & (n - 1)] = e;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->mask = n - 1;
	return 0;
}

int index_insert(struct index_table *t, struct index_entry *entry)
{
	/* A table that cannot grow only gets slower. */
	if ((!t->buckets || t->n > t->mask) && table_grow(t) < 0 && !t->buckets)
		return -ENOMEM;
	do
		entry->index = randombytes_random();
	while (index_find(t, entry->index));
	entry->next = t->buckets[entry->index & t->mask];
	t->buckets[entry->index & t->mask] = entry;
	t->n++;
	return 0;
}

static struct index_entry **table_link(struct index_table *t, const struct index_entry *entry)
{
	struct index_entry **link;

	if (!t->buckets)
		return NULL;
	for (link = &t->buckets[entry->index & t->mask]; *link; link = &(*link)->next)
		if (*link == entry)
			return link;
	return NULL;
}

void index_replace(struct index_table *t, struct index_entry *from, struct index_entry *to)
{
	struct index_entry **link = table_link(t, from);

	assert(link);
	to->index = from->index;
	to->next = from->next;
	*link = to;
	from->next = NULL;
}

void index_remove(struct index_table *t, struct index_entry *entry)
{
	struct index_entry **link = table_link(t, entry);

	if (!link)
		return;
	*link = entry->next;
	entry->next = NULL;
	t->n--;
}

void index_clear(struct index_table *t)
{
	free(t->buckets);
	*t = (struct index_table){ 0 };
}
