/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fido/es256.h>
#include <sodium.h>
#include <string.h>

#include "common/names.h"
#include "token/fido-ops.h"

#define HMAC_SECRET_SIZE 32
/* Of a getAssertion, as CBOR: all but the list of credentials, and what a list entry adds to its id. Generous. */
#define REQUEST_OVERHEAD 400
#define ENTRY_OVERHEAD 40
#define MESSAGE_SIZE_DEFAULT 1024 /* CTAP 2.1, section 6.4: where getInfo says nothing */

/* Which of the request's credentials the token is asked about. */
struct candidates {
	unsigned int n;
	unsigned int index[WIRE_CREDENTIALS_MAX];
};

static int set_common(fido_assert_t *assertion, const struct wire_request *request, const struct candidates *allowed,
	bool touch)
{
	uint8_t challenge[32];
	int r;

	randombytes_buf(challenge, sizeof(challenge));
	r = fido_assert_set_clientdata_hash(assertion, challenge, sizeof(challenge));
	if (r == FIDO_OK)
		r = fido_assert_set_rp(assertion, WGFIDO_RP_ID);
	if (r == FIDO_OK)
		r = fido_assert_set_up(assertion, touch ? FIDO_OPT_TRUE : FIDO_OPT_FALSE);
	for (unsigned int i = 0; r == FIDO_OK && i < allowed->n; i++) {
		const struct wire_credential *c = &request->credentials[allowed->index[i]];

		r = fido_assert_allow_cred(assertion, c->id, c->id_len);
	}
	return r;
}

static int set_evaluation(fido_assert_t *assertion, const struct wire_request *request)
{
	int r = fido_assert_set_extensions(assertion, FIDO_EXT_HMAC_SECRET);

	if (r == FIDO_OK)
		r = fido_assert_set_hmac_salt(assertion, request->salts[0], sizeof(request->salts[0]) * request->n_salts);
	if (r == FIDO_OK && request->uv == WIRE_UV_PIN)
		r = fido_assert_set_uv(assertion, FIDO_OPT_TRUE);
	return r;
}

/* Index into request->credentials of the one that answered; -1: none of those that were asked. */
static int find_answering(const fido_assert_t *assertion, const struct wire_request *request,
	const struct candidates *allowed)
{
	size_t len = fido_assert_id_len(assertion, 0);

	/* A token may leave the id out when there was one to choose from (CTAP 2.0). */
	if (len == 0)
		return allowed->n == 1 ? (int)allowed->index[0] : -1;
	for (unsigned int i = 0; i < allowed->n; i++) {
		const struct wire_credential *c = &request->credentials[allowed->index[i]];

		if (c->id_len == len && memcmp(c->id, fido_assert_id_ptr(assertion, 0), len) == 0)
			return (int)allowed->index[i];
	}
	return -1;
}

/* Relying party, extensions, flags as asked for, and the signature under the stored key. */
static int verify(const fido_assert_t *assertion, const struct wire_credential *c)
{
	es256_pk_t *pk = es256_pk_new();
	int r;

	if (!pk)
		return FIDO_ERR_INTERNAL;
	r = es256_pk_from_ptr(pk, c->public_key, sizeof(c->public_key));
	if (r == FIDO_OK)
		r = fido_assert_verify(assertion, 0, COSE_ES256, pk);
	else
		r = FIDO_ERR_INVALID_SIG; /* what is stored is not even a point */
	es256_pk_free(&pk);
	return r;
}

/* One candidate, without a touch: does the token know it? With a PIN, credentials that hide behind it show. */
static enum outcome ask_silently(struct wire_result *ret, struct session *s, const struct wire_request *request,
	unsigned int index, const char *pin, bool *ret_known)
{
	struct candidates one = {.n = 1, .index = {index}};
	fido_assert_t *assertion = fido_assert_new();
	enum outcome o;
	int r;

	*ret_known = false;
	if (!assertion)
		return fido_refuse(ret, OUTCOME_FAILED, "out of memory");
	r = set_common(assertion, request, &one, false);
	if (r == FIDO_OK)
		r = fido_dev_get_assert(s->dev, assertion, pin);
	o = session_outcome(s, r, ret->detail);
	if (o == OUTCOME_OK)
		*ret_known = fido_assert_count(assertion) == 1 && find_answering(assertion, request, &one) >= 0 &&
			verify(assertion, &request->credentials[index]) == FIDO_OK;
	if (o == OUTCOME_WRONG_TOKEN)
		o = OUTCOME_OK;
	fido_assert_free(&assertion);
	return o;
}

/* Longer ids than the token's own cannot be its own, and some tokens choke on them. */
static bool plausible(const struct session *s, const struct wire_credential *c)
{
	uint64_t max = fido_cbor_info_maxcredidlen(s->info);

	return max == 0 || c->id_len <= max;
}

enum outcome fido_probe(struct wire_result *ret, struct session *s, const struct wire_request *request)
{
	enum outcome o = OUTCOME_OK;
	uint8_t known = 0;

	for (unsigned int i = 0; o == OUTCOME_OK && i < request->n_credentials; i++) {
		bool yes = false;

		if (plausible(s, &request->credentials[i]))
			o = ask_silently(ret, s, request, i, NULL, &yes);
		if (yes)
			known |= (uint8_t)(1u << i);
	}
	ret->known = known;
	return o;
}

static bool fits_one_request(const struct session *s, const struct wire_request *request, const struct candidates *c)
{
	uint64_t count_max = fido_cbor_info_maxcredcntlst(s->info);
	uint64_t size_max = fido_cbor_info_maxmsgsiz(s->info);
	uint64_t size = REQUEST_OVERHEAD;

	if (size_max == 0)
		size_max = MESSAGE_SIZE_DEFAULT;
	if (size_max > CTAPHID_PAYLOAD_MAX)
		size_max = CTAPHID_PAYLOAD_MAX;
	for (unsigned int i = 0; i < c->n; i++)
		size += request->credentials[c->index[i]].id_len + ENTRY_OVERHEAD;
	return size <= size_max && (count_max == 0 || c->n <= count_max);
}

/* The credentials to send with the touch: all that may be the token's, or the one that is, where all are too many for it. */
static enum outcome choose_candidates(struct candidates *ret_candidates, struct wire_result *ret, struct session *s,
	const struct wire_request *request, const char *pin)
{
	struct candidates all = {0};

	for (unsigned int i = 0; i < request->n_credentials; i++) {
		if (plausible(s, &request->credentials[i]))
			all.index[all.n++] = i;
	}
	if (all.n == 0)
		return OUTCOME_WRONG_TOKEN;
	*ret_candidates = all;
	if (all.n == 1 || fits_one_request(s, request, &all))
		return OUTCOME_OK;

	for (unsigned int i = 0; i < all.n; i++) {
		bool known;
		enum outcome o = ask_silently(ret, s, request, all.index[i], pin, &known);

		if (o != OUTCOME_OK)
			return o;
		if (known) {
			*ret_candidates = (struct candidates){.n = 1, .index = {all.index[i]}};
			return OUTCOME_OK;
		}
	}
	return OUTCOME_WRONG_TOKEN;
}

static enum outcome take_outputs(struct wire_result *ret, const fido_assert_t *assertion, unsigned int n)
{
	const uint8_t *hmac = fido_assert_hmac_secret_ptr(assertion, 0);

	if (!hmac || fido_assert_hmac_secret_len(assertion, 0) != (size_t)n * HMAC_SECRET_SIZE)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key's hmac-secret output has a wrong length");
	for (unsigned int i = 0; i < n; i++) {
		ret->outputs[i] = secret_new(HMAC_SECRET_SIZE);
		if (!ret->outputs[i])
			return fido_refuse(ret, OUTCOME_FAILED, "no guarded memory");
		memcpy(secret_borrow_mut(ret->outputs[i]), hmac + i * HMAC_SECRET_SIZE, HMAC_SECRET_SIZE);
	}
	ret->n_outputs = (uint8_t)n;
	return OUTCOME_OK;
}

static enum outcome check_answer(struct wire_result *ret, const struct session *s, const fido_assert_t *assertion,
	const struct wire_request *request, const struct candidates *allowed)
{
	uint8_t flags = fido_assert_flags(assertion, 0);
	int index;
	enum outcome o;

	if (fido_assert_count(assertion) != 1)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key gave more than one answer");
	index = find_answering(assertion, request, allowed);
	if (index < 0)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key answered for another credential");
	if ((flags & CTAP_AUTHDATA_USER_PRESENT) == 0)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key answered without a touch");
	/* Both ways round: with and without verification the same credential gives two secrets. */
	if (request->uv == WIRE_UV_PIN && (flags & CTAP_AUTHDATA_USER_VERIFIED) == 0)
		return fido_refuse(ret, OUTCOME_TOKEN_FAILED, "the key answered without checking the PIN");
	if (request->uv == WIRE_UV_PRESENCE && (flags & CTAP_AUTHDATA_USER_VERIFIED) != 0)
		return fido_refuse(ret, OUTCOME_UNSUPPORTED,
			"the key verifies its user always: enrol the tunnel with PIN");
	o = session_outcome(s, verify(assertion, &request->credentials[index]), ret->detail);
	if (o != OUTCOME_OK)
		return o;
	ret->credential_index = (uint8_t)index;
	return take_outputs(ret, assertion, request->n_salts);
}

enum outcome fido_evaluate(struct wire_result *ret, struct session *s, const struct wire_request *request, const char *pin)
{
	struct candidates allowed;
	fido_assert_t *assertion;
	enum outcome o;
	int r;

	if (request->n_salts < 1 || request->n_salts > 2 || request->n_credentials < 1 ||
		request->n_credentials > WIRE_CREDENTIALS_MAX)
		return fido_refuse(ret, OUTCOME_INVALID_ARGUMENT, "one or two salts, one to eight credentials");
	o = choose_candidates(&allowed, ret, s, request, pin);
	if (o != OUTCOME_OK)
		return o;
	assertion = fido_assert_new();
	if (!assertion)
		return fido_refuse(ret, OUTCOME_FAILED, "out of memory");
	r = set_common(assertion, request, &allowed, true);
	if (r == FIDO_OK)
		r = set_evaluation(assertion, request);
	if (r == FIDO_OK)
		r = fido_dev_get_assert(s->dev, assertion, pin);
	o = session_outcome(s, r, ret->detail);
	if (o == OUTCOME_OK)
		o = check_answer(ret, s, assertion, request, &allowed);
	fido_assert_free(&assertion); /* wipes the outputs */
	return o;
}
