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
#define WIRE_X_KEYS_MAX 32 /* that one token may have */

enum wire_type {
	WIRE_INFO = 1,	   /* what is this token? */
	WIRE_PROBE = 2,	   /* which of these credentials are this token's? no touch (up=false, no hmac-secret) */
	WIRE_CREATE = 3,   /* make a non-resident ES256 credential with hmac-secret: a touch */
	WIRE_EVALUATE = 4, /* hmac-secret of one or two salts: a touch */
	WIRE_CANCEL = 5,   /* the request with this serial, if it runs; answered by that request's WIRE_RESULT */
	/* 16..31: X25519 keys that never leave the token (wire-x25519.c) */
	WIRE_X_LIST = 16,     /* the keys it has; no touch */
	WIRE_X_GENERATE = 17, /* a new key in a slot, in place of what is there; a touch */
	WIRE_X_DH = 18,	      /* X25519 of a slot's key with a point */
	WIRE_X_IMPORT = 19,   /* a key of the host's into a slot; a touch */
	WIRE_X_ERASE = 20,    /* a touch */
	WIRE_X_PAIR = 21,     /* CTAPHID: pins this host's channel key; a touch */
	WIRE_X_FORGET = 22,   /* cards: the end of the PIN-verified session that WIRE_X_DH kept; the card is reset */
	WIRE_STATUS = 64,  /* worker: what the token waits for */
	WIRE_RESULT = 65,  /* worker: exactly one per request other than WIRE_CANCEL */
};

/* Fixed at enrolment, since the same credential gives another secret with and without user verification. */
enum wire_uv { WIRE_UV_PRESENCE = 0, WIRE_UV_PIN = 1 };

enum wire_status { WIRE_STATUS_PROCESSING = 1, WIRE_STATUS_TOUCH = 2 }; /* CTAPHID_KEEPALIVE's */

/* How the token is asked; the values are also what key files store. */
enum wire_x_kind {
	WIRE_X_CTAPHID = 1, /* the vendor command of docs/ctaphid-x25519.md */
	WIRE_X_OPENPGP = 2, /* OpenPGP card 3.4: the decryption key */
	WIRE_X_PIV = 3,	    /* SP 800-73 with algorithm 0xE1 */
};

/* What the token itself wants before it uses a key. */
enum wire_x_touch {
	WIRE_X_TOUCH_UNKNOWN = 0, /* cards that do not say; in a request: as the card has it */
	WIRE_X_TOUCH_NEVER = 1,
	WIRE_X_TOUCH_CACHED = 2, /* one touch is good for cached_seconds */
	WIRE_X_TOUCH_ALWAYS = 3,
};

struct wire_x_slot {
	enum wire_x_kind kind;
	uint8_t number; /* CTAPHID: 0..31; OpenPGP: 0; PIV: the key reference, 0x82..0x95 or 0x9d */
};

struct wire_x_key {
	struct wire_x_slot slot;
	enum wire_x_touch touch; /* CTAPHID: never UNKNOWN */
	uint16_t cached_seconds; /* TOUCH_CACHED: how long; 0: a card that does not say. Else 0 */
	bool needs_pin;
	bool bound;		 /* CTAPHID: used inside the channel of a paired host only */
	uint8_t public_key[32];
};

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

	/* X25519. GENERATE, DH, IMPORT and ERASE also take uv and pin, which CTAPHID slots do not have. */
	struct wire_x_slot x_slot;   /* GENERATE, DH, IMPORT, ERASE */
	enum wire_x_touch x_touch;   /* GENERATE, IMPORT */
	uint16_t x_cached_seconds;   /* as in struct wire_x_key */
	uint8_t x_point[32];	     /* DH: the other side's public key */
	struct secret *x_key;	     /* IMPORT: 32 bytes; else NULL. Owned */
	bool x_keep;		     /* DH, cards: the PIN-verified session stays until FORGET, a DH without this, or the worker's end */
	struct secret *x_host_key;   /* PAIR and CTAPHID slots: this host's static channel key, 32 bytes; else NULL. Owned */
	bool x_paired;		     /* exactly with CTAPHID slots: the two below hold */
	uint8_t x_host_index;	     /* as PAIR answered */
	uint8_t x_token_public[32];  /* as PAIR answered: the token's static channel key */
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
	WIRE_CAP_OPENPGP = 512,		/* a card with the OpenPGP application */
	WIRE_CAP_PIV = 1024,		/* a card with the PIV application */
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
	uint8_t n_outputs;		   /* EVALUATE: = n_salts; X_DH: 1 */
	struct secret *outputs[2];	   /* EVALUATE, X_DH: 32 bytes each; X_DH: not all zero. Owned */
	uint8_t x_slots;		   /* X_LIST: slots there are, with a key or without */
	uint8_t n_x_keys;		   /* X_LIST: 0..x_slots, no slot twice; X_GENERATE, X_IMPORT: 1 */
	struct wire_x_key x_keys[WIRE_X_KEYS_MAX];
	uint8_t x_host_index;		   /* X_PAIR: the name the token knows this host by */
	/* X_PAIR: to be pinned. X_LIST: whose pairing to look for, not proven by anything; all zero: none (cards). */
	uint8_t x_token_public[32];
};

/* Also asked of values that are none of the enum's. */
bool wire_type_is_x25519(enum wire_type type);
/* Whether such a slot can be. */
bool wire_x_slot_valid(const struct wire_x_slot *slot);

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
