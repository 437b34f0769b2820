/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layout of the X25519 operations, after the header and u32 timeout_ms of every request (wire.c):
 *
 *   X_LIST, X_FORGET       nothing
 *   X_GENERATE             key use, touch
 *   X_DH                   key use, u8 keep, u8[32] point
 *   X_IMPORT               key use, touch, u8[32] key
 *   X_ERASE                key use
 *   X_PAIR                 u8[32] host key
 *   RESULT
 *     X_LIST               u8 slots, u8[32] token's channel key (zero: none), u8 n, n * key
 *     X_GENERATE, X_IMPORT key
 *     X_DH                 u8[32] shared secret
 *     X_ERASE, X_FORGET    nothing
 *     X_PAIR               u8 host index, u8[32] token's channel key
 *   key use                u8 uv, pin, slot, and with a CTAPHID slot: u8 host index, u8[32] token's channel key, u8[32] host key
 *   key                    slot, touch, u8 needs PIN, u8 bound, u8[32] public key
 *   slot                   u8 kind, u8 number;  touch: u8 policy, u16 cached seconds
 */
#include "common/wire-fields.h"

#include <sodium.h>

#define CTAPHID_SLOTS WIRE_X_KEYS_MAX
#define PIV_RETIRED_FIRST 0x82
#define PIV_RETIRED_LAST 0x95
#define PIV_KEY_MANAGEMENT 0x9d

bool wire_type_is_x25519(enum wire_type type)
{
	switch (type) {
	case WIRE_X_LIST ... WIRE_X_FORGET:
		return true;
	case WIRE_INFO:
	case WIRE_PROBE:
	case WIRE_CREATE:
	case WIRE_EVALUATE:
	case WIRE_CANCEL:
	case WIRE_STATUS:
	case WIRE_RESULT:
		return false;
	}
	return false;
}

bool wire_x_slot_valid(const struct wire_x_slot *slot)
{
	switch (slot->kind) {
	case WIRE_X_CTAPHID:
		return slot->number < CTAPHID_SLOTS;
	case WIRE_X_OPENPGP:
		return slot->number == 0;
	case WIRE_X_PIV:
		return slot->number == PIV_KEY_MANAGEMENT ||
		       (slot->number >= PIV_RETIRED_FIRST && slot->number <= PIV_RETIRED_LAST);
	}
	return false;
}

/* A token of ours says what it does, and for how long; cards may keep both to themselves. */
static bool touch_valid(enum wire_x_kind kind, enum wire_x_touch touch, uint16_t cached_seconds)
{
	switch (touch) {
	case WIRE_X_TOUCH_UNKNOWN:
		return kind != WIRE_X_CTAPHID && cached_seconds == 0;
	case WIRE_X_TOUCH_NEVER:
	case WIRE_X_TOUCH_ALWAYS:
		return cached_seconds == 0;
	case WIRE_X_TOUCH_CACHED:
		return kind != WIRE_X_CTAPHID || cached_seconds != 0;
	}
	return false;
}

static bool key_valid(const struct wire_x_key *key)
{
	return wire_x_slot_valid(&key->slot) && touch_valid(key->slot.kind, key->touch, key->cached_seconds) &&
	       (key->slot.kind == WIRE_X_CTAPHID || !key->bound);
}

static bool keys_distinct(const struct wire_result *result)
{
	for (unsigned int i = 1; i < result->n_x_keys; i++)
		for (unsigned int k = 0; k < i; k++)
			if (result->x_keys[i].slot.kind == result->x_keys[k].slot.kind &&
				result->x_keys[i].slot.number == result->x_keys[k].slot.number)
				return false;
	return true;
}

static void put_slot(struct wire_writer *w, const struct wire_x_slot *slot)
{
	wire_put_check(w, wire_x_slot_valid(slot));
	wire_put_u8(w, slot->kind);
	wire_put_u8(w, slot->number);
}

static void get_slot(struct wire_reader *r, struct wire_x_slot *ret)
{
	ret->kind = (enum wire_x_kind)wire_get_u8(r);
	ret->number = wire_get_u8(r);
	wire_get_check(r, wire_x_slot_valid(ret));
}

/* A slot with all that its token wants before the key in it is touched. */
static void put_key_use(struct wire_writer *w, const struct wire_request *request)
{
	const bool ctaphid = request->x_slot.kind == WIRE_X_CTAPHID;

	wire_put_pin(w, request);
	put_slot(w, &request->x_slot);
	wire_put_check(w, request->x_paired == ctaphid && (request->x_host_key != NULL) == ctaphid);
	if (!ctaphid)
		return;
	wire_put_check(w, request->uv == WIRE_UV_PRESENCE);
	wire_put_u8(w, request->x_host_index);
	wire_put_bytes(w, request->x_token_public, sizeof(request->x_token_public));
	wire_put_key(w, request->x_host_key);
}

static void get_key_use(struct wire_reader *r, struct wire_request *ret)
{
	wire_get_pin(r, ret);
	get_slot(r, &ret->x_slot);
	if (ret->x_slot.kind != WIRE_X_CTAPHID)
		return;
	wire_get_check(r, ret->uv == WIRE_UV_PRESENCE);
	ret->x_paired = true;
	ret->x_host_index = wire_get_u8(r);
	wire_get_copy(r, ret->x_token_public, sizeof(ret->x_token_public));
	ret->x_host_key = wire_get_secret(r, SECRET_KEY_SIZE);
}

static void put_touch(struct wire_writer *w, enum wire_x_kind kind, enum wire_x_touch touch, uint16_t cached_seconds)
{
	wire_put_check(w, touch_valid(kind, touch, cached_seconds));
	wire_put_u8(w, touch);
	wire_put_u16(w, cached_seconds);
}

static void get_touch(struct wire_reader *r, enum wire_x_kind kind, enum wire_x_touch *ret_touch, uint16_t *ret_cached_seconds)
{
	*ret_touch = (enum wire_x_touch)wire_get_u8(r);
	*ret_cached_seconds = wire_get_u16(r);
	wire_get_check(r, touch_valid(kind, *ret_touch, *ret_cached_seconds));
}

void wire_put_x_request(struct wire_writer *w, const struct wire_request *request)
{
	const enum wire_type type = request->type;
	const bool plain = type == WIRE_X_LIST || type == WIRE_X_FORGET || type == WIRE_X_PAIR;

	wire_put_check(w, (request->x_key != NULL) == (type == WIRE_X_IMPORT));
	wire_put_check(w, !request->x_keep || (type == WIRE_X_DH && request->x_slot.kind != WIRE_X_CTAPHID));
	if (plain)
		wire_put_check(w, !request->pin && !request->x_paired && (request->x_host_key != NULL) == (type == WIRE_X_PAIR));
	else
		put_key_use(w, request);
	if (type == WIRE_X_GENERATE || type == WIRE_X_IMPORT)
		put_touch(w, request->x_slot.kind, request->x_touch, request->x_cached_seconds);
	if (type == WIRE_X_DH) {
		wire_put_flag(w, request->x_keep);
		wire_put_bytes(w, request->x_point, sizeof(request->x_point));
	}
	if (type == WIRE_X_IMPORT)
		wire_put_key(w, request->x_key);
	if (type == WIRE_X_PAIR)
		wire_put_key(w, request->x_host_key);
}

void wire_get_x_request(struct wire_reader *r, enum wire_type type, struct wire_request *ret)
{
	if (type != WIRE_X_LIST && type != WIRE_X_FORGET && type != WIRE_X_PAIR)
		get_key_use(r, ret);
	if (type == WIRE_X_GENERATE || type == WIRE_X_IMPORT)
		get_touch(r, ret->x_slot.kind, &ret->x_touch, &ret->x_cached_seconds);
	if (type == WIRE_X_DH) {
		ret->x_keep = wire_get_flag(r);
		wire_get_check(r, !ret->x_keep || ret->x_slot.kind != WIRE_X_CTAPHID);
		wire_get_copy(r, ret->x_point, sizeof(ret->x_point));
	}
	if (type == WIRE_X_IMPORT)
		ret->x_key = wire_get_secret(r, SECRET_KEY_SIZE);
	if (type == WIRE_X_PAIR)
		ret->x_host_key = wire_get_secret(r, SECRET_KEY_SIZE);
}

static void put_key(struct wire_writer *w, const struct wire_x_key *key)
{
	wire_put_check(w, key_valid(key));
	put_slot(w, &key->slot);
	put_touch(w, key->slot.kind, key->touch, key->cached_seconds);
	wire_put_flag(w, key->needs_pin);
	wire_put_flag(w, key->bound);
	wire_put_bytes(w, key->public_key, sizeof(key->public_key));
}

static void get_key(struct wire_reader *r, struct wire_x_key *ret)
{
	get_slot(r, &ret->slot);
	get_touch(r, ret->slot.kind, &ret->touch, &ret->cached_seconds);
	ret->needs_pin = wire_get_flag(r);
	ret->bound = wire_get_flag(r);
	wire_get_copy(r, ret->public_key, sizeof(ret->public_key));
	wire_get_check(r, key_valid(ret));
}

void wire_put_x_result(struct wire_writer *w, const struct wire_result *result)
{
	const enum wire_type type = result->answers;

	if (type == WIRE_X_LIST) {
		wire_put_check(w, result->n_x_keys <= WIRE_X_KEYS_MAX && result->n_x_keys <= result->x_slots);
		wire_put_u8(w, result->x_slots);
		wire_put_bytes(w, result->x_token_public, sizeof(result->x_token_public));
		wire_put_u8(w, result->n_x_keys);
		for (unsigned int i = 0; i < result->n_x_keys && w->error == 0; i++)
			put_key(w, &result->x_keys[i]);
		wire_put_check(w, w->error < 0 || keys_distinct(result));
	}
	if (type == WIRE_X_GENERATE || type == WIRE_X_IMPORT) {
		wire_put_check(w, result->n_x_keys == 1);
		put_key(w, &result->x_keys[0]);
	}
	if (type == WIRE_X_DH) {
		wire_put_check(w, result->n_outputs == 1 && result->outputs[0] && !secret_is_zero(result->outputs[0]));
		wire_put_key(w, result->outputs[0]);
	}
	if (type == WIRE_X_PAIR) {
		wire_put_u8(w, result->x_host_index);
		wire_put_bytes(w, result->x_token_public, sizeof(result->x_token_public));
	}
}

void wire_get_x_result(struct wire_reader *r, enum wire_type type, struct wire_result *ret)
{
	if (type == WIRE_X_LIST) {
		ret->x_slots = wire_get_u8(r);
		wire_get_copy(r, ret->x_token_public, sizeof(ret->x_token_public));
		ret->n_x_keys = wire_get_u8(r);
		wire_get_check(r, ret->n_x_keys <= WIRE_X_KEYS_MAX && ret->n_x_keys <= ret->x_slots);
		for (unsigned int i = 0; i < ret->n_x_keys && r->error == 0; i++)
			get_key(r, &ret->x_keys[i]);
		wire_get_check(r, r->error < 0 || keys_distinct(ret));
	}
	if (type == WIRE_X_GENERATE || type == WIRE_X_IMPORT) {
		ret->n_x_keys = 1;
		get_key(r, &ret->x_keys[0]);
	}
	if (type == WIRE_X_DH) {
		ret->n_outputs = 1;
		ret->outputs[0] = wire_get_secret(r, SECRET_KEY_SIZE);
		wire_get_check(r, ret->outputs[0] && !secret_is_zero(ret->outputs[0]));
	}
	if (type == WIRE_X_PAIR) {
		ret->x_host_index = wire_get_u8(r);
		wire_get_copy(r, ret->x_token_public, sizeof(ret->x_token_public));
	}
}
