/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of user presence, with made-up instants only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/approval-keys.h"
#include "daemon/approval.h"

#define HOUR_US (3600 * US_PER_SEC)
#define SLOT_US (120 * US_PER_SEC)
/* 2023-11-14 22:00:00 UTC: an epoch begins. */
#define EPOCH_START UINT64_C(1699999200)
#define BOOT_US (5000 * US_PER_SEC)

_Static_assert(EPOCH_START % SCHEDULE_EPOCH_SECONDS == 0, "start of an epoch");

/* Nothing of the real allocator, unless a test counts down to a failure. */
static long fail_after = -1;

void *__real_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size)
{
	if (fail_after >= 0 && fail_after-- == 0)
		return NULL;
	return __real_sodium_malloc(size);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	if (fail_after >= 0 && fail_after-- == 0)
		return NULL;
	return __real_calloc(n, size);
}

struct secret *__real_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len)
{
	if (fail_after >= 0 && fail_after-- == 0)
		return NULL;
	return __real_secret_new(len);
}

struct fixture {
	struct approvals *all;
	struct secret *t;
	uint8_t token_public[KEY_SIZE];
	struct config config;
	struct config_peer peers[3];
	struct approval_request request;
	struct instant now;
	/* what ended() saw */
	size_t n_ended;
	enum approval_end last_end;
	bool found_in_callback;
	bool end_all_in_callback;
};

static void on_ended(void *userdata, const struct approval *a, enum approval_end why)
{
	struct fixture *f = userdata;
	const struct approval_request *q = approval_request(a);
	const struct secret *key;
	struct secret *psk = NULL;
	uint64_t start, end;

	f->n_ended++;
	f->last_end = why;
	f->found_in_callback = approvals_find(f->all, q->ifname, q->whole_tunnel ? NULL : q->peer, &f->now) != NULL;
	if (!f->found_in_callback) {
		assert_int_equal(approvals_psk(f->all, &psk, &start, &end, q->ifname, f->peers[0].public_key, &f->now),
			OUTCOME_NOT_APPROVED);
		assert_int_equal(approvals_private_key(f->all, &key, q->ifname, &f->now), OUTCOME_NOT_APPROVED);
	}
	if (f->end_all_in_callback) {
		f->end_all_in_callback = false;
		approvals_end(f->all, NULL, NULL, APPROVAL_END_REVOKED);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct secret *s = secret_new(32);

	assert_non_null(f);
	f->t = secret_new(32);
	secret_fill_random(f->t);
	schedule_public(f->token_public, f->t);

	strcpy(f->config.ifname, "wg0");
	f->config.mode = CONFIG_MODE_PSK;
	f->config.has_public_key = true;
	f->config.lifetime_seconds = 8 * 3600;
	f->config.slot_seconds = 120;
	f->config.n_peers = 3;
	f->config.peers = f->peers;
	secret_fill_random(s);
	schedule_public(f->config.public_key, s);
	for (size_t i = 0; i < 3; i++) {
		secret_fill_random(s);
		schedule_public(f->peers[i].public_key, s);
		f->peers[i].schedule = i == 2 ? CONFIG_SCHEDULE_STATIC : CONFIG_SCHEDULE_TIME;
	}
	secret_free(s);

	strcpy(f->request.ifname, "wg0");
	f->request.whole_tunnel = true;
	f->request.uid = 1000;
	strcpy(f->request.session, "c1");
	strcpy(f->request.token_id, "soft-one");
	f->request.lifetime_seconds = 8 * 3600;
	f->request.slot_seconds = 120;

	f->now.boot_us = BOOT_US;
	f->now.real_us = EPOCH_START * US_PER_SEC + 20 * SLOT_US + 7;
	assert_int_equal(approvals_new(&f->all, 4, on_ended, f), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	approvals_free(f->all);
	secret_free(f->t);
	free(f);
	return 0;
}

static const struct approval *grant(struct fixture *f)
{
	const struct approval *a = NULL;

	assert_int_equal(approvals_grant(f->all, &a, &f->request, &f->config, f->t, f->token_public, NULL, &f->now), 0);
	assert_non_null(a);
	return a;
}

static void advance(struct fixture *f, uint64_t us)
{
	f->now.boot_us += us;
	f->now.real_us += us;
}

static bool approved(struct fixture *f)
{
	return approvals_find(f->all, "wg0", NULL, &f->now) != NULL;
}

/* The PSK as the other end computes it, straight from the formulas. */
static struct secret *expected_psk(struct fixture *f, size_t peer, uint64_t unix_seconds, const struct secret *preshared)
{
	struct schedule s = { .slot_seconds = 120 };
	uint64_t slot = schedule_slot(&s, unix_seconds);
	struct schedule_parties parties;
	struct secret *shared, *root, *key, *psk;
	struct schedule_chain chain;

	memcpy(parties.token_public, f->token_public, KEY_SIZE);
	memcpy(parties.client_public, f->config.public_key, KEY_SIZE);
	memcpy(parties.server_public, f->peers[peer].public_key, KEY_SIZE);
	assert_int_equal(schedule_shared(&shared, f->t, f->peers[peer].public_key), 0);
	assert_int_equal(schedule_root(&root, shared, &parties, preshared), 0);
	if (f->peers[peer].schedule == CONFIG_SCHEDULE_STATIC) {
		assert_int_equal(schedule_static_psk(&psk, root), 0);
	} else {
		assert_int_equal(schedule_epoch_key(&key, root, schedule_slot_epoch(&s, slot)), 0);
		assert_int_equal(schedule_chain_start(&chain, key, schedule_slot_epoch(&s, slot)), 0);
		assert_int_equal(schedule_chain_advance(&chain, schedule_slot_index(&s, slot)), 0);
		assert_int_equal(schedule_chain_psk(&psk, &chain, schedule_slot_index(&s, slot)), 0);
		schedule_chain_clear(&chain);
		secret_free(key);
	}
	secret_free(shared);
	secret_free(root);
	return psk;
}

static int try_psk(struct fixture *f, size_t peer, struct secret **ret)
{
	uint64_t start, end;
	int r = approvals_psk(f->all, ret, &start, &end, "wg0", f->peers[peer].public_key, &f->now);

	if (r == 0 && f->peers[peer].schedule == CONFIG_SCHEDULE_TIME) {
		assert_true(start * US_PER_SEC <= f->now.real_us && f->now.real_us < end * US_PER_SEC);
		assert_int_equal(end - start, 120);
	} else if (r == 0) {
		assert_int_equal(start, 0);
		assert_true(end == UINT64_MAX);
	}
	return r;
}

static void assert_psk_right(struct fixture *f, size_t peer)
{
	struct secret *psk = NULL, *want = expected_psk(f, peer, f->now.real_us / US_PER_SEC, NULL);

	assert_int_equal(try_psk(f, peer, &psk), 0);
	assert_true(secret_equal(psk, want));
	secret_free(psk);
	secret_free(want);
}

static void assert_no_psk(struct fixture *f, size_t peer)
{
	struct secret *psk = NULL;

	assert_int_equal(try_psk(f, peer, &psk), OUTCOME_NOT_APPROVED);
	assert_null(psk);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_approved_at_first),
		TEST(test_psk_through_the_window),
		TEST(test_psk_with_gaps),
		TEST(test_preshared_is_mixed_in),
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
		TEST(test_expire_moves_the_chain),
		TEST(test_next),
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
