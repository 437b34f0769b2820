/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/blake2s.h"

#define BLOCK 64

/* What HMAC makes of a key, and what the KDF hands on from step to step: guarded. */
struct scratch {
	uint8_t pad[BLOCK];
	uint8_t inner[BLAKE2S_SIZE];
	uint8_t extracted[BLAKE2S_SIZE];
	uint8_t step[BLAKE2S_SIZE + 1];
	uint8_t out[3 * BLAKE2S_SIZE];
};

static EVP_MD *md;
static EVP_MD_CTX *md_ctx;
static EVP_MAC *mac;
static EVP_MAC_CTX *mac_ctx;
static struct scratch *scratch;

int blake2s_init(void)
{
	if (scratch)
		return 0;
	md = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
	mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	if (!md || !mac) {
		blake2s_exit();
		return -EOPNOTSUPP;
	}
	md_ctx = EVP_MD_CTX_new();
	mac_ctx = EVP_MAC_CTX_new(mac);
	scratch = sodium_malloc(sizeof(*scratch));
	if (!md_ctx || !mac_ctx || !scratch) {
		blake2s_exit();
		return -ENOMEM;
	}
	return 0;
}

void blake2s_exit(void)
{
	EVP_MAC_CTX_free(mac_ctx);
	EVP_MAC_free(mac);
	EVP_MD_CTX_free(md_ctx);
	EVP_MD_free(md);
	if (scratch)
		sodium_free(scratch);
	md = NULL;
	md_ctx = NULL;
	mac = NULL;
	mac_ctx = NULL;
	scratch = NULL;
}

void blake2s_hash(uint8_t ret[static BLAKE2S_SIZE], const void *a, size_t a_len, const void *b, size_t b_len)
{
	int ok = EVP_DigestInit_ex2(md_ctx, md, NULL) && EVP_DigestUpdate(md_ctx, a, a_len) &&
		(b_len == 0 || EVP_DigestUpdate(md_ctx, b, b_len)) && EVP_DigestFinal_ex(md_ctx, ret, NULL);

	/* Only arguments that are wrong make it fail. Going on with a hash that is none would be worse than ending. */
	if (!ok)
		abort();
}

void blake2s_mac(uint8_t ret[static BLAKE2S_MAC_SIZE], const void *key, size_t key_len, const void *data, size_t len)
{
	size_t size = BLAKE2S_MAC_SIZE, written = 0;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};
	int ok = EVP_MAC_init(mac_ctx, key, key_len, params) && EVP_MAC_update(mac_ctx, data, len) &&
		EVP_MAC_final(mac_ctx, ret, &written, BLAKE2S_MAC_SIZE);

	if (!ok || written != BLAKE2S_MAC_SIZE)
		abort();
}

static void xor_pad(const uint8_t key[static BLAKE2S_SIZE], uint8_t with)
{
	memset(scratch->pad, with, BLOCK);
	for (size_t i = 0; i < BLAKE2S_SIZE; i++)
		scratch->pad[i] ^= key[i];
}

static void hmac(uint8_t ret[static BLAKE2S_SIZE], const uint8_t key[static BLAKE2S_SIZE], const void *data, size_t len)
{
	xor_pad(key, 0x36);
	blake2s_hash(scratch->inner, scratch->pad, BLOCK, data, len);
	xor_pad(key, 0x5c);
	blake2s_hash(ret, scratch->pad, BLOCK, scratch->inner, BLAKE2S_SIZE);
}

void blake2s_kdf(uint8_t *ret, unsigned int n, const uint8_t key[static BLAKE2S_SIZE], const void *input, size_t len)
{
	assert(n >= 1 && n <= 3);
	hmac(scratch->extracted, key, input, len);
	for (unsigned int i = 0; i < n; i++) {
		size_t step_len = 0;

		if (i > 0) {
			memcpy(scratch->step, scratch->out + (i - 1) * BLAKE2S_SIZE, BLAKE2S_SIZE);
			step_len = BLAKE2S_SIZE;
		}
		scratch->step[step_len++] = (uint8_t)(i + 1);
		hmac(scratch->out + i * BLAKE2S_SIZE, scratch->extracted, scratch->step, step_len);
	}
	memcpy(ret, scratch->out, n * BLAKE2S_SIZE);
	sodium_memzero(scratch, sizeof(*scratch));
	/* The context, which is ordinary memory, has the last key's block until another takes its place. */
	blake2s_hash(scratch->inner, scratch->pad, BLOCK, NULL, 0);
}
