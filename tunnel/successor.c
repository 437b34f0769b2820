/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/successor.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/handshake.h"

/* An initiation under the next key came: the other end has it. Not more often than this. */
#define ANSWER_US US_PER_SEC

enum probe_state { PROBE_IDLE, PROBE_WANT_STATIC, PROBE_SENT, PROBE_WANT_RESULT };

/* A peer under the next key. */
struct probe {
	struct successor *successor;
	struct peer *peer;
	enum probe_state state;
	struct secret *ss;
	struct static_call *ss_call, *se_call;
	struct noise noise;
	struct index_entry entry; /* in the device's table from PROBE_SENT on */
	struct cookie_jar jar;
	struct message_response response;
	struct endpoint response_from;
	uint64_t response_us, tried_us, done_us; /* 0: never */
};

struct successor {
	struct control *control;
	struct static_key *key;
	struct cookie_checker checker;
	void (*ready)(void *userdata);
	void *userdata;
};

static void cancel(struct successor *s, struct static_call **call)
{
	if (*call)
		s->key->ops->cancel(s->key, *call);
	*call = NULL;
}

struct probe *successor_forget_locked(struct successor *s, struct peer *peer, struct probe *p)
{
	if (!p)
		return NULL;
	cancel(s, &p->ss_call);
	cancel(s, &p->se_call);
	if (p->entry.peer)
		index_remove(&peer->device->indexes, &p->entry);
	noise_wipe(&p->noise);
	secret_free(p->ss);
	sodium_memzero(p, sizeof(*p));
	free(p);
	return NULL;
}

static void leave_table(struct probe *p)
{
	struct device *d = p->successor->control->device;

	if (!p->entry.peer)
		return;
	device_lock(d);
	index_remove(&d->indexes, &p->entry);
	device_unlock(d);
	p->entry = (struct index_entry){ 0 };
}

static void give_up(struct probe *p)
{
	cancel(p->successor, &p->se_call);
	leave_table(p);
	noise_wipe(&p->noise);
	p->state = PROBE_IDLE;
}

static void send_initiation(struct probe *p, struct instant now)
{
	struct successor *s = p->successor;
	struct device *d = s->control->device;
	struct message_initiation m;
	struct endpoint to = p->peer->endpoint;
	uint8_t timestamp[MESSAGE_TIMESTAMP_SIZE];
	int r;

	leave_table(p);
	p->entry.peer = p->peer;
	device_lock(d);
	r = index_insert(&d->indexes, &p->entry);
	device_unlock(d);
	if (r < 0)
		p->entry.peer = NULL;
	noise_timestamp(timestamp, now.real_us);
	if (r == 0)
		r = noise_initiation_write(&p->noise, &m, p->entry.index, s->key->public_key, p->peer->public_key, p->ss, timestamp);
	if (r < 0) {
		give_up(p);
		return;
	}
	p->state = PROBE_SENT;
	cookie_add_macs(&p->jar, &m, sizeof(m), now.boot_us);
	if (d->path_ops->send_message(d->path, &m, sizeof(m), &to) >= 0)
		handshake_note_sent(p->peer->handshake, sizeof(m), now.boot_us);
	sodium_memzero(&m, sizeof(m));
}

static void ss_done(void *userdata, int error, struct secret *shared)
{
	struct probe *p = userdata;

	p->ss_call = NULL;
	p->state = PROBE_IDLE;
	if (error)
		return;
	p->ss = shared;
	send_initiation(p, clock_now(p->successor->control->clock));
}

static void try_peer(struct probe *p, struct instant now)
{
	struct successor *s = p->successor;
	struct static_request request = { .role = STATIC_PEER };
	int r = 1;

	/* An answer that the token is working at is worth more than another try. */
	if (p->ss_call || p->state == PROBE_WANT_RESULT)
		return;
	p->tried_us = now.boot_us;
	if (!p->ss) {
		memcpy(request.point, p->peer->public_key, KEY_SIZE);
		memcpy(request.peer, p->peer->public_key, KEY_SIZE);
		r = s->key->ops->dh(s->key, &request, ss_done, p, &p->ss_call, &p->ss);
	}
	if (r == 0)
		p->state = PROBE_WANT_STATIC;
	else
		p->ss_call = NULL;
	if (r > 0)
		send_initiation(p, now);
}

static bool has_next(const struct probe *p, uint64_t now_us)
{
	return p && p->done_us && now_us - p->done_us < SESSION_REJECT_AFTER_US;
}

/* Somebody has the next key, and nobody who can be heard of only the present one. */
static bool is_ready(const struct successor *s, uint64_t now_us)
{
	bool any = false;

	for (struct peer *peer = s->control->device->first_peer; peer; peer = peer->next_peer) {
		if (has_next(peer->handshake->probe, now_us))
			any = true;
		else if (session_lives(peer->current, now_us))
			return false;
	}
	return any;
}

static void finish(struct probe *p, const struct secret *se, struct instant now)
{
	struct successor *s = p->successor;
	struct handshake *h = p->peer->handshake;
	struct secret *keys;
	struct session *session;

	p->state = PROBE_SENT;
	if (!se || noise_response_read(&p->noise, &p->response, se, h->psk) < 0)
		return;
	handshake_note_received(h, sizeof(p->response), now.boot_us);
	handshake_roam(h, &p->response_from);
	keys = noise_session_keys(&p->noise, true);
	session = keys ? session_new(p->peer, keys, true, p->entry.index, message_get32(p->response.sender), p->response_us) : NULL;
	if (!session) {
		give_up(p);
		return;
	}
	/* What the present key was trying with this peer would be tried in vain. */
	handshake_abandon(h);
	handshake_install(h, session, &p->entry, now);
	p->entry = (struct index_entry){ 0 };
	give_up(p);
	p->done_us = now.boot_us;
	handshake_schedule(h, now.boot_us);
	if (is_ready(s, now.boot_us))
		s->ready(s->userdata);
}

static void se_done(void *userdata, int error, struct secret *shared)
{
	struct probe *p = userdata;

	p->se_call = NULL;
	/* As in handshake.c. */
	if (error == -EACCES)
		p->ss = secret_free(p->ss);
	finish(p, error ? NULL : shared, clock_now(p->successor->control->clock));
	secret_free(shared);
}

static void response(struct successor *s, const struct message_response *m, const struct endpoint *from, struct instant now)
{
	const struct index_entry *e = index_find(&s->control->device->indexes, message_get32(m->receiver));
	struct static_request request = { .role = STATIC_INITIATOR, .message_len = sizeof(*m) };
	struct probe *p = e && e->peer ? e->peer->handshake->probe : NULL;
	struct secret *se = NULL;
	int r;

	if (!p || e != &p->entry || p->state != PROBE_SENT || !s->key->ops->approved(s->key, p->peer->public_key))
		return;
	p->response = *m;
	p->response_from = *from;
	p->response_us = now.boot_us;
	memcpy(request.point, m->ephemeral, KEY_SIZE);
	memcpy(request.peer, p->peer->public_key, KEY_SIZE);
	memcpy(request.message, m, sizeof(*m));
	r = s->key->ops->dh(s->key, &request, se_done, p, &p->se_call, &se);
	if (r == 0) {
		p->state = PROBE_WANT_RESULT;
		return;
	}
	p->se_call = NULL;
	if (r > 0)
		finish(p, se, now);
	secret_free(se);
}

static bool may_try(const struct successor *s, const struct peer *peer)
{
	return s->control->up && endpoint_known(&peer->endpoint) && s->key->ops->approved(s->key, peer->public_key);
}

/* Made when it is first needed; wiped when the peer is closed. NULL: no memory. */
static struct probe *probe_of(struct successor *s, struct peer *peer)
{
	struct handshake *h = peer->handshake;

	if (h->probe)
		return h->probe;
	h->probe = calloc(1, sizeof(*h->probe));
	if (!h->probe)
		return NULL;
	h->probe->successor = s;
	h->probe->peer = peer;
	cookie_jar_init(&h->probe->jar, peer->public_key);
	return h->probe;
}

static void try_all(struct successor *s, uint64_t interval_us, struct instant now)
{
	for (struct peer *peer = s->control->device->first_peer; peer; peer = peer->next_peer) {
		struct probe *p = may_try(s, peer) ? probe_of(s, peer) : NULL;

		if (!p || (p->tried_us && now.boot_us - p->tried_us < interval_us))
			continue;
		if (p->done_us && now.boot_us - p->done_us < SUCCESSOR_RENEW_US && session_lives(peer->current, now.boot_us))
			continue;
		try_peer(p, now);
	}
}

void successor_receive(struct successor *s, const void *bytes, size_t len, const struct endpoint *from, struct instant now)
{
	if (!cookie_mac1_valid(&s->checker, bytes, len))
		return;
	if (message_type(bytes, len) == MESSAGE_RESPONSE)
		response(s, bytes, from, now);
	else
		try_all(s, ANSWER_US, now);
}

bool successor_cookie(const struct index_entry *e, const struct message_cookie *m, struct instant now)
{
	struct probe *p = e->peer->handshake->probe;

	if (!p || e != &p->entry)
		return false;
	/* For the next try. */
	(void)cookie_reply_read(&p->jar, m, now.boot_us);
	return true;
}

void successor_tick(struct successor *s, struct instant now)
{
	try_all(s, SUCCESSOR_TRY_US, now);
	/* A peer that held it up may have gone silent. */
	if (is_ready(s, now.boot_us))
		s->ready(s->userdata);
}

struct successor *successor_new(struct control *c, struct static_key *key, void (*ready)(void *userdata), void *userdata)
{
	struct successor *s = calloc(1, sizeof(*s));

	if (!s || cookie_checker_init(&s->checker, key->public_key) < 0) {
		free(s);
		static_key_free(key);
		return NULL;
	}
	s->control = c;
	s->key = key;
	s->ready = ready;
	s->userdata = userdata;
	c->successor = s;
	return s;
}

struct successor *successor_free(struct successor *s)
{
	struct device *d;

	if (!s)
		return NULL;
	d = s->control->device;
	device_lock(d);
	for (struct peer *peer = d->first_peer; peer; peer = peer->next_peer)
		peer->handshake->probe = successor_forget_locked(s, peer, peer->handshake->probe);
	device_unlock(d);
	s->control->successor = NULL;
	cookie_checker_clear(&s->checker);
	static_key_free(s->key);
	free(s);
	return NULL;
}

struct static_key *successor_key(const struct successor *s)
{
	return s->key;
}

int successor_adopt(struct successor *s, struct instant now)
{
	struct control *c = s->control;
	struct static_key *key = s->key;
	int r;

	/* Before the key is another's: calls of probes are its. */
	for (struct peer *peer = c->device->first_peer; peer; peer = peer->next_peer)
		if (peer->handshake->probe) {
			cancel(s, &peer->handshake->probe->ss_call);
			give_up(peer->handshake->probe);
		}
	r = control_adopt_key(c, key, now);
	if (r < 0)
		return r;
	s->key = NULL;
	for (struct peer *peer = c->device->first_peer; peer; peer = peer->next_peer) {
		struct probe *p = peer->handshake->probe;

		if (!p)
			continue;
		peer->handshake->ss = p->ss;
		p->ss = NULL;
	}
	return 0;
}
