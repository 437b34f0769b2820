/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/evp.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

int evp_sha256(uint8_t ret[static SHA256_SIZE], const void *data, size_t len)
{
	return EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

int evp_hmac(uint8_t ret[static SHA256_SIZE], const void *key, size_t key_len, const void *a, size_t a_len,
	const void *b, size_t b_len)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	size_t written = 0;
	int r = -EIO;

	if (ctx && EVP_MAC_init(ctx, key, key_len, params) == 1 &&
		(a_len == 0 || EVP_MAC_update(ctx, a, a_len) == 1) &&
		(b_len == 0 || EVP_MAC_update(ctx, b, b_len) == 1) &&
		EVP_MAC_final(ctx, ret, &written, SHA256_SIZE) == 1 && written == SHA256_SIZE)
		r = 0;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	return r;
}

int evp_hkdf(uint8_t ret[static SHA256_SIZE], const uint8_t key[static SHA256_SIZE], const char *info)
{
	static const uint8_t zero_salt[SHA256_SIZE];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	size_t len = SHA256_SIZE;
	int r = -EIO;

	if (ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_CTX_set_hkdf_md(ctx, EVP_sha256()) == 1 &&
		EVP_PKEY_CTX_set1_hkdf_salt(ctx, zero_salt, sizeof(zero_salt)) == 1 &&
		EVP_PKEY_CTX_set1_hkdf_key(ctx, key, SHA256_SIZE) == 1 &&
		EVP_PKEY_CTX_add1_hkdf_info(ctx, (const unsigned char *)info, (int)strlen(info)) == 1 &&
		EVP_PKEY_derive(ctx, ret, &len) == 1 && len == SHA256_SIZE)
		r = 0;
	EVP_PKEY_CTX_free(ctx);
	return r;
}

static int cbc(
	uint8_t *out, const uint8_t *key, const uint8_t *iv, const uint8_t *in, size_t len, int encrypt)
{
	EVP_CIPHER_CTX *ctx;
	int n = 0, tail = 0, r = -EIO;

	if (len == 0 || len % AES_BLOCK_SIZE != 0 || len > INT_MAX)
		return -EINVAL;
	ctx = EVP_CIPHER_CTX_new();
	if (ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, iv, encrypt) == 1 &&
		EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
		EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 &&
		EVP_CipherFinal_ex(ctx, out + n, &tail) == 1 && (size_t)n + (size_t)tail == len)
		r = 0;
	EVP_CIPHER_CTX_free(ctx);
	return r;
}

int evp_cbc_encrypt(uint8_t *out, const uint8_t key[static 32], const uint8_t iv[static AES_BLOCK_SIZE],
	const uint8_t *in, size_t len)
{
	return cbc(out, key, iv, in, len, 1);
}

int evp_cbc_decrypt(uint8_t *out, const uint8_t key[static 32], const uint8_t iv[static AES_BLOCK_SIZE],
	const uint8_t *in, size_t len)
{
	return cbc(out, key, iv, in, len, 0);
}

static EVP_CIPHER_CTX *gcm_start(
	const uint8_t *key, const uint8_t *nonce, const void *ad, size_t ad_len, int encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;

	if (ctx && ad_len <= INT_MAX &&
		EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
		EVP_CipherUpdate(ctx, NULL, &n, ad, (int)ad_len) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

int evp_gcm_seal(uint8_t *out, uint8_t tag[static GCM_TAG_SIZE], const uint8_t key[static 32],
	const uint8_t nonce[static GCM_NONCE_SIZE], const void *ad, size_t ad_len,
	const struct evp_piece *pieces, size_t n_pieces)
{
	EVP_CIPHER_CTX *ctx = gcm_start(key, nonce, ad, ad_len, 1);
	int n = 0, r = -EIO;

	if (!ctx)
		return -EIO;
	for (size_t i = 0; i < n_pieces; i++) {
		if (EVP_CipherUpdate(ctx, out, &n, pieces[i].data, (int)pieces[i].len) != 1)
			goto finish;
		out += n;
	}
	if (EVP_CipherFinal_ex(ctx, out, &n) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_SIZE, tag) == 1)
		r = 0;
finish:
	EVP_CIPHER_CTX_free(ctx);
	return r;
}

int evp_gcm_open(const struct evp_piece *pieces, size_t n_pieces, const uint8_t key[static 32],
	const uint8_t nonce[static GCM_NONCE_SIZE], const void *ad, size_t ad_len, const uint8_t *in,
	const uint8_t tag[static GCM_TAG_SIZE])
{
	EVP_CIPHER_CTX *ctx = gcm_start(key, nonce, ad, ad_len, 0);
	uint8_t expected[GCM_TAG_SIZE], nothing[AES_BLOCK_SIZE];
	int n = 0, r = -EIO;

	if (!ctx)
		return -EIO;
	for (size_t i = 0; i < n_pieces; i++) {
		if (EVP_CipherUpdate(ctx, pieces[i].data, &n, in, (int)pieces[i].len) != 1)
			goto finish;
		in += n;
	}
	memcpy(expected, tag, sizeof(expected));
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_SIZE, expected) != 1)
		goto finish;
	r = EVP_CipherFinal_ex(ctx, nothing, &n) == 1 ? 0 : -EBADMSG;
finish:
	EVP_CIPHER_CTX_free(ctx);
	return r;
}
