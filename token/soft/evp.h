/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few algorithms of CTAP2, on libcrypto's EVP interface. 0, or -EIO when libcrypto fails, -EBADMSG as
 * noted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define AES_BLOCK_SIZE 16
#define GCM_NONCE_SIZE 12
#define GCM_TAG_SIZE 16

int evp_sha256(uint8_t ret[static SHA256_SIZE], const void *data, size_t len);
/* HMAC-SHA256 of a || b. */
int evp_hmac(uint8_t ret[static SHA256_SIZE], const void *key, size_t key_len, const void *a, size_t a_len,
	const void *b, size_t b_len);
/* HKDF-SHA256 with a salt of 32 zero bytes; 32 bytes out. */
int evp_hkdf(uint8_t ret[static SHA256_SIZE], const uint8_t key[static SHA256_SIZE], const char *info);
/* AES-256-CBC without padding: len is a multiple of AES_BLOCK_SIZE (else -EINVAL). in and out may be the
 * same. */
int evp_cbc_encrypt(uint8_t *out, const uint8_t key[static 32], const uint8_t iv[static AES_BLOCK_SIZE],
	const uint8_t *in, size_t len);
int evp_cbc_decrypt(uint8_t *out, const uint8_t key[static 32], const uint8_t iv[static AES_BLOCK_SIZE],
	const uint8_t *in, size_t len);

/* One stretch of the plaintext of evp_gcm_*: they lie in several secrets. */
struct evp_piece {
	uint8_t *data;
	size_t len;
};

/* AES-256-GCM; out and in have the length of all pieces together. */
int evp_gcm_seal(uint8_t *out, uint8_t tag[static GCM_TAG_SIZE], const uint8_t key[static 32],
	const uint8_t nonce[static GCM_NONCE_SIZE], const void *ad, size_t ad_len,
	const struct evp_piece *pieces, size_t n_pieces);
/* -EBADMSG: not sealed with this key and associated data. What the pieces hold then is not to be used. */
int evp_gcm_open(const struct evp_piece *pieces, size_t n_pieces, const uint8_t key[static 32],
	const uint8_t nonce[static GCM_NONCE_SIZE], const void *ad, size_t ad_len, const uint8_t *in,
	const uint8_t tag[static GCM_TAG_SIZE]);
