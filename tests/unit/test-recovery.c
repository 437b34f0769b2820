/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keystore.h"
#include "tests/unit/fail-alloc.h"

long fail_after = -1;

FAIL_SECRET_NEW

static struct secret *from_text(const char *text)
{
	struct secret *s = secret_new(strlen(text));

	memcpy(secret_borrow_mut(s), text, strlen(text));
	return s;
}

static int parse(const char *text, struct secret **ret)
{
	struct secret *s = from_text(text);
	int r;

	*ret = NULL;
	r = recovery_parse(ret, s);
	secret_free(s);
	return r;
}

static void test_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct secret *bits, *text, *again;

		assert_int_equal(recovery_new(&bits, &text), 0);
		assert_int_equal(secret_len(bits), 20);
		assert_int_equal(secret_len(text), 41);
		assert_int_equal(recovery_parse(&again, text), 0);
		assert_true(secret_equal(bits, again));
		secret_free(bits);
		secret_free(text);
		secret_free(again);
	}
}

static void test_shape(void **state)
{
	struct secret *bits, *text;

	(void)state;
	assert_int_equal(recovery_new(&bits, &text), 0);
	for (size_t i = 0; i < secret_len(text); i++) {
		char c = (char)secret_borrow(text)[i];

		if (i % 6 == 5)
			assert_int_equal(c, '-');
		else
			assert_non_null(strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", c));
	}
	secret_free(bits);
	secret_free(text);
}

/* From Python's hashlib and a base32 of a few lines (Crockford): the format does not drift. */
static const char vector_text[] = "084H0-5RY4M-P36EJ-1917N-CQB4D-DS7K0-47PRX";

static void assert_is_vector(const char *text)
{
	struct secret *bits;

	assert_int_equal(parse(text, &bits), 0);
	assert_int_equal(secret_len(bits), 20);
	for (uint8_t i = 0; i < 20; i++)
		assert_int_equal(secret_borrow(bits)[i], i * 7 + 2);
	secret_free(bits);
}

static void test_vector(void **state)
{
	(void)state;
	assert_is_vector(vector_text);
}

static void test_forgives(void **state)
{
	char text[64];
	size_t n;

	(void)state;
	strcpy(text, vector_text);
	for (char *c = text; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 32);
	assert_is_vector(text);

	for (char *c = text; *c; c++) {
		if (*c == '0')
			*c = 'o';
		if (*c == '1')
			*c = 'l';
		if (*c == '-')
			*c = ' ';
	}
	assert_is_vector(text);
	for (char *c = text; *c; c++)
		if (*c == 'l')
			*c = 'I';
	strcat(text, "\r\n");
	assert_is_vector(text);

	n = 0;
	for (const char *c = vector_text; *c; c++)
		if (*c != '-')
			text[n++] = *c;
	text[n] = '\0';
	assert_is_vector(text);
}

static void test_every_wrong_character_is_found(void **state)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	struct secret *bits;
	char text[64];
	int accepted = 0;

	(void)state;
	for (size_t i = 0; vector_text[i]; i++) {
		if (vector_text[i] == '-')
			continue;
		for (size_t j = 0; j < 32; j++) {
			strcpy(text, vector_text);
			if (text[i] == alphabet[j])
				continue;
			text[i] = alphabet[j];
			if (parse(text, &bits) == 0)
				accepted++;
			secret_free(bits);
		}
	}
	/* 1085 slips of which one in 32768 may pass; none does for this code. */
	assert_int_equal(accepted, 0);
}

static void test_refuses(void **state)
{
	struct secret *bits;
	char text[64];

	(void)state;
	strcpy(text, vector_text);
	text[strlen(text) - 1] = '\0';
	assert_int_equal(parse(text, &bits), OUTCOME_INVALID_ARGUMENT);
	strcpy(text, vector_text);
	strcat(text, "0");
	assert_int_equal(parse(text, &bits), OUTCOME_INVALID_ARGUMENT);
	strcpy(text, vector_text);
	text[0] = 'U'; /* not in the alphabet */
	assert_int_equal(parse(text, &bits), OUTCOME_INVALID_ARGUMENT);
	text[0] = '\0';
	text[1] = '\0';
	assert_int_equal(parse("-", &bits), OUTCOME_INVALID_ARGUMENT);
	assert_int_equal(parse("\xff\x80", &bits), OUTCOME_INVALID_ARGUMENT);
	assert_null(bits);
}

static void test_memory_runs_out(void **state)
{
	struct secret *bits = NULL, *text = NULL, *again = NULL;
	int r = -ENOMEM;

	(void)state;
	for (long n = 0; r != 0; n++) {
		fail_after = n;
		r = recovery_new(&bits, &text);
		fail_after = -1;
		assert_true(r == 0 || (r == -ENOMEM && !bits && !text));
	}
	r = -ENOMEM;
	for (long n = 0; r != 0; n++) {
		fail_after = n;
		r = recovery_parse(&again, text);
		fail_after = -1;
		assert_true(r == 0 || (r == -ENOMEM && !again));
	}
	secret_free(bits);
	secret_free(text);
	secret_free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_forgives),
		cmocka_unit_test(test_every_wrong_character_is_found),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_memory_runs_out),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
