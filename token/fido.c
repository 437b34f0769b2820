/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/fido.h"

#include <openssl/crypto.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token/fido-ops.h"
#include "token/x25519/message.h"

#define PIN_MIN 4
#define PIN_MAX 63

void fido_prepare(void)
{
	/* libfido2 would print every frame, with secrets in some. */
	unsetenv("FIDO_DEBUG");
	/* A key whose getInfo fails is broken, not one of an older kind. */
	fido_init(FIDO_DISABLE_U2F_FALLBACK);
	/* openssl.cnf may load modules, and could not be read later anyway. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

enum outcome fido_refuse(struct wire_result *ret, enum outcome o, const char *detail)
{
	snprintf(ret->detail, sizeof(ret->detail), "%s", detail);
	return o;
}

void fido_filter_status(void *userdata, uint8_t status)
{
	struct fido_status_filter *f = userdata;
	enum wire_status now;

	if (status != CTAPHID_STATUS_UPNEEDED && status != CTAPHID_STATUS_PROCESSING)
		return; /* not in the specification: says nothing */
	now = status == CTAPHID_STATUS_UPNEEDED ? WIRE_STATUS_TOUCH : WIRE_STATUS_PROCESSING;
	if (f->sink && f->last != now)
		f->sink->status(f->sink->userdata, now);
	f->last = now;
}

static int8_t pin_retries(struct session *s)
{
	int n;

	if (fido_dev_get_retry_count(s->dev, &n) != FIDO_OK || n < 0 || n > INT8_MAX)
		return -1;
	return (int8_t)n;
}

static uint32_t capabilities(const struct session *s)
{
	uint32_t caps = WIRE_CAP_FIDO2;
	bool value;

	if (session_has_extension(s, "hmac-secret"))
		caps |= WIRE_CAP_HMAC_SECRET;
	if (session_has_extension(s, "credProtect"))
		caps |= WIRE_CAP_CRED_PROTECT;
	if (session_has_extension(s, X25519_EXTENSION))
		caps |= WIRE_CAP_X25519;
	if (session_has_option(s, "clientPin", &value))
		caps |= WIRE_CAP_CLIENT_PIN | (value ? WIRE_CAP_PIN_SET : 0);
	if (session_has_option(s, "uv", &value) && value)
		caps |= WIRE_CAP_UV;
	if (session_has_option(s, "alwaysUv", &value) && value)
		caps |= WIRE_CAP_ALWAYS_UV;
	if (fido_cbor_info_new_pin_required(s->info))
		caps |= WIRE_CAP_PIN_CHANGE_NEEDED;
	return caps;
}

enum outcome fido_info(struct wire_result *ret, struct session *s)
{
	struct wire_token_info *info = &ret->info;
	uint64_t id_max;

	snprintf(info->product, sizeof(info->product), "%s", s->transport->product);
	snprintf(info->serial, sizeof(info->serial), "%s", s->transport->serial);
	info->pin_retries = -1;
	if (!s->info)
		return OUTCOME_OK; /* U2F only: no capabilities */

	if (fido_cbor_info_aaguid_len(s->info) == sizeof(info->aaguid))
		memcpy(info->aaguid, fido_cbor_info_aaguid_ptr(s->info), sizeof(info->aaguid));
	info->capabilities = capabilities(s);
	id_max = fido_cbor_info_maxcredidlen(s->info);
	info->credential_id_max =
		id_max == 0 || id_max > WIRE_CREDENTIAL_ID_MAX ? WIRE_CREDENTIAL_ID_MAX : (uint16_t)id_max;
	if (info->capabilities & WIRE_CAP_PIN_SET)
		info->pin_retries = pin_retries(s);
	return session_outcome(s, FIDO_OK, ret->detail);
}

/* What can be known before the user is asked for a touch. */
static enum outcome check_ability(struct wire_result *ret, const struct session *s, const struct wire_request *request)
{
	bool pin_set = false;

	if (!s->info)
		return fido_refuse(ret, OUTCOME_UNSUPPORTED, "the key speaks U2F only");
	if (request->type == WIRE_PROBE)
		return OUTCOME_OK;
	if (!session_has_extension(s, "hmac-secret"))
		return fido_refuse(ret, OUTCOME_UNSUPPORTED, "the key has no hmac-secret");
	if (request->uv == WIRE_UV_PRESENCE)
		return OUTCOME_OK;
	if (!session_has_option(s, "clientPin", &pin_set) || !pin_set)
		return fido_refuse(ret, OUTCOME_UNSUPPORTED, "no PIN is set on the key");
	return request->pin ? OUTCOME_OK : OUTCOME_PIN_REQUIRED;
}

/* libfido2 wants a string: a guarded copy with its NUL, and the request's own is freed. */
static enum outcome take_pin(struct secret **ret_pin, struct wire_result *ret, struct wire_request *request)
{
	size_t len;

	*ret_pin = NULL;
	if (request->uv != WIRE_UV_PIN || !request->pin)
		return OUTCOME_OK;
	len = secret_len(request->pin);
	if (len < PIN_MIN || len > PIN_MAX || memchr(secret_borrow(request->pin), 0, len))
		return fido_refuse(ret, OUTCOME_INVALID_ARGUMENT, "a PIN has 4 to 63 bytes, none of them zero");
	*ret_pin = secret_new(len + 1);
	if (!*ret_pin)
		return fido_refuse(ret, OUTCOME_FAILED, "no guarded memory");
	memcpy(secret_borrow_mut(*ret_pin), secret_borrow(request->pin), len);
	request->pin = secret_free(request->pin);
	return OUTCOME_OK;
}

static enum outcome run(struct wire_result *ret, struct session *s, struct wire_request *request)
{
	_cleanup_secret_ struct secret *guarded = NULL;
	const char *pin;
	enum outcome o;

	if (request->type == WIRE_INFO)
		return fido_info(ret, s);
	o = check_ability(ret, s, request);
	if (o == OUTCOME_OK)
		o = take_pin(&guarded, ret, request);
	if (o != OUTCOME_OK)
		return o;
	pin = guarded ? (const char *)secret_borrow(guarded) : NULL;

	switch (request->type) {
	case WIRE_PROBE:
		return fido_probe(ret, s, request);
	case WIRE_CREATE:
		return fido_create(ret, s, request, pin);
	case WIRE_EVALUATE:
		return fido_evaluate(ret, s, request, pin);
	case WIRE_INFO:
	case WIRE_CANCEL:
	case WIRE_X_LIST ... WIRE_X_FORGET:
	case WIRE_STATUS:
	case WIRE_RESULT:
		break;
	}
	return fido_refuse(ret, OUTCOME_INVALID_ARGUMENT, "not an operation");
}

void fido_operate(struct wire_result *ret, struct wire_request *request, struct transport *t, uint64_t deadline_us,
	const struct fido_status_sink *sink)
{
	struct fido_status_filter filter = {.sink = sink};
	struct session s;

	memset(ret, 0, sizeof(*ret));
	ret->serial = request->serial;
	ret->answers = request->type;
	ret->pin_retries = -1;

	ret->outcome = session_open(&s, t, deadline_us, fido_filter_status, &filter, ret->detail);
	if (ret->outcome == OUTCOME_OK)
		ret->outcome = run(ret, &s, request);
	/* An error of CTAP leaves the channel in step, so that it can be asked. */
	if (ret->outcome == OUTCOME_PIN_INVALID || ret->outcome == OUTCOME_PIN_BLOCKED)
		ret->pin_retries = pin_retries(&s);
	session_close(&s);
	request->pin = secret_free(request->pin);
}
