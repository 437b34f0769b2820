/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tunnel/control.h"
#include "tunnel/handshake.h"
#include "tunnel/successor.h"

#define MESSAGES_AT_ONCE 32
#define ALL_PEERS UINT32_MAX
/* One whose packets come from two places stops everybody's no more often; the next packet tells again where it is. */
#define ROAM_AGAIN_US (50 * US_PER_MS)
/* Longer than a handshake takes nearby. */
#define QUIET_US (5 * US_PER_MS)

int control_init(struct control *c, struct device *d, struct clock *clock)
{
	int r;

	memset(c, 0, sizeof(*c));
	c->device = d;
	c->clock = clock;
	r = noise_init();
	if (r < 0)
		return r;
	c->ratelimit = ratelimit_new();
	return c->ratelimit ? 0 : -ENOMEM;
}

void control_clear(struct control *c)
{
	while (c->device->first_peer)
		control_peer_remove(c->device->first_peer);
	while (c->first_responder)
		responder_free(c->first_responder);
	c->key = static_key_free(c->key);
	c->ratelimit = ratelimit_free(c->ratelimit);
	cookie_checker_clear(&c->checker);
	deadlines_clear(&c->deadlines);
}

/* Closes those that the key does not approve (all: without a key, or down). */
static void close_refused(struct control *c, bool all, uint64_t now_us)
{
	struct device *d = c->device;
	bool closing = false;

	for (const struct peer *p = d->first_peer; p && !closing; p = p->next_peer)
		closing = (p->current || p->previous || p->next) && (all || !c->key->ops->approved(c->key, p->public_key));
	if (closing)
		device_lock_closing(d);
	else
		device_lock(d);
	for (struct peer *p = d->first_peer; p; p = p->next_peer)
		if (all || !c->key->ops->approved(c->key, p->public_key))
			handshake_close_locked(p->handshake);
	device_unlock(d);
	for (struct peer *p = d->first_peer; p; p = p->next_peer)
		handshake_schedule(p->handshake, now_us);
}

/* Those that shall always be reachable begin now, and not after their interval. */
static void begin_persistent(struct control *c, struct instant now)
{
	if (!c->up || !c->key)
		return;
	for (struct peer *p = c->device->first_peer; p; p = p->next_peer)
		if (p->handshake->keepalive_s && !session_lives(p->current, now.boot_us))
			handshake_begin(p->handshake, false, now);
}

static void key_changed(void *userdata)
{
	struct control *c = userdata;
	const struct instant now = clock_now(c->clock);

	close_refused(c, false, now.boot_us);
	begin_persistent(c, now);
}

/* When another key takes its place: what the last session receives is still taken. */
static void forget_key(struct control *c, uint64_t now_us)
{
	struct device *d = c->device;

	for (struct peer *p = d->first_peer; p; p = p->next_peer) {
		struct handshake *h = p->handshake;
		struct session *current = p->current;

		device_lock(d);
		p->current = NULL;
		handshake_close_locked(h);
		p->previous = current;
		device_unlock(d);
		if (current)
			h->timers.zero_keys_us = now_us + TIMERS_ZERO_KEYS_US;
		handshake_schedule(h, now_us);
	}
}

int control_set_key(struct control *c, struct static_key *key, struct instant now)
{
	struct peer *own;
	int r = 0;

	if (key)
		r = cookie_checker_init(&c->checker, key->public_key);
	if (r < 0)
		key = static_key_free(key);
	while (c->first_responder)
		responder_free(c->first_responder);
	if (c->key && key)
		forget_key(c, now.boot_us);
	else if (c->key)
		close_refused(c, true, now.boot_us);
	c->key = static_key_free(c->key);
	c->bucket = (struct bucket){ 0 };
	atomic_store(&c->device->serves, key && !key->resident);
	if (!key)
		return r;
	c->key = key;
	key->changed = key_changed;
	key->changed_userdata = c;
	c->prepare_next = c->device->first_peer;
	own = device_peer_find(c->device, key->public_key);
	if (own)
		control_peer_remove(own);
	close_refused(c, false, now.boot_us);
	begin_persistent(c, now);
	control_rescheduled(c);
	return 0;
}

int control_adopt_key(struct control *c, struct static_key *key, struct instant now)
{
	struct cookie_checker checker = { 0 };
	int r = cookie_checker_init(&checker, key->public_key);

	if (r < 0)
		return r;
	cookie_checker_clear(&c->checker);
	c->checker = checker;
	while (c->first_responder)
		responder_free(c->first_responder);
	for (struct peer *p = c->device->first_peer; p; p = p->next_peer) {
		handshake_forget_key(p->handshake);
		/* One with the key before is no reason to wait with one with this. */
		p->handshake->sent_us = 0;
		handshake_schedule(p->handshake, now.boot_us);
	}
	static_key_free(c->key);
	atomic_store(&c->device->serves, !key->resident);
	c->key = key;
	key->changed = key_changed;
	key->changed_userdata = c;
	close_refused(c, false, now.boot_us);
	return 0;
}

void control_renew(struct control *c, struct instant now)
{
	for (struct peer *p = c->device->first_peer; p; p = p->next_peer)
		if (session_lives(p->current, now.boot_us))
			handshake_begin(p->handshake, false, now);
}

int control_set_up(struct control *c, bool up, struct instant now)
{
	int r;

	if (up == c->up)
		return 0;
	if (up && !c->bound) {
		r = c->device->path_ops->rebind(c->device->path, &c->listen_port, c->fwmark);
		if (r < 0)
			return r;
		c->bound = true;
	}
	c->up = up;
	if (up) {
		for (struct peer *p = c->device->first_peer; p; p = p->next_peer)
			handshake_schedule(p->handshake, now.boot_us);
		begin_persistent(c, now);
		return 0;
	}
	while (c->first_responder)
		responder_free(c->first_responder);
	close_refused(c, true, now.boot_us);
	return 0;
}

static void cookie_received(struct control *c, const struct message_cookie *m, struct instant now)
{
	const struct index_entry *e = index_find(&c->device->indexes, message_get32(m->receiver));

	/* To an initiation, or to a response, whose session has the index already. */
	if (e && e->peer && !successor_cookie(e, m, now))
		(void)cookie_reply_read(&e->peer->handshake->jar, m, now.boot_us);
}

void control_receive(struct control *c, const void *bytes, size_t len, const struct endpoint *from, struct instant now)
{
	const int type = message_type(bytes, len);

	if (!c->key || !c->up)
		return;
	if (type == MESSAGE_COOKIE)
		cookie_received(c, bytes, now);
	else if ((type == MESSAGE_INITIATION || type == MESSAGE_RESPONSE) && !cookie_mac1_valid(&c->checker, bytes, len)) {
		if (c->successor)
			successor_receive(c->successor, bytes, len, from, now);
	} else if (type == MESSAGE_INITIATION || type == MESSAGE_RESPONSE) {
		if (type == MESSAGE_INITIATION)
			responder_initiation(c, bytes, from, now);
		else
			handshake_response(c, bytes, from, now);
	}
}

static void attend(struct peer *p, uint32_t flags, struct instant now)
{
	struct handshake *h = p->handshake;
	struct device *d = p->device;

	if ((flags & PEER_ROAMED) && now.boot_us - h->roamed_us >= ROAM_AGAIN_US) {
		h->roamed_us = now.boot_us;
		device_lock(d);
		p->endpoint = p->seen_endpoint;
		device_unlock(d);
	}
	if (flags & PEER_CONFIRMED)
		handshake_confirm(h, now);
	if (flags & PEER_NEED_HANDSHAKE)
		handshake_begin(h, false, now);
	handshake_schedule(h, now.boot_us);
}

/* True: there is more of either. */
static bool look(struct control *c, uint32_t peers, int messages, struct instant now)
{
	struct device *d = c->device;
	const struct inbox_message *m;
	struct peer *p;
	uint32_t flags;

	for (uint32_t i = 0; i < peers && (p = device_attention(d, &flags)); i++)
		attend(p, flags, now);
	for (int i = 0; i < messages && (m = inbox_peek(d->inbox)); i++) {
		control_receive(c, m->bytes, m->len, &m->from, now);
		inbox_pop(d->inbox);
	}
	return inbox_peek(d->inbox) || atomic_load(&d->attention);
}

bool control_kicked(struct control *c, struct instant now)
{
	eventfd_t n;

	(void)!eventfd_read(c->device->kick_fd, &n);
	return look(c, ALL_PEERS, MESSAGES_AT_ONCE, now);
}

bool control_serve(struct control *c, struct instant now)
{
	return !c->key || c->key->resident || c->successor || look(c, 1, 1, now);
}

uint64_t control_deadline(const struct control *c)
{
	const struct deadline *first = deadlines_first(&c->deadlines);

	return first ? first->at_us : US_NEVER;
}

void control_run(struct control *c, struct instant now)
{
	struct deadline *first;

	while ((first = deadlines_first(&c->deadlines)) && first->at_us <= now.boot_us)
		handshake_timers((struct handshake *)((char *)first - offsetof(struct handshake, deadline)), now);
}

int control_peer_add(struct control *c, const uint8_t public_key[static KEY_SIZE], struct peer **ret)
{
	struct handshake *h;
	int r;

	r = deadlines_reserve(&c->deadlines, c->device->n_peers + 1);
	if (r < 0)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	r = device_peer_add(c->device, public_key, ret);
	if (r < 0) {
		free(h);
		return r;
	}
	h->control = c;
	h->peer = *ret;
	h->deadline.at_us = US_NEVER;
	cookie_jar_init(&h->jar, public_key);
	(*ret)->handshake = h;
	c->likely = *ret;
	if (!c->prepare_next) {
		c->prepare_next = *ret;
		control_rescheduled(c);
	}
	return 0;
}

bool control_prepare(struct control *c)
{
	const struct instant now = clock_now(c->clock);

	if (!c->key)
		return false;
	if (noise_prepare())
		return true;
	/* A token is asked for what is needed, and for nothing else. */
	while (!c->key->resident && c->prepare_next) {
		struct handshake *h = c->prepare_next->handshake;

		c->prepare_next = c->prepare_next->next_peer;
		if (!h->ss && handshake_want_ss(h, now) > 0)
			return true;
	}
	return c->likely && noise_prepare_for(c->likely->public_key);
}

void control_busy(struct control *c, uint64_t now_us)
{
	c->quiet_us = now_us + QUIET_US;
	control_rescheduled(c);
}

void control_peer_remove(struct peer *p)
{
	struct handshake *h = p->handshake;
	struct device *d = p->device;
	struct control *c = h->control;

	if (c->prepare_next == p)
		c->prepare_next = p->next_peer;
	if (c->likely == p)
		c->likely = c->device->first_peer == p ? p->next_peer : c->device->first_peer;
	device_lock(d);
	handshake_close_locked(h);
	device_unlock(d);
	deadlines_set(&c->deadlines, &h->deadline, US_NEVER);
	secret_free(h->psk);
	device_peer_remove(p);
	sodium_memzero(h, sizeof(*h));
	free(h);
}
