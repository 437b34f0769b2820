/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include "token/x25519/message.h"

static const uint8_t sealed[54] = {1, 2, 3};

/* One of each, with what is not of its op left zero. */
static const struct x25519_request requests[] = {
	{.op = X25519_HELLO, .nonce = "12345678"},
	{.op = X25519_PUBLIC, .slot = 31},
	{.op = X25519_GENERATE, .slot = 1, .touch = X25519_TOUCH_CACHED, .cached_seconds = 0x1234},
	{.op = X25519_GENERATE, .slot = 2, .touch = X25519_TOUCH_NEVER, .open = true},
	{.op = X25519_IMPORT, .slot = 3, .touch = X25519_TOUCH_ALWAYS, .key = {5, 6, 7, [31] = 8}},
	{.op = X25519_DH, .slot = 4, .key = {9, [31] = 10}},
	{.op = X25519_ERASE, .slot = 5},
	{.op = X25519_PAIR, .key = {11, [31] = 12}},
	{.op = X25519_CHANNEL, .version = 1, .host = 3, .handshake = {1, [47] = 2}},
	{.op = X25519_SEALED, .sealed = sealed, .sealed_len = 54},
	{.op = X25519_SEALED, .sealed = sealed, .sealed_len = 17},
	{.op = X25519_UNPAIR, .host = 7},
};
static const uint8_t request_lengths[] = {9, 2, 6, 6, 38, 34, 2, 33, 51, 55, 18, 2};

static const struct x25519_answer answers[] = {
	{.op = X25519_HELLO, .nonce = "abcdefgh",
		.hello = {1, 2, 0x80000007u, 8, 4, 0x81, {1, [31] = 2}}},
	{.op = X25519_PUBLIC, .info = {7, true, 3, X25519_TOUCH_CACHED, 60, {1, [31] = 2}}},
	{.op = X25519_GENERATE, .info = {0, false, X25519_NO_HOST, X25519_TOUCH_NEVER, 0, {3}}},
	{.op = X25519_IMPORT, .info = {1, true, 0, X25519_TOUCH_ALWAYS, 0, {4}}},
	{.op = X25519_DH, .shared = {5, [31] = 6}},
	{.op = X25519_ERASE},
	{.op = X25519_PAIR, .host = 2, .token_public = {7, [31] = 8}},
	{.op = X25519_CHANNEL, .handshake = {9, [47] = 10}},
	{.op = X25519_SEALED, .sealed = sealed, .sealed_len = 54},
	{.op = X25519_UNPAIR},
	{.op = X25519_DH, .status = X25519_SLOT_EMPTY},
};
static const uint8_t answer_lengths[] = {54, 39, 39, 39, 34, 2, 35, 50, 56, 2, 2};

#define N(array) (sizeof(array) / sizeof(*(array)))

static void test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(requests); i++) {
		uint8_t buf[X25519_MESSAGE_MAX + 1] = {0}, again[X25519_MESSAGE_MAX];
		struct x25519_request r;
		size_t len = x25519_request_encode(buf, &requests[i]);

		assert_int_equal(len, request_lengths[i]);
		assert_int_equal(x25519_request_decode(&r, buf, len), X25519_OK);
		assert_int_equal(r.op, requests[i].op);
		if (r.op == X25519_SEALED) {
			assert_ptr_equal(r.sealed, buf + 1);
			assert_memory_equal(r.sealed, sealed, r.sealed_len);
		} else {
			assert_memory_equal(&r, &requests[i], sizeof(r));
		}
		assert_int_equal(x25519_request_encode(again, &r), len);
		assert_memory_equal(again, buf, len);
		for (size_t cut = 0; cut <= X25519_MESSAGE_MAX + 1; cut++) {
			bool fits = r.op == X25519_SEALED ? cut >= 18 && cut <= X25519_MESSAGE_MAX : cut == len;

			assert_int_equal(x25519_request_decode(&r, buf, cut), fits ? X25519_OK : X25519_BAD_LENGTH);
		}
	}
}

static void test_bytes(void **state)
{
	static const uint8_t expected[] = {0x03, 1, 1, 0x34, 0x12, 0};
	uint8_t buf[X25519_MESSAGE_MAX];

	(void)state;
	assert_int_equal(x25519_request_encode(buf, &requests[2]), sizeof(expected));
	assert_memory_equal(buf, expected, sizeof(expected));
	x25519_answer_encode(buf, &answers[0]);
	assert_memory_equal(buf, "\x01\x00" "abcdefgh" "\x01\x02\x07\x00\x00\x80\x08\x04\x81\x00\x00\x00\x01", 23);
}

static void test_bad_requests(void **state)
{
	static const uint8_t bad_policies[][4] = {{3, 0, 0, 0}, {0, 1, 0, 0}, {1, 0, 0, 0}, {2, 0, 1, 0}, {0, 0, 0, 2}, {255, 1, 0, 0}};
	struct x25519_request r, untouched;
	uint8_t buf[X25519_MESSAGE_MAX] = {0};

	(void)state;
	memset(&untouched, 0xa5, sizeof(untouched));
	r = untouched;
	for (unsigned int op = 0; op < 256; op++) {
		buf[0] = (uint8_t)op;
		if (op < X25519_HELLO || op > X25519_UNPAIR)
			assert_int_equal(x25519_request_decode(&r, buf, 33), X25519_UNKNOWN_OP);
	}
	for (size_t i = 0; i < N(bad_policies); i++) {
		buf[0] = X25519_GENERATE;
		memcpy(buf + 2, bad_policies[i], 4);
		assert_int_equal(x25519_request_decode(&r, buf, 6), X25519_BAD_PARAMETER);
		buf[0] = X25519_IMPORT;
		assert_int_equal(x25519_request_decode(&r, buf, 38), X25519_BAD_PARAMETER);
	}
	assert_memory_equal(&r, &untouched, sizeof(r));

	/* what cannot be said */
	r = (struct x25519_request){.op = (enum x25519_op)11};
	assert_int_equal(x25519_request_encode(buf, &r), 0);
	r = (struct x25519_request){.op = X25519_GENERATE, .touch = X25519_TOUCH_CACHED};
	assert_int_equal(x25519_request_encode(buf, &r), 0);
	r = (struct x25519_request){.op = X25519_SEALED, .sealed = sealed, .sealed_len = 57};
	assert_int_equal(x25519_request_encode(buf, &r), 0);
	r.sealed_len = 16;
	assert_int_equal(x25519_request_encode(buf, &r), 0);
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(answers); i++) {
		uint8_t buf[X25519_MESSAGE_MAX + 1] = {0}, again[X25519_MESSAGE_MAX];
		enum x25519_op op = answers[i].op;
		struct x25519_answer a;
		size_t len = x25519_answer_encode(buf, &answers[i]);

		assert_int_equal(len, answer_lengths[i]);
		assert_true(x25519_answer_decode(&a, op, buf, len));
		if (op == X25519_SEALED)
			assert_memory_equal(a.sealed, sealed, a.sealed_len);
		else
			assert_memory_equal(&a, &answers[i], sizeof(a));
		assert_int_equal(x25519_answer_encode(again, &a), len);
		assert_memory_equal(again, buf, len);
		for (size_t cut = 0; cut <= X25519_MESSAGE_MAX + 1; cut++) {
			bool fits = op == X25519_SEALED ? cut >= 20 && cut <= X25519_MESSAGE_MAX : cut == len;

			assert_int_equal(x25519_answer_decode(&a, op, buf, cut), fits);
		}
		/* an answer to another request */
		for (unsigned int other = 0; other < 16; other++)
			assert_int_equal(x25519_answer_decode(&a, (enum x25519_op)other, buf, len), other == (unsigned int)op);
	}
}

static void assert_refused(const struct x25519_answer *good, size_t at, uint8_t value)
{
	static const struct x25519_answer zero;
	uint8_t buf[X25519_MESSAGE_MAX];
	struct x25519_answer a;
	size_t len = x25519_answer_encode(buf, good);

	buf[at] = value;
	assert_false(x25519_answer_decode(&a, good->op, buf, len));
	assert_memory_equal(&a, &zero, sizeof(a));
}

static void test_bad_answers(void **state)
{
	uint8_t error[] = {X25519_DH, 0xee};
	struct x25519_answer a;

	(void)state;
	assert_refused(&answers[0], 10, 0);  /* versions from 0 */
	assert_refused(&answers[0], 10, 3);  /* oldest beyond newest */
	assert_refused(&answers[0], 16, 33); /* slots */
	assert_refused(&answers[0], 17, 33); /* hosts */
	assert_refused(&answers[0], 19, 1);  /* a key in a slot it has not got */
	assert_refused(&answers[1], 2, 32);
	assert_refused(&answers[1], 3, 3);
	assert_refused(&answers[1], 3, 0x41);
	assert_refused(&answers[1], 3, X25519_TOUCH_ALWAYS); /* with seconds */
	assert_refused(&answers[1], 4, 32);
	assert_refused(&answers[6], 2, 32);
	/* of a later version, perhaps */
	assert_true(x25519_answer_decode(&a, X25519_DH, error, 2));
	assert_int_equal(a.status, X25519_INTERNAL);
}

static void test_zero(void **state)
{
	uint8_t key[X25519_KEY_SIZE] = {0};

	(void)state;
	assert_true(x25519_is_zero(key));
	for (size_t bit = 0; bit < 256; bit++) {
		key[bit / 8] = (uint8_t)(1u << (bit % 8));
		assert_false(x25519_is_zero(key));
		key[bit / 8] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
