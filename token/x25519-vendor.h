/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's end of wgX25519 (docs/ctaphid-x25519.md) on an open session: requests and answers of the vendor command, and the
 * channel to a token that this host is paired with. Only for tokens whose getInfo lists the extension: the caller has looked.
 *
 * Whatever the token answers is held against what was asked: op, nonce, slot, lengths; what comes sealed is the next message of
 * the paired token and of nobody else. After a failure of the wire, and after an answer that is none, nothing more is sent.
 */
#pragma once

#include "token/session.h"
#include "token/x25519/channel.h"
#include "token/x25519/message.h"

/* Lies in guarded memory, with all keys and results in it; wiped with its end. */
struct x25519_vendor {
	struct session *session;
	char *detail; /* WIRE_TEXT_MAX, set beside an outcome */
	struct x25519_hello hello;
	struct x25519_channel channel;
	bool given_up; /* by the token: it did nothing of the last sealed request, and another channel may do */
	struct x25519_handshake handshake;
	uint8_t own_public[X25519_KEY_SIZE];
	struct x25519_request request; /* to be filled by the caller */
	struct x25519_answer answer;   /* of the last exchange */
	struct x25519_request outer;
	uint8_t plain[X25519_MESSAGE_MAX], sealed[X25519_MESSAGE_MAX], reply[X25519_MESSAGE_MAX];
};

/* hello: what is known of the token already; NULL: nothing. NULL when guarded memory cannot be had. */
struct x25519_vendor *x25519_vendor_new(struct session *s, const struct x25519_hello *hello, char detail[static WIRE_TEXT_MAX]);
struct x25519_vendor *x25519_vendor_free(struct x25519_vendor *v);

/* All below: OUTCOME_OK, or another with the detail set. */

/* HELLO: fills v->hello. OUTCOME_UNSUPPORTED: no version that both speak. */
enum outcome x25519_vendor_hello(struct x25519_vendor *v);
/* v->request as it is, and v->answer. */
enum outcome x25519_vendor_ask(struct x25519_vendor *v);
/*
 * Opens the channel. OUTCOME_WRONG_TOKEN: not the token that token_public is the key of, or it does not know this host;
 * OUTCOME_TOKEN_FAILED: it cannot prove who it says it is.
 */
enum outcome x25519_vendor_enter(struct x25519_vendor *v, const uint8_t host_key[static X25519_KEY_SIZE], uint8_t host,
	const uint8_t token_public[static X25519_KEY_SIZE]);
/* v->request inside the channel, and v->answer out of it. */
enum outcome x25519_vendor_ask_sealed(struct x25519_vendor *v);

/* X25519 with it is zero, whatever the private key (RFC 7748, section 6.1): no honest party sends such a point. */
bool x25519_vendor_is_low_order(const uint8_t point[static X25519_KEY_SIZE]);
