/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Identity mode: the private key itself comes and goes, and with it every peer's sessions. The peers are the interface's own
 * and keep the PSKs that the admin gave them.
 *
 * Where the key is in a token nobody has it, and wgfido-tunnel, which asks the token for each use, opens and closes by the same
 * words of the broker as we hear. It shows a whole handle for its private key. Every other WireGuard would have clamped it when
 * it took it for a key: that one is closed as any that holds a foreign key.
 */
#include <string.h>

#include "agent/rotator.h"
#include "common/handle.h"

/* While the mode was not known this peer had a PSK of ours, in place of its own. */
static const struct secret *peer_psk(const struct rotator_peer *p, const struct device_peer *dp)
{
	return p->has_original && psk_equal(dp->preshared_key, p->psk) ? p->original : dp->preshared_key;
}

static int identity_renew(struct rotator *r, const struct device *d, bool open, struct plan *plan)
{
	for (size_t i = 0; i < d->n_peers; i++) {
		const struct device_peer *dp = &d->peers[i];
		const struct rotator_peer *p = rotator_find(r, dp->public_key);
		int n = plan_renew(plan, dp, peer_psk(p, dp), open ? p->keepalive : 0);

		if (n < 0)
			return n;
	}
	return 0;
}

static bool identity_is_closed(const struct device *d)
{
	if (d->private_key)
		return false;
	for (size_t i = 0; i < d->n_peers; i++)
		if (d->peers[i].keepalive != 0 || d->peers[i].last_handshake_us != 0)
			return false;
	return true;
}

static bool identity_is_open(const struct rotator *r, const struct device *d)
{
	return d->private_key && key_equal(d->public_key, r->public_key);
}

static int identity_close(struct rotator *r, const struct device *d, struct plan *plan)
{
	if (r->phase == ROTATOR_ISSUED || r->phase == ROTATOR_SETTLED) {
		if (identity_is_closed(d)) {
			r->phase = ROTATOR_SETTLED;
			r->tries = 0;
			return 0;
		}
		if (r->phase == ROTATOR_SETTLED && d->private_key)
			r->drift++;
	}
	r->tries++;
	r->phase = ROTATOR_ISSUED;
	plan->private_key_how = DEVICE_PRIVATE_KEY_CLEAR;
	return identity_renew(r, d, false, plan);
}

static void identity_turn_closed(struct rotator *r)
{
	r->open = false;
	r->key = secret_free(r->key);
	r->phase = ROTATOR_RENEW;
	r->tries = 0;
}

static bool identity_guards_itself(const struct device *d)
{
	struct handle handle;

	return d->private_key && secret_len(d->private_key) == SECRET_KEY_SIZE && handle_parse(&handle, secret_key(d->private_key)) == 0;
}

/* Before it showed that it is one that guards itself it may have been closed as one that does not. */
static int identity_give_back(struct rotator *r, const struct device *d, struct plan *plan)
{
	for (size_t i = 0; i < d->n_peers; i++) {
		const struct device_peer *dp = &d->peers[i];
		const struct rotator_peer *p = rotator_find(r, dp->public_key);
		int n = 0;

		if (p && p->keepalive && dp->keepalive == 0)
			n = plan_renew(plan, dp, peer_psk(p, dp), p->keepalive);
		if (n < 0)
			return n;
	}
	return 0;
}

/* Which of the tunnel's keys it shows; NULL: none. wgfido-tunnel has the next one in its place a moment before the broker has. */
static const uint8_t *identity_shown(const struct rotator *r, const struct device *d)
{
	const uint8_t *handle = secret_key(d->private_key);

	if (r->has_public && handle_matches(handle, r->public_key))
		return r->public_key;
	return r->has_next && handle_matches(handle, r->next_key) ? r->next_key : NULL;
}

/* With another key in the same approval nothing was closed, but what confirmed the key before says nothing of this one. */
static void identity_note_open(struct rotator *r, const uint8_t key[static KEY_SIZE], bool was_open, const struct instant *now)
{
	const bool other = !key_equal(key, r->open_key);

	if (!was_open || other) {
		r->set_real_us = now->real_us;
		r->switched = other && r->open_until_us == r->approved_until_us;
		memcpy(r->open_key, key, KEY_SIZE);
	}
	r->open_until_us = r->approved_until_us;
}

static int identity_stand_back(struct rotator *r, const struct device *d, const struct instant *now, struct plan *plan)
{
	const uint8_t *key = identity_shown(r, d);
	const bool was_open = r->open, began = !r->stands_back;

	r->stands_back = true;
	r->key = secret_free(r->key);
	r->phase = ROTATOR_SETTLED;
	r->tries = 0;
	r->reason = r->has_public && !key ? "its PrivateKey names another key than the tunnel's" : NULL;
	r->open = key && r->resident && !r->hold && r->approved_until_us > now->boot_us;
	if (r->open)
		identity_note_open(r, key, was_open, now);
	return began ? identity_give_back(r, d, plan) : 0;
}

int rotator_look_identity(struct rotator *r, const struct device *d, const struct instant *now, struct plan *plan)
{
	const bool allowed = !r->resident && !r->hold && r->approved_until_us > now->boot_us && !r->failed;

	if (identity_guards_itself(d))
		return identity_stand_back(r, d, now, plan);
	if (r->stands_back) {
		r->stands_back = false;
		identity_turn_closed(r);
	}
	if (r->resident)
		r->reason = "its key is in a security key: bring the interface up with wgfido-tunnel";
	if (!allowed) {
		if (r->open || r->key)
			identity_turn_closed(r);
		return identity_close(r, d, plan);
	}
	if (r->key && !r->open) {
		r->open = true;
		r->phase = ROTATOR_RENEW;
		r->tries = 0;
		r->reason = NULL;
	}
	if (!r->open)
		return identity_close(r, d, plan);

	if (r->phase == ROTATOR_ISSUED && identity_is_open(r, d)) {
		r->phase = ROTATOR_SETTLED;
		r->tries = 0;
		r->key = secret_free(r->key);
		return 0;
	}
	if (r->phase == ROTATOR_SETTLED) {
		if (identity_is_open(r, d))
			return 0;
		/* Somebody else's key, or none. It is not ours any more to give back: closed, until the broker hands it out again. */
		r->drift++;
		identity_turn_closed(r);
		return identity_close(r, d, plan);
	}
	if (r->tries >= ROTATOR_TRIES) {
		r->failed = true;
		r->reason = "WireGuard does not take the private key";
		identity_turn_closed(r);
		return identity_close(r, d, plan);
	}
	r->tries++;
	r->phase = ROTATOR_ISSUED;
	r->set_real_us = now->real_us;
	plan->private_key_how = DEVICE_PRIVATE_KEY_SET;
	plan->private_key = r->key;
	return identity_renew(r, d, true, plan);
}
