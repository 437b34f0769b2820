/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's messages, as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/presence-uevent.h"

static const char removal[] = "remove@/devices/virtual/misc/uhid/0003:1050:0407.0001/hidraw/hidraw7\0"
			      "ACTION=remove\0"
			      "DEVPATH=/devices/virtual/misc/uhid/0003:1050:0407.0001/hidraw/hidraw7\0"
			      "SUBSYSTEM=hidraw\0"
			      "MAJOR=243\0MINOR=7\0DEVNAME=hidraw7\0SEQNUM=4711";
#define REMOVAL_DEVPATH "/devices/virtual/misc/uhid/0003:1050:0407.0001/hidraw/hidraw7"

static void test_uevent(void **state)
{
	struct uevent u;

	(void)state;
	assert_int_equal(uevent_parse(&u, removal, sizeof(removal)), 0);
	assert_int_equal(u.action, UEVENT_REMOVE);
	assert_string_equal(u.devpath, REMOVAL_DEVPATH);
	assert_string_equal(u.subsystem, "hidraw");
	assert_string_equal(u.devname, "hidraw7");
	assert_true(uevent_is_hidraw_removal(&u));
}

static void test_uevent_of_others(void **state)
{
	static const char added[] = "add@/d/hidraw0\0ACTION=add\0DEVPATH=/d/hidraw0\0SUBSYSTEM=hidraw";
	static const char changed[] = "change@/d/x\0ACTION=change\0DEVPATH=/d/x\0SUBSYSTEM=block";
	static const char usb[] = "remove@/d/usb\0ACTION=remove\0DEVPATH=/d/usb\0SUBSYSTEM=usb\0HIDRAW=x";
	struct uevent u;

	(void)state;
	assert_int_equal(uevent_parse(&u, added, sizeof(added)), 0);
	assert_int_equal(u.action, UEVENT_ADD);
	assert_null(u.devname);
	assert_false(uevent_is_hidraw_removal(&u));
	assert_int_equal(uevent_parse(&u, changed, sizeof(changed)), 0);
	assert_int_equal(u.action, UEVENT_OTHER);
	assert_int_equal(uevent_parse(&u, usb, sizeof(usb)), 0);
	assert_false(uevent_is_hidraw_removal(&u));
}

static void test_uevent_refuses(void **state)
{
#define MESSAGE(text) { text, sizeof(text) }
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		MESSAGE("libudev\0\xfe\xed\xca\xfe"),
		MESSAGE(""),
		MESSAGE("remove"),
		MESSAGE("remove@/d"),
		MESSAGE("remove@d\0ACTION=remove\0DEVPATH=d\0SUBSYSTEM=hidraw"),
		MESSAGE("remove@/d\0ACTION=add\0DEVPATH=/d\0SUBSYSTEM=hidraw"),
		MESSAGE("remov@/d\0ACTION=remove\0DEVPATH=/d\0SUBSYSTEM=hidraw"),
		MESSAGE("remove@/d\0ACTION=remove\0DEVPATH=/e\0SUBSYSTEM=hidraw"),
		MESSAGE("remove@/d\0ACTION=remove\0DEVPATH=/d\0SUBSYSTEM=hidraw\0DEVPATH=/d"),
		MESSAGE("remove@/d\0ACTION=remove\0SUBSYSTEM=hidraw"),
		MESSAGE("remove@/d\0ACTION=remove\0DEVPATH=/d"),
		MESSAGE("remove@/d\0DEVPATH=/d\0SUBSYSTEM=hidraw"),
		{ "remove@/d\0ACTION=remove\0DEVPATH=/d\0SUBSYSTEM=hidraw", sizeof("remove@/d\0ACTION=remove\0DEVPATH=/d\0SUBSYSTEM=hidraw") - 1 },
		{ removal, 0 },
	};
	struct uevent u;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (uevent_parse(&u, bad[i].bytes, bad[i].len) != -EBADMSG)
			fail_msg("message %zu was taken", i);
}

/* Every truncation, with and without a final NUL, in memory of exactly its size. */
static void test_uevent_truncated(void **state)
{
	struct uevent u;

	(void)state;
	for (size_t len = 1; len < sizeof(removal); len++) {
		char *copy = malloc(len);

		memcpy(copy, removal, len);
		(void)uevent_parse(&u, copy, len);
		copy[len - 1] = '\0';
		(void)uevent_parse(&u, copy, len);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uevent),
		cmocka_unit_test(test_uevent_of_others),
		cmocka_unit_test(test_uevent_refuses),
		cmocka_unit_test(test_uevent_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
