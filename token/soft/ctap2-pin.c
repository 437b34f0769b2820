/* SPDX-License-Identifier: GPL-2.0-or-later */
/* authenticatorClientPIN, CTAP 2.1 section 6.5. */
#include <errno.h>
#include <string.h>

#include "token/soft/ctap2-internal.h"
#include "token/soft/evp.h"

enum subcommand {
	GET_PIN_RETRIES = 0x01,
	GET_KEY_AGREEMENT = 0x02,
	SET_PIN = 0x03,
	CHANGE_PIN = 0x04,
	GET_PIN_TOKEN = 0x05,
	GET_TOKEN_WITH_PERMISSIONS = 0x09,
};

/* Permissions that this token has no feature for: credential management, bio enrolment, large blobs, config.
 */
#define PERMISSIONS_UNAUTHORIZED (0x04u | 0x08u | 0x10u | 0x20u)
#define PERMISSIONS_SUPPORTED ((unsigned int)CTAP2_PERMISSION_MC | (unsigned int)CTAP2_PERMISSION_GA)

#define PADDED_PIN_SIZE 64

struct pin_request {
	bool has_protocol, has_subcommand, has_key, has_param, has_new_pin, has_pin_hash, has_permissions,
		has_rp_id;
	uint64_t protocol_value, subcommand, permissions;
	enum pinauth_protocol protocol;
	uint8_t key[P256_POINT_SIZE];
	struct slice param, new_pin, pin_hash, rp_id;
};

static int read_member(struct reader *r, uint64_t key, void *request)
{
	struct pin_request *q = request;

	switch (key) {
	case 0x01:
		q->has_protocol = true;
		return reader_uint(r, &q->protocol_value);
	case 0x02:
		q->has_subcommand = true;
		return reader_uint(r, &q->subcommand);
	case 0x03:
		q->has_key = true;
		return ctap2_read_cose(r, q->key);
	case 0x04:
		q->has_param = true;
		return reader_bytes(r, &q->param);
	case 0x05:
		q->has_new_pin = true;
		return reader_bytes(r, &q->new_pin);
	case 0x06:
		q->has_pin_hash = true;
		return reader_bytes(r, &q->pin_hash);
	case 0x09:
		q->has_permissions = true;
		return reader_uint(r, &q->permissions);
	case 0x0a:
		q->has_rp_id = true;
		return reader_text(r, &q->rp_id);
	default:
		return reader_skip(r);
	}
}

static int read_request(struct reader *r, struct pin_request *q)
{
	int status = ctap2_read_members(r, read_member, q);

	if (status == CTAP2_OK && !q->has_subcommand)
		status = CTAP2_MISSING_PARAMETER;
	return status;
}

static int get_retries(struct ctap2 *a, struct writer *w)
{
	writer_map(w, 2);
	writer_int(w, 0x03);
	writer_int(w, a->data->pin_retries);
	writer_int(w, 0x04); /* powerCycleState */
	writer_bool(w, a->mismatches >= CTAP2_PIN_MISMATCHES_MAX);
	return CTAP2_OK;
}

static int get_key_agreement(struct ctap2 *a, const struct pin_request *q, struct writer *w)
{
	uint8_t point[P256_POINT_SIZE];

	if (p256_public(point, a->agreement[q->protocol - 1]) < 0)
		return CTAP2_OTHER;
	writer_map(w, 1);
	writer_int(w, 0x01);
	ctap2_write_cose(w, point, -25);
	return CTAP2_OK;
}

static int decapsulate(struct ctap2 *a, const struct pin_request *q, struct secret **ret)
{
	return pinauth_shared(ret, q->protocol, a->agreement[q->protocol - 1], q->key) < 0
		       ? CTAP2_INVALID_PARAMETER
		       : CTAP2_OK;
}

int ctap2_pin_digest(struct secret **ret, const uint8_t *pin, size_t len)
{
	_cleanup_secret_ struct secret *hash = NULL;
	size_t points = 0;

	for (size_t i = 0; i < len; i++)
		points += (pin[i] & 0xc0) != 0x80; /* bytes that begin a code point */
	if (points < CTAP2_PIN_CODE_POINTS_MIN || len > CTAP2_PIN_BYTES_MAX)
		return CTAP2_PIN_POLICY_VIOLATION;
	hash = secret_new(SHA256_SIZE);
	if (!hash || evp_sha256(secret_borrow_mut(hash), pin, len) < 0)
		return CTAP2_OTHER;
	secret_truncate(hash, STORE_PIN_HASH_SIZE);
	*ret = secret_take(&hash);
	return CTAP2_OK;
}

static int open_new_pin(const struct pin_request *q, const struct secret *shared, struct secret **ret)
{
	_cleanup_secret_ struct secret *padded = NULL;
	size_t len = PADDED_PIN_SIZE;

	if (pinauth_decrypt(&padded, q->protocol, shared, q->new_pin) < 0 ||
		secret_len(padded) != PADDED_PIN_SIZE)
		return CTAP2_INVALID_PARAMETER;
	while (len > 0 && secret_borrow(padded)[len - 1] == 0)
		len--;
	return ctap2_pin_digest(ret, secret_borrow(padded), len);
}

/* All or nothing. *hash is taken. */
static int store_new_pin(struct ctap2 *a, struct secret **hash)
{
	struct store_data *data = a->data, old = *data;

	data->pin_hash = *hash;
	data->pin_set = true;
	data->pin_retries = STORE_PIN_RETRIES;
	if (a->save(a->userdata) < 0) {
		*data = old;
		return CTAP2_OTHER;
	}
	*hash = NULL;
	secret_free(old.pin_hash);
	return CTAP2_OK;
}

static int set_pin(struct ctap2 *a, const struct pin_request *q)
{
	_cleanup_secret_ struct secret *shared = NULL, *hash = NULL;
	int status;

	if (!q->has_key || !q->has_param || !q->has_new_pin)
		return CTAP2_MISSING_PARAMETER;
	if (a->data->pin_set)
		return CTAP2_PIN_AUTH_INVALID;
	status = decapsulate(a, q, &shared);
	if (status != CTAP2_OK)
		return status;
	if (!pinauth_verify(q->protocol, shared, q->new_pin, (struct slice){0}, q->param))
		return CTAP2_PIN_AUTH_INVALID;
	status = open_new_pin(q, shared, &hash);
	return status == CTAP2_OK ? store_new_pin(a, &hash) : status;
}

/* pinHashEnc against the stored hash. The try is counted on disk before it is made: pulling the plug wins
 * none. */
static int check_pin(struct ctap2 *a, const struct pin_request *q, const struct secret *shared)
{
	_cleanup_secret_ struct secret *hash = NULL;

	if (!a->data->pin_set)
		return CTAP2_PIN_NOT_SET;
	if (a->data->pin_retries == 0)
		return CTAP2_PIN_BLOCKED;
	if (a->mismatches >= CTAP2_PIN_MISMATCHES_MAX)
		return CTAP2_PIN_AUTH_BLOCKED;
	a->data->pin_retries--;
	if (a->save(a->userdata) < 0) {
		a->data->pin_retries++;
		return CTAP2_OTHER;
	}
	if (pinauth_decrypt(&hash, q->protocol, shared, q->pin_hash) == 0 &&
		secret_equal(hash, a->data->pin_hash)) {
		a->mismatches = 0;
		a->data->pin_retries = STORE_PIN_RETRIES;
		return ctap2_internal(a->save(a->userdata));
	}
	a->mismatches++;
	ctap2_pin_token_drop(a);
	if (ctap2_renew_agreement(a, q->protocol) < 0)
		return CTAP2_OTHER;
	if (a->data->pin_retries == 0)
		return CTAP2_PIN_BLOCKED;
	return a->mismatches >= CTAP2_PIN_MISMATCHES_MAX ? CTAP2_PIN_AUTH_BLOCKED : CTAP2_PIN_INVALID;
}

static int change_pin(struct ctap2 *a, const struct pin_request *q)
{
	_cleanup_secret_ struct secret *shared = NULL, *hash = NULL;
	int status;

	if (!q->has_key || !q->has_param || !q->has_new_pin || !q->has_pin_hash)
		return CTAP2_MISSING_PARAMETER;
	if (a->data->pin_set && a->data->pin_retries == 0)
		return CTAP2_PIN_BLOCKED;
	status = decapsulate(a, q, &shared);
	if (status != CTAP2_OK)
		return status;
	if (!pinauth_verify(q->protocol, shared, q->new_pin, q->pin_hash, q->param))
		return CTAP2_PIN_AUTH_INVALID;
	status = check_pin(a, q, shared);
	if (status == CTAP2_OK)
		status = open_new_pin(q, shared, &hash);
	if (status == CTAP2_OK)
		status = store_new_pin(a, &hash);
	if (status == CTAP2_OK)
		ctap2_pin_token_drop(a);
	return status;
}

static int hand_out_token(struct ctap2 *a, const struct ctap2_call *call, const struct pin_request *q,
	const struct secret *shared, unsigned int permissions, struct writer *w)
{
	struct ctap2_pin_token token = {
		.protocol = q->protocol,
		.permissions = permissions,
		.issued_us = call->received_us,
		.bound = q->has_rp_id,
	};
	uint8_t sealed[PINAUTH_CIPHERTEXT_MAX];
	size_t sealed_len;
	int status = CTAP2_OK;

	ctap2_pin_token_drop(a);
	if (q->has_rp_id)
		status = ctap2_hash_rp_id(token.rp_id_hash, &q->rp_id);
	if (status != CTAP2_OK)
		return status;
	token.value = secret_new(32);
	if (!token.value)
		return CTAP2_OTHER;
	secret_fill_random(token.value);
	a->token = token;
	if (pinauth_encrypt(sealed, &sealed_len, q->protocol, shared, token.value) < 0) {
		ctap2_pin_token_drop(a);
		return CTAP2_OTHER;
	}
	writer_map(w, 1);
	writer_int(w, 0x02);
	writer_bytes(w, sealed, sealed_len);
	return CTAP2_OK;
}

static int get_token(
	struct ctap2 *a, const struct ctap2_call *call, const struct pin_request *q, struct writer *w)
{
	unsigned int permissions = PERMISSIONS_SUPPORTED; /* getPinToken's default ones */
	_cleanup_secret_ struct secret *shared = NULL;
	int status;

	if (!q->has_key || !q->has_pin_hash)
		return CTAP2_MISSING_PARAMETER;
	if (q->subcommand == GET_PIN_TOKEN) {
		if (q->has_permissions || q->has_rp_id)
			return CTAP2_INVALID_PARAMETER;
	} else {
		if (!q->has_permissions)
			return CTAP2_MISSING_PARAMETER;
		if (q->permissions == 0)
			return CTAP2_INVALID_PARAMETER;
		if (q->permissions & PERMISSIONS_UNAUTHORIZED)
			return CTAP2_UNAUTHORIZED_PERMISSION;
		permissions = (unsigned int)q->permissions & PERMISSIONS_SUPPORTED;
		if (permissions && !q->has_rp_id)
			return CTAP2_INVALID_PARAMETER;
	}
	if (a->data->pin_set && a->data->pin_retries == 0)
		return CTAP2_PIN_BLOCKED;
	status = decapsulate(a, q, &shared);
	if (status == CTAP2_OK)
		status = check_pin(a, q, shared);
	if (status == CTAP2_OK)
		status = hand_out_token(a, call, q, shared, permissions, w);
	return status;
}

int ctap2_client_pin(struct ctap2 *a, const struct ctap2_call *call, struct reader *r, struct writer *w)
{
	struct pin_request q = {0};
	int status = read_request(r, &q);

	if (status != CTAP2_OK)
		return status;
	if (q.subcommand == GET_PIN_RETRIES) /* the one that needs no protocol */
		return get_retries(a, w);
	switch (q.subcommand) {
	case GET_KEY_AGREEMENT:
	case SET_PIN:
	case CHANGE_PIN:
	case GET_PIN_TOKEN:
	case GET_TOKEN_WITH_PERMISSIONS:
		break;
	default:
		return CTAP2_INVALID_SUBCOMMAND;
	}
	if (!q.has_protocol)
		return CTAP2_MISSING_PARAMETER;
	status = ctap2_protocol(q.protocol_value, &q.protocol);
	if (status != CTAP2_OK)
		return status;
	if (q.subcommand == GET_KEY_AGREEMENT)
		return get_key_agreement(a, &q, w);
	if (q.subcommand == SET_PIN)
		return set_pin(a, &q);
	if (q.subcommand == CHANGE_PIN)
		return change_pin(a, &q);
	return get_token(a, call, &q, w);
}
