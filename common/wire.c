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
 *   X_...          wire-x25519.c
 *   credentials    u8 n, n * (u16 length, id, u8[64] public key);  pin: u8 length (0: none), bytes;  text: u8 length, bytes
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/wire-fields.h"

#define WIRE_VERSION 1
#define WIRE_CAPABILITIES_ALL 0x7ffu

static void put_credential(struct wire_writer *w, const struct wire_credential *c)
{
	wire_put_check(w, c->id_len >= 1 && c->id_len <= WIRE_CREDENTIAL_ID_MAX);
	wire_put_u16(w, c->id_len);
	wire_put_bytes(w, c->id, c->id_len <= WIRE_CREDENTIAL_ID_MAX ? c->id_len : 0);
	wire_put_bytes(w, c->public_key, sizeof(c->public_key));
}

static void get_credential(struct wire_reader *r, struct wire_credential *ret)
{
	ret->id_len = wire_get_u16(r);
	wire_get_check(r, ret->id_len >= 1 && ret->id_len <= WIRE_CREDENTIAL_ID_MAX);
	wire_get_copy(r, ret->id, ret->id_len);
	wire_get_copy(r, ret->public_key, sizeof(ret->public_key));
}

static void put_credentials(struct wire_writer *w, const struct wire_request *request, unsigned int min)
{
	wire_put_check(w, request->n_credentials >= min && request->n_credentials <= WIRE_CREDENTIALS_MAX);
	wire_put_u8(w, request->n_credentials);
	for (unsigned int i = 0; i < request->n_credentials && w->error == 0; i++)
		put_credential(w, &request->credentials[i]);
}

static void get_credentials(struct wire_reader *r, struct wire_request *ret, unsigned int min)
{
	ret->n_credentials = wire_get_u8(r);
	wire_get_check(r, ret->n_credentials >= min && ret->n_credentials <= WIRE_CREDENTIALS_MAX);
	for (unsigned int i = 0; i < ret->n_credentials && r->error == 0; i++)
		get_credential(r, &ret->credentials[i]);
}

static void put_header(struct wire_writer *w, enum wire_type type, uint32_t serial)
{
	wire_put_check(w, serial != 0);
	wire_put_u8(w, WIRE_VERSION);
	wire_put_u8(w, type);
	wire_put_u32(w, serial);
}

/* 0 for a type that does not exist. */
static unsigned int get_header(struct wire_reader *r, uint32_t *ret_serial)
{
	const uint8_t version = wire_get_u8(r), type = wire_get_u8(r);

	*ret_serial = wire_get_u32(r);
	wire_get_check(r, version == WIRE_VERSION && *ret_serial != 0);
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
	wire_get_check(r, r->p == r->end);
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
	case WIRE_X_LIST ... WIRE_X_FORGET:
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

	wire_put_check(&w, type_is_request(request->type));
	put_header(&w, request->type, request->serial);
	if (request->type != WIRE_CANCEL)
		wire_put_u32(&w, request->timeout_ms);
	if (request->type != WIRE_CREATE && request->type != WIRE_EVALUATE && !wire_type_is_x25519(request->type))
		wire_put_check(&w, !request->pin);
	if (!wire_type_is_x25519(request->type))
		wire_put_check(&w, !request->x_key && !request->x_host_key);
	switch (request->type) {
	case WIRE_INFO:
	case WIRE_CANCEL:
		break;
	case WIRE_PROBE:
		put_credentials(&w, request, 1);
		break;
	case WIRE_CREATE:
		wire_put_pin(&w, request);
		wire_put_bytes(&w, request->user_id, sizeof(request->user_id));
		wire_put_text(&w, request->user_name, sizeof(request->user_name));
		put_credentials(&w, request, 0);
		break;
	case WIRE_EVALUATE:
		wire_put_pin(&w, request);
		put_credentials(&w, request, 1);
		wire_put_check(&w, request->n_salts == 1 || request->n_salts == 2);
		wire_put_u8(&w, request->n_salts);
		for (unsigned int i = 0; i < request->n_salts && w.error == 0; i++)
			wire_put_bytes(&w, request->salts[i], sizeof(request->salts[i]));
		break;
	case WIRE_X_LIST ... WIRE_X_FORGET:
		wire_put_x_request(&w, request);
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
		ret->timeout_ms = wire_get_u32(&r);
	switch (type) {
	case WIRE_INFO:
	case WIRE_CANCEL:
		break;
	case WIRE_PROBE:
		get_credentials(&r, ret, 1);
		break;
	case WIRE_CREATE:
		wire_get_pin(&r, ret);
		wire_get_copy(&r, ret->user_id, sizeof(ret->user_id));
		wire_get_text(&r, ret->user_name, sizeof(ret->user_name));
		get_credentials(&r, ret, 0);
		break;
	case WIRE_EVALUATE:
		wire_get_pin(&r, ret);
		get_credentials(&r, ret, 1);
		ret->n_salts = wire_get_u8(&r);
		wire_get_check(&r, ret->n_salts == 1 || ret->n_salts == 2);
		for (unsigned int i = 0; i < ret->n_salts && r.error == 0; i++)
			wire_get_copy(&r, ret->salts[i], sizeof(ret->salts[i]));
		break;
	default: /* a byte of the peer's, not an enum */
		if (wire_type_is_x25519((enum wire_type)type))
			wire_get_x_request(&r, (enum wire_type)type, ret);
		else
			wire_get_check(&r, false);
		break;
	}
	ret->type = (enum wire_type)type;
	if (get_finish(&r) < 0)
		wire_request_clear(ret);
	return r.error;
}

static void put_info(struct wire_writer *w, const struct wire_token_info *info)
{
	wire_put_ascii(w, info->product, sizeof(info->product));
	wire_put_ascii(w, info->serial, sizeof(info->serial));
	wire_put_bytes(w, info->aaguid, sizeof(info->aaguid));
	wire_put_check(w, (info->capabilities & ~WIRE_CAPABILITIES_ALL) == 0);
	wire_put_u32(w, info->capabilities);
	wire_put_retries(w, info->pin_retries);
	wire_put_u16(w, info->credential_id_max);
}

static void get_info(struct wire_reader *r, struct wire_token_info *ret)
{
	wire_get_ascii(r, ret->product, sizeof(ret->product));
	wire_get_ascii(r, ret->serial, sizeof(ret->serial));
	wire_get_copy(r, ret->aaguid, sizeof(ret->aaguid));
	ret->capabilities = wire_get_u32(r);
	wire_get_check(r, (ret->capabilities & ~WIRE_CAPABILITIES_ALL) == 0);
	ret->pin_retries = wire_get_retries(r);
	ret->credential_id_max = wire_get_u16(r);
}

static void put_outputs(struct wire_writer *w, const struct wire_result *result)
{
	wire_put_check(w, result->credential_index < WIRE_CREDENTIALS_MAX);
	wire_put_check(w, result->n_outputs == 1 || result->n_outputs == 2);
	wire_put_u8(w, result->credential_index);
	wire_put_u8(w, result->n_outputs);
	for (unsigned int i = 0; i < result->n_outputs && w->error == 0; i++)
		wire_put_key(w, result->outputs[i]);
}

static void get_outputs(struct wire_reader *r, struct wire_result *ret)
{
	ret->credential_index = wire_get_u8(r);
	wire_get_check(r, ret->credential_index < WIRE_CREDENTIALS_MAX);
	ret->n_outputs = wire_get_u8(r);
	wire_get_check(r, ret->n_outputs == 1 || ret->n_outputs == 2);
	for (unsigned int i = 0; i < ret->n_outputs && r->error == 0; i++)
		ret->outputs[i] = wire_get_secret(r, SECRET_KEY_SIZE);
}

int wire_encode_result(uint8_t buf[static WIRE_MESSAGE_MAX], size_t *ret_len, const struct wire_result *result)
{
	struct wire_writer w = { .buf = buf };

	put_header(&w, WIRE_RESULT, result->serial);
	wire_put_check(&w, (unsigned int)result->outcome < OUTCOME_MAX_);
	wire_put_u8(&w, result->outcome);
	wire_put_ascii(&w, result->detail, sizeof(result->detail));
	wire_put_retries(&w, result->pin_retries);
	if (result->outcome != OUTCOME_OK) {
		wire_put_u8(&w, 0);
		return put_finish(&w, ret_len);
	}
	wire_put_check(&w, type_is_request(result->answers) && result->answers != WIRE_CANCEL);
	wire_put_u8(&w, result->answers);
	switch (result->answers) {
	case WIRE_INFO:
		put_info(&w, &result->info);
		break;
	case WIRE_PROBE:
		wire_put_u8(&w, result->known);
		break;
	case WIRE_CREATE:
		put_credential(&w, &result->credential);
		break;
	case WIRE_EVALUATE:
		put_outputs(&w, result);
		break;
	case WIRE_X_LIST ... WIRE_X_FORGET:
		wire_put_x_result(&w, result);
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
	wire_put_check(&w, status->status == WIRE_STATUS_PROCESSING || status->status == WIRE_STATUS_TOUCH);
	wire_put_u8(&w, status->status);
	return put_finish(&w, ret_len);
}

static void get_result(struct wire_reader *r, struct wire_result *ret)
{
	const uint8_t outcome = wire_get_u8(r);
	uint8_t answers;

	wire_get_check(r, outcome < OUTCOME_MAX_);
	ret->outcome = (enum outcome)outcome;
	wire_get_ascii(r, ret->detail, sizeof(ret->detail));
	ret->pin_retries = wire_get_retries(r);
	answers = wire_get_u8(r);
	ret->answers = (enum wire_type)answers;
	if (outcome != OUTCOME_OK) {
		wire_get_check(r, answers == 0);
		return;
	}
	switch (answers) {
	case WIRE_INFO:
		get_info(r, &ret->info);
		break;
	case WIRE_PROBE:
		ret->known = wire_get_u8(r);
		break;
	case WIRE_CREATE:
		get_credential(r, &ret->credential);
		break;
	case WIRE_EVALUATE:
		get_outputs(r, ret);
		break;
	default: /* a byte of the peer's, not an enum */
		if (wire_type_is_x25519((enum wire_type)answers))
			wire_get_x_result(r, (enum wire_type)answers, ret);
		else
			wire_get_check(r, false);
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
		status = wire_get_u8(&r);
		wire_get_check(&r, status == WIRE_STATUS_PROCESSING || status == WIRE_STATUS_TOUCH);
		*ret_status = (struct wire_status_message){ .serial = serial, .status = (enum wire_status)status };
		break;
	case WIRE_RESULT:
		ret_result->serial = serial;
		get_result(&r, ret_result);
		break;
	default: /* a byte of the peer's, not an enum */
		wire_get_check(&r, false);
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
	secret_free(request->x_key);
	secret_free(request->x_host_key);
	sodium_memzero(request, sizeof(*request));
}

void wire_result_clear(struct wire_result *result)
{
	secret_free(result->outputs[0]);
	secret_free(result->outputs[1]);
	sodium_memzero(result, sizeof(*result));
}
