/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/p256.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <string.h>

int p256_generate(EVP_PKEY **ret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return -EIO;
	*ret = key;
	return 0;
}

int p256_public(uint8_t ret[static P256_POINT_SIZE], EVP_PKEY *key)
{
	uint8_t point[1 + P256_POINT_SIZE];
	size_t len = 0;

	if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len) != 1 ||
		len != sizeof(point) || point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return -EIO;
	memcpy(ret, point + 1, P256_POINT_SIZE);
	return 0;
}

int p256_private(struct secret **ret, EVP_PKEY *key)
{
	_cleanup_secret_ struct secret *scalar = secret_new(32);
	BIGNUM *bn = NULL;
	int r = -EIO;

	if (!scalar)
		return -ENOMEM;
	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &bn) == 1 &&
		BN_bn2binpad(bn, secret_borrow_mut(scalar), 32) == 32) {
		*ret = secret_take(&scalar);
		r = 0;
	}
	BN_clear_free(bn);
	return r;
}

static int from_params(EVP_PKEY **ret, OSSL_PARAM *params, int selection)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	int r = -EINVAL;

	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, selection, params) == 1) {
		*ret = key;
		r = 0;
	}
	EVP_PKEY_CTX_free(ctx);
	return r;
}

int p256_from_private(EVP_PKEY **ret, const struct secret *scalar)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *bn = BN_secure_new();
	OSSL_PARAM *params = NULL;
	int r = -EIO;

	if (secret_len(scalar) != 32)
		r = -EINVAL;
	else if (build && bn && BN_bin2bn(secret_borrow(scalar), 32, bn) &&
		 OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
		 OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, bn) == 1)
		params = OSSL_PARAM_BLD_to_param(build);
	if (params)
		r = from_params(ret, params, EVP_PKEY_KEYPAIR);
	OSSL_PARAM_free(params);
	BN_clear_free(bn);
	OSSL_PARAM_BLD_free(build);
	return r;
}

int p256_sign(uint8_t ret[static P256_SIGNATURE_MAX], size_t *ret_len, EVP_PKEY *key, const void *a,
	size_t a_len, const void *b, size_t b_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = P256_SIGNATURE_MAX;
	int r = -EIO;

	if (ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSignUpdate(ctx, a, a_len) == 1 && EVP_DigestSignUpdate(ctx, b, b_len) == 1 &&
		EVP_DigestSignFinal(ctx, ret, &len) == 1) {
		*ret_len = len;
		r = 0;
	}
	EVP_MD_CTX_free(ctx);
	return r;
}

static int from_public(EVP_PKEY **ret, const uint8_t peer[static P256_POINT_SIZE])
{
	uint8_t point[1 + P256_POINT_SIZE] = {POINT_CONVERSION_UNCOMPRESSED};
	char group[] = "P-256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_end(),
	};

	memcpy(point + 1, peer, P256_POINT_SIZE);
	return from_params(ret, params, EVP_PKEY_PUBLIC_KEY); /* checks that the point lies on the curve */
}

int p256_agree(struct secret **ret, EVP_PKEY *own, const uint8_t peer[static P256_POINT_SIZE])
{
	_cleanup_secret_ struct secret *x = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *other = NULL;
	size_t len = 32;
	int r = from_public(&other, peer);

	if (r < 0)
		return r;
	r = -EIO;
	x = secret_new(32);
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
	if (!x)
		r = -ENOMEM;
	else if (ctx && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, other) == 1 &&
		 EVP_PKEY_derive(ctx, secret_borrow_mut(x), &len) == 1 && len == 32) {
		*ret = secret_take(&x);
		r = 0;
	}
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(other);
	return r;
}
