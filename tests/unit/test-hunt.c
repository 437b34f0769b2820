/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hunt.c by itself: the order of tries, what starts and ends them, what is never tried. tests/sim shows the whole. */
#include "tests/unit/unit.h"

#include "agent/hunt.h"

#define SLOT 120
#define START (UINT64_C(1700000040)) /* a slot begins */

struct fixture {
	struct hunt_clock c;
	struct hunt h;
	uint64_t rx;
};

static void advance(struct fixture *f, uint64_t us)
{
	f->c.now.boot_us += us;
	f->c.now.real_us += us;
}

static int64_t slot(struct fixture *f)
{
	uint64_t s;

	return hunt_slot(&f->h, &f->c, &s) ? (int64_t)s : -1;
}

/* The gateway puts in what is wanted. */
static int64_t apply(struct fixture *f)
{
	const int64_t s = slot(f);

	if (s >= 0 && (!f->h.is_set || s - hunt_steady_slot(&f->c) != f->h.offset))
		hunt_applied(&f->h, &f->c, (uint64_t)s);
	return s - hunt_own_slot(&f->c);
}

static void begin(struct fixture *f)
{
	const struct instant now = { .boot_us = 1000 * US_PER_SEC, .real_us = START * US_PER_SEC };

	*f = (struct fixture){ 0 };
	hunt_clock_init(&f->c, SLOT, now);
	hunt_init(&f->h);
	hunt_observe(&f->h, &f->c, 0, 0);
	assert_int_equal(apply(f), 0);
}

static void poll_with(struct fixture *f, uint64_t rx)
{
	f->rx += rx;
	hunt_observe(&f->h, &f->c, f->rx, f->h.last_handshake_us);
}

static void test_order(void **state)
{
	/* Back at 0 behind each: there a client with the right clock is, once it is approved. */
	static const int order[] = { 0, -1, 0, 1, 0, -2, 0, 2, 0, -3, 0, 3, 0, -4, 0, 4, 0, -5, 0, 5 };
	unsigned int since = 0;
	struct fixture f;
	size_t n = 0;

	(void)state;
	begin(&f);
	for (unsigned int t = 0; t == 0 || hunt_is_active(&f.h); t++) {
		int64_t offset;

		advance(&f, US_PER_SEC);
		poll_with(&f, t % 5 == 0 ? 148 : 0);
		if (!hunt_is_active(&f.h))
			break;
		offset = apply(&f);
		since++;
		if (offset == order[n])
			continue;
		/* Long enough for two initiations at least, and for one. */
		assert_true(n > 0 && order[n] == 0 ? since >= 6 && since <= 8 : since >= 11 && since <= 13);
		since = 0;
		assert_true(++n < sizeof(order) / sizeof(order[0]));
		assert_int_equal(offset, order[n]);
	}
	assert_int_equal(n, sizeof(order) / sizeof(order[0]) - 1);
	assert_false(hunt_is_active(&f.h));
	assert_int_equal(apply(&f), 0);
	/* Back-off: more of the same starts nothing for half a minute. */
	for (unsigned int t = 0; t < 29; t++) {
		poll_with(&f, 148);
		assert_false(hunt_is_active(&f.h));
		advance(&f, US_PER_SEC);
	}
	advance(&f, 2 * US_PER_SEC);
	poll_with(&f, 148);
	assert_true(hunt_is_active(&f.h));
}

static void handshake(struct fixture *f)
{
	hunt_observe(&f->h, &f->c, f->rx += 200, f->c.now.real_us);
}

static void test_data_alone_starts_nothing(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	advance(&f, 10 * US_PER_SEC);
	handshake(&f);
	for (unsigned int t = 0; t < 134; t++) {
		advance(&f, US_PER_SEC);
		poll_with(&f, 1000);
		assert_false(hunt_is_active(&f.h));
		(void)apply(&f);
	}
	advance(&f, 2 * US_PER_SEC);
	poll_with(&f, 148);
	assert_true(hunt_is_active(&f.h));
}

static void test_nothing_heard_moves_nothing(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	advance(&f, US_PER_SEC);
	poll_with(&f, 148);
	assert_true(hunt_is_active(&f.h));
	for (unsigned int t = 0; t < 28; t++) {
		advance(&f, US_PER_SEC);
		poll_with(&f, 0);
		assert_int_equal(apply(&f), 0);
	}
	advance(&f, 2 * US_PER_SEC);
	poll_with(&f, 0);
	assert_false(hunt_is_active(&f.h));
	/* A counter that starts again is no growth. */
	f.rx = 0;
	poll_with(&f, 0);
	assert_false(hunt_is_active(&f.h));
}

/* A peer that is ahead by this many slots is found. */
static void find(struct fixture *f, int offset)
{
	for (unsigned int t = 0; t < 300; t++) {
		advance(f, US_PER_SEC);
		poll_with(f, t % 5 == 0 ? 148 : 0);
		if (apply(f) != offset)
			continue;
		advance(f, 3 * US_PER_SEC);
		handshake(f);
		return;
	}
	fail();
}

static void test_bound(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	find(&f, 3);
	assert_int_equal(apply(&f), 3);
	assert_int_equal(hunt_offset(&f.h, &f.c), 3);
	/* It is lost: from now on nothing below 2, nothing above 5. */
	advance(&f, 200 * US_PER_SEC);
	for (unsigned int t = 0; t < 600; t++) {
		int64_t offset;

		advance(&f, US_PER_SEC);
		poll_with(&f, t % 5 == 0 ? 148 : 0);
		offset = apply(&f);
		assert_true(offset >= 2 && offset <= 5);
	}
	/* One slot back is found, and does not move the bound. */
	find(&f, 2);
	advance(&f, 200 * US_PER_SEC);
	for (unsigned int t = 0; t < 600; t++) {
		advance(&f, US_PER_SEC);
		poll_with(&f, t % 5 == 0 ? 148 : 0);
		assert_true(apply(&f) >= 2);
	}
	/* After a day without a handshake as far ahead, it is believed that this is where the peer is. */
	advance(&f, 24 * 3600 * US_PER_SEC);
	find(&f, 2);
	find(&f, 1);
}

static void test_own_clock_steps(void **state)
{
	struct fixture f;
	const int64_t slot_us = SLOT * US_PER_SEC;

	(void)state;
	begin(&f);
	find(&f, 1);
	/* Back by three: the peer is ahead by four now. */
	f.c.now.real_us -= (uint64_t)(3 * slot_us);
	assert_int_equal(apply(&f), 4);
	f.c.now.real_us += (uint64_t)(3 * slot_us);
	/* Back by a day: no slot of today's is within reach, and none of yesterday's is permitted. */
	f.c.now.real_us -= 86400 * US_PER_SEC;
	assert_int_equal(slot(&f), -1);
	f.c.now.real_us += 86400 * US_PER_SEC;
	assert_int_equal(apply(&f), 1);
	/* Forward by a day: its own slot; when that is undone, the peer's again. */
	f.c.now.real_us += 86400 * US_PER_SEC;
	assert_int_equal(slot(&f), hunt_own_slot(&f.c));
	f.c.now.real_us -= 86400 * US_PER_SEC;
	assert_int_equal(apply(&f), 1);
}

static void test_handshake_in_doubt(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	/* Just when +1 went in after 0: which of them answered? */
	for (unsigned int t = 0; t < 100 && apply(&f) != 1; t++) {
		advance(&f, US_PER_SEC);
		poll_with(&f, 148);
	}
	assert_int_equal(apply(&f), 1);
	advance(&f, US_PER_SEC / 2);
	handshake(&f);
	/* The later one is likelier, the earlier one is what bounds. */
	assert_int_equal(apply(&f), 1);
	assert_int_equal(f.h.furthest, 0);
	advance(&f, 200 * US_PER_SEC);
	find(&f, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_data_alone_starts_nothing),
		cmocka_unit_test(test_nothing_heard_moves_nothing),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_own_clock_steps),
		cmocka_unit_test(test_handshake_in_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
