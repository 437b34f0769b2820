/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handshake messages as they go over the wire (WireGuard whitepaper section 5.4). Bytes only: no alignment, little-endian. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/encoding.h"

#define MESSAGE_INITIATION 1
#define MESSAGE_RESPONSE 2
#define MESSAGE_COOKIE 3
#define MESSAGE_DATA 4

#define MESSAGE_TAG_SIZE 16
#define MESSAGE_TIMESTAMP_SIZE 12 /* TAI64N */
#define MESSAGE_MAC_SIZE 16
#define MESSAGE_COOKIE_SIZE 16
#define MESSAGE_COOKIE_NONCE_SIZE 24

struct message_macs {
	uint8_t mac1[MESSAGE_MAC_SIZE], mac2[MESSAGE_MAC_SIZE];
};

struct message_initiation {
	uint8_t type[4]; /* the type and three zeros */
	uint8_t sender[4];
	uint8_t ephemeral[KEY_SIZE];
	uint8_t static_key[KEY_SIZE + MESSAGE_TAG_SIZE];
	uint8_t timestamp[MESSAGE_TIMESTAMP_SIZE + MESSAGE_TAG_SIZE];
	struct message_macs macs;
};

struct message_response {
	uint8_t type[4];
	uint8_t sender[4];
	uint8_t receiver[4];
	uint8_t ephemeral[KEY_SIZE];
	uint8_t empty[MESSAGE_TAG_SIZE];
	struct message_macs macs;
};

struct message_cookie {
	uint8_t type[4];
	uint8_t receiver[4];
	uint8_t nonce[MESSAGE_COOKIE_NONCE_SIZE];
	uint8_t cookie[MESSAGE_COOKIE_SIZE + MESSAGE_TAG_SIZE];
};

_Static_assert(sizeof(struct message_initiation) == 148, "whitepaper section 5.4.2");
_Static_assert(sizeof(struct message_response) == 92, "whitepaper section 5.4.3");
_Static_assert(sizeof(struct message_cookie) == 64, "whitepaper section 5.4.7");

static inline uint32_t message_get32(const uint8_t from[static 4])
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline void message_put32(uint8_t to[static 4], uint32_t n)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(n >> 8 * i);
}

/* Of a whole datagram: MESSAGE_INITIATION to MESSAGE_DATA, with the length that belongs to it; 0: it is none of them. */
static inline int message_type(const uint8_t *bytes, size_t len)
{
	if (len < 4 || bytes[1] || bytes[2] || bytes[3])
		return 0;
	if ((bytes[0] == MESSAGE_INITIATION && len == sizeof(struct message_initiation)) ||
		(bytes[0] == MESSAGE_RESPONSE && len == sizeof(struct message_response)) ||
		(bytes[0] == MESSAGE_COOKIE && len == sizeof(struct message_cookie)) || (bytes[0] == MESSAGE_DATA && len >= 32))
		return bytes[0];
	return 0;
}
