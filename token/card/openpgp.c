/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/card/openpgp.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "token/card/tlv.h"

/* ECDH, and the OID 1.3.6.1.4.1.3029.1.5.1. */
static const uint8_t curve25519[] = {0x12, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01};

bool openpgp_is_x25519(const uint8_t *attributes, size_t len)
{
	/* 0xff behind it: the card wants the public key along when one is imported. */
	if (len == sizeof(curve25519) + 1 && attributes[len - 1] == 0xff)
		len--;
	return len == sizeof(curve25519) && memcmp(attributes, curve25519, len) == 0;
}

enum wire_x_touch openpgp_parse_touch(const uint8_t *data, size_t len)
{
	if (len < 1)
		return WIRE_X_TOUCH_UNKNOWN;
	switch (data[0]) {
	case 0:
		return WIRE_X_TOUCH_NEVER;
	case 1:
	case 2: /* for good */
		return WIRE_X_TOUCH_ALWAYS;
	case 3:
	case 4: /* for good */
		return WIRE_X_TOUCH_CACHED;
	default: /* a byte of the card's */
		return WIRE_X_TOUCH_UNKNOWN;
	}
}

/* The application identifier is D276 0001 2401, version, manufacturer, serial, 0000. */
static int parse_aid(struct openpgp_info *ret, const uint8_t *aid, size_t len)
{
	if (len != 16 || memcmp(aid, OPENPGP_AID, OPENPGP_AID_SIZE) != 0)
		return -EBADMSG;
	ret->manufacturer = (uint16_t)(aid[8] << 8 | aid[9]);
	ret->serial = (uint32_t)aid[10] << 24 | (uint32_t)aid[11] << 16 | (uint32_t)aid[12] << 8 | aid[13];
	return 0;
}

static int parse_discretionary(struct openpgp_info *ret, const struct tlv *outer)
{
	const uint8_t *p = outer->value, *end = p + outer->len;
	struct tlv t;
	int r;

	while ((r = tlv_next(&t, &p, end)) > 0) {
		switch (t.tag) {
		case 0xc0: /* extended capabilities */
			ret->kdf = t.len >= 1 && (t.value[0] & 0x01);
			break;
		case 0xc2: /* algorithm attributes of the decryption key */
			ret->x25519 = openpgp_is_x25519(t.value, t.len);
			break;
		case 0xc4: /* PW status: 4 bytes of what may be, 3 error counters */
			if (t.len != 7)
				return -EBADMSG;
			ret->tries = (int8_t)(t.value[4] & 0x7f);
			break;
		case OPENPGP_TAG_UIF:
			ret->touch = openpgp_parse_touch(t.value, t.len);
			ret->touch_known = true;
			break;
		default:
			break;
		}
	}
	return r;
}

int openpgp_parse_application(struct openpgp_info *ret, const uint8_t *data, size_t len)
{
	struct openpgp_info info = {.tries = -1};
	struct tlv t;
	int r;

	r = tlv_find(&t, data, len, OPENPGP_TAG_APPLICATION);
	if (r == 0) {
		data = t.value;
		len = t.len;
	}
	r = tlv_find(&t, data, len, 0x4f);
	if (r == 0)
		r = parse_aid(&info, t.value, t.len);
	if (r == 0)
		r = tlv_find(&t, data, len, 0x73);
	if (r == 0)
		r = parse_discretionary(&info, &t);
	if (r < 0)
		return -EBADMSG;
	*ret = info;
	return 0;
}

bool openpgp_offers_x25519(const uint8_t *data, size_t len)
{
	const uint8_t *p = data, *end = data + len;
	struct tlv t;

	if (tlv_find(&t, data, len, OPENPGP_TAG_ALGORITHMS) == 0) {
		p = t.value;
		end = p + t.len;
	}
	while (tlv_next(&t, &p, end) > 0)
		if (t.tag == 0xc2 && openpgp_is_x25519(t.value, t.len))
			return true;
	return false;
}

int openpgp_parse_public(uint8_t ret[static 32], const uint8_t *data, size_t len)
{
	struct tlv t;

	if (tlv_find(&t, data, len, 0x7f49) < 0 || tlv_find(&t, t.value, t.len, 0x86) < 0)
		return -EBADMSG;
	if (t.len == 33 && t.value[0] == 0x40) {
		t.value++;
		t.len--;
	}
	if (t.len != 32)
		return -EBADMSG;
	memcpy(ret, t.value, 32);
	return 0;
}

void openpgp_put_decipher(uint8_t ret[static OPENPGP_DECIPHER_SIZE], const uint8_t point[static 32])
{
	size_t n;

	n = tlv_put_header(ret, 0xa6, 37);
	n += tlv_put_header(ret + n, 0x7f49, 34);
	n += tlv_put_header(ret + n, 0x86, 32);
	memcpy(ret + n, point, 32);
}

const uint8_t *openpgp_shared(const uint8_t *data, size_t len)
{
	if (len == 33 && data[0] == 0x40)
		return data + 1;
	return len == 32 ? data : NULL;
}

int openpgp_parse_kdf(struct openpgp_kdf *ret, const uint8_t *data, size_t len)
{
	struct openpgp_kdf kdf = {0};
	struct tlv t;

	*ret = kdf;
	if (tlv_find(&t, data, len, OPENPGP_TAG_KDF) == 0) {
		data = t.value;
		len = t.len;
	}
	if (len == 0)
		return 0; /* supported, and never set up */
	if (tlv_find(&t, data, len, 0x81) < 0 || t.len != 1)
		return -EBADMSG;
	if (t.value[0] == 0)
		return 0;
	if (t.value[0] != 3)
		return -EOPNOTSUPP;
	if (tlv_find(&t, data, len, 0x82) < 0 || t.len != 1)
		return -EBADMSG;
	kdf.hash = t.value[0];
	if (kdf.hash != 8 && kdf.hash != 10)
		return -EOPNOTSUPP;
	if (tlv_find(&t, data, len, 0x83) < 0 || t.len != 4)
		return -EBADMSG;
	kdf.count = (uint32_t)t.value[0] << 24 | (uint32_t)t.value[1] << 16 | (uint32_t)t.value[2] << 8 | t.value[3];
	if (tlv_find(&t, data, len, 0x84) < 0 || t.len != sizeof(kdf.salt))
		return -EBADMSG;
	memcpy(kdf.salt, t.value, sizeof(kdf.salt));
	/* A hostile card could keep us hashing for a minute; 2^26 is what the S2K specifier of RFC 4880 can say at most. */
	if (kdf.count > 65011712)
		return -EOPNOTSUPP;
	kdf.used = true;
	*ret = kdf;
	return 0;
}

union hash {
	crypto_hash_sha256_state sha256;
	crypto_hash_sha512_state sha512;
};

static void hash_update(const struct openpgp_kdf *kdf, union hash *h, const uint8_t *data, size_t len)
{
	if (kdf->hash == 8)
		crypto_hash_sha256_update(&h->sha256, data, len);
	else
		crypto_hash_sha512_update(&h->sha512, data, len);
}

size_t openpgp_derive_pin(uint8_t ret[static OPENPGP_PIN_MAX], const struct openpgp_kdf *kdf, const uint8_t *pin, size_t len)
{
	size_t left = kdf->count > sizeof(kdf->salt) + len ? kdf->count : sizeof(kdf->salt) + len;
	union hash h;

	if (!kdf->used) {
		memcpy(ret, pin, len);
		return len;
	}
	if (kdf->hash == 8)
		crypto_hash_sha256_init(&h.sha256);
	else
		crypto_hash_sha512_init(&h.sha512);
	while (left > 0) {
		const size_t salt = left < sizeof(kdf->salt) ? left : sizeof(kdf->salt);
		const size_t rest = left - salt < len ? left - salt : len;

		hash_update(kdf, &h, kdf->salt, salt);
		hash_update(kdf, &h, pin, rest);
		left -= salt + rest;
	}
	if (kdf->hash == 8)
		crypto_hash_sha256_final(&h.sha256, ret);
	else
		crypto_hash_sha512_final(&h.sha512, ret);
	sodium_memzero(&h, sizeof(h));
	return kdf->hash == 8 ? crypto_hash_sha256_BYTES : crypto_hash_sha512_BYTES;
}
