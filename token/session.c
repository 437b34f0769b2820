/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/session.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define INIT_NONCE_SIZE 8
#define INIT_REPLY_SIZE 17

/* libfido2's open callback gets a path and no context. The worker is single-threaded, and this is set for one call only. */
static struct session *opening;

static void *io_open(const char *path)
{
	(void)path;
	return opening;
}

static void io_close(void *handle)
{
	(void)handle; /* the session outlives libfido2's handle */
}

/* Wanted by libfido2, but never called while transport functions are set. */
static int io_read(void *handle, unsigned char *buf, size_t len, int ms)
{
	(void)handle;
	(void)buf;
	(void)len;
	(void)ms;
	return -1;
}

static int io_write(void *handle, const unsigned char *buf, size_t len)
{
	(void)handle;
	(void)buf;
	(void)len;
	return -1;
}

/* libfido2 sends, then receives. A request is kept until then, since CHANNEL_BUSY means to send it again. */
static int transport_tx(fido_dev_t *dev, uint8_t command, const unsigned char *buf, size_t len)
{
	struct session *s = fido_dev_io_handle(dev);

	if (s->error)
		return -1;
	if (len > sizeof(s->request)) {
		s->error = -EMSGSIZE;
		return -1;
	}
	s->request_command = command;
	s->request_len = len;
	if (len > 0)
		memcpy(s->request, buf, len);
	return 0;
}

/* libfido2 wants to allocate a channel; we have one. */
static int answer_init(struct session *s, unsigned char *reply, size_t size)
{
	const struct ctaphid *c = &s->hid;
	const uint8_t tail[INIT_REPLY_SIZE - INIT_NONCE_SIZE] = {(uint8_t)(c->cid >> 24), (uint8_t)(c->cid >> 16),
		(uint8_t)(c->cid >> 8), (uint8_t)c->cid, c->protocol, c->major, c->minor, c->build, c->capabilities};

	if (s->request_len != INIT_NONCE_SIZE || size < INIT_REPLY_SIZE)
		return -1;
	memcpy(reply, s->request, INIT_NONCE_SIZE);
	memcpy(reply + INIT_NONCE_SIZE, tail, sizeof(tail));
	return INIT_REPLY_SIZE;
}

static int transport_rx(fido_dev_t *dev, uint8_t command, unsigned char *buf, size_t size, int ms)
{
	struct session *s = fido_dev_io_handle(dev);
	size_t len;
	int r;

	(void)ms; /* the session has a deadline */
	if (s->error)
		return -1;
	if (command != s->request_command) {
		s->error = -EPROTO;
		return -1;
	}
	if (command == CTAPHID_INIT)
		return answer_init(s, buf, size);

	r = ctaphid_transact(&s->hid, command, s->request, s->request_len, buf, size, &len, s->deadline_us);
	sodium_memzero(s->request, sizeof(s->request));
	s->request_len = 0;
	if (r < 0) {
		s->error = r;
		return -1;
	}
	return (int)len;
}

static int start_libfido2(struct session *s)
{
	static const fido_dev_io_t io = {io_open, io_close, io_read, io_write};
	static const fido_dev_transport_t transport = {transport_rx, transport_tx};
	int r;

	s->dev = fido_dev_new();
	if (!s->dev)
		return FIDO_ERR_INTERNAL;
	r = fido_dev_set_io_functions(s->dev, &io);
	if (r == FIDO_OK)
		r = fido_dev_set_transport_functions(s->dev, &transport);
	if (r != FIDO_OK)
		return r;
	opening = s;
	r = fido_dev_open(s->dev, "token");
	opening = NULL;
	if (r != FIDO_OK || !fido_dev_is_fido2(s->dev))
		return r;

	s->info = fido_cbor_info_new();
	return s->info ? fido_dev_get_cbor_info(s->dev, s->info) : FIDO_ERR_INTERNAL;
}

static int open_channel(struct session *s, const struct session_channel *before)
{
	int r = -ENOENT;

	if (before && before->cid != 0 && before->incarnation == s->transport->incarnation)
		r = ctaphid_resume(&s->hid, before->cid, s->deadline_us);
	return r == -ENOENT ? ctaphid_connect(&s->hid, s->deadline_us) : r;
}

enum outcome session_connect(struct session *s, struct transport *t, uint64_t deadline_us, const struct session_channel *before,
	void (*status)(void *userdata, uint8_t status), void *userdata, char detail[static WIRE_TEXT_MAX])
{
	int r;

	memset(s, 0, sizeof(*s));
	s->transport = t;
	s->deadline_us = deadline_us;
	ctaphid_init(&s->hid, t, status, userdata);
	detail[0] = 0;

	r = t->ops->open(t, deadline_us);
	if (r == -ENODEV)
		return OUTCOME_TOKEN_MISSING;
	if (r == 0)
		r = open_channel(s, before);
	s->error = r;
	return r < 0 ? session_outcome(s, FIDO_ERR_RX, detail) : OUTCOME_OK;
}

enum outcome session_identify(struct session *s, char detail[static WIRE_TEXT_MAX])
{
	int r = start_libfido2(s);

	return r == FIDO_OK && !s->error ? OUTCOME_OK : session_outcome(s, r, detail);
}

enum outcome session_open(struct session *s, struct transport *t, uint64_t deadline_us,
	void (*status)(void *userdata, uint8_t status), void *userdata, char detail[static WIRE_TEXT_MAX])
{
	enum outcome o = session_connect(s, t, deadline_us, NULL, status, userdata, detail);

	return o == OUTCOME_OK ? session_identify(s, detail) : o;
}

void session_close(struct session *s)
{
	fido_cbor_info_free(&s->info);
	if (s->dev)
		fido_dev_close(s->dev);
	fido_dev_free(&s->dev);
	s->transport->ops->close(s->transport);
	sodium_memzero(s, sizeof(*s));
}

static enum outcome outcome_of_wire(const struct session *s, char detail[static WIRE_TEXT_MAX])
{
	switch (-s->error) {
	case ECANCELED:
		return OUTCOME_CANCELLED;
	case EBUSY:
		return OUTCOME_TOKEN_BUSY;
	case ETIMEDOUT:
		if (s->hid.touch_wanted)
			return OUTCOME_TOUCH_TIMEOUT;
		snprintf(detail, WIRE_TEXT_MAX, "the key did not answer in time");
		return OUTCOME_TOKEN_FAILED;
	case EREMOTEIO:
		snprintf(detail, WIRE_TEXT_MAX, "the key refused with CTAPHID error 0x%02x", s->hid.error);
		return s->hid.error == CTAPHID_ERR_INVALID_COMMAND ? OUTCOME_UNSUPPORTED : OUTCOME_TOKEN_FAILED;
	case EPROTO:
	case EMSGSIZE:
	case EBADMSG:
		snprintf(detail, WIRE_TEXT_MAX, "the key broke the CTAPHID protocol");
		return OUTCOME_TOKEN_FAILED;
	case ENXIO:
		snprintf(detail, WIRE_TEXT_MAX, "the device is not a FIDO key");
		return OUTCOME_UNSUPPORTED;
	case ENODEV:
	case EIO:
	case ECONNRESET:
		snprintf(detail, WIRE_TEXT_MAX, "the key went away");
		return OUTCOME_TOKEN_FAILED;
	}
	snprintf(detail, WIRE_TEXT_MAX, "cannot use the key: %.80s", strerror(-s->error));
	return OUTCOME_FAILED;
}

static const struct {
	int error; /* FIDO_ERR_*: CTAP 2.1, section 8.2 */
	enum outcome outcome;
	const char *detail;
} outcomes[] = {
	{FIDO_ERR_PIN_INVALID, OUTCOME_PIN_INVALID, ""},
	{FIDO_ERR_PIN_BLOCKED, OUTCOME_PIN_BLOCKED, "the key must be reset"},
	{FIDO_ERR_PIN_AUTH_BLOCKED, OUTCOME_PIN_BLOCKED, "unplug the key and plug it in again"},
	{FIDO_ERR_PIN_REQUIRED, OUTCOME_PIN_REQUIRED, ""},
	{FIDO_ERR_PIN_NOT_SET, OUTCOME_UNSUPPORTED, "no PIN is set on the key"},
	{FIDO_ERR_PIN_POLICY_VIOLATION, OUTCOME_UNSUPPORTED, "the key wants its PIN to be changed first"},
	{FIDO_ERR_UV_BLOCKED, OUTCOME_PIN_REQUIRED, "the key's fingerprint check is blocked"},
	{FIDO_ERR_UV_INVALID, OUTCOME_PIN_REQUIRED, "the key's own user check failed"},
	{FIDO_ERR_NO_CREDENTIALS, OUTCOME_WRONG_TOKEN, ""},
	{FIDO_ERR_INVALID_CREDENTIAL, OUTCOME_WRONG_TOKEN, ""},
	{FIDO_ERR_USER_ACTION_TIMEOUT, OUTCOME_TOUCH_TIMEOUT, ""},
	{FIDO_ERR_ACTION_TIMEOUT, OUTCOME_TOUCH_TIMEOUT, ""},
	/* CTAP 2.1 has one code for a user who declines at the key and one who waits too long. */
	{FIDO_ERR_OPERATION_DENIED, OUTCOME_TOUCH_TIMEOUT, "declined at the key, or not touched in time"},
	{FIDO_ERR_KEEPALIVE_CANCEL, OUTCOME_CANCELLED, ""},
	{FIDO_ERR_CHANNEL_BUSY, OUTCOME_TOKEN_BUSY, ""},
	{FIDO_ERR_OPERATION_PENDING, OUTCOME_TOKEN_BUSY, ""},
	{FIDO_ERR_CREDENTIAL_EXCLUDED, OUTCOME_EXISTS, "this key is enrolled already"},
	{FIDO_ERR_UNSUPPORTED_EXTENSION, OUTCOME_UNSUPPORTED, "extension not supported"},
	{FIDO_ERR_UNSUPPORTED_ALGORITHM, OUTCOME_UNSUPPORTED, "ES256 is not supported"},
	{FIDO_ERR_UNSUPPORTED_OPTION, OUTCOME_UNSUPPORTED, "option not supported"},
	{FIDO_ERR_INVALID_OPTION, OUTCOME_UNSUPPORTED, "option not valid for this key"},
	{FIDO_ERR_INVALID_COMMAND, OUTCOME_UNSUPPORTED, "command not supported"},
	{FIDO_ERR_UP_REQUIRED, OUTCOME_UNSUPPORTED, "the key wants a touch for this"},
	{FIDO_ERR_REQUEST_TOO_LARGE, OUTCOME_UNSUPPORTED, "too many credentials for this key's memory"},
	{FIDO_ERR_LIMIT_EXCEEDED, OUTCOME_UNSUPPORTED, "too many credentials for this key's memory"},
	{FIDO_ERR_KEY_STORE_FULL, OUTCOME_UNSUPPORTED, "the key has no room left"},
	{FIDO_ERR_INVALID_SIG, OUTCOME_TOKEN_FAILED, "the key's signature is wrong"},
	{FIDO_ERR_INVALID_PARAM, OUTCOME_TOKEN_FAILED, "the key's answer does not fit the request"},
	{FIDO_ERR_RX_NOT_CBOR, OUTCOME_TOKEN_FAILED, "the key's answer is malformed"},
	{FIDO_ERR_RX_INVALID_CBOR, OUTCOME_TOKEN_FAILED, "the key's answer is malformed"},
	{FIDO_ERR_RX, OUTCOME_TOKEN_FAILED, "the key's answer is malformed"},
	{FIDO_ERR_INTERNAL, OUTCOME_TOKEN_FAILED, "the key's answer could not be used"},
};

enum outcome session_outcome(const struct session *s, int fido_error, char detail[static WIRE_TEXT_MAX])
{
	detail[0] = 0;
	if (s->error)
		return outcome_of_wire(s, detail);
	if (fido_error == FIDO_OK)
		return OUTCOME_OK;
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++) {
		if (outcomes[i].error == fido_error) {
			snprintf(detail, WIRE_TEXT_MAX, "%s", outcomes[i].detail);
			return outcomes[i].outcome;
		}
	}
	if (fido_error > 0)
		snprintf(detail, WIRE_TEXT_MAX, "the key refused with CTAP error 0x%02x", (unsigned int)fido_error);
	else
		snprintf(detail, WIRE_TEXT_MAX, "libfido2 error %d", fido_error);
	return OUTCOME_TOKEN_FAILED;
}

bool session_has_extension(const struct session *s, const char *name)
{
	char **names = s->info ? fido_cbor_info_extensions_ptr(s->info) : NULL;
	size_t n = s->info ? fido_cbor_info_extensions_len(s->info) : 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

bool session_has_option(const struct session *s, const char *name, bool *ret_value)
{
	char **names = s->info ? fido_cbor_info_options_name_ptr(s->info) : NULL;
	const bool *values = s->info ? fido_cbor_info_options_value_ptr(s->info) : NULL;
	size_t n = s->info ? fido_cbor_info_options_len(s->info) : 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret_value = values[i];
			return true;
		}
	}
	return false;
}
