/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "agent/derive.h"

static int derive_root(struct derive *d, const struct config_peer *conf, const struct secret *private_key,
	const uint8_t own_public[static KEY_SIZE], const struct secret *preshared, const struct schedule_window *w)
{
	_cleanup_secret_ struct secret *shared = NULL, *window_private = NULL;
	struct schedule_parties parties;
	int r = 0;

	memcpy(parties.token_public, conf->token_public_key, KEY_SIZE);
	memcpy(parties.client_public, conf->public_key, KEY_SIZE);
	memcpy(parties.server_public, own_public, KEY_SIZE);
	if (w)
		r = schedule_window_private(&window_private, private_key, w);
	if (r == 0)
		r = schedule_shared(&shared, w ? window_private : private_key, conf->token_public_key);
	if (r < 0)
		return r;
	return w ? schedule_window_root(&d->root, shared, &parties, w, preshared) : schedule_root(&d->root, shared, &parties, preshared);
}

int derive_prepare(struct derive *d, const struct config_peer *conf, const struct secret *private_key,
	const uint8_t own_public[static KEY_SIZE], const struct secret *preshared, const struct schedule *schedule, uint64_t slot)
{
	struct schedule_window w = { 0 };

	if (conf->has_window_keys)
		w = window_at(&conf->window_keys, schedule_slot_start(schedule, slot));
	if (d->root && d->window.start == w.start && d->window.end == w.end)
		return 0;
	derive_clear(d);
	d->window = w;
	return derive_root(d, conf, private_key, own_public, preshared, conf->has_window_keys ? &w : NULL);
}

static int derive_chain(struct derive *d, const struct schedule *schedule, uint64_t slot)
{
	const uint64_t epoch = schedule_slot_epoch(schedule, slot);
	const uint32_t index = schedule_slot_index(schedule, slot);
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	if (d->chain.link && d->chain.epoch == epoch && d->chain.index <= index + 1)
		return d->chain.index < index ? schedule_chain_advance(&d->chain, index) : 0;
	schedule_chain_clear(&d->chain);
	r = schedule_epoch_key(&key, d->root, epoch);
	if (r < 0)
		return r;
	r = schedule_chain_start(&d->chain, key, epoch);
	if (r < 0)
		return r;
	return schedule_chain_advance(&d->chain, index);
}

int derive_psk(struct derive *d, const struct config_peer *conf, struct secret **ret, const struct schedule *schedule, uint64_t slot)
{
	int r;

	if (conf->schedule == CONFIG_SCHEDULE_STATIC)
		return schedule_static_psk(ret, d->root);
	r = derive_chain(d, schedule, slot);
	if (r < 0)
		return r;
	return schedule_chain_psk(ret, &d->chain, schedule_slot_index(schedule, slot));
}

void derive_clear(struct derive *d)
{
	schedule_chain_clear(&d->chain);
	d->root = secret_free(d->root);
}
