/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rekeying of tunnels with resident keys: what is kept until it is committed, and what ends then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/resident-fixture.h"

static void test_rekey_identity(void **state)
{
	struct fixture *f = *state;
	uint64_t until;
	struct request *r;

	(void)plug(f, "good");
	assert_int_equal(run(f, make(f, REQUEST_COMMIT, "wg0")), OUTCOME_NOT_ENROLLED);
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	assert_int_equal(approve(f, "wg0"), OUTCOME_OK);
	until = f->until;
	assert_int_equal(run(f, make(f, REQUEST_COMMIT, "wg0")), OUTCOME_NOT_ENROLLED);
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg0")), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch 1/1");
	assert_key(keyfile_of(f, "wg0")->public_key, 0, "");
	assert_true(keyfile_of(f, "wg0")->has_next);
	assert_key(keyfile_of(f, "wg0")->next.public_key, 1, "");
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "approved");
	/* Given up, and made once more: in another slot, or in the same one when that was emptied. */
	r = make(f, REQUEST_COMMIT, "wg0");
	r->options.abandon = true;
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_false(keyfile_of(f, "wg0")->has_next);
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg0")), OUTCOME_OK);
	assert_key(keyfile_of(f, "wg0")->next.public_key, 2, "");
	r = make(f, REQUEST_COMMIT, "wg0");
	r->options.abandon = r->options.erase = true;
	assert_int_equal(run(f, r), OUTCOME_OK);
	assert_string_equal(f->prompts, "touch 1/1");
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg0")), OUTCOME_OK);
	assert_int_equal(run(f, make(f, REQUEST_COMMIT, "wg0")), OUTCOME_OK);
	assert_string_equal(f->prompts, "");
	assert_key(keyfile_of(f, "wg0")->public_key, 2, "");
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "approved");
	assert_int_equal(tunnel_approved_until(tunnel_of(f, "wg0")), until);
	/* The old one goes from its slot, and from no other. */
	r = make(f, REQUEST_COMMIT, "wg0");
	r->options.erase = true;
	assert_int_equal(run(f, r), OUTCOME_NOT_ENROLLED);
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg0")), OUTCOME_LIMIT_EXCEEDED);
	/* The next key is one of the same token. */
	unplug(f, "good");
	(void)plug(f, "other");
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg0")), OUTCOME_WRONG_TOKEN);
}

static void test_rekey_psk(void **state)
{
	struct fixture *f = *state;
	struct instant now = clock_now(&f->clock.clock);
	struct secret *before = NULL, *after = NULL;
	uint8_t peer[KEY_SIZE];
	uint64_t start, end, until;

	memset(peer, 'B', sizeof(peer));
	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	assert_int_equal(approve(f, "wg1"), OUTCOME_OK);
	until = f->until;
	assert_int_equal(approvals_psk(f->broker->approvals, &before, &start, &end, "wg1", peer, &now), 0);
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg1")), OUTCOME_OK);
	assert_int_equal(run(f, make(f, REQUEST_COMMIT, "wg1")), OUTCOME_OK);
	assert_key(keyfile_of(f, "wg1")->public_key, 1, "");
	assert_string_equal(tunnel_state(tunnel_of(f, "wg1")), "approved");
	assert_int_equal(tunnel_approved_until(tunnel_of(f, "wg1")), until);
	assert_int_equal(approvals_psk(f->broker->approvals, &after, &start, &end, "wg1", peer, &now), 0);
	assert_false(secret_equal(before, after));
	secret_free(before);
	secret_free(after);
	/* Not approved: no token is needed. */
	(void)broker_lock_all(f->broker);
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg1")), OUTCOME_OK);
	unplug(f, "good");
	assert_int_equal(run(f, make(f, REQUEST_COMMIT, "wg1")), OUTCOME_OK);
	assert_key(keyfile_of(f, "wg1")->public_key, 2, "");
}

/* Of the old key nothing is served any more, also not to a peer that was approved while the next one was being used. */
static void test_approved_while_committing(void **state)
{
	struct fixture *f = *state;
	struct instant now = clock_now(&f->clock.clock);
	uint8_t peer[KEY_SIZE];
	struct request *r;

	write_config(f, "wg1", "psk", "AB", "ApprovalScope = peer\n");
	assert_int_equal(broker_reload(f->broker), 0);
	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg1")), OUTCOME_OK);
	for (unsigned int i = 0; i < 2; i++) {
		r = make(f, REQUEST_APPROVE, "wg1");
		r->has_peer = true;
		memset(r->peer, i ? 'B' : 'A', sizeof(r->peer));
		if (i == 0)
			assert_int_equal(run(f, r), OUTCOME_OK);
	}
	f->answered = 0;
	request_start(r);
	request_start(make(f, REQUEST_COMMIT, "wg1"));
	turn_until(f, &f->answered, 2);
	assert_key(keyfile_of(f, "wg1")->public_key, 1, "");
	memset(peer, 'A', sizeof(peer));
	assert_non_null(approvals_find(f->broker->approvals, "wg1", peer, &now));
	memset(peer, 'B', sizeof(peer));
	assert_null(approvals_find(f->broker->approvals, "wg1", peer, &now));
}

/* From a resident key to a wrapped one there is no way past the old rules, nor is anything left of approvals. */
static void test_rekey_from_wrapped(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	(void)plug(f, "good");
	r = make(f, REQUEST_REKEY, "wg0");
	r->options.has_resident = r->options.resident = true;
	assert_int_equal(run(f, r), OUTCOME_NOT_ENROLLED);
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	assert_int_equal(approve(f, "wg0"), OUTCOME_OK);
	/* It has no hmac-secret. */
	r = make(f, REQUEST_REKEY, "wg0");
	r->options.has_resident = true;
	assert_int_equal(run(f, r), OUTCOME_UNSUPPORTED);
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "approved");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rekey_identity),
		TEST(test_rekey_psk),
		TEST(test_approved_while_committing),
		TEST(test_rekey_from_wrapped),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
