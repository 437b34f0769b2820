/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/device.h"
#include "tunnel/peer.h"

#define RELAXED memory_order_relaxed

void peer_raise(struct peer *p, uint32_t flags)
{
	struct device *d = p->device;
	struct peer *head;

	if ((atomic_load_explicit(&p->flags, RELAXED) & flags) == flags)
		return;
	/* On the list since the first flag, until control takes them all. */
	if (atomic_fetch_or(&p->flags, flags) != 0)
		return;
	head = atomic_load(&d->attention);
	do
		atomic_store_explicit(&p->attention_next, head, RELAXED);
	while (!atomic_compare_exchange_weak(&d->attention, &head, p));
	if (!head)
		atomic_store(&d->told, true);
}

static void wake(struct peer *p)
{
	if (!atomic_load_explicit(&p->active, RELAXED)) {
		atomic_store_explicit(&p->active, true, RELAXED);
		peer_raise(p, PEER_WOKE);
	}
}

/* Marks the beginning of a wait that has not begun yet. */
static void begin_waiting(_Atomic uint64_t *since, uint64_t now_us)
{
	if (atomic_load_explicit(since, RELAXED) == 0)
		atomic_store_explicit(since, now_us, RELAXED);
}

static void end_waiting(_Atomic uint64_t *since)
{
	if (atomic_load_explicit(since, RELAXED) != 0)
		atomic_store_explicit(since, 0, RELAXED);
}

void peer_note_sent(struct peer *p, const struct session *s, uint64_t now_us, uint64_t bytes, uint64_t n_data)
{
	struct peer_traffic *t = &p->traffic;

	atomic_store_explicit(&t->last_sent_us, now_us, RELAXED);
	atomic_fetch_add_explicit(&t->tx_bytes, bytes, RELAXED);
	end_waiting(&t->unacknowledged_since_us);
	if (n_data) {
		begin_waiting(&t->unanswered_since_us, now_us);
		wake(p);
	}
	if (s->send_counter >= SESSION_REKEY_AFTER_MESSAGES ||
		(s->initiator && now_us >= s->rekey_us))
		peer_raise(p, PEER_NEED_HANDSHAKE);
}

void peer_note_received(struct peer *p, struct session *s, uint64_t now_us, uint64_t bytes, bool data,
	const struct endpoint *from)
{
	struct peer_traffic *t = &p->traffic;

	atomic_store_explicit(&t->last_received_us, now_us, RELAXED);
	atomic_fetch_add_explicit(&t->rx_bytes, bytes, RELAXED);
	end_waiting(&t->unanswered_since_us);
	if (data) {
		begin_waiting(&t->unacknowledged_since_us, now_us);
		wake(p);
	}
	if (s == p->next) {
		atomic_store(&s->confirmed, true);
		peer_raise(p, PEER_CONFIRMED);
	}
	if (!endpoint_equal(from, &p->endpoint)) {
		p->seen_endpoint = *from;
		peer_raise(p, PEER_ROAMED);
	}
	if (s->initiator && !s->rekey_asked && s == p->current && now_us - s->born_us >= SESSION_REKEY_RECEIVER_AFTER_US) {
		s->rekey_asked = true;
		peer_raise(p, PEER_NEED_HANDSHAKE);
	}
}
