/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A CTAP 2.1 authenticator without I/O: request bytes and the time in, response bytes out. It has ES256,
 * credentials that live in their ids (no resident keys), a PIN, and the extensions hmac-secret and
 * credProtect.
 *
 * The touch is part of the call. A request that needs one is answered CTAP2_TOUCH_WANTED, without any effect
 * but a mark on the PIN token that it was used; the caller then waits, and calls again with the very same
 * request and what became of the touch.
 */
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"
#include "token/soft/credential.h"
#include "token/soft/pinauth.h"
#include "token/soft/status.h"
#include "token/soft/store.h"

#define CTAP2_MESSAGE_MAX 2048 /* maxMsgSize; libfido2's own limit too */
#define CTAP2_AAGUID_SIZE 16
#define CTAP2_FIRMWARE_VERSION 1
#define CTAP2_RESET_WINDOW_SECONDS 10
#define CTAP2_PIN_MISMATCHES_MAX 3 /* in a row, until the token is plugged in again */
#define CTAP2_PIN_CODE_POINTS_MIN 4
#define CTAP2_PIN_BYTES_MAX 63

extern const uint8_t ctap2_aaguid[CTAP2_AAGUID_SIZE];

enum ctap2_touch {
	CTAP2_TOUCH_NONE, /* not asked for yet */
	CTAP2_TOUCH_GIVEN,
	CTAP2_TOUCH_DENIED,
	CTAP2_TOUCH_TIMEOUT,
	CTAP2_TOUCH_CANCELLED,
};

enum ctap2_step { CTAP2_DONE, CTAP2_TOUCH_WANTED };

struct ctap2_call {
	const uint8_t *request; /* command byte and CBOR */
	size_t len;
	uint64_t received_us; /* CLOCK_BOOTTIME at its arrival; the same in both calls */
	enum ctap2_touch touch;
};

enum ctap2_permission { CTAP2_PERMISSION_MC = 1, CTAP2_PERMISSION_GA = 2 };

/* The pinUvAuthToken that was handed out last; section 6.5.2.1. */
struct ctap2_pin_token {
	struct secret *value; /* NULL: none in use */
	enum pinauth_protocol protocol;
	unsigned int permissions;
	bool bound; /* to rp_id_hash */
	uint8_t rp_id_hash[RP_ID_HASH_SIZE];
	bool used;
	uint64_t issued_us;
};

struct ctap2 {
	struct store_data *data;
	int (*save)(void *userdata); /* writes *data; a failure fails the request */
	void *userdata;
	bool no_hmac_secret;
	bool x25519; /* lists wgX25519 among its extensions */
	void (*after_reset)(void *userdata); /* NULL, or told that *data was emptied */
	uint64_t plugged_us;
	EVP_PKEY *agreement[2]; /* per PIN protocol */
	struct ctap2_pin_token token;
	unsigned int mismatches;
};

/* Plugs it in: new agreement keys, no PIN token. data stays the caller's. */
int ctap2_init(struct ctap2 *a, struct store_data *data, int (*save)(void *userdata), void *userdata,
	uint64_t now_us);
void ctap2_clear(struct ctap2 *a);

/* LEFT(SHA-256(PIN), 16) of a PIN that the policy allows; else CTAP2_PIN_POLICY_VIOLATION. */
int ctap2_pin_digest(struct secret **ret, const uint8_t *pin, size_t len);

/* response has room for CTAP2_MESSAGE_MAX; it is written on CTAP2_DONE only: a status byte, and CBOR after
 * CTAP2_OK. */
enum ctap2_step ctap2_handle(
	struct ctap2 *a, const struct ctap2_call *call, uint8_t *response, size_t *response_len);
