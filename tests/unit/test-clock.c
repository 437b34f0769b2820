/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <time.h>

#include "common/clock.h"

static void test_fake(void **state)
{
	struct clock_fake fake;
	struct instant now;

	(void)state;
	clock_fake_init(&fake, 5, 1700000000 * US_PER_SEC);
	now = clock_now(&fake.clock);
	assert_int_equal(now.boot_us, 5);
	assert_int_equal(now.real_us, 1700000000 * US_PER_SEC);
	clock_fake_advance(&fake, 3 * US_PER_MS);
	now = clock_now(&fake.clock);
	assert_int_equal(now.boot_us, 3005);
	assert_int_equal(now.real_us, 1700000000 * US_PER_SEC + 3000);
	fake.now.real_us = 0; /* real time may jump, boot time does not */
	assert_int_equal(clock_now(&fake.clock).boot_us, 3005);
}

static void test_system(void **state)
{
	struct timespec before, after;
	struct instant now;

	(void)state;
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &before), 0);
	now = clock_now(&clock_system);
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &after), 0);
	assert_true(now.boot_us >= (uint64_t)before.tv_sec * US_PER_SEC + (uint64_t)before.tv_nsec / 1000);
	assert_true(now.boot_us <= (uint64_t)after.tv_sec * US_PER_SEC + (uint64_t)after.tv_nsec / 1000);
	assert_true(now.real_us > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fake),
		cmocka_unit_test(test_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
