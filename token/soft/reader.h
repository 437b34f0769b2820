/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading CBOR of a hostile host. Nothing is allocated and no tree is built: libcbor's streaming decoder
 * looks at one item at a time, in place (its tree decoder of version 0.8 allocates by a definite length
 * before it has seen the bytes).
 *
 * Every function returns an enum ctap2_status as an int; 0 is good, and *ret is untouched otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/soft/status.h"

#define READER_DEPTH_MAX 4 /* CTAP 2.1 section 8: nesting of maps and arrays */

struct reader {
	const uint8_t *at;
	const uint8_t *end;
};

/* A byte or text string that lies in the request. */
struct slice {
	const uint8_t *data;
	size_t len;
};

/*
 * To be called before anything else. The whole input is one well-formed item in the canonical form of CTAP2:
 * definite lengths, shortest integers, keys sorted and unique, no tags, no floats, no more than
 * READER_DEPTH_MAX levels.
 */
int reader_init(struct reader *ret, const uint8_t *data, size_t len);

int reader_map(struct reader *r, size_t *ret_pairs);
int reader_array(struct reader *r, size_t *ret_items);
int reader_uint(struct reader *r, uint64_t *ret);
int reader_int(struct reader *r, int64_t *ret); /* beyond int64_t: CTAP2_INVALID_CBOR */
int reader_bytes(struct reader *r, struct slice *ret);
int reader_text(struct reader *r, struct slice *ret);
int reader_bool(struct reader *r, bool *ret);
int reader_skip(struct reader *r); /* one item with all that is in it */

/* The next item's CBOR major type 0..7, without reading it; -1 at the end. */
int reader_peek(const struct reader *r);

bool slice_is(const struct slice *s, const char *text);
