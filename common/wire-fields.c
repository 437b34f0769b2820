/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/wire-fields.h"

#include <errno.h>
#include <string.h>

#include "common/encoding.h"

#define WIRE_PIN_MIN 4
#define WIRE_PIN_MAX 63
#define WIRE_RETRIES_UNKNOWN 255

void wire_put_bytes(struct wire_writer *w, const void *data, size_t len)
{
	if (w->error < 0)
		return;
	if (len > WIRE_MESSAGE_MAX - w->len) {
		w->error = -EMSGSIZE;
		return;
	}
	if (len > 0)
		memcpy(w->buf + w->len, data, len);
	w->len += len;
}

void wire_put_u8(struct wire_writer *w, unsigned int v)
{
	const uint8_t b = (uint8_t)v;

	wire_put_bytes(w, &b, 1);
}

void wire_put_u16(struct wire_writer *w, unsigned int v)
{
	const uint8_t b[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

	wire_put_bytes(w, b, sizeof(b));
}

void wire_put_u32(struct wire_writer *w, uint32_t v)
{
	const uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

	wire_put_bytes(w, b, sizeof(b));
}

void wire_put_flag(struct wire_writer *w, bool flag)
{
	wire_put_u8(w, flag ? 1 : 0);
}

void wire_put_check(struct wire_writer *w, bool valid)
{
	if (w->error == 0 && !valid)
		w->error = -EINVAL;
}

const uint8_t *wire_get_bytes(struct wire_reader *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->error == 0 && len > (size_t)(r->end - r->p))
		r->error = -EBADMSG;
	if (r->error < 0)
		return NULL;
	r->p += len;
	return p;
}

void wire_get_copy(struct wire_reader *r, void *ret, size_t len)
{
	const uint8_t *p = wire_get_bytes(r, len);

	if (p)
		memcpy(ret, p, len);
}

uint8_t wire_get_u8(struct wire_reader *r)
{
	const uint8_t *p = wire_get_bytes(r, 1);

	return p ? p[0] : 0;
}

uint16_t wire_get_u16(struct wire_reader *r)
{
	const uint8_t *p = wire_get_bytes(r, 2);
	const unsigned int v = p ? (unsigned int)p[0] | (unsigned int)p[1] << 8 : 0;

	return (uint16_t)v;
}

uint32_t wire_get_u32(struct wire_reader *r)
{
	const uint8_t *p = wire_get_bytes(r, 4);

	return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;
}

bool wire_get_flag(struct wire_reader *r)
{
	const uint8_t v = wire_get_u8(r);

	wire_get_check(r, v <= 1);
	return v == 1;
}

void wire_get_check(struct wire_reader *r, bool valid)
{
	if (r->error == 0 && !valid)
		r->error = -EBADMSG;
}

void wire_put_ascii(struct wire_writer *w, const char *text, size_t size)
{
	const size_t len = strnlen(text, size);

	wire_put_check(w, len < size);
	wire_put_u8(w, (unsigned int)len);
	for (size_t i = 0; i < len && w->error == 0; i++)
		wire_put_u8(w, text[i] >= ' ' && text[i] <= '~' ? (unsigned char)text[i] : '?');
}

/* The length; 0, and *ret as it was, after an error. */
static size_t get_string(struct wire_reader *r, char *ret, size_t size)
{
	const size_t len = wire_get_u8(r);
	const uint8_t *p;

	wire_get_check(r, len < size);
	p = wire_get_bytes(r, len);
	if (!p)
		return 0;
	memcpy(ret, p, len);
	ret[len] = '\0';
	return len;
}

void wire_get_ascii(struct wire_reader *r, char *ret, size_t size)
{
	const size_t len = get_string(r, ret, size);

	for (size_t i = 0; i < len; i++)
		wire_get_check(r, ret[i] >= ' ' && ret[i] <= '~');
}

void wire_put_text(struct wire_writer *w, const char *text, size_t size)
{
	const size_t len = strnlen(text, size);

	wire_put_check(w, len < size && text_valid(text));
	wire_put_u8(w, (unsigned int)len);
	wire_put_bytes(w, text, len);
}

void wire_get_text(struct wire_reader *r, char *ret, size_t size)
{
	const size_t len = get_string(r, ret, size);

	wire_get_check(r, strlen(ret) == len && text_valid(ret));
}

void wire_put_retries(struct wire_writer *w, int8_t retries)
{
	wire_put_check(w, retries >= -1);
	wire_put_u8(w, retries < 0 ? WIRE_RETRIES_UNKNOWN : (unsigned int)retries);
}

int8_t wire_get_retries(struct wire_reader *r)
{
	const uint8_t v = wire_get_u8(r);

	wire_get_check(r, v <= INT8_MAX || v == WIRE_RETRIES_UNKNOWN);
	return v <= INT8_MAX ? (int8_t)v : -1;
}

void wire_put_key(struct wire_writer *w, const struct secret *key)
{
	wire_put_check(w, key && secret_len(key) == SECRET_KEY_SIZE);
	if (w->error == 0)
		wire_put_bytes(w, secret_key(key), SECRET_KEY_SIZE);
}

struct secret *wire_get_secret(struct wire_reader *r, size_t len)
{
	const uint8_t *p = wire_get_bytes(r, len);
	struct secret *s;

	if (!p)
		return NULL;
	s = secret_new(len);
	if (!s) {
		r->error = -ENOMEM;
		return NULL;
	}
	memcpy(secret_borrow_mut(s), p, len);
	return s;
}

/* libfido2 takes the PIN as a string. */
static bool pin_valid(const uint8_t *pin, size_t len)
{
	return len >= WIRE_PIN_MIN && len <= WIRE_PIN_MAX && !memchr(pin, '\0', len);
}

void wire_put_pin(struct wire_writer *w, const struct wire_request *request)
{
	wire_put_check(w, (request->uv == WIRE_UV_PIN) == (request->pin != NULL));
	wire_put_u8(w, request->uv);
	if (request->pin) {
		wire_put_check(w, pin_valid(secret_borrow(request->pin), secret_len(request->pin)));
		wire_put_u8(w, (unsigned int)secret_len(request->pin));
		wire_put_bytes(w, secret_borrow(request->pin), secret_len(request->pin));
	} else {
		wire_put_u8(w, 0);
	}
}

void wire_get_pin(struct wire_reader *r, struct wire_request *ret)
{
	const uint8_t uv = wire_get_u8(r);
	const size_t len = wire_get_u8(r);

	wire_get_check(r, uv == WIRE_UV_PRESENCE || uv == WIRE_UV_PIN);
	wire_get_check(r, uv == WIRE_UV_PIN ? len >= WIRE_PIN_MIN && len <= WIRE_PIN_MAX : len == 0);
	if (r->error < 0)
		return;
	ret->uv = (enum wire_uv)uv;
	if (uv != WIRE_UV_PIN)
		return;
	ret->pin = wire_get_secret(r, len);
	if (ret->pin)
		wire_get_check(r, pin_valid(secret_borrow(ret->pin), len));
}
