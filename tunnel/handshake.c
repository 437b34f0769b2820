/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "tunnel/handshake.h"
#include "tunnel/successor.h"

static bool may_begin(const struct handshake *h)
{
	const struct control *c = h->control;

	return c->up && c->key && c->key->ops->approved(c->key, h->peer->public_key);
}

void handshake_note_sent(struct handshake *h, size_t len, uint64_t now_us)
{
	atomic_store_explicit(&h->peer->traffic.last_sent_us, now_us, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->peer->traffic.tx_bytes, len, memory_order_relaxed);
}

void handshake_note_received(struct handshake *h, size_t len, uint64_t now_us)
{
	struct peer_traffic *t = &h->peer->traffic;

	atomic_store_explicit(&t->last_received_us, now_us, memory_order_relaxed);
	atomic_store_explicit(&t->unanswered_since_us, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->rx_bytes, len, memory_order_relaxed);
}

void handshake_roam(struct handshake *h, const struct endpoint *from)
{
	struct device *d = h->control->device;

	if (endpoint_equal(from, &h->peer->endpoint))
		return;
	device_lock(d);
	h->peer->endpoint = *from;
	device_unlock(d);
}

/* Whoever does not answer may be out of reach from the address that we used: the kernel chooses again. */
static void forget_source(struct handshake *h)
{
	struct device *d = h->control->device;
	struct endpoint e = h->peer->endpoint;

	memset(&e.from, 0, sizeof(e.from));
	e.from_ifindex = 0;
	if (endpoint_equal(&e, &h->peer->endpoint))
		return;
	device_lock(d);
	h->peer->endpoint = e;
	device_unlock(d);
}

static void leave_table(struct handshake *h)
{
	struct device *d = h->control->device;

	if (!h->entry.peer)
		return;
	device_lock(d);
	index_remove(&d->indexes, &h->entry);
	device_unlock(d);
	h->entry = (struct index_entry){ 0 };
}

static void cancel(struct handshake *h, struct static_call **call)
{
	if (*call)
		h->control->key->ops->cancel(h->control->key, *call);
	*call = NULL;
}

void handshake_abandon(struct handshake *h)
{
	cancel(h, &h->se_call);
	leave_table(h);
	noise_wipe(&h->noise);
	h->state = HANDSHAKE_NONE;
	h->timers.retransmit_us = 0;
}

static uint64_t jitter(void)
{
	return randombytes_uniform(TIMERS_JITTER_US);
}

/* ss is there: the message, and out with it. */
static void send_initiation(struct handshake *h, struct instant now)
{
	struct control *c = h->control;
	struct device *d = c->device;
	struct message_initiation m;
	struct endpoint to;
	uint8_t timestamp[MESSAGE_TIMESTAMP_SIZE];
	int r;

	leave_table(h);
	h->entry.peer = h->peer;
	device_lock(d);
	r = index_insert(&d->indexes, &h->entry);
	device_unlock(d);
	if (r < 0) {
		h->entry.peer = NULL;
		h->state = HANDSHAKE_NONE;
		h->timers.retransmit_us = now.boot_us + TIMERS_REKEY_TIMEOUT_US;
		return;
	}
	noise_timestamp(timestamp, now.real_us);
	r = noise_initiation_write(&h->noise, &m, h->entry.index, c->key->public_key, h->peer->public_key, h->ss, timestamp);
	h->sent_us = now.boot_us;
	h->timers.retransmit_us = now.boot_us + TIMERS_REKEY_TIMEOUT_US + jitter();
	if (r < 0) {
		/* A peer whose public key is a low-order point, or no memory: again later. */
		leave_table(h);
		h->state = HANDSHAKE_NONE;
		return;
	}
	h->state = HANDSHAKE_SENT;
	cookie_add_macs(&h->jar, &m, sizeof(m), now.boot_us);
	to = h->peer->endpoint;
	if (c->device->path_ops->send_message(c->device->path, &m, sizeof(m), &to) >= 0)
		handshake_note_sent(h, sizeof(m), now.boot_us);
	control_busy(c, now.boot_us);
	/* The kernel did not like the address that we sent from. */
	handshake_roam(h, &to);
	sodium_memzero(&m, sizeof(m));
}

static void ss_done(void *userdata, int error, struct secret *shared)
{
	struct handshake *h = userdata;
	struct instant now = clock_now(h->control->clock);

	h->ss_call = NULL;
	if (!error)
		h->ss = shared;
	if (h->waiting)
		responder_resume(h->waiting, now);
	if (h->state == HANDSHAKE_WANT_STATIC) {
		if (h->ss && may_begin(h)) {
			send_initiation(h, now);
		} else {
			/* As if the initiation had been lost. */
			h->state = HANDSHAKE_NONE;
			h->timers.retransmit_us = now.boot_us + TIMERS_REKEY_TIMEOUT_US + jitter();
		}
	}
	handshake_schedule(h, now.boot_us);
}

int handshake_want_ss(struct handshake *h, struct instant now)
{
	struct control *c = h->control;
	struct static_request request = { .role = STATIC_PEER };
	int r;

	(void)now;
	if (h->ss)
		return 1;
	if (h->ss_call)
		return 0;
	memcpy(request.point, h->peer->public_key, KEY_SIZE);
	memcpy(request.peer, h->peer->public_key, KEY_SIZE);
	r = c->key->ops->dh(c->key, &request, ss_done, h, &h->ss_call, &h->ss);
	if (r != 0)
		h->ss_call = NULL;
	return r;
}

void handshake_begin(struct handshake *h, bool retry, struct instant now)
{
	int r;

	if (!may_begin(h)) {
		struct device *d = h->control->device;

		/* What waits for a tunnel that is closed does not go out when it is opened: as with no peer at all. */
		device_lock(d);
		if (h->peer->stage)
			d->path_ops->drop_staged(d->path, h->peer, true);
		device_unlock(d);
		return;
	}
	if (!endpoint_known(&h->peer->endpoint))
		return;
	if (!retry) {
		/* One at a time; the retries of one that is under way do as well. SENT without a timer is one that the other
		 * end's has overtaken. */
		if (h->state == HANDSHAKE_WANT_STATIC || h->state == HANDSHAKE_WANT_RESULT || h->timers.retransmit_us)
			return;
		/* The other end has just begun, and what we have still serves. */
		if (h->consumed_us && now.boot_us - h->consumed_us < TIMERS_REKEY_TIMEOUT_US &&
			session_lives(h->peer->current, now.boot_us))
			return;
		h->timers.attempt_since_us = now.boot_us;
		if (h->sent_us && now.boot_us - h->sent_us < TIMERS_REKEY_TIMEOUT_US) {
			h->timers.retransmit_us = h->sent_us + TIMERS_REKEY_TIMEOUT_US;
			handshake_schedule(h, now.boot_us);
			return;
		}
	}
	r = handshake_want_ss(h, now);
	if (r > 0) {
		send_initiation(h, now);
	} else if (r == 0) {
		h->state = HANDSHAKE_WANT_STATIC;
	} else {
		h->state = HANDSHAKE_NONE;
		h->timers.retransmit_us = now.boot_us + TIMERS_REKEY_TIMEOUT_US + jitter();
	}
	handshake_schedule(h, now.boot_us);
}

static void finish_response(struct handshake *h, const struct secret *se, struct instant now)
{
	struct session *s;
	struct secret *keys;

	h->state = HANDSHAKE_SENT;
	if (!se || noise_response_read(&h->noise, &h->response, se, h->psk) < 0) {
		/* The right one may still come, and if not the timer does. */
		if (!h->timers.retransmit_us)
			h->timers.retransmit_us = now.boot_us + TIMERS_REKEY_TIMEOUT_US;
		return;
	}
	handshake_note_received(h, sizeof(h->response), now.boot_us);
	handshake_roam(h, &h->response_from);
	keys = noise_session_keys(&h->noise, true);
	/* It counts from when the other end began to count, however long our key took. */
	s = keys ? session_new(h->peer, keys, true, h->entry.index, message_get32(h->response.sender), h->response_us) : NULL;
	if (!s) {
		handshake_abandon(h);
		return;
	}
	handshake_install(h, s, &h->entry, now);
	control_busy(h->control, now.boot_us);
	h->entry = (struct index_entry){ 0 };
	handshake_abandon(h);
}

static void se_done(void *userdata, int error, struct secret *shared)
{
	struct handshake *h = userdata;
	struct instant now = clock_now(h->control->clock);

	h->se_call = NULL;
	/* Another approval than the one under which ss was asked for may stand now: it is asked for anew. */
	if (error == -EACCES)
		h->ss = secret_free(h->ss);
	finish_response(h, error ? NULL : shared, now);
	secret_free(shared);
	handshake_schedule(h, now.boot_us);
}

void handshake_response(struct control *c, const struct message_response *m, const struct endpoint *from, struct instant now)
{
	struct index_entry *e = index_find(&c->device->indexes, message_get32(m->receiver));
	struct static_request request = { .role = STATIC_INITIATOR, .message_len = sizeof(*m) };
	struct secret *se = NULL;
	struct handshake *h;
	int r;

	if (!e || !e->peer)
		return;
	h = e->peer->handshake;
	/* While se of one response is asked for, others are not looked at. */
	if (e != &h->entry || h->state != HANDSHAKE_SENT || !may_begin(h))
		return;
	h->response = *m;
	h->response_from = *from;
	h->response_us = now.boot_us;
	memcpy(request.point, m->ephemeral, KEY_SIZE);
	memcpy(request.peer, h->peer->public_key, KEY_SIZE);
	memcpy(request.message, m, sizeof(*m));
	r = c->key->ops->dh(c->key, &request, se_done, h, &h->se_call, &se);
	if (r > 0) {
		h->se_call = NULL;
		finish_response(h, se, now);
		secret_free(se);
	} else if (r == 0) {
		h->state = HANDSHAKE_WANT_RESULT;
		/* A token may take longer than the other end's answer: no retry meanwhile would do better. */
		h->timers.retransmit_us = 0;
	} else {
		h->se_call = NULL;
	}
	handshake_schedule(h, now.boot_us);
}

static struct timers_seen seen_of(const struct peer *p)
{
	const struct peer_traffic *t = &p->traffic;

	return (struct timers_seen){
		.last_sent_us = atomic_load_explicit(&t->last_sent_us, memory_order_relaxed),
		.last_received_us = atomic_load_explicit(&t->last_received_us, memory_order_relaxed),
		.unanswered_since_us = atomic_load_explicit(&t->unanswered_since_us, memory_order_relaxed),
		.unacknowledged_since_us = atomic_load_explicit(&t->unacknowledged_since_us, memory_order_relaxed),
		.active = atomic_load_explicit(&p->active, memory_order_relaxed),
	};
}

void handshake_schedule(struct handshake *h, uint64_t now_us)
{
	struct control *c = h->control;
	const struct timers_seen seen = seen_of(h->peer);
	uint64_t next;

	if (seen.active && !h->timers.poll_us)
		h->timers.poll_us = now_us + TIMERS_POLL_US;
	next = c->up ? timers_next(&h->timers, &seen) : US_NEVER;
	if (next == h->deadline.at_us && (next == US_NEVER) == !h->deadline.place)
		return;
	deadlines_set(&c->deadlines, &h->deadline, next);
	control_rescheduled(c);
}

/* Both locks keep the path threads from beginning to wait just now. */
static void go_idle(struct handshake *h)
{
	struct device *d = h->control->device;
	struct peer *p = h->peer;

	device_lock(d);
	if (!atomic_load(&p->traffic.unanswered_since_us) && !atomic_load(&p->traffic.unacknowledged_since_us))
		atomic_store(&p->active, false);
	device_unlock(d);
}

static void give_up(struct handshake *h, uint64_t now_us)
{
	struct device *d = h->control->device;

	handshake_abandon(h);
	device_lock(d);
	if (h->peer->stage)
		d->path_ops->drop_staged(d->path, h->peer, false);
	device_unlock(d);
	if (!h->timers.zero_keys_us)
		h->timers.zero_keys_us = now_us + TIMERS_ZERO_KEYS_US;
}

static void zero_keys(struct handshake *h)
{
	struct device *d = h->control->device;

	handshake_abandon(h);
	device_lock(d);
	device_session_end(d, &h->peer->current);
	device_session_end(d, &h->peer->previous);
	device_session_end(d, &h->peer->next);
	device_unlock(d);
}

void handshake_timers(struct handshake *h, struct instant now)
{
	struct device *d = h->control->device;
	struct peer *p = h->peer;
	const struct timers_seen seen = seen_of(p);
	const uint32_t due = timers_due(&h->timers, &seen, now.boot_us);

	if (due & TIMERS_ZERO_KEYS)
		zero_keys(h);
	if (due & TIMERS_GIVE_UP)
		give_up(h, now.boot_us);
	if (due & TIMERS_RETRANSMIT) {
		forget_source(h);
		handshake_begin(h, true, now);
	}
	if (due & TIMERS_UNANSWERED) {
		atomic_store(&p->traffic.unanswered_since_us, 0);
		forget_source(h);
		handshake_begin(h, false, now);
	}
	if (due & TIMERS_KEEPALIVE)
		atomic_store(&p->traffic.unacknowledged_since_us, 0);
	if (due & (TIMERS_KEEPALIVE | TIMERS_PERSISTENT)) {
		if (session_lives(p->current, now.boot_us))
			d->path_ops->send_staged(d->path, p, now.boot_us, true);
		else if (due & TIMERS_PERSISTENT)
			handshake_begin(h, false, now);
	}
	if (due & TIMERS_IDLE)
		go_idle(h);
	handshake_schedule(h, now.boot_us);
}

void handshake_forget_key(struct handshake *h)
{
	cancel(h, &h->ss_call);
	h->waiting = responder_free(h->waiting);
	handshake_abandon(h);
	h->ss = secret_free(h->ss);
}

void handshake_close_locked(struct handshake *h)
{
	struct device *d = h->control->device;
	struct peer *p = h->peer;

	cancel(h, &h->ss_call);
	cancel(h, &h->se_call);
	h->probe = successor_forget_locked(h->control->successor, p, h->probe);
	if (h->entry.peer)
		index_remove(&d->indexes, &h->entry);
	h->entry = (struct index_entry){ 0 };
	h->waiting = responder_free(h->waiting);
	h->ss = secret_free(h->ss);
	noise_wipe(&h->noise);
	h->state = HANDSHAKE_NONE;
	/* One that is opened again soon begins at once, not when a retry would have been due. */
	h->sent_us = 0;
	h->timers.retransmit_us = h->timers.zero_keys_us = 0;
	device_session_end(d, &p->current);
	device_session_end(d, &p->previous);
	device_session_end(d, &p->next);
	if (p->stage)
		d->path_ops->drop_staged(d->path, p, false);
	atomic_store(&p->traffic.unanswered_since_us, 0);
	atomic_store(&p->traffic.unacknowledged_since_us, 0);
}
