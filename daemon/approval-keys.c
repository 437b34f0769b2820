/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See the header. Everything derived on the way (shared, root, passed chain links) is wiped when the variable goes. */
#include "daemon/approval-keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/outcome.h"

static void peer_clear(struct approval_peer_key *p)
{
	for (size_t i = 0; p->epoch_keys && i < p->n_epochs; i++)
		secret_free(p->epoch_keys[i]);
	free(p->epoch_keys);
	if (p->has_chain)
		schedule_chain_clear(&p->chain);
	secret_free(p->boundary_psk);
	secret_free(p->static_psk);
	memset(p, 0, sizeof(*p));
}

void approval_keys_clear(struct approval_keys *keys)
{
	secret_free(keys->private_key);
	for (size_t i = 0; i < keys->n_peers; i++)
		peer_clear(&keys->peers[i]);
	free(keys->peers);
	memset(keys, 0, sizeof(*keys));
}

/* K[e] moves out of the peer; NULL where the window has none for e, or had it taken already. */
static struct secret *peer_take_epoch_key(struct approval_peer_key *p, uint64_t epoch)
{
	if (epoch < p->first_epoch || epoch - p->first_epoch >= p->n_epochs)
		return NULL;
	return secret_take(&p->epoch_keys[epoch - p->first_epoch]);
}

static void peer_wipe_epochs_to(struct approval_peer_key *p, uint64_t epoch)
{
	for (size_t i = 0; i < p->n_epochs && p->first_epoch + i <= epoch; i++)
		p->epoch_keys[i] = secret_free(p->epoch_keys[i]);
}

/* The PSK of the last slot of epoch, from its K[e] or, when epoch is the chain's, from the chain. *ret NULL: it cannot be had. */
static int peer_last_psk(struct approval_peer_key *p, const struct schedule *s, uint64_t epoch, struct secret **ret)
{
	uint32_t last = SCHEDULE_EPOCH_SECONDS / s->slot_seconds - 1;
	_cleanup_secret_ struct secret *key = NULL;
	struct schedule_chain chain;
	int r;

	*ret = NULL;
	if (p->has_chain && p->chain.epoch == epoch) {
		r = schedule_chain_advance(&p->chain, last);
		return r < 0 ? r : schedule_chain_psk(ret, &p->chain, last);
	}
	key = peer_take_epoch_key(p, epoch);
	if (!key)
		return 0;
	r = schedule_chain_start(&chain, key, epoch);
	if (r < 0)
		return r;
	r = schedule_chain_advance(&chain, last);
	if (r == 0)
		r = schedule_chain_psk(ret, &chain, last);
	schedule_chain_clear(&chain);
	return r;
}

static int peer_advance(struct approval_peer_key *p, const struct schedule *s, uint64_t slot)
{
	uint64_t epoch = schedule_slot_epoch(s, slot);
	uint32_t index = schedule_slot_index(s, slot);
	_cleanup_secret_ struct secret *key = NULL, *boundary = NULL;
	int r;

	if (p->has_chain && p->chain.epoch == epoch) {
		if (index > 0)
			p->boundary_psk = secret_free(p->boundary_psk);
		return schedule_chain_advance(&p->chain, index);
	}

	if (index == 0 && epoch > 0) {
		r = peer_last_psk(p, s, epoch - 1, &boundary);
		if (r < 0)
			return r;
	}
	if (p->has_chain)
		schedule_chain_clear(&p->chain);
	p->has_chain = false;
	p->boundary_psk = secret_free(p->boundary_psk);

	key = peer_take_epoch_key(p, epoch);
	peer_wipe_epochs_to(p, epoch);
	if (!key)
		return -ERANGE;
	r = schedule_chain_start(&p->chain, key, epoch);
	if (r < 0)
		return r;
	p->has_chain = true;
	p->boundary_psk = secret_take(&boundary);
	return schedule_chain_advance(&p->chain, index);
}

int approval_keys_advance(struct approval_keys *keys, uint64_t slot)
{
	int r;

	if (slot <= keys->slot)
		return 0;
	if (slot > keys->last_slot)
		return -ERANGE;
	for (size_t i = 0; i < keys->n_peers; i++) {
		if (keys->peers[i].schedule != CONFIG_SCHEDULE_TIME)
			continue;
		r = peer_advance(&keys->peers[i], &keys->schedule, slot);
		if (r < 0)
			return r;
	}
	keys->slot = slot;
	return 0;
}

static int peer_make_epochs(struct approval_peer_key *p, const struct schedule *s, const struct schedule_window *window,
	const struct secret *root, uint64_t first_slot, uint64_t last_slot)
{
	/* The slot before the first is of the window too: real time may step back by one (approval.c). */
	uint64_t before = first_slot > 0 ? first_slot - 1 : 0;
	int r;

	/* Unless another root would be needed for it. */
	if (window && schedule_slot_start(s, before) < window->start)
		before = first_slot;
	if (window && (schedule_slot_start(s, before) < window->start || schedule_slot_start(s, last_slot + 1) > window->end))
		return -ERANGE;
	p->first_epoch = schedule_slot_epoch(s, before);
	p->n_epochs = (size_t)(schedule_slot_epoch(s, last_slot) - p->first_epoch + 1);
	p->epoch_keys = calloc(p->n_epochs, sizeof(*p->epoch_keys));
	if (!p->epoch_keys) {
		p->n_epochs = 0;
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->n_epochs; i++) {
		r = schedule_epoch_key(&p->epoch_keys[i], root, p->first_epoch + i);
		if (r < 0)
			return r;
	}
	return peer_advance(p, s, first_slot);
}

/* What the peers' secrets are made from: t, or what a token made of it. */
struct source {
	const struct secret *t;
	struct secret *const *shared;
	const struct window_point *points; /* NULL: the peers' public keys */
};

static int peer_make(struct approval_peer_key *p, const struct approval_keys *keys, const struct config *config,
	const struct config_peer *peer, const struct source *source, const uint8_t token_public[static KEY_SIZE],
	const struct secret *preshared)
{
	const struct window_point *point = source->points ? &source->points[peer - config->peers] : NULL;
	const struct schedule_window *window = point && point->windowed ? &point->window : NULL;
	_cleanup_secret_ struct secret *own = NULL, *root = NULL;
	const struct secret *shared = NULL;
	struct schedule_parties parties;
	int r;

	memcpy(parties.token_public, token_public, KEY_SIZE);
	memcpy(parties.client_public, config->public_key, KEY_SIZE);
	memcpy(parties.server_public, peer->public_key, KEY_SIZE);
	memcpy(p->public_key, peer->public_key, KEY_SIZE);
	p->schedule = peer->schedule;

	/* Where an approval is not to reach beyond its window, nothing is made of the peer's own public key. */
	if (peer->window_keys_file && !window)
		return OUTCOME_UNSUPPORTED;
	if (source->t) {
		r = schedule_shared(&own, source->t, peer->public_key);
		if (r == -EBADMSG)
			return OUTCOME_INVALID_ARGUMENT;
		if (r < 0)
			return r;
		shared = own;
	} else if (source->shared) {
		shared = source->shared[peer - config->peers];
		/* A token may say anything; this would be everybody's. */
		if (shared && (secret_len(shared) != SECRET_KEY_SIZE || secret_is_zero(shared)))
			return OUTCOME_INVALID_ARGUMENT;
	}
	if (!shared)
		return OUTCOME_INVALID_ARGUMENT;
	r = window ? schedule_window_root(&root, shared, &parties, window, preshared) : schedule_root(&root, shared, &parties, preshared);
	if (r < 0)
		return r;

	switch (peer->schedule) {
	case CONFIG_SCHEDULE_TIME:
		return peer_make_epochs(p, &keys->schedule, window, root, keys->slot, keys->last_slot);
	case CONFIG_SCHEDULE_STATIC:
		return schedule_static_psk(&p->static_psk, root);
	}
	return -EINVAL;
}

static int peer_compare(const void *a, const void *b)
{
	const struct approval_peer_key *x = a, *y = b;

	return memcmp(x->public_key, y->public_key, KEY_SIZE);
}

static int make_peers(struct approval_keys *keys, const struct config *config, const uint8_t *peer, const struct source *source,
	const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared)
{
	int r;

	if (!config->has_public_key || config->n_peers == 0)
		return OUTCOME_INVALID_ARGUMENT;
	keys->peers = calloc(peer ? 1 : config->n_peers, sizeof(*keys->peers));
	if (!keys->peers)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_peers; i++) {
		if (peer && !key_equal(peer, config->peers[i].public_key))
			continue;
		/* Counted first: what was made in half is cleared with the rest. */
		r = peer_make(&keys->peers[keys->n_peers++], keys, config, &config->peers[i], source, token_public,
			preshared ? preshared[i] : NULL);
		if (r != 0)
			return r;
		if (peer)
			return 0;
	}
	if (peer)
		return OUTCOME_INVALID_ARGUMENT;
	qsort(keys->peers, keys->n_peers, sizeof(*keys->peers), peer_compare);
	return 0;
}

static int make(struct approval_keys *ret, const struct config *config, const uint8_t *peer, const struct source *source,
	const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared, uint32_t slot_seconds, uint64_t first_slot,
	uint64_t last_slot)
{
	int r = -EINVAL;

	memset(ret, 0, sizeof(*ret));
	ret->mode = config->mode;
	ret->schedule.slot_seconds = slot_seconds;
	ret->slot = first_slot;
	ret->last_slot = last_slot;

	switch (config->mode) {
	case CONFIG_MODE_PSK:
		r = make_peers(ret, config, peer, source, token_public, preshared);
		break;
	case CONFIG_MODE_IDENTITY:
		ret->private_key = source->t ? secret_dup(source->t) : NULL;
		r = ret->private_key || !source->t ? 0 : -ENOMEM;
		break;
	}
	if (r != 0)
		approval_keys_clear(ret);
	return r;
}

int approval_keys_make(struct approval_keys *ret, const struct config *config, const uint8_t *peer, const struct secret *t,
	const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared, uint32_t slot_seconds, uint64_t first_slot,
	uint64_t last_slot)
{
	const struct source source = {.t = t};

	return make(ret, config, peer, &source, token_public, preshared, slot_seconds, first_slot, last_slot);
}

int approval_keys_make_resident(struct approval_keys *ret, const struct config *config, const uint8_t *peer, struct secret *const *shared,
	const struct window_point *points, const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared,
	uint32_t slot_seconds, uint64_t first_slot, uint64_t last_slot)
{
	const struct source source = {.shared = shared, .points = points};

	return make(ret, config, peer, &source, token_public, preshared, slot_seconds, first_slot, last_slot);
}

const struct approval_peer_key *approval_keys_find(const struct approval_keys *keys, const uint8_t peer[static KEY_SIZE])
{
	struct approval_peer_key key;

	if (keys->n_peers == 0)
		return NULL;
	memcpy(key.public_key, peer, KEY_SIZE);
	return bsearch(&key, keys->peers, keys->n_peers, sizeof(*keys->peers), peer_compare);
}

int approval_keys_psk(struct secret **ret, const struct approval_keys *keys, const uint8_t peer[static KEY_SIZE], uint64_t slot)
{
	const struct approval_peer_key *p = approval_keys_find(keys, peer);
	const struct secret *dup_of = NULL;
	int r;

	if (!p || slot > keys->slot || slot + 1 < keys->slot)
		return OUTCOME_NOT_APPROVED;
	switch (p->schedule) {
	case CONFIG_SCHEDULE_TIME:
		if (p->has_chain && p->chain.epoch == schedule_slot_epoch(&keys->schedule, slot)) {
			r = schedule_chain_psk(ret, &p->chain, schedule_slot_index(&keys->schedule, slot));
			return r == -ERANGE ? OUTCOME_NOT_APPROVED : r;
		}
		dup_of = slot + 1 == keys->slot ? p->boundary_psk : NULL;
		break;
	case CONFIG_SCHEDULE_STATIC:
		dup_of = p->static_psk;
		break;
	}
	if (!dup_of)
		return OUTCOME_NOT_APPROVED;
	*ret = secret_dup(dup_of);
	return *ret ? 0 : -ENOMEM;
}

/* A chain of its own, from where p's is, or from a later epoch's key, which stays. -ERANGE: the window has none. */
static int peer_scratch_chain(struct schedule_chain *ret, const struct approval_peer_key *p, uint64_t epoch)
{
	struct schedule_chain chain = { .epoch = epoch, .index = p->chain.index };

	if (p->has_chain && p->chain.epoch == epoch) {
		chain.link = secret_dup(p->chain.link);
		if (!chain.link)
			return -ENOMEM;
		*ret = chain;
		return 0;
	}
	if (epoch < p->first_epoch || epoch - p->first_epoch >= p->n_epochs || !p->epoch_keys[epoch - p->first_epoch])
		return -ERANGE;
	return schedule_chain_start(ret, p->epoch_keys[epoch - p->first_epoch], epoch);
}

int approval_keys_psk_ahead(struct secret **ret, const struct approval_keys *keys, const uint8_t peer[static KEY_SIZE], uint64_t slot)
{
	const struct approval_peer_key *p = approval_keys_find(keys, peer);
	struct schedule_chain chain;
	uint32_t index;
	int r;

	if (!p || p->schedule != CONFIG_SCHEDULE_TIME || slot <= keys->slot || slot > keys->last_slot)
		return OUTCOME_NOT_APPROVED;
	index = schedule_slot_index(&keys->schedule, slot);
	r = peer_scratch_chain(&chain, p, schedule_slot_epoch(&keys->schedule, slot));
	if (r < 0)
		return r == -ERANGE ? OUTCOME_NOT_APPROVED : r;
	r = schedule_chain_advance(&chain, index);
	if (r == 0)
		r = schedule_chain_psk(ret, &chain, index);
	schedule_chain_clear(&chain);
	return r;
}
