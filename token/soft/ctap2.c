/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/ctap2.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "token/soft/ctap2-internal.h"

enum command {
	COMMAND_MAKE_CREDENTIAL = 0x01,
	COMMAND_GET_ASSERTION = 0x02,
	COMMAND_GET_INFO = 0x04,
	COMMAND_CLIENT_PIN = 0x06,
	COMMAND_RESET = 0x07,
	COMMAND_GET_NEXT_ASSERTION = 0x08,
	COMMAND_SELECTION = 0x0b,
};

const uint8_t ctap2_aaguid[CTAP2_AAGUID_SIZE] = {
	0x77, 0x67, 0x66, 0x69, 0x64, 0x6f, 0x4d, 0x1e, 0x9a, 0x57, 0x73, 0x6f, 0x66, 0x74, 0x31, 0x57};

int ctap2_touch_check(const struct ctap2_call *call)
{
	switch (call->touch) {
	case CTAP2_TOUCH_NONE:
		return CTAP2_WAIT;
	case CTAP2_TOUCH_GIVEN:
		return CTAP2_OK;
	case CTAP2_TOUCH_DENIED:
		return CTAP2_OPERATION_DENIED;
	case CTAP2_TOUCH_TIMEOUT:
		return CTAP2_USER_ACTION_TIMEOUT;
	case CTAP2_TOUCH_CANCELLED:
		return CTAP2_KEEPALIVE_CANCEL;
	}
	return CTAP2_OTHER;
}

int ctap2_internal(int r)
{
	return r == 0 ? CTAP2_OK : CTAP2_OTHER;
}

int ctap2_init(struct ctap2 *a, struct store_data *data, int (*save)(void *userdata), void *userdata,
	uint64_t now_us)
{
	int r;

	*a = (struct ctap2){.data = data, .save = save, .userdata = userdata, .plugged_us = now_us};
	r = ctap2_renew_agreement(a, PINAUTH_ONE);
	if (r == 0)
		r = ctap2_renew_agreement(a, PINAUTH_TWO);
	if (r < 0)
		ctap2_clear(a);
	return r;
}

void ctap2_clear(struct ctap2 *a)
{
	ctap2_pin_token_drop(a);
	for (int i = 0; i < 2; i++) {
		EVP_PKEY_free(a->agreement[i]);
		a->agreement[i] = NULL;
	}
}

static int get_info(struct ctap2 *a, struct writer *w)
{
	writer_map(w, 12);
	writer_int(w, 0x01); /* versions */
	writer_array(w, 2);
	writer_text(w, "FIDO_2_0");
	writer_text(w, "FIDO_2_1");
	writer_int(w, 0x02); /* extensions */
	writer_array(w, 1u + !a->no_hmac_secret + a->x25519);
	writer_text(w, "credProtect");
	if (!a->no_hmac_secret)
		writer_text(w, "hmac-secret");
	if (a->x25519)
		writer_text(w, X25519_EXTENSION);
	writer_int(w, 0x03);
	writer_bytes(w, ctap2_aaguid, sizeof(ctap2_aaguid));
	writer_int(w, 0x04); /* options */
	writer_map(w, 6);
	writer_text(w, "rk");
	writer_bool(w, false);
	writer_text(w, "up");
	writer_bool(w, true);
	writer_text(w, "plat");
	writer_bool(w, false);
	writer_text(w, "clientPin");
	writer_bool(w, a->data->pin_set);
	writer_text(w, "pinUvAuthToken");
	writer_bool(w, true);
	writer_text(w, "makeCredUvNotRqd");
	writer_bool(w, true);
	writer_int(w, 0x05); /* maxMsgSize */
	writer_int(w, CTAP2_MESSAGE_MAX);
	writer_int(w, 0x06); /* pinUvAuthProtocols, the preferred one first */
	writer_array(w, 2);
	writer_int(w, PINAUTH_TWO);
	writer_int(w, PINAUTH_ONE);
	writer_int(w, 0x07); /* maxCredentialCountInList */
	writer_int(w, 8);
	writer_int(w, 0x08); /* maxCredentialIdLength */
	writer_int(w, CREDENTIAL_ID_SIZE);
	writer_int(w, 0x09); /* transports */
	writer_array(w, 1);
	writer_text(w, "usb");
	writer_int(w, 0x0a); /* algorithms */
	writer_array(w, 1);
	writer_map(w, 2);
	writer_text(w, "alg");
	writer_int(w, -7);
	writer_text(w, "type");
	writer_text(w, "public-key");
	writer_int(w, 0x0d); /* minPINLength */
	writer_int(w, CTAP2_PIN_CODE_POINTS_MIN);
	writer_int(w, 0x0e); /* firmwareVersion */
	writer_int(w, CTAP2_FIRMWARE_VERSION);
	return CTAP2_OK;
}

/* All or nothing: what cannot be written is not reset in memory either. */
static int reset_data(struct ctap2 *a)
{
	struct store_data old = *a->data;

	a->data->master = NULL;
	a->data->pin_hash = NULL;
	a->data->x25519 = NULL;
	if (store_data_reset(a->data) == 0 && a->save(a->userdata) == 0) {
		store_data_clear(&old);
		return CTAP2_OK;
	}
	store_data_clear(a->data);
	*a->data = old;
	return CTAP2_OTHER;
}

static int reset(struct ctap2 *a, const struct ctap2_call *call)
{
	int status;

	if (call->received_us < a->plugged_us ||
		call->received_us - a->plugged_us > CTAP2_RESET_WINDOW_SECONDS * US_PER_SEC)
		return CTAP2_NOT_ALLOWED;
	status = ctap2_touch_check(call);
	if (status != CTAP2_OK)
		return status;
	status = reset_data(a);
	if (status != CTAP2_OK)
		return status;
	ctap2_pin_token_drop(a);
	a->mismatches = 0;
	if (a->after_reset)
		a->after_reset(a->userdata);
	if (ctap2_renew_agreement(a, PINAUTH_ONE) < 0)
		return CTAP2_OTHER;
	return ctap2_internal(ctap2_renew_agreement(a, PINAUTH_TWO));
}

static int dispatch(struct ctap2 *a, const struct ctap2_call *call, struct writer *w)
{
	struct reader r = {0};
	int status;

	if (call->len == 0)
		return CTAP2_INVALID_LENGTH;
	if (call->len > CTAP2_MESSAGE_MAX)
		return CTAP2_REQUEST_TOO_LARGE;
	switch (call->request[0]) {
	case COMMAND_GET_INFO:
		return get_info(a, w);
	case COMMAND_RESET:
		return reset(a, call);
	case COMMAND_SELECTION:
		return ctap2_touch_check(call);
	case COMMAND_GET_NEXT_ASSERTION:
		return CTAP2_NOT_ALLOWED; /* an assertion here never has a next one */
	case COMMAND_MAKE_CREDENTIAL:
	case COMMAND_GET_ASSERTION:
	case COMMAND_CLIENT_PIN:
		break;
	default:
		return CTAP2_INVALID_COMMAND;
	}
	status = reader_init(&r, call->request + 1, call->len - 1);
	if (status != CTAP2_OK)
		return status;
	if (call->request[0] == COMMAND_MAKE_CREDENTIAL)
		return ctap2_make_credential(a, call, &r, w);
	if (call->request[0] == COMMAND_GET_ASSERTION)
		return ctap2_get_assertion(a, call, &r, w);
	return ctap2_client_pin(a, call, &r, w);
}

enum ctap2_step ctap2_handle(
	struct ctap2 *a, const struct ctap2_call *call, uint8_t *response, size_t *response_len)
{
	struct writer w;
	int status;

	writer_init(&w, response + 1, CTAP2_MESSAGE_MAX - 1);
	status = dispatch(a, call, &w);
	if (status == CTAP2_WAIT)
		return CTAP2_TOUCH_WANTED;
	if (status == CTAP2_OK && w.full)
		status = CTAP2_OTHER;
	response[0] = (uint8_t)status;
	*response_len = status == CTAP2_OK ? 1 + w.len : 1;
	return CTAP2_DONE;
}
