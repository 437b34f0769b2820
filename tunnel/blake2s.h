/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BLAKE2s (RFC 7693) as WireGuard uses it: plain, keyed, HMAC and the KDF of whitepaper section 5.4. libcrypto's code behind
 * contexts that are made once: the control thread's alone. Calls that cannot fail for want of memory once blake2s_init went well.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define BLAKE2S_SIZE 32
#define BLAKE2S_MAC_SIZE 16

/* Once, before anything else. 0, -ENOMEM, -EOPNOTSUPP (a libcrypto without BLAKE2s). */
int blake2s_init(void);
/* Wipes and frees. */
void blake2s_exit(void);

/* Hash(a || b). ret may be a or b. */
void blake2s_hash(uint8_t ret[static BLAKE2S_SIZE], const void *a, size_t a_len, const void *b, size_t b_len);
/* MAC(key, data): keyed BLAKE2s with 16 bytes of output; key_len 1..32. */
void blake2s_mac(uint8_t ret[static BLAKE2S_MAC_SIZE], const void *key, size_t key_len, const void *data, size_t len);
/* KDF_n: ret is n times 32 bytes; n 1..3. key may lie in ret. Intermediate values stay in guarded memory, and are wiped. */
void blake2s_kdf(uint8_t *ret, unsigned int n, const uint8_t key[static BLAKE2S_SIZE], const void *input, size_t len);
