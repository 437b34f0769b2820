/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "client/wgconf.h"

#define K1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define K2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct secret *key_of(uint8_t byte)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	assert_non_null(s);
	memset(secret_borrow_mut(s), byte, SECRET_KEY_SIZE);
	return s;
}

static bool contains(const char *text, size_t len, const char *what)
{
	return memmem(text, len, what, strlen(what));
}

/* Out and back gives the same bytes, and nothing of the key stays in between. */
static void round_trip(const char *text)
{
	struct secret *key = NULL, *expected = key_of(1);
	size_t len = strlen(text), taken_len, back_len;
	char *taken, *back;
	unsigned int line;
	struct wgconf c;

	assert_int_equal(wgconf_scan(&c, text, len), 0);
	assert_int_equal(wgconf_may_take(&c, &line), WGCONF_FINE);
	assert_int_equal(line, 0);
	assert_int_equal(wgconf_key(&key, &c, text), 0);
	assert_true(secret_equal(key, expected));
	assert_int_equal(wgconf_take(&taken, &taken_len, &c, text, len), 0);
	assert_false(contains(taken, taken_len, K1));
	assert_int_equal(taken[taken_len], 0);
	wgconf_clear(&c);

	assert_int_equal(wgconf_scan(&c, taken, taken_len), 0);
	assert_int_equal(wgconf_may_take(&c, &line), WGCONF_NO_KEY);
	assert_int_equal(c.n_held, 1);
	assert_int_equal(wgconf_put(&back, &back_len, &c, taken, taken_len, key), 0);
	assert_int_equal(back_len, len);
	assert_memory_equal(back, text, len);
	wgconf_clear(&c);
	sodium_free(taken);
	sodium_free(back);
	secret_free(key);
	secret_free(expected);
}

static void test_round_trips(void **state)
{
	(void)state;
	round_trip("[Interface]\nPrivateKey = " K1 "\n[Peer]\nPublicKey = " K2 "\n");
	round_trip("[Interface]\nPrivateKey = " K1);
	round_trip("[Interface]\r\nAddress = 10.0.0.1\r\nPrivateKey=" K1 "\r\n\r\n[Peer]\r\nPublicKey = " K2);
	round_trip("# top\n\n  [INTERFACE]  # here\n\t privatekey\t=  " K1 "   # mine\nPostUp = echo '[Peer]'\n");
	round_trip("[Interface]\nPrivateKey=" K1 "#" K2 "\n");
	round_trip("[ Inter face ]\nPrivate Key = " K1 "\n");
	round_trip("[Peer]\nPublicKey=" K2 "\n[Interface]\nPrivateKey=" K1 "\n[Peer]\nPublicKey=" K2 "\n");
	round_trip("[Interface]\nSaveConfig = FALSE\nPrivateKey=" K1 "\n");
	/* A comment that only looks like ours. */
	round_trip("[Interface]\n#wgfido# PrivateKey = elsewhere\n#PrivateKey = " K2 "\nPrivateKey=" K1 "\n");
	round_trip("[Interface]\nPrivateKey=" K1 " # (held by wgfido)\n");
}

static void refused(const char *text, enum wgconf_problem problem, unsigned int line)
{
	unsigned int at;
	struct wgconf c;

	assert_int_equal(wgconf_scan(&c, text, strlen(text)), 0);
	assert_int_equal(wgconf_may_take(&c, &at), problem);
	assert_int_equal(at, line);
	assert_true(strlen(wgconf_problem_words(problem)) > 0);
	wgconf_clear(&c);
}

static void test_refusals(void **state)
{
	struct wgconf c;
	unsigned int line;

	(void)state;
	refused("", WGCONF_NO_INTERFACE, 0);
	refused("PrivateKey = " K1 "\n", WGCONF_NO_INTERFACE, 0);
	refused("[Interface]\n# PrivateKey = " K1 "\n", WGCONF_NO_KEY, 0);
	refused("[Interface]\nPrivateKey = " K1 "\nprivatekey=" K2 "\n", WGCONF_SEVERAL_KEYS, 3);
	refused("[Interface]\nPrivateKey = " K1 "\n[Interface]\nPrivateKey=" K2 "\n", WGCONF_SEVERAL_KEYS, 4);
	refused("[Interface]\n[Peer]\nPrivateKey = " K1 "\n", WGCONF_KEY_MISPLACED, 3);
	refused("[Interface]\nSaveConfig = True\nPrivateKey = " K1 "\n", WGCONF_SAVES, 2);
	refused("[Interface]\nPrivateKey = " K1 "\n saveconfig=maybe # ?\n", WGCONF_SAVES, 3);

	assert_int_equal(wgconf_scan(&c, "[Interface]\nPrivate\0Key", 22), 0);
	assert_int_equal(wgconf_may_take(&c, &line), WGCONF_BINARY);
	wgconf_clear(&c);
}

static void test_bad_key(void **state)
{
	static const char *const texts[] = {
		"[Interface]\nPrivateKey = \n",
		"[Interface]\nPrivateKey = short\n",
		"[Interface]\nPrivateKey = AQEB AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n",
		"[Interface]\nPrivateKey = " K1 "x\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct secret *key = NULL;
		struct wgconf c;

		assert_int_equal(wgconf_scan(&c, texts[i], strlen(texts[i])), 0);
		assert_int_equal(c.n_keys, 1);
		assert_int_equal(wgconf_key(&key, &c, texts[i]), -EINVAL);
		assert_null(key);
		wgconf_clear(&c);
	}
}

static void put(const char *text, const char *expected, int result)
{
	struct secret *key = key_of(1);
	size_t len = 0;
	char *buf = NULL;
	struct wgconf c;

	assert_int_equal(wgconf_scan(&c, text, strlen(text)), 0);
	assert_int_equal(wgconf_put(&buf, &len, &c, text, strlen(text), key), result);
	if (expected) {
		assert_int_equal(len, strlen(expected));
		assert_memory_equal(buf, expected, len);
	}
	sodium_free(buf);
	wgconf_clear(&c);
	secret_free(key);
}

static void test_put_without_our_line(void **state)
{
	(void)state;
	put("[Interface]\nMTU = 1\n", "[Interface]\nPrivateKey = " K1 "\nMTU = 1\n", 0);
	put("[Interface]\r\nMTU = 1\r\n", "[Interface]\r\nPrivateKey = " K1 "\r\nMTU = 1\r\n", 0);
	put("[Interface]", "[Interface]\nPrivateKey = " K1 "\n", 0);
	put("[Interface]\nPrivateKey = " K2 "\n", NULL, -EEXIST);
	put("[Peer]\n", NULL, -EBADMSG);
	/* Our line was moved to where wg would not read it. */
	put("[Interface]\n[Peer]\n#wgfido# PrivateKey = (held by wgfido)\n", NULL, -EBADMSG);
}

static void test_peers(void **state)
{
	static const char text[] = "[Interface]\n[Peer]\nPublicKey = " K1 " # one\npresharedkey=" ZERO "\n"
				   "[peer]\npublickey=" K2 "\nPresharedKey = " K1 "\n[Peer]\nPublicKey = bad\n";
	struct wgconf c;
	uint8_t expected[KEY_SIZE];

	(void)state;
	assert_int_equal(wgconf_scan(&c, text, strlen(text)), 0);
	assert_int_equal(c.n_peers, 3);
	memset(expected, 1, sizeof(expected));
	assert_true(c.peers[0].has_public_key);
	assert_memory_equal(c.peers[0].public_key, expected, KEY_SIZE);
	assert_true(c.peers[0].has_preshared_key && c.peers[0].preshared_key_is_zero);
	assert_int_equal(c.peers[1].line, 5);
	assert_true(c.peers[1].has_preshared_key && !c.peers[1].preshared_key_is_zero);
	assert_false(c.peers[2].has_public_key || c.peers[2].has_preshared_key);
	wgconf_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bad_key),
		cmocka_unit_test(test_put_without_our_line),
		cmocka_unit_test(test_peers),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
