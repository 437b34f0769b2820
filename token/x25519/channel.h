/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel of wgX25519, both ends: Noise_KK_25519_ChaChaPoly_SHA256 (Noise specification, revision 34,
 * section 7.5), both messages with an empty payload, the host being the initiator. Then sealed messages with
 * implicit counters. Freestanding; docs/ctaphid-x25519.md, "The channel".
 *
 * The prologue holds what HELLO answered, so that nobody has changed it on the way.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/x25519/crypto.h"
#include "token/x25519/message.h"

/* After so many messages in a direction a channel is over. */
#define X25519_CHANNEL_MESSAGES_MAX UINT32_MAX

/* Secret: wiped with x25519_channel_end. */
struct x25519_channel {
	uint8_t send_key[X25519_KEY_SIZE], receive_key[X25519_KEY_SIZE];
	uint32_t sent, received;
	bool open;
};

/* One end's long-lived key, and the other's. */
struct x25519_ends {
	const uint8_t *own_private; /* X25519_KEY_SIZE each; borrowed */
	const uint8_t *own_public;
	const uint8_t *other_public;
};

/* What the prologue says. */
struct x25519_terms {
	uint8_t version; /* of CHANNEL */
	uint8_t host;	 /* the index in CHANNEL */
	const struct x25519_hello *hello; /* as the token sends it */
};

/* The host's, between its message and the token's. Secret: wiped by x25519_channel_finish, or by the caller. */
struct x25519_handshake {
	uint8_t hash[X25519_HASH_SIZE];
	uint8_t chaining_key[X25519_HASH_SIZE];
	uint8_t ephemeral[X25519_KEY_SIZE];
};

/* The host: its message. False: a public key of low order, or no randomness; all is wiped then. */
bool x25519_channel_begin(struct x25519_handshake *ret, const struct x25519_crypto *crypto,
	const struct x25519_ends *ends, const struct x25519_terms *terms, uint8_t message[static X25519_HANDSHAKE_SIZE]);
/* The host: with the token's. False: not of this token, or not to this message. Wipes *h either way. */
bool x25519_channel_finish(struct x25519_channel *ret, struct x25519_handshake *h, const struct x25519_crypto *crypto,
	const struct x25519_ends *ends, const uint8_t message[static X25519_HANDSHAKE_SIZE]);
/* The token: both. False: not of this host, or no randomness; *ret is over and answer all zero then. */
bool x25519_channel_accept(struct x25519_channel *ret, const struct x25519_crypto *crypto,
	const struct x25519_ends *ends, const struct x25519_terms *terms, const uint8_t message[static X25519_HANDSHAKE_SIZE],
	uint8_t answer[static X25519_HANDSHAKE_SIZE]);

/* ret has len + X25519_TAG_SIZE bytes, which it returns; 0 when the channel is over. plain and ret may not overlap. */
size_t x25519_channel_seal(struct x25519_channel *c, const struct x25519_crypto *crypto, uint8_t *ret, const uint8_t *plain, size_t len);
/* ret has len - X25519_TAG_SIZE bytes. False: not the next one of the other end; the channel is over then. */
bool x25519_channel_open(struct x25519_channel *c, const struct x25519_crypto *crypto, uint8_t *ret, const uint8_t *sealed, size_t len);
void x25519_channel_end(struct x25519_channel *c, const struct x25519_crypto *crypto);

/* The public key of a private one. */
void x25519_public(uint8_t ret[static X25519_KEY_SIZE], const struct x25519_crypto *crypto,
	const uint8_t private_key[static X25519_KEY_SIZE]);
