/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/writer.h"

#include <cbor.h>
#include <string.h>

void writer_init(struct writer *w, uint8_t *buf, size_t size)
{
	*w = (struct writer){.buf = buf, .size = size};
}

/* libcbor's encoders return 0 when there is no room. */
static void advance(struct writer *w, size_t written)
{
	if (written == 0)
		w->full = true;
	w->len += written;
}

void writer_map(struct writer *w, size_t pairs)
{
	advance(w, cbor_encode_map_start(pairs, w->buf + w->len, w->size - w->len));
}

void writer_array(struct writer *w, size_t items)
{
	advance(w, cbor_encode_array_start(items, w->buf + w->len, w->size - w->len));
}

void writer_int(struct writer *w, int64_t value)
{
	if (value < 0)
		advance(w, cbor_encode_negint((uint64_t)(-1 - value), w->buf + w->len, w->size - w->len));
	else
		advance(w, cbor_encode_uint((uint64_t)value, w->buf + w->len, w->size - w->len));
}

void writer_raw(struct writer *w, const void *data, size_t len)
{
	if (len > w->size - w->len) {
		w->full = true;
		return;
	}
	if (len > 0)
		memcpy(w->buf + w->len, data, len);
	w->len += len;
}

void writer_bytes(struct writer *w, const void *data, size_t len)
{
	advance(w, cbor_encode_bytestring_start(len, w->buf + w->len, w->size - w->len));
	writer_raw(w, data, len);
}

void writer_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	advance(w, cbor_encode_string_start(len, w->buf + w->len, w->size - w->len));
	writer_raw(w, text, len);
}

void writer_bool(struct writer *w, bool value)
{
	advance(w, cbor_encode_bool(value, w->buf + w->len, w->size - w->len));
}
