/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include "common/names.h"
#include "common/outcome.h"

static void test_table_is_whole(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < OUTCOME_MAX_; i++) {
		const enum outcome o = (enum outcome)i;
		const char *sentence = outcome_sentence(o);
		const int status = outcome_exit_status(o);

		assert_non_null(outcome_name(o));
		assert_non_null(sentence);
		assert_true(strlen(sentence) > 3);
		/* one sentence, ready to be printed */
		assert_null(strchr(sentence, '\n'));
		assert_int_equal(sentence[strlen(sentence) - 1], '.');
		if (o == OUTCOME_OK)
			assert_int_equal(status, 0);
		else if (o == OUTCOME_FAILED)
			assert_int_equal(status, 1);
		else
			assert_true(status >= 10 && status < 64);
		for (unsigned int j = 0; j < i; j++) {
			assert_string_not_equal(outcome_name(o), outcome_name((enum outcome)j));
			assert_string_not_equal(sentence, outcome_sentence((enum outcome)j));
			assert_int_not_equal(status, outcome_exit_status((enum outcome)j));
		}
	}
}

static void test_error_names(void **state)
{
	char name[128];

	(void)state;
	for (unsigned int i = OUTCOME_OK + 1; i < OUTCOME_MAX_; i++) {
		snprintf(name, sizeof(name), "%s%s", WGFIDO_ERROR_PREFIX, outcome_name((enum outcome)i));
		assert_int_equal(outcome_from_error_name(name), i);
	}
	assert_int_equal(outcome_from_error_name(NULL), OUTCOME_FAILED);
	assert_int_equal(outcome_from_error_name(""), OUTCOME_FAILED);
	assert_int_equal(outcome_from_error_name("TokenMissing"), OUTCOME_FAILED);
	assert_int_equal(outcome_from_error_name("org.wgfido1.Error.TokenMissingToo"), OUTCOME_FAILED);
	assert_int_equal(outcome_from_error_name("org.freedesktop.DBus.Error.NoReply"), OUTCOME_FAILED);
	/* an error is never a success */
	assert_int_equal(outcome_from_error_name("org.wgfido1.Error.Ok"), OUTCOME_FAILED);
}

/* The names are an interface: the ones in DESIGN section 5. */
static void test_names_of_the_bus(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(OUTCOME_TOKEN_MISSING), "TokenMissing");
	assert_string_equal(outcome_name(OUTCOME_TOUCH_TIMEOUT), "TouchTimeout");
	assert_string_equal(outcome_name(OUTCOME_CANCELLED), "Cancelled");
	assert_string_equal(outcome_name(OUTCOME_PIN_REQUIRED), "PinRequired");
	assert_string_equal(outcome_name(OUTCOME_PIN_INVALID), "PinInvalid");
	assert_string_equal(outcome_name(OUTCOME_PIN_FEW_TRIES_LEFT), "PinFewTriesLeft");
	assert_string_equal(outcome_name(OUTCOME_PIN_BLOCKED), "PinBlocked");
	assert_string_equal(outcome_name(OUTCOME_NOT_ENROLLED), "NotEnrolled");
	assert_string_equal(outcome_name(OUTCOME_NOT_APPROVED), "NotApproved");
	assert_string_equal(outcome_name(OUTCOME_WRONG_TOKEN), "WrongToken");
	assert_string_equal(outcome_name(OUTCOME_TOKEN_BUSY), "TokenBusy");
	assert_string_equal(outcome_name(OUTCOME_UNSUPPORTED), "Unsupported");
	assert_string_equal(outcome_name(OUTCOME_DENIED), "Denied");
	assert_string_equal(outcome_name(OUTCOME_INVALID_ARGUMENT), "InvalidArgument");
	assert_string_equal(outcome_name(OUTCOME_LIMIT_EXCEEDED), "LimitExceeded");
}

static void test_out_of_range(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(OUTCOME_MAX_), "Failed");
	assert_int_equal(outcome_exit_status(OUTCOME_MAX_), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_whole),
		cmocka_unit_test(test_error_names),
		cmocka_unit_test(test_names_of_the_bus),
		cmocka_unit_test(test_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
