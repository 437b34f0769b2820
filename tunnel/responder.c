/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As responder the static key is wanted before anything is known of the sender but that it knows our public key (mac1). So
 * what the key can bear is what is let through: a bucket of its size, beyond that cookies, and of those that come
 * with one a few per address and second.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/handshake.h"

/* The sender has begun anew by then, and takes no answer to this. */
#define TOO_OLD_US TIMERS_REKEY_TIMEOUT_US
/* From one peer at most so many a second. */
#define PER_SECOND 50

struct responder *responder_free(struct responder *r)
{
	struct control *c;

	if (!r)
		return NULL;
	c = r->control;
	if (r->call)
		c->key->ops->cancel(c->key, r->call);
	if (r->peer && r->peer->handshake->waiting == r)
		r->peer->handshake->waiting = NULL;
	*(r->prev ? &r->prev->next : &c->first_responder) = r->next;
	if (r->next)
		r->next->prev = r->prev;
	c->n_responders--;
	if (!r->proven)
		c->n_unproven--;
	noise_wipe(&r->noise);
	sodium_memzero(r, sizeof(*r));
	free(r);
	return NULL;
}

/* ss is there. */
static void respond(struct responder *r, struct instant now)
{
	struct control *c = r->control;
	struct device *d = c->device;
	struct handshake *h = r->peer->handshake;
	struct index_entry entry = { .peer = r->peer };
	uint8_t timestamp[MESSAGE_TIMESTAMP_SIZE];
	struct message_response m;
	struct session *s = NULL;
	struct secret *keys;
	int error;

	if (noise_initiation_read_timestamp(&r->noise, &r->message, h->ss, timestamp) < 0)
		return;
	/* Now it is known to be that peer; then or now. */
	if (memcmp(timestamp, h->latest_timestamp, sizeof(timestamp)) <= 0 ||
		(h->consumed_us && now.boot_us - h->consumed_us < US_PER_SEC / PER_SECOND))
		return;
	memcpy(h->latest_timestamp, timestamp, sizeof(timestamp));
	h->consumed_us = now.boot_us;
	handshake_note_received(h, sizeof(r->message), now.boot_us);
	handshake_roam(h, &r->from);

	device_lock(d);
	error = index_insert(&d->indexes, &entry);
	device_unlock(d);
	if (error < 0)
		return;
	if (noise_response_write(&r->noise, &m, entry.index, message_get32(r->message.sender), r->peer->public_key,
		    r->message.ephemeral, h->psk) == 0) {
		keys = noise_session_keys(&r->noise, false);
		if (keys)
			s = session_new(r->peer, keys, false, entry.index, message_get32(m.receiver), now.boot_us);
	}
	if (!s) {
		device_lock(d);
		index_remove(&d->indexes, &entry);
		device_unlock(d);
		return;
	}
	handshake_install(h, s, &entry, now);
	cookie_add_macs(&h->jar, &m, sizeof(m), now.boot_us);
	if (d->path_ops->send_message(d->path, &m, sizeof(m), &r->from) >= 0)
		handshake_note_sent(h, sizeof(m), now.boot_us);
	c->likely = r->peer;
	control_busy(c, now.boot_us);
	handshake_schedule(h, now.boot_us);
}

void responder_resume(struct responder *r, struct instant now)
{
	const struct handshake *h = r->peer->handshake;
	struct control *c = r->control;

	if (h->ss && c->up && c->key->ops->approved(c->key, r->peer->public_key) && now.boot_us - r->came_us < TOO_OLD_US)
		respond(r, now);
	responder_free(r);
}

/* es is there: who is it? r is gone afterwards, or waits for ss. */
static void identify(struct responder *r, const struct secret *es, struct instant now)
{
	struct control *c = r->control;
	uint8_t remote_public[KEY_SIZE];
	struct handshake *h;
	int error = noise_initiation_read_static(&r->noise, &r->message, c->key->public_key, es, remote_public);

	if (error == 0)
		r->peer = device_peer_find(c->device, remote_public);
	if (!r->peer || !c->up || !c->key->ops->approved(c->key, remote_public) || now.boot_us - r->came_us >= TOO_OLD_US) {
		responder_free(r);
		return;
	}
	h = r->peer->handshake;
	error = handshake_want_ss(h, now);
	if (error == 0) {
		/* The newest is the one whose answer is taken. */
		responder_free(h->waiting);
		h->waiting = r;
		return;
	}
	if (error > 0)
		respond(r, now);
	responder_free(r);
}

static void es_done(void *userdata, int error, struct secret *shared)
{
	struct responder *r = userdata;

	r->call = NULL;
	if (error)
		responder_free(r);
	else
		identify(r, shared, clock_now(r->control->clock));
	secret_free(shared);
}

/* May this one have a static operation? *ret_proven: it has shown where it is. */
static bool admit(struct control *c, const struct message_initiation *m, const struct endpoint *from, struct instant now, bool *ret_proven)
{
	const struct static_key *k = c->key;
	struct message_cookie reply;
	struct endpoint to = *from;

	*ret_proven = false;
	if (inbox_fill(c->device->inbox) < INBOX_SIZE / 2 && c->n_responders < CONTROL_RESPONDERS_MAX && c->n_unproven < k->waiting_max &&
		bucket_take(&c->bucket, k->burst, k->rate_us, now.boot_us))
		return true;
	*ret_proven = cookie_mac2_valid(&c->checker, m, sizeof(*m), from, now.boot_us);
	if (*ret_proven)
		return c->n_responders < CONTROL_RESPONDERS_MAX && ratelimit_allow(c->ratelimit, from, now.boot_us);
	cookie_reply_write(&c->checker, &reply, m, sizeof(*m), from, now.boot_us);
	(void)c->device->path_ops->send_message(c->device->path, &reply, sizeof(reply), &to);
	return false;
}

void responder_initiation(struct control *c, const struct message_initiation *m, const struct endpoint *from, struct instant now)
{
	struct static_request request = { .role = STATIC_RESPONDER, .message_len = sizeof(*m) };
	struct secret *es = NULL;
	struct responder *r;
	bool proven;
	int error;

	if (!admit(c, m, from, now, &proven))
		return;
	r = calloc(1, sizeof(*r));
	if (!r)
		return;
	r->control = c;
	r->next = c->first_responder;
	if (r->next)
		r->next->prev = r;
	c->first_responder = r;
	c->n_responders++;
	r->proven = proven;
	if (!proven)
		c->n_unproven++;
	r->message = *m;
	r->from = *from;
	r->came_us = now.boot_us;
	memcpy(request.point, m->ephemeral, KEY_SIZE);
	memcpy(request.message, m, sizeof(*m));
	error = c->key->ops->dh(c->key, &request, es_done, r, &r->call, &es);
	if (error == 0)
		return;
	r->call = NULL;
	if (error > 0)
		identify(r, es, now);
	else
		responder_free(r);
	secret_free(es);
}
