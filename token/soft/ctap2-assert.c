/* SPDX-License-Identifier: GPL-2.0-or-later */
/* authenticatorGetAssertion, CTAP 2.1 section 6.2. */
#include <errno.h>
#include <string.h>

#include "token/soft/ctap2-internal.h"
#include "token/soft/evp.h"

struct assert_request {
	bool has_rp, has_hash;
	struct slice rp_id, client_data_hash;
	struct reader allow; /* at the list; .at NULL: none */
	struct ctap2_hmac_input hmac;
	struct ctap2_options options;
	struct ctap2_pin_param pin;
};

static int read_extensions(struct reader *r, struct assert_request *q)
{
	struct slice name;
	size_t n;
	int status = reader_map(r, &n);

	while (status == CTAP2_OK && n-- > 0) {
		status = reader_text(r, &name);
		if (status != CTAP2_OK)
			break;
		status = slice_is(&name, "hmac-secret") ? ctap2_read_hmac_input(r, &q->hmac) : reader_skip(r);
	}
	return status;
}

static int read_member(struct reader *r, uint64_t key, void *request)
{
	struct assert_request *q = request;

	switch (key) {
	case 0x01:
		q->has_rp = true;
		return reader_text(r, &q->rp_id);
	case 0x02:
		q->has_hash = true;
		return reader_bytes(r, &q->client_data_hash);
	case 0x03:
		q->allow = *r;
		return reader_skip(r);
	case 0x04:
		return read_extensions(r, q);
	case 0x05:
		return ctap2_read_options(r, &q->options);
	case 0x06:
		q->pin.has_param = true;
		return reader_bytes(r, &q->pin.param);
	case 0x07:
		q->pin.has_protocol = true;
		return reader_uint(r, &q->pin.protocol);
	default:
		return reader_skip(r);
	}
}

static int read_request(struct reader *r, struct assert_request *q)
{
	int status = ctap2_read_members(r, read_member, q);

	if (status != CTAP2_OK)
		return status;
	if (!q->has_rp || !q->has_hash)
		return CTAP2_MISSING_PARAMETER;
	if (q->client_data_hash.len != SHA256_SIZE)
		return CTAP2_INVALID_LENGTH;
	return CTAP2_OK;
}

/* The first credential of the list that is ours and may be used. Without resident keys there is none without
 * a list. */
static int find_credential(struct ctap2 *a, struct reader r, const uint8_t rp_id_hash[static RP_ID_HASH_SIZE],
	bool uv, struct credential *ret, struct slice *ret_id)
{
	struct slice id;
	size_t n = 0;
	int status = r.at ? reader_array(&r, &n) : CTAP2_OK;

	while (status == CTAP2_OK && n-- > 0) {
		struct credential c;
		int found;

		status = ctap2_read_descriptor(&r, &id);
		if (status != CTAP2_OK)
			return status;
		found = credential_open(&c, id, a->data->master, rp_id_hash);
		if (found == -ENOENT)
			continue;
		if (found < 0)
			return CTAP2_OTHER;
		if (c.protect == CRED_PROTECT_REQUIRED && !uv) {
			credential_clear(&c);
			continue;
		}
		*ret = c;
		*ret_id = id;
		return CTAP2_OK;
	}
	return status == CTAP2_OK ? CTAP2_NO_CREDENTIALS : status;
}

static int sign(struct ctap2 *a, struct writer *w, const struct assert_request *q, const struct credential *c,
	struct slice id, const uint8_t rp_id_hash[static RP_ID_HASH_SIZE], unsigned int flags,
	const uint8_t *outputs, size_t outputs_len)
{
	uint8_t data[256], signature[P256_SIGNATURE_MAX];
	size_t signature_len;
	struct writer auth;
	EVP_PKEY *key = NULL;
	int status;

	writer_init(&auth, data, sizeof(data));
	status = ctap2_write_auth_head(a, &auth, rp_id_hash, flags | (outputs_len > 0 ? AUTH_DATA_ED : 0u));
	if (status != CTAP2_OK)
		return status;
	if (outputs_len > 0) {
		writer_map(&auth, 1);
		writer_text(&auth, "hmac-secret");
		writer_bytes(&auth, outputs, outputs_len);
	}
	if (auth.full)
		return CTAP2_OTHER;
	status = ctap2_internal(p256_from_private(&key, c->key));
	if (status == CTAP2_OK)
		status = ctap2_internal(p256_sign(signature, &signature_len, key, data, auth.len,
			q->client_data_hash.data, q->client_data_hash.len));
	EVP_PKEY_free(key);
	if (status != CTAP2_OK)
		return status;
	writer_map(w, 3);
	writer_int(w, 0x01);
	writer_map(w, 2);
	writer_text(w, "id");
	writer_bytes(w, id.data, id.len);
	writer_text(w, "type");
	writer_text(w, "public-key");
	writer_int(w, 0x02);
	writer_bytes(w, data, auth.len);
	writer_int(w, 0x03);
	writer_bytes(w, signature, signature_len);
	return CTAP2_OK;
}

int ctap2_get_assertion(struct ctap2 *a, const struct ctap2_call *call, struct reader *r, struct writer *w)
{
	_cleanup_secret_ struct secret *shared = NULL, *salts = NULL;
	struct assert_request q = {.options.up = true};
	uint8_t rp_id_hash[RP_ID_HASH_SIZE], outputs[PINAUTH_CIPHERTEXT_MAX];
	struct credential c = {0};
	size_t outputs_len = 0;
	struct slice id = {0};
	bool uv = false;
	int status = read_request(r, &q);

	if (status == CTAP2_OK)
		status = ctap2_hash_rp_id(rp_id_hash, &q.rp_id);
	if (status != CTAP2_OK)
		return status;
	if (q.options.uv && !q.pin.has_param)
		return CTAP2_INVALID_OPTION;
	if (q.options.has_rk)
		return CTAP2_UNSUPPORTED_OPTION;
	if (a->no_hmac_secret)
		q.hmac.present = false;
	if (q.hmac.present && !q.options.up) /* section 12.5: never without a touch */
		return CTAP2_UNSUPPORTED_OPTION;
	status = ctap2_check_pin_param(
		a, call, &q.pin, q.client_data_hash, CTAP2_PERMISSION_GA, rp_id_hash, &uv);
	if (status == CTAP2_OK)
		status = find_credential(a, q.allow, rp_id_hash, uv, &c, &id);
	if (status != CTAP2_OK)
		return status;
	if (!c.hmac_secret)
		q.hmac.present = false; /* made without the extension: it is ignored */
	if (q.hmac.present)
		status = ctap2_open_salts(a, &q.hmac, &shared, &salts);
	if (status == CTAP2_OK && q.options.up)
		status = ctap2_touch_check(call);
	if (status != CTAP2_OK)
		goto finish;
	if (q.hmac.present)
		status = ctap2_hmac_outputs(outputs, &outputs_len, (enum pinauth_protocol)q.hmac.protocol,
			shared, salts, uv ? c.random_uv : c.random_none);
	if (status == CTAP2_OK)
		status = sign(a, w, &q, &c, id, rp_id_hash,
			(q.options.up ? AUTH_DATA_UP : 0u) | (uv ? AUTH_DATA_UV : 0u), outputs, outputs_len);
	if (uv && q.options.up)
		ctap2_pin_token_spend(a);
finish:
	credential_clear(&c);
	return status;
}
