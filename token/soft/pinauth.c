/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/pinauth.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "token/soft/evp.h"

static const uint8_t zero_iv[AES_BLOCK_SIZE];

int pinauth_shared(struct secret **ret, enum pinauth_protocol protocol, EVP_PKEY *own,
	const uint8_t peer[static P256_POINT_SIZE])
{
	_cleanup_secret_ struct secret *x = NULL, *shared = NULL;
	int r = p256_agree(&x, own, peer);

	if (r < 0)
		return r;
	shared = secret_new(protocol == PINAUTH_ONE ? 32 : 64);
	if (!shared)
		return -ENOMEM;
	switch (protocol) {
	case PINAUTH_ONE:
		r = evp_sha256(secret_borrow_mut(shared), secret_borrow(x), 32);
		break;
	case PINAUTH_TWO:
		r = evp_hkdf(secret_borrow_mut(shared), secret_borrow(x), "CTAP2 HMAC key");
		if (r == 0)
			r = evp_hkdf(secret_borrow_mut(shared) + 32, secret_borrow(x), "CTAP2 AES key");
		break;
	}
	if (r == 0)
		*ret = secret_take(&shared);
	return r;
}

bool pinauth_verify(enum pinauth_protocol protocol, const struct secret *key, struct slice a, struct slice b,
	struct slice signature)
{
	size_t want = protocol == PINAUTH_ONE ? 16 : 32;
	uint8_t mac[SHA256_SIZE];
	bool good;

	/* The HMAC key of protocol two's shared secret is its first half. */
	good = signature.len == want &&
	       evp_hmac(mac, secret_borrow(key), 32, a.data, a.len, b.data, b.len) == 0 &&
	       CRYPTO_memcmp(mac, signature.data, want) == 0;
	OPENSSL_cleanse(mac, sizeof(mac));
	return good;
}

static const uint8_t *aes_key(enum pinauth_protocol protocol, const struct secret *shared)
{
	return secret_borrow(shared) + (protocol == PINAUTH_ONE ? 0 : 32);
}

int pinauth_decrypt(struct secret **ret, enum pinauth_protocol protocol, const struct secret *shared,
	struct slice ciphertext)
{
	_cleanup_secret_ struct secret *plain = NULL;
	const uint8_t *iv = zero_iv;
	int r;

	if (protocol == PINAUTH_TWO) {
		if (ciphertext.len < AES_BLOCK_SIZE)
			return -EINVAL;
		iv = ciphertext.data;
		ciphertext.data += AES_BLOCK_SIZE;
		ciphertext.len -= AES_BLOCK_SIZE;
	}
	if (ciphertext.len == 0 || ciphertext.len > SECRET_MAX || ciphertext.len % AES_BLOCK_SIZE != 0)
		return -EINVAL;
	plain = secret_new(ciphertext.len);
	if (!plain)
		return -ENOMEM;
	r = evp_cbc_decrypt(
		secret_borrow_mut(plain), aes_key(protocol, shared), iv, ciphertext.data, ciphertext.len);
	if (r == 0)
		*ret = secret_take(&plain);
	return r;
}

int pinauth_encrypt(uint8_t ret[static PINAUTH_CIPHERTEXT_MAX], size_t *ret_len,
	enum pinauth_protocol protocol, const struct secret *shared, const struct secret *plain)
{
	size_t iv_len = protocol == PINAUTH_ONE ? 0 : AES_BLOCK_SIZE;
	int r;

	if (iv_len > 0 && RAND_bytes(ret, (int)iv_len) != 1)
		return -EIO;
	r = evp_cbc_encrypt(ret + iv_len, aes_key(protocol, shared), iv_len > 0 ? ret : zero_iv,
		secret_borrow(plain), secret_len(plain));
	if (r == 0)
		*ret_len = iv_len + secret_len(plain);
	return r;
}
