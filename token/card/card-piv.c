/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PIV application, as card.c asks it. SP 800-73-4, part 2, section 3. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "token/card/card-internal.h"

/* The first firmware of YubiKeys with X25519 in PIV. */
#define YUBIKEY_MAJOR 5
#define YUBIKEY_MINOR 7

enum outcome card_piv_open(struct card *c, struct wire_result *ret)
{
	uint16_t sw;
	int r;

	r = card_select(c, PIV_AID, PIV_AID_SIZE, &sw);
	if (r < 0)
		return card_fail(c, ret, r);
	return sw == APDU_SW_OK ? OUTCOME_OK : OUTCOME_UNSUPPORTED;
}

static int get_data(struct card *c, uint32_t tag, size_t *ret_len, uint16_t *ret_sw)
{
	uint8_t data[PIV_GET_DATA_SIZE];
	const struct apdu get = {0x00, 0xcb, 0x3f, 0xff, data, sizeof(data), APDU_ANSWER_SHORT};

	piv_put_get_data(data, tag);
	return card_command(c, &get, ret_len, ret_sw);
}

static int vendor(struct card *c, uint8_t ins, uint8_t p2, size_t *ret_len, uint16_t *ret_sw)
{
	const struct apdu ask = {0x00, ins, 0x00, p2, NULL, 0, APDU_ANSWER_SHORT};

	return card_command(c, &ask, ret_len, ret_sw);
}

/* OUTCOME_OK with key->x25519 false: empty, or another kind of key. *metadata: whether the card has that command, as far as is known. */
static enum outcome read_slot(struct card *c, struct wire_result *ret, uint8_t slot, bool *metadata, struct piv_key *key)
{
	uint16_t sw;
	size_t len;
	int r;

	*key = (struct piv_key){0};
	if (*metadata) {
		r = vendor(c, PIV_INS_METADATA, slot, &len, &sw);
		if (r < 0)
			return card_fail(c, ret, r);
		if (!apdu_is_unknown(sw)) {
			if (sw == APDU_SW_OK)
				(void)piv_parse_metadata(key, c->buffers->answer, len);
			return OUTCOME_OK;
		}
		*metadata = false;
	}
	r = get_data(c, piv_certificate_tag(slot), &len, &sw);
	if (r < 0 && r != -EMSGSIZE)
		return card_fail(c, ret, r);
	if (r == 0 && sw == APDU_SW_OK)
		(void)piv_parse_certificate(key, c->buffers->answer, len);
	return OUTCOME_OK;
}

/* YubiKeys have it on them; the vendor's commands go to nothing else. */
static bool is_yubikey(const struct card *c)
{
	static const char *const names[] = {"YubiKey", "Yubikey"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (memmem(c->connection.atr, c->connection.atr_len, names[i], strlen(names[i])))
			return true;
	return false;
}

static enum outcome yubikey(struct card *c, struct wire_result *ret, bool *ret_can)
{
	const uint8_t *answer = c->buffers->answer;
	uint16_t sw;
	size_t len;
	int r;

	r = vendor(c, PIV_INS_VERSION, 0, &len, &sw);
	if (r == 0 && sw == APDU_SW_OK && len == 3)
		*ret_can = answer[0] > YUBIKEY_MAJOR || (answer[0] == YUBIKEY_MAJOR && answer[1] >= YUBIKEY_MINOR);
	if (r == 0)
		r = vendor(c, PIV_INS_SERIAL, 0, &len, &sw);
	if (r == 0 && sw == APDU_SW_OK && len == 4)
		snprintf(ret->info.serial, sizeof(ret->info.serial), "%u",
			(unsigned int)answer[0] << 24 | (unsigned int)answer[1] << 16 | (unsigned int)answer[2] << 8 | answer[3]);
	return r < 0 ? card_fail(c, ret, r) : OUTCOME_OK;
}

static enum outcome any_key(struct card *c, struct wire_result *ret, bool *ret_any)
{
	bool metadata = true;
	struct piv_key key;

	for (unsigned int i = 0; i < PIV_SLOTS && !*ret_any; i++) {
		enum outcome o = read_slot(c, ret, piv_slot(i), &metadata, &key);

		if (o != OUTCOME_OK)
			return o;
		*ret_any = key.x25519;
	}
	return OUTCOME_OK;
}

/* VERIFY without data only asks. -1: verified already, or the card does not say. */
static int ask_tries(struct card *c, int8_t *ret_tries)
{
	const struct apdu ask = {0x00, 0x20, 0x00, PIV_PIN_REFERENCE, NULL, 0, 0};
	uint16_t sw;
	size_t len;
	int r;

	r = card_command(c, &ask, &len, &sw);
	if (r == 0)
		*ret_tries = sw == APDU_SW_BLOCKED ? 0 : apdu_tries(sw);
	return r;
}

enum outcome card_piv_info(struct card *c, struct wire_result *ret)
{
	enum outcome o = OUTCOME_OK;
	bool can = false;
	int8_t tries;
	uint16_t sw;
	size_t len;
	int r;

	if (is_yubikey(c))
		o = yubikey(c, ret, &can);
	if (o == OUTCOME_OK && !can)
		o = any_key(c, ret, &can);
	if (o != OUTCOME_OK || !can)
		return o;
	ret->info.capabilities |= WIRE_CAP_PIV | WIRE_CAP_CLIENT_PIN | WIRE_CAP_PIN_SET;
	r = ask_tries(c, &tries);
	if (r < 0)
		return card_fail(c, ret, r);
	if (tries >= 0 && (ret->info.pin_retries < 0 || tries < ret->info.pin_retries))
		ret->info.pin_retries = tries;
	if (ret->info.serial[0])
		return OUTCOME_OK;
	r = get_data(c, PIV_TAG_CHUID, &len, &sw);
	if (r < 0 && r != -EMSGSIZE)
		return card_fail(c, ret, r);
	if (r == 0 && sw == APDU_SW_OK)
		(void)piv_parse_chuid(ret->info.serial, c->buffers->answer, len);
	return OUTCOME_OK;
}

enum outcome card_piv_list(struct card *c, struct wire_result *ret)
{
	bool metadata = true;
	struct piv_key key;

	ret->x_slots = (uint8_t)(ret->x_slots + PIV_SLOTS);
	for (unsigned int i = 0; i < PIV_SLOTS; i++) {
		enum outcome o = read_slot(c, ret, piv_slot(i), &metadata, &key);
		struct wire_x_key *k = &ret->x_keys[ret->n_x_keys];

		if (o != OUTCOME_OK)
			return o;
		if (!key.x25519)
			continue;
		*k = (struct wire_x_key){
			.slot = {.kind = WIRE_X_PIV, .number = piv_slot(i)},
			.touch = key.touch,
			.needs_pin = key.needs_pin,
		};
		memcpy(k->public_key, key.public_key, sizeof(k->public_key));
		ret->n_x_keys++;
	}
	return OUTCOME_OK;
}

enum outcome card_piv_key(struct card *c, struct wire_result *ret, uint8_t slot, struct card_key *ret_key)
{
	bool metadata = true;
	struct piv_key key;
	enum outcome o;

	o = read_slot(c, ret, slot, &metadata, &key);
	if (o != OUTCOME_OK)
		return o;
	/* Without metadata a certificate may be missing, or be of an older key: the card itself has the last word. */
	if (!key.x25519 && metadata)
		return card_refuse(ret, OUTCOME_NOT_ENROLLED, "there is no X25519 key in this slot of the card");
	*ret_key = key.x25519 ? (struct card_key){.touch = key.touch, .needs_pin = key.needs_pin}
			      : (struct card_key){.touch = WIRE_X_TOUCH_UNKNOWN, .needs_pin = true};
	return OUTCOME_OK;
}

enum outcome card_piv_verify(struct card *c, struct wire_result *ret, const struct secret *pin)
{
	const struct apdu verify = {0x00, 0x20, 0x00, PIV_PIN_REFERENCE, c->buffers->pin, PIV_PIN_SIZE, 0};
	enum outcome o;
	int8_t tries;
	uint16_t sw;
	size_t len;
	int r;

	r = ask_tries(c, &tries);
	if (r < 0)
		return card_fail(c, ret, r);
	o = card_check_tries(c, ret, tries);
	if (o != OUTCOME_OK)
		return o;
	/* It cannot be the right one, and costs no try. */
	if (piv_put_pin(c->buffers->pin, secret_borrow(pin), secret_len(pin)) < 0) {
		ret->pin_retries = tries;
		return card_refuse(ret, OUTCOME_PIN_INVALID, "PINs of PIV have six to eight characters");
	}
	r = card_command(c, &verify, &len, &sw);
	sodium_memzero(c->buffers->pin, sizeof(c->buffers->pin));
	return r < 0 ? card_fail(c, ret, r) : card_status(ret, sw);
}

int card_piv_dh(struct card *c, uint8_t slot, const uint8_t point[static 32], const uint8_t **ret_shared, uint16_t *ret_sw)
{
	uint8_t data[PIV_AUTHENTICATE_SIZE];
	const struct apdu authenticate = {0x00, 0x87, PIV_X25519, slot, data, sizeof(data), APDU_ANSWER_SHORT};
	size_t len;
	int r;

	piv_put_authenticate(data, point);
	r = card_command(c, &authenticate, &len, ret_sw);
	if (r == 0)
		*ret_shared = *ret_sw == APDU_SW_OK ? piv_shared(c->buffers->answer, len) : NULL;
	return r;
}
