/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host of wgX25519 for tests of the token: straight, and ready to send anything. What carries its messages is a
 * callback: a device in this process, a CTAPHID state machine, a socket.
 */
#pragma once

#include "tests/unit/unit.h"

#include "token/x25519/channel.h"

struct x25519_host_end {
	/* Answers a request; the answer's length. */
	size_t (*carry)(void *userdata, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX]);
	void *userdata;
	uint8_t private_key[32], public_key[32];
	uint8_t index;
	struct x25519_hello hello; /* with the token's public key */
	struct x25519_channel channel;
	uint8_t raw[X25519_MESSAGE_MAX]; /* the last answer as it came */
	size_t raw_len;
};

/* Its key is seed, 32 times. */
void x25519_host_init(struct x25519_host_end *h, uint8_t seed,
	size_t (*carry)(void *userdata, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX]), void *userdata);
/* In the clear; the answer must be one to this request. */
enum x25519_status x25519_host_ask(struct x25519_host_end *h, const struct x25519_request *r, struct x25519_answer *ret);
/* In the channel. X25519_NO_CHANNEL: the token said so in the clear. */
enum x25519_status x25519_host_ask_sealed(struct x25519_host_end *h, const struct x25519_request *r, struct x25519_answer *ret);
void x25519_host_hello(struct x25519_host_end *h);
enum x25519_status x25519_host_pair(struct x25519_host_end *h);
/* With hello and pair done. X25519_INTERNAL: it answered, but is not the token. */
enum x25519_status x25519_host_channel(struct x25519_host_end *h);
/* Hello, pair, channel. */
void x25519_host_connect(struct x25519_host_end *h);
