/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The OpenPGP card application's bytes (Functional Specification of the OpenPGP application on ISO smart card operating
 * systems, 3.4.1): what is sent, and what comes back. Pure.
 *
 * Curve25519 on these cards: points and results are the 32 bytes of RFC 7748, little-endian, as WireGuard has them. The 0x40
 * that OpenPGP's own packets put before a point is no part of it; it is taken off where a card sends it along.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

#define OPENPGP_AID "\xd2\x76\x00\x01\x24\x01"
#define OPENPGP_AID_SIZE 6

#define OPENPGP_TAG_HISTORICAL 0x5f52
#define OPENPGP_TAG_APPLICATION 0x6e /* application related data */
#define OPENPGP_TAG_UIF 0xd7	     /* touch policy of the decryption key */
#define OPENPGP_TAG_KDF 0xf9
#define OPENPGP_TAG_ALGORITHMS 0xfa

#define OPENPGP_PW1_DECIPHER 0x82 /* P2 of VERIFY */
#define OPENPGP_PIN_MAX 64	  /* what a derived PIN may be, SHA-512 */

struct openpgp_info {
	uint16_t manufacturer;
	uint32_t serial;
	bool x25519;		/* the decryption key's algorithm is ECDH on Curve25519 */
	bool kdf;		/* the card may want PINs derived: ask for OPENPGP_TAG_KDF */
	int8_t tries;		/* of PW1 */
	bool touch_known;
	enum wire_x_touch touch;
};

/* OPENPGP_TAG_APPLICATION, with or without its outer tag. -EBADMSG: broken or cut short. */
int openpgp_parse_application(struct openpgp_info *ret, const uint8_t *data, size_t len);
/* OPENPGP_TAG_UIF alone. */
enum wire_x_touch openpgp_parse_touch(const uint8_t *data, size_t len);
/* OPENPGP_TAG_ALGORITHMS: whether the decryption key could be X25519. */
bool openpgp_offers_x25519(const uint8_t *data, size_t len);
/* Whether algorithm attributes (tag C2's value) are ECDH on Curve25519. */
bool openpgp_is_x25519(const uint8_t *attributes, size_t len);

/* Of GENERATE ASYMMETRIC KEY PAIR, reading. -EBADMSG: another kind of key, or none. */
int openpgp_parse_public(uint8_t ret[static 32], const uint8_t *data, size_t len);

#define OPENPGP_CRT_DECIPHER "\xb8\x00" /* data of GENERATE ASYMMETRIC KEY PAIR: the decryption key */
#define OPENPGP_DECIPHER_SIZE 39
void openpgp_put_decipher(uint8_t ret[static OPENPGP_DECIPHER_SIZE], const uint8_t point[static 32]);
/* Where the 32 bytes lie in the answer of PSO:DECIPHER; NULL: that is no X25519 result. */
const uint8_t *openpgp_shared(const uint8_t *data, size_t len);

struct openpgp_kdf {
	bool used;
	uint8_t hash; /* 8: SHA-256, 10: SHA-512 */
	uint32_t count;
	uint8_t salt[8]; /* of PW1 */
};

/* -EBADMSG; -EOPNOTSUPP: a derivation that is not known here, and the PIN must not be tried as it is. */
int openpgp_parse_kdf(struct openpgp_kdf *ret, const uint8_t *data, size_t len);
/* What goes into VERIFY for this PIN: iterated and salted S2K (RFC 4880, section 3.7.1.3). The length. ret is guarded memory. */
size_t openpgp_derive_pin(uint8_t ret[static OPENPGP_PIN_MAX], const struct openpgp_kdf *kdf, const uint8_t *pin, size_t len);
