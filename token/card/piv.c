/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/card/piv.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "token/card/tlv.h"

#define SLOT_KEY_MANAGEMENT 0x9d
#define SLOT_RETIRED_FIRST 0x82
#define SLOT_RETIRED_LAST 0x95

uint8_t piv_slot(unsigned int index)
{
	return index == 0 ? SLOT_KEY_MANAGEMENT : (uint8_t)(SLOT_RETIRED_FIRST + index - 1);
}

bool piv_slot_valid(uint8_t slot)
{
	return slot == SLOT_KEY_MANAGEMENT || (slot >= SLOT_RETIRED_FIRST && slot <= SLOT_RETIRED_LAST);
}

uint32_t piv_certificate_tag(uint8_t slot)
{
	return slot == SLOT_KEY_MANAGEMENT ? 0x5fc10b : 0x5fc10d + (uint32_t)(slot - SLOT_RETIRED_FIRST);
}

static enum wire_x_touch touch_of(uint8_t policy)
{
	switch (policy) {
	case 0: /* the default, which is never */
	case 1:
		return WIRE_X_TOUCH_NEVER;
	case 2:
		return WIRE_X_TOUCH_ALWAYS;
	case 3:
		return WIRE_X_TOUCH_CACHED;
	default: /* a byte of the card's */
		return WIRE_X_TOUCH_UNKNOWN;
	}
}

int piv_parse_metadata(struct piv_key *ret, const uint8_t *data, size_t len)
{
	struct piv_key key = {0};
	struct tlv t;

	if (tlv_find(&t, data, len, 0x01) < 0 || t.len != 1)
		return -EBADMSG;
	if (t.value[0] != PIV_X25519) {
		*ret = key;
		return 0;
	}
	if (tlv_find(&t, data, len, 0x02) < 0 || t.len != 2)
		return -EBADMSG;
	key.needs_pin = t.value[0] != 1; /* never; the default of these slots is once */
	key.touch = touch_of(t.value[1]);
	if (tlv_find(&t, data, len, 0x04) < 0 || tlv_find(&t, t.value, t.len, 0x86) < 0 || t.len != sizeof(key.public_key))
		return -EBADMSG;
	memcpy(key.public_key, t.value, sizeof(key.public_key));
	key.x25519 = true;
	*ret = key;
	return 0;
}

/* id-X25519, 1.3.101.110 (RFC 8410). */
static const uint8_t oid_x25519[] = {0x2b, 0x65, 0x6e};

/* Certificate ::= { tbs { [0] version?, serial, algorithm, issuer, validity, subject, spki ... } ... } (RFC 5280, section 4.1) */
static int find_public_key_info(struct tlv *ret, const uint8_t *data, size_t len)
{
	const uint8_t *p, *end;
	unsigned int skip = 5;
	struct tlv t;

	if (tlv_find(&t, data, len, 0x30) < 0)
		return -EBADMSG;
	p = t.value;
	if (tlv_next(&t, &p, t.value + t.len) <= 0 || t.tag != 0x30)
		return -EBADMSG;
	p = t.value;
	end = t.value + t.len;
	for (;;) {
		if (tlv_next(&t, &p, end) <= 0)
			return -EBADMSG;
		if (t.tag == 0xa0)
			continue;
		if (skip-- == 0)
			break;
	}
	if (t.tag != 0x30)
		return -EBADMSG;
	*ret = t;
	return 0;
}

int piv_parse_certificate(struct piv_key *ret, const uint8_t *data, size_t len)
{
	struct piv_key key = {.needs_pin = true, .touch = WIRE_X_TOUCH_UNKNOWN};
	struct tlv object, t, info, algorithm;

	if (tlv_find(&object, data, len, 0x53) < 0)
		return -EBADMSG;
	if (tlv_find(&t, object.value, object.len, 0x71) == 0 && t.len >= 1 && (t.value[0] & 1))
		return -EOPNOTSUPP;
	if (tlv_find(&t, object.value, object.len, 0x70) < 0 || find_public_key_info(&info, t.value, t.len) < 0)
		return -EBADMSG;
	if (tlv_find(&algorithm, info.value, info.len, 0x30) < 0 || tlv_find(&t, algorithm.value, algorithm.len, 0x06) < 0)
		return -EBADMSG;
	if (t.len != sizeof(oid_x25519) || memcmp(t.value, oid_x25519, t.len) != 0) {
		*ret = (struct piv_key){0};
		return 0;
	}
	if (tlv_find(&t, info.value, info.len, 0x03) < 0 || t.len != 1 + sizeof(key.public_key) || t.value[0] != 0)
		return -EBADMSG;
	memcpy(key.public_key, t.value + 1, sizeof(key.public_key));
	key.x25519 = true;
	*ret = key;
	return 0;
}

void piv_put_get_data(uint8_t ret[static PIV_GET_DATA_SIZE], uint32_t tag)
{
	const uint8_t bytes[PIV_GET_DATA_SIZE] = {0x5c, 3, (uint8_t)(tag >> 16), (uint8_t)(tag >> 8), (uint8_t)tag};

	memcpy(ret, bytes, sizeof(bytes));
}

void piv_put_authenticate(uint8_t ret[static PIV_AUTHENTICATE_SIZE], const uint8_t point[static 32])
{
	size_t n;

	/* The dynamic authentication template: an empty response (what is asked for), and the exponentiation's point. */
	n = tlv_put_header(ret, 0x7c, 36);
	n += tlv_put_header(ret + n, 0x82, 0);
	n += tlv_put_header(ret + n, 0x85, 32);
	memcpy(ret + n, point, 32);
}

const uint8_t *piv_shared(const uint8_t *data, size_t len)
{
	struct tlv t;

	if (tlv_find(&t, data, len, 0x7c) < 0 || tlv_find(&t, t.value, t.len, 0x82) < 0 || t.len != 32)
		return NULL;
	return t.value;
}

int piv_put_pin(uint8_t ret[static PIV_PIN_SIZE], const uint8_t *pin, size_t len)
{
	if (len < 6 || len > PIV_PIN_SIZE)
		return -EINVAL;
	memset(ret, 0xff, PIV_PIN_SIZE);
	memcpy(ret, pin, len);
	return 0;
}

int piv_parse_chuid(char ret[static 33], const uint8_t *data, size_t len)
{
	struct tlv t;

	if (tlv_find(&t, data, len, 0x53) < 0)
		return -EBADMSG;
	/* The authentication key map and others before it may have any length; the signature behind it is of no use here. */
	if (tlv_find(&t, t.value, t.len, 0x34) < 0 || t.len != 16 || sodium_is_zero(t.value, t.len))
		return -ENOENT;
	sodium_bin2hex(ret, 33, t.value, t.len);
	return 0;
}
