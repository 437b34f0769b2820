/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PIV application's bytes (NIST SP 800-73-4, part 2; X25519, metadata, version and serial as YubiKey has them since 5.7, 5.3 and 5,
 * and CanoKey after it): what is sent, and what comes back. Pure. Keys and points are RFC 7748's 32 bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

#define PIV_AID "\xa0\x00\x00\x03\x08"
#define PIV_AID_SIZE 5

#define PIV_X25519 0xe1	    /* algorithm, P1 of GENERAL AUTHENTICATE */
#define PIV_INS_METADATA 0xf7 /* P2: the slot */
#define PIV_INS_SERIAL 0xf8
#define PIV_INS_VERSION 0xfd
#define PIV_PIN_REFERENCE 0x80
#define PIV_PIN_SIZE 8 /* filled with 0xff */
#define PIV_TAG_CHUID 0x5fc102

/* The slots that can hold a key for key agreement: 9d, and the retired 82 to 95. */
#define PIV_SLOTS 21
uint8_t piv_slot(unsigned int index);
bool piv_slot_valid(uint8_t slot);
/* The certificate's data object for a slot. */
uint32_t piv_certificate_tag(uint8_t slot);

struct piv_key {
	bool x25519;
	bool needs_pin;
	enum wire_x_touch touch;
	uint8_t public_key[32];
};

/* -EBADMSG. x25519 is false, and the rest unset, for a key of another kind. */
int piv_parse_metadata(struct piv_key *ret, const uint8_t *data, size_t len);
/*
 * The certificate's data object, where a card has no metadata: the public key out of an X.509 certificate. Nothing else of it is looked
 * at: it says what the card's own user put there. Touch policy unknown, PIN needed. As above; -EOPNOTSUPP for a compressed one.
 */
int piv_parse_certificate(struct piv_key *ret, const uint8_t *data, size_t len);

/* Data of GET DATA for a tag: 5C 03 tag. */
#define PIV_GET_DATA_SIZE 5
void piv_put_get_data(uint8_t ret[static PIV_GET_DATA_SIZE], uint32_t tag);

#define PIV_AUTHENTICATE_SIZE 38
void piv_put_authenticate(uint8_t ret[static PIV_AUTHENTICATE_SIZE], const uint8_t point[static 32]);
/* Where the 32 bytes lie in the answer; NULL: that is no X25519 result. */
const uint8_t *piv_shared(const uint8_t *data, size_t len);

/* SP 800-73-4, section 2.4.3: six to eight characters. -EINVAL. ret is guarded memory. */
int piv_put_pin(uint8_t ret[static PIV_PIN_SIZE], const uint8_t *pin, size_t len);

/* The card holder's unique identifier: its GUID as 32 hex digits, the number of cards that have no other. -EBADMSG; -ENOENT. */
int piv_parse_chuid(char ret[static 33], const uint8_t *data, size_t len);
