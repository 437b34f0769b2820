/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tunnel/unreachable: what is answered byte for byte, as independent code has it, and what is not. */
#include "tests/unit/unit.h"

#include "tests/unit/offload-packets.h"
#include "tunnel/unreachable.h"

#define IP4 20
#define IP6 40
#define ICMP 8

/* A SYN from 10.8.0.1 to 10.8.0.99. */
static const uint8_t packet4[] = {
	0x45, 0x10, 0x00, 0x28, 0x77, 0x77, 0x40, 0x00, 0x40, 0x06, 0xae, 0xd5, 0x0a, 0x08, 0x00, 0x01,
	0x0a, 0x08, 0x00, 0x63, 0xc0, 0x01, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00,
	0x50, 0x02, 0xfa, 0xf0, 0x12, 0x34, 0x00, 0x00,
};
static const uint8_t answer4[] = {
	0x45, 0xc0, 0x00, 0x44, 0x00, 0x00, 0x40, 0x00, 0x40, 0x01, 0x25, 0x86, 0x0a, 0x08, 0x00, 0x63,
	0x0a, 0x08, 0x00, 0x01, 0x03, 0x01, 0xdb, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x45, 0x10, 0x00, 0x28,
	0x77, 0x77, 0x40, 0x00, 0x40, 0x06, 0xae, 0xd5, 0x0a, 0x08, 0x00, 0x01, 0x0a, 0x08, 0x00, 0x63,
	0xc0, 0x01, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x50, 0x02, 0xfa, 0xf0,
	0x12, 0x34, 0x00, 0x00,
};
/* UDP, three bytes, from fd08::1 to fd08::63. */
static const uint8_t packet6[] = {
	0x60, 0x01, 0x23, 0x45, 0x00, 0x0b, 0x11, 0x40, 0xfd, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xfd, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x63, 0x0f, 0xa0, 0x00, 0x35, 0x00, 0x0b, 0xab, 0xcd,
	0x61, 0x62, 0x63,
};
static const uint8_t answer6[] = {
	0x60, 0x00, 0x00, 0x00, 0x00, 0x3b, 0x3a, 0x40, 0xfd, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x63, 0xfd, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x01, 0x03, 0xf4, 0xf9, 0x00, 0x00, 0x00, 0x00,
	0x60, 0x01, 0x23, 0x45, 0x00, 0x0b, 0x11, 0x40, 0xfd, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0xfd, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x63, 0x0f, 0xa0, 0x00, 0x35, 0x00, 0x0b, 0xab, 0xcd,
	0x61, 0x62, 0x63,
};

static uint8_t packet[66000], answer[UNREACHABLE_MAX];

static void test_bytes(void **state)
{
	(void)state;
	assert_int_equal(unreachable_answer(answer, packet4, sizeof(packet4)), sizeof(answer4));
	assert_memory_equal(answer, answer4, sizeof(answer4));
	assert_int_equal(unreachable_answer(answer, packet6, sizeof(packet6)), sizeof(answer6));
	assert_memory_equal(answer, answer6, sizeof(answer6));
}

/* As much as may be is quoted of a long packet, and a packet of any length leads to right checksums. */
static void test_long(void **state)
{
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(packet, packet4, sizeof(packet4));
	for (size_t len = IP4; len <= 65535; len += len < 1400 ? 1 : 3001) {
		n = unreachable_answer(answer, packet, len);
		assert_int_equal(n, len + IP4 + ICMP < 576 ? len + IP4 + ICMP : 576);
		assert_int_equal(answer[2] << 8 | answer[3], n);
		assert_int_equal(ref_sum(answer, IP4, 0), 0xffff);
		assert_int_equal(ref_sum(answer + IP4, n - IP4, 0), 0xffff);
		assert_memory_equal(answer + IP4 + ICMP, packet, n - IP4 - ICMP);
	}
	memcpy(packet, packet6, sizeof(packet6));
	for (size_t len = IP6; len <= 65575; len += len < 1400 ? 1 : 3001) {
		n = unreachable_answer(answer, packet, len);
		assert_int_equal(n, len + IP6 + ICMP < 1280 ? len + IP6 + ICMP : 1280);
		assert_int_equal((answer[4] << 8 | answer[5]) + IP6, n);
		assert_int_equal(ref_transport_sum(answer, IP6, n, 58), 0xffff);
		assert_memory_equal(answer + IP6 + ICMP, packet, n - IP6 - ICMP);
	}
}

static void with4(size_t at, uint8_t byte, bool answered)
{
	memcpy(packet, packet4, sizeof(packet4));
	packet[at] = byte;
	assert_int_equal(unreachable_answer(answer, packet, sizeof(packet4)) != 0, answered);
}

static void with6(size_t at, uint8_t byte, bool answered)
{
	memcpy(packet, packet6, sizeof(packet6));
	packet[at] = byte;
	assert_int_equal(unreachable_answer(answer, packet, sizeof(packet6)) != 0, answered);
}

/* RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e): broadcast, multicast, loopback, nobody. */
static void test_addresses(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 256; i++) {
		const bool host = i != 0 && i != 127 && i < 224;

		with4(12, (uint8_t)i, host);
		with4(16, (uint8_t)i, host);
	}
	with6(8, 0xff, false);
	with6(24, 0xff, false);
	with6(24, 0xfe, true);
	for (unsigned int at = 8; at <= 24; at += 16) {
		for (unsigned int last = 0; last < 3; last++) {
			memcpy(packet, packet6, sizeof(packet6));
			memset(packet + at, 0, 16);
			packet[at + 15] = (uint8_t)last;
			assert_int_equal(unreachable_answer(answer, packet, sizeof(packet6)) != 0, last == 2);
		}
	}
}

static void test_fragments(void **state)
{
	(void)state;
	with4(6, 0x20, true); /* the first one */
	with4(6, 0x21, false);
	with4(7, 0x01, false);
	memcpy(packet, packet6, sizeof(packet6));
	packet[6] = 44;
	memcpy(packet + IP6, (const uint8_t[]){ 17, 0, 0, 1, 0, 0, 0, 9 }, 8);
	assert_true(unreachable_answer(answer, packet, sizeof(packet6)) > 0);
	packet[IP6 + 3] = 9;
	assert_int_equal(unreachable_answer(answer, packet, sizeof(packet6)), 0);
	packet[IP6 + 3] = 1;
	assert_int_equal(unreachable_answer(answer, packet, IP6 + 7), 0);
}

/* Never about an error; about questions it is one. */
static void test_errors(void **state)
{
	static const uint8_t errors4[] = { 3, 4, 5, 11, 12, 19, 40, 255 }, others4[] = { 0, 8, 9, 10, 13, 18 };
	static const uint8_t errors6[] = { 0, 1, 2, 3, 4, 100, 127, 137 }, others6[] = { 128, 129, 135, 136, 143 };
	static const uint8_t chain[][2] = { { 60, 0 }, { 43, 1 }, { 0, 2 }, { 51, 4 } }; /* header, its length field */

	(void)state;
	memcpy(packet, packet4, sizeof(packet4));
	packet[9] = 1;
	for (size_t i = 0; i < sizeof(errors4); i++) {
		packet[20] = errors4[i];
		assert_int_equal(unreachable_answer(answer, packet, sizeof(packet4)), 0);
	}
	for (size_t i = 0; i < sizeof(others4); i++) {
		packet[20] = others4[i];
		assert_true(unreachable_answer(answer, packet, sizeof(packet4)) > 0);
	}
	/* Behind options; cut off, nobody can tell. */
	packet[0] = 0x46;
	packet[24] = 3;
	assert_int_equal(unreachable_answer(answer, packet, sizeof(packet4)), 0);
	packet[24] = 8;
	assert_true(unreachable_answer(answer, packet, sizeof(packet4)) > 0);
	assert_int_equal(unreachable_answer(answer, packet, 24), 0);

	for (size_t n = 0; n <= sizeof(chain) / sizeof(*chain); n++) {
		size_t at = IP6;
		uint8_t *next;

		memcpy(packet, packet6, sizeof(packet6));
		next = packet + 6;
		for (size_t i = 0; i < n; i++) {
			*next = chain[i][0];
			memset(packet + at, 0, 64);
			next = packet + at;
			packet[at + 1] = chain[i][1];
			at += chain[i][0] == 51 ? (chain[i][1] + 2u) * 4 : (chain[i][1] + 1u) * 8;
		}
		*next = 58;
		for (size_t i = 0; i < sizeof(errors6); i++) {
			packet[at] = errors6[i];
			assert_int_equal(unreachable_answer(answer, packet, at + 8), 0);
		}
		for (size_t i = 0; i < sizeof(others6); i++) {
			packet[at] = others6[i];
			assert_true(unreachable_answer(answer, packet, at + 8) > 0);
		}
		for (size_t len = 0; len <= at; len++)
			assert_int_equal(unreachable_answer(answer, packet, len), 0);
	}
	/* More headers than anybody needs. */
	memcpy(packet, packet6, sizeof(packet6));
	packet[6] = 60;
	memset(packet + IP6, 0, 200);
	for (size_t at = IP6; at < IP6 + 160; at += 8)
		packet[at] = 60;
	assert_int_equal(unreachable_answer(answer, packet, IP6 + 200), 0);
}

static void test_no_packets(void **state)
{
	(void)state;
	for (size_t len = 0; len < IP4; len++)
		assert_int_equal(unreachable_answer(answer, packet4, len), 0);
	for (size_t len = 0; len < IP6; len++)
		assert_int_equal(unreachable_answer(answer, packet6, len), 0);
	with4(0, 0x44, false);
	with4(0, 0x4f, false); /* longer than it is */
	with4(0, 0x55, false);
	with6(0, 0x00, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_no_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
