/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The primitives that wgX25519 needs, as a table: firmware has its own (a peripheral, a library in assembler),
 * the host has libsodium (token/x25519-sodium.h). All must run in constant time for their secrets.
 * Buffers do not overlap except where said.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "token/x25519/message.h"

#define X25519_NONCE_SIZE 12
#define X25519_HASH_SIZE 32

struct x25519_crypto {
	/*
	 * RFC 7748: the private key is clamped and the point's top bit ignored by it, not by the caller. No result
	 * is trusted: callers look for the all-zero one of a low-order point (section 6.1) themselves.
	 */
	void (*x25519)(uint8_t ret[static X25519_KEY_SIZE], const uint8_t private_key[static X25519_KEY_SIZE],
		const uint8_t point[static X25519_KEY_SIZE]);
	/* SHA-256 of at most 256 bytes. */
	void (*sha256)(uint8_t ret[static X25519_HASH_SIZE], const void *data, size_t len);
	/* ChaCha20-Poly1305 of RFC 8439 section 2.8: ret has len + X25519_TAG_SIZE bytes, the tag last. */
	void (*seal)(uint8_t *ret, const uint8_t key[static X25519_KEY_SIZE],
		const uint8_t nonce[static X25519_NONCE_SIZE], const void *ad, size_t ad_len, const void *plain, size_t len);
	/* len is that of the ciphertext and the tag. 0; else it was not sealed so, and ret is not to be used. */
	int (*open)(uint8_t *ret, const uint8_t key[static X25519_KEY_SIZE],
		const uint8_t nonce[static X25519_NONCE_SIZE], const void *ad, size_t ad_len, const uint8_t *sealed, size_t len);
	/* 0; else there is no good randomness, and nothing is made of ret. */
	int (*random)(void *ret, size_t len);
	/* Zeroes, in a way that the compiler does not leave out. */
	void (*wipe)(void *data, size_t len);
};
