/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages of wgX25519, CTAPHID vendor command 0x57: bytes to struct and back, for both ends. Pure, and
 * freestanding. docs/ctaphid-x25519.md is the specification; numbers of more than one byte are little-endian.
 *
 * A request is an op and its body, an answer an op, a status and, when that is X25519_OK, its body. The length
 * of each is fixed, except for what is sealed; everything fits the payload of one 64-byte report.
 *
 * In the clear: HELLO, PUBLIC, PAIR, CHANNEL, SEALED. Inside the channel (a whole request, sealed, is the body of
 * SEALED; so is its answer): PUBLIC, GENERATE, IMPORT, DH, ERASE, UNPAIR. Of a slot that is bound to no host
 * GENERATE, DH and ERASE are taken in the clear as well.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X25519_COMMAND 0x57	   /* of CTAPHID; used only where getInfo lists the extension */
#define X25519_EXTENSION "wgX25519" /* in getInfo's extensions */
#define X25519_VERSION 1
#define X25519_MESSAGE_MAX 57 /* 64 - 7 */
#define X25519_KEY_SIZE 32
#define X25519_HELLO_NONCE_SIZE 8
#define X25519_HANDSHAKE_SIZE 48 /* each of the two: a public key and a tag */
#define X25519_TAG_SIZE 16 /* by how much a sealed message is longer */
#define X25519_INNER_MAX 38 /* the longest request inside: IMPORT */
#define X25519_SLOTS_LIMIT 32
#define X25519_HOSTS_LIMIT 32
#define X25519_NO_HOST 0xff /* owner of a slot that is bound to no host */

enum x25519_op {
	X25519_HELLO = 0x01,
	X25519_PUBLIC = 0x02,
	X25519_GENERATE = 0x03,
	X25519_IMPORT = 0x04,
	X25519_DH = 0x05,
	X25519_ERASE = 0x06,
	X25519_PAIR = 0x07,
	X25519_CHANNEL = 0x08,
	X25519_SEALED = 0x09, /* a request or answer inside the channel */
	X25519_UNPAIR = 0x0a,
};

enum x25519_status {
	X25519_OK = 0x00,
	X25519_UNKNOWN_OP = 0x01,
	X25519_BAD_LENGTH = 0x02,
	X25519_BAD_PARAMETER = 0x03,
	X25519_BAD_VERSION = 0x04,  /* CHANNEL: of the protocol */
	X25519_BAD_SLOT = 0x05,	    /* no such slot */
	X25519_SLOT_EMPTY = 0x06,
	X25519_SLOT_TAKEN = 0x07,
	X25519_NO_CHANNEL = 0x08,   /* it must come sealed; or what came so does not open: the channel is over */
	X25519_NOT_PAIRED = 0x09,   /* no such host, or not the one that was paired */
	X25519_NOT_OWNER = 0x0a,    /* the slot is bound to another host */
	X25519_BAD_POINT = 0x0b,    /* of low order */
	X25519_HOSTS_FULL = 0x0c,
	X25519_TOUCH_DENIED = 0x0d,
	X25519_TOUCH_TIMEOUT = 0x0e,
	X25519_CANCELLED = 0x0f,
	X25519_STORAGE = 0x10,	    /* cannot be read or written; nothing was done */
	X25519_INTERNAL = 0x11,
};

enum x25519_touch { X25519_TOUCH_NEVER = 0, X25519_TOUCH_CACHED = 1, X25519_TOUCH_ALWAYS = 2 };

/* Of HELLO. */
enum x25519_feature {
	X25519_FEATURE_IMPORT = 1,
	X25519_FEATURE_CACHED = 2, /* it has a clock */
	X25519_FEATURE_OPEN = 4,   /* slots that are bound to no host */
};

struct x25519_request {
	enum x25519_op op;
	uint8_t slot;		    /* PUBLIC, GENERATE, IMPORT, DH, ERASE */
	enum x25519_touch touch;    /* GENERATE, IMPORT */
	uint16_t cached_seconds;    /* the same; 1.. for X25519_TOUCH_CACHED, else 0 */
	bool open;		    /* the same: bound to no host */
	uint8_t host;		    /* CHANNEL, UNPAIR: its index */
	uint8_t version;	    /* CHANNEL */
	uint8_t nonce[X25519_HELLO_NONCE_SIZE];		/* HELLO */
	uint8_t key[X25519_KEY_SIZE];		/* PAIR: the host's public key; DH: the point; IMPORT: the private key */
	uint8_t handshake[X25519_HANDSHAKE_SIZE];	/* CHANNEL */
	const uint8_t *sealed;	    /* SEALED: borrowed; when decoded it lies in the input */
	size_t sealed_len;
};

/* What the token is; the answer of HELLO, and part of the channel's prologue. */
struct x25519_hello {
	uint8_t oldest, newest; /* versions it speaks */
	uint32_t features;	/* enum x25519_feature; others may come */
	uint8_t slots, hosts;	/* how many it has, at most X25519_SLOTS_LIMIT and _HOSTS_LIMIT */
	uint32_t taken;		/* bit n: slot n holds a key; not in the prologue */
	uint8_t token_public[X25519_KEY_SIZE]; /* of its channel key; of the prologue only as the handshake's key */
};

struct x25519_key_info {
	uint8_t slot;
	bool imported;
	uint8_t owner; /* a host's index, or X25519_NO_HOST */
	enum x25519_touch touch;
	uint16_t cached_seconds;
	uint8_t public_key[X25519_KEY_SIZE];
};

struct x25519_answer {
	enum x25519_op op;
	enum x25519_status status; /* all below: only with X25519_OK */
	uint8_t nonce[X25519_HELLO_NONCE_SIZE];	  /* HELLO: the request's */
	struct x25519_hello hello;		  /* HELLO */
	struct x25519_key_info info;		  /* PUBLIC, GENERATE, IMPORT */
	uint8_t shared[X25519_KEY_SIZE];  /* DH */
	uint8_t host;				  /* PAIR: the index it got */
	uint8_t token_public[X25519_KEY_SIZE]; /* PAIR */
	uint8_t handshake[X25519_HANDSHAKE_SIZE]; /* CHANNEL */
	const uint8_t *sealed;			  /* SEALED: as in a request */
	size_t sealed_len;
};

/* The number of bytes; 0: *r holds what no message can say. */
size_t x25519_request_encode(uint8_t ret[static X25519_MESSAGE_MAX], const struct x25519_request *r);
size_t x25519_answer_encode(uint8_t ret[static X25519_MESSAGE_MAX], const struct x25519_answer *a);

/* X25519_OK, or _UNKNOWN_OP, _BAD_LENGTH, _BAD_PARAMETER, with *ret untouched. */
enum x25519_status x25519_request_decode(struct x25519_request *ret, const uint8_t *data, size_t len);

/* False: no answer to a request of this op, and *ret is zero. A status that is not known is X25519_INTERNAL. */
bool x25519_answer_decode(struct x25519_answer *ret, enum x25519_op op, const uint8_t *data, size_t len);

/* Constant time: for a shared secret, which is all zero only when the point was of low order. */
bool x25519_is_zero(const uint8_t key[static X25519_KEY_SIZE]);
