/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tunnel/timers and tunnel/deadlines. */
#include "tests/unit/unit.h"

#include "tunnel/deadlines.h"
#include "tunnel/timers.h"

#define SEC US_PER_SEC

static void test_nothing(void **state)
{
	struct timers t = { 0 };
	const struct timers_seen seen = { .last_sent_us = 5 * SEC, .last_received_us = 6 * SEC };

	(void)state;
	assert_int_equal(timers_next(&t, &seen), US_NEVER);
	assert_int_equal(timers_due(&t, &seen, 1000 * SEC), 0);
}

static void test_retransmit(void **state)
{
	struct timers t = { .attempt_since_us = 100 * SEC, .retransmit_us = 105 * SEC };
	const struct timers_seen seen = { 0 };

	(void)state;
	assert_int_equal(timers_next(&t, &seen), 105 * SEC);
	assert_int_equal(timers_due(&t, &seen, 105 * SEC - 1), 0);
	assert_int_equal(timers_due(&t, &seen, 105 * SEC), TIMERS_RETRANSMIT);
	assert_int_equal(timers_due(&t, &seen, 105 * SEC), 0);
	t.retransmit_us = 190 * SEC - 1;
	assert_int_equal(timers_due(&t, &seen, 190 * SEC - 1), TIMERS_RETRANSMIT);
	t.retransmit_us = 189 * SEC;
	assert_int_equal(timers_due(&t, &seen, 190 * SEC), TIMERS_GIVE_UP);
}

static void test_traffic(void **state)
{
	struct timers t = { 0 };
	struct timers_seen seen = { .unanswered_since_us = 100 * SEC, .unacknowledged_since_us = 101 * SEC };

	(void)state;
	assert_int_equal(timers_next(&t, &seen), 111 * SEC);
	assert_int_equal(timers_due(&t, &seen, 111 * SEC - 1), 0);
	assert_int_equal(timers_due(&t, &seen, 111 * SEC), TIMERS_KEEPALIVE);
	seen.unacknowledged_since_us = 0;
	assert_int_equal(timers_next(&t, &seen), 115 * SEC);
	assert_int_equal(timers_due(&t, &seen, 115 * SEC), TIMERS_UNANSWERED);
	t.zero_keys_us = 50 * SEC;
	seen.unanswered_since_us = 0;
	assert_int_equal(timers_due(&t, &seen, 50 * SEC), TIMERS_ZERO_KEYS);
	assert_int_equal(timers_next(&t, &seen), US_NEVER);
}

static void test_persistent(void **state)
{
	struct timers t = { .persistent_us = 25 * SEC, .persistent_base_us = 100 * SEC };
	struct timers_seen seen = { 0 };

	(void)state;
	assert_int_equal(timers_next(&t, &seen), 125 * SEC);
	seen.last_received_us = 110 * SEC;
	assert_int_equal(timers_next(&t, &seen), 135 * SEC);
	seen.last_sent_us = 112 * SEC;
	assert_int_equal(timers_due(&t, &seen, 137 * SEC - 1), 0);
	assert_int_equal(timers_due(&t, &seen, 137 * SEC), TIMERS_PERSISTENT);
	/* Where nothing could be sent it comes again after the interval, not at once. */
	assert_int_equal(timers_next(&t, &seen), 162 * SEC);
}

/* While a peer is active it is looked at often enough that no wait that begins unseen is found too late. */
static void test_poll(void **state)
{
	struct timers t = { 0 };
	struct timers_seen seen = { .active = true };

	(void)state;
	assert_true(TIMERS_POLL_US < TIMERS_KEEPALIVE_US && TIMERS_POLL_US < TIMERS_UNANSWERED_US);
	assert_int_equal(timers_due(&t, &seen, 100 * SEC), 0);
	assert_int_equal(timers_next(&t, &seen), 105 * SEC);
	seen.unacknowledged_since_us = 101 * SEC;
	assert_int_equal(timers_due(&t, &seen, 105 * SEC), 0);
	assert_int_equal(timers_next(&t, &seen), 110 * SEC);
	seen.unacknowledged_since_us = 0;
	assert_int_equal(timers_due(&t, &seen, 110 * SEC), TIMERS_IDLE);
	assert_int_equal(timers_next(&t, &seen), US_NEVER);
}

static void test_deadlines(void **state)
{
	static struct deadline all[500];
	struct deadlines d = { 0 };
	uint32_t seed = 1;
	uint64_t last = 0;
	size_t n = 0;

	(void)state;
	assert_int_equal(deadlines_reserve(&d, 500), 0);
	for (int round = 0; round < 20000; round++) {
		struct deadline *one;

		seed = seed * 1664525 + 1013904223;
		one = &all[(seed >> 8) % 500];
		deadlines_set(&d, one, seed >> 28 == 0 ? US_NEVER : seed >> 4);
	}
	for (size_t i = 0; i < 500; i++)
		n += all[i].at_us != US_NEVER && all[i].place;
	assert_int_equal(d.n, n);
	while (deadlines_first(&d)) {
		struct deadline *one = deadlines_first(&d);

		assert_true(one->at_us >= last);
		last = one->at_us;
		deadlines_set(&d, one, US_NEVER);
		assert_int_equal(one->place, 0);
		n--;
	}
	assert_int_equal(n, 0);
	deadlines_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_retransmit),
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_persistent),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
