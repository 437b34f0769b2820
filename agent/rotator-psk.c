/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "agent/rotator.h"

static bool peer_is_closed(const struct rotator_peer *p, const struct device_peer *dp)
{
	/* A peer that was renewed has never shaken hands; one that has could still be decrypting. */
	return psk_equal(dp->preshared_key, p->psk) && dp->keepalive == 0 && dp->last_handshake_us == 0;
}

static int peer_close(struct rotator_peer *p, const struct device_peer *dp, struct plan *plan)
{
	bool settled;

	/* A keepalive that somebody sets meanwhile is what they want once it is open. */
	switch (p->phase) {
	case ROTATOR_ISSUED:
	case ROTATOR_SETTLED:
		if (peer_is_closed(p, dp)) {
			p->phase = ROTATOR_SETTLED;
			p->tries = 0;
			return 0;
		}
		settled = p->phase == ROTATOR_SETTLED;
		if (settled && (!psk_equal(dp->preshared_key, p->psk) || dp->last_handshake_us != 0))
			p->drift++;
		break;
	case ROTATOR_RENEW:
	case ROTATOR_UPDATE:
		break;
	}
	p->tries++;
	p->phase = ROTATOR_ISSUED;
	return plan_renew(plan, dp, p->psk, 0);
}

static int peer_open(struct rotator_peer *p, const struct device_peer *dp, const struct instant *now, struct plan *plan)
{
	switch (p->phase) {
	case ROTATOR_RENEW:
		p->tries++;
		p->phase = ROTATOR_ISSUED;
		p->set_real_us = now->real_us;
		p->previous_set_real_us = 0;
		return plan_renew(plan, dp, p->psk, p->keepalive);
	case ROTATOR_ISSUED:
	case ROTATOR_SETTLED:
		if (psk_equal(dp->preshared_key, p->psk)) {
			p->phase = ROTATOR_SETTLED;
			p->tries = 0;
			return 0;
		}
		break;
	case ROTATOR_UPDATE:
		break;
	}
	p->tries++;
	p->phase = ROTATOR_ISSUED;
	p->set_real_us = now->real_us;
	return plan_update(plan, p->public_key, p->psk);
}

/* What came from the broker, and where the other end has a token too, that one's half of the same slot. */
static int peer_take_psk(struct rotator *r, struct rotator_peer *p, const struct device *d)
{
	const struct schedule schedule = { .slot_seconds = r->config->slot_seconds };
	_cleanup_secret_ struct secret *half = NULL, *both = NULL;
	uint64_t slot;
	int n;

	if (!p->conf->has_token_public_key) {
		p->psk = secret_free(p->psk);
		p->psk = secret_take(&p->own);
		return 0;
	}
	if (!d->private_key) {
		p->reason = "the interface has no private key";
		return -ENOKEY;
	}
	if (!r->has_public)
		return -ENOKEY;
	slot = schedule_slot(&schedule, p->slot_start);
	n = derive_prepare(&p->other, p->conf, d->private_key, d->public_key, r->preshared ? r->preshared[p->conf - r->config->peers] : NULL,
		&schedule, slot);
	if (n < 0) {
		derive_clear(&p->other);
		p->reason = "its TokenPublicKey is not a usable key";
		return n;
	}
	n = derive_psk(&p->other, p->conf, &half, &schedule, slot);
	if (n < 0)
		return n;
	n = schedule_combine(&both, p->own, r->public_key, half, p->conf->token_public_key);
	if (n < 0)
		return n;
	secret_free(p->psk);
	p->psk = secret_take(&both);
	p->own = secret_free(p->own);
	hunt_applied(&p->hunt, &r->clock, slot);
	return 0;
}

/* What the other end's clock is at can be seen only while it is open: a closed peer's handshakes fail for another reason. */
static bool peer_hunt(struct rotator *r, struct rotator_peer *p, const struct device_peer *dp)
{
	uint64_t slot;

	if (!rotator_hunts(r, p))
		return true;
	if (p->open && p->phase != ROTATOR_RENEW)
		hunt_observe(&p->hunt, &r->clock, dp->rx_bytes, dp->last_handshake_us);
	if (hunt_slot(&p->hunt, &r->clock, &slot))
		return true;
	p->reason = "no slot is permitted: a clock was set back";
	return false;
}

static int peer_turn_closed(struct rotator_peer *p, const struct device_peer *dp, bool keep_original)
{
	struct secret *random = psk_random();

	if (!random)
		return -ENOMEM;
	if (keep_original && !p->has_original) {
		if (dp->preshared_key) {
			p->original = secret_dup(dp->preshared_key);
			if (!p->original) {
				secret_free(random);
				return -ENOMEM;
			}
		}
		p->has_original = true;
	}
	secret_free(p->psk);
	p->psk = random;
	p->own = secret_free(p->own);
	derive_clear(&p->other);
	p->slot_start = p->slot_end = 0;
	hunt_reset_device(&p->hunt);
	p->open = false;
	p->phase = ROTATOR_RENEW;
	p->tries = 0;
	return 0;
}

int rotator_look_psk(struct rotator *r, struct rotator_peer *p, const struct device_peer *dp, const struct device *d,
	const struct instant *now, struct plan *plan)
{
	const bool permitted = peer_hunt(r, p, dp);
	const bool allowed = permitted && !r->hold && p->conf && p->approved_until_us > now->boot_us && !p->failed;
	int n;

	/* Before the next slot's PSK covers it up. */
	if (p->open && p->phase == ROTATOR_SETTLED && !psk_equal(dp->preshared_key, p->psk)) {
		p->drift++;
		p->phase = ROTATOR_UPDATE;
	}
	if (allowed && p->open && p->tries >= ROTATOR_TRIES && !psk_equal(dp->preshared_key, p->psk)) {
		p->failed = true;
		p->reason = "WireGuard does not take the preshared key";
		return rotator_look_psk(r, p, dp, d, now, plan);
	}
	if (allowed && p->own) {
		n = peer_take_psk(r, p, d);
		if (n == -ENOMEM)
			return n;
		if (n < 0) {
			p->failed = true;
			return rotator_look_psk(r, p, dp, d, now, plan);
		}
		p->phase = p->open ? ROTATOR_UPDATE : ROTATOR_RENEW;
		p->previous_set_real_us = p->set_real_us;
		p->open = true;
		p->tries = 0;
		p->reason = NULL;
	}
	if (!p->psk || (p->open && !allowed)) {
		n = peer_turn_closed(p, dp, !r->config);
		if (n < 0)
			return n;
	}
	return p->open ? peer_open(p, dp, now, plan) : peer_close(p, dp, plan);
}
