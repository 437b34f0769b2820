/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing CBOR into a buffer of fixed size with libcbor's encoders. The caller writes keys in canonical
 * order. What does not fit sets `full` and is dropped: to be looked at once, at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer {
	uint8_t *buf;
	size_t size;
	size_t len;
	bool full;
};

void writer_init(struct writer *w, uint8_t *buf, size_t size);
void writer_map(struct writer *w, size_t pairs);
void writer_array(struct writer *w, size_t items);
void writer_int(struct writer *w, int64_t value);
void writer_bytes(struct writer *w, const void *data, size_t len);
void writer_text(struct writer *w, const char *text);
void writer_bool(struct writer *w, bool value);
/* Plain bytes, not a CBOR item: the fixed part of authenticator data. */
void writer_raw(struct writer *w, const void *data, size_t len);
