/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "agent/derive.h"

int derive_init(struct derive *ret, enum config_schedule schedule, const struct secret *private_key,
	const uint8_t own_public[static KEY_SIZE], const uint8_t peer_public[static KEY_SIZE],
	const uint8_t token_public[static KEY_SIZE], const struct secret *preshared)
{
	_cleanup_secret_ struct secret *shared = NULL;
	struct schedule_parties parties;
	int r;

	memcpy(parties.token_public, token_public, KEY_SIZE);
	memcpy(parties.client_public, peer_public, KEY_SIZE);
	memcpy(parties.server_public, own_public, KEY_SIZE);
	*ret = (struct derive){ .schedule = schedule };
	r = schedule_shared(&shared, private_key, token_public);
	if (r < 0)
		return r;
	return schedule_root(&ret->root, shared, &parties, preshared);
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

int derive_psk(struct derive *d, struct secret **ret, const struct schedule *schedule, uint64_t slot)
{
	int r;

	if (d->schedule == CONFIG_SCHEDULE_STATIC)
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
