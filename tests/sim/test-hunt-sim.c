/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks that differ, jump and stand still: who gets through, and that nobody pulls the gateway back. */
#include "tests/unit/unit.h"

#include "tests/sim/sim.h"

#define SLOT_US ((int64_t)(SIM_SLOT * US_PER_SEC))
#define MINUTE 60
#define HOUR 3600

#define CLIENT { .on = true, .frozen_slot = -1 }

/* The longest way to a slot within reach: eleven tries of at most 12 s, the pauses between them, and the poll that begins it. */
#define ROUND_US (11 * 12 * US_PER_SEC + 9 * 7 * US_PER_SEC + 10 * US_PER_SEC)

static void offset_run(int64_t clock_us, bool within, uint64_t first_us)
{
	struct sim s;
	struct sim_client c = CLIENT;

	sim_begin(&s);
	c.clock_us = clock_us;
	c.gap_since_us = s.clock.now.boot_us;
	sim_run(&s, &c, 1, 10 * MINUTE);
	if (!within) {
		assert_int_equal(c.n_handshakes, 0);
		sim_run(&s, &c, 1, HOUR);
		assert_int_equal(c.n_handshakes, 0);
		sim_end(&s);
		return;
	}
	assert_true(c.n_handshakes > 0);
	assert_true(c.longest_gap_us <= first_us);
	/* Found once, it stays: the offset goes on with the gateway's clock. */
	sim_forget_gaps(&s, &c, 1);
	sim_run(&s, &c, 1, HOUR);
	assert_int_equal(c.longest_gap_us, 0);
	assert_true(c.n_handshakes >= 25);
	sim_end(&s);
}

static void test_offsets(void **state)
{
	(void)state;
	for (int64_t offset = -10; offset <= 10; offset++)
		offset_run(offset * SLOT_US, offset >= -5 && offset <= 5, ROUND_US);
}

static void test_offsets_within_slots(void **state)
{
	(void)state;
	/* A slot that was right may pass while others are tried: then it takes until the first session found has died. */
	for (int64_t tenths = -20; tenths <= 20; tenths += 3)
		offset_run(tenths * SLOT_US / 10, true, 2 * ROUND_US);
}

static void test_right_clock_never_hunts(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;

	(void)state;
	sim_begin(&s);
	sim_run(&s, &c, 1, 3 * HOUR);
	assert_int_equal(s.n_tried, 0);
	assert_int_equal(sim_status(&s).offset, 0);
	assert_int_equal(sim_status(&s).state, STATUS_PEER_ROTATED);
	sim_end(&s);
}

/* Its programs want through all the time, so WireGuard tries; then it is approved, and its clock is right. */
static void test_approved_in_the_middle(void **state)
{
	(void)state;
	for (unsigned int wait = 5; wait < 15 * MINUTE; wait += 7) {
		struct sim s;
		struct sim_client c = CLIENT;

		sim_begin(&s);
		/* The PSK of no slot that is tried. */
		c.clock_us = 50 * SLOT_US;
		sim_run(&s, &c, 1, wait);
		assert_int_equal(c.n_handshakes, 0);
		c.clock_us = 0;
		sim_forget_gaps(&s, &c, 1);
		sim_run(&s, &c, 1, 3 * MINUTE);
		assert_true(c.n_handshakes > 0);
		/* A try of another slot, its own next initiation, and the polls. */
		assert_true(c.longest_gap_us <= 20 * US_PER_SEC);
		sim_end(&s);
	}
}

static void test_client_jumps_forward(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;

	(void)state;
	sim_begin(&s);
	sim_run(&s, &c, 1, HOUR);
	sim_forget_gaps(&s, &c, 1);
	c.clock_us = 3 * SLOT_US;
	sim_run(&s, &c, 1, HOUR);
	assert_true(c.longest_gap_us > 0 && c.longest_gap_us <= ROUND_US);
	assert_int_equal(c.last_slot, sim_slot(&s) + 3);
	assert_int_equal(sim_status(&s).offset, 3);
	sim_end(&s);
}

static void test_client_jumps_back(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;
	uint64_t before;

	(void)state;
	sim_begin(&s);
	sim_run(&s, &c, 1, HOUR);
	/* One slot back is within what a clock may do. */
	c.clock_us = -SLOT_US;
	sim_forget_gaps(&s, &c, 1);
	sim_run(&s, &c, 1, HOUR);
	assert_true(c.longest_gap_us <= ROUND_US);
	/* Three are not to be told from a copy of the machine as it was: refused, until its clock is right again. */
	c.clock_us = -3 * SLOT_US;
	sim_run(&s, &c, 1, 4 * MINUTE);
	before = c.n_handshakes;
	sim_run(&s, &c, 1, 2 * HOUR);
	assert_int_equal(c.n_handshakes, before);
	c.clock_us = 0;
	sim_run(&s, &c, 1, 15 * MINUTE);
	assert_true(c.n_handshakes > before);
	sim_end(&s);
}

static void test_gateway_clock_steps(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;

	(void)state;
	sim_begin(&s);
	sim_run(&s, &c, 1, HOUR);
	for (int step = -4; step <= 4; step += 2) {
		sim_forget_gaps(&s, &c, 1);
		s.clock.now.real_us = (uint64_t)((int64_t)s.clock.now.real_us + step * SLOT_US);
		s.true_us -= step * SLOT_US;
		sim_run(&s, &c, 1, HOUR);
		/* Its own step does not change what it knows of the peer's clock. */
		assert_int_equal(c.longest_gap_us, 0);
		s.clock.now.real_us = (uint64_t)((int64_t)s.clock.now.real_us - step * SLOT_US);
		s.true_us += step * SLOT_US;
		sim_run(&s, &c, 1, HOUR);
		assert_int_equal(c.longest_gap_us, 0);
	}
	sim_end(&s);
}

static void test_frozen_client(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;
	int64_t frozen;
	uint64_t before;

	(void)state;
	sim_begin(&s);
	sim_run(&s, &c, 1, HOUR);
	frozen = c.frozen_slot = sim_slot(&s);
	/* It gets one slot more, and not a handshake after that: it cannot drag the gateway along. */
	while (sim_slot(&s) <= frozen + 1)
		sim_run(&s, &c, 1, 1);
	before = c.n_handshakes;
	sim_run(&s, &c, 1, 6 * HOUR);
	assert_int_equal(c.n_handshakes, before);
	/* The real one comes back. */
	c.frozen_slot = -1;
	sim_run(&s, &c, 1, 15 * MINUTE);
	assert_true(c.n_handshakes > before);
	assert_int_equal(sim_status(&s).offset, 0);
	sim_end(&s);
}

static void test_clone_beside_the_client(void **state)
{
	struct sim s;
	struct sim_client c[2] = { CLIENT, { .frozen_slot = -1 } };
	uint64_t before;
	int64_t copied;

	(void)state;
	sim_begin(&s);
	sim_run(&s, c, 2, HOUR);
	copied = c[1].frozen_slot = sim_slot(&s);
	c[1].on = true;
	while (sim_slot(&s) <= copied + 1)
		sim_run(&s, c, 2, 1);
	before = c[1].n_handshakes;
	sim_forget_gaps(&s, c, 2);
	sim_run(&s, c, 2, 6 * HOUR);
	assert_int_equal(c[1].n_handshakes, before);
	/* And its trying does not disturb the client. */
	assert_int_equal(c[0].longest_gap_us, 0);
	sim_end(&s);
}

static void test_packet_loss(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;

	(void)state;
	for (int64_t offset = -5; offset <= 5; offset += 5) {
		sim_begin(&s);
		c = (struct sim_client)CLIENT;
		c.loss = 40;
		c.clock_us = offset * SLOT_US;
		sim_run(&s, &c, 1, 30 * MINUTE);
		assert_true(c.n_handshakes > 0);
		sim_forget_gaps(&s, &c, 1);
		sim_run(&s, &c, 1, 3 * HOUR);
		assert_true(c.n_handshakes > 50);
		assert_true(c.longest_gap_us <= 3 * ROUND_US);
		sim_end(&s);
	}
}

static void test_fruitless_rounds_back_off(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;
	unsigned int first, later;

	(void)state;
	sim_begin(&s);
	c.clock_us = 9 * SLOT_US;
	sim_run(&s, &c, 1, 10 * MINUTE);
	first = s.n_tried;
	assert_true(first > 0);
	sim_run(&s, &c, 1, 5 * HOUR);
	s.n_tried = 0;
	sim_run(&s, &c, 1, 100 * MINUTE);
	later = s.n_tried / 10;
	assert_true(later < first);
	sim_end(&s);
}

static void test_silence_hunts_nothing(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;

	(void)state;
	sim_begin(&s);
	sim_run(&s, &c, 1, HOUR);
	s.n_tried = 0;
	c.on = false;
	sim_run(&s, &c, 1, 3 * HOUR);
	assert_int_equal(s.n_tried, 0);
	assert_int_not_equal(sim_status(&s).state, STATUS_PEER_HUNTING);
	/* Much later it is found at once, its clock being right. */
	c.on = true;
	c.session_us = 0;
	c.longest_gap_us = 0;
	c.gap_since_us = s.clock.now.boot_us;
	sim_run(&s, &c, 1, MINUTE);
	assert_true(c.longest_gap_us <= 2 * US_PER_SEC);
	sim_end(&s);
}

static const struct window_plan hourly = { .seconds = HOUR };

/* Windows come and go under a client that has a new approval for each. */
static void test_windows_roll_over(void **state)
{
	struct sim s;
	struct sim_client c = CLIENT;
	const struct derive *d;

	(void)state;
	sim_begin_windows(&s, &hourly);
	sim_run(&s, &c, 1, MINUTE);
	sim_forget_gaps(&s, &c, 1);
	sim_run(&s, &c, 1, 5 * HOUR);
	assert_int_equal(c.longest_gap_us, 0);
	assert_int_equal(s.n_tried, 0);
	assert_true(c.n_handshakes >= 5 * 29);
	/* Only the root of the window at hand is there. */
	d = &s.guard->gateway->peers[0].derive;
	assert_int_equal(d->window.start, s.clock.now.real_us / US_PER_SEC / HOUR * HOUR);
	assert_int_equal(d->window.end, d->window.start + HOUR);
	sim_end(&s);
}

/* A client whose clock is off crosses the boundary before the gateway does, or behind it: it is followed. */
static void test_windows_with_clocks_that_differ(void **state)
{
	(void)state;
	for (int64_t offset = -5; offset <= 5; offset += 2) {
		struct sim s;
		struct sim_client c = CLIENT;

		sim_begin_windows(&s, &hourly);
		c.clock_us = offset * SLOT_US + SLOT_US / 3;
		sim_run(&s, &c, 1, 15 * MINUTE);
		assert_true(c.n_handshakes > 0);
		sim_forget_gaps(&s, &c, 1);
		sim_run(&s, &c, 1, 2 * HOUR);
		assert_int_equal(c.longest_gap_us, 0);
		sim_end(&s);
	}
}

/* The first time it is seen is while the two are in different windows. */
static void test_hunt_across_a_window(void **state)
{
	for (int64_t offset = -4; offset <= 4; offset += 8) {
		struct sim s;
		struct sim_client c = CLIENT;

		(void)state;
		sim_begin_windows(&s, &hourly);
		c.on = false;
		/* 22:13:20 at the start: to two minutes before the hour, or behind it */
		sim_run(&s, &c, 1, (unsigned int)(offset > 0 ? 44 : 48) * MINUTE);
		c.on = true;
		c.clock_us = offset * SLOT_US;
		c.gap_since_us = s.clock.now.boot_us;
		sim_run(&s, &c, 1, 10 * MINUTE);
		assert_true(c.n_handshakes > 0);
		assert_true(c.longest_gap_us <= ROUND_US);
		sim_end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_offsets_within_slots),
		cmocka_unit_test(test_approved_in_the_middle),
		cmocka_unit_test(test_right_clock_never_hunts),
		cmocka_unit_test(test_client_jumps_forward),
		cmocka_unit_test(test_client_jumps_back),
		cmocka_unit_test(test_gateway_clock_steps),
		cmocka_unit_test(test_frozen_client),
		cmocka_unit_test(test_clone_beside_the_client),
		cmocka_unit_test(test_packet_loss),
		cmocka_unit_test(test_fruitless_rounds_back_off),
		cmocka_unit_test(test_silence_hunts_nothing),
		cmocka_unit_test(test_windows_roll_over),
		cmocka_unit_test(test_windows_with_clocks_that_differ),
		cmocka_unit_test(test_hunt_across_a_window),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
