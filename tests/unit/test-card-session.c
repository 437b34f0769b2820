/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A card's session that is kept, shared, taken away or waited for, and cards that go, hang or want a touch. */
#include "tests/unit/card-fixture.h"

#include <errno.h>

static void test_kept_session(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	assert_true(x->e.pw1.verified);
	assert_int_equal(x->f.n_resets, 0);
	x->e.n_verify = 0;
	for (int i = 0; i < 3; i++)
		right(x, OPENPGP(NULL, true), x->e.decipher.secret);
	assert_int_equal(x->e.n_verify, 0);
	assert_int_equal(x->f.n_connects, 1);
	forget(x);
	assert_false(x->e.pw1.verified);
	assert_int_equal(x->f.n_resets, 1);
	assert_false(x->f.connected);
	assert_int_equal(refused(x, OPENPGP(NULL, true), &result), OUTCOME_PIN_REQUIRED);
	/* what ends with the worker ends in the card */
	right(x, PIV("123456", true), x->e.slots[0].secret);
	right(x, PIV(NULL, true), x->e.slots[0].secret);
	assert_true(x->e.pin.verified);
	x->card = card_free(x->card);
	assert_false(x->e.pin.verified);
	assert_int_equal(card_new(&x->card, &x->f.pcsc, "x", &x->clock.clock), 0);
}

/* The last of several operations under one PIN does not keep it: whether it works or not, the card is reset then. */
static void test_session_of_several(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	right(x, OPENPGP(NULL, true), x->e.decipher.secret);
	right(x, OPENPGP(NULL, false), x->e.decipher.secret);
	assert_false(x->e.pw1.verified);
	assert_false(x->f.connected);
	assert_int_equal(refused(x, OPENPGP(NULL, true), &result), OUTCOME_PIN_REQUIRED);
	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	memset(x->point, 0, sizeof(x->point));
	assert_int_equal(refused(x, OPENPGP(NULL, false), &result), OUTCOME_INVALID_ARGUMENT);
	assert_false(x->e.pw1.verified);
	assert_false(x->f.connected);
}

/* While a session is kept the tries left cannot be looked at; where others used some up since, the PIN stays here until that was told. */
static void test_tries_behind_a_session(void **state)
{
	struct fixture *x = *state;
	struct wire_request request = {.type = WIRE_INFO};
	struct wire_result result;

	for (int piv = 0; piv < 2; piv++) {
		struct emulator_pin *pin = piv ? &x->e.pin : &x->e.pw1;
		struct ask ask = piv ? PIV("654321", true) : OPENPGP("654321", true);

		assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
		right(x, OPENPGP("123456", true), x->e.decipher.secret);
		pin->tries = 1;
		assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
		assert_int_equal(result.info.pin_retries, 3);
		x->e.n_verify = 0;
		assert_int_equal(refused(x, ask, &result), OUTCOME_PIN_FEW_TRIES_LEFT);
		assert_int_equal(result.pin_retries, 1);
		assert_int_equal(x->e.n_verify, 0);
		assert_false(x->f.connected);
		/* Now it is known, and whoever goes on does so. */
		assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
		assert_int_equal(result.info.pin_retries, 1);
		ask.pin = "123456";
		right(x, ask, piv ? x->e.slots[0].secret : x->e.decipher.secret);
		forget(x);
	}
}

static void test_session_taken_by_others(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	fake_pcsc_reset_by_other(&x->f);
	assert_int_equal(refused(x, OPENPGP(NULL, true), &result), OUTCOME_PIN_REQUIRED);
	assert_non_null(strstr(result.detail, "another program"));
	assert_int_equal(refused(x, OPENPGP(NULL, true), &result), OUTCOME_PIN_REQUIRED);
	/* another application was selected */
	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	x->e.selected = EMULATOR_PIV;
	x->e.pw1.verified = false;
	assert_int_equal(refused(x, OPENPGP(NULL, true), &result), OUTCOME_PIN_REQUIRED);
	assert_false(x->f.connected);
	/* ours: one session ends for the other */
	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	right(x, PIV("123456", true), x->e.slots[0].secret);
	assert_int_equal(refused(x, OPENPGP(NULL, true), &result), OUTCOME_PIN_REQUIRED);
	forget(x);
	/* without a session a reset by others is nothing to us */
	x->f.begin_error = 0;
	right(x, OPENPGP("123456", false), x->e.decipher.secret);
	/* in the middle of an operation */
	x->f.transmit_error = -ESTALE;
	assert_int_equal(refused(x, OPENPGP("123456", false), &result), OUTCOME_TOKEN_FAILED);
}

/* Anybody may ask which keys there are: whatever befalls that question, a tunnel's session is not touched by it. */
static void test_list_beside_a_session(void **state)
{
	struct fixture *x = *state;
	struct wire_request request = {.type = WIRE_X_LIST};
	struct wire_result before, result;

	assert_int_equal(operate(x, &before, &request), OUTCOME_OK);
	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	x->f.begin_error = -ETIMEDOUT;
	assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
	assert_int_equal(result.n_x_keys, before.n_x_keys);
	assert_memory_equal(result.x_keys, before.x_keys, sizeof(before.x_keys));
	x->f.begin_error = 0;
	right(x, OPENPGP(NULL, true), x->e.decipher.secret);
	/* It was ended by others: it is the tunnel that hears of it. */
	fake_pcsc_reset_by_other(&x->f);
	assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
	assert_int_equal(refused(x, OPENPGP(NULL, true), &result), OUTCOME_PIN_REQUIRED);
	assert_non_null(strstr(result.detail, "another program"));
}

static void test_gone_in_the_middle(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	for (int after = 0; after < 5; after++) {
		x->f.card = &x->e;
		x->f.fail_after = after;
		assert_int_equal(refused(x, OPENPGP("123456", true), &result), OUTCOME_TOKEN_FAILED);
		assert_non_null(strstr(result.detail, "taken out"));
	}
	x->f.fail_after = -1;
	assert_int_equal(refused(x, OPENPGP("123456", true), &result), OUTCOME_TOKEN_MISSING);
	x->f.card = &x->e;
	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	x->f.card = NULL;
	assert_int_equal(refused(x, OPENPGP(NULL, true), &result), OUTCOME_TOKEN_FAILED);
	assert_false(x->f.connected);
	x->f.card = &x->e;
	assert_false(card_is_lost(x->card));
	x->f.transmit_error = -ECONNRESET;
	assert_int_equal(refused(x, OPENPGP("123456", true), &result), OUTCOME_TOKEN_FAILED);
	assert_true(card_is_lost(x->card));
}

static void test_busy(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	x->f.busy = true;
	assert_int_equal(refused(x, OPENPGP("123456", false), &result), OUTCOME_TOKEN_BUSY);
	x->f.busy = false;
	right(x, OPENPGP("123456", false), x->e.decipher.secret);
	assert_true(x->seen.n_others > 0);
}

static void touch_comes(struct emulator *e)
{
	e->touched = true;
}

static void touch_never_comes(struct emulator *e)
{
	clock_fake_advance(e->userdata, 5 * US_PER_SEC);
	e->touched = false;
}

static void test_touch(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	x->e.userdata = &x->clock;
	x->e.uif = 1;
	x->e.wait_for_touch = touch_comes;
	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	assert_int_equal(x->seen.n_touch, 1);
	right(x, OPENPGP(NULL, true), x->e.decipher.secret);
	assert_int_equal(x->seen.n_touch, 2);
	forget(x);
	x->e.wait_for_touch = touch_never_comes;
	assert_int_equal(refused(x, OPENPGP("123456", false), &result), OUTCOME_TOUCH_TIMEOUT);
	/* PIV says 6982 when nobody touches it, as when the PIN is missing */
	x->e.slots[0].touch_policy = 2;
	assert_int_equal(refused(x, PIV("123456", false), &result), OUTCOME_TOUCH_TIMEOUT);
	x->e.wait_for_touch = touch_comes;
	x->e.slots[0].touch_policy = 3;
	right(x, PIV("123456", false), x->e.slots[0].secret);
	assert_int_equal(x->seen.n_maybe, 1);
}

static void late(struct emulator *e, const uint8_t *command, size_t len)
{
	(void)command;
	(void)len;
	clock_fake_advance(e->userdata, 6 * US_PER_SEC);
}

static void test_deadline(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	x->e.userdata = &x->clock;
	x->e.before = late;
	assert_int_equal(refused(x, OPENPGP("123456", true), &result), OUTCOME_TOKEN_FAILED);
	assert_int_equal(x->e.n_commands, 2);
	assert_int_equal(x->e.n_verify, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept_session, setup, teardown),
		cmocka_unit_test_setup_teardown(test_session_of_several, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tries_behind_a_session, setup, teardown),
		cmocka_unit_test_setup_teardown(test_session_taken_by_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list_beside_a_session, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_in_the_middle, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
	};

	assert_int_equal(secret_init(), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
