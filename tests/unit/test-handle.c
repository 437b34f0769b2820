/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sodium.h>

#include "common/handle.h"

/* Made by Python's hashlib for the public key 00 01 .. 1f: blake2b(digest_size = 32), as common/handle.h says. */
static const struct vector {
	uint8_t kind, slot;
	const char *text;
} vectors[] = {
	{ 2, 0, "wgfido/resident/AgAXmEs1bjbvukR5djn7rg5IJ60=" },
	{ 3, 0x9d, "wgfido/resident/A50XmEs1bjbvukR5djn7ruKoQxw=" },
};
#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static void sample(uint8_t ret[static KEY_SIZE])
{
	for (size_t i = 0; i < KEY_SIZE; i++)
		ret[i] = (uint8_t)i;
}

static void test_vectors(void **state)
{
	uint8_t public_key[KEY_SIZE], bytes[KEY_SIZE];
	char text[KEY_BASE64_SIZE];
	struct handle h;

	(void)state;
	sample(public_key);
	for (size_t i = 0; i < N_VECTORS; i++) {
		handle_make(bytes, vectors[i].kind, vectors[i].slot, public_key);
		key_to_base64(text, bytes);
		assert_string_equal(text, vectors[i].text);
		assert_int_equal(handle_parse(&h, bytes), 0);
		assert_int_equal(h.kind, vectors[i].kind);
		assert_int_equal(h.slot, vectors[i].slot);
	}
}

static void test_prefix(void **state)
{
	uint8_t key[KEY_SIZE];
	char text[KEY_BASE64_SIZE];

	(void)state;
	for (unsigned int i = 0; i < 64; i++) {
		randombytes_buf(key, sizeof(key));
		handle_make(key, (uint8_t)(i % 3 + 1), (uint8_t)i, key);
		key_to_base64(text, key);
		assert_memory_equal(text, HANDLE_TEXT_PREFIX, strlen(HANDLE_TEXT_PREFIX));
	}
}

static void test_matches(void **state)
{
	uint8_t public_key[KEY_SIZE], other[KEY_SIZE], bytes[KEY_SIZE];

	(void)state;
	sample(public_key);
	handle_make(bytes, 1, 3, public_key);
	assert_true(handle_matches(bytes, public_key));
	for (size_t i = 0; i < KEY_SIZE; i++) {
		memcpy(other, public_key, KEY_SIZE);
		other[i] ^= 1;
		assert_false(handle_matches(bytes, other));
	}
	bytes[KEY_SIZE - 1] ^= 1;
	assert_false(handle_matches(bytes, public_key));
}

static void test_every_bit_flip_is_found(void **state)
{
	uint8_t public_key[KEY_SIZE], bytes[KEY_SIZE];
	struct handle h;

	(void)state;
	sample(public_key);
	handle_make(bytes, 1, 0, public_key);
	for (size_t bit = 0; bit < KEY_SIZE * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(handle_parse(&h, bytes), bit < 12 * 8 ? -EINVAL : -EBADMSG);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(handle_parse(&h, bytes), 0);
}

static void test_kinds(void **state)
{
	uint8_t public_key[KEY_SIZE], bytes[KEY_SIZE];
	struct handle h;

	(void)state;
	sample(public_key);
	for (unsigned int kind = 0; kind < 256; kind++) {
		handle_make(bytes, (uint8_t)kind, 0, public_key);
		assert_int_equal(handle_parse(&h, bytes), kind >= 1 && kind <= 3 ? 0 : -EBADMSG);
	}
}

/* What stands where a private key is expected: also damaged, also after the kernel has clamped it. */
static void test_is_no_private_key(void **state)
{
	uint8_t public_key[KEY_SIZE], bytes[KEY_SIZE];
	struct secret *s = secret_new(SECRET_KEY_SIZE), *shorter = secret_new(KEY_SIZE - 1);

	(void)state;
	assert_non_null(s);
	assert_non_null(shorter);
	sample(public_key);
	handle_make(bytes, 3, 0x82, public_key);
	memcpy(secret_borrow_mut(s), bytes, KEY_SIZE);
	assert_true(handle_is_secret(s));
	secret_borrow_mut(s)[20] ^= 4;
	assert_true(handle_is_secret(s));
	secret_borrow_mut(s)[0] &= 248;
	secret_borrow_mut(s)[31] = (uint8_t)((secret_borrow(s)[31] & 127) | 64);
	assert_true(handle_is_secret(s));
	for (size_t bit = 3; bit < 12 * 8; bit++) {
		memcpy(secret_borrow_mut(s), bytes, KEY_SIZE);
		secret_borrow_mut(s)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(handle_is_secret(s));
	}
	memcpy(secret_borrow_mut(shorter), bytes, KEY_SIZE - 1);
	assert_false(handle_is_secret(shorter));
	assert_false(handle_is_secret(NULL));
	secret_fill_random(s);
	assert_false(handle_is_secret(s));
	secret_free(s);
	secret_free(shorter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_every_bit_flip_is_found),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_is_no_private_key),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
