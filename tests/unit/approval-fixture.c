/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/approval-fixture.h"

long fail_after = -1;

FAIL_SODIUM_MALLOC
FAIL_CALLOC
FAIL_SECRET_NEW

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

int setup(void **state)
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

int teardown(void **state)
{
	struct fixture *f = *state;

	approvals_free(f->all);
	secret_free(f->t);
	free(f);
	return 0;
}

const struct approval *grant(struct fixture *f)
{
	const struct approval *a = NULL;

	assert_int_equal(approvals_grant(f->all, &a, &f->request, &f->config, f->t, f->token_public, NULL, &f->now), 0);
	assert_non_null(a);
	return a;
}

void advance(struct fixture *f, uint64_t us)
{
	f->now.boot_us += us;
	f->now.real_us += us;
}

bool approved(struct fixture *f)
{
	return approvals_find(f->all, "wg0", NULL, &f->now) != NULL;
}

struct secret *expected_psk(struct fixture *f, size_t peer, uint64_t unix_seconds, const struct secret *preshared)
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

int try_psk(struct fixture *f, size_t peer, struct secret **ret)
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

void assert_psk_right(struct fixture *f, size_t peer)
{
	struct secret *psk = NULL, *want = expected_psk(f, peer, f->now.real_us / US_PER_SEC, NULL);

	assert_int_equal(try_psk(f, peer, &psk), 0);
	assert_true(secret_equal(psk, want));
	secret_free(psk);
	secret_free(want);
}

void assert_no_psk(struct fixture *f, size_t peer)
{
	struct secret *psk = NULL;

	assert_int_equal(try_psk(f, peer, &psk), OUTCOME_NOT_APPROVED);
	assert_null(psk);
}
