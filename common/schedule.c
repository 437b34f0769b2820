/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/schedule.h"

_Static_assert(crypto_kdf_KEYBYTES == SECRET_KEY_SIZE && crypto_generichash_BYTES == SECRET_KEY_SIZE &&
		       crypto_scalarmult_BYTES == KEY_SIZE,
	"every key of the schedule has 32 bytes");

bool schedule_slot_seconds_valid(uint64_t seconds)
{
	/* A longer slot would make a tunnel whose agent died live longer than "180 s and one slot". */
	return seconds >= SCHEDULE_SLOT_SECONDS_MIN && seconds <= SCHEDULE_SLOT_SECONDS &&
	       SCHEDULE_EPOCH_SECONDS % seconds == 0;
}

int schedule_shared(struct secret **ret, const struct secret *private_key, const uint8_t public_key[static KEY_SIZE])
{
	_cleanup_secret_ struct secret *shared = secret_new(SECRET_KEY_SIZE);

	if (!shared)
		return -ENOMEM;
	/* -1 for a point of low order: what comes out would be the same for every private key. */
	if (crypto_scalarmult(secret_borrow_mut(shared), secret_key(private_key), public_key) < 0)
		return -EBADMSG;
	*ret = secret_take(&shared);
	return 0;
}

void schedule_public(uint8_t ret[static KEY_SIZE], const struct secret *private_key)
{
	(void)crypto_scalarmult_base(ret, secret_key(private_key));
}

static void le64(uint8_t ret[static 8], uint64_t v)
{
	for (size_t i = 0; i < 8; i++)
		ret[i] = (uint8_t)(v >> 8 * i);
}

static int root_of(struct secret **ret, const struct secret *shared, const char *label, const struct schedule_parties *parties,
	const struct schedule_window *w, const struct secret *preshared)
{
	uint8_t bounds[16];
	_cleanup_secret_ struct secret *root = secret_new(SECRET_KEY_SIZE);
	crypto_generichash_state state;

	if (!root)
		return -ENOMEM;
	crypto_generichash_init(&state, secret_key(shared), SECRET_KEY_SIZE, SECRET_KEY_SIZE);
	crypto_generichash_update(&state, (const uint8_t *)label, strlen(label));
	crypto_generichash_update(&state, parties->token_public, KEY_SIZE);
	crypto_generichash_update(&state, parties->client_public, KEY_SIZE);
	crypto_generichash_update(&state, parties->server_public, KEY_SIZE);
	if (w) {
		le64(bounds, w->start / SCHEDULE_EPOCH_SECONDS);
		le64(bounds + 8, (w->end - w->start) / SCHEDULE_EPOCH_SECONDS);
		crypto_generichash_update(&state, bounds, sizeof(bounds));
	}
	if (preshared)
		crypto_generichash_update(&state, secret_key(preshared), SECRET_KEY_SIZE);
	crypto_generichash_final(&state, secret_borrow_mut(root), SECRET_KEY_SIZE);
	sodium_memzero(&state, sizeof(state));
	*ret = secret_take(&root);
	return 0;
}

int schedule_root(struct secret **ret, const struct secret *shared, const struct schedule_parties *parties,
	const struct secret *preshared)
{
	return root_of(ret, shared, "wgfido psk v1", parties, NULL, preshared);
}

int schedule_window_root(struct secret **ret, const struct secret *shared, const struct schedule_parties *parties,
	const struct schedule_window *w, const struct secret *preshared)
{
	return root_of(ret, shared, "wgfido psk window v1", parties, w, preshared);
}

static int schedule_derive(struct secret **ret, const struct secret *key, uint64_t id, const char context[static 8])
{
	struct secret *derived = secret_new(SECRET_KEY_SIZE);

	if (!derived)
		return -ENOMEM;
	crypto_kdf_derive_from_key(secret_borrow_mut(derived), SECRET_KEY_SIZE, id, context, secret_key(key));
	*ret = derived;
	return 0;
}

int schedule_window_private(struct secret **ret, const struct secret *private_key, const struct schedule_window *w)
{
	_cleanup_secret_ struct secret *clamped = secret_dup(private_key), *of_length = NULL;
	uint8_t *bytes;
	int r;

	if (!clamped)
		return -ENOMEM;
	bytes = secret_borrow_mut(clamped);
	bytes[0] &= 248;
	bytes[31] = (uint8_t)((bytes[31] & 127) | 64);
	r = schedule_derive(&of_length, clamped, (w->end - w->start) / SCHEDULE_EPOCH_SECONDS, "wgfWinLn");
	if (r < 0)
		return r;
	return schedule_derive(ret, of_length, w->start / SCHEDULE_EPOCH_SECONDS, "wgfWinSt");
}

int schedule_epoch_key(struct secret **ret, const struct secret *root, uint64_t epoch)
{
	return schedule_derive(ret, root, epoch, "wgfEpoch");
}

int schedule_static_psk(struct secret **ret, const struct secret *root)
{
	return schedule_derive(ret, root, 0, "wgfStatc");
}

int schedule_combine(struct secret **ret, const struct secret *psk_a, const uint8_t token_public_a[static KEY_SIZE],
	const struct secret *psk_b, const uint8_t token_public_b[static KEY_SIZE])
{
	static const uint8_t label[] = "wgfido both";
	_cleanup_secret_ struct secret *both = secret_new(SECRET_KEY_SIZE);
	crypto_generichash_state state;
	bool swap = false;

	if (!both)
		return -ENOMEM;
	/* As byte strings, first byte first. Public keys: no need for constant time. */
	for (size_t i = 0; i < KEY_SIZE; i++)
		if (token_public_a[i] != token_public_b[i]) {
			swap = token_public_a[i] > token_public_b[i];
			break;
		}
	crypto_generichash_init(&state, NULL, 0, SECRET_KEY_SIZE);
	crypto_generichash_update(&state, label, sizeof(label) - 1);
	crypto_generichash_update(&state, secret_key(swap ? psk_b : psk_a), SECRET_KEY_SIZE);
	crypto_generichash_update(&state, secret_key(swap ? psk_a : psk_b), SECRET_KEY_SIZE);
	crypto_generichash_final(&state, secret_borrow_mut(both), SECRET_KEY_SIZE);
	sodium_memzero(&state, sizeof(state));
	*ret = secret_take(&both);
	return 0;
}

#define CHAIN_CONTEXT "wgfChain"
#define CHAIN_START 0
#define CHAIN_NEXT 1
#define CHAIN_PSK 2

int schedule_chain_start(struct schedule_chain *ret, const struct secret *epoch_key, uint64_t epoch)
{
	struct schedule_chain chain = { .epoch = epoch };
	int r = schedule_derive(&chain.link, epoch_key, CHAIN_START, CHAIN_CONTEXT);

	if (r < 0)
		return r;
	*ret = chain;
	return 0;
}

int schedule_chain_advance(struct schedule_chain *chain, uint32_t index)
{
	_cleanup_secret_ struct secret *link = NULL, *previous = NULL;
	int r;

	if (index < chain->index || index >= SCHEDULE_EPOCH_SECONDS / SCHEDULE_SLOT_SECONDS_MIN)
		return -ERANGE;
	if (index == chain->index)
		return 0;
	for (uint32_t i = chain->index; i < index; i++) {
		const struct secret *from = link ? link : chain->link;
		struct secret *next = NULL;

		if (i == index - 1) {
			r = schedule_derive(&previous, from, CHAIN_PSK, CHAIN_CONTEXT);
			if (r < 0)
				return r;
		}
		r = schedule_derive(&next, from, CHAIN_NEXT, CHAIN_CONTEXT);
		if (r < 0)
			return r;
		secret_free(link);
		link = next;
	}
	secret_free(chain->link);
	secret_free(chain->previous_psk);
	chain->link = secret_take(&link);
	chain->previous_psk = secret_take(&previous);
	chain->index = index;
	return 0;
}

int schedule_chain_psk(struct secret **ret, const struct schedule_chain *chain, uint32_t index)
{
	struct secret *psk;

	if (index == chain->index)
		return schedule_derive(ret, chain->link, CHAIN_PSK, CHAIN_CONTEXT);
	if (!chain->previous_psk || index != chain->index - 1)
		return -ERANGE;
	psk = secret_dup(chain->previous_psk);
	if (!psk)
		return -ENOMEM;
	*ret = psk;
	return 0;
}

void schedule_chain_clear(struct schedule_chain *chain)
{
	secret_free(chain->link);
	secret_free(chain->previous_psk);
	*chain = (struct schedule_chain){ 0 };
}
