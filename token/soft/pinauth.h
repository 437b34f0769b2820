/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two PIN/UV auth protocols, CTAP 2.1 sections 6.5.6 and 6.5.7, from the token's side. 0 or a negative
 * errno. */
#pragma once

#include <stdbool.h>

#include "common/secret.h"
#include "token/soft/p256.h"
#include "token/soft/reader.h"

enum pinauth_protocol { PINAUTH_ONE = 1, PINAUTH_TWO = 2 };

#define PINAUTH_CIPHERTEXT_MAX (16 + SECRET_MAX)

/* "decapsulate": 32 bytes for protocol one, HMAC key || AES key for protocol two. -EINVAL: peer is not on the
 * curve. */
int pinauth_shared(struct secret **ret, enum pinauth_protocol protocol, EVP_PKEY *own,
	const uint8_t peer[static P256_POINT_SIZE]);
/* "verify", constant time; key is a shared secret or a pinUvAuthToken, the message a || b. */
bool pinauth_verify(enum pinauth_protocol protocol, const struct secret *key, struct slice a, struct slice b,
	struct slice signature);
/* "decrypt" into guarded memory; -EINVAL for a length that cannot be, or of more than SECRET_MAX bytes. */
int pinauth_decrypt(struct secret **ret, enum pinauth_protocol protocol, const struct secret *shared,
	struct slice ciphertext);
/* "encrypt"; plain is a multiple of 16 bytes long. */
int pinauth_encrypt(uint8_t ret[static PINAUTH_CIPHERTEXT_MAX], size_t *ret_len,
	enum pinauth_protocol protocol, const struct secret *shared, const struct secret *plain);
