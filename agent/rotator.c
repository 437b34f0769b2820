/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rotator.h"

#define ASK_FAILURES_MAX 5 /* in a row: the approval is there but its key is not to be had */

int rotator_new(struct rotator **ret)
{
	struct rotator *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	*ret = r;
	return 0;
}

static void peer_clear(struct rotator_peer *p)
{
	secret_free(p->psk);
	secret_free(p->own);
	secret_free(p->original);
	derive_clear(&p->other);
}

struct rotator *rotator_free(struct rotator *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->n_peers; i++)
		peer_clear(&r->peers[i]);
	free(r->peers);
	secret_free(r->key);
	free(r);
	return NULL;
}

struct rotator_peer *rotator_find(const struct rotator *r, const uint8_t public_key[static KEY_SIZE])
{
	for (size_t i = 0; i < r->n_peers; i++)
		if (key_equal(r->peers[i].public_key, public_key))
			return &r->peers[i];
	return NULL;
}

static struct rotator_peer *rotator_add(struct rotator *r, const uint8_t public_key[static KEY_SIZE])
{
	struct rotator_peer *p = rotator_find(r, public_key);

	if (p)
		return p;
	p = reallocarray(r->peers, r->n_peers + 1, sizeof(*p));
	if (!p)
		return NULL;
	r->peers = p;
	p = &p[r->n_peers++];
	*p = (struct rotator_peer){ .phase = ROTATOR_RENEW, .asked_start = ROTATOR_NO_SLOT };
	hunt_init(&p->hunt);
	memcpy(p->public_key, public_key, KEY_SIZE);
	return p;
}

int rotator_configure(struct rotator *r, const struct config *config, const struct secret *const *preshared)
{
	const bool identity = config && config->mode == CONFIG_MODE_IDENTITY;

	for (size_t i = 0; config && i < config->n_peers; i++)
		if (!rotator_add(r, config->peers[i].public_key))
			return -ENOMEM;
	for (size_t i = 0; i < r->n_peers; i++) {
		struct rotator_peer *p = &r->peers[i];

		p->conf = config ? config_find_peer(config, p->public_key) : NULL;
		p->failed = false;
		/* Its token key may be another one now. */
		derive_clear(&p->other);
		if (identity != r->identity)
			p->phase = ROTATOR_RENEW;
	}
	if (identity != r->identity) {
		r->open = false;
		r->key = secret_free(r->key);
		r->phase = ROTATOR_RENEW;
	}
	r->failed = false;
	r->identity = identity;
	r->config = config;
	r->preshared = preshared;
	return 0;
}

void rotator_hold(struct rotator *r, const char *reason)
{
	r->hold = reason;
}

static void rotator_fresh_start(struct rotator *r)
{
	r->failed = false;
	r->failures = 0;
	r->ask_after_us = 0;
	r->reason = NULL;
}

bool rotator_tunnel(struct rotator *r, const uint8_t *public_key, uint64_t until_us)
{
	bool news = false;

	if (r->has_public != (public_key != NULL) || (public_key && !key_equal(r->public_key, public_key))) {
		/* Another key: what is in WireGuard now is not this tunnel's any more. */
		if (r->identity && r->open && !r->stands_back)
			until_us = 0;
		r->has_public = public_key != NULL;
		if (public_key)
			memcpy(r->public_key, public_key, KEY_SIZE);
		news = true;
	}
	if (until_us != r->approved_until_us) {
		rotator_fresh_start(r);
		r->approved_until_us = until_us;
		news = true;
	}
	return news;
}

bool rotator_resident(struct rotator *r, bool resident, const uint8_t *next_key)
{
	const bool news = r->resident != resident || r->has_next != (next_key != NULL) ||
		(next_key && !key_equal(r->next_key, next_key));

	r->resident = resident;
	r->has_next = next_key != NULL;
	if (next_key)
		memcpy(r->next_key, next_key, KEY_SIZE);
	return news;
}

bool rotator_approve(struct rotator *r, const uint8_t public_key[static KEY_SIZE], uint64_t until_us)
{
	struct rotator_peer *p = rotator_find(r, public_key);

	if (!p || p->approved_until_us == until_us)
		return false;
	p->approved_until_us = until_us;
	p->failed = false;
	p->failures = 0;
	p->ask_after_us = 0;
	p->reason = NULL;
	return true;
}

void rotator_forget_approvals(struct rotator *r)
{
	r->approved_until_us = 0;
	r->asking = false;
	r->key = secret_free(r->key);
	rotator_fresh_start(r);
	for (size_t i = 0; i < r->n_peers; i++) {
		r->peers[i].asking = false;
		r->peers[i].own = secret_free(r->peers[i].own);
		(void)rotator_approve(r, r->peers[i].public_key, 0);
	}
}

static bool peer_slot_over(const struct rotator_peer *p, const struct instant *now)
{
	const uint64_t unix_s = now->real_us / US_PER_SEC;

	/* Also when the clock was set back: the broker decides what that means. */
	return unix_s >= p->slot_end || unix_s < p->slot_start;
}

static bool peer_wants_psk(const struct rotator *r, const struct rotator_peer *p, const struct instant *now, uint64_t *ret_slot)
{
	const bool has_psk = p->own || p->open;

	if (!p->present || !p->conf || p->failed || p->asking || p->approved_until_us <= now->boot_us || now->boot_us < p->ask_after_us)
		return false;
	*ret_slot = ROTATOR_NO_SLOT;
	if (!rotator_hunts(r, p))
		return has_psk ? peer_slot_over(p, now) : true;
	return rotator_hunted_slot(r, p, now, ret_slot) && !(has_psk && *ret_slot * r->config->slot_seconds == p->slot_start);
}

enum rotator_want rotator_next_want(struct rotator *r, const struct instant *now, uint8_t ret_peer[static KEY_SIZE],
	uint64_t *ret_slot)
{
	*ret_slot = ROTATOR_NO_SLOT;
	if (r->hold || !r->ifindex)
		return ROTATOR_WANT_NONE;
	if (r->identity) {
		if (r->resident || r->stands_back || r->asking || r->failed || r->key || r->open || r->approved_until_us <= now->boot_us ||
			now->boot_us < r->ask_after_us)
			return ROTATOR_WANT_NONE;
		r->asking = true;
		return ROTATOR_WANT_KEY;
	}
	for (size_t i = 0; i < r->n_peers; i++) {
		struct rotator_peer *p = &r->peers[i];

		if (!peer_wants_psk(r, p, now, ret_slot))
			continue;
		p->asking = true;
		p->asked_start = *ret_slot == ROTATOR_NO_SLOT ? ROTATOR_NO_SLOT : *ret_slot * r->config->slot_seconds;
		memcpy(ret_peer, p->public_key, KEY_SIZE);
		return ROTATOR_WANT_PSK;
	}
	return ROTATOR_WANT_NONE;
}

void rotator_got_psk(struct rotator *r, const uint8_t public_key[static KEY_SIZE], struct secret *psk, uint64_t slot_start,
	uint64_t slot_end, const struct instant *now)
{
	struct rotator_peer *p = rotator_find(r, public_key);

	/* An answer to a question from before the approval ended. */
	if (!p || !p->asking) {
		secret_free(psk);
		return;
	}
	p->asking = false;
	if (!psk || secret_len(psk) != SECRET_KEY_SIZE || secret_is_zero(psk) || slot_end <= slot_start ||
		(p->asked_start != ROTATOR_NO_SLOT && p->asked_start != slot_start)) {
		secret_free(psk);
		/* Not of its own clock's slot: that one may lie behind the window's end, up to which what is open stays open. */
		if (p->open && p->asked_start != ROTATOR_NO_SLOT &&
			p->asked_start / (r->clock.slot_us / US_PER_SEC) != now->real_us / r->clock.slot_us) {
			p->ask_after_us = now->boot_us + HUNT_TRY_US;
			return;
		}
		p->ask_after_us = now->boot_us + US_PER_SEC;
		if (++p->failures >= ASK_FAILURES_MAX) {
			p->failed = true;
			p->reason = "the broker gives no preshared key";
		}
		return;
	}
	/* The same slot again, at its very end: not a moment to hurry. */
	if (p->open && slot_end == p->slot_end) {
		secret_free(psk);
		p->ask_after_us = now->boot_us + US_PER_SEC / 4;
		return;
	}
	p->failures = 0;
	p->ask_after_us = 0;
	secret_free(p->own);
	p->own = psk;
	p->slot_start = slot_start;
	p->slot_end = slot_end;
}

void rotator_got_key(struct rotator *r, struct secret *key, const struct instant *now)
{
	uint8_t public_key[KEY_SIZE];

	if (!r->asking) {
		secret_free(key);
		return;
	}
	r->asking = false;
	if (key && secret_len(key) == SECRET_KEY_SIZE) {
		schedule_public(public_key, key);
		if (r->has_public && key_equal(public_key, r->public_key) &&
			!(r->config && r->config->has_public_key && !key_equal(public_key, r->config->public_key))) {
			r->failures = 0;
			secret_free(r->key);
			r->key = key;
			return;
		}
		r->reason = "the broker's private key is not the one of this tunnel";
	} else {
		r->reason = "the broker gives no private key";
	}
	secret_free(key);
	r->ask_after_us = now->boot_us + US_PER_SEC;
	if (++r->failures >= ASK_FAILURES_MAX)
		r->failed = true;
}

void rotator_restore(struct rotator *r, const struct keepalive *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct rotator_peer *p = rotator_find(r, all[i].public_key);

		if (p && p->keepalive == 0)
			p->keepalive = all[i].seconds;
	}
}

int rotator_keepalives(const struct rotator *r, struct keepalive **ret, size_t *ret_n)
{
	struct keepalive *all = calloc(r->n_peers + 1, sizeof(*all));
	size_t n = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < r->n_peers; i++) {
		if (r->peers[i].keepalive == 0)
			continue;
		memcpy(all[n].public_key, r->peers[i].public_key, KEY_SIZE);
		all[n++].seconds = r->peers[i].keepalive;
	}
	*ret = all;
	*ret_n = n;
	return 0;
}

static void rotator_absent(struct rotator *r)
{
	r->ifindex = 0;
	r->open = r->stands_back = false;
	r->open_until_us = 0;
	r->phase = ROTATOR_RENEW;
	r->key = secret_free(r->key);
	for (size_t i = 0; i < r->n_peers; i++) {
		struct rotator_peer *p = &r->peers[i];

		p->present = p->open = p->failed = p->has_original = false;
		p->phase = ROTATOR_RENEW;
		p->psk = secret_free(p->psk);
		p->own = secret_free(p->own);
		p->original = secret_free(p->original);
		p->keepalive = 0;
		p->last_handshake_us = 0;
		p->slot_start = p->slot_end = 0;
		p->tries = 0;
		hunt_reset_device(&p->hunt);
		derive_clear(&p->other);
	}
}

bool rotator_is_new(const struct rotator *r, const struct device *d)
{
	return r->ifindex != d->ifindex;
}

/* Which peers are there, and what their keepalive is when it is not ours that we see. */
static int rotator_meet_peers(struct rotator *r, const struct device *d)
{
	const bool all = !r->release && (r->identity || !r->config);

	r->n_unguarded = r->n_missing = 0;
	for (size_t i = 0; i < r->n_peers; i++)
		r->peers[i].present = false;
	for (size_t i = 0; i < d->n_peers; i++) {
		const struct device_peer *dp = &d->peers[i];
		struct rotator_peer *p = all ? rotator_add(r, dp->public_key) : rotator_find(r, dp->public_key);
		bool open;

		if (all && !p)
			return -ENOMEM;
		/* One that was taken out of the config while it was open stays closed, until its interface is made anew. */
		if (!p || (!all && !p->conf && !p->psk)) {
			if (r->n_unguarded++ == 0)
				memcpy(r->unguarded_key, dp->public_key, KEY_SIZE);
			continue;
		}
		p->present = true;
		p->last_handshake_us = dp->last_handshake_us;
		open = r->identity ? r->open && r->phase == ROTATOR_SETTLED : p->open && p->phase == ROTATOR_SETTLED;
		if (dp->keepalive != p->keepalive && (open || dp->keepalive != 0)) {
			p->keepalive = dp->keepalive;
			r->keepalive_changed = true;
		}
	}
	for (size_t i = 0; i < r->n_peers; i++) {
		struct rotator_peer *p = &r->peers[i];

		if (p->present)
			continue;
		/* Where it appears again it is a new peer, as unknown as at the start. */
		p->phase = ROTATOR_RENEW;
		p->open = false;
		p->psk = secret_free(p->psk);
		p->own = secret_free(p->own);
		hunt_reset_device(&p->hunt);
		if (p->conf && r->n_missing++ == 0)
			memcpy(r->missing_key, p->public_key, KEY_SIZE);
	}
	return 0;
}

/* Closed only because no config was known: it turned out to be nobody's business here, and gets back what it had. */
static int rotator_release(struct rotator_peer *p, const struct device_peer *dp, struct plan *plan)
{
	if (psk_equal(dp->preshared_key, p->psk))
		return plan_renew(plan, dp, p->original, p->keepalive);
	p->psk = secret_free(p->psk);
	p->original = secret_free(p->original);
	p->has_original = false;
	p->phase = ROTATOR_SETTLED;
	return 0;
}

int rotator_look(struct rotator *r, const struct device *d, const struct instant *now, struct plan *plan)
{
	int n;

	rotator_set_clock(r, now);
	if (!d) {
		if (r->ifindex)
			rotator_absent(r);
		return 0;
	}
	if (rotator_is_new(r, d)) {
		if (r->ifindex)
			rotator_absent(r);
		r->ifindex = d->ifindex;
	}
	n = rotator_meet_peers(r, d);
	if (n < 0)
		return n;
	if (r->identity)
		return rotator_look_identity(r, d, now, plan);
	for (size_t i = 0; i < r->n_peers; i++) {
		struct rotator_peer *p = &r->peers[i];
		const struct device_peer *dp = p->present ? device_find_peer(d, p->public_key) : NULL;

		if (!dp)
			continue;
		if (r->release && !p->has_original)
			continue;
		if (r->release || (r->config && !p->conf && p->has_original))
			n = rotator_release(p, dp, plan);
		else
			n = rotator_look_psk(r, p, dp, d, now, plan);
		if (n < 0)
			return n;
	}
	return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t rotator_next(const struct rotator *r, const struct instant *now)
{
	uint64_t next = US_NEVER;

	if (r->identity)
		return r->approved_until_us > now->boot_us ? r->approved_until_us : US_NEVER;
	for (size_t i = 0; i < r->n_peers; i++) {
		const struct rotator_peer *p = &r->peers[i];

		if (p->approved_until_us <= now->boot_us)
			continue;
		next = earlier(next, p->approved_until_us);
		if (p->ask_after_us > now->boot_us)
			next = earlier(next, p->ask_after_us);
		if (rotator_hunts(r, p)) {
			if (p->present && r->clock.slot_us)
				next = earlier(next, rotator_hunted_slot_end(r, now));
			continue;
		}
		if (p->open && p->slot_end < UINT64_MAX / US_PER_SEC && p->slot_end * US_PER_SEC > now->real_us)
			next = earlier(next, now->boot_us + (p->slot_end * US_PER_SEC - now->real_us));
	}
	return next;
}

bool rotator_is_open(const struct rotator *r)
{
	if (!r->ifindex)
		return false;
	if (r->identity)
		return r->open && r->phase == ROTATOR_SETTLED;
	for (size_t i = 0; i < r->n_peers; i++)
		if (r->peers[i].open)
			return true;
	return false;
}

bool rotator_is_settled(const struct rotator *r)
{
	if (!r->ifindex)
		return true;
	if (r->identity)
		return r->phase == ROTATOR_SETTLED;
	for (size_t i = 0; i < r->n_peers; i++)
		if (r->peers[i].present && r->peers[i].phase != ROTATOR_SETTLED)
			return false;
	return true;
}

uint64_t rotator_drift(const struct rotator *r)
{
	uint64_t drift = r->drift;

	for (size_t i = 0; i < r->n_peers; i++)
		drift += r->peers[i].drift;
	return drift;
}

void rotator_status_peer(const struct rotator *r, size_t i, struct status_peer *ret)
{
	const struct rotator_peer *p = &r->peers[i];
	const bool open = r->identity ? r->open && r->phase == ROTATOR_SETTLED : p->open && p->phase == ROTATOR_SETTLED;
	/* A session lives longer than a slot: the slot before this one is confirmation enough. */
	const uint64_t before_us = p->previous_set_real_us ? p->previous_set_real_us : p->set_real_us;
	const uint64_t set_us = r->identity ? r->set_real_us : before_us;

	memcpy(ret->public_key, p->public_key, KEY_SIZE);
	ret->name = p->conf ? p->conf->name : NULL;
	ret->reason = p->reason;
	ret->state = STATUS_PEER_CLOSED;
	if (open && p->present)
		ret->state = p->last_handshake_us > set_us ? STATUS_PEER_ROTATED : STATUS_PEER_OPEN;
	if (open && !r->identity && r->config && p->slot_end < INT64_MAX) {
		ret->slot = p->slot_start / r->config->slot_seconds;
		ret->slot_end = p->slot_end;
		if (rotator_hunts(r, p)) {
			ret->offset = hunt_offset(&p->hunt, &r->clock);
			if (p->present && hunt_is_active(&p->hunt))
				ret->state = STATUS_PEER_HUNTING;
		}
	}
	if (ret->state == STATUS_PEER_OPEN && r->identity && r->switched)
		ret->reason = "no handshake since its key changed";
	ret->last_handshake_us = p->last_handshake_us;
	ret->drift_repaired = p->drift + r->drift;
}
