/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/card/apdu.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define SHORT_DATA_MAX 255
#define CLA_CHAIN 0x10
#define INS_GET_RESPONSE 0xc0

static void encode_extended(uint8_t *ret, size_t *ret_len, const struct apdu *c)
{
	size_t n = 4;

	ret[n++] = 0;
	if (c->len > 0) {
		ret[n++] = (uint8_t)(c->len >> 8);
		ret[n++] = (uint8_t)c->len;
		memcpy(ret + n, c->data, c->len);
		n += c->len;
	}
	if (c->answer > 0) {
		ret[n++] = (uint8_t)(c->answer >> 8);
		ret[n++] = (uint8_t)c->answer;
	}
	*ret_len = n;
}

int apdu_encode(uint8_t ret[static APDU_COMMAND_MAX], size_t *ret_len, const struct apdu *command, bool chain, bool extended, bool t0)
{
	const bool is_long = command->len > SHORT_DATA_MAX || command->answer > APDU_ANSWER_SHORT;
	size_t n = 4;

	if (command->len > APDU_DATA_MAX || command->answer > APDU_ANSWER_MAX || (is_long && (!extended || chain)))
		return -EMSGSIZE;
	ret[0] = chain ? command->cla | CLA_CHAIN : command->cla;
	ret[1] = command->ins;
	ret[2] = command->p1;
	ret[3] = command->p2;
	if (is_long) {
		encode_extended(ret, ret_len, command);
		return 0;
	}
	if (command->len > 0) {
		ret[n++] = (uint8_t)command->len;
		memcpy(ret + n, command->data, command->len);
		n += command->len;
	}
	if (command->answer > 0 && !(t0 && command->len > 0))
		ret[n++] = (uint8_t)command->answer; /* 256 is written as 0 */
	*ret_len = n;
	return 0;
}

struct gather {
	uint8_t *answer;
	size_t size, len;
};

/* One command and its answer, which goes behind what was gathered. */
static int send_one(const struct apdu_card *card, const struct apdu *c, bool chain, struct gather *g, uint16_t *ret_sw)
{
	size_t len, got = 0;
	int r;

	r = apdu_encode(card->command, &len, c, chain, card->extended, card->t0);
	if (r < 0)
		return r;
	r = card->transmit(card->userdata, card->command, len, card->part, APDU_PART_MAX, &got);
	sodium_memzero(card->command, len);
	if (r == 0 && (got < 2 || got > APDU_PART_MAX))
		r = -EBADMSG;
	if (r < 0) {
		sodium_memzero(card->part, APDU_PART_MAX);
		return r;
	}
	*ret_sw = (uint16_t)(card->part[got - 2] << 8 | card->part[got - 1]);
	got -= 2;
	if (got > g->size - g->len)
		r = -EMSGSIZE;
	else if (got > 0)
		memcpy(g->answer + g->len, card->part, got);
	if (r == 0)
		g->len += got;
	sodium_memzero(card->part, APDU_PART_MAX);
	return r;
}

/* 6Cxx: the same again, with the length that the card wants. Never for one that wants no answer: a PIN is sent once. */
static int send_exact(const struct apdu_card *card, const struct apdu *c, struct gather *g, uint16_t *ret_sw)
{
	struct apdu again = *c;
	int r;

	r = send_one(card, c, false, g, ret_sw);
	if (r < 0 || *ret_sw >> 8 != 0x6c || c->answer == 0)
		return r;
	again.answer = *ret_sw & 0xff ? *ret_sw & 0xff : APDU_ANSWER_SHORT;
	return send_one(card, &again, false, g, ret_sw);
}

/* All but the last part of a long command. */
static int send_chain(const struct apdu_card *card, struct apdu *rest, uint16_t *ret_sw)
{
	struct gather none = {0};
	int r;

	while (rest->len > SHORT_DATA_MAX) {
		struct apdu part = *rest;

		part.len = SHORT_DATA_MAX;
		part.answer = 0;
		r = send_one(card, &part, true, &none, ret_sw);
		if (r < 0 || *ret_sw != APDU_SW_OK)
			return r;
		rest->data += SHORT_DATA_MAX;
		rest->len -= SHORT_DATA_MAX;
	}
	*ret_sw = APDU_SW_OK;
	return 0;
}

static int gather_rest(const struct apdu_card *card, const struct apdu *c, struct gather *g, uint16_t *ret_sw)
{
	while (*ret_sw >> 8 == 0x61) {
		const struct apdu more = {
			.cla = c->cla,
			.ins = INS_GET_RESPONSE,
			.answer = *ret_sw & 0xff ? *ret_sw & 0xff : APDU_ANSWER_SHORT,
		};
		const size_t before = g->len;
		int r = send_exact(card, &more, g, ret_sw);

		if (r < 0)
			return r;
		/* A card that says "more" and gives nothing would go on for ever. */
		if (*ret_sw >> 8 == 0x61 && g->len == before)
			return -EBADMSG;
	}
	return 0;
}

int apdu_exchange(const struct apdu_card *card, const struct apdu *command, uint8_t *answer, size_t size, size_t *ret_len,
	uint16_t *ret_sw)
{
	struct gather g = {.answer = answer, .size = size};
	struct apdu c = *command;
	uint16_t sw = APDU_SW_OK;
	int r = 0;

	if (c.len > SHORT_DATA_MAX && !card->extended)
		r = card->chaining ? send_chain(card, &c, &sw) : -EMSGSIZE;
	if (r == 0 && sw == APDU_SW_OK)
		r = send_exact(card, &c, &g, &sw);
	if (r == 0)
		r = gather_rest(card, &c, &g, &sw);
	if ((r < 0 || sw != APDU_SW_OK) && g.len > 0) {
		sodium_memzero(answer, g.len);
		g.len = 0;
	}
	if (r < 0)
		return r;
	*ret_len = g.len;
	*ret_sw = sw;
	return 0;
}

void apdu_capabilities(struct apdu_card *card, const uint8_t *historical, size_t len)
{
	card->extended = card->chaining = false;
	/* Category 00: compact TLVs up to a status of three bytes; category 80: compact TLVs to the end. */
	if (len == 0 || (historical[0] != 0x00 && historical[0] != 0x80))
		return;
	if (historical[0] == 0x00)
		len = len >= 4 ? len - 3 : 0;
	for (size_t i = 1; i < len;) {
		const size_t n = historical[i] & 0x0f;

		if (n > len - i - 1)
			return;
		if (historical[i] >> 4 == 7 && n == 3) {
			card->chaining = historical[i + 3] & 0x80;
			card->extended = historical[i + 3] & 0x40;
		}
		i += 1 + n;
	}
}

int8_t apdu_tries(uint16_t sw)
{
	return (sw & 0xfff0) == 0x63c0 ? (int8_t)(sw & 0x0f) : -1;
}

bool apdu_is_unknown(uint16_t sw)
{
	return sw == APDU_SW_NO_INSTRUCTION || sw == 0x6e00 || sw == 0x6a81 || sw == 0x6a86 || sw == 0x6b00;
}

static const struct {
	uint16_t sw; /* ISO/IEC 7816-4, section 5.6; 6600: OpenPGP card 3.4, section 7.1 */
	enum outcome outcome;
	const char *detail;
} status_words[] = {
	{APDU_SW_OK, OUTCOME_OK, ""},
	{0x6600, OUTCOME_TOUCH_TIMEOUT, ""},
	{APDU_SW_SECURITY_STATUS, OUTCOME_PIN_REQUIRED, ""},
	{APDU_SW_BLOCKED, OUTCOME_PIN_BLOCKED, "the card's PIN is blocked"},
	{0x6984, OUTCOME_PIN_BLOCKED, "the card's PIN is not usable"},
	{APDU_SW_CONDITIONS, OUTCOME_TOKEN_FAILED, "the card says that the conditions for this are not given"},
	{APDU_SW_WRONG_DATA, OUTCOME_INVALID_ARGUMENT, "the card refused the point"},
	{APDU_SW_NO_FILE, OUTCOME_NOT_ENROLLED, "there is no such key on the card"},
	{APDU_SW_NO_REFERENCE, OUTCOME_NOT_ENROLLED, "there is no such key on the card"},
	{0x6a81, OUTCOME_UNSUPPORTED, "the card does not support this"},
	{0x6a86, OUTCOME_UNSUPPORTED, "the card does not support this"},
	{0x6b00, OUTCOME_UNSUPPORTED, "the card does not support this"},
	{APDU_SW_NO_INSTRUCTION, OUTCOME_UNSUPPORTED, "the card does not support this"},
	{0x6e00, OUTCOME_UNSUPPORTED, "the card does not support this"},
};

enum outcome apdu_outcome(uint16_t sw, int8_t *ret_tries, char detail[static WIRE_TEXT_MAX])
{
	detail[0] = '\0';
	*ret_tries = apdu_tries(sw);
	if (*ret_tries >= 0)
		return *ret_tries > 0 ? OUTCOME_PIN_INVALID : OUTCOME_PIN_BLOCKED;
	for (size_t i = 0; i < sizeof(status_words) / sizeof(*status_words); i++) {
		if (status_words[i].sw == sw) {
			snprintf(detail, WIRE_TEXT_MAX, "%s", status_words[i].detail);
			return status_words[i].outcome;
		}
	}
	snprintf(detail, WIRE_TEXT_MAX, "the card refused with status word %04X", sw);
	return OUTCOME_TOKEN_FAILED;
}
