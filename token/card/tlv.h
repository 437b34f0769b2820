/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BER-TLV as smart cards speak it (ISO/IEC 7816-4, section 5.2.2; X.690 for certificates): tags of up to three bytes, definite
 * lengths of up to three. Pure; every length is held against what is there. Values point into the bytes that were given.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tlv {
	uint32_t tag; /* its bytes as one number: 0x6e, 0x7f49, 0x5fc102 */
	const uint8_t *value;
	size_t len;
};

/* Takes one object off *p. 1; 0 at the end; -EBADMSG. Zero bytes between objects are filling and passed over. */
int tlv_next(struct tlv *ret, const uint8_t **p, const uint8_t *end);

/* The first object with this tag, not looking into others. -ENOENT, -EBADMSG (also when the rest behind it is broken, or cut). */
int tlv_find(struct tlv *ret, const uint8_t *data, size_t len, uint32_t tag);

/* Writes tag and length before a value of len bytes (below 128) that the caller writes behind them. How many bytes that were. */
size_t tlv_put_header(uint8_t *ret, uint32_t tag, size_t len);
