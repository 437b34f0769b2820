/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layout, all integers little-endian:
 *
 *   every message  u8 version, u8 type, u32 serial, then by type:
 *   INFO           u32 timeout_ms
 *   PROBE          u32 timeout_ms, credentials
 *   CREATE         u32 timeout_ms, u8 uv, pin, u8[32] user id, text user name, credentials to exclude
 *   EVALUATE       u32 timeout_ms, u8 uv, pin, credentials, u8 n, n * u8[32] salts
 *   CANCEL         nothing
 *   STATUS         u8 status
 *   RESULT         u8 outcome, text detail, u8 pin retries (255: unknown), u8 what it answers (0 unless the outcome is OK), then
 *     INFO         text product, text serial, u8[16] aaguid, u32 capabilities, u8 pin retries, u16 longest credential id
 *     PROBE        u8 known
 *     CREATE       credential
 *     EVALUATE     u8 index, u8 n, n * u8[32] outputs
 *   credentials    u8 n, n * (u16 length, id, u8[64] public key);  pin: u8 length (0: none), bytes;  text: u8 length, bytes
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/encoding.h"
#include "common/wire.h"

#define WIRE_VERSION 1
#define WIRE_PIN_MIN 4
#define WIRE_PIN_MAX 63
#define WIRE_CAPABILITIES_ALL 0x1ffu
#define WIRE_RETRIES_UNKNOWN 255

/* Writers and readers remember the first error and do nothing after it, so that messages read as a list of fields. */
struct wire_writer {
	uint8_t *buf;
	size_t len;
	int error;
};

struct wire_reader {
	const uint8_t *p, *end;
	int error;
};

static void put_bytes(struct wire_writer *w, const void *data, size_t len)
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

static void put_u8(struct wire_writer *w, unsigned int v)
{
	const uint8_t b = (uint8_t)v;

	put_bytes(w, &b, 1);
}

static void put_u16(struct wire_writer *w, unsigned int v)
{
	const uint8_t b[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

	put_bytes(w, b, sizeof(b));
}

static void put_u32(struct wire_writer *w, uint32_t v)
{
	const uint8_t b[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };

	put_bytes(w, b, sizeof(b));
}

static void put_check(struct wire_writer *w, bool valid)
{
	if (w->error == 0 && !valid)
		w->error = -EINVAL;
}

static const uint8_t *get_bytes(struct wire_reader *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->error == 0 && len > (size_t)(r->end - r->p))
		r->error = -EBADMSG;
	if (r->error < 0)
		return NULL;
	r->p += len;
	return p;
}

static void get_copy(struct wire_reader *r, void *ret, size_t len)
{
	const uint8_t *p = get_bytes(r, len);

	if (p)
		memcpy(ret, p, len);
}

static uint8_t get_u8(struct wire_reader *r)
{
	const uint8_t *p = get_bytes(r, 1);

	return p ? p[0] : 0;
}

static uint16_t get_u16(struct wire_reader *r)
{
	const uint8_t *p = get_bytes(r, 2);
	const unsigned int v = p ? (unsigned int)p[0] | (unsigned int)p[1] << 8 : 0;

	return (uint16_t)v;
}

static uint32_t get_u32(struct wire_reader *r)
{
	const uint8_t *p = get_bytes(r, 4);

	return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;
}

static void get_check(struct wire_reader *r, bool valid)
{
	if (r->error == 0 && !valid)
		r->error = -EBADMSG;
}

/* Text from a token: sent as printable ASCII whatever the token says, so that no name makes a result unsendable. */
static void put_ascii(struct wire_writer *w, const char *text, size_t size)
{
	const size_t len = strnlen(text, size);

	put_check(w, len < size);
	put_u8(w, (unsigned int)len);
	for (size_t i = 0; i < len && w->error == 0; i++)
		put_u8(w, text[i] >= ' ' && text[i] <= '~' ? (unsigned char)text[i] : '?');
}

/* The length; 0, and *ret as it was, after an error. */
static size_t get_string(struct wire_reader *r, char *ret, size_t size)
{
	const size_t len = get_u8(r);
	const uint8_t *p;

	get_check(r, len < size);
	p = get_bytes(r, len);
	if (!p)
		return 0;
	memcpy(ret, p, len);
	ret[len] = '\0';
	return len;
}

static void get_ascii(struct wire_reader *r, char *ret, size_t size)
{
	const size_t len = get_string(r, ret, size);

	for (size_t i = 0; i < len; i++)
		get_check(r, ret[i] >= ' ' && ret[i] <= '~');
}

static void put_text(struct wire_writer *w, const char *text, size_t size)
{
	const size_t len = strnlen(text, size);

	put_check(w, len < size && text_valid(text));
	put_u8(w, (unsigned int)len);
	put_bytes(w, text, len);
}

static void get_text(struct wire_reader *r, char *ret, size_t size)
{
	const size_t len = get_string(r, ret, size);

	get_check(r, strlen(ret) == len && text_valid(ret));
}

static void put_retries(struct wire_writer *w, int8_t retries)
{
	put_check(w, retries >= -1);
	put_u8(w, retries < 0 ? WIRE_RETRIES_UNKNOWN : (unsigned int)retries);
}

static int8_t get_retries(struct wire_reader *r)
{
	const uint8_t v = get_u8(r);

	get_check(r, v <= INT8_MAX || v == WIRE_RETRIES_UNKNOWN);
	return v <= INT8_MAX ? (int8_t)v : -1;
}

static void put_credential(struct wire_writer *w, const struct wire_credential *c)
{
	put_check(w, c->id_len >= 1 && c->id_len <= WIRE_CREDENTIAL_ID_MAX);
	put_u16(w, c->id_len);
	put_bytes(w, c->id, c->id_len <= WIRE_CREDENTIAL_ID_MAX ? c->id_len : 0);
	put_bytes(w, c->public_key, sizeof(c->public_key));
}

static void get_credential(struct wire_reader *r, struct wire_credential *ret)
{
	ret->id_len = get_u16(r);
	get_check(r, ret->id_len >= 1 && ret->id_len <= WIRE_CREDENTIAL_ID_MAX);
	get_copy(r, ret->id, ret->id_len);
	get_copy(r, ret->public_key, sizeof(ret->public_key));
}

static void put_credentials(struct wire_writer *w, const struct wire_request *request, unsigned int min)
{
	put_check(w, request->n_credentials >= min && request->n_credentials <= WIRE_CREDENTIALS_MAX);
	put_u8(w, request->n_credentials);
	for (unsigned int i = 0; i < request->n_credentials && w->error == 0; i++)
		put_credential(w, &request->credentials[i]);
}

static void get_credentials(struct wire_reader *r, struct wire_request *ret, unsigned int min)
{
	ret->n_credentials = get_u8(r);
	get_check(r, ret->n_credentials >= min && ret->n_credentials <= WIRE_CREDENTIALS_MAX);
	for (unsigned int i = 0; i < ret->n_credentials && r->error == 0; i++)
		get_credential(r, &ret->credentials[i]);
}

/* libfido2 takes the PIN as a string. */
static bool pin_valid(const uint8_t *pin, size_t len)
{
	return len >= WIRE_PIN_MIN && len <= WIRE_PIN_MAX && !memchr(pin, '\0', len);
}

static void put_pin(struct wire_writer *w, const struct wire_request *request)
{
	put_check(w, (request->uv == WIRE_UV_PIN) == (request->pin != NULL));
	put_u8(w, request->uv);
	if (request->pin) {
		put_check(w, pin_valid(secret_borrow(request->pin), secret_len(request->pin)));
		put_u8(w, (unsigned int)secret_len(request->pin));
		put_bytes(w, secret_borrow(request->pin), secret_len(request->pin));
	} else {
		put_u8(w, 0);
	}
}

static struct secret *get_secret(struct wire_reader *r, size_t len)
{
	const uint8_t *p = get_bytes(r, len);
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

static void get_pin(struct wire_reader *r, struct wire_request *ret)
{
	const uint8_t uv = get_u8(r);
	const size_t len = get_u8(r);

	get_check(r, uv == WIRE_UV_PRESENCE || uv == WIRE_UV_PIN);
	get_check(r, uv == WIRE_UV_PIN ? len >= WIRE_PIN_MIN && len <= WIRE_PIN_MAX : len == 0);
	if (r->error < 0)
		return;
	ret->uv = (enum wire_uv)uv;
	if (uv != WIRE_UV_PIN)
		return;
	ret->pin = get_secret(r, len);
	if (ret->pin)
		get_check(r, pin_valid(secret_borrow(ret->pin), len));
}

static void put_header(struct wire_writer *w, enum wire_type type, uint32_t serial)
{
	put_check(w, serial != 0);
	put_u8(w, WIRE_VERSION);
	put_u8(w, type);
	put_u32(w, serial);
}

/* 0 for a type that does not exist. */
static unsigned int get_header(struct wire_reader *r, uint32_t *ret_serial)
{
	const uint8_t version = get_u8(r), type = get_u8(r);

	*ret_serial = get_u32(r);
	get_check(r, version == WIRE_VERSION && *ret_serial != 0);
	return type;
}

/* On failure nothing of the message stays in buf. */
static int put_finish(struct wire_writer *w, size_t *ret_len)
{
	if (w->error < 0)
		sodium_memzero(w->buf, w->len);
	else
		*ret_len = w->len;
	return w->error;
}

static int get_finish(struct wire_reader *r)
{
	get_check(r, r->p == r->end);
	return r->error;
}

/* Also asked of values that are none of the enum's. */
static bool type_is_request(enum wire_type type)
{
	switch (type) {
	case WIRE_INFO:
	case WIRE_PROBE:
	case WIRE_CREATE:
	case WIRE_EVALUATE:
	case WIRE_CANCEL:
		return true;
	case WIRE_STATUS:
	case WIRE_RESULT:
		return false;
	}
	return false;
}

int wire_encode_request(uint8_t buf[static WIRE_MESSAGE_MAX], size_t *ret_len, const struct wire_request *request)
{
	struct wire_writer w = { .buf = buf };

	put_check(&w, type_is_request(request->type));
	put_header(&w, request->type, request->serial);
	if (request->type != WIRE_CANCEL)
		put_u32(&w, request->timeout_ms);
	if (request->type != WIRE_CREATE && request->type != WIRE_EVALUATE)
		put_check(&w, !request->pin);
	switch (request->type) {
	case WIRE_INFO:
	case WIRE_CANCEL:
		break;
	case WIRE_PROBE:
		put_credentials(&w, request, 1);
		break;
	case WIRE_CREATE:
		put_pin(&w, request);
		put_bytes(&w, request->user_id, sizeof(request->user_id));
		put_text(&w, request->user_name, sizeof(request->user_name));
		put_credentials(&w, request, 0);
		break;
	case WIRE_EVALUATE:
		put_pin(&w, request);
		put_credentials(&w, request, 1);
		put_check(&w, request->n_salts == 1 || request->n_salts == 2);
		put_u8(&w, request->n_salts);
		for (unsigned int i = 0; i < request->n_salts && w.error == 0; i++)
			put_bytes(&w, request->salts[i], sizeof(request->salts[i]));
		break;
	case WIRE_STATUS:
	case WIRE_RESULT:
		break;
	}
	return put_finish(&w, ret_len);
}

int wire_decode_request(struct wire_request *ret, const uint8_t *buf, size_t len)
{
	struct wire_reader r = { .p = buf, .end = buf + len };
	unsigned int type;

	*ret = (struct wire_request){ 0 };
	type = get_header(&r, &ret->serial);
	if (type != WIRE_CANCEL)
		ret->timeout_ms = get_u32(&r);
	switch (type) {
	case WIRE_INFO:
	case WIRE_CANCEL:
		break;
	case WIRE_PROBE:
		get_credentials(&r, ret, 1);
		break;
	case WIRE_CREATE:
		get_pin(&r, ret);
		get_copy(&r, ret->user_id, sizeof(ret->user_id));
		get_text(&r, ret->user_name, sizeof(ret->user_name));
		get_credentials(&r, ret, 0);
		break;
	case WIRE_EVALUATE:
		get_pin(&r, ret);
		get_credentials(&r, ret, 1);
		ret->n_salts = get_u8(&r);
		get_check(&r, ret->n_salts == 1 || ret->n_salts == 2);
		for (unsigned int i = 0; i < ret->n_salts && r.error == 0; i++)
			get_copy(&r, ret->salts[i], sizeof(ret->salts[i]));
		break;
	default: /* a byte of the peer's, not an enum */
		get_check(&r, false);
		break;
	}
	ret->type = (enum wire_type)type;
	if (get_finish(&r) < 0)
		wire_request_clear(ret);
	return r.error;
}

static void put_info(struct wire_writer *w, const struct wire_token_info *info)
{
	put_ascii(w, info->product, sizeof(info->product));
	put_ascii(w, info->serial, sizeof(info->serial));
	put_bytes(w, info->aaguid, sizeof(info->aaguid));
	put_check(w, (info->capabilities & ~WIRE_CAPABILITIES_ALL) == 0);
	put_u32(w, info->capabilities);
	put_retries(w, info->pin_retries);
	put_u16(w, info->credential_id_max);
}

static void get_info(struct wire_reader *r, struct wire_token_info *ret)
{
	get_ascii(r, ret->product, sizeof(ret->product));
	get_ascii(r, ret->serial, sizeof(ret->serial));
	get_copy(r, ret->aaguid, sizeof(ret->aaguid));
	ret->capabilities = get_u32(r);
	get_check(r, (ret->capabilities & ~WIRE_CAPABILITIES_ALL) == 0);
	ret->pin_retries = get_retries(r);
	ret->credential_id_max = get_u16(r);
}

static void put_outputs(struct wire_writer *w, const struct wire_result *result)
{
	put_check(w, result->credential_index < WIRE_CREDENTIALS_MAX);
	put_check(w, result->n_outputs == 1 || result->n_outputs == 2);
	put_u8(w, result->credential_index);
	put_u8(w, result->n_outputs);
	for (unsigned int i = 0; i < result->n_outputs && w->error == 0; i++) {
		put_check(w, result->outputs[i] && secret_len(result->outputs[i]) == SECRET_KEY_SIZE);
		if (w->error == 0)
			put_bytes(w, secret_key(result->outputs[i]), SECRET_KEY_SIZE);
	}
}

static void get_outputs(struct wire_reader *r, struct wire_result *ret)
{
	ret->credential_index = get_u8(r);
	get_check(r, ret->credential_index < WIRE_CREDENTIALS_MAX);
	ret->n_outputs = get_u8(r);
	get_check(r, ret->n_outputs == 1 || ret->n_outputs == 2);
	for (unsigned int i = 0; i < ret->n_outputs && r->error == 0; i++)
		ret->outputs[i] = get_secret(r, SECRET_KEY_SIZE);
}

int wire_encode_result(uint8_t buf[static WIRE_MESSAGE_MAX], size_t *ret_len, const struct wire_result *result)
{
	struct wire_writer w = { .buf = buf };

	put_header(&w, WIRE_RESULT, result->serial);
	put_check(&w, (unsigned int)result->outcome < OUTCOME_MAX_);
	put_u8(&w, result->outcome);
	put_ascii(&w, result->detail, sizeof(result->detail));
	put_retries(&w, result->pin_retries);
	if (result->outcome != OUTCOME_OK) {
		put_u8(&w, 0);
		return put_finish(&w, ret_len);
	}
	put_check(&w, type_is_request(result->answers) && result->answers != WIRE_CANCEL);
	put_u8(&w, result->answers);
	switch (result->answers) {
	case WIRE_INFO:
		put_info(&w, &result->info);
		break;
	case WIRE_PROBE:
		put_u8(&w, result->known);
		break;
	case WIRE_CREATE:
		put_credential(&w, &result->credential);
		break;
	case WIRE_EVALUATE:
		put_outputs(&w, result);
		break;
	case WIRE_CANCEL:
	case WIRE_STATUS:
	case WIRE_RESULT:
		break;
	}
	return put_finish(&w, ret_len);
}

int wire_encode_status(uint8_t buf[static WIRE_MESSAGE_MAX], size_t *ret_len, const struct wire_status_message *status)
{
	struct wire_writer w = { .buf = buf };

	put_header(&w, WIRE_STATUS, status->serial);
	put_check(&w, status->status == WIRE_STATUS_PROCESSING || status->status == WIRE_STATUS_TOUCH);
	put_u8(&w, status->status);
	return put_finish(&w, ret_len);
}

static void get_result(struct wire_reader *r, struct wire_result *ret)
{
	const uint8_t outcome = get_u8(r);
	uint8_t answers;

	get_check(r, outcome < OUTCOME_MAX_);
	ret->outcome = (enum outcome)outcome;
	get_ascii(r, ret->detail, sizeof(ret->detail));
	ret->pin_retries = get_retries(r);
	answers = get_u8(r);
	ret->answers = (enum wire_type)answers;
	if (outcome != OUTCOME_OK) {
		get_check(r, answers == 0);
		return;
	}
	switch (answers) {
	case WIRE_INFO:
		get_info(r, &ret->info);
		break;
	case WIRE_PROBE:
		ret->known = get_u8(r);
		break;
	case WIRE_CREATE:
		get_credential(r, &ret->credential);
		break;
	case WIRE_EVALUATE:
		get_outputs(r, ret);
		break;
	default: /* a byte of the peer's, not an enum */
		get_check(r, false);
		break;
	}
}

int wire_decode_reply(enum wire_type *ret_type, struct wire_result *ret_result, struct wire_status_message *ret_status,
	const uint8_t *buf, size_t len)
{
	struct wire_reader r = { .p = buf, .end = buf + len };
	unsigned int type, status;
	uint32_t serial;

	*ret_result = (struct wire_result){ 0 };
	*ret_status = (struct wire_status_message){ 0 };
	type = get_header(&r, &serial);
	switch (type) {
	case WIRE_STATUS:
		status = get_u8(&r);
		get_check(&r, status == WIRE_STATUS_PROCESSING || status == WIRE_STATUS_TOUCH);
		*ret_status = (struct wire_status_message){ .serial = serial, .status = (enum wire_status)status };
		break;
	case WIRE_RESULT:
		ret_result->serial = serial;
		get_result(&r, ret_result);
		break;
	default: /* a byte of the peer's, not an enum */
		get_check(&r, false);
		break;
	}
	if (get_finish(&r) < 0) {
		wire_result_clear(ret_result);
		*ret_status = (struct wire_status_message){ 0 };
		return r.error;
	}
	*ret_type = (enum wire_type)type;
	return 0;
}

void wire_request_clear(struct wire_request *request)
{
	secret_free(request->pin);
	sodium_memzero(request, sizeof(*request));
}

void wire_result_clear(struct wire_result *result)
{
	secret_free(result->outputs[0]);
	secret_free(result->outputs[1]);
	sodium_memzero(result, sizeof(*result));
}
