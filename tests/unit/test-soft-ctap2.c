/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The authenticator's core with the time in our hand. tests/integration/test-softtoken.c has libfido2 as an
 * independent judge of formats and cryptography; here are the rules that a well-behaved host never meets.
 */
#include "tests/unit/soft-host.h"

static void test_commands(void **state)
{
	static const uint8_t unknown[] = {0x00, 0x03, 0x05, 0x09, 0x0a, 0x0c, 0x0d, 0x40, 0x41, 0xff};

	(void)state;
	host_begin(0);
	assert_int_equal(host_call_len(0, CTAP2_TOUCH_NONE), CTAP2_INVALID_LENGTH);
	for (size_t i = 0; i < sizeof(unknown); i++) {
		host_begin(unknown[i]);
		assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_COMMAND);
	}
	host_begin(NEXT);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_NOT_ALLOWED);
	host_begin(MAKE);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_CBOR);
	memset(host.request + 1, 0x80, sizeof(host.request) - 1);
	assert_int_equal(host_call_len(CTAP2_MESSAGE_MAX + 1, CTAP2_TOUCH_NONE), CTAP2_REQUEST_TOO_LARGE);
	host_begin(INFO);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_OK);
	assert_int_equal(host.n_saves, 0);
}

static void test_touch(void **state)
{
	static const uint8_t commands[] = {MAKE, SELECTION, RESET};

	(void)state;
	for (size_t i = 0; i < sizeof(commands); i++) {
		if (commands[i] == MAKE)
			host_put_make(0, 0, -7);
		else
			host_begin(commands[i]);
		assert_int_equal(host_call(CTAP2_TOUCH_NONE), -1);
		assert_int_equal(host.n_saves, 0);
		assert_int_equal(host_call(CTAP2_TOUCH_DENIED), CTAP2_OPERATION_DENIED);
		assert_int_equal(host_call(CTAP2_TOUCH_TIMEOUT), CTAP2_USER_ACTION_TIMEOUT);
		assert_int_equal(host_call(CTAP2_TOUCH_CANCELLED), CTAP2_KEEPALIVE_CANCEL);
		assert_int_equal(host.n_saves, 0);
	}
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_OK);
}

static void test_make_errors(void **state)
{
	(void)state;
	for (unsigned int skip = 1; skip < 16; skip++) {
		host_put_make(0, skip, -7);
		assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_MISSING_PARAMETER);
	}
	host_put_make(0, 0, -8);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_UNSUPPORTED_ALGORITHM);
	host_put_make(1, 0, -7);
	host_put_option(7, "rk", true);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_UNSUPPORTED_OPTION);
	host_put_make(1, 0, -7);
	host_put_option(7, "rk", false);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), -1);
	host_put_make(1, 0, -7);
	host_put_option(7, "up", false);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_OPTION);
	host_put_make(1, 0, -7);
	host_put_option(7, "uv", true);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_OPTION);
	host_put_make(1, 0, -7);
	writer_int(&host.w, 10);
	writer_int(&host.w, 1);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_PARAMETER);
	host_put_make(1, 0, -7);
	writer_int(&host.w, 6);
	writer_map(&host.w, 1);
	writer_text(&host.w, "credProtect");
	writer_int(&host.w, 4);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_OPTION);
	host_put_make(1, 0, -7);
	writer_int(&host.w, 7);
	writer_int(&host.w, 7);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_CBOR_UNEXPECTED_TYPE);
	/* the empty pinUvAuthParam of old hosts: a touch chooses the host.token */
	host_put_make(2, 0, -7);
	host_put_pin_param(8, "", 0, 1);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), -1);
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_PIN_NOT_SET);
	host_put_make(2, 0, -7);
	host_put_pin_param(8, host_hash, 32, 3);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_PARAMETER);
	host_put_make(1, 0, -7);
	writer_int(&host.w, 8);
	writer_bytes(&host.w, host_hash, 32);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_MISSING_PARAMETER);
	/* nothing is signed when the count cannot be kept */
	host_put_make(0, 0, -7);
	host.saves_fail = 1;
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_OTHER);
}

static void test_reset(void **state)
{
	uint8_t id[CREDENTIAL_ID_SIZE];

	(void)state;
	host_make_credential(id, 0);
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	host_begin(RESET);
	host.now = PLUGGED + 10 * US_PER_SEC + 1;
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_NOT_ALLOWED);
	host.now = PLUGGED - 1;
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_NOT_ALLOWED);
	host.now = PLUGGED + 10 * US_PER_SEC;
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), -1);
	assert_true(host.data.pin_set);
	host.saves_fail = 1;
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_OTHER);
	assert_true(host.data.pin_set); /* as on disk */
	host.saves_fail = 0;
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_OK);
	assert_false(host.data.pin_set);
	host_put_assert(0, id);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_NO_CREDENTIALS);
	host_forget();
}

static void test_silent_assertion(void **state)
{
	uint8_t id[CREDENTIAL_ID_SIZE];

	(void)state;
	host_make_credential(id, 0);
	host_put_assert(1, id);
	host_put_option(5, "up", false);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_OK);
	host_put_assert(1, id);
	host_put_option(5, "up", true);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), -1);
	host_put_assert(1, id);
	host_put_option(5, "rk", false);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_UNSUPPORTED_OPTION);
	host_put_assert(1, id);
	host_put_option(5, "uv", true);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_OPTION);
	host_make_credential(id, 3);
	host_put_assert(1, id);
	host_put_option(5, "up", false);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_NO_CREDENTIALS);
}

static int host_evaluate(const uint8_t *id, size_t salts_len, int spoil, bool up)
{
	uint8_t salts[64] = {1}, sealed[PINAUTH_CIPHERTEXT_MAX], mac[32];
	size_t sealed_len = host_seal(sealed, salts, salts_len);
	size_t mac_len = host_authenticate(mac, host.platform.shared, sealed, sealed_len, NULL, 0);

	if (spoil == 1)
		mac[5] ^= 1;
	if (spoil == 2)
		sealed[5] ^= 1;
	if (spoil == 3)
		mac_len--;
	if (spoil == 4)
		host.platform.point[3] ^= 1; /* off the curve */
	host_put_assert(up ? 1 : 2, id);
	writer_int(&host.w, 4);
	writer_map(&host.w, 1);
	writer_text(&host.w, "hmac-secret");
	writer_map(&host.w, spoil == 5 ? 3 : 4);
	writer_int(&host.w, 1);
	host_put_cose();
	writer_int(&host.w, 2);
	writer_bytes(&host.w, sealed, sealed_len);
	if (spoil != 5) {
		writer_int(&host.w, 3);
		writer_bytes(&host.w, mac, mac_len);
	}
	writer_int(&host.w, 4);
	writer_int(&host.w, spoil == 6 ? 3 : (int)host.platform.protocol);
	if (!up)
		host_put_option(5, "up", false);
	return host_call(CTAP2_TOUCH_NONE);
}

static void test_hmac_secret_errors(void **state)
{
	uint8_t id[CREDENTIAL_ID_SIZE];

	(void)state;
	host_make_credential(id, 0);
	for (int p = PINAUTH_ONE; p <= PINAUTH_TWO; p++) {
		host_agree((enum pinauth_protocol)p);
		assert_int_equal(host_evaluate(id, 32, 0, true), -1);
		assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_OK);
		assert_int_equal(host_evaluate(id, 64, 0, true), -1);
		assert_int_equal(host_evaluate(id, 48, 0, true), CTAP2_INVALID_PARAMETER);
		assert_int_equal(host_evaluate(id, 16, 0, true), CTAP2_INVALID_PARAMETER);
		/* all of these are found before a touch is asked for */
		assert_int_equal(host_evaluate(id, 32, 1, true), CTAP2_PIN_AUTH_INVALID);
		assert_int_equal(host_evaluate(id, 32, 2, true), CTAP2_PIN_AUTH_INVALID);
		assert_int_equal(host_evaluate(id, 32, 3, true), CTAP2_PIN_AUTH_INVALID);
		assert_int_equal(host_evaluate(id, 32, 5, true), CTAP2_MISSING_PARAMETER);
		assert_int_equal(host_evaluate(id, 32, 6, true), CTAP2_INVALID_PARAMETER);
		assert_int_equal(host_evaluate(id, 32, 0, false), CTAP2_UNSUPPORTED_OPTION);
		assert_int_equal(host_evaluate(id, 32, 4, true), CTAP2_INVALID_PARAMETER);
	}
	host.token.no_hmac_secret = true;
	host_agree(PINAUTH_TWO);
	assert_int_equal(host_evaluate(id, 32, 0, true), -1);
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_OK);
	host_forget();
}

static int group_setup(void **state)
{
	(void)state;
	return secret_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commands, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_touch, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_make_errors, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_reset, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_silent_assertion, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_hmac_secret_errors, host_setup, host_teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
