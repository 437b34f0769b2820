/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/x25519-vendor.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "token/x25519-sodium.h"

struct x25519_vendor *x25519_vendor_new(struct session *s, const struct x25519_hello *hello, char detail[static WIRE_TEXT_MAX])
{
	struct x25519_vendor *v = sodium_malloc(sizeof(*v));

	if (!v)
		return NULL;
	sodium_memzero(v, sizeof(*v));
	v->session = s;
	v->detail = detail;
	if (hello)
		v->hello = *hello;
	return v;
}

struct x25519_vendor *x25519_vendor_free(struct x25519_vendor *v)
{
	sodium_free(v); /* which wipes it */
	return NULL;
}

bool x25519_vendor_is_low_order(const uint8_t point[static X25519_KEY_SIZE])
{
	static const uint8_t any[X25519_KEY_SIZE] = {1}; /* clamped it is a multiple of 8, as every private key is */
	uint8_t shared[X25519_KEY_SIZE];

	x25519_sodium.x25519(shared, any, point);
	return x25519_is_zero(shared);
}

static enum outcome fail(struct x25519_vendor *v, enum outcome o, const char *detail)
{
	snprintf(v->detail, WIRE_TEXT_MAX, "%s", detail);
	return o;
}

/* An answer that is none: whoever sent it is not to be talked to any further. */
static enum outcome broken(struct x25519_vendor *v, const char *detail)
{
	v->session->error = -EBADMSG;
	return fail(v, OUTCOME_TOKEN_FAILED, detail);
}

static enum outcome refused(struct x25519_vendor *v, enum x25519_status status)
{
	switch (status) {
	case X25519_OK:
		return OUTCOME_OK;
	case X25519_UNKNOWN_OP:
		return fail(v, OUTCOME_UNSUPPORTED, "the key does not know this operation");
	case X25519_BAD_PARAMETER:
		return fail(v, OUTCOME_UNSUPPORTED, "the key does not do it that way");
	case X25519_BAD_VERSION:
		return fail(v, OUTCOME_UNSUPPORTED, "the key speaks another version of wgX25519");
	case X25519_BAD_SLOT:
		return fail(v, OUTCOME_INVALID_ARGUMENT, "the key has no such slot");
	case X25519_SLOT_EMPTY:
		return fail(v, OUTCOME_NOT_ENROLLED, "there is no X25519 key in that slot");
	case X25519_SLOT_TAKEN:
		return fail(v, OUTCOME_EXISTS, "there is an X25519 key in that slot already");
	case X25519_NOT_PAIRED:
		return fail(v, OUTCOME_WRONG_TOKEN, "the key is not paired with this computer");
	case X25519_NOT_OWNER:
		return fail(v, OUTCOME_WRONG_TOKEN, "the X25519 key in that slot belongs to another computer");
	case X25519_BAD_POINT:
		return fail(v, OUTCOME_INVALID_ARGUMENT, "not a public key: a point of low order");
	case X25519_HOSTS_FULL:
		return fail(v, OUTCOME_LIMIT_EXCEEDED, "the key is paired with as many computers as it can be");
	case X25519_TOUCH_DENIED:
		return fail(v, OUTCOME_TOUCH_TIMEOUT, "declined at the key");
	case X25519_TOUCH_TIMEOUT:
		return OUTCOME_TOUCH_TIMEOUT;
	case X25519_CANCELLED:
		return OUTCOME_CANCELLED;
	case X25519_STORAGE:
		return fail(v, OUTCOME_TOKEN_FAILED, "the key cannot use its storage");
	case X25519_BAD_LENGTH:
	case X25519_NO_CHANNEL:
	case X25519_INTERNAL:
		break;
	}
	return fail(v, OUTCOME_TOKEN_FAILED, "the key refused the operation");
}

/* One request and its answer. */
static enum outcome exchange(struct x25519_vendor *v, const struct x25519_request *request)
{
	struct session *s = v->session;
	size_t len = x25519_request_encode(v->plain, request), reply_len;
	enum x25519_op op = request->op;

	memset(&v->answer, 0, sizeof(v->answer));
	if (s->error)
		return session_outcome(s, 0, v->detail);
	if (len == 0)
		return fail(v, OUTCOME_INVALID_ARGUMENT, "not a request");
	s->error = ctaphid_transact(&s->hid, X25519_COMMAND, v->plain, len, v->reply, sizeof(v->reply), &reply_len, s->deadline_us);
	if (s->error)
		return session_outcome(s, 0, v->detail);
	if (!x25519_answer_decode(&v->answer, op, v->reply, reply_len))
		return broken(v, "the key's answer is malformed");
	return refused(v, v->answer.status);
}

/* What the answer's own fields say about the question, for the ops that have such. */
static enum outcome check_answer(struct x25519_vendor *v)
{
	const struct x25519_request *q = &v->request;
	const struct x25519_answer *a = &v->answer;
	bool fits = true;

	switch (q->op) {
	case X25519_HELLO:
		fits = sodium_memcmp(a->nonce, q->nonce, sizeof(q->nonce)) == 0;
		break;
	case X25519_PUBLIC:
	case X25519_GENERATE:
	case X25519_IMPORT:
		fits = a->info.slot == q->slot && !x25519_vendor_is_low_order(a->info.public_key);
		break;
	case X25519_DH:
		fits = !x25519_is_zero(a->shared);
		break;
	case X25519_PAIR:
	case X25519_ERASE:
	case X25519_UNPAIR:
	case X25519_CHANNEL:
	case X25519_SEALED:
		break;
	}
	if (fits)
		return OUTCOME_OK;
	sodium_memzero(&v->answer, sizeof(v->answer));
	return broken(v, "the key's answer does not fit the request");
}

enum outcome x25519_vendor_ask(struct x25519_vendor *v)
{
	enum outcome o = exchange(v, &v->request);

	return o == OUTCOME_OK ? check_answer(v) : o;
}

enum outcome x25519_vendor_hello(struct x25519_vendor *v)
{
	enum outcome o;

	v->request = (struct x25519_request){.op = X25519_HELLO};
	randombytes_buf(v->request.nonce, sizeof(v->request.nonce));
	o = x25519_vendor_ask(v);
	if (o != OUTCOME_OK)
		return o;
	v->hello = v->answer.hello;
	if (v->hello.oldest > X25519_VERSION || v->hello.newest < X25519_VERSION)
		return fail(v, OUTCOME_UNSUPPORTED, "the key speaks another version of wgX25519");
	return OUTCOME_OK;
}

enum outcome x25519_vendor_enter(struct x25519_vendor *v, const uint8_t host_key[static X25519_KEY_SIZE], uint8_t host,
	const uint8_t token_public[static X25519_KEY_SIZE])
{
	const struct x25519_ends ends = {.own_private = host_key, .own_public = v->own_public, .other_public = token_public};
	const struct x25519_terms terms = {.version = X25519_VERSION, .host = host, .hello = &v->hello};
	enum outcome o;

	if (sodium_memcmp(v->hello.token_public, token_public, X25519_KEY_SIZE) != 0)
		return fail(v, OUTCOME_WRONG_TOKEN, "not the key that this computer was paired with");
	x25519_public(v->own_public, &x25519_sodium, host_key);
	v->outer = (struct x25519_request){.op = X25519_CHANNEL, .version = X25519_VERSION, .host = host};
	if (!x25519_channel_begin(&v->handshake, &x25519_sodium, &ends, &terms, v->outer.handshake))
		return fail(v, OUTCOME_TOKEN_FAILED, "the key's channel key is none");
	o = exchange(v, &v->outer);
	if (o == OUTCOME_OK &&
		!x25519_channel_finish(&v->channel, &v->handshake, &x25519_sodium, &ends, v->answer.handshake))
		o = broken(v, "the key cannot prove that it is the paired one");
	sodium_memzero(&v->handshake, sizeof(v->handshake));
	return o;
}

enum outcome x25519_vendor_ask_sealed(struct x25519_vendor *v)
{
	size_t len = x25519_request_encode(v->plain, &v->request);
	enum outcome o;

	v->given_up = false;
	if (len == 0 || len > X25519_INNER_MAX)
		return fail(v, OUTCOME_INVALID_ARGUMENT, "not a request");
	v->outer = (struct x25519_request){.op = X25519_SEALED, .sealed = v->sealed};
	v->outer.sealed_len = x25519_channel_seal(&v->channel, &x25519_sodium, v->sealed, v->plain, len);
	sodium_memzero(v->plain, sizeof(v->plain));
	if (v->outer.sealed_len == 0)
		return fail(v, OUTCOME_TOKEN_FAILED, "there is no channel to the key");
	o = exchange(v, &v->outer);
	if (o != OUTCOME_OK) {
		x25519_channel_end(&v->channel, &x25519_sodium);
		v->given_up = v->answer.status == X25519_NO_CHANNEL;
		/* A reason that is not sealed can be anybody's word. */
		return v->session->error ? o : fail(v, OUTCOME_TOKEN_FAILED, "the key gave up the channel");
	}
	len = v->answer.sealed_len - X25519_TAG_SIZE;
	if (!x25519_channel_open(&v->channel, &x25519_sodium, v->plain, v->answer.sealed, v->answer.sealed_len))
		return broken(v, "the key's answer was not sealed for this computer");
	if (!x25519_answer_decode(&v->answer, v->request.op, v->plain, len))
		return broken(v, "the key's answer is malformed");
	sodium_memzero(v->plain, sizeof(v->plain));
	o = refused(v, v->answer.status);
	return o == OUTCOME_OK ? check_answer(v) : o;
}
