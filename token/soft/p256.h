/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys on the curve P-256: ES256 signatures and the key agreement of the PIN protocols. 0 or a negative
 * errno. */
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"

#define P256_POINT_SIZE 64    /* x || y */
#define P256_SIGNATURE_MAX 72 /* DER */

int p256_generate(EVP_PKEY **ret);
int p256_public(uint8_t ret[static P256_POINT_SIZE], EVP_PKEY *key);
/* The private scalar, 32 bytes big-endian, in guarded memory; and back (without the public point: it can
 * sign, no more). */
int p256_private(struct secret **ret, EVP_PKEY *key);
int p256_from_private(EVP_PKEY **ret, const struct secret *scalar);
/* ECDSA with SHA-256 over a || b. */
int p256_sign(uint8_t ret[static P256_SIGNATURE_MAX], size_t *ret_len, EVP_PKEY *key, const void *a,
	size_t a_len, const void *b, size_t b_len);
/* The x coordinate of the shared point. -EINVAL: not a point of the curve. */
int p256_agree(struct secret **ret, EVP_PKEY *own, const uint8_t peer[static P256_POINT_SIZE]);
