/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/x25519/message.h"

#include "token/x25519/mem.h"

#define KEY X25519_KEY_SIZE
#define REQUEST_HEAD 1
#define ANSWER_HEAD 2
#define HELLO_SIZE (X25519_HELLO_NONCE_SIZE + 2 + 4 + 2 + 4 + KEY)
#define INFO_SIZE (5 + KEY)
#define INFO_IMPORTED 0x80 /* beside the touch policy */
#define POLICY_SIZE 4 /* touch, seconds, open */

_Static_assert(ANSWER_HEAD + HELLO_SIZE <= X25519_MESSAGE_MAX, "HELLO fits a report");
_Static_assert(REQUEST_HEAD + 1 + POLICY_SIZE + KEY == X25519_INNER_MAX, "IMPORT is the longest");
_Static_assert(REQUEST_HEAD + X25519_INNER_MAX + X25519_TAG_SIZE <= X25519_MESSAGE_MAX, "sealed requests fit a report");
_Static_assert(2 * ANSWER_HEAD + INFO_SIZE + X25519_TAG_SIZE <= X25519_MESSAGE_MAX, "sealed answers fit a report");

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)v);
	put16(p + 2, (uint16_t)(v >> 16));
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

bool x25519_is_zero(const uint8_t key[static X25519_KEY_SIZE])
{
	volatile uint8_t any = 0;

	for (size_t i = 0; i < KEY; i++)
		any |= key[i];
	return any == 0;
}

static bool touch_valid(uint8_t touch, uint16_t seconds)
{
	return touch == X25519_TOUCH_CACHED ? seconds > 0
					    : (touch == X25519_TOUCH_NEVER || touch == X25519_TOUCH_ALWAYS) && seconds == 0;
}

/* Lengths of the bodies; -1: from the shortest message and its tag to the end of the report (SEALED), -2: no such op. */
static int request_body(unsigned int op)
{
	switch (op) {
	case X25519_HELLO:
		return X25519_HELLO_NONCE_SIZE;
	case X25519_PUBLIC:
	case X25519_ERASE:
	case X25519_UNPAIR:
		return 1;
	case X25519_GENERATE:
		return 1 + POLICY_SIZE;
	case X25519_IMPORT:
		return 1 + POLICY_SIZE + KEY;
	case X25519_DH:
		return 1 + KEY;
	case X25519_PAIR:
		return KEY;
	case X25519_CHANNEL:
		return 2 + X25519_HANDSHAKE_SIZE;
	case X25519_SEALED:
		return -1;
	}
	return -2;
}

static int answer_body(unsigned int op)
{
	switch (op) {
	case X25519_HELLO:
		return HELLO_SIZE;
	case X25519_PUBLIC:
	case X25519_GENERATE:
	case X25519_IMPORT:
		return INFO_SIZE;
	case X25519_ERASE:
	case X25519_UNPAIR:
		return 0;
	case X25519_DH:
		return KEY;
	case X25519_PAIR:
		return 1 + KEY;
	case X25519_CHANNEL:
		return X25519_HANDSHAKE_SIZE;
	case X25519_SEALED:
		return -1;
	}
	return -2;
}

static bool body_fits(int body, size_t len, size_t head)
{
	return body == -1 ? len >= head + head + X25519_TAG_SIZE && len <= X25519_MESSAGE_MAX : len == head + (size_t)body;
}

size_t x25519_request_encode(uint8_t ret[static X25519_MESSAGE_MAX], const struct x25519_request *r)
{
	int body = request_body(r->op);
	size_t len = REQUEST_HEAD + (body == -1 ? r->sealed_len : (size_t)body);
	uint8_t *p = ret + REQUEST_HEAD;

	if (body == -2 || !body_fits(body, len, REQUEST_HEAD))
		return 0;
	ret[0] = (uint8_t)r->op;
	switch (r->op) {
	case X25519_HELLO:
		memcpy(p, r->nonce, sizeof(r->nonce));
		break;
	case X25519_PUBLIC:
	case X25519_ERASE:
		p[0] = r->slot;
		break;
	case X25519_UNPAIR:
		p[0] = r->host;
		break;
	case X25519_GENERATE:
	case X25519_IMPORT:
		if (!touch_valid((uint8_t)r->touch, r->cached_seconds))
			return 0;
		p[0] = r->slot;
		p[1] = (uint8_t)r->touch;
		put16(p + 2, r->cached_seconds);
		p[4] = r->open;
		if (r->op == X25519_IMPORT)
			memcpy(p + 5, r->key, KEY);
		break;
	case X25519_DH:
		p[0] = r->slot;
		memcpy(p + 1, r->key, KEY);
		break;
	case X25519_PAIR:
		memcpy(p, r->key, KEY);
		break;
	case X25519_CHANNEL:
		p[0] = r->version;
		p[1] = r->host;
		memcpy(p + 2, r->handshake, X25519_HANDSHAKE_SIZE);
		break;
	case X25519_SEALED:
		memmove(p, r->sealed, r->sealed_len);
		break;
	}
	return len;
}

enum x25519_status x25519_request_decode(struct x25519_request *ret, const uint8_t *data, size_t len)
{
	int body = len > 0 ? request_body(data[0]) : -2;
	const uint8_t *p = data + REQUEST_HEAD;

	if (len == 0)
		return X25519_BAD_LENGTH;
	if (body == -2)
		return X25519_UNKNOWN_OP;
	if (!body_fits(body, len, REQUEST_HEAD))
		return X25519_BAD_LENGTH;
	if (data[0] == X25519_GENERATE || data[0] == X25519_IMPORT) {
		if (!touch_valid(p[1], get16(p + 2)) || p[4] > 1)
			return X25519_BAD_PARAMETER;
	}
	memset(ret, 0, sizeof(*ret));
	ret->op = (enum x25519_op)data[0];
	switch (ret->op) {
	case X25519_HELLO:
		memcpy(ret->nonce, p, sizeof(ret->nonce));
		break;
	case X25519_PUBLIC:
	case X25519_ERASE:
		ret->slot = p[0];
		break;
	case X25519_UNPAIR:
		ret->host = p[0];
		break;
	case X25519_GENERATE:
	case X25519_IMPORT:
		ret->slot = p[0];
		ret->touch = (enum x25519_touch)p[1];
		ret->cached_seconds = get16(p + 2);
		ret->open = p[4];
		if (ret->op == X25519_IMPORT)
			memcpy(ret->key, p + 5, KEY);
		break;
	case X25519_DH:
		ret->slot = p[0];
		memcpy(ret->key, p + 1, KEY);
		break;
	case X25519_PAIR:
		memcpy(ret->key, p, KEY);
		break;
	case X25519_CHANNEL:
		ret->version = p[0];
		ret->host = p[1];
		memcpy(ret->handshake, p + 2, X25519_HANDSHAKE_SIZE);
		break;
	case X25519_SEALED:
		ret->sealed = p;
		ret->sealed_len = len - REQUEST_HEAD;
		break;
	}
	return X25519_OK;
}

static void put_hello(uint8_t *p, const struct x25519_answer *a)
{
	memcpy(p, a->nonce, X25519_HELLO_NONCE_SIZE);
	p += X25519_HELLO_NONCE_SIZE;
	p[0] = a->hello.oldest;
	p[1] = a->hello.newest;
	put32(p + 2, a->hello.features);
	p[6] = a->hello.slots;
	p[7] = a->hello.hosts;
	put32(p + 8, a->hello.taken);
	memcpy(p + 12, a->hello.token_public, KEY);
}

static bool get_hello(struct x25519_answer *a, const uint8_t *p)
{
	struct x25519_hello *h = &a->hello;

	memcpy(a->nonce, p, X25519_HELLO_NONCE_SIZE);
	p += X25519_HELLO_NONCE_SIZE;
	h->oldest = p[0];
	h->newest = p[1];
	h->features = get32(p + 2);
	h->slots = p[6];
	h->hosts = p[7];
	h->taken = get32(p + 8);
	memcpy(h->token_public, p + 12, KEY);
	return h->oldest >= 1 && h->oldest <= h->newest && h->slots <= X25519_SLOTS_LIMIT && h->hosts <= X25519_HOSTS_LIMIT &&
	       (h->slots == X25519_SLOTS_LIMIT || h->taken >> h->slots == 0);
}

static void put_info(uint8_t *p, const struct x25519_key_info *i)
{
	p[0] = i->slot;
	p[1] = (uint8_t)((unsigned int)i->touch | (i->imported ? INFO_IMPORTED : 0u));
	p[2] = i->owner;
	put16(p + 3, i->cached_seconds);
	memcpy(p + 5, i->public_key, KEY);
}

static bool get_info(struct x25519_key_info *i, const uint8_t *p)
{
	uint8_t touch = p[1] & (uint8_t)~INFO_IMPORTED;

	if (p[0] >= X25519_SLOTS_LIMIT || (p[2] >= X25519_HOSTS_LIMIT && p[2] != X25519_NO_HOST) ||
		!touch_valid(touch, get16(p + 3)))
		return false;
	i->slot = p[0];
	i->imported = p[1] & INFO_IMPORTED;
	i->owner = p[2];
	i->touch = (enum x25519_touch)touch;
	i->cached_seconds = get16(p + 3);
	memcpy(i->public_key, p + 5, KEY);
	return true;
}

size_t x25519_answer_encode(uint8_t ret[static X25519_MESSAGE_MAX], const struct x25519_answer *a)
{
	int body = answer_body(a->op);
	size_t len = ANSWER_HEAD + (body == -1 ? a->sealed_len : (size_t)body);
	uint8_t *p = ret + ANSWER_HEAD;

	if (a->status != X25519_OK) {
		ret[0] = (uint8_t)a->op; /* an unknown one too */
		ret[1] = (uint8_t)a->status;
		return ANSWER_HEAD;
	}
	if (body == -2 || !body_fits(body, len, ANSWER_HEAD))
		return 0;
	ret[0] = (uint8_t)a->op;
	ret[1] = X25519_OK;
	switch (a->op) {
	case X25519_HELLO:
		put_hello(p, a);
		break;
	case X25519_PUBLIC:
	case X25519_GENERATE:
	case X25519_IMPORT:
		put_info(p, &a->info);
		break;
	case X25519_DH:
		memcpy(p, a->shared, KEY);
		break;
	case X25519_ERASE:
	case X25519_UNPAIR:
		break;
	case X25519_PAIR:
		p[0] = a->host;
		memcpy(p + 1, a->token_public, KEY);
		break;
	case X25519_CHANNEL:
		memcpy(p, a->handshake, X25519_HANDSHAKE_SIZE);
		break;
	case X25519_SEALED:
		memmove(p, a->sealed, a->sealed_len);
		break;
	}
	return len;
}

static bool get_body(struct x25519_answer *a, const uint8_t *p, size_t len)
{
	switch (a->op) {
	case X25519_HELLO:
		return get_hello(a, p);
	case X25519_PUBLIC:
	case X25519_GENERATE:
	case X25519_IMPORT:
		return get_info(&a->info, p);
	case X25519_DH:
		memcpy(a->shared, p, KEY);
		return true;
	case X25519_ERASE:
	case X25519_UNPAIR:
		return true;
	case X25519_PAIR:
		a->host = p[0];
		memcpy(a->token_public, p + 1, KEY);
		return a->host < X25519_HOSTS_LIMIT;
	case X25519_CHANNEL:
		memcpy(a->handshake, p, X25519_HANDSHAKE_SIZE);
		return true;
	case X25519_SEALED:
		a->sealed = p;
		a->sealed_len = len - ANSWER_HEAD;
		return true;
	}
	return false;
}

bool x25519_answer_decode(struct x25519_answer *ret, enum x25519_op op, const uint8_t *data, size_t len)
{
	int body = answer_body(op);

	memset(ret, 0, sizeof(*ret));
	if (body == -2 || len < ANSWER_HEAD || data[0] != (uint8_t)op)
		return false;
	ret->op = op;
	ret->status = data[1] <= X25519_INTERNAL ? (enum x25519_status)data[1] : X25519_INTERNAL;
	if (ret->status != X25519_OK ? len == ANSWER_HEAD
				     : body_fits(body, len, ANSWER_HEAD) && get_body(ret, data + ANSWER_HEAD, len))
		return true;
	memset(ret, 0, sizeof(*ret));
	return false;
}
