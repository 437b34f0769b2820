/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fido/es256.h>
#include <sodium.h>
#include <string.h>

#include "common/names.h"
#include "token/authdata.h"
#include "token/fido-ops.h"

static int set_request(fido_cred_t *cred, const struct wire_request *request, bool protect)
{
	uint8_t challenge[32];
	int r;

	randombytes_buf(challenge, sizeof(challenge));
	r = fido_cred_set_type(cred, COSE_ES256);
	if (r == FIDO_OK)
		r = fido_cred_set_clientdata_hash(cred, challenge, sizeof(challenge));
	if (r == FIDO_OK)
		r = fido_cred_set_rp(cred, WGFIDO_RP_ID, WGFIDO_RP_NAME);
	if (r == FIDO_OK)
		r = fido_cred_set_user(cred, request->user_id, sizeof(request->user_id), request->user_name,
			request->user_name, NULL);
	if (r == FIDO_OK)
		r = fido_cred_set_extensions(cred, FIDO_EXT_HMAC_SECRET);
	if (r == FIDO_OK && protect)
		r = fido_cred_set_prot(cred, FIDO_CRED_PROT_UV_REQUIRED);
	if (r == FIDO_OK && request->uv == WIRE_UV_PIN)
		r = fido_cred_set_uv(cred, FIDO_OPT_TRUE);
	for (unsigned int i = 0; r == FIDO_OK && i < request->n_credentials; i++)
		r = fido_cred_exclude(cred, request->credentials[i].id, request->credentials[i].id_len);
	return r;
}

/* The token's own signature on it, where it gives one. */
static int verify_attestation(const fido_cred_t *cred)
{
	const char *format = fido_cred_fmt(cred);

	if (!format)
		return FIDO_ERR_INVALID_PARAM;
	if (strcmp(format, "none") == 0)
		return FIDO_OK;
	return fido_cred_x5c_ptr(cred) ? fido_cred_verify(cred) : fido_cred_verify_self(cred);
}

static enum outcome check_authdata(struct wire_result *ret, const fido_cred_t *cred, enum wire_uv uv, bool protect)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	struct authdata_credential data;

	crypto_hash_sha256(hash, (const uint8_t *)WGFIDO_RP_ID, strlen(WGFIDO_RP_ID));
	if (authdata_parse_credential(&data, fido_cred_authdata_raw_ptr(cred), fido_cred_authdata_raw_len(cred)) < 0)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the new credential's data is malformed");
	if (memcmp(data.rp_id_hash, hash, sizeof(hash)) != 0)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the new credential is not for wgfido");
	if ((data.flags & CTAP_AUTHDATA_USER_PRESENT) == 0)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key made a credential without a touch");
	if (uv == WIRE_UV_PIN && (data.flags & CTAP_AUTHDATA_USER_VERIFIED) == 0)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key made a credential without checking the PIN");
	if (!data.hmac_secret)
		return fido_refuse(ret, OUTCOME_UNSUPPORTED, "the new credential has no hmac-secret");
	if (protect && data.cred_protect != FIDO_CRED_PROT_UV_REQUIRED)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the new credential is not protected by the PIN");
	return OUTCOME_OK;
}

static enum outcome take_credential(struct wire_result *ret, const fido_cred_t *cred)
{
	struct wire_credential *c = &ret->credential;
	size_t id_len = fido_cred_id_len(cred);

	if (fido_cred_type(cred) != COSE_ES256 || fido_cred_pubkey_len(cred) != sizeof(c->public_key))
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the new credential's public key is not ES256");
	if (id_len == 0 || id_len > sizeof(c->id))
		return fido_refuse(ret, OUTCOME_UNSUPPORTED, "the key's credential ids are too long");
	c->id_len = (uint16_t)id_len;
	memcpy(c->id, fido_cred_id_ptr(cred), id_len);
	memcpy(c->public_key, fido_cred_pubkey_ptr(cred), sizeof(c->public_key));
	return OUTCOME_OK;
}

enum outcome fido_create(struct wire_result *ret, struct session *s, const struct wire_request *request, const char *pin)
{
	/* Without credProtect a PIN credential could still be asked without the PIN: for its other secret, which opens nothing. */
	bool protect = request->uv == WIRE_UV_PIN && session_has_extension(s, "credProtect");
	fido_cred_t *cred = fido_cred_new();
	enum outcome o;
	int r;

	if (!cred)
		return fido_refuse(ret, OUTCOME_FAILED, "out of memory");
	r = set_request(cred, request, protect);
	if (r == FIDO_OK)
		r = fido_dev_make_cred(s->dev, cred, pin);
	if (r == FIDO_OK)
		r = verify_attestation(cred);
	o = session_outcome(s, r, ret->detail);
	if (o == OUTCOME_OK)
		o = check_authdata(ret, cred, request->uv, protect);
	if (o == OUTCOME_OK)
		o = take_credential(ret, cred);
	fido_cred_free(&cred);
	return o;
}
