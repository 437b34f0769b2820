/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sodium.h>

#include "common/encoding.h"

static void test_base64(void **state)
{
	uint8_t key[KEY_SIZE], back[KEY_SIZE];
	char ours[KEY_BASE64_SIZE], theirs[KEY_BASE64_SIZE];

	(void)state;
	/* every character, and libsodium's encoder as the judge of ours */
	for (unsigned int round = 0; round < 256; round++) {
		for (unsigned int i = 0; i < KEY_SIZE; i++)
			key[i] = (uint8_t)(round + i * 37);
		key_to_base64(ours, key);
		sodium_bin2base64(theirs, sizeof(theirs), key, sizeof(key), sodium_base64_VARIANT_ORIGINAL);
		assert_string_equal(ours, theirs);
		assert_int_equal(key_from_base64(back, ours), 0);
		assert_true(key_equal(key, back));
	}
}

static void test_base64_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"AAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",	  /* no padding */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",	  /* 33 bytes */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",	  /* 31 bytes */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ",
		" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",	  /* bits behind the last byte */
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-=",	  /* the other alphabet */
		"AAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAA=",
		"AAAA=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	};
	uint8_t key[KEY_SIZE], before[KEY_SIZE];
	struct secret *s = NULL;

	(void)state;
	memset(before, 0xaa, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(key, 0xaa, sizeof(key));
		assert_int_equal(key_from_base64(key, bad[i]), -EINVAL);
		assert_true(key_equal(key, before));
		assert_int_equal(secret_from_base64(&s, bad[i], strlen(bad[i])), -EINVAL);
		assert_null(s);
	}
}

/* Every byte at one place: the alphabet and nothing else, bytes of 0x80 and above in particular. */
static void test_base64_alphabet(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[KEY_BASE64_SIZE] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	uint8_t key[KEY_SIZE];

	(void)state;
	for (int c = 1; c < 256; c++) {
		text[21] = (char)c;
		assert_int_equal(key_from_base64(key, text), strchr(alphabet, c) ? 0 : -EINVAL);
	}
}

static void test_hex(void **state)
{
	uint8_t key[KEY_SIZE], back[KEY_SIZE];
	char ours[KEY_HEX_SIZE], theirs[KEY_HEX_SIZE];

	(void)state;
	for (unsigned int round = 0; round < 256; round += 8) {
		for (unsigned int i = 0; i < KEY_SIZE; i++)
			key[i] = (uint8_t)(round + i);
		key_to_hex(ours, key);
		sodium_bin2hex(theirs, sizeof(theirs), key, sizeof(key));
		assert_string_equal(ours, theirs);
		assert_int_equal(key_from_hex(back, ours), 0);
		assert_true(key_equal(key, back));
	}
	ours[0] = 'g';
	assert_int_equal(key_from_hex(back, ours), -EINVAL);
	ours[0] = 'A'; /* upper case is read, though never written */
	assert_int_equal(key_from_hex(back, ours), 0);
	ours[63] = '\0';
	assert_int_equal(key_from_hex(back, ours), -EINVAL);
	assert_int_equal(key_from_hex(back, ""), -EINVAL);
}

/* The text of a secret stands in a buffer of its exact size, without a NUL. */
static void test_secret_text(void **state)
{
	_cleanup_secret_ struct secret *key = secret_new(SECRET_KEY_SIZE), *base64 = secret_new(KEY_BASE64_SIZE - 1),
				       *hex = secret_new(KEY_HEX_SIZE - 1), *back = NULL;
	char public_text[KEY_BASE64_SIZE];

	(void)state;
	secret_fill_random(key);
	secret_to_base64((char *)secret_borrow_mut(base64), key);
	key_to_base64(public_text, secret_key(key));
	assert_memory_equal(secret_borrow(base64), public_text, KEY_BASE64_SIZE - 1);
	assert_int_equal(secret_from_base64(&back, (const char *)secret_borrow(base64), secret_len(base64)), 0);
	assert_true(secret_equal(back, key));
	back = secret_free(back);
	secret_to_hex((char *)secret_borrow_mut(hex), key);
	assert_int_equal(secret_from_hex(&back, (const char *)secret_borrow(hex), secret_len(hex)), 0);
	assert_true(secret_equal(back, key));
	back = secret_free(back);
	assert_int_equal(secret_from_hex(&back, (const char *)secret_borrow(hex), secret_len(hex) - 1), -EINVAL);
	assert_null(back);
}

static void test_key_compare(void **state)
{
	uint8_t a[KEY_SIZE] = { 0 }, b[KEY_SIZE] = { 0 };

	(void)state;
	assert_true(key_equal(a, b));
	assert_true(key_is_zero(a));
	for (size_t i = 0; i < KEY_SIZE; i++) {
		b[i] = 0x80;
		assert_false(key_equal(a, b));
		assert_false(key_is_zero(b));
		b[i] = 0;
	}
}

static void test_duration_parse(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t seconds;
	} cases[] = {
		{ "8h", 0, 28800 },
		{ "90m", 0, 5400 },
		{ "1h30m", 0, 5400 },
		{ "45s", 0, 45 },
		{ "2d", 0, 172800 },
		{ "1d2h3m4s", 0, 93784 },
		{ "3600", 0, 3600 },
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551615m", -ERANGE, 0 },
		{ "18446744073709551615s", 0, UINT64_MAX },
		{ "1m18446744073709551615s", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "h", -EINVAL, 0 },
		{ "8", 0, 8 },
		{ "8x", -EINVAL, 0 },
		{ "-8h", -EINVAL, 0 },
		{ "+8h", -EINVAL, 0 },
		{ "8 h", -EINVAL, 0 },
		{ "8h ", -EINVAL, 0 },
		{ "1h30", -EINVAL, 0 },
		{ "30m1h", -EINVAL, 0 },
		{ "1h1h", -EINVAL, 0 },
		{ "0h5", -EINVAL, 0 },
		{ "1.5h", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t seconds = 0;

		assert_int_equal(duration_parse(&seconds, cases[i].text), cases[i].r);
		assert_int_equal(seconds, cases[i].seconds);
	}
}

static void test_duration_format(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "0 s" },
		{ 45, "45 s" },
		{ 28800, "8 h" },
		{ 5400, "1 h 30 min" },
		{ 86400, "1 d" },
		{ 93784, "1 d 2 h 3 min 4 s" },
		{ 3601, "1 h 1 s" },
	};
	char buf[32], tiny[4];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(duration_format(buf, sizeof(buf), cases[i].seconds), cases[i].text);
	assert_string_equal(duration_format(tiny, sizeof(tiny), 93784), "1 d");
	duration_format(buf, sizeof(buf), UINT64_MAX);
	assert_true(strlen(buf) < sizeof(buf));
}

static void test_ifname(void **state)
{
	static const char *const good[] = { "wg0", "a", "office-vpn", "a.b", "x_y=z+1", "123456789012345", "..." };
	static const char *const bad[] = { "", ".", "..", "1234567890123456", "a/b", "a b", "../x", "a\n", "w\xc3\xa9", "a:b",
		"a%d" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(ifname_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(ifname_valid(bad[i]));
}

static void test_text(void **state)
{
	static const char *const good[] = { "", "Büro", "a b", "\xe2\x82\xac", "\xf0\x9f\x94\x91", "\xc2\xa0",
		"\xf4\x8f\xbf\xbf", "\xed\x9f\xbf" };
	static const char *const bad[] = {
		"a\n", "\t", "\x7f", "\x1b[31m", "\xc2\x9b", /* CSI in one character */
		"\xff", "\x80", "a\xc3", "\xc0\xaf", "\xc1\xbf",		  /* cut, overlong */
		"\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", /* overlong, surrogate, too high */
		"\xf5\x80\x80\x80", "\xe2\x82", "\xf0\x9f\x94", "\xe2\x82!",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(text_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_valid(bad[i]));
}

static void test_text_mend(void **state)
{
	char buf[8] = "";

	(void)state;
	/* As snprintf cuts. */
	memcpy(buf, "Sch\xc3\xbc\xc3", 7);
	text_mend_utf8(buf);
	assert_string_equal(buf, "Sch\xc3\xbc?");
	memcpy(buf, "\xff\xe2\x82z", 5);
	text_mend_utf8(buf);
	assert_string_equal(buf, "???z");
	memcpy(buf, "a\n\xc3\xa9", 5);
	text_mend_utf8(buf);
	assert_string_equal(buf, "a\n\xc3\xa9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_refused),
		cmocka_unit_test(test_base64_alphabet),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_secret_text),
		cmocka_unit_test(test_key_compare),
		cmocka_unit_test(test_duration_parse),
		cmocka_unit_test(test_duration_format),
		cmocka_unit_test(test_ifname),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_mend),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
