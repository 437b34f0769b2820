/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/x25519-host.h"

#include "token/x25519-sodium.h"

void x25519_host_init(struct x25519_host_end *h, uint8_t seed,
	size_t (*carry)(void *userdata, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX]), void *userdata)
{
	*h = (struct x25519_host_end){.carry = carry, .userdata = userdata};
	memset(h->private_key, seed, 32);
	x25519_public(h->public_key, &x25519_sodium, h->private_key);
}

enum x25519_status x25519_host_ask(struct x25519_host_end *h, const struct x25519_request *r, struct x25519_answer *ret)
{
	uint8_t request[X25519_MESSAGE_MAX];
	size_t len = x25519_request_encode(request, r);

	assert_true(len > 0);
	h->raw_len = h->carry(h->userdata, request, len, h->raw);
	assert_true(x25519_answer_decode(ret, r->op, h->raw, h->raw_len));
	return ret->status;
}

enum x25519_status x25519_host_ask_sealed(struct x25519_host_end *h, const struct x25519_request *r, struct x25519_answer *ret)
{
	static uint8_t plain[X25519_MESSAGE_MAX];
	uint8_t inner[X25519_MESSAGE_MAX], sealed[2 * X25519_MESSAGE_MAX];
	struct x25519_request outer = {.op = X25519_SEALED, .sealed = sealed};
	struct x25519_answer answer;
	enum x25519_status status;
	size_t len = x25519_request_encode(inner, r);

	assert_true(len > 0);
	outer.sealed_len = x25519_channel_seal(&h->channel, &x25519_sodium, sealed, inner, len);
	assert_int_equal(outer.sealed_len, len + X25519_TAG_SIZE);
	status = x25519_host_ask(h, &outer, &answer);
	if (status != X25519_OK)
		return status;
	assert_true(x25519_channel_open(&h->channel, &x25519_sodium, plain, answer.sealed, answer.sealed_len));
	assert_true(x25519_answer_decode(ret, r->op, plain, answer.sealed_len - X25519_TAG_SIZE));
	return ret->status;
}

void x25519_host_hello(struct x25519_host_end *h)
{
	struct x25519_request r = {.op = X25519_HELLO, .nonce = "nonce 01"};
	struct x25519_answer a;

	assert_int_equal(x25519_host_ask(h, &r, &a), X25519_OK);
	assert_memory_equal(a.nonce, r.nonce, sizeof(r.nonce));
	h->hello = a.hello;
}

enum x25519_status x25519_host_pair(struct x25519_host_end *h)
{
	struct x25519_request r = {.op = X25519_PAIR};
	struct x25519_answer a;
	enum x25519_status status;

	memcpy(r.key, h->public_key, 32);
	status = x25519_host_ask(h, &r, &a);
	if (status == X25519_OK) {
		h->index = a.host;
		assert_memory_equal(a.token_public, h->hello.token_public, 32);
	}
	return status;
}

enum x25519_status x25519_host_channel(struct x25519_host_end *h)
{
	struct x25519_request r = {.op = X25519_CHANNEL, .version = X25519_VERSION, .host = h->index};
	struct x25519_ends ends = {h->private_key, h->public_key, h->hello.token_public};
	struct x25519_terms terms = {X25519_VERSION, h->index, &h->hello};
	struct x25519_handshake handshake;
	struct x25519_answer a;
	enum x25519_status status;

	assert_true(x25519_channel_begin(&handshake, &x25519_sodium, &ends, &terms, r.handshake));
	status = x25519_host_ask(h, &r, &a);
	if (status == X25519_OK && !x25519_channel_finish(&h->channel, &handshake, &x25519_sodium, &ends, a.handshake))
		status = X25519_INTERNAL;
	return status;
}

void x25519_host_connect(struct x25519_host_end *h)
{
	x25519_host_hello(h);
	assert_int_equal(x25519_host_pair(h), X25519_OK);
	assert_int_equal(x25519_host_channel(h), X25519_OK);
}
