/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/x25519-ops.h"

#include <sodium.h>
#include <string.h>

#include "token/fido-ops.h"
#include "token/x25519-sodium.h"
#include "token/x25519-vendor.h"

#define CHANNEL_TRIES 3

static enum wire_x_touch touch_to_wire(enum x25519_touch touch)
{
	switch (touch) {
	case X25519_TOUCH_NEVER:
		return WIRE_X_TOUCH_NEVER;
	case X25519_TOUCH_CACHED:
		return WIRE_X_TOUCH_CACHED;
	case X25519_TOUCH_ALWAYS:
		return WIRE_X_TOUCH_ALWAYS;
	}
	return WIRE_X_TOUCH_UNKNOWN;
}

/* The contract lets no UNKNOWN come so far; if one did, the strictest is no harm. */
static enum x25519_touch touch_from_wire(enum wire_x_touch touch)
{
	switch (touch) {
	case WIRE_X_TOUCH_NEVER:
		return X25519_TOUCH_NEVER;
	case WIRE_X_TOUCH_CACHED:
		return X25519_TOUCH_CACHED;
	case WIRE_X_TOUCH_UNKNOWN:
	case WIRE_X_TOUCH_ALWAYS:
		break;
	}
	return X25519_TOUCH_ALWAYS;
}

static void add_key(struct wire_result *ret, const struct x25519_key_info *info)
{
	struct wire_x_key *key = &ret->x_keys[ret->n_x_keys++];

	*key = (struct wire_x_key){
		.slot = {.kind = WIRE_X_CTAPHID, .number = info->slot},
		.touch = touch_to_wire(info->touch),
		.cached_seconds = info->cached_seconds,
		.bound = info->owner != X25519_NO_HOST,
	};
	memcpy(key->public_key, info->public_key, sizeof(key->public_key));
}

static enum outcome list(struct wire_result *ret, struct x25519_vendor *v)
{
	enum outcome o = OUTCOME_OK;

	ret->x_slots = v->hello.slots;
	memcpy(ret->x_token_public, v->hello.token_public, sizeof(ret->x_token_public));
	for (uint8_t slot = 0; slot < v->hello.slots && o == OUTCOME_OK; slot++) {
		if (!(v->hello.taken >> slot & 1))
			continue;
		v->request = (struct x25519_request){.op = X25519_PUBLIC, .slot = slot};
		o = x25519_vendor_ask(v);
		if (o == OUTCOME_OK)
			add_key(ret, &v->answer.info);
		else if (o == OUTCOME_NOT_ENROLLED)
			o = OUTCOME_OK; /* erased meanwhile */
	}
	if (o == OUTCOME_OK)
		ret->detail[0] = 0;
	return o;
}

static enum outcome pair(struct wire_result *ret, struct x25519_vendor *v, const struct wire_request *request)
{
	uint8_t token_public[X25519_KEY_SIZE], host;
	enum outcome o;

	memset(&v->request, 0, sizeof(v->request));
	v->request.op = X25519_PAIR;
	x25519_public(v->request.key, &x25519_sodium, secret_key(request->x_host_key));
	o = x25519_vendor_ask(v);
	if (o != OUTCOME_OK)
		return o;
	host = v->answer.host;
	memcpy(token_public, v->answer.token_public, sizeof(token_public));
	/* What is pinned for good is proven at once: it has the private key, and it has ours. */
	o = x25519_vendor_enter(v, secret_key(request->x_host_key), host, token_public);
	if (o == OUTCOME_WRONG_TOKEN)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key is not the one that it said it was");
	if (o != OUTCOME_OK)
		return o;
	ret->x_host_index = host;
	memcpy(ret->x_token_public, token_public, sizeof(token_public));
	return OUTCOME_OK;
}

/* What can be known before the user is asked for a touch. */
static enum outcome check(struct wire_result *ret, const struct x25519_hello *hello, const struct wire_request *request)
{
	const bool makes = request->type == WIRE_X_GENERATE || request->type == WIRE_X_IMPORT;

	if (request->x_slot.kind != WIRE_X_CTAPHID || request->x_slot.number >= hello->slots)
		return fido_refuse(ret, OUTCOME_INVALID_ARGUMENT, "the key has no such slot");
	if (request->type == WIRE_X_IMPORT && !(hello->features & X25519_FEATURE_IMPORT))
		return fido_refuse(ret, OUTCOME_UNSUPPORTED, "the key takes no X25519 keys from outside");
	if (makes && request->x_touch == WIRE_X_TOUCH_CACHED && !(hello->features & X25519_FEATURE_CACHED))
		return fido_refuse(ret, OUTCOME_UNSUPPORTED, "the key has no clock to keep a touch by");
	if (request->type == WIRE_X_DH && x25519_vendor_is_low_order(request->x_point))
		return fido_refuse(ret, OUTCOME_INVALID_ARGUMENT, "not a public key: a point of low order");
	return OUTCOME_OK;
}

/* Whether the key is what was ordered: this host's alone, and with the touch that was asked for. */
static bool as_ordered(const struct x25519_vendor *v, const struct wire_request *request, const uint8_t *public_key)
{
	const struct x25519_key_info *info = &v->answer.info;

	return info->owner == request->x_host_index && info->touch == v->request.touch &&
	       info->cached_seconds == v->request.cached_seconds && info->imported == (request->type == WIRE_X_IMPORT) &&
	       (!public_key || sodium_memcmp(info->public_key, public_key, X25519_KEY_SIZE) == 0);
}

static enum outcome take_key(struct wire_result *ret, struct x25519_vendor *v, const struct wire_request *request)
{
	uint8_t expected[X25519_KEY_SIZE];

	if (request->type == WIRE_X_IMPORT)
		x25519_public(expected, &x25519_sodium, secret_key(request->x_key));
	if (!as_ordered(v, request, request->type == WIRE_X_IMPORT ? expected : NULL))
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key made another X25519 key than was asked for");
	add_key(ret, &v->answer.info);
	return OUTCOME_OK;
}

static enum outcome take_shared(struct wire_result *ret, const struct x25519_vendor *v)
{
	ret->outputs[0] = secret_new(SECRET_KEY_SIZE);
	if (!ret->outputs[0])
		return fido_refuse(ret, OUTCOME_FAILED, "no guarded memory");
	memcpy(secret_borrow_mut(ret->outputs[0]), v->answer.shared, SECRET_KEY_SIZE);
	ret->n_outputs = 1;
	return OUTCOME_OK;
}

static void fill_request(struct x25519_request *ret, const struct wire_request *request)
{
	memset(ret, 0, sizeof(*ret));
	ret->slot = request->x_slot.number;
	if (request->type == WIRE_X_DH) {
		ret->op = X25519_DH;
		memcpy(ret->key, request->x_point, sizeof(ret->key));
		return;
	}
	if (request->type == WIRE_X_ERASE) {
		ret->op = X25519_ERASE;
		return;
	}
	ret->op = X25519_GENERATE;
	ret->touch = touch_from_wire(request->x_touch);
	ret->cached_seconds = request->x_cached_seconds;
	if (request->type == WIRE_X_IMPORT) {
		ret->op = X25519_IMPORT;
		memcpy(ret->key, secret_key(request->x_key), sizeof(ret->key));
	}
}

/* Inside the channel; in another one where the token gave up the first, since it has not many and there may be other hosts. */
static enum outcome use_slot(struct wire_result *ret, struct x25519_vendor *v, const struct wire_request *request)
{
	enum outcome o = check(ret, &v->hello, request);

	for (unsigned int i = 0; i < CHANNEL_TRIES && (i == 0 ? o == OUTCOME_OK : v->given_up); i++) {
		o = x25519_vendor_enter(v, secret_key(request->x_host_key), request->x_host_index, request->x_token_public);
		if (o != OUTCOME_OK)
			return o;
		fill_request(&v->request, request);
		o = x25519_vendor_ask_sealed(v);
	}
	if (o != OUTCOME_OK)
		return o;
	ret->detail[0] = 0;
	if (request->type == WIRE_X_DH)
		return take_shared(ret, v);
	return request->type == WIRE_X_ERASE ? OUTCOME_OK : take_key(ret, v, request);
}

/* The extension is looked for in getInfo, and the vendor command sent to no token that does not list it. */
static enum outcome identify(struct wire_result *ret, struct session *s)
{
	enum outcome o = session_identify(s, ret->detail);

	if (o == OUTCOME_OK && !session_has_extension(s, X25519_EXTENSION))
		o = fido_refuse(ret, OUTCOME_UNSUPPORTED, "the key has no X25519 keys");
	return o;
}

static enum outcome run(struct wire_result *ret, struct session *s, const struct wire_request *request, struct x25519_known *known)
{
	const bool valid = known->valid && known->channel.incarnation == s->transport->incarnation;
	struct x25519_vendor *v;
	enum outcome o;

	known->valid = false; /* until it has held once more */
	o = valid ? OUTCOME_OK : identify(ret, s);
	if (o != OUTCOME_OK)
		return o;
	v = x25519_vendor_new(s, valid ? &known->hello : NULL, ret->detail);
	if (!v)
		return fido_refuse(ret, OUTCOME_FAILED, "no guarded memory");
	if (!valid || request->type == WIRE_X_LIST || request->type == WIRE_X_PAIR)
		o = x25519_vendor_hello(v);
	if (o == OUTCOME_OK && request->type == WIRE_X_LIST)
		o = list(ret, v);
	else if (o == OUTCOME_OK && request->type == WIRE_X_PAIR)
		o = pair(ret, v, request);
	else if (o == OUTCOME_OK)
		o = use_slot(ret, v, request); /* what else there is: the contract has no more */
	if (o == OUTCOME_OK)
		*known = (struct x25519_known){.valid = true, .hello = v->hello, .channel = {s->hid.cid, s->transport->incarnation}};
	x25519_vendor_free(v);
	return o;
}

void x25519_operate(struct wire_result *ret, struct wire_request *request, struct transport *t, uint64_t deadline_us,
	const struct fido_status_sink *sink, struct x25519_known *known)
{
	struct fido_status_filter filter = {.sink = sink};
	struct session s;

	memset(ret, 0, sizeof(*ret));
	ret->serial = request->serial;
	ret->answers = request->type;
	ret->pin_retries = -1;
	if (request->type == WIRE_X_FORGET)
		return; /* there is no session of such a token that could have been kept */

	ret->outcome = session_connect(&s, t, deadline_us, known->valid ? &known->channel : NULL, fido_filter_status, &filter, ret->detail);
	if (ret->outcome == OUTCOME_OK)
		ret->outcome = run(ret, &s, request, known);
	else
		known->valid = false;
	session_close(&s);
	request->pin = secret_free(request->pin);
	request->x_key = secret_free(request->x_key);
	request->x_host_key = secret_free(request->x_host_key);
}
