/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be seen of a WireGuard handshake message without any secret (whitepaper sections 5.4.2 to 5.4.4): whose ephemeral
 * key is in it, and that its first authenticator was made by one who knows the receiver's public key:
 *
 *   mac1 = BLAKE2s-128(key = BLAKE2s-256("mac1----" || receiver's public key), all of the message before mac1)
 *
 * libcrypto's BLAKE2s; nothing else of the broker includes its headers.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/encoding.h"

#define MAC1_INITIATION_SIZE 148
#define MAC1_RESPONSE_SIZE 92
#define MAC1_SIZE 16

enum mac1_type { MAC1_INITIATION = 1, MAC1_RESPONSE = 2 };

/* Of a message of the right length, type and mac1: 0, the ephemeral key, and mac1 itself. -EBADMSG for any other; -EIO: libcrypto. */
int mac1_check(uint8_t ret_ephemeral[static KEY_SIZE], uint8_t ret_mac1[static MAC1_SIZE], enum mac1_type type, const uint8_t *message,
	size_t len, const uint8_t receiver[static KEY_SIZE]);
