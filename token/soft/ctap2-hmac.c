/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hmac-secret extension of getAssertion, CTAP 2.1 section 12.5. */
#include "token/soft/ctap2-internal.h"
#include "token/soft/evp.h"

static int read_member(struct reader *r, uint64_t key, void *input)
{
	struct ctap2_hmac_input *in = input;

	switch (key) {
	case 0x01:
		in->has_key = true;
		return ctap2_read_cose(r, in->key);
	case 0x02:
		in->has_salt_enc = true;
		return reader_bytes(r, &in->salt_enc);
	case 0x03:
		in->has_salt_auth = true;
		return reader_bytes(r, &in->salt_auth);
	case 0x04:
		return reader_uint(r, &in->protocol);
	default:
		return reader_skip(r);
	}
}

int ctap2_read_hmac_input(struct reader *r, struct ctap2_hmac_input *ret)
{
	struct ctap2_hmac_input in = {.present = true, .protocol = PINAUTH_ONE};
	int status = ctap2_read_members(r, read_member, &in);

	if (status == CTAP2_OK)
		*ret = in;
	return status;
}

int ctap2_open_salts(struct ctap2 *a, const struct ctap2_hmac_input *in, struct secret **ret_shared,
	struct secret **ret_salts)
{
	_cleanup_secret_ struct secret *shared = NULL, *salts = NULL;
	enum pinauth_protocol protocol;
	int status;

	if (!in->has_key || !in->has_salt_enc || !in->has_salt_auth)
		return CTAP2_MISSING_PARAMETER;
	status = ctap2_protocol(in->protocol, &protocol);
	if (status != CTAP2_OK)
		return status;
	if (pinauth_shared(&shared, protocol, a->agreement[protocol - 1], in->key) < 0)
		return CTAP2_INVALID_PARAMETER;
	if (!pinauth_verify(protocol, shared, in->salt_enc, (struct slice){0}, in->salt_auth))
		return CTAP2_PIN_AUTH_INVALID;
	if (pinauth_decrypt(&salts, protocol, shared, in->salt_enc) < 0)
		return CTAP2_INVALID_PARAMETER;
	if (secret_len(salts) != 32 && secret_len(salts) != 64)
		return CTAP2_INVALID_PARAMETER;
	*ret_shared = secret_take(&shared);
	*ret_salts = secret_take(&salts);
	return CTAP2_OK;
}

int ctap2_hmac_outputs(uint8_t ret[static PINAUTH_CIPHERTEXT_MAX], size_t *ret_len,
	enum pinauth_protocol protocol, const struct secret *shared, const struct secret *salts,
	const struct secret *cred_random)
{
	_cleanup_secret_ struct secret *out = secret_new(secret_len(salts));

	if (!out)
		return CTAP2_OTHER;
	for (size_t at = 0; at < secret_len(salts); at += 32) {
		if (evp_hmac(secret_borrow_mut(out) + at, secret_borrow(cred_random), 32,
			    secret_borrow(salts) + at, 32, NULL, 0) < 0)
			return CTAP2_OTHER;
	}
	return ctap2_internal(pinauth_encrypt(ret, ret_len, protocol, shared, out));
}
