/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pinentry says, and what is said to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "client/assuan.h"

#define UNUSED (void)state

static struct assuan_reply parse(char *buf, const char *line)
{
	struct assuan_reply r;

	strcpy(buf, line);
	assuan_parse(&r, buf, strlen(line));
	return r;
}

static void test_kinds(void **state)
{
	static const struct {
		const char *line;
		enum assuan_kind kind;
		uint32_t code;
	} table[] = {
		{"OK", ASSUAN_OK, 0},
		{"OK Pleased to meet you, process 1234", ASSUAN_OK, 0},
		{"OK\r", ASSUAN_OK, 0},
		{"OKAY", ASSUAN_GARBAGE, 0},
		{"ok", ASSUAN_GARBAGE, 0},
		{"", ASSUAN_GARBAGE, 0},
		{" OK", ASSUAN_GARBAGE, 0},
		/* The source of an error is in its upper half. */
		{"ERR 83886179 Operation cancelled <Pinentry>", ASSUAN_ERROR, ASSUAN_CODE_CANCELED},
		{"ERR 83886142 Timeout <Pinentry>", ASSUAN_ERROR, ASSUAN_CODE_TIMEOUT},
		{"ERR 83886194 Not confirmed", ASSUAN_ERROR, ASSUAN_CODE_NOT_CONFIRMED},
		{"ERR 99", ASSUAN_ERROR, 99},
		{"ERR", ASSUAN_GARBAGE, 0},
		{"ERR ", ASSUAN_GARBAGE, 0},
		{"ERR x", ASSUAN_GARBAGE, 0},
		{"ERR -99", ASSUAN_GARBAGE, 0},
		{"ERR 99999999999999999999", ASSUAN_GARBAGE, 0},
		{"S PASSWORD_FROM_CACHE", ASSUAN_STATUS, 0},
		{"# a comment", ASSUAN_STATUS, 0},
		{"INQUIRE QUALITY", ASSUAN_INQUIRE, 0},
		{"DATA", ASSUAN_GARBAGE, 0},
	};
	char buf[128];

	UNUSED;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct assuan_reply r = parse(buf, table[i].line);

		assert_int_equal(r.kind, table[i].kind);
		assert_int_equal(r.code, table[i].code);
	}
}

static void check_data(const char *line, const char *expected)
{
	char buf[128];
	const struct assuan_reply r = parse(buf, line);

	if (!expected) {
		assert_int_equal(r.kind, ASSUAN_GARBAGE);
		return;
	}
	assert_int_equal(r.kind, ASSUAN_DATA);
	assert_int_equal(r.text_len, strlen(expected));
	assert_memory_equal(r.text, expected, r.text_len);
}

static void test_data(void **state)
{
	UNUSED;
	check_data("D 123456", "123456");
	check_data("D a%25b%0Ac", "a%b\nc");
	check_data("D  two blanks ", " two blanks ");
	check_data("D %c3%A9", "\xc3\xa9");
	check_data("D ", "");
	check_data("D", "");
	check_data("D 12%", NULL);
	check_data("D 12%4", NULL);
	check_data("D 12%4x", NULL);
	check_data("D %%", NULL);
}

static void test_lines(void **state)
{
	char buf[ASSUAN_LINE_MAX + 24];
	size_t len = 99;

	UNUSED;
	assert_int_equal(assuan_find_line("", 0, &len), -EAGAIN);
	assert_int_equal(assuan_find_line("OK", 2, &len), -EAGAIN);
	assert_int_equal(len, 99);
	assert_int_equal(assuan_find_line("OK\nD 1\n", 7, &len), 0);
	assert_int_equal(len, 2);
	assert_int_equal(assuan_find_line("\n", 1, &len), 0);
	assert_int_equal(len, 0);
	/* The longest line, and one more; a line without an end that can become no good one. */
	memset(buf, 'x', sizeof(buf));
	buf[ASSUAN_LINE_MAX] = '\n';
	assert_int_equal(assuan_find_line(buf, sizeof(buf), &len), 0);
	assert_int_equal(len, ASSUAN_LINE_MAX);
	buf[ASSUAN_LINE_MAX] = 'x';
	assert_int_equal(assuan_find_line(buf, ASSUAN_LINE_MAX, &len), -EAGAIN);
	assert_int_equal(assuan_find_line(buf, ASSUAN_LINE_MAX + 1, &len), -EMSGSIZE);
	buf[ASSUAN_LINE_MAX + 1] = '\n';
	assert_int_equal(assuan_find_line(buf, sizeof(buf), &len), -EMSGSIZE);
}

static void test_escape(void **state)
{
	char buf[32];

	UNUSED;
	assert_int_equal(assuan_escape(buf, sizeof(buf), "PIN of R&D, 100%:\n"), 0);
	assert_string_equal(buf, "PIN of R&D, 100%25:%0A");
	assert_int_equal(assuan_escape(buf, sizeof(buf), "\xc3\xa9\x7f"), 0);
	assert_string_equal(buf, "\xc3\xa9%7F");
	assert_int_equal(assuan_escape(buf, 4, "abc"), 0);
	assert_int_equal(assuan_escape(buf, 3, "abc"), -EMSGSIZE);
	assert_int_equal(assuan_escape(buf, 3, "%"), -EMSGSIZE);
	assert_int_equal(assuan_escape(buf, 1, ""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
