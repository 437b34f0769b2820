/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Approvals and time: two clocks, set, stopped and run ahead; and what of the keys is left when time has gone by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "daemon/approval-keys.h"
#include "tests/unit/approval-fixture.h"

static void test_expires_at_the_microsecond(void **state)
{
	struct fixture *f = *state;
	const struct approval *a;

	f->request.lifetime_seconds = 1;
	a = grant(f);
	assert_true(approval_until_boot_us(a) == BOOT_US + US_PER_SEC);
	assert_memory_equal(approval_granted(a), &f->now, sizeof(f->now));
	/* Boot time alone: the real clock stands. */
	f->now.boot_us += US_PER_SEC - 1;
	assert_true(approved(f));
	assert_psk_right(f, 0);
	assert_int_equal(approvals_expire(f->all, &f->now), 0);
	f->now.boot_us += 1;
	assert_false(approved(f));
	assert_no_psk(f, 0);
	assert_int_equal(f->n_ended, 0);
	assert_int_equal(approvals_expire(f->all, &f->now), 1);
	assert_int_equal(f->n_ended, 1);
	assert_int_equal(f->last_end, APPROVAL_END_EXPIRED);
	assert_false(f->found_in_callback);
}

static void test_real_time_shortens(void **state)
{
	struct fixture *f = *state;

	f->request.lifetime_seconds = 1;
	grant(f);
	f->now.real_us += US_PER_SEC - 1;
	assert_true(approved(f));
	f->now.real_us += 1;
	assert_false(approved(f));
	assert_int_equal(approvals_expire(f->all, &f->now), 1);
	assert_int_equal(f->last_end, APPROVAL_END_EXPIRED);
}

static void test_real_time_never_lengthens(void **state)
{
	struct fixture *f = *state;

	f->request.lifetime_seconds = 600;
	grant(f);
	/* Held back on purpose, second by second. */
	for (int i = 0; i < 600; i++) {
		assert_true(approved(f));
		assert_int_equal(approvals_expire(f->all, &f->now), 0);
		f->now.boot_us += US_PER_SEC;
	}
	assert_false(approved(f));
}

static void test_clock_stepped_back_an_hour(void **state)
{
	struct fixture *f = *state;
	uint64_t after[] = { 0, 60 * US_PER_SEC, 2 * HOUR_US };

	for (size_t i = 0; i < 3; i++) {
		grant(f);
		advance(f, after[i]);
		assert_int_equal(approvals_expire(f->all, &f->now), 0);
		f->now.real_us -= HOUR_US;
		assert_false(approved(f));
		assert_no_psk(f, 0);
		assert_int_equal(approvals_expire(f->all, &f->now), 1);
		assert_int_equal(f->last_end, APPROVAL_END_CLOCK);
	}
}

static void test_clock_stepped_forward_an_hour(void **state)
{
	struct fixture *f = *state;

	grant(f);
	assert_psk_right(f, 0);
	f->now.real_us += HOUR_US;
	assert_true(approved(f));
	assert_psk_right(f, 0);
	/* And back: nothing is left to serve it with. */
	f->now.real_us -= HOUR_US;
	assert_no_psk(f, 0);
	assert_int_equal(approvals_expire(f->all, &f->now), 1);
	assert_int_equal(f->last_end, APPROVAL_END_CLOCK);
}

static void test_clock_stepped_out_of_the_window(void **state)
{
	struct fixture *f = *state;

	f->request.lifetime_seconds = 1800;
	grant(f);
	f->now.real_us += HOUR_US;
	assert_false(approved(f));
	assert_int_equal(approvals_expire(f->all, &f->now), 1);
	assert_int_equal(f->last_end, APPROVAL_END_CLOCK);
}

static void test_small_step_back_is_borne(void **state)
{
	struct fixture *f = *state;
	struct secret *before = NULL, *again = NULL;

	/* From anywhere in the epoch, its first slot among them. */
	for (int slot = 0; slot < 31; slot++) {
		grant(f);
		assert_int_equal(try_psk(f, 0, &before), 0);
		f->now.real_us -= SLOT_US;
		assert_int_equal(approvals_expire(f->all, &f->now), 0);
		assert_true(approved(f));
		assert_psk_right(f, 0); /* that of the slot before */
		f->now.real_us += SLOT_US;
		assert_int_equal(try_psk(f, 0, &again), 0);
		assert_true(secret_equal(before, again));
		before = secret_free(before);
		again = secret_free(again);

		/* The same later, from a chain that has moved. */
		advance(f, SLOT_US);
		assert_psk_right(f, 0);
		f->now.real_us -= SLOT_US;
		assert_psk_right(f, 0);
		f->now.real_us -= SLOT_US;
		assert_no_psk(f, 0);
		assert_int_equal(approvals_expire(f->all, &f->now), 1);
		assert_int_equal(f->last_end, APPROVAL_END_CLOCK);
		advance(f, 2 * SLOT_US);
	}
}

static void test_boot_time_before_the_grant(void **state)
{
	struct fixture *f = *state;

	grant(f);
	f->now.boot_us -= 1;
	assert_false(approved(f));
	assert_int_equal(approvals_expire(f->all, &f->now), 1);
	assert_int_equal(f->last_end, APPROVAL_END_CLOCK);
}

static void test_suspend_counts(void **state)
{
	struct fixture *f = *state;

	grant(f);
	/* Nobody ran for seven hours; both clocks did. */
	advance(f, 7 * HOUR_US);
	assert_true(approved(f));
	assert_psk_right(f, 0);
	advance(f, HOUR_US);
	assert_false(approved(f));
	assert_int_equal(approvals_expire(f->all, &f->now), 1);
	assert_int_equal(f->last_end, APPROVAL_END_EXPIRED);
}

static void test_forward_only(void **state)
{
	struct fixture *f = *state;
	struct schedule s = { .slot_seconds = 120 };
	uint64_t first = schedule_slot(&s, EPOCH_START) + 20, epoch = EPOCH_START / 3600;
	struct approval_keys keys;
	const struct approval_peer_key *p;
	struct secret *psk = NULL;

	assert_int_equal(approval_keys_make(&keys, &f->config, f->peers[0].public_key, f->t, f->token_public, NULL, 120, first,
				 first + 60), 0);
	assert_int_equal(keys.n_peers, 1);
	assert_null(keys.private_key);
	p = &keys.peers[0];
	assert_int_equal(p->n_epochs, 3);
	assert_true(p->first_epoch == epoch);
	/* The epoch at hand is in the chain only. */
	assert_null(p->epoch_keys[0]);
	assert_non_null(p->epoch_keys[1]);
	assert_non_null(p->epoch_keys[2]);
	assert_int_equal(p->chain.index, 20);

	assert_int_equal(approval_keys_advance(&keys, first + 3), 0);
	assert_int_equal(p->chain.index, 23);
	assert_int_equal(approval_keys_psk(&psk, &keys, f->peers[0].public_key, first + 1), OUTCOME_NOT_APPROVED);
	assert_int_equal(approval_keys_psk(&psk, &keys, f->peers[0].public_key, first + 4), OUTCOME_NOT_APPROVED);
	assert_int_equal(approval_keys_psk(&psk, &keys, f->peers[1].public_key, first + 3), OUTCOME_NOT_APPROVED);
	assert_int_equal(approval_keys_psk(&psk, &keys, f->peers[0].public_key, first + 2), 0);
	psk = secret_free(psk);

	/* Told of an earlier one, it stays. */
	assert_int_equal(approval_keys_advance(&keys, first), 0);
	assert_int_equal(p->chain.index, 23);

	/* Into the next epoch: the PSK before the boundary is kept for one slot. */
	assert_int_equal(approval_keys_advance(&keys, first + 10), 0);
	assert_true(p->chain.epoch == epoch + 1);
	assert_int_equal(p->chain.index, 0);
	assert_null(p->epoch_keys[1]);
	assert_non_null(p->boundary_psk);
	assert_int_equal(approval_keys_advance(&keys, first + 11), 0);
	assert_null(p->boundary_psk);

	assert_int_equal(approval_keys_advance(&keys, first + 60), 0);
	for (size_t i = 0; i < p->n_epochs; i++)
		assert_null(p->epoch_keys[i]);
	assert_int_equal(approval_keys_advance(&keys, first + 61), -ERANGE);
	approval_keys_clear(&keys);
}

static int try_slot(struct fixture *f, size_t peer, int64_t offset)
{
	const uint64_t slot = (uint64_t)((int64_t)(f->now.real_us / SLOT_US) + offset);
	struct secret *psk = NULL, *want;
	uint64_t start = 0, end = 0;
	int r = approvals_psk_of_slot(f->all, &psk, &start, &end, "wg0", f->peers[peer].public_key, slot, &f->now);

	if (r != 0) {
		assert_null(psk);
		return r;
	}
	assert_true(start == slot * 120 && end == start + 120);
	want = expected_psk(f, peer, start, NULL);
	assert_true(secret_equal(psk, want));
	secret_free(psk);
	secret_free(want);
	return 0;
}

static void test_named_slots(void **state)
{
	struct fixture *f = *state;
	struct secret *psk = NULL;
	uint64_t start, end;

	assert_int_equal(try_slot(f, 0, 0), OUTCOME_NOT_APPROVED);
	grant(f);
	/* From slot 20 of the epoch, and each in turn through the boundary at 30 and on. */
	for (unsigned int i = 0; i < 45; i++) {
		for (int64_t offset = -8; offset <= 12; offset++)
			assert_int_equal(try_slot(f, i % 2, offset), offset >= -1 && offset <= 5 ? 0 : OUTCOME_NOT_APPROVED);
		/* And with all the later ones given out, the one at hand is still to be had, by the other way too. */
		assert_psk_right(f, i % 2);
		advance(f, SLOT_US);
	}
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(approvals_psk_of_slot(f->all, &psk, &start, &end, "wg0", f->peers[0].public_key, i ? UINT64_MAX : 0, &f->now),
			OUTCOME_NOT_APPROVED);
	assert_int_equal(approvals_psk_of_slot(f->all, &psk, &start, &end, "wg1", f->peers[0].public_key, f->now.real_us / SLOT_US,
				 &f->now), OUTCOME_NOT_APPROVED);
	/* Schedule = static has no slots. */
	assert_int_equal(try_slot(f, 2, 0), OUTCOME_NOT_APPROVED);
	assert_psk_right(f, 2);
	/* Of an approval that has ended, none. */
	approvals_end(f->all, NULL, NULL, APPROVAL_END_REVOKED);
	for (int64_t offset = -1; offset <= 5; offset++)
		assert_int_equal(try_slot(f, 0, offset), OUTCOME_NOT_APPROVED);
}

static void test_named_slots_end_with_the_window(void **state)
{
	struct fixture *f = *state;
	int64_t last;

	f->request.lifetime_seconds = 12 * 120;
	grant(f);
	last = (int64_t)((f->now.real_us + 12 * SLOT_US - 1) / SLOT_US) - (int64_t)(f->now.real_us / SLOT_US);
	for (; last >= 0 && approved(f); last--) {
		for (int64_t offset = -1; offset <= 5; offset++)
			assert_int_equal(try_slot(f, 0, offset), offset <= last ? 0 : OUTCOME_NOT_APPROVED);
		advance(f, SLOT_US);
	}
	assert_int_equal(try_slot(f, 0, -1), OUTCOME_NOT_APPROVED);
}

/* A clock that stepped back by its one slot: what the chain has passed is not had by its number either. */
static void test_named_slots_after_a_step_back(void **state)
{
	struct fixture *f = *state;

	grant(f);
	advance(f, 3 * SLOT_US);
	assert_psk_right(f, 0);
	f->now.real_us -= SLOT_US;
	assert_int_equal(try_slot(f, 0, -1), OUTCOME_NOT_APPROVED);
	for (int64_t offset = 0; offset <= 5; offset++)
		assert_int_equal(try_slot(f, 0, offset), 0);
	assert_int_equal(try_slot(f, 0, 6), OUTCOME_NOT_APPROVED);
	f->now.real_us -= SLOT_US;
	assert_int_equal(try_slot(f, 0, 1), OUTCOME_NOT_APPROVED);
}

/* Asking for what is to come moves nothing and wipes nothing. */
static void test_slots_ahead_leave_the_keys_alone(void **state)
{
	struct fixture *f = *state;
	struct schedule s = { .slot_seconds = 120 };
	uint64_t first = schedule_slot(&s, EPOCH_START) + 28;
	const uint8_t *peer = f->peers[0].public_key;
	const struct approval_peer_key *p;
	struct approval_keys keys;
	struct secret *psk = NULL, *link, *previous;
	int r;

	assert_int_equal(approval_keys_make(&keys, &f->config, peer, f->t, f->token_public, NULL, 120, first, first + 60), 0);
	p = &keys.peers[0];
	link = secret_dup(p->chain.link);
	previous = secret_dup(p->chain.previous_psk);
	for (uint64_t slot = first + 1; slot <= first + 60; slot++) {
		assert_int_equal(approval_keys_psk_ahead(&psk, &keys, peer, slot), 0);
		psk = secret_free(psk);
	}
	assert_int_equal(approval_keys_psk_ahead(&psk, &keys, peer, first + 61), OUTCOME_NOT_APPROVED);
	/* Not the way back, nor for what has a way of its own. */
	assert_int_equal(approval_keys_psk_ahead(&psk, &keys, peer, first), OUTCOME_NOT_APPROVED);
	assert_int_equal(approval_keys_psk_ahead(&psk, &keys, peer, first - 1), OUTCOME_NOT_APPROVED);
	assert_int_equal(approval_keys_psk_ahead(&psk, &keys, f->peers[1].public_key, first + 1), OUTCOME_NOT_APPROVED);
	for (long n = 0;; n++) {
		fail_after = n;
		r = approval_keys_psk_ahead(&psk, &keys, peer, first + 4);
		fail_after = -1;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(psk);
	}
	psk = secret_free(psk);

	assert_true(keys.slot == first);
	assert_int_equal(p->chain.index, 28);
	assert_true(secret_equal(p->chain.link, link));
	assert_true(secret_equal(p->chain.previous_psk, previous));
	assert_null(p->epoch_keys[0]);
	assert_non_null(p->epoch_keys[1]);
	assert_non_null(p->epoch_keys[2]);
	/* And forward only as ever. */
	assert_int_equal(approval_keys_advance(&keys, first + 3), 0);
	assert_int_equal(approval_keys_psk_ahead(&psk, &keys, peer, first + 3), OUTCOME_NOT_APPROVED);
	assert_int_equal(approval_keys_psk(&psk, &keys, peer, first + 1), OUTCOME_NOT_APPROVED);
	assert_null(p->epoch_keys[1]);
	approval_keys_clear(&keys);
	secret_free(link);
	secret_free(previous);
}

/* Epochs that went by unasked for are wiped with the rest. */
static void test_skipped_epochs_are_wiped(void **state)
{
	struct fixture *f = *state;
	struct schedule s = { .slot_seconds = 120 };
	uint64_t first = schedule_slot(&s, EPOCH_START) + 20;
	struct approval_keys keys;

	assert_int_equal(approval_keys_make(&keys, &f->config, NULL, f->t, f->token_public, NULL, 120, first, first + 120), 0);
	assert_int_equal(approval_keys_advance(&keys, first + 80), 0);
	for (size_t i = 0; i < keys.n_peers; i++) {
		const struct approval_peer_key *p = &keys.peers[i];

		if (p->schedule == CONFIG_SCHEDULE_STATIC)
			continue;
		assert_int_equal(p->n_epochs, 5);
		for (size_t e = 0; e < 5; e++)
			assert_true((p->epoch_keys[e] != NULL) == (e == 4));
	}
	approval_keys_clear(&keys);
}

/* Expiry alone moves the keys on: nobody has to ask for PSKs. */
static void test_expire_moves_the_chain(void **state)
{
	struct fixture *f = *state;

	grant(f);
	advance(f, 2 * SLOT_US);
	assert_int_equal(approvals_expire(f->all, &f->now), 0);
	f->now.real_us -= 2 * SLOT_US;
	assert_no_psk(f, 0);
}

static void test_next(void **state)
{
	struct fixture *f = *state;
	uint64_t next;

	f->request.lifetime_seconds = 200;
	grant(f);
	next = approvals_next(f->all, &f->now);
	assert_true(next == BOOT_US + SLOT_US - 7); /* the slot's end */
	advance(f, SLOT_US - 7);
	next = approvals_next(f->all, &f->now);
	assert_true(next == BOOT_US + 200 * US_PER_SEC); /* the lifetime's */
	f->now.real_us += 10 * US_PER_SEC; /* the real clock runs ahead */
	assert_true(approvals_next(f->all, &f->now) == next - 10 * US_PER_SEC);
	f->now.real_us += HOUR_US;
	assert_true(approvals_next(f->all, &f->now) == f->now.boot_us);
	approvals_expire(f->all, &f->now);
	assert_true(approvals_next(f->all, &f->now) == US_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_expires_at_the_microsecond),
		TEST(test_real_time_shortens),
		TEST(test_real_time_never_lengthens),
		TEST(test_clock_stepped_back_an_hour),
		TEST(test_clock_stepped_forward_an_hour),
		TEST(test_clock_stepped_out_of_the_window),
		TEST(test_small_step_back_is_borne),
		TEST(test_boot_time_before_the_grant),
		TEST(test_suspend_counts),
		TEST(test_forward_only),
		TEST(test_named_slots),
		TEST(test_named_slots_end_with_the_window),
		TEST(test_named_slots_after_a_step_back),
		TEST(test_slots_ahead_leave_the_keys_alone),
		TEST(test_skipped_epochs_are_wiped),
		TEST(test_expire_moves_the_chain),
		TEST(test_next),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
