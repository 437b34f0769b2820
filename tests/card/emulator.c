/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/card/emulator.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#define SW_OK 0x9000

static const uint8_t attributes[] = {0x12, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01};
static const uint8_t rsa_attributes[] = {0x01, 0x08, 0x00, 0x00, 0x20, 0x00};

struct out {
	uint8_t bytes[8192];
	size_t len;
};

static void put(struct out *o, const void *data, size_t len)
{
	assert(len <= sizeof(o->bytes) - o->len);
	if (len > 0)
		memcpy(o->bytes + o->len, data, len);
	o->len += len;
}

static void put_tlv(struct out *o, unsigned int tag, const void *value, size_t len)
{
	uint8_t head[6];
	size_t n = 0;

	if (tag > 0xff)
		head[n++] = (uint8_t)(tag >> 8);
	head[n++] = (uint8_t)tag;
	if (len > 255) {
		head[n++] = 0x82;
		head[n++] = (uint8_t)(len >> 8);
	} else if (len > 127) {
		head[n++] = 0x81;
	}
	head[n++] = (uint8_t)len;
	put(o, head, n);
	put(o, value, len);
}

void emulator_public(uint8_t ret[static 32], const uint8_t secret[static 32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32);
	size_t len = 32;

	assert(key && EVP_PKEY_get_raw_public_key(key, ret, &len) == 1);
	EVP_PKEY_free(key);
}

bool emulator_x25519(uint8_t ret[static 32], const uint8_t secret[static 32], const uint8_t point[static 32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, secret, 32);
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, point, 32);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	size_t len = 32;
	bool ok;

	assert(key && peer && ctx);
	ok = EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, peer) == 1 && EVP_PKEY_derive(ctx, ret, &len) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	EVP_PKEY_free(key);
	return ok;
}

static void set_pin(struct emulator_pin *pin, const char *text)
{
	*pin = (struct emulator_pin){.len = strlen(text), .tries = 3, .tries_max = 3};
	memcpy(pin->text, text, pin->len);
}

void emulator_init(struct emulator *e)
{
	*e = (struct emulator){.openpgp = true, .piv = true, .yubikey = true, .metadata = true, .extended = true, .chaining = true};
	set_pin(&e->pw1, "123456");
	set_pin(&e->pin, "123456\xff\xff");
	e->decipher = (struct emulator_key){.set = true, .x25519 = true};
	memset(e->decipher.secret, 0x11, 32);
	e->slots[0] = (struct emulator_key){.set = true, .x25519 = true};
	memset(e->slots[0].secret, 0x22, 32);
}

void emulator_reset(struct emulator *e)
{
	e->selected = EMULATOR_NONE;
	e->pw1.verified = e->pin.verified = false;
	e->chain_len = e->rest_len = 0;
}

size_t emulator_atr(const struct emulator *e, uint8_t ret[static 33])
{
	static const uint8_t yubikey[] = "\x3b\xfd\x13\x00\x00\x81\x31\xfe\x15\x80\x73\xc0\x21\xc0\x57\x59\x75\x62\x69\x4b\x65\x79\x40";
	static const uint8_t plain[] = "\x3b\x80\x80\x01\x01";

	memcpy(ret, e->yubikey ? yubikey : plain, e->yubikey ? sizeof(yubikey) - 1 : sizeof(plain) - 1);
	return e->yubikey ? sizeof(yubikey) - 1 : sizeof(plain) - 1;
}

struct command {
	uint8_t cla, ins, p1, p2;
	const uint8_t *data;
	size_t len, le;
};

static bool parse(struct command *c, const uint8_t *bytes, size_t len)
{
	if (len < 4)
		return false;
	*c = (struct command){bytes[0], bytes[1], bytes[2], bytes[3], NULL, 0, 0};
	bytes += 4;
	len -= 4;
	if (len == 0)
		return true;
	if (len == 1) {
		c->le = bytes[0] ? bytes[0] : 256;
		return true;
	}
	if (bytes[0] != 0) {
		c->len = bytes[0];
		c->data = bytes + 1;
		if (len == 1 + c->len)
			return true;
		if (len != 2 + c->len)
			return false;
		c->le = bytes[1 + c->len] ? bytes[1 + c->len] : 256;
		return true;
	}
	if (len == 3) {
		c->le = (size_t)bytes[1] << 8 | bytes[2];
		c->le = c->le ? c->le : 65536;
		return true;
	}
	if (len < 3)
		return false;
	c->len = (size_t)bytes[1] << 8 | bytes[2];
	c->data = bytes + 3;
	if (len == 3 + c->len)
		return true;
	if (len != 5 + c->len)
		return false;
	c->le = (size_t)bytes[3 + c->len] << 8 | bytes[4 + c->len];
	c->le = c->le ? c->le : 65536;
	return true;
}

static uint16_t verify(struct emulator *e, struct emulator_pin *pin, const struct command *c, bool old_refusal)
{
	if (pin->tries == 0)
		return 0x6983;
	if (c->len == 0)
		return pin->verified ? SW_OK : (uint16_t)(0x63c0 | pin->tries);
	e->n_verify++;
	if (c->len == pin->len && memcmp(c->data, pin->text, pin->len) == 0) {
		pin->verified = true;
		pin->tries = pin->tries_max;
		return SW_OK;
	}
	pin->verified = false;
	pin->tries--;
	if (old_refusal)
		return 0x6982;
	return pin->tries ? (uint16_t)(0x63c0 | pin->tries) : 0x6983;
}

static bool touch(struct emulator *e, bool wanted)
{
	if (wanted && e->wait_for_touch)
		e->wait_for_touch(e);
	return !wanted || e->touched;
}

static void put_public(const struct emulator *e, struct out *o, const struct emulator_key *key)
{
	uint8_t bytes[33] = {0x40};
	struct out inner = {0};

	emulator_public(bytes + 1, key->secret);
	put_tlv(&inner, 0x86, e->prefix ? bytes : bytes + 1, e->prefix ? 33 : 32);
	put_tlv(o, 0x7f49, inner.bytes, inner.len);
}

static void put_application(const struct emulator *e, struct out *o)
{
	static const uint8_t aid[16] = {0xd2, 0x76, 0x00, 0x01, 0x24, 0x01, 0x03, 0x04, 0x00, 0x06, 0x00, 0x12, 0x34, 0x56, 0, 0};
	const uint8_t historical[] = {0x00, 0x73, 0x00, 0x00,
		(uint8_t)(0x20 | (e->chaining ? 0x80 : 0) | (e->extended ? 0x40 : 0)), 0x05, 0x90, 0x00};
	const uint8_t capabilities[10] = {(uint8_t)(0x7c | (e->kdf ? 1 : 0)), 0, 0x0b, 0xfe, 0x08, 0, 0, 0xff, 0, 0};
	const uint8_t status[7] = {0, 0x7f, 0x7f, 0x7f, (uint8_t)e->pw1.tries, 0, 3};
	const uint8_t fingerprints[60] = {1}, times[12] = {1};
	struct out inner = {0}, discretionary = {0};

	put_tlv(&inner, 0x4f, aid, sizeof(aid));
	put_tlv(&inner, 0x5f52, historical, sizeof(historical));
	put_tlv(&discretionary, 0xc0, capabilities, sizeof(capabilities));
	put_tlv(&discretionary, 0xc1, rsa_attributes, sizeof(rsa_attributes));
	put_tlv(&discretionary, 0xc2, e->decipher.x25519 ? attributes : rsa_attributes,
		e->decipher.x25519 ? sizeof(attributes) : sizeof(rsa_attributes));
	put_tlv(&discretionary, 0xc3, rsa_attributes, sizeof(rsa_attributes));
	put_tlv(&discretionary, 0xc4, status, sizeof(status));
	put_tlv(&discretionary, 0xc5, fingerprints, sizeof(fingerprints));
	put_tlv(&discretionary, 0xc6, fingerprints, sizeof(fingerprints));
	put_tlv(&discretionary, 0xcd, times, sizeof(times));
	put_tlv(&inner, 0x73, discretionary.bytes, discretionary.len);
	put_tlv(o, 0x6e, inner.bytes, inner.len);
}

static uint16_t openpgp_get_data(const struct emulator *e, const struct command *c, struct out *o)
{
	static const uint8_t kdf[] = {0x81, 1, 3, 0x82, 1, 8, 0x83, 4, 0, 1, 0x86, 0xa0, 0x84, 8, 0, 1, 2, 3, 4, 5, 6, 7};
	const uint8_t uif[2] = {(uint8_t)e->uif, 0x20};
	struct out inner = {0};

	switch (c->p1 << 8 | c->p2) {
	case 0x6e:
		put_application(e, o);
		return SW_OK;
	case 0x5f52:
		put(o, "\x00\x73\x00\x00", 4);
		put(o, &(uint8_t){(uint8_t)(0x20 | (e->chaining ? 0x80 : 0) | (e->extended ? 0x40 : 0))}, 1);
		put(o, "\x05\x90\x00", 3);
		return SW_OK;
	case 0xd7:
		if (e->uif < 0)
			return 0x6a88;
		put(o, uif, sizeof(uif));
		return SW_OK;
	case 0xf9:
		if (!e->kdf)
			return 0x6a88;
		put(o, kdf, sizeof(kdf));
		return SW_OK;
	case 0xfa:
		put_tlv(&inner, 0xc2, rsa_attributes, sizeof(rsa_attributes));
		if (e->offers_x25519)
			put_tlv(&inner, 0xc2, attributes, sizeof(attributes));
		put_tlv(o, 0xfa, inner.bytes, inner.len);
		return SW_OK;
	default:
		return 0x6a88;
	}
}

static uint16_t openpgp_decipher(struct emulator *e, const struct command *c, struct out *o)
{
	uint8_t shared[33] = {0x40};

	if (!e->pw1.verified)
		return 0x6982;
	if (!e->decipher.set || !e->decipher.x25519)
		return 0x6a88;
	if (c->len != 39 || memcmp(c->data, "\xa6\x25\x7f\x49\x22\x86\x20", 7) != 0)
		return 0x6a80;
	if (!touch(e, e->uif > 0))
		return 0x6600;
	if (!emulator_x25519(shared + 1, e->decipher.secret, c->data + 7))
		return 0x6a80;
	if (e->zeros)
		memset(shared + 1, 0, 32);
	e->n_dh++;
	put(o, e->prefix ? shared : shared + 1, e->prefix ? 33 : 32);
	return SW_OK;
}

static uint16_t openpgp(struct emulator *e, const struct command *c, struct out *o)
{
	switch (c->ins) {
	case 0xca:
		return openpgp_get_data(e, c, o);
	case 0x20:
		return c->p2 == 0x82 ? verify(e, &e->pw1, c, e->old_refusal) : 0x6b00;
	case 0x47:
		if (c->p1 != 0x81 || c->len != 2 || c->data[0] != 0xb8)
			return c->p1 == 0x80 ? 0x6982 : 0x6a80;
		if (!e->decipher.set)
			return 0x6a88;
		put_public(e, o, &e->decipher);
		return SW_OK;
	case 0x2a:
		return c->p1 == 0x80 && c->p2 == 0x86 ? openpgp_decipher(e, c, o) : 0x6b00;
	default:
		return 0x6d00;
	}
}

static struct emulator_key *piv_slot(struct emulator *e, uint8_t slot)
{
	if (slot == 0x9d)
		return &e->slots[0];
	return slot >= 0x82 && slot <= 0x95 ? &e->slots[1 + slot - 0x82] : NULL;
}

static uint16_t piv_metadata(struct emulator *e, const struct command *c, struct out *o)
{
	const struct emulator_key *key = piv_slot(e, c->p2);
	struct out inner = {0};
	uint8_t public_key[32];

	if (!e->metadata)
		return 0x6d00;
	if (!key || !key->set)
		return 0x6a88;
	put_tlv(o, 0x01, key->x25519 ? "\xe1" : "\x11", 1);
	put_tlv(o, 0x02, (const uint8_t[]){key->pin_policy, key->touch_policy}, 2);
	put_tlv(o, 0x03, "\x01", 1);
	if (key->x25519)
		emulator_public(public_key, key->secret);
	else
		memset(public_key, 4, sizeof(public_key));
	put_tlv(&inner, 0x86, public_key, sizeof(public_key));
	put_tlv(o, 0x04, inner.bytes, inner.len);
	return SW_OK;
}

/* As small as an X.509 certificate gets: names and signature are of no use here. */
static void put_certificate(struct out *o, const struct emulator_key *key)
{
	struct out spki = {0}, tbs = {0}, certificate = {0}, body = {0}, object = {0};
	uint8_t bits[33] = {0}, filling[200] = {0};

	emulator_public(bits + 1, key->secret);
	put_tlv(&spki, 0x30, "\x06\x03\x2b\x65\x6e", 5);
	put_tlv(&spki, 0x03, bits, sizeof(bits));
	put_tlv(&tbs, 0xa0, "\x02\x01\x02", 3);
	put_tlv(&tbs, 0x02, "\x01", 1);
	for (int i = 0; i < 4; i++)
		put_tlv(&tbs, 0x30, filling, i ? sizeof(filling) / 4 : 0);
	put_tlv(&tbs, 0x30, spki.bytes, spki.len);
	put_tlv(&body, 0x30, tbs.bytes, tbs.len);
	put_tlv(&body, 0x03, filling, sizeof(filling));
	put_tlv(&certificate, 0x30, body.bytes, body.len);
	put_tlv(&object, 0x70, certificate.bytes, certificate.len);
	put_tlv(&object, 0x71, "\x00", 1);
	put_tlv(&object, 0xfe, NULL, 0);
	put_tlv(o, 0x53, object.bytes, object.len);
}

static uint16_t piv_get_data(struct emulator *e, const struct command *c, struct out *o)
{
	struct emulator_key *key = NULL;
	struct out inner = {0};
	unsigned int low;

	if (c->len != 5 || memcmp(c->data, "\x5c\x03\x5f\xc1", 4) != 0)
		return 0x6a80;
	low = c->data[4];
	if (low == 0x02) {
		put_tlv(&inner, 0x34, "0123456789abcdef", 16);
		put_tlv(o, 0x53, inner.bytes, inner.len);
		return SW_OK;
	}
	if (low == 0x0b)
		key = &e->slots[0];
	else if (low >= 0x0d && low <= 0x20)
		key = &e->slots[1 + low - 0x0d];
	if (!e->certificates || !key || !key->set || !key->x25519)
		return 0x6a82;
	put_certificate(o, key);
	return SW_OK;
}

static uint16_t piv_authenticate(struct emulator *e, const struct command *c, struct out *o)
{
	const struct emulator_key *key = piv_slot(e, c->p2);
	struct out inner = {0};
	uint8_t shared[32];

	if (!key || !key->set || !key->x25519 || c->p1 != 0xe1)
		return 0x6a80;
	if (key->pin_policy != 1 && !e->pin.verified)
		return 0x6982;
	if (c->len != 38 || memcmp(c->data, "\x7c\x24\x82\x00\x85\x20", 6) != 0)
		return 0x6a80;
	if (!touch(e, key->touch_policy >= 2))
		return 0x6982;
	if (!emulator_x25519(shared, key->secret, c->data + 6))
		return 0x6a80;
	if (e->zeros)
		memset(shared, 0, 32);
	e->n_dh++;
	put_tlv(&inner, 0x82, shared, sizeof(shared));
	put_tlv(o, 0x7c, inner.bytes, inner.len);
	return SW_OK;
}

static uint16_t piv(struct emulator *e, const struct command *c, struct out *o)
{
	switch (c->ins) {
	case 0x20:
		return c->p2 == 0x80 ? verify(e, &e->pin, c, false) : 0x6a88;
	case 0x87:
		return piv_authenticate(e, c, o);
	case 0xcb:
		return piv_get_data(e, c, o);
	case 0xf7:
		return piv_metadata(e, c, o);
	case 0xf8:
		if (!e->yubikey)
			return 0x6d00;
		put(o, "\x00\x01\xe2\x40", 4);
		return SW_OK;
	case 0xfd:
		if (!e->yubikey)
			return 0x6d00;
		put(o, e->metadata ? "\x05\x07\x01" : "\x05\x02\x07", 3);
		return SW_OK;
	default:
		return 0x6d00;
	}
}

static uint16_t select_application(struct emulator *e, const struct command *c)
{
	enum emulator_application to = EMULATOR_NONE;

	if (e->openpgp && c->len >= 6 && memcmp(c->data, "\xd2\x76\x00\x01\x24\x01", 6) == 0)
		to = EMULATOR_OPENPGP;
	else if (e->piv && c->len >= 5 && memcmp(c->data, "\xa0\x00\x00\x03\x08", 5) == 0)
		to = EMULATOR_PIV;
	if (to == EMULATOR_NONE)
		return 0x6a82;
	e->selected = to;
	e->pw1.verified = e->pin.verified = false;
	return SW_OK;
}

static uint16_t run(struct emulator *e, const struct command *c, struct out *o)
{
	if (e->inject_ins && e->inject_ins == c->ins) {
		e->inject_ins = 0;
		return e->inject_sw;
	}
	if (c->ins == 0xa4)
		return select_application(e, c);
	switch (e->selected) {
	case EMULATOR_OPENPGP:
		return openpgp(e, c, o);
	case EMULATOR_PIV:
		return piv(e, c, o);
	case EMULATOR_NONE:
		break;
	}
	return 0x6d00;
}

static size_t answer(uint8_t *ret, const void *data, size_t len, uint16_t sw)
{
	if (len > 0)
		memcpy(ret, data, len);
	ret[len] = (uint8_t)(sw >> 8);
	ret[len + 1] = (uint8_t)sw;
	return len + 2;
}

/* As much as was asked for, and as the card likes to give at once; the rest waits for GET RESPONSE. */
static size_t give(struct emulator *e, uint8_t *ret, size_t le)
{
	size_t n = e->rest_len, most = e->part_max ? e->part_max : 65536, left;
	uint8_t given[8192];

	if (n > most)
		n = most;
	if (n > le)
		n = le;
	memcpy(given, e->rest, n);
	left = e->rest_len - n;
	memmove(e->rest, e->rest + n, left);
	e->rest_len = left;
	return answer(ret, given, n, left ? (uint16_t)(0x6100 | (left > 255 ? 0 : left)) : SW_OK);
}

size_t emulator_transmit(struct emulator *e, const uint8_t *command, size_t len, uint8_t *ret)
{
	static const uint8_t nothing[1];
	struct out o = {0};
	struct command c;
	uint16_t sw;

	e->n_commands++;
	if (e->before)
		e->before(e, command, len);
	if (!parse(&c, command, len))
		return answer(ret, NULL, 0, 0x6700);
	if (c.ins == 0xc0)
		return e->rest_len ? give(e, ret, c.le ? c.le : 256) : answer(ret, NULL, 0, 0x6985);
	e->rest_len = 0;
	if (!c.data)
		c.data = nothing;
	if (c.len > sizeof(e->chain) - e->chain_len)
		return answer(ret, NULL, 0, 0x6700);
	memcpy(e->chain + e->chain_len, c.data, c.len);
	e->chain_len += c.len;
	if (c.cla & 0x10) {
		e->n_chained++;
		return answer(ret, NULL, 0, SW_OK);
	}
	c.data = e->chain;
	c.len = e->chain_len;
	e->chain_len = 0;
	sw = run(e, &c, &o);
	if (sw != SW_OK)
		return answer(ret, NULL, 0, sw);
	assert(o.len <= sizeof(e->rest));
	memcpy(e->rest, o.bytes, o.len);
	e->rest_len = o.len;
	return give(e, ret, c.le ? c.le : 256);
}
