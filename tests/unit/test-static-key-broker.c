/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The resident static key: what the broker allows the tunnel, and the answers to its questions. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/handle.h"
#include "tunnel/static-key-broker.h"

#define START_US (1000 * US_PER_SEC)

static const uint8_t own[KEY_SIZE] = { 9 }, peer_a[KEY_SIZE] = { 1 }, peer_b[KEY_SIZE] = { 2 };

struct scene {
	struct clock_fake clock;
	struct grant grant;
	struct static_key *key;
	uint64_t asked[8];
	struct static_request last;
	uint8_t last_key[KEY_SIZE];
	size_t n_asked;
	int ask_result;
	unsigned int n_done, n_changed;
	int error;
	struct secret *shared;
};

static int ask(void *userdata, uint64_t id, const struct static_request *request, const uint8_t public_key[static KEY_SIZE])
{
	struct scene *s = userdata;

	if (s->ask_result < 0)
		return s->ask_result;
	s->asked[s->n_asked++] = id;
	s->last = *request;
	memcpy(s->last_key, public_key, KEY_SIZE);
	return 0;
}

static void done(void *userdata, int error, struct secret *shared)
{
	struct scene *s = userdata;

	s->n_done++;
	s->error = error;
	secret_free(s->shared);
	s->shared = shared;
}

static void changed(void *userdata)
{
	struct scene *s = userdata;

	s->n_changed++;
}

static void approve(struct scene *s, uint64_t until_us)
{
	s->grant.until_us = until_us;
	assert_int_equal(grant_peer(&s->grant, peer_a, until_us), 0);
}

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct static_key_broker_options options = { .ask = ask, .userdata = s };

	assert_non_null(s);
	clock_fake_init(&s->clock, START_US, START_US);
	grant_init(&s->grant);
	grant_broker(&s->grant, true);
	assert_true(lease_ask(&s->grant.lease, START_US));
	lease_answered(&s->grant.lease);
	s->grant.known = s->grant.resident = s->grant.present.known = true;
	memcpy(s->grant.present.public_key, own, KEY_SIZE);
	handle_make(s->grant.present.handle, 1, 3, own);
	approve(s, START_US + 60 * US_PER_SEC);
	options.grant = &s->grant;
	options.clock = &s->clock.clock;
	s->key = static_key_broker_new(&options);
	assert_non_null(s->key);
	s->key->changed = changed;
	s->key->changed_userdata = s;
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	static_key_free(s->key);
	grant_clear(&s->grant);
	secret_free(s->shared);
	free(s);
	return 0;
}

static int dh(struct scene *s, enum static_role role, const uint8_t peer[static KEY_SIZE], struct static_call **ret)
{
	struct static_request request = { .role = role };
	struct secret *shared = NULL;

	memcpy(request.peer, peer, KEY_SIZE);
	return s->key->ops->dh(s->key, &request, done, s, ret, &shared);
}

static struct secret *some_secret(void)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	assert_non_null(s);
	secret_fill_random(s);
	return s;
}

static void test_answers(void **state)
{
	struct scene *s = *state;
	struct static_call *a = NULL, *b = NULL;
	struct secret *second = some_secret();

	assert_int_equal(dh(s, STATIC_PEER, peer_a, &a), 0);
	assert_int_equal(dh(s, STATIC_RESPONDER, peer_b, &b), 0);
	assert_int_equal(s->n_asked, 2);
	assert_int_not_equal(s->asked[0], s->asked[1]);
	/* In whatever order they come: a slow one holds nobody up. */
	static_key_broker_answer(s->key, s->asked[1], second, OUTCOME_OK);
	assert_int_equal(s->n_done, 1);
	assert_ptr_equal(s->shared, second);
	assert_int_equal(s->error, 0);
	static_key_broker_answer(s->key, s->asked[0], NULL, OUTCOME_LIMIT_EXCEEDED);
	assert_int_equal(s->n_done, 2);
	assert_int_equal(s->error, -EAGAIN);
	assert_null(s->shared);
	/* Once only, and nothing of an answer that nobody asked for. */
	static_key_broker_answer(s->key, s->asked[0], some_secret(), OUTCOME_OK);
	static_key_broker_answer(s->key, 4711, some_secret(), OUTCOME_OK);
	assert_int_equal(s->n_done, 2);
	assert_int_equal(static_key_broker_waiting(s->key), 0);
}

/* How often others may begin follows what the token can do, as its answers tell: refusals say nothing, nor what waited in a queue. */
static void test_rate(void **state)
{
	struct scene *s = *state;
	struct static_call *first, *second;

	assert_int_equal(s->key->rate_us, 50 * US_PER_MS);
	assert_in_range(s->key->waiting_max, 1, 3);
	for (int i = 0; i < 30; i++) {
		s->n_asked = 0;
		assert_int_equal(dh(s, STATIC_RESPONDER, peer_a, &first), 0);
		assert_int_equal(dh(s, STATIC_RESPONDER, peer_a, &second), 0);
		clock_fake_advance(&s->clock, 100 * US_PER_MS);
		static_key_broker_answer(s->key, s->asked[0], some_secret(), OUTCOME_OK);
		clock_fake_advance(&s->clock, 300 * US_PER_MS);
		static_key_broker_answer(s->key, s->asked[1], some_secret(), OUTCOME_OK);
	}
	assert_int_equal(s->key->rate_us, 400 * US_PER_MS);
	s->n_asked = 0;
	assert_int_equal(dh(s, STATIC_RESPONDER, peer_a, &first), 0);
	static_key_broker_answer(s->key, s->asked[0], NULL, OUTCOME_LIMIT_EXCEEDED);
	assert_int_equal(s->key->rate_us, 400 * US_PER_MS);
	/* One that waited for a touch. */
	s->n_asked = 0;
	assert_int_equal(dh(s, STATIC_RESPONDER, peer_a, &first), 0);
	clock_fake_advance(&s->clock, 30 * US_PER_SEC);
	static_key_broker_answer(s->key, s->asked[0], some_secret(), OUTCOME_OK);
	assert_in_range(s->key->rate_us, 400 * US_PER_MS, US_PER_SEC);
}

static void test_refusals(void **state)
{
	static const struct {
		enum outcome outcome;
		int error;
	} all[] = {
		{ OUTCOME_NOT_APPROVED, -EACCES },	{ OUTCOME_DENIED, -EACCES },	   { OUTCOME_UNSUPPORTED, -EACCES },
		{ OUTCOME_LIMIT_EXCEEDED, -EAGAIN },	{ OUTCOME_TOKEN_BUSY, -EAGAIN },   { OUTCOME_TOKEN_MISSING, -ENODEV },
		{ OUTCOME_TOUCH_TIMEOUT, -ETIMEDOUT },	{ OUTCOME_INVALID_ARGUMENT, -EINVAL }, { OUTCOME_FAILED, -EIO },
		{ OUTCOME_OK, -EIO },
	};
	struct scene *s = *state;
	struct static_call *call;
	struct secret *zero = secret_new(SECRET_KEY_SIZE);

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		s->n_asked = 0;
		assert_int_equal(dh(s, STATIC_INITIATOR, peer_a, &call), 0);
		static_key_broker_answer(s->key, s->asked[0], NULL, all[i].outcome);
		assert_int_equal(s->error, all[i].error);
	}
	/* What no X25519 gives. */
	s->n_asked = 0;
	assert_int_equal(dh(s, STATIC_INITIATOR, peer_a, &call), 0);
	static_key_broker_answer(s->key, s->asked[0], zero, OUTCOME_OK);
	assert_int_equal(s->error, -EINVAL);
	assert_null(s->shared);
	s->n_asked = 0;
	assert_int_equal(dh(s, STATIC_INITIATOR, peer_a, &call), 0);
	static_key_broker_answer(s->key, s->asked[0], secret_new(16), OUTCOME_OK);
	assert_int_equal(s->error, -EINVAL);
	/* Could not be sent. */
	s->ask_result = -ENOTCONN;
	assert_int_equal(dh(s, STATIC_PEER, peer_a, &call), -ENOTCONN);
	assert_int_equal(static_key_broker_waiting(s->key), 0);
}

static void test_cancelled(void **state)
{
	struct scene *s = *state;
	struct static_call *call = NULL;

	assert_int_equal(dh(s, STATIC_PEER, peer_a, &call), 0);
	s->key->ops->cancel(s->key, call);
	static_key_broker_answer(s->key, s->asked[0], some_secret(), OUTCOME_OK);
	assert_int_equal(s->n_done, 0);
	/* And the ones that still wait go with the key: see tear_down under the sanitizers. */
	assert_int_equal(dh(s, STATIC_PEER, peer_a, &call), 0);
}

static void test_late_answer_opens_nothing(void **state)
{
	struct scene *s = *state;
	struct static_call *call;

	assert_int_equal(dh(s, STATIC_RESPONDER, peer_a, &call), 0);
	assert_int_equal(dh(s, STATIC_PEER, peer_a, &call), 0);
	clock_fake_advance(&s->clock, 60 * US_PER_SEC);
	static_key_broker_answer(s->key, s->asked[0], some_secret(), OUTCOME_OK);
	assert_int_equal(s->error, -EACCES);
	static_key_broker_answer(s->key, s->asked[1], some_secret(), OUTCOME_OK);
	assert_int_equal(s->error, -EACCES);
	assert_null(s->shared);
	assert_int_equal(dh(s, STATIC_PEER, peer_a, &call), -EACCES);
}

static void test_peers(void **state)
{
	struct scene *s = *state;
	struct static_call *call;

	/* One that the broker does not list, and one that was revoked. */
	assert_false(s->key->ops->approved(s->key, peer_b));
	assert_int_equal(dh(s, STATIC_PEER, peer_b, &call), -EACCES);
	assert_int_equal(grant_peer(&s->grant, peer_b, START_US + US_PER_SEC), 0);
	assert_true(s->key->ops->approved(s->key, peer_b));
	assert_int_equal(grant_peer(&s->grant, peer_a, 0), 0);
	assert_false(s->key->ops->approved(s->key, peer_a));
	assert_true(s->key->ops->approved(s->key, peer_b));
	assert_int_equal(grant_next(&s->grant, START_US), START_US + US_PER_SEC);
	clock_fake_advance(&s->clock, US_PER_SEC);
	assert_false(s->key->ops->approved(s->key, peer_b));
	static_key_broker_changed(s->key);
	assert_int_equal(s->n_changed, 1);
}

static bool is_open(const struct scene *s, const char **why)
{
	return grant_is_open(&s->grant, s->clock.now.boot_us, why);
}

static void test_every_condition_closes(void **state)
{
	struct scene *s = *state;
	const char *why = NULL;
	uint8_t handle[KEY_SIZE];

	assert_true(is_open(s, &why));
	s->grant.resident = false;
	assert_false(is_open(s, &why));
	s->grant.resident = true;
	/* Somebody set a PrivateKey that is the handle of another key; then of ours. */
	s->grant.wants_handle = true;
	handle_make(s->grant.wanted_handle, 1, 3, peer_a);
	assert_false(is_open(s, &why));
	assert_non_null(strstr(why, "PrivateKey"));
	handle_make(handle, 1, 3, own);
	memcpy(s->grant.wanted_handle, handle, KEY_SIZE);
	assert_true(is_open(s, &why));
	/* Two leases missed in a row. */
	assert_true(lease_ask(&s->grant.lease, START_US + US_PER_SEC));
	lease_missed(&s->grant.lease);
	assert_true(is_open(s, &why));
	assert_true(lease_ask(&s->grant.lease, START_US + 2 * US_PER_SEC));
	lease_missed(&s->grant.lease);
	assert_false(is_open(s, &why));
	assert_non_null(strstr(why, "does not answer"));
	lease_answered(&s->grant.lease);
	assert_true(is_open(s, &why));
	/* A broker that comes back has to say it all again. */
	grant_broker(&s->grant, false);
	assert_false(is_open(s, &why));
	grant_broker(&s->grant, true);
	assert_true(lease_ask(&s->grant.lease, START_US + 3 * US_PER_SEC));
	lease_answered(&s->grant.lease);
	assert_false(is_open(s, &why));
	assert_false(s->key->ops->approved(s->key, peer_a));
	s->grant.known = s->grant.resident = s->grant.present.known = true;
	memcpy(s->grant.present.public_key, own, KEY_SIZE);
	assert_false(is_open(s, &why));
	assert_string_equal(why, "not approved");
	approve(s, START_US + 60 * US_PER_SEC);
	assert_true(is_open(s, &why));
}

static void test_next_key(void **state)
{
	struct scene *s = *state;
	const struct static_key_broker_options options = { .grant = &s->grant, .clock = &s->clock.clock, .next = true, .ask = ask, .userdata = s };
	struct static_call *call;
	struct static_key *present = s->key;

	memcpy(s->grant.next.public_key, peer_b, KEY_SIZE);
	s->grant.next.known = true;
	s->key = static_key_broker_new(&options);
	assert_non_null(s->key);
	assert_memory_equal(s->key->public_key, peer_b, KEY_SIZE);
	assert_memory_equal(present->public_key, own, KEY_SIZE);
	assert_int_equal(dh(s, STATIC_PEER, peer_a, &call), 0);
	assert_memory_equal(s->last_key, peer_b, KEY_SIZE);
	assert_true(static_key_broker_asked(s->key, s->asked[0]));
	assert_false(static_key_broker_asked(present, s->asked[0]));
	/* The other key's answer is not taken for ours. */
	static_key_broker_answer(present, s->asked[0], some_secret(), OUTCOME_OK);
	assert_int_equal(s->n_done, 0);
	static_key_free(s->key);
	s->key = present;
	assert_int_equal(dh(s, STATIC_PEER, peer_a, &call), 0);
	assert_memory_equal(s->last_key, own, KEY_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cancelled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_late_answer_opens_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_peers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_condition_closes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_next_key, set_up, tear_down),
	};

	assert_int_equal(secret_init(), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
