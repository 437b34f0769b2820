/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/gateway.h"
#include "common/handle.h"

#define GATEWAY_MANY 1000 /* peers */

int gateway_new(struct gateway **ret, struct instant now)
{
	struct gateway *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	hunt_clock_init(&g->clock, SCHEDULE_SLOT_SECONDS, now);
	*ret = g;
	return 0;
}

static void gateway_peer_clear(struct gateway_peer *p)
{
	derive_clear(&p->derive);
	p->psk = secret_free(p->psk);
}

struct gateway *gateway_free(struct gateway *g)
{
	if (!g)
		return NULL;
	for (size_t i = 0; i < g->n_peers; i++)
		gateway_peer_clear(&g->peers[i]);
	free(g->peers);
	free(g->dropped);
	secret_free(g->dropped_psk);
	free(g);
	return NULL;
}

static int gateway_compare(const void *a, const void *b)
{
	const struct gateway_peer *x = a, *y = b;

	return memcmp(x->conf->public_key, y->conf->public_key, KEY_SIZE);
}

static struct gateway_peer *gateway_find(const struct gateway *g, const struct config_peer *conf)
{
	const struct gateway_peer key = { .conf = conf };

	return g->n_peers ? bsearch(&key, g->peers, g->n_peers, sizeof(key), gateway_compare) : NULL;
}

/* Peers that both configs have keep what is known of their clocks, and where nothing of theirs changed, their keys. */
static void gateway_inherit(struct gateway_peer *p, struct gateway_peer *old)
{
	p->hunt = old->hunt;
	p->psk = secret_take(&old->psk);
	p->slot = old->slot;
	p->drift = old->drift;
	p->present = old->present;
	p->refused = old->refused;
	p->closed = old->closed;
	p->issued = old->issued;
}

/* Those of the old peers that the new ones lack. */
static int gateway_drop(struct gateway *g, const struct gateway_peer *peers, size_t n)
{
	const struct gateway *now = &(const struct gateway){ .peers = (struct gateway_peer *)peers, .n_peers = n };
	uint8_t(*dropped)[KEY_SIZE];

	if (g->n_peers == 0)
		return 0;
	dropped = reallocarray(g->dropped, g->n_dropped + g->n_peers, KEY_SIZE);
	if (!dropped)
		return -ENOMEM;
	g->dropped = dropped;
	if (!g->dropped_psk)
		g->dropped_psk = psk_random();
	if (!g->dropped_psk)
		return -ENOMEM;
	for (size_t i = 0; i < g->n_peers; i++)
		if (g->peers[i].present && !gateway_find(now, g->peers[i].conf))
			memcpy(g->dropped[g->n_dropped++], g->peers[i].conf->public_key, KEY_SIZE);
	return 0;
}

/* Their sessions end by themselves, and no other follows. */
static int gateway_close_dropped(struct gateway *g, const struct device *d, struct plan *plan)
{
	size_t kept = 0;
	int r;

	for (size_t i = 0; i < g->n_dropped; i++) {
		const struct device_peer *dp = device_find_peer(d, g->dropped[i]);

		if (!dp || psk_equal(dp->preshared_key, g->dropped_psk))
			continue;
		r = plan_update(plan, dp->public_key, g->dropped_psk);
		if (r < 0)
			return r;
		memmove(g->dropped[kept++], g->dropped[i], KEY_SIZE);
	}
	g->n_dropped = kept;
	return 0;
}

int gateway_configure(struct gateway *g, const struct config *config, const struct secret *const *preshared)
{
	struct gateway_peer *peers;
	size_t n = 0;

	if (!config) {
		g->hold = "the configuration cannot be used";
		return 0;
	}
	peers = calloc(config->n_peers + 1, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_peers; i++) {
		if (!config->peers[i].has_token_public_key)
			continue;
		peers[n] = (struct gateway_peer){ .conf = &config->peers[i] };
		hunt_init(&peers[n++].hunt);
	}
	if (n > 0)
		qsort(peers, n, sizeof(*peers), gateway_compare);
	if (gateway_drop(g, peers, n) < 0) {
		free(peers);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		struct gateway_peer *old = gateway_find(g, peers[i].conf);

		if (old)
			gateway_inherit(&peers[i], old);
	}
	for (size_t i = 0; i < g->n_peers; i++)
		gateway_peer_clear(&g->peers[i]);
	free(g->peers);
	g->peers = peers;
	g->n_peers = n;
	g->config = config;
	g->preshared = preshared;
	g->clock.slot_us = config->slot_seconds * US_PER_SEC;
	g->hold = NULL;
	return 0;
}

void gateway_hold(struct gateway *g, const char *reason)
{
	g->hold = reason;
}

static int peer_root(struct gateway *g, struct gateway_peer *p, const struct device *d, const struct schedule *schedule, uint64_t slot)
{
	const size_t i = (size_t)(p->conf - g->config->peers);
	int r;

	r = derive_prepare(&p->derive, p->conf, d->private_key, d->public_key, g->preshared ? g->preshared[i] : NULL, schedule, slot);
	if (r < 0 && r != -ENOMEM)
		p->unusable = true;
	return r;
}

static int peer_set_random(struct gateway_peer *p)
{
	struct secret *psk;

	/* What lies in the window of another time is not kept for when it opens again. */
	if (p->conf->has_window_keys)
		derive_clear(&p->derive);
	if (p->closed && p->psk)
		return 0;
	psk = psk_random();
	if (!psk)
		return -ENOMEM;
	secret_free(p->psk);
	p->psk = psk;
	p->closed = true;
	p->issued = false;
	return 0;
}

/* p->psk as it should be now. */
static int peer_wanted(struct gateway *g, struct gateway_peer *p, const struct device *d)
{
	const struct schedule schedule = { .slot_seconds = g->config ? g->config->slot_seconds : SCHEDULE_SLOT_SECONDS };
	struct secret *psk = NULL;
	uint64_t slot = 0;
	int r;

	if (g->hold || p->refused || p->unusable || !d->private_key || g->handle_key)
		return peer_set_random(p);
	if (p->conf->schedule == CONFIG_SCHEDULE_TIME && !hunt_slot(&p->hunt, &g->clock, &slot))
		return peer_set_random(p);
	if (p->psk && !p->closed && p->slot == slot && p->derive.root)
		return 0;
	r = peer_root(g, p, d, &schedule, slot);
	if (r == 0)
		r = derive_psk(&p->derive, p->conf, &psk, &schedule, slot);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return peer_set_random(p);
	if (!p->psk || !secret_equal(p->psk, psk)) {
		p->issued = false;
		hunt_applied(&p->hunt, &g->clock, slot);
	}
	secret_free(p->psk);
	p->psk = psk;
	p->closed = false;
	p->slot = slot;
	return 0;
}

static bool secret_is_none(const struct secret *psk)
{
	return !psk || secret_is_zero(psk);
}

static int peer_look(struct gateway *g, struct gateway_peer *p, const struct device *d, const struct device_peer *dp,
	struct plan *plan)
{
	const bool zero = secret_is_none(dp->preshared_key);
	const uint64_t last_handshake_us = p->hunt.last_handshake_us;
	bool renew;
	int r;

	/* Refused at first sight only: later a zero PSK is drift. A PSK that is neither zero nor ours is the admin's repair. */
	if (!p->present && !p->psk && zero)
		p->refused = true;
	else if (p->refused && !zero && p->psk && p->issued && !psk_equal(dp->preshared_key, p->psk))
		p->refused = false;
	renew = zero && (p->refused || dp->last_handshake_us != last_handshake_us);
	p->present = true;
	hunt_observe(&p->hunt, &g->clock, dp->rx_bytes, dp->last_handshake_us);
	r = peer_wanted(g, p, d);
	if (r < 0)
		return r;
	if (psk_equal(dp->preshared_key, p->psk)) {
		p->issued = true;
		return 0;
	}
	if (p->issued)
		p->drift++;
	p->issued = true;
	/* What shook hands without a PSK is cut off. */
	return renew ? plan_renew(plan, dp, p->psk, dp->keepalive) : plan_update(plan, dp->public_key, p->psk);
}

static void gateway_forget_device(struct gateway *g)
{
	g->ifindex = 0;
	for (size_t i = 0; i < g->n_peers; i++) {
		struct gateway_peer *p = &g->peers[i];

		p->present = p->refused = p->issued = p->closed = false;
		p->psk = secret_free(p->psk);
		hunt_reset_device(&p->hunt);
	}
}

static void gateway_meet(struct gateway *g, const struct device *d)
{
	g->ifindex = d->ifindex;
	g->has_private_key = d->private_key != NULL;
	g->handle_key = handle_is_secret(d->private_key);
	if (!key_equal(g->public_key, d->public_key)) {
		memcpy(g->public_key, d->public_key, KEY_SIZE);
		for (size_t i = 0; i < g->n_peers; i++) {
			derive_clear(&g->peers[i].derive);
			g->peers[i].unusable = false;
		}
	}
	g->wrong_public_key = d->private_key && g->config && g->config->has_public_key &&
			      !key_equal(d->public_key, g->config->public_key);
}

static void gateway_count(struct gateway *g)
{
	g->n_missing = g->n_refused = g->n_unusable = g->n_hunting = g->n_open = 0;
	for (size_t i = 0; i < g->n_peers; i++) {
		const struct gateway_peer *p = &g->peers[i];

		g->n_missing += !p->present;
		g->n_refused += p->present && p->refused;
		g->n_unusable += p->unusable;
		g->n_hunting += p->present && hunt_is_active(&p->hunt);
		g->n_open += p->present && !p->closed;
	}
}

int gateway_look(struct gateway *g, const struct device *d, const struct instant *now, struct plan *plan)
{
	size_t i = 0, k = 0;

	g->clock.now = *now;
	g->own_slot = hunt_own_slot(&g->clock);
	g->steady_slot = hunt_steady_slot(&g->clock);
	if (!d) {
		if (g->ifindex)
			gateway_forget_device(g);
		return 0;
	}
	if (g->ifindex && g->ifindex != d->ifindex)
		gateway_forget_device(g);
	gateway_meet(g, d);
	g->n_unguarded = 0;
	while (i < g->n_peers || k < d->n_peers) {
		struct gateway_peer *p = i < g->n_peers ? &g->peers[i] : NULL;
		const struct device_peer *dp = k < d->n_peers ? &d->peers[k] : NULL;
		const int order = !p ? 1 : !dp ? -1 : memcmp(p->conf->public_key, dp->public_key, KEY_SIZE);
		int r = 0;

		if (order < 0) {
			/* Where it is added again, it is seen for the first time again. */
			if (p->present)
				hunt_reset_device(&p->hunt);
			p->present = p->refused = p->issued = false;
			p->psk = secret_free(p->psk);
		} else if (order > 0) {
			g->n_unguarded++;
		} else {
			r = peer_look(g, p, d, dp, plan);
		}
		if (r < 0)
			return r;
		i += order <= 0;
		k += order >= 0;
	}
	gateway_count(g);
	return gateway_close_dropped(g, d, plan);
}

bool gateway_slot_over(const struct gateway *g, const struct instant *now)
{
	struct hunt_clock c = g->clock;

	c.now = *now;
	return hunt_own_slot(&c) != g->own_slot || hunt_steady_slot(&c) != g->steady_slot;
}

uint64_t gateway_poll_us(const struct gateway *g)
{
	/* Just longer than a try of the hunt. */
	return g->n_peers > GATEWAY_MANY ? HUNT_TRY_US + US_PER_SEC : US_PER_SEC;
}

uint64_t gateway_drift(const struct gateway *g)
{
	uint64_t drift = 0;

	for (size_t i = 0; i < g->n_peers; i++)
		drift += g->peers[i].drift;
	return drift;
}

static enum status_peer_state peer_state(const struct gateway_peer *p)
{
	uint64_t set_us;

	if (!p->present)
		return STATUS_PEER_CLOSED;
	if (p->refused)
		return STATUS_PEER_REFUSED;
	if (p->closed)
		return STATUS_PEER_CLOSED;
	if (hunt_is_active(&p->hunt))
		return STATUS_PEER_HUNTING;
	/* As at the other end, the slot before this one is confirmation enough. */
	set_us = p->hunt.previous_set_real_us ? p->hunt.previous_set_real_us : p->hunt.set_real_us;
	return p->hunt.last_handshake_us > set_us ? STATUS_PEER_ROTATED : STATUS_PEER_OPEN;
}

void gateway_status_peer(const struct gateway *g, size_t i, struct status_peer *ret)
{
	const struct gateway_peer *p = &g->peers[i];

	memcpy(ret->public_key, p->conf->public_key, KEY_SIZE);
	ret->name = p->conf->name;
	ret->state = peer_state(p);
	if (!p->present)
		ret->reason = "the interface does not have this peer";
	else if (p->refused)
		ret->reason = "it had no preshared key: put the PresharedKey line of `wgfido gateway` into the interface's own configuration";
	else if (p->unusable)
		ret->reason = "its TokenPublicKey is not a usable key";
	else if (g->hold)
		ret->reason = g->hold;
	else if (g->handle_key)
		ret->reason = HANDLE_AS_KEY;
	else if (p->closed)
		ret->reason = "no slot is permitted: a clock was set back";
	if (!p->closed && p->present && p->conf->schedule == CONFIG_SCHEDULE_TIME) {
		ret->slot = p->slot;
		ret->slot_end = (p->slot + 1) * g->clock.slot_us / US_PER_SEC;
		ret->offset = hunt_offset(&p->hunt, &g->clock);
	}
	ret->last_handshake_us = p->hunt.last_handshake_us;
	ret->drift_repaired = p->drift;
}
