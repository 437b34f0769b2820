/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clientPIN of the core, and what its tokens are good for. */
#include "tests/unit/soft-host.h"

static void test_pin_policy(void **state)
{
	static const char three_points[] = "\xf0\x9f\x94\x91\xf0\x9f\x94\x91\xf0\x9f\x94\x91",
			  four_points[] = "\xf0\x9f\x94\x91"
					  "abc";
	char full[64];

	(void)state;
	memset(full, 'x', sizeof(full));
	assert_int_equal(host_set_pin("", 0), CTAP2_PIN_POLICY_VIOLATION);
	assert_int_equal(host_set_pin("123", 3), CTAP2_PIN_POLICY_VIOLATION);
	assert_int_equal(host_set_pin(three_points, sizeof(three_points) - 1), CTAP2_PIN_POLICY_VIOLATION);
	assert_int_equal(host_set_pin(full, 64), CTAP2_PIN_POLICY_VIOLATION);
	assert_false(host.data.pin_set);
	assert_int_equal(host_set_pin(four_points, sizeof(four_points) - 1), CTAP2_OK);
	assert_int_equal(host_set_pin("5678", 4), CTAP2_PIN_AUTH_INVALID); /* that is a matter of changePIN */
	store_data_reset(&host.data);
	assert_int_equal(host_set_pin(full, 63), CTAP2_OK);
	host_forget();
}

static void test_pin_request_errors(void **state)
{
	struct secret *t = NULL;

	(void)state;
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 1, RP), CTAP2_PIN_NOT_SET);
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 0, RP), CTAP2_INVALID_PARAMETER);
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 3, NULL), CTAP2_INVALID_PARAMETER);
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 4, NULL), CTAP2_UNAUTHORIZED_PERMISSION);
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 0x21, RP), CTAP2_UNAUTHORIZED_PERMISSION);
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", -1, RP), CTAP2_INVALID_PARAMETER);
	host_begin(PIN);
	writer_map(&host.w, 2);
	writer_int(&host.w, 1);
	writer_int(&host.w, 2);
	writer_int(&host.w, 2);
	writer_int(&host.w, 6);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_INVALID_SUBCOMMAND);
	host_begin(PIN);
	writer_map(&host.w, 1);
	writer_int(&host.w, 2);
	writer_int(&host.w, 2);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_MISSING_PARAMETER);
	host_begin(PIN);
	writer_map(&host.w, 0);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), CTAP2_MISSING_PARAMETER);
	/* none of that was a try */
	assert_int_equal(host.data.pin_retries, 8);
	host_forget();
}

static void test_retries_on_disk_first(void **state)
{
	struct secret *t = NULL;

	(void)state;
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	assert_int_equal(host.saved_retries, 8);
	assert_int_equal(host_get_token(&t, PINAUTH_ONE, "wrong", 1, RP), CTAP2_PIN_INVALID);
	assert_int_equal(host.saved_retries, 7);
	/* when it cannot be counted it is not compared, be it right or wrong */
	host.saves_fail = 1;
	assert_int_equal(host_get_token(&t, PINAUTH_ONE, "1234", 1, RP), CTAP2_OTHER);
	assert_null(t);
	assert_int_equal(host.saved_retries, 7);
	host.saves_fail = 0;
	/* a new PIN that cannot be written is none */
	assert_int_equal(store_data_reset(&host.data), 0);
	host.saves_fail = 1;
	assert_int_equal(host_set_pin("5678", 4), CTAP2_OTHER);
	assert_false(host.data.pin_set);
	host.saves_fail = 0;
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	assert_int_equal(host_get_token(&t, PINAUTH_ONE, "1234", 1, RP), CTAP2_OK);
	assert_int_equal(host.saved_retries, 8);
	secret_free(t);
	host_forget();
}

static void test_lockout(void **state)
{
	struct secret *t = NULL;
	int left = 8;

	(void)state;
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	while (left > 0) {
		int expected;

		left--;
		expected = left == 0		    ? CTAP2_PIN_BLOCKED
			   : left == 5 || left == 2 ? CTAP2_PIN_AUTH_BLOCKED
						    : CTAP2_PIN_INVALID;
		assert_int_equal(
			host_get_token(&t, left % 2 ? PINAUTH_ONE : PINAUTH_TWO, "wrong", 1, RP), expected);
		assert_int_equal(host.saved_retries, left);
		if (expected != CTAP2_PIN_AUTH_BLOCKED)
			continue;
		assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 1, RP), CTAP2_PIN_AUTH_BLOCKED);
		assert_int_equal(host.saved_retries, left);
		host_replug();
	}
	host_replug();
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 1, RP), CTAP2_PIN_BLOCKED);
	assert_null(t);
	host_forget();
}

static void test_wrong_pin_ends_agreement_and_token(void **state)
{
	uint8_t before[P256_POINT_SIZE], after[P256_POINT_SIZE];
	struct secret *good = NULL, *none = NULL;

	(void)state;
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	assert_int_equal(host_get_token(&good, PINAUTH_TWO, "1234", 3, RP), CTAP2_OK);
	assert_int_equal(p256_public(before, host.token.agreement[1]), 0);
	assert_int_equal(host_get_token(&none, PINAUTH_TWO, "4321", 3, RP), CTAP2_PIN_INVALID);
	assert_int_equal(p256_public(after, host.token.agreement[1]), 0);
	assert_memory_not_equal(before, after, sizeof(before));
	assert_int_equal(host_make_with_token(good), CTAP2_PIN_AUTH_INVALID);
	secret_free(good);
	host_forget();
}

static void test_token_limits(void **state)
{
	uint8_t id[CREDENTIAL_ID_SIZE];
	struct secret *t = NULL;

	(void)state;
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	for (int p = PINAUTH_ONE; p <= PINAUTH_TWO; p++) {
		enum pinauth_protocol protocol = (enum pinauth_protocol)p;

		assert_int_equal(host_get_token(&t, protocol, "1234", 3, RP), CTAP2_OK);
		assert_int_equal(host_make_with_token(t), CTAP2_OK);
		assert_int_equal(host_take_id(id), 0x01 | 0x04 | 0x40);
		assert_int_equal(host_make_with_token(t), CTAP2_PIN_AUTH_INVALID); /* once */
		/* for another operation, or another relying party */
		assert_int_equal(host_get_token(&t, protocol, "1234", 2, RP), CTAP2_OK);
		assert_int_equal(host_make_with_token(t), CTAP2_PIN_AUTH_INVALID);
		assert_int_equal(host_get_token(&t, protocol, "1234", 3, "example.org"), CTAP2_OK);
		assert_int_equal(host_make_with_token(t), CTAP2_PIN_AUTH_INVALID);
		/* of the other protocol */
		assert_int_equal(host_get_token(&t, protocol, "1234", 3, RP), CTAP2_OK);
		host.platform.protocol = protocol == PINAUTH_ONE ? PINAUTH_TWO : PINAUTH_ONE;
		assert_int_equal(host_make_with_token(t), CTAP2_PIN_AUTH_INVALID);
		/* without a relying party: the first one */
		assert_int_equal(host_get_token(&t, protocol, "1234", -1, NULL), CTAP2_OK);
		assert_int_equal(host_make_with_token(t), CTAP2_OK);
		/* 30 s unused */
		assert_int_equal(host_get_token(&t, protocol, "1234", 3, RP), CTAP2_OK);
		host.now += 30 * US_PER_SEC + 1;
		assert_int_equal(host_make_with_token(t), CTAP2_PIN_AUTH_INVALID);
		assert_int_equal(host_get_token(&t, protocol, "1234", 3, RP), CTAP2_OK);
		host.now += 30 * US_PER_SEC;
		assert_int_equal(host_make_with_token(t), CTAP2_OK);
		/* a replug */
		assert_int_equal(host_get_token(&t, protocol, "1234", 3, RP), CTAP2_OK);
		host_replug();
		assert_int_equal(host_make_with_token(t), CTAP2_PIN_AUTH_INVALID);
	}
	secret_free(t);
	host_forget();
}

/* Waiting for the touch does not use up the host.token's time: what counts is when the host.request came. */
static void test_token_outlives_touch(void **state)
{
	struct secret *t = NULL;
	uint8_t mac[32];
	size_t len;

	(void)state;
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 3, RP), CTAP2_OK);
	host.now += 29 * US_PER_SEC;
	len = host_authenticate(mac, t, host_hash, 32, NULL, 0);
	host_put_make(2, 0, -7);
	host_put_pin_param(8, mac, len, PINAUTH_TWO);
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), -1);
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_OK);
	secret_free(t);
	host_forget();
}

static int silent_with_token(const struct secret *t, const uint8_t *id)
{
	uint8_t mac[32];
	size_t len = host_authenticate(mac, t, host_hash, 32, NULL, 0);

	host_put_assert(3, id);
	host_put_option(5, "up", false);
	host_put_pin_param(6, mac, len, (int)host.platform.protocol);
	return host_call(CTAP2_TOUCH_NONE);
}

/* Without a touch a token serves more than once, and shows what is protected; but not for ever. */
static void test_token_without_touch(void **state)
{
	uint8_t id[CREDENTIAL_ID_SIZE];
	struct secret *t = NULL;

	(void)state;
	host_make_credential(id, 3);
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 2, RP), CTAP2_OK);
	for (int i = 0; i <= 600; i += 20) {
		assert_int_equal(silent_with_token(t, id), CTAP2_OK);
		host.now += 20 * US_PER_SEC;
	}
	assert_int_equal(silent_with_token(t, id), CTAP2_PIN_AUTH_INVALID);
	secret_free(t);
	host_forget();
}

static int make_excluding(const struct secret *t, const uint8_t *id)
{
	uint8_t mac[32];

	host_put_make(t ? 3 : 1, 0, -7);
	writer_int(&host.w, 5);
	writer_array(&host.w, 1);
	writer_map(&host.w, 2);
	writer_text(&host.w, "id");
	writer_bytes(&host.w, id, CREDENTIAL_ID_SIZE);
	writer_text(&host.w, "type");
	writer_text(&host.w, "public-key");
	if (t) {
		size_t len = host_authenticate(mac, t, host_hash, 32, NULL, 0);

		host_put_pin_param(8, mac, len, (int)host.platform.protocol);
	}
	assert_int_equal(host_call(CTAP2_TOUCH_NONE), -1); /* a touch first, in every case */
	return host_call(CTAP2_TOUCH_GIVEN);
}

static void test_exclude(void **state)
{
	uint8_t open_id[CREDENTIAL_ID_SIZE], guarded[CREDENTIAL_ID_SIZE];
	struct secret *t = NULL;

	(void)state;
	host_make_credential(open_id, 0);
	host_make_credential(guarded, 3);
	assert_int_equal(host_set_pin("1234", 4), CTAP2_OK);
	assert_int_equal(make_excluding(NULL, open_id), CTAP2_CREDENTIAL_EXCLUDED);
	assert_int_equal(make_excluding(NULL, guarded), CTAP2_OK); /* as if it were not there */
	assert_int_equal(host_get_token(&t, PINAUTH_TWO, "1234", 1, RP), CTAP2_OK);
	assert_int_equal(make_excluding(t, guarded), CTAP2_CREDENTIAL_EXCLUDED);
	secret_free(t);
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
		cmocka_unit_test_setup_teardown(test_pin_policy, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_pin_request_errors, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_retries_on_disk_first, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_lockout, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			test_wrong_pin_ends_agreement_and_token, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_token_limits, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_token_outlives_touch, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_token_without_touch, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(test_exclude, host_setup, host_teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
