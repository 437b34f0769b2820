/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages between broker and token worker: the whole contract of the two. One message a packet on a
 * SOCK_SEQPACKET socketpair; little-endian, explicitly encoded (wire.c), never a struct as it lies in memory. Both sides
 * treat the other's bytes as hostile: unknown types, wrong lengths, out-of-range values and trailing bytes are
 * -EBADMSG. Buffers that carry messages are guarded memory and wiped after use (PINs and hmac outputs pass here).
 *
 * One operation at a time per worker; WIRE_CANCEL and the end of the socket cancel it at the token.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/outcome.h"
#include "common/secret.h"

#define WIRE_MESSAGE_MAX 16384
#define WIRE_CREDENTIAL_ID_MAX 1024
#define WIRE_CREDENTIALS_MAX 8
#define WIRE_TEXT_MAX 128

enum wire_type {
	WIRE_INFO = 1,	   /* what is this token? */
	WIRE_PROBE = 2,	   /* which of these credentials are this token's? no touch (up=false, no hmac-secret) */
	WIRE_CREATE = 3,   /* make a non-resident ES256 credential with hmac-secret: a touch */
	WIRE_EVALUATE = 4, /* hmac-secret of one or two salts: a touch */
	WIRE_CANCEL = 5,   /* the request with this serial, if it runs; answered by that request's WIRE_RESULT */
	/* 16..31 are for the X25519 operations of resident keys */
	WIRE_STATUS = 64,  /* worker: what the token waits for */
	WIRE_RESULT = 65,  /* worker: exactly one per request other than WIRE_CANCEL */
};

/* Fixed at enrolment, since the same credential gives another secret with and without user verification. */
enum wire_uv { WIRE_UV_PRESENCE = 0, WIRE_UV_PIN = 1 };

enum wire_status { WIRE_STATUS_PROCESSING = 1, WIRE_STATUS_TOUCH = 2 }; /* CTAPHID_KEEPALIVE's */

struct wire_credential {
	uint16_t id_len; /* 1..WIRE_CREDENTIAL_ID_MAX */
	uint8_t id[WIRE_CREDENTIAL_ID_MAX];
	uint8_t public_key[64]; /* ES256: x || y; assertions are verified with it */
};

struct wire_request {
	enum wire_type type;
	uint32_t serial;	/* the broker's, not 0; echoed in status and result */
	uint32_t timeout_ms;	/* absolute deadline for the whole operation, from receipt */
	enum wire_uv uv;	/* CREATE, EVALUATE */
	struct secret *pin;	/* CREATE, EVALUATE with WIRE_UV_PIN: 4..63 bytes of UTF-8; else NULL. Owned */
	uint8_t user_id[32];	/* CREATE */
	char user_name[64];	/* CREATE: the tunnel's name, shown by credential managers */
	uint8_t n_credentials;	/* PROBE, EVALUATE: 1..8; CREATE: 0..8 to exclude */
	struct wire_credential credentials[WIRE_CREDENTIALS_MAX];
	uint8_t n_salts;	/* EVALUATE: 1..2 */
	uint8_t salts[2][32];
};

enum wire_capability {
	WIRE_CAP_FIDO2 = 1,
	WIRE_CAP_HMAC_SECRET = 2,
	WIRE_CAP_CLIENT_PIN = 4,	/* supports a PIN */
	WIRE_CAP_PIN_SET = 8,
	WIRE_CAP_UV = 16,		/* built-in user verification configured */
	WIRE_CAP_CRED_PROTECT = 32,
	WIRE_CAP_ALWAYS_UV = 64,
	WIRE_CAP_X25519 = 128,		/* extension wgX25519 */
	WIRE_CAP_PIN_CHANGE_NEEDED = 256,
};

struct wire_token_info {
	char product[WIRE_TEXT_MAX]; /* printable; "" if unknown */
	char serial[WIRE_TEXT_MAX];
	uint8_t aaguid[16];
	uint32_t capabilities;
	int8_t pin_retries; /* -1: no PIN or unknown */
	uint16_t credential_id_max;
};

struct wire_result {
	uint32_t serial;
	enum outcome outcome;
	char detail[WIRE_TEXT_MAX];	   /* printable ASCII, for the log and the error's tail; "" if nothing to add */
	int8_t pin_retries;		   /* after a PIN was refused; -1: unknown */
	enum wire_type answers;		   /* what follows is set by this, on OUTCOME_OK only */
	struct wire_token_info info;	   /* INFO */
	/* PROBE: bit i = credentials[i] is this token's. A clear bit proves nothing for one made with WIRE_UV_PIN: such
	 * credentials (credProtect 3) hide until the PIN is given, so only WIRE_EVALUATE tells. */
	uint8_t known;
	struct wire_credential credential; /* CREATE */
	uint8_t credential_index;	   /* EVALUATE: which one answered */
	uint8_t n_outputs;		   /* EVALUATE: = n_salts */
	struct secret *outputs[2];	   /* EVALUATE: 32 bytes each. Owned */
};

struct wire_status_message {
	uint32_t serial;
	enum wire_status status;
};

/* Into buf (guarded); *ret_len set. -EINVAL for a struct that breaks the rules above, -EMSGSIZE; nothing stays in buf then.
 * What is not printable ASCII in product, serial and detail becomes '?', so that no token's name makes a result unsendable. */
int wire_encode_request(uint8_t buf[static WIRE_MESSAGE_MAX], size_t *ret_len, const struct wire_request *request);
int wire_encode_result(uint8_t buf[static WIRE_MESSAGE_MAX], size_t *ret_len, const struct wire_result *result);
int wire_encode_status(uint8_t buf[static WIRE_MESSAGE_MAX], size_t *ret_len, const struct wire_status_message *status);

/* *ret is overwritten whole, and freed of secrets on error. -EBADMSG, -ENOMEM. */
int wire_decode_request(struct wire_request *ret, const uint8_t *buf, size_t len);
/* Tells which of the worker's messages buf holds, and decodes that one. */
int wire_decode_reply(enum wire_type *ret_type, struct wire_result *ret_result, struct wire_status_message *ret_status,
	const uint8_t *buf, size_t len);

void wire_request_clear(struct wire_request *request); /* frees its secrets, zeroes it */
void wire_result_clear(struct wire_result *result);
