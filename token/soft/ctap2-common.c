/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makeCredential and getAssertion have in common. */
#include <string.h>

#include "common/clock.h"
#include "token/soft/ctap2-internal.h"
#include "token/soft/evp.h"

/* Section 6.5.2.1 for USB: a token unused for 30 s, or 10 minutes old, is over. */
#define TOKEN_INITIAL_USAGE_SECONDS 30
#define TOKEN_USAGE_SECONDS 600

int ctap2_read_members(struct reader *r, int (*member)(struct reader *r, uint64_t key, void *userdata), void *userdata)
{
	uint64_t key;
	size_t n;
	int status = reader_map(r, &n);

	while (status == CTAP2_OK && n-- > 0) {
		status = reader_uint(r, &key);
		if (status == CTAP2_OK)
			status = member(r, key, userdata);
	}
	return status;
}

int ctap2_read_options(struct reader *r, struct ctap2_options *o)
{
	size_t n;
	int status = reader_map(r, &n);

	while (status == CTAP2_OK && n-- > 0) {
		struct slice name;

		status = reader_text(r, &name);
		if (status != CTAP2_OK)
			break;
		if (slice_is(&name, "rk")) {
			o->has_rk = true;
			status = reader_bool(r, &o->rk);
		} else if (slice_is(&name, "uv")) {
			o->has_uv = true;
			status = reader_bool(r, &o->uv);
		} else if (slice_is(&name, "up")) {
			o->has_up = true;
			status = reader_bool(r, &o->up);
		} else {
			status = reader_skip(r);
		}
	}
	return status;
}

int ctap2_hash_rp_id(uint8_t ret[static RP_ID_HASH_SIZE], const struct slice *rp_id)
{
	return ctap2_internal(evp_sha256(ret, rp_id->data, rp_id->len));
}

int ctap2_protocol(uint64_t value, enum pinauth_protocol *ret)
{
	if (value != PINAUTH_ONE && value != PINAUTH_TWO)
		return CTAP2_INVALID_PARAMETER;
	*ret = (enum pinauth_protocol)value;
	return CTAP2_OK;
}

void ctap2_pin_token_drop(struct ctap2 *a)
{
	secret_free(a->token.value);
	a->token = (struct ctap2_pin_token){0};
}

void ctap2_pin_token_spend(struct ctap2 *a)
{
	a->token.permissions = 0;
}

int ctap2_renew_agreement(struct ctap2 *a, enum pinauth_protocol protocol)
{
	EVP_PKEY **slot = &a->agreement[protocol - 1], *fresh = NULL;
	int r = p256_generate(&fresh);

	if (r < 0)
		return r;
	EVP_PKEY_free(*slot);
	*slot = fresh;
	return 0;
}

static bool token_live(const struct ctap2_pin_token *t, uint64_t now_us)
{
	uint64_t age = now_us >= t->issued_us ? now_us - t->issued_us : 0;

	return t->value && age <= TOKEN_USAGE_SECONDS * US_PER_SEC &&
	       (t->used || age <= TOKEN_INITIAL_USAGE_SECONDS * US_PER_SEC);
}

int ctap2_check_pin_param(struct ctap2 *a, const struct ctap2_call *call, const struct ctap2_pin_param *p,
	struct slice client_data_hash, enum ctap2_permission permission,
	const uint8_t rp_id_hash[static RP_ID_HASH_SIZE], bool *ret_uv)
{
	struct ctap2_pin_token *t = &a->token;
	enum pinauth_protocol protocol;
	int status;

	*ret_uv = false;
	if (!p->has_param)
		return CTAP2_OK;
	if (p->param.len == 0) {
		/* The older way to let the user choose a token by touching it. */
		status = ctap2_touch_check(call);
		if (status != CTAP2_OK)
			return status;
		return a->data->pin_set ? CTAP2_PIN_INVALID : CTAP2_PIN_NOT_SET;
	}
	if (!p->has_protocol)
		return CTAP2_MISSING_PARAMETER;
	status = ctap2_protocol(p->protocol, &protocol);
	if (status != CTAP2_OK)
		return status;
	if (!token_live(t, call->received_us)) {
		ctap2_pin_token_drop(a);
		return CTAP2_PIN_AUTH_INVALID;
	}
	if (t->protocol != protocol ||
		!pinauth_verify(protocol, t->value, client_data_hash, (struct slice){0}, p->param))
		return CTAP2_PIN_AUTH_INVALID;
	t->used = true;
	if (!(t->permissions & (unsigned int)permission))
		return CTAP2_PIN_AUTH_INVALID;
	if (t->bound && memcmp(t->rp_id_hash, rp_id_hash, RP_ID_HASH_SIZE) != 0)
		return CTAP2_PIN_AUTH_INVALID;
	/* A token without a relying party belongs to the first one that it serves. */
	t->bound = true;
	memcpy(t->rp_id_hash, rp_id_hash, RP_ID_HASH_SIZE);
	*ret_uv = true;
	return CTAP2_OK;
}

int ctap2_read_descriptor(struct reader *r, struct slice *ret)
{
	bool has_id = false, has_type = false, known = false;
	struct slice id = {0};
	size_t n;
	int status = reader_map(r, &n);

	while (status == CTAP2_OK && n-- > 0) {
		struct slice name, type;

		status = reader_text(r, &name);
		if (status != CTAP2_OK)
			break;
		if (slice_is(&name, "id")) {
			has_id = true;
			status = reader_bytes(r, &id);
		} else if (slice_is(&name, "type")) {
			has_type = true;
			status = reader_text(r, &type);
			known = status == CTAP2_OK && slice_is(&type, "public-key");
		} else {
			status = reader_skip(r);
		}
	}
	if (status != CTAP2_OK)
		return status;
	if (!has_id || !has_type)
		return CTAP2_MISSING_PARAMETER;
	*ret = known ? id : (struct slice){0};
	return CTAP2_OK;
}

/* The labels of a COSE_Key (RFC 9053 section 7.1.1). */
enum cose_label {
	COSE_LABEL_KTY = 1,
	COSE_LABEL_ALG = 3,
	COSE_LABEL_CRV = -1,
	COSE_LABEL_X = -2,
	COSE_LABEL_Y = -3
};

int ctap2_read_cose(struct reader *r, uint8_t ret[static P256_POINT_SIZE])
{
	struct slice x = {0}, y = {0};
	int64_t kty = 0, crv = 0, label;
	size_t n;
	int status = reader_map(r, &n);

	while (status == CTAP2_OK && n-- > 0) {
		status = reader_int(r, &label);
		if (status != CTAP2_OK)
			break;
		if (label == COSE_LABEL_KTY)
			status = reader_int(r, &kty);
		else if (label == COSE_LABEL_CRV)
			status = reader_int(r, &crv);
		else if (label == COSE_LABEL_X)
			status = reader_bytes(r, &x);
		else if (label == COSE_LABEL_Y)
			status = reader_bytes(r, &y);
		else
			status = reader_skip(r); /* the algorithm too: libfido2 and others differ in it */
	}
	if (status != CTAP2_OK)
		return status;
	if (kty != 2 || crv != 1 || x.len != 32 || y.len != 32)
		return CTAP2_INVALID_PARAMETER;
	memcpy(ret, x.data, 32);
	memcpy(ret + 32, y.data, 32);
	return CTAP2_OK;
}

void ctap2_write_cose(struct writer *w, const uint8_t point[static P256_POINT_SIZE], int alg)
{
	writer_map(w, 5);
	writer_int(w, COSE_LABEL_KTY);
	writer_int(w, 2); /* EC2 */
	writer_int(w, COSE_LABEL_ALG);
	writer_int(w, alg);
	writer_int(w, COSE_LABEL_CRV);
	writer_int(w, 1); /* P-256 */
	writer_int(w, COSE_LABEL_X);
	writer_bytes(w, point, 32);
	writer_int(w, COSE_LABEL_Y);
	writer_bytes(w, point + 32, 32);
}

int ctap2_write_auth_head(struct ctap2 *a, struct writer *w, const uint8_t rp_id_hash[static RP_ID_HASH_SIZE],
	unsigned int flags)
{
	uint8_t tail[5] = {(uint8_t)flags};

	/* On disk before it is used: a count never comes twice. */
	a->data->sign_count++;
	if (a->save(a->userdata) < 0)
		return CTAP2_OTHER;
	for (int i = 0; i < 4; i++)
		tail[1 + i] = (uint8_t)(a->data->sign_count >> (24 - 8 * i));
	writer_raw(w, rp_id_hash, RP_ID_HASH_SIZE);
	writer_raw(w, tail, sizeof(tail));
	return CTAP2_OK;
}
