/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/reader.h"

#include <cbor.h>
#include <string.h>

enum item_type {
	ITEM_NONE,
	ITEM_UINT,
	ITEM_NEGINT, /* -1 - value */
	ITEM_BYTES,
	ITEM_TEXT,
	ITEM_ARRAY,
	ITEM_MAP,
	ITEM_BOOL,
	ITEM_NULL,
};

struct item {
	enum item_type type;
	uint64_t value; /* of an integer or boolean; number of items or pairs */
	struct slice slice;
};

static void set_number(void *ctx, enum item_type type, uint64_t value)
{
	struct item *item = ctx;

	item->type = type;
	item->value = value;
}

static void on_uint8(void *ctx, uint8_t v)
{
	set_number(ctx, ITEM_UINT, v);
}
static void on_uint16(void *ctx, uint16_t v)
{
	set_number(ctx, ITEM_UINT, v);
}
static void on_uint32(void *ctx, uint32_t v)
{
	set_number(ctx, ITEM_UINT, v);
}
static void on_uint64(void *ctx, uint64_t v)
{
	set_number(ctx, ITEM_UINT, v);
}
static void on_negint8(void *ctx, uint8_t v)
{
	set_number(ctx, ITEM_NEGINT, v);
}
static void on_negint16(void *ctx, uint16_t v)
{
	set_number(ctx, ITEM_NEGINT, v);
}
static void on_negint32(void *ctx, uint32_t v)
{
	set_number(ctx, ITEM_NEGINT, v);
}
static void on_negint64(void *ctx, uint64_t v)
{
	set_number(ctx, ITEM_NEGINT, v);
}
static void on_array(void *ctx, size_t n)
{
	set_number(ctx, ITEM_ARRAY, n);
}
static void on_map(void *ctx, size_t n)
{
	set_number(ctx, ITEM_MAP, n);
}
static void on_bool(void *ctx, bool v)
{
	set_number(ctx, ITEM_BOOL, v);
}
static void on_null(void *ctx)
{
	set_number(ctx, ITEM_NULL, 0);
}
static void on_bytes(void *ctx, cbor_data data, size_t len)
{
	struct item *item = ctx;

	item->type = ITEM_BYTES;
	item->slice = (struct slice){data, len};
}
static void on_text(void *ctx, cbor_data data, size_t len)
{
	struct item *item = ctx;

	item->type = ITEM_TEXT;
	item->slice = (struct slice){data, len};
}

/* The head is in its shortest form, of definite length, and no tag. */
static bool head_canonical(const uint8_t *p, size_t left)
{
	unsigned int major = p[0] >> 5, info = p[0] & 31u;

	if (major == 6)
		return false;
	if (major == 7)
		return info >= 20 && info <= 22; /* false, true, null */
	if (info < 24)
		return true;
	if (info == 24)
		return left >= 2 && p[1] >= 24;
	if (info == 25)
		return left >= 3 && p[1] != 0;
	if (info == 26)
		return left >= 5 && (p[1] || p[2]);
	if (info == 27)
		return left >= 9 && (p[1] || p[2] || p[3] || p[4]);
	return false;
}

static int next_item(struct reader *r, struct item *ret)
{
	struct cbor_callbacks callbacks = cbor_empty_callbacks;
	struct cbor_decoder_result result;
	size_t left = (size_t)(r->end - r->at);
	struct item item = {0};

	if (left == 0 || !head_canonical(r->at, left))
		return CTAP2_INVALID_CBOR;
	callbacks.uint8 = on_uint8;
	callbacks.uint16 = on_uint16;
	callbacks.uint32 = on_uint32;
	callbacks.uint64 = on_uint64;
	callbacks.negint8 = on_negint8;
	callbacks.negint16 = on_negint16;
	callbacks.negint32 = on_negint32;
	callbacks.negint64 = on_negint64;
	callbacks.byte_string = on_bytes;
	callbacks.string = on_text;
	callbacks.array_start = on_array;
	callbacks.map_start = on_map;
	callbacks.boolean = on_bool;
	callbacks.null = on_null;
	result = cbor_stream_decode(r->at, left, &callbacks, &item);
	if (result.status != CBOR_DECODER_FINISHED || result.read == 0 || result.read > left ||
		item.type == ITEM_NONE)
		return CTAP2_INVALID_CBOR;
	r->at += result.read;
	*ret = item;
	return CTAP2_OK;
}

static int next_of_type(struct reader *r, enum item_type type, struct item *ret)
{
	struct reader saved = *r;
	struct item item;
	int status = next_item(r, &item);

	if (status == CTAP2_OK && item.type != type)
		status = CTAP2_CBOR_UNEXPECTED_TYPE;
	if (status != CTAP2_OK) {
		*r = saved;
		return status;
	}
	*ret = item;
	return CTAP2_OK;
}

/* Canonical order of CTAP2: major type, then length, then bytes. */
static int key_compare(struct slice a, struct slice b)
{
	if (a.data[0] >> 5 != b.data[0] >> 5)
		return a.data[0] >> 5 < b.data[0] >> 5 ? -1 : 1;
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return memcmp(a.data, b.data, a.len);
}

static int check_item(struct reader *r, unsigned int depth);

static int check_map(struct reader *r, uint64_t pairs, unsigned int depth)
{
	struct slice previous = {0};
	int status = CTAP2_OK;

	/* Each round consumes at least two bytes, so a huge count ends with the input. */
	for (uint64_t i = 0; i < pairs && status == CTAP2_OK; i++) {
		const uint8_t *start = r->at;
		struct slice key;
		struct item item;

		status = next_item(r, &item);
		if (status != CTAP2_OK)
			break;
		if (item.type != ITEM_UINT && item.type != ITEM_NEGINT && item.type != ITEM_TEXT &&
			item.type != ITEM_BYTES)
			return CTAP2_INVALID_CBOR;
		key = (struct slice){start, (size_t)(r->at - start)};
		if (i > 0 && key_compare(previous, key) >= 0)
			return CTAP2_INVALID_CBOR;
		previous = key;
		status = check_item(r, depth);
	}
	return status;
}

static int check_item(struct reader *r, unsigned int depth)
{
	struct item item;
	int status = next_item(r, &item);

	if (status != CTAP2_OK || (item.type != ITEM_ARRAY && item.type != ITEM_MAP))
		return status;
	if (depth == READER_DEPTH_MAX)
		return CTAP2_INVALID_CBOR;
	if (item.type == ITEM_MAP)
		return check_map(r, item.value, depth + 1);
	for (uint64_t i = 0; i < item.value && status == CTAP2_OK; i++)
		status = check_item(r, depth + 1);
	return status;
}

int reader_init(struct reader *ret, const uint8_t *data, size_t len)
{
	struct reader r = {data, data + len};
	int status = check_item(&r, 0);

	if (status != CTAP2_OK)
		return status;
	if (r.at != r.end)
		return CTAP2_INVALID_CBOR;
	*ret = (struct reader){data, data + len};
	return CTAP2_OK;
}

static int read_count(struct reader *r, enum item_type type, size_t *ret)
{
	struct item item;
	int status = next_of_type(r, type, &item);

	if (status == CTAP2_OK)
		*ret = (size_t)item.value;
	return status;
}

int reader_map(struct reader *r, size_t *ret_pairs)
{
	return read_count(r, ITEM_MAP, ret_pairs);
}

int reader_array(struct reader *r, size_t *ret_items)
{
	return read_count(r, ITEM_ARRAY, ret_items);
}

int reader_uint(struct reader *r, uint64_t *ret)
{
	struct item item;
	int status = next_of_type(r, ITEM_UINT, &item);

	if (status == CTAP2_OK)
		*ret = item.value;
	return status;
}

int reader_int(struct reader *r, int64_t *ret)
{
	bool negative = reader_peek(r) == 1;
	struct item item;
	int status = next_of_type(r, negative ? ITEM_NEGINT : ITEM_UINT, &item);

	if (status != CTAP2_OK)
		return status;
	if (item.value > INT64_MAX)
		return CTAP2_INVALID_CBOR;
	*ret = negative ? -1 - (int64_t)item.value : (int64_t)item.value;
	return CTAP2_OK;
}

static int read_slice(struct reader *r, enum item_type type, struct slice *ret)
{
	struct item item;
	int status = next_of_type(r, type, &item);

	if (status == CTAP2_OK)
		*ret = item.slice;
	return status;
}

int reader_bytes(struct reader *r, struct slice *ret)
{
	return read_slice(r, ITEM_BYTES, ret);
}

int reader_text(struct reader *r, struct slice *ret)
{
	return read_slice(r, ITEM_TEXT, ret);
}

int reader_bool(struct reader *r, bool *ret)
{
	struct item item;
	int status = next_of_type(r, ITEM_BOOL, &item);

	if (status == CTAP2_OK)
		*ret = item.value != 0;
	return status;
}

int reader_skip(struct reader *r)
{
	return check_item(r, 0);
}

int reader_peek(const struct reader *r)
{
	return r->at < r->end ? r->at[0] >> 5 : -1;
}

bool slice_is(const struct slice *s, const char *text)
{
	return s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}
