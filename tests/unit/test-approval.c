/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of user presence: what an approval opens, for whom, and how it ends. Time is test-approval-clock.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "tests/unit/approval-fixture.h"

static void test_nothing_is_approved_at_first(void **state)
{
	struct fixture *f = *state;

	assert_false(approved(f));
	assert_no_psk(f, 0);
	assert_true(approvals_next(f->all, &f->now) == US_NEVER);
	assert_int_equal(approvals_expire(f->all, &f->now), 0);
}

static void test_psk_through_the_window(void **state)
{
	struct fixture *f = *state;

	grant(f);
	for (int slot = 0; slot < 8 * 30; slot++) {
		for (size_t peer = 0; peer < 3; peer++)
			assert_psk_right(f, peer);
		advance(f, SLOT_US);
	}
	assert_false(approved(f));
	assert_no_psk(f, 0);
}

/* Slots that nobody asked for, whole epochs among them, are skipped over. */
static void test_psk_with_gaps(void **state)
{
	static const uint64_t gaps[] = { 1, 9, 10, 11, 29, 30, 31, 60, 61 };
	struct fixture *f = *state;
	struct instant start = f->now;

	for (size_t i = 0; i < sizeof(gaps) / sizeof(*gaps); i++) {
		f->now = start;
		grant(f);
		for (uint64_t at = 0; at < 239; at += gaps[i]) {
			assert_psk_right(f, 0);
			advance(f, gaps[i] * SLOT_US);
		}
		approvals_end(f->all, NULL, NULL, APPROVAL_END_REVOKED);
	}
}

static void test_preshared_is_mixed_in(void **state)
{
	struct fixture *f = *state;
	struct secret *preshared[3] = { NULL, secret_new(32), NULL };
	struct secret *psk = NULL, *with, *without;
	const struct approval *a;

	secret_fill_random(preshared[1]);
	assert_int_equal(approvals_grant(f->all, &a, &f->request, &f->config, f->t, f->token_public, preshared, &f->now), 0);
	with = expected_psk(f, 1, f->now.real_us / US_PER_SEC, preshared[1]);
	without = expected_psk(f, 1, f->now.real_us / US_PER_SEC, NULL);
	assert_int_equal(try_psk(f, 1, &psk), 0);
	assert_true(secret_equal(psk, with));
	assert_false(secret_equal(psk, without));
	secret_free(psk);
	secret_free(with);
	secret_free(without);
	secret_free(preshared[1]);
	assert_psk_right(f, 0);
}

static void test_identity(void **state)
{
	struct fixture *f = *state;
	const struct secret *key = NULL;

	f->config.mode = CONFIG_MODE_IDENTITY;
	f->config.has_public_key = false;
	grant(f);
	assert_int_equal(approvals_private_key(f->all, &key, "wg0", &f->now), 0);
	assert_true(secret_equal(key, f->t));
	assert_ptr_not_equal(key, f->t);
	assert_no_psk(f, 0);
	assert_int_equal(approvals_private_key(f->all, &key, "wg1", &f->now), OUTCOME_NOT_APPROVED);
	advance(f, 8 * HOUR_US);
	assert_int_equal(approvals_private_key(f->all, &key, "wg0", &f->now), OUTCOME_NOT_APPROVED);
}

static void test_no_private_key_in_psk_mode(void **state)
{
	struct fixture *f = *state;
	const struct secret *key = NULL;

	grant(f);
	assert_int_equal(approvals_private_key(f->all, &key, "wg0", &f->now), OUTCOME_NOT_APPROVED);
}

static void test_replacement(void **state)
{
	struct fixture *f = *state;
	const struct approval *second;

	grant(f);
	advance(f, HOUR_US);
	f->request.lifetime_seconds = 60;
	second = grant(f);
	assert_int_equal(f->n_ended, 1);
	assert_int_equal(f->last_end, APPROVAL_END_REPLACED);
	assert_true(f->found_in_callback); /* it stays open */
	assert_ptr_equal(approvals_find(f->all, "wg0", NULL, &f->now), second);
	advance(f, 60 * US_PER_SEC);
	assert_false(approved(f)); /* also when the new one is the shorter */
}

static void test_replacement_ended_by_the_callback(void **state)
{
	struct fixture *f = *state;
	const struct approval *a;

	grant(f);
	f->end_all_in_callback = true;
	assert_int_equal(approvals_grant(f->all, &a, &f->request, &f->config, f->t, f->token_public, NULL, &f->now),
		OUTCOME_NOT_APPROVED);
	assert_null(a);
	assert_int_equal(f->n_ended, 2);
	assert_false(approved(f));
}

static void test_peers_and_the_whole(void **state)
{
	struct fixture *f = *state;

	f->request.whole_tunnel = false;
	memcpy(f->request.peer, f->peers[1].public_key, KEY_SIZE);
	grant(f);
	assert_psk_right(f, 1);
	assert_no_psk(f, 0);
	assert_non_null(approvals_find(f->all, "wg0", NULL, &f->now));
	assert_null(approvals_find(f->all, "wg0", f->peers[0].public_key, &f->now));

	/* Another peer's stands beside it; the whole tunnel's takes the place of both. */
	memcpy(f->request.peer, f->peers[0].public_key, KEY_SIZE);
	grant(f);
	assert_int_equal(f->n_ended, 0);
	f->request.whole_tunnel = true;
	grant(f);
	assert_int_equal(f->n_ended, 2);
	assert_psk_right(f, 1);

	/* A peer's beside the whole tunnel's; revoking that peer must close it. */
	f->request.whole_tunnel = false;
	grant(f);
	assert_int_equal(f->n_ended, 2);
	assert_int_equal(approvals_end(f->all, "wg0", f->peers[0].public_key, APPROVAL_END_REVOKED), 2);
	assert_no_psk(f, 0);
}

static void test_the_longest_lasting_is_found(void **state)
{
	struct fixture *f = *state;
	const struct approval *whole = grant(f);

	f->request.whole_tunnel = false;
	f->request.lifetime_seconds = 60;
	memcpy(f->request.peer, f->peers[0].public_key, KEY_SIZE);
	grant(f);
	assert_ptr_equal(approvals_find(f->all, "wg0", f->peers[0].public_key, &f->now), whole);
	advance(f, 60 * US_PER_SEC);
	assert_int_equal(approvals_expire(f->all, &f->now), 1);
	assert_psk_right(f, 0);
}

static void test_limit(void **state)
{
	struct fixture *f = *state;
	const struct approval *a;

	for (int i = 0; i < 4; i++) {
		f->config.ifname[2] = f->request.ifname[2] = (char)('0' + i);
		grant(f);
	}
	f->config.ifname[2] = f->request.ifname[2] = '4';
	assert_int_equal(approvals_grant(f->all, &a, &f->request, &f->config, f->t, f->token_public, NULL, &f->now),
		OUTCOME_LIMIT_EXCEEDED);
	assert_null(a);
	assert_int_equal(f->n_ended, 0);
	/* Replacing needs no room. */
	f->config.ifname[2] = f->request.ifname[2] = '3';
	grant(f);
	assert_int_equal(approvals_end(f->all, NULL, NULL, APPROVAL_END_LOCK), 4);
	assert_int_equal(f->last_end, APPROVAL_END_LOCK);
}

static void test_end_of_session_and_token(void **state)
{
	struct fixture *f = *state;

	grant(f);
	assert_int_equal(approvals_end_session(f->all, "c2", APPROVAL_END_LOGOUT), 0);
	assert_int_equal(approvals_end_session(f->all, "", APPROVAL_END_LOGOUT), 0);
	assert_true(approved(f));
	assert_int_equal(approvals_end_session(f->all, "c1", APPROVAL_END_LOGOUT), 1);
	assert_int_equal(f->last_end, APPROVAL_END_LOGOUT);
	assert_false(f->found_in_callback);
	assert_false(approved(f));

	f->request.session[0] = '\0';
	grant(f);
	assert_int_equal(approvals_end_session(f->all, "", APPROVAL_END_LOGOUT), 0);
	assert_int_equal(approvals_end_token(f->all, "soft-two"), 0);
	assert_true(approved(f));
	assert_int_equal(approvals_end_token(f->all, "soft-one"), 1);
	assert_int_equal(f->last_end, APPROVAL_END_TOKEN_REMOVED);
	assert_false(f->found_in_callback);
	assert_false(approved(f));
	assert_no_psk(f, 0);

	grant(f);
	assert_int_equal(approvals_end_token(f->all, NULL), 1);
}

static void test_free_tells(void **state)
{
	struct fixture *f = *state;

	grant(f);
	f->all = approvals_free(f->all); /* its callback looks at f->all, the old one, which is empty by then */
	assert_int_equal(f->n_ended, 1);
	assert_int_equal(f->last_end, APPROVAL_END_STOPPED);
	assert_false(f->found_in_callback);
}

static void assert_refused(struct fixture *f, const struct approval_request *request, int outcome)
{
	const struct approval *a;

	assert_int_equal(approvals_grant(f->all, &a, request, &f->config, f->t, f->token_public, NULL, &f->now), outcome);
	assert_null(a);
	assert_false(approved(f));
}

static void test_odd_requests(void **state)
{
	struct fixture *f = *state;
	struct approval_request q = f->request;

	q.lifetime_seconds = 0;
	assert_refused(f, &q, OUTCOME_INVALID_ARGUMENT);
	q.lifetime_seconds = 24 * 3600 + 1;
	assert_refused(f, &q, OUTCOME_INVALID_ARGUMENT);
	q = f->request;
	q.token_id[0] = '\0';
	assert_refused(f, &q, OUTCOME_INVALID_ARGUMENT);
	memset(q.token_id, 'x', sizeof(q.token_id));
	assert_refused(f, &q, OUTCOME_INVALID_ARGUMENT);
	q = f->request;
	strcpy(q.ifname, "wg1");
	assert_refused(f, &q, OUTCOME_INVALID_ARGUMENT);
	q = f->request;
	q.slot_seconds = 7;
	assert_refused(f, &q, OUTCOME_INVALID_ARGUMENT);
	q = f->request;
	q.whole_tunnel = false; /* and a peer that is not configured */
	assert_refused(f, &q, OUTCOME_INVALID_ARGUMENT);

	f->config.mode = CONFIG_MODE_IDENTITY;
	memcpy(q.peer, f->peers[0].public_key, KEY_SIZE);
	assert_refused(f, &q, OUTCOME_INVALID_ARGUMENT);
	f->config.mode = CONFIG_MODE_PSK;

	/* Somebody else's key. */
	f->token_public[3] ^= 1;
	assert_refused(f, &f->request, OUTCOME_INVALID_ARGUMENT);
	f->token_public[3] ^= 1;

	/* A low-order peer key. */
	memset(f->peers[1].public_key, 0, KEY_SIZE);
	assert_refused(f, &f->request, OUTCOME_INVALID_ARGUMENT);

	f->now.real_us = UINT64_MAX - 1;
	assert_refused(f, &f->request, -ERANGE);
}

static void test_refused_leaves_the_old_one(void **state)
{
	struct fixture *f = *state;
	struct approval_request q = f->request;
	const struct approval *a;

	grant(f);
	q.lifetime_seconds = 0;
	assert_int_equal(approvals_grant(f->all, &a, &q, &f->config, f->t, f->token_public, NULL, &f->now),
		OUTCOME_INVALID_ARGUMENT);
	assert_int_equal(f->n_ended, 0);
	assert_psk_right(f, 0);
}

/* A day from any slot has at most 25 epochs, and the real clock may be at its beginning. */
static void test_ends_of_range(void **state)
{
	struct fixture *f = *state;

	f->request.lifetime_seconds = 24 * 3600;
	f->now.real_us = 0;
	f->now.boot_us = 0;
	grant(f);
	assert_psk_right(f, 0);
	advance(f, 24 * HOUR_US - 1);
	assert_psk_right(f, 0);
	advance(f, 1);
	assert_no_psk(f, 0);
}

static void test_memory_runs_out(void **state)
{
	struct fixture *f = *state;
	const struct approval *a;
	struct secret *psk = NULL;
	int r = -ENOMEM;

	for (long n = 0; r != 0; n++) {
		fail_after = n;
		r = approvals_grant(f->all, &a, &f->request, &f->config, f->t, f->token_public, NULL, &f->now);
		fail_after = -1;
		assert_true(r == 0 || r == -ENOMEM);
		assert_true(approved(f) == (r == 0));
		assert_true(n < 1000);
	}

	/* While time goes on: never another slot's PSK, and never one after the keys could not follow. */
	for (long n = 0; n < 40; n++) {
		advance(f, 7 * SLOT_US);
		fail_after = n;
		r = try_psk(f, 0, &psk);
		fail_after = -1;
		if (r == 0) {
			psk = secret_free(psk);
			assert_psk_right(f, 0);
			continue;
		}
		assert_true(r == -ENOMEM || r == OUTCOME_NOT_APPROVED);
		r = try_psk(f, 0, &psk);
		if (r == 0) {
			psk = secret_free(psk);
			assert_psk_right(f, 0);
		}
		if (approvals_expire(f->all, &f->now) > 0) {
			assert_no_psk(f, 0);
			grant(f);
		}
	}
}

static void test_end_names(void **state)
{
	(void)state;
	for (int e = APPROVAL_END_NONE; e <= APPROVAL_END_STOPPED; e++)
		assert_true((approval_end_name((enum approval_end)e)[0] == '\0') == (e == APPROVAL_END_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_approved_at_first),
		TEST(test_psk_through_the_window),
		TEST(test_psk_with_gaps),
		TEST(test_preshared_is_mixed_in),
		TEST(test_identity),
		TEST(test_no_private_key_in_psk_mode),
		TEST(test_replacement),
		TEST(test_replacement_ended_by_the_callback),
		TEST(test_peers_and_the_whole),
		TEST(test_the_longest_lasting_is_found),
		TEST(test_limit),
		TEST(test_end_of_session_and_token),
		TEST(test_free_tells),
		TEST(test_odd_requests),
		TEST(test_refused_leaves_the_old_one),
		TEST(test_ends_of_range),
		TEST(test_memory_runs_out),
		TEST(test_end_names),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
