/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>

#include "token/card/apdu.h"
#include "token/card/tlv.h"

/* A card that expects commands and answers them, in turn. */
struct script {
	const char *command, *answer; /* hex; command NULL: the transmit fails with -ENODEV */
};

struct played {
	const struct script *script;
	uint8_t command[APDU_COMMAND_MAX], part[APDU_PART_MAX];
	struct apdu_card card;
};

static size_t from_hex(uint8_t *ret, const char *hex)
{
	size_t n = 0;

	for (; hex[0] && hex[1]; hex += 2) {
		unsigned int byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		ret[n++] = (uint8_t)byte;
	}
	return n;
}

static int transmit(void *userdata, const uint8_t *command, size_t len, uint8_t *answer, size_t size, size_t *ret_len)
{
	struct played *p = userdata;
	uint8_t bytes[APDU_PART_MAX];
	const struct script *s = p->script++;

	assert_non_null(s->answer);
	if (!s->command)
		return -ENODEV;
	assert_int_equal(len, from_hex(bytes, s->command));
	assert_memory_equal(command, bytes, len);
	*ret_len = from_hex(bytes, s->answer);
	assert_true(*ret_len <= size);
	memcpy(answer, bytes, *ret_len);
	return 0;
}

static void play(struct played *p, const struct script *script)
{
	memset(p, 0, sizeof(*p));
	p->script = script;
	p->card = (struct apdu_card){.transmit = transmit, .userdata = p, .command = p->command, .part = p->part};
}

static bool all_zero(const uint8_t *p, size_t len)
{
	while (len > 0)
		if (p[--len])
			return false;
	return true;
}

static int exchange(struct played *p, const struct apdu *c, uint8_t *answer, size_t size, size_t *len, uint16_t *sw)
{
	int r = apdu_exchange(&p->card, c, answer, size, len, sw);

	/* PINs and results pass through both. */
	assert_true(all_zero(p->command, sizeof(p->command)));
	assert_true(all_zero(p->part, sizeof(p->part)));
	return r;
}

static void test_short_cases(void **state)
{
	const uint8_t data[] = {1, 2, 3};
	uint8_t answer[8];
	struct played p;
	uint16_t sw;
	size_t len;

	(void)state;
	play(&p, (const struct script[]){{"00200082", "9000"}, {"00ca006e00", "aabb9000"}, {"0020008203010203", "63C2"},
		{"00a40400030102030a", "cc9000"}, {0}});
	assert_int_equal(exchange(&p, &(struct apdu){0, 0x20, 0, 0x82, NULL, 0, 0}, answer, 8, &len, &sw), 0);
	assert_int_equal(len, 0);
	assert_int_equal(sw, 0x9000);
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xca, 0, 0x6e, NULL, 0, 256}, answer, 8, &len, &sw), 0);
	assert_int_equal(len, 2);
	assert_memory_equal(answer, "\xaa\xbb", 2);
	assert_int_equal(exchange(&p, &(struct apdu){0, 0x20, 0, 0x82, data, 3, 0}, answer, 8, &len, &sw), 0);
	assert_int_equal(sw, 0x63c2);
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xa4, 4, 0, data, 3, 10}, answer, 8, &len, &sw), 0);
	assert_int_equal(len, 1);
	/* T=0 says what may come back only with 61xx. */
	play(&p, (const struct script[]){{"00a4040003010203", "6101"}, {"00c0000001", "cc9000"}, {0}});
	p.card.t0 = true;
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xa4, 4, 0, data, 3, 10}, answer, 8, &len, &sw), 0);
	assert_int_equal(len, 1);
}

static void test_answer_in_parts(void **state)
{
	uint8_t answer[8] = {0};
	struct played p;
	uint16_t sw;
	size_t len;

	(void)state;
	play(&p, (const struct script[]){{"00ca006e00", "0102036103"}, {"00c0000003", "04056101"}, {"00c0000001", "6C02"},
		{"00c0000002", "06079000"}, {0}});
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xca, 0, 0x6e, NULL, 0, 256}, answer, 8, &len, &sw), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(answer, "\x01\x02\x03\x04\x05\x06\x07", 7);
	/* the wrong length at first */
	play(&p, (const struct script[]){{"00ca006e00", "6c05"}, {"00ca006e05", "01020304059000"}, {0}});
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xca, 0, 0x6e, NULL, 0, 256}, answer, 8, &len, &sw), 0);
	assert_int_equal(len, 5);
	/* but not for a command that wants no answer, which may be a PIN */
	play(&p, (const struct script[]){{"0020008201aa", "6c05"}, {0}});
	assert_int_equal(exchange(&p, &(struct apdu){0, 0x20, 0, 0x82, (const uint8_t *)"\xaa", 1, 0}, answer, 8, &len, &sw), 0);
	assert_int_equal(sw, 0x6c05);
	/* more than there is room for */
	memset(answer, 0, sizeof(answer));
	play(&p, (const struct script[]){{"00ca006e00", "0102036100"}, {"00c0000000", "0405060708099000"}, {0}});
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xca, 0, 0x6e, NULL, 0, 256}, answer, 8, &len, &sw), -EMSGSIZE);
	assert_true(all_zero(answer, sizeof(answer)));
	/* parts that never come */
	play(&p, (const struct script[]){{"00ca006e00", "016100"}, {"00c0000000", "6100"}, {0}});
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xca, 0, 0x6e, NULL, 0, 256}, answer, 8, &len, &sw), -EBADMSG);
	/* an end that is an error leaves nothing */
	memset(answer, 0, sizeof(answer));
	play(&p, (const struct script[]){{"00ca006e00", "01026100"}, {"00c0000000", "6f00"}, {0}});
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xca, 0, 0x6e, NULL, 0, 256}, answer, 8, &len, &sw), 0);
	assert_int_equal(sw, 0x6f00);
	assert_int_equal(len, 0);
	assert_true(all_zero(answer, sizeof(answer)));
}

static void test_long_commands(void **state)
{
	char first[600], second[800], whole[1400], hex[700] = "";
	uint8_t data[300], answer[8];
	struct played p;
	uint16_t sw;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)i;
		snprintf(hex + 2 * i, 3, "%02x", (unsigned int)data[i]);
	}
	snprintf(first, sizeof(first), "102a8086ff%.510s", hex);
	snprintf(second, sizeof(second), "002a80862d%s20", hex + 510);
	snprintf(whole, sizeof(whole), "002a808600012c%s0020", hex);
	const struct apdu c = {0, 0x2a, 0x80, 0x86, data, sizeof(data), 32};

	play(&p, (const struct script[]){{first, "9000"}, {second, "aa9000"}, {0}});
	p.card.chaining = true;
	assert_int_equal(exchange(&p, &c, answer, 8, &len, &sw), 0);
	assert_int_equal(len, 1);
	/* refused at the first link: the last is not sent */
	play(&p, (const struct script[]){{first, "6883"}, {0}});
	p.card.chaining = true;
	assert_int_equal(exchange(&p, &c, answer, 8, &len, &sw), 0);
	assert_int_equal(sw, 0x6883);
	/* extended lengths are preferred */
	play(&p, (const struct script[]){{whole, "bb9000"}, {0}});
	p.card.chaining = p.card.extended = true;
	assert_int_equal(exchange(&p, &c, answer, 8, &len, &sw), 0);
	assert_int_equal(answer[0], 0xbb);
	play(&p, (const struct script[]){{"00ca006e000800", "aa9000"}, {0}});
	p.card.extended = true;
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xca, 0, 0x6e, NULL, 0, 2048}, answer, 8, &len, &sw), 0);
	/* neither */
	play(&p, (const struct script[]){{0}});
	assert_int_equal(exchange(&p, &c, answer, 8, &len, &sw), -EMSGSIZE);
	assert_int_equal(exchange(&p, &(struct apdu){0, 0xca, 0, 0x6e, NULL, 0, 257}, answer, 8, &len, &sw), -EMSGSIZE);
}

static void test_broken_answers(void **state)
{
	uint8_t answer[8];
	struct played p;
	uint16_t sw;
	size_t len;

	(void)state;
	play(&p, (const struct script[]){{"00ca006e00", ""}, {"00ca006e00", "90"}, {NULL, "-"}, {0}});
	const struct apdu c = {0, 0xca, 0, 0x6e, NULL, 0, 256};

	assert_int_equal(exchange(&p, &c, answer, 8, &len, &sw), -EBADMSG);
	assert_int_equal(exchange(&p, &c, answer, 8, &len, &sw), -EBADMSG);
	assert_int_equal(exchange(&p, &c, answer, 8, &len, &sw), -ENODEV);
}

static void test_capabilities(void **state)
{
	struct apdu_card card = {0};

	(void)state;
	/* Gnuk, YubiKey 5 */
	apdu_capabilities(&card, (const uint8_t *)"\x00\x31\xf5\x73\xc0\x01\x60\x05\x90\x00", 10);
	assert_false(card.chaining);
	assert_true(card.extended);
	apdu_capabilities(&card, (const uint8_t *)"\x00\x73\x00\x00\xe0\x05\x90\x00", 8);
	assert_true(card.chaining);
	assert_true(card.extended);
	apdu_capabilities(&card, (const uint8_t *)"\x80\x73\x00\x00\x80", 5);
	assert_true(card.chaining);
	assert_false(card.extended);
	/* cut, or of another kind */
	apdu_capabilities(&card, (const uint8_t *)"\x00\x73\x00\x00\xe0\x90\x00", 7);
	assert_false(card.extended);
	apdu_capabilities(&card, (const uint8_t *)"\x10\x73\x00\x00\xe0\x05\x90\x00", 8);
	assert_false(card.extended);
	apdu_capabilities(&card, NULL, 0);
	assert_false(card.extended);
}

static void test_status_words(void **state)
{
	static const struct {
		uint16_t sw;
		enum outcome outcome;
		int8_t tries;
	} rows[] = {
		{0x9000, OUTCOME_OK, -1},
		{0x63c2, OUTCOME_PIN_INVALID, 2},
		{0x63cf, OUTCOME_PIN_INVALID, 15},
		{0x63c0, OUTCOME_PIN_BLOCKED, 0},
		{0x6982, OUTCOME_PIN_REQUIRED, -1},
		{0x6983, OUTCOME_PIN_BLOCKED, -1},
		{0x6985, OUTCOME_TOKEN_FAILED, -1},
		{0x6a88, OUTCOME_NOT_ENROLLED, -1},
		{0x6a82, OUTCOME_NOT_ENROLLED, -1},
		{0x6a80, OUTCOME_INVALID_ARGUMENT, -1},
		{0x6d00, OUTCOME_UNSUPPORTED, -1},
		{0x6600, OUTCOME_TOUCH_TIMEOUT, -1},
		{0x6f42, OUTCOME_TOKEN_FAILED, -1},
		{0x6300, OUTCOME_TOKEN_FAILED, -1},
	};
	char detail[WIRE_TEXT_MAX];
	int8_t tries;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(apdu_outcome(rows[i].sw, &tries, detail), rows[i].outcome);
		assert_int_equal(tries, rows[i].tries);
		assert_true(strlen(detail) < WIRE_TEXT_MAX);
	}
	apdu_outcome(0x6f42, &tries, detail);
	assert_non_null(strstr(detail, "6F42"));
	assert_true(apdu_is_unknown(0x6d00));
	assert_false(apdu_is_unknown(0x6a88));
}

static void test_tlv(void **state)
{
	const uint8_t good[] = {0x00, 0x4f, 1, 0xaa, 0x00, 0x7f, 0x49, 2, 0x86, 0, 0x5f, 0xc1, 0x02, 0x81, 1, 0xbb};
	const uint8_t *p = good, *end = good + sizeof(good);
	uint8_t header[5];
	struct tlv t;

	(void)state;
	assert_int_equal(tlv_next(&t, &p, end), 1);
	assert_int_equal(t.tag, 0x4f);
	assert_int_equal(tlv_next(&t, &p, end), 1);
	assert_int_equal(t.tag, 0x7f49);
	assert_int_equal(t.len, 2);
	assert_int_equal(tlv_next(&t, &p, end), 1);
	assert_int_equal(t.tag, 0x5fc102);
	assert_int_equal(t.value[0], 0xbb);
	assert_int_equal(tlv_next(&t, &p, end), 0);
	assert_int_equal(tlv_find(&t, good, sizeof(good), 0x5fc102), 0);
	assert_int_equal(tlv_find(&t, good, sizeof(good), 0x5f), -ENOENT);
	/* every cut is found, but between two objects */
	for (size_t i = 1; i < sizeof(good); i++)
		assert_int_equal(tlv_find(&t, good, i, 0x5fc102), i == 4 || i == 5 || i == 10 || i == 1 ? -ENOENT : -EBADMSG);
	assert_int_equal(tlv_find(&t, (const uint8_t *)"\x53\x80\x00\x00", 4, 0x53), -EBADMSG); /* indefinite */
	assert_int_equal(tlv_find(&t, (const uint8_t *)"\x53\x84\x00\x00\x00\x00", 6, 0x53), -EBADMSG);
	assert_int_equal(tlv_find(&t, (const uint8_t *)"\x53\x83\xff\xff\xff\x00", 6, 0x53), -EBADMSG);
	assert_int_equal(tlv_find(&t, (const uint8_t *)"\x5f\xff\xff\xff\x01\x00", 6, 0x53), -EBADMSG);
	assert_int_equal(tlv_put_header(header, 0x5fc102, 5), 4);
	assert_memory_equal(header, "\x5f\xc1\x02\x05", 4);
	assert_int_equal(tlv_put_header(header, 0x86, 32), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short_cases),
		cmocka_unit_test(test_answer_in_parts),
		cmocka_unit_test(test_long_commands),
		cmocka_unit_test(test_broken_answers),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_status_words),
		cmocka_unit_test(test_tlv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
