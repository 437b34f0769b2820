/* SPDX-License-Identifier: GPL-2.0-or-later */
/* authenticatorMakeCredential, CTAP 2.1 section 6.1. */
#include <errno.h>
#include <string.h>

#include "token/soft/ctap2-internal.h"
#include "token/soft/evp.h"

struct make_request {
	bool has_hash, has_rp, has_user, has_params;
	struct slice client_data_hash, rp_id;
	bool es256;
	struct reader exclude; /* at the list; .at NULL: none */
	bool has_enterprise;
	bool hmac_secret;
	uint64_t protect; /* 0: not asked for */
	struct ctap2_options options;
	struct ctap2_pin_param pin;
};

/* The rp and user maps: one member is needed, its type depends on which map. */
static int read_entity(struct reader *r, bool user, struct slice *ret_id)
{
	bool has_id = false;
	struct slice name;
	size_t n;
	int status = reader_map(r, &n);

	while (status == CTAP2_OK && n-- > 0) {
		status = reader_text(r, &name);
		if (status != CTAP2_OK)
			break;
		if (slice_is(&name, "id")) {
			has_id = true;
			status = user ? reader_bytes(r, ret_id) : reader_text(r, ret_id);
		} else if (slice_is(&name, "name") || slice_is(&name, "displayName") ||
			   slice_is(&name, "icon")) {
			struct slice text;

			status = reader_text(r, &text);
		} else {
			status = reader_skip(r);
		}
	}
	if (status == CTAP2_OK && !has_id)
		status = CTAP2_MISSING_PARAMETER;
	return status;
}

static int read_params(struct reader *r, bool *ret_es256)
{
	size_t items, n;
	int status = reader_array(r, &items);

	while (status == CTAP2_OK && items-- > 0) {
		bool has_alg = false, has_type = false, public_key = false;
		struct slice name, type;
		int64_t alg = 0;

		status = reader_map(r, &n);
		while (status == CTAP2_OK && n-- > 0) {
			status = reader_text(r, &name);
			if (status != CTAP2_OK)
				break;
			if (slice_is(&name, "alg")) {
				has_alg = true;
				status = reader_int(r, &alg);
			} else if (slice_is(&name, "type")) {
				has_type = true;
				status = reader_text(r, &type);
				public_key = status == CTAP2_OK && slice_is(&type, "public-key");
			} else {
				status = reader_skip(r);
			}
		}
		if (status == CTAP2_OK && (!has_alg || !has_type))
			status = CTAP2_MISSING_PARAMETER;
		if (status == CTAP2_OK && public_key && alg == -7)
			*ret_es256 = true;
	}
	return status;
}

static int read_extensions(struct reader *r, struct make_request *q)
{
	struct slice name;
	size_t n;
	int status = reader_map(r, &n);

	while (status == CTAP2_OK && n-- > 0) {
		status = reader_text(r, &name);
		if (status != CTAP2_OK)
			break;
		if (slice_is(&name, "hmac-secret"))
			status = reader_bool(r, &q->hmac_secret);
		else if (slice_is(&name, "credProtect"))
			status = reader_uint(r, &q->protect);
		else
			status = reader_skip(r);
	}
	if (status == CTAP2_OK && q->protect > CRED_PROTECT_REQUIRED)
		status = CTAP2_INVALID_OPTION;
	return status;
}

static int read_member(struct reader *r, uint64_t key, void *request)
{
	struct make_request *q = request;
	struct slice user_id;

	switch (key) {
	case 0x01:
		q->has_hash = true;
		return reader_bytes(r, &q->client_data_hash);
	case 0x02:
		q->has_rp = true;
		return read_entity(r, false, &q->rp_id);
	case 0x03:
		q->has_user = true;
		return read_entity(r, true, &user_id);
	case 0x04:
		q->has_params = true;
		return read_params(r, &q->es256);
	case 0x05:
		q->exclude = *r;
		return reader_skip(r);
	case 0x06:
		return read_extensions(r, q);
	case 0x07:
		return ctap2_read_options(r, &q->options);
	case 0x08:
		q->pin.has_param = true;
		return reader_bytes(r, &q->pin.param);
	case 0x09:
		q->pin.has_protocol = true;
		return reader_uint(r, &q->pin.protocol);
	case 0x0a:
		q->has_enterprise = true;
		return reader_skip(r);
	default:
		return reader_skip(r);
	}
}

static int read_request(struct reader *r, struct make_request *q)
{
	int status = ctap2_read_members(r, read_member, q);

	if (status != CTAP2_OK)
		return status;
	if (!q->has_hash || !q->has_rp || !q->has_user || !q->has_params)
		return CTAP2_MISSING_PARAMETER;
	if (q->client_data_hash.len != SHA256_SIZE)
		return CTAP2_INVALID_LENGTH;
	return CTAP2_OK;
}

/* Is one of the excluded credentials ours (and may the host know, without user verification)? */
static int check_exclude(struct ctap2 *a, struct reader r, const uint8_t rp_id_hash[static RP_ID_HASH_SIZE],
	bool uv, bool *ret_found)
{
	struct credential c;
	struct slice id;
	size_t n;
	int status = reader_array(&r, &n);

	while (status == CTAP2_OK && n-- > 0) {
		int found;

		status = ctap2_read_descriptor(&r, &id);
		if (status != CTAP2_OK)
			break;
		found = credential_open(&c, id, a->data->master, rp_id_hash);
		if (found == -ENOENT)
			continue;
		if (found < 0)
			return CTAP2_OTHER;
		if (c.protect != CRED_PROTECT_REQUIRED || uv)
			*ret_found = true;
		credential_clear(&c);
	}
	return status;
}

static int credential_make(struct credential *c, EVP_PKEY *key, const struct make_request *q)
{
	int r = p256_private(&c->key, key);

	if (r < 0)
		return r;
	c->random_uv = secret_new(32);
	c->random_none = secret_new(32);
	if (!c->random_uv || !c->random_none)
		return -ENOMEM;
	secret_fill_random(c->random_uv);
	secret_fill_random(c->random_none);
	c->protect = q->protect ? (enum cred_protect)q->protect : CRED_PROTECT_OPTIONAL;
	c->hmac_secret = q->hmac_secret;
	return 0;
}

static int write_auth_data(struct ctap2 *a, struct writer *w, const struct make_request *q, EVP_PKEY *key,
	const uint8_t rp_id_hash[static RP_ID_HASH_SIZE], bool uv)
{
	unsigned int flags = AUTH_DATA_UP | AUTH_DATA_AT | (uv ? AUTH_DATA_UV : 0u);
	size_t extensions = (q->hmac_secret ? 1u : 0u) + (q->protect ? 1u : 0u);
	uint8_t id[CREDENTIAL_ID_SIZE], point[P256_POINT_SIZE];
	uint8_t id_len[2] = {CREDENTIAL_ID_SIZE >> 8, CREDENTIAL_ID_SIZE & 0xff};
	struct credential c = {0};
	int status;

	status = ctap2_internal(credential_make(&c, key, q));
	if (status == CTAP2_OK)
		status = ctap2_internal(credential_seal(id, &c, a->data->master, rp_id_hash));
	credential_clear(&c);
	if (status == CTAP2_OK)
		status = ctap2_internal(p256_public(point, key));
	if (status == CTAP2_OK)
		status =
			ctap2_write_auth_head(a, w, rp_id_hash, flags | (extensions > 0 ? AUTH_DATA_ED : 0u));
	if (status != CTAP2_OK)
		return status;
	writer_raw(w, ctap2_aaguid, sizeof(ctap2_aaguid));
	writer_raw(w, id_len, sizeof(id_len));
	writer_raw(w, id, sizeof(id));
	ctap2_write_cose(w, point, -7);
	if (extensions > 0)
		writer_map(w, extensions);
	if (q->protect) {
		writer_text(w, "credProtect");
		writer_int(w, (int64_t)q->protect);
	}
	if (q->hmac_secret) {
		writer_text(w, "hmac-secret");
		writer_bool(w, true);
	}
	return w->full ? CTAP2_OTHER : CTAP2_OK;
}

static int create(struct ctap2 *a, struct writer *w, const struct make_request *q,
	const uint8_t rp_id_hash[static RP_ID_HASH_SIZE], bool uv)
{
	uint8_t data[512], signature[P256_SIGNATURE_MAX];
	struct writer auth;
	EVP_PKEY *key = NULL;
	size_t signature_len;
	int status = ctap2_internal(p256_generate(&key));

	writer_init(&auth, data, sizeof(data));
	if (status == CTAP2_OK)
		status = write_auth_data(a, &auth, q, key, rp_id_hash, uv);
	if (status == CTAP2_OK)
		status = ctap2_internal(p256_sign(signature, &signature_len, key, data, auth.len,
			q->client_data_hash.data, q->client_data_hash.len));
	EVP_PKEY_free(key);
	if (status != CTAP2_OK)
		return status;
	writer_map(w, 3);
	writer_int(w, 0x01);
	writer_text(w, "packed");
	writer_int(w, 0x02);
	writer_bytes(w, data, auth.len);
	writer_int(w, 0x03); /* self attestation: no certificate, the credential's own signature */
	writer_map(w, 2);
	writer_text(w, "alg");
	writer_int(w, -7);
	writer_text(w, "sig");
	writer_bytes(w, signature, signature_len);
	return CTAP2_OK;
}

int ctap2_make_credential(struct ctap2 *a, const struct ctap2_call *call, struct reader *r, struct writer *w)
{
	struct make_request q = {.options.up = true};
	uint8_t rp_id_hash[RP_ID_HASH_SIZE];
	bool uv = false, excluded = false;
	int status = read_request(r, &q);

	if (status == CTAP2_OK)
		status = ctap2_hash_rp_id(rp_id_hash, &q.rp_id);
	if (status != CTAP2_OK)
		return status;
	if (!q.es256)
		return CTAP2_UNSUPPORTED_ALGORITHM;
	if (!q.options.up || (q.options.uv && !q.pin.has_param)) /* no user verification of its own */
		return CTAP2_INVALID_OPTION;
	if (q.options.rk)
		return CTAP2_UNSUPPORTED_OPTION;
	if (q.has_enterprise)
		return CTAP2_INVALID_PARAMETER;
	if (a->no_hmac_secret)
		q.hmac_secret = false;
	status = ctap2_check_pin_param(
		a, call, &q.pin, q.client_data_hash, CTAP2_PERMISSION_MC, rp_id_hash, &uv);
	if (status == CTAP2_OK && q.exclude.at)
		status = check_exclude(a, q.exclude, rp_id_hash, uv, &excluded);
	if (status == CTAP2_OK)
		status = ctap2_touch_check(call); /* also before saying that one is excluded */
	if (status != CTAP2_OK)
		return status;
	if (uv)
		ctap2_pin_token_spend(a);
	if (excluded)
		return CTAP2_CREDENTIAL_EXCLUDED;
	return create(a, w, &q, rp_id_hash, uv);
}
