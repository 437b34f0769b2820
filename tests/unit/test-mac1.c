/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Handshake messages as they are seen without a secret, and token buckets. The messages were made by independent code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "daemon/bucket.h"
#include "daemon/mac1.h"

/*
 * python3: m = type || 00 00 00 || the bytes 04, 05, 06 ...; mac1 = blake2s(m, key = blake2s(b"mac1----" + bytes(range(0x80, 0xa0))),
 * digest_size = 16)
 */
static const uint8_t initiation_mac1[MAC1_SIZE] = {
	0x88, 0x4a, 0xce, 0x3c, 0x88, 0xec, 0xe0, 0x87, 0x2e, 0x78, 0x48, 0x8d, 0x60, 0x0d, 0xa7, 0x60 };
static const uint8_t response_mac1[MAC1_SIZE] = {
	0x54, 0x3c, 0x5a, 0x96, 0xe4, 0xb3, 0xfe, 0xa4, 0x87, 0x1d, 0x30, 0xc1, 0x17, 0xb0, 0x08, 0x01 };

static void make(uint8_t message[static MAC1_INITIATION_SIZE], uint8_t receiver[static KEY_SIZE], enum mac1_type type)
{
	const size_t body = type == MAC1_INITIATION ? 116 : 60;

	for (size_t i = 0; i < KEY_SIZE; i++)
		receiver[i] = (uint8_t)(0x80 + i);
	memset(message, 0, MAC1_INITIATION_SIZE);
	message[0] = (uint8_t)type;
	for (size_t i = 4; i < body; i++)
		message[i] = (uint8_t)i;
	memcpy(message + body, type == MAC1_INITIATION ? initiation_mac1 : response_mac1, MAC1_SIZE);
}

static void test_right(void **state)
{
	uint8_t message[MAC1_INITIATION_SIZE], receiver[KEY_SIZE], ephemeral[KEY_SIZE], mac1[MAC1_SIZE];

	(void)state;
	make(message, receiver, MAC1_INITIATION);
	assert_int_equal(mac1_check(ephemeral, mac1, MAC1_INITIATION, message, MAC1_INITIATION_SIZE, receiver), 0);
	assert_memory_equal(ephemeral, message + 8, KEY_SIZE);
	assert_memory_equal(mac1, initiation_mac1, MAC1_SIZE);
	make(message, receiver, MAC1_RESPONSE);
	assert_int_equal(mac1_check(ephemeral, mac1, MAC1_RESPONSE, message, MAC1_RESPONSE_SIZE, receiver), 0);
	assert_memory_equal(ephemeral, message + 12, KEY_SIZE);
	assert_memory_equal(mac1, response_mac1, MAC1_SIZE);
}

static void test_every_flip_and_cut(void **state)
{
	static const struct {
		enum mac1_type type;
		size_t size, covered;
	} kinds[] = {{MAC1_INITIATION, MAC1_INITIATION_SIZE, 132}, {MAC1_RESPONSE, MAC1_RESPONSE_SIZE, 76}};
	uint8_t message[MAC1_INITIATION_SIZE], receiver[KEY_SIZE], ephemeral[KEY_SIZE], mac1[MAC1_SIZE];

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		make(message, receiver, kinds[k].type);
		for (size_t i = 0; i < kinds[k].size * 8; i++) {
			message[i / 8] ^= (uint8_t)(1u << (i % 8));
			/* mac2 is not looked at. */
			assert_int_equal(mac1_check(ephemeral, mac1, kinds[k].type, message, kinds[k].size, receiver),
				i / 8 < kinds[k].covered ? -EBADMSG : 0);
			message[i / 8] ^= (uint8_t)(1u << (i % 8));
		}
		for (size_t len = 0; len < kinds[k].size; len++)
			assert_int_equal(mac1_check(ephemeral, mac1, kinds[k].type, message, len, receiver), -EBADMSG);
		receiver[31] ^= 1;
		assert_int_equal(mac1_check(ephemeral, mac1, kinds[k].type, message, kinds[k].size, receiver), -EBADMSG);
	}
}

static void test_bucket(void **state)
{
	struct bucket b;
	uint64_t now = 1000;

	(void)state;
	bucket_init(&b, 3, now);
	for (int i = 0; i < 3; i++)
		assert_true(bucket_take(&b, 3, 100, now));
	assert_false(bucket_take(&b, 3, 100, now));
	assert_false(bucket_take(&b, 3, 100, now + 99));
	assert_true(bucket_take(&b, 3, 100, now + 100));
	assert_false(bucket_take(&b, 3, 100, now + 199));
	assert_true(bucket_take(&b, 3, 100, now + 200));
	/* Not more than it holds, however long it was. */
	now = UINT64_MAX - 1;
	for (int i = 0; i < 3; i++)
		assert_true(bucket_take(&b, 3, 100, now));
	assert_false(bucket_take(&b, 3, 100, now));
	/* Back in time there is nothing, and no way to overflow. */
	assert_false(bucket_take(&b, 3, 100, 0));
	assert_false(bucket_take(&b, 3, 1, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_every_flip_and_cut),
		cmocka_unit_test(test_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
