/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An OpenPGP card, as card.c asks it. OpenPGP card 3.4.1, section 7. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "token/card/card-internal.h"

#define MANUFACTURER_YUBICO 6

static int get_data(struct card *c, uint16_t tag, size_t most, size_t *ret_len, uint16_t *ret_sw)
{
	const struct apdu get = {0x00, 0xca, (uint8_t)(tag >> 8), (uint8_t)tag, NULL, 0, most};

	return card_command(c, &get, ret_len, ret_sw);
}

/* What the card takes; without an answer: short commands. */
static int read_capabilities(struct card *c)
{
	uint16_t sw;
	size_t len;
	int r;

	r = get_data(c, OPENPGP_TAG_HISTORICAL, APDU_ANSWER_SHORT, &len, &sw);
	if (r == 0 && sw == APDU_SW_OK)
		apdu_capabilities(&c->apdu, c->buffers->answer, len);
	return r;
}

static enum outcome read_application(struct card *c, struct wire_result *ret)
{
	uint16_t sw;
	size_t len;
	int r;

	r = get_data(c, OPENPGP_TAG_APPLICATION, APDU_ANSWER_SHORT, &len, &sw);
	if (r < 0)
		return card_fail(c, ret, r);
	if (sw != APDU_SW_OK)
		return card_status(ret, sw);
	r = openpgp_parse_application(&c->openpgp, c->buffers->answer, len);
	/* Cards without GET RESPONSE cut it at 256 bytes. */
	if (r < 0 && len == APDU_ANSWER_SHORT && c->apdu.extended) {
		r = get_data(c, OPENPGP_TAG_APPLICATION, APDU_ANSWER_MAX, &len, &sw);
		if (r == 0 && sw == APDU_SW_OK)
			r = openpgp_parse_application(&c->openpgp, c->buffers->answer, len);
	}
	return r < 0 ? card_fail(c, ret, r) : OUTCOME_OK;
}

enum outcome card_openpgp_open(struct card *c, struct wire_result *ret)
{
	uint16_t sw;
	int r;

	r = card_select(c, OPENPGP_AID, OPENPGP_AID_SIZE, &sw);
	if (r == 0 && sw != APDU_SW_OK)
		return OUTCOME_UNSUPPORTED;
	if (r == 0)
		r = read_capabilities(c);
	return r < 0 ? card_fail(c, ret, r) : read_application(c, ret);
}

static enum outcome find_touch(struct card *c, struct wire_result *ret, enum wire_x_touch *ret_touch)
{
	uint16_t sw;
	size_t len;
	int r;

	if (c->openpgp.touch_known) {
		*ret_touch = c->openpgp.touch;
		return OUTCOME_OK;
	}
	r = get_data(c, OPENPGP_TAG_UIF, APDU_ANSWER_SHORT, &len, &sw);
	if (r < 0)
		return card_fail(c, ret, r);
	/* A card without this object has no button that it could ask for. */
	*ret_touch = sw == APDU_SW_OK ? openpgp_parse_touch(c->buffers->answer, len) : WIRE_X_TOUCH_NEVER;
	return OUTCOME_OK;
}

static void tell_tries(struct wire_result *ret, int8_t tries)
{
	if (tries >= 0 && (ret->info.pin_retries < 0 || tries < ret->info.pin_retries))
		ret->info.pin_retries = tries;
}

enum outcome card_openpgp_info(struct card *c, struct wire_result *ret)
{
	bool can = c->openpgp.x25519;
	const char *zeros;
	uint16_t sw;
	size_t len;
	int r;

	if (!can) {
		r = get_data(c, OPENPGP_TAG_ALGORITHMS, APDU_ANSWER_SHORT, &len, &sw);
		if (r < 0 && r != -EMSGSIZE)
			return card_fail(c, ret, r);
		can = r == 0 && sw == APDU_SW_OK && openpgp_offers_x25519(c->buffers->answer, len);
	}
	if (!can)
		return OUTCOME_OK;
	ret->info.capabilities |= WIRE_CAP_OPENPGP | WIRE_CAP_CLIENT_PIN | WIRE_CAP_PIN_SET;
	tell_tries(ret, c->openpgp.tries);
	snprintf(ret->info.serial, sizeof(ret->info.serial), "%08X", c->openpgp.serial);
	/* The decimal number that is printed on a YubiKey. */
	zeros = ret->info.serial + strspn(ret->info.serial, "0");
	if (c->openpgp.manufacturer == MANUFACTURER_YUBICO && *zeros)
		memmove(ret->info.serial, zeros, strlen(zeros) + 1);
	return OUTCOME_OK;
}

enum outcome card_openpgp_list(struct card *c, struct wire_result *ret)
{
	static const uint8_t which[] = OPENPGP_CRT_DECIPHER;
	const struct apdu read = {0x00, 0x47, 0x81, 0x00, which, sizeof(which) - 1, APDU_ANSWER_SHORT};
	struct wire_x_key *key = &ret->x_keys[ret->n_x_keys];
	enum outcome o;
	uint16_t sw;
	size_t len;
	int r;

	ret->x_slots = (uint8_t)(ret->x_slots + 1);
	if (!c->openpgp.x25519)
		return OUTCOME_OK;
	r = card_command(c, &read, &len, &sw);
	if (r < 0)
		return card_fail(c, ret, r);
	*key = (struct wire_x_key){.slot = {.kind = WIRE_X_OPENPGP}, .needs_pin = true};
	/* 6A88: no key yet; some say so with other words. */
	if (sw != APDU_SW_OK || openpgp_parse_public(key->public_key, c->buffers->answer, len) < 0 ||
		sodium_is_zero(key->public_key, sizeof(key->public_key)))
		return OUTCOME_OK;
	o = find_touch(c, ret, &key->touch);
	if (o == OUTCOME_OK)
		ret->n_x_keys++;
	return o;
}

enum outcome card_openpgp_key(struct card *c, struct wire_result *ret, struct card_key *ret_key)
{
	if (!c->openpgp.x25519)
		return card_refuse(ret, OUTCOME_NOT_ENROLLED, "the card's decryption key is not X25519");
	ret_key->needs_pin = true;
	return find_touch(c, ret, &ret_key->touch);
}

static enum outcome find_kdf(struct card *c, struct wire_result *ret, struct openpgp_kdf *ret_kdf)
{
	uint16_t sw;
	size_t len;
	int r;

	*ret_kdf = (struct openpgp_kdf){0};
	if (!c->openpgp.kdf)
		return OUTCOME_OK;
	r = get_data(c, OPENPGP_TAG_KDF, APDU_ANSWER_SHORT, &len, &sw);
	if (r == 0 && sw != APDU_SW_OK)
		return OUTCOME_OK;
	if (r == 0)
		r = openpgp_parse_kdf(ret_kdf, c->buffers->answer, len);
	if (r == -EOPNOTSUPP)
		return card_refuse(ret, OUTCOME_UNSUPPORTED, "the card wants its PIN derived in a way that is not known here");
	return r < 0 ? card_fail(c, ret, r) : OUTCOME_OK;
}

/* Cards before 3.4 refuse a wrong PIN without saying how many tries are left. */
static enum outcome count_tries(struct card *c, struct wire_result *ret)
{
	enum outcome o = read_application(c, ret);

	if (o != OUTCOME_OK)
		return o;
	ret->pin_retries = c->openpgp.tries;
	return c->openpgp.tries == 0 ? OUTCOME_PIN_BLOCKED : OUTCOME_PIN_INVALID;
}

enum outcome card_openpgp_verify(struct card *c, struct wire_result *ret, const struct secret *pin)
{
	struct apdu verify = {0x00, 0x20, 0x00, OPENPGP_PW1_DECIPHER, c->buffers->pin, 0, 0};
	struct openpgp_kdf kdf;
	enum outcome o;
	uint16_t sw;
	size_t len;
	int r;

	o = card_check_tries(c, ret, c->openpgp.tries);
	if (o == OUTCOME_OK)
		o = find_kdf(c, ret, &kdf);
	if (o != OUTCOME_OK)
		return o;
	verify.len = openpgp_derive_pin(c->buffers->pin, &kdf, secret_borrow(pin), secret_len(pin));
	r = card_command(c, &verify, &len, &sw);
	sodium_memzero(c->buffers->pin, sizeof(c->buffers->pin));
	if (r < 0)
		return card_fail(c, ret, r);
	/* 6A80, 6700: shorter than the card's PINs may be. */
	if (sw == APDU_SW_SECURITY_STATUS || sw == APDU_SW_WRONG_DATA || sw == 0x6700)
		return count_tries(c, ret);
	return card_status(ret, sw);
}

int card_openpgp_dh(struct card *c, const uint8_t point[static 32], const uint8_t **ret_shared, uint16_t *ret_sw)
{
	uint8_t data[OPENPGP_DECIPHER_SIZE];
	const struct apdu decipher = {0x00, 0x2a, 0x80, 0x86, data, sizeof(data), APDU_ANSWER_SHORT};
	size_t len;
	int r;

	openpgp_put_decipher(data, point);
	r = card_command(c, &decipher, &len, ret_sw);
	if (r == 0)
		*ret_shared = *ret_sw == APDU_SW_OK ? openpgp_shared(c->buffers->answer, len) : NULL;
	return r;
}
