/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new session's place (WireGuard whitepaper sections 5.4.5 and 6.3). An initiator has heard from the other end, and sends in
 * the new session at once. A responder has not: until a packet comes in the new session it sends in the old one.
 */
#include <sodium.h>

#include "tunnel/handshake.h"

/* Both began at once: next time one of them is first by this much at most. */
#define SPREAD_US (4 * US_PER_SEC)

/* Keys were exchanged. */
static void derived(struct handshake *h, uint64_t now_us)
{
	h->timers.zero_keys_us = now_us + TIMERS_ZERO_KEYS_US;
}

/* The other end has them too. */
static void completed(struct handshake *h, struct instant now)
{
	h->completed_real_us = now.real_us;
	h->timers.attempt_since_us = 0;
	/* An initiation of ours that is still out need not be repeated; its answer is taken if it comes. */
	if (h->state == HANDSHAKE_NONE || h->state == HANDSHAKE_SENT)
		h->timers.retransmit_us = 0;
}

void handshake_install(struct handshake *h, struct session *s, struct index_entry *from, struct instant now)
{
	struct device *d = h->control->device;
	struct peer *p = h->peer;

	device_lock(d);
	index_replace(&d->indexes, from, &s->entry);
	if (!s->initiator) {
		device_session_end(d, &p->previous);
		device_session_end(d, &p->next);
		p->next = s;
	} else {
		device_session_end(d, &p->previous);
		/* A responder's session that nobody has confirmed yet: both began at once, and what the other end sends may
		 * come in it. */
		if (p->next) {
			device_session_end(d, &p->current);
			p->previous = p->next;
			p->next = NULL;
			s->rekey_us += randombytes_uniform(SPREAD_US);
		} else {
			p->previous = p->current;
		}
		p->current = s;
	}
	device_unlock(d);
	derived(h, now.boot_us);
	if (s->initiator) {
		completed(h, now);
		/* The responder may send when it has heard from us. */
		d->path_ops->send_staged(d->path, p, now.boot_us, true);
	}
}

void handshake_confirm(struct handshake *h, struct instant now)
{
	struct device *d = h->control->device;
	struct peer *p = h->peer;
	bool confirmed;

	device_lock(d);
	/* It may have been another next that was told of. */
	confirmed = p->next && p->next->replay.next > 0;
	if (confirmed) {
		device_session_end(d, &p->previous);
		p->previous = p->current;
		p->current = p->next;
		p->next = NULL;
	}
	device_unlock(d);
	if (!confirmed)
		return;
	completed(h, now);
	d->path_ops->send_staged(d->path, p, now.boot_us, false);
}
