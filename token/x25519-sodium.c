/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/x25519-sodium.h"

#include <sodium.h>

static void dh(uint8_t ret[static X25519_KEY_SIZE], const uint8_t private_key[static X25519_KEY_SIZE],
	const uint8_t point[static X25519_KEY_SIZE])
{
	/* It fails for points of low order, perhaps without a result. */
	if (crypto_scalarmult(ret, private_key, point) != 0)
		sodium_memzero(ret, X25519_KEY_SIZE);
}

static void sha256(uint8_t ret[static X25519_HASH_SIZE], const void *data, size_t len)
{
	crypto_hash_sha256(ret, data, len);
}

static void seal(uint8_t *ret, const uint8_t key[static X25519_KEY_SIZE], const uint8_t nonce[static X25519_NONCE_SIZE],
	const void *ad, size_t ad_len, const void *plain, size_t len)
{
	crypto_aead_chacha20poly1305_ietf_encrypt(ret, NULL, plain, len, ad, ad_len, NULL, nonce, key);
}

static int unseal(uint8_t *ret, const uint8_t key[static X25519_KEY_SIZE], const uint8_t nonce[static X25519_NONCE_SIZE],
	const void *ad, size_t ad_len, const uint8_t *sealed, size_t len)
{
	return crypto_aead_chacha20poly1305_ietf_decrypt(ret, NULL, NULL, sealed, len, ad, ad_len, nonce, key);
}

static int fill_random(void *ret, size_t len)
{
	randombytes_buf(ret, len);
	return 0;
}

const struct x25519_crypto x25519_sodium = {
	.x25519 = dh,
	.sha256 = sha256,
	.seal = seal,
	.open = unseal,
	.random = fill_random,
	.wipe = sodium_memzero,
};
