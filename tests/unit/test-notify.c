/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Foreign text in a notification is no markup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/notify.h"

static void test_escape(void **state)
{
	char buf[32];

	(void)state;
	notify_escape(buf, sizeof(buf), "a<b>&c");
	assert_string_equal(buf, "a&lt;b&gt;&amp;c");
	/* No half entity, and no half character. */
	notify_escape(buf, 6, "ab&c");
	assert_string_equal(buf, "ab");
	notify_escape(buf, 4, "ab\xe2\x82\xac");
	assert_string_equal(buf, "ab");
	notify_escape(buf, 8, "ab&c");
	assert_string_equal(buf, "ab&amp;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
