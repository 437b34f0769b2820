/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DiffieHellman at the worst moments: the approval over, the token gone or slow, a card that forgot, a queue that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/handle.h"
#include "tests/unit/resident-fixture.h"

/* When it is set, deadlines are over at once: no test waits for time. */
static bool hurry;

int __real_sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t callback, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t callback, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t callback, void *userdata)
{
	return __real_sd_event_add_time_relative(e, s, clock, hurry ? 0 : usec, hurry ? 1 : accuracy, callback, userdata);
}

static void on_dh(void *userdata, int outcome, const char *detail, struct secret **shared)
{
	struct fixture *f = userdata;

	f->dh_answered++;
	f->dh_outcome = outcome;
	(void)snprintf(f->dh_detail, sizeof(f->dh_detail), "%s", detail);
	assert_true((outcome == OUTCOME_OK) == (shared != NULL));
	if (shared)
		memcpy(f->shared, secret_key(*shared), KEY_SIZE);
}

static struct dh_params static_of(uint8_t peer)
{
	struct dh_params p = {.role = REQUEST_ROLE_STATIC};

	memset(p.point, peer, sizeof(p.point));
	return p;
}

static int begin(struct fixture *f, uint8_t peer, struct dh_call **ret)
{
	struct dh_params params = static_of(peer);
	const char *detail;

	return dh_start(ret, tunnel_of(f, "wg0"), &params, on_dh, f, &detail);
}

static int finish_dh(struct fixture *f)
{
	turn_until(f, &f->dh_answered, f->dh_answered + 1);
	return f->dh_outcome;
}

static int dh(struct fixture *f, uint8_t peer)
{
	struct dh_call *call;
	const int r = begin(f, peer, &call);

	return r ? r : finish_dh(f);
}

/* Enrolled at a token that answers, approved at one of the same keys that may not. */
static void ready(struct fixture *f, const char *name)
{
	(void)plug(f, name);
	assert_int_equal(enroll(f, "wg0"), OUTCOME_OK);
	assert_int_equal(approve(f, "wg0"), OUTCOME_OK);
}

static void pin(struct request *r)
{
	r->options.pin = secret_new(6);
	memcpy(secret_borrow_mut(r->options.pin), "123456", 6);
}

static void enroll_card(struct fixture *f, const char *ifname, const char *name)
{
	struct request *r;

	(void)plug(f, name);
	r = make(f, REQUEST_ENROLL, ifname);
	r->options.has_resident = r->options.resident = true;
	pin(r);
	assert_int_equal(run(f, r), OUTCOME_OK);
}

static enum outcome approve_card(struct fixture *f, const char *ifname, const char *name)
{
	struct request *r = make(f, REQUEST_APPROVE, ifname);

	(void)snprintf(r->options.token, sizeof(r->options.token), "soft-%s", name);
	pin(r);
	return run(f, r);
}

static void ready_card(struct fixture *f)
{
	enroll_card(f, "wg0", "card");
	assert_int_equal(approve_card(f, "wg0", "card"), OUTCOME_OK);
}

static void on_asked(void *userdata, struct job *j, struct wire_result *result)
{
	struct fixture *f = userdata;

	(void)j;
	f->dh_answered++;
	f->dh_outcome = (int)result->outcome;
}

/* Not on behalf of the broker; without a PIN. */
static int ask_card(struct fixture *f, enum wire_type type)
{
	struct job *j;

	assert_int_equal(job_new(&j, TAILQ_FIRST(&f->broker->tokens.list), type, f), 0);
	j->request.timeout_ms = 1000;
	j->request.x_slot.kind = WIRE_X_OPENPGP;
	j->request.x_point[0] = 9;
	j->request.x_keep = type == WIRE_X_DH;
	j->done = on_asked;
	job_start(j);
	return finish_dh(f);
}

/* The token is at it. */
static void until_it_runs(struct fixture *f)
{
	const struct token *t = TAILQ_FIRST(&f->broker->tokens.list);

	while (!TAILQ_FIRST(&t->jobs) || TAILQ_FIRST(&t->jobs)->state != JOB_RUNNING)
		assert_true(sd_event_run(f->event, 120 * US_PER_SEC) > 0);
}

static void test_right(void **state)
{
	_cleanup_secret_ struct secret *t = fake_key(0, ""), *expected = NULL;
	struct fixture *f = *state;
	uint8_t peer[KEY_SIZE];

	ready(f, "good");
	assert_int_equal(dh(f, 'A'), OUTCOME_OK);
	memset(peer, 'A', sizeof(peer));
	assert_int_equal(schedule_shared(&expected, t, peer), 0);
	assert_memory_equal(f->shared, secret_key(expected), KEY_SIZE);
	assert_int_equal(dh(f, 'X'), OUTCOME_NOT_APPROVED);
}

/* The token has the answer ready and gives it, after nobody may have it any more. */
static void test_approval_over_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct dh_call *call;

	ready(f, "slow");
	assert_int_equal(begin(f, 'A', &call), 0);
	until_it_runs(f);
	assert_int_equal(f->dh_answered, 0);
	assert_int_equal(broker_revoke(f->broker, tunnel_of(f, "wg0"), NULL, "uid 1"), 1);
	assert_int_equal(f->dh_answered, 1);
	assert_int_equal(f->dh_outcome, OUTCOME_NOT_APPROVED);
	idle(f);
	assert_int_equal(f->dh_answered, 1);
	assert_int_equal(dh(f, 'A'), OUTCOME_NOT_APPROVED);
}

static void test_time_over_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct dh_call *call;

	ready(f, "good");
	assert_int_equal(begin(f, 'A', &call), 0);
	/* Nobody has looked at the clock yet when the answer comes. */
	clock_fake_advance(&f->clock, 9 * 3600 * US_PER_SEC);
	assert_int_equal(finish_dh(f), OUTCOME_NOT_APPROVED);
}

/* Renewed, the tunnel stays open, and so do its handshakes. */
static void test_approved_again_meanwhile(void **state)
{
	struct fixture *f = *state;

	ready(f, "good");
	assert_int_equal(dh(f, 'A'), OUTCOME_OK);
	assert_int_equal(approve(f, "wg0"), OUTCOME_OK);
	assert_int_equal(tunnel_of(f, "wg0")->peers[0].dh.generation, tunnel_of(f, "wg0")->dh.generation);
	(void)broker_lock_all(f->broker);
	assert_int_not_equal(tunnel_of(f, "wg0")->peers[0].dh.generation, tunnel_of(f, "wg0")->dh.generation);
}

static void test_token_gone_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct dh_call *call;

	ready(f, "slow");
	assert_int_equal(begin(f, 'A', &call), 0);
	assert_int_equal(begin(f, 'B', &call), 0);
	until_it_runs(f);
	unplug(f, "slow");
	assert_int_equal(f->dh_answered, 2);
	assert_int_equal(f->dh_outcome, OUTCOME_NOT_APPROVED);
	assert_int_equal(dh(f, 'A'), OUTCOME_NOT_APPROVED);
}

static void test_cancelled(void **state)
{
	struct fixture *f = *state;
	struct dh_call *call;

	ready(f, "slow");
	assert_int_equal(begin(f, 'A', &call), 0);
	until_it_runs(f);
	assert_null(dh_cancel(call));
	assert_int_equal(f->dh_answered, 0);
	assert_true(TAILQ_EMPTY(&tunnel_of(f, "wg0")->dh.calls));
	/* The token is free again. */
	assert_int_equal(begin(f, 'A', &call), 0);
	assert_int_equal(begin(f, 'B', &call), 0);
	broker_stop(f->broker);
	assert_int_equal(f->dh_answered, 2);
}

/* Whoever sits before the token does not wait for the handshakes that are queued there, and these are bounded. */
static void test_users_go_first(void **state)
{
	struct fixture *f = *state;
	struct dh_call *call = NULL, *first = NULL;
	uint8_t public_key[KEY_SIZE];
	struct request *request;
	unsigned int n = 0;
	int r;

	ready(f, "slow");
	while ((r = begin(f, 'A', &call)) == 0) {
		if (n++ == 0)
			first = call;
		assert_true(n <= DH_WAITING_MAX);
	}
	assert_int_equal(r, OUTCOME_LIMIT_EXCEEDED);
	assert_int_equal(n, DH_WAITING_MAX);
	/* A user's: it is the next one after the one that runs, before the other sixty-three. */
	until_it_runs(f);
	request = make(f, REQUEST_ENROLL, "wg1");
	request->options.has_resident = request->options.resident = request->options.has_handle = true;
	fake_public(public_key, 2, "");
	handle_make(request->options.handle, WIRE_X_CTAPHID, 2, public_key);
	request_start(request);
	dh_cancel(first);
	assert_int_equal(finish(f), OUTCOME_WRONG_TOKEN); /* it was asked, and has no such key */
	assert_int_equal(f->dh_answered, 0);
}

/* Which keys a token has anybody may ask, as often as they like: handshakes do not wait behind that. */
static void test_handshakes_before_anybody(void **state)
{
	struct fixture *f = *state;
	struct dh_call *call;
	const struct job *j;

	ready(f, "good");
	for (int i = 0; i < 4; i++) {
		struct request *r = make(f, REQUEST_LIST, "");

		(void)snprintf(r->options.token, sizeof(r->options.token), "soft-good");
		request_start(r);
	}
	assert_int_equal(begin(f, 'A', &call), 0);
	j = TAILQ_FIRST(&TAILQ_FIRST(&f->broker->tokens.list)->jobs);
	assert_int_equal(j->request.type, WIRE_X_DH);
	for (int i = 0; (j = TAILQ_NEXT(j, link)); i++) {
		assert_true(i < 4);
		assert_int_equal(j->request.type, WIRE_X_LIST);
	}
	assert_int_equal(finish_dh(f), OUTCOME_OK);
	assert_false(TAILQ_EMPTY(&f->broker->requests));
	idle(f);
	assert_true(TAILQ_EMPTY(&f->broker->requests));
}

/* A question that the token is at when it is let go. */
static void ask_and_go(struct fixture *f, enum request_kind kind, const char *token)
{
	struct request *r = make(f, kind, kind == REQUEST_LIST ? "" : "wg1");

	(void)snprintf(r->options.token, sizeof(r->options.token), "soft-%s", token);
	r->options.has_resident = r->options.resident = kind == REQUEST_ENROLL;
	request_start(r);
	until_it_runs(f);
	request_cancel(r, "");
	assert_int_equal(f->outcome, OUTCOME_CANCELLED);
}

/* Who asks and goes ends neither a card's worker nor the session that somebody's tunnel has with it, however often. */
static void test_asked_and_gone(void **state)
{
	struct fixture *f = *state;
	const struct token *t;
	const struct worker *w;

	ready_card(f);
	t = TAILQ_FIRST(&f->broker->tokens.list);
	w = t->worker;
	for (int i = 0; i < 3; i++) {
		ask_and_go(f, REQUEST_LIST, "card");
		assert_int_equal(dh(f, 'A'), OUTCOME_OK);
	}
	/* Nor who has a right to more than the question. */
	ask_and_go(f, REQUEST_ENROLL, "card");
	assert_int_equal(dh(f, 'A'), OUTCOME_OK);
	idle(f);
	assert_ptr_equal(t->worker, w);
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "approved");
}

/* A question that is never answered ends at its deadline, also when nobody waits for it any more, and what is queued behind it goes on
 * with a new worker. */
static void test_never_answered(void **state)
{
	struct fixture *f = *state;

	(void)plug(f, "stuck");
	idle(f);
	hurry = true;
	ask_and_go(f, REQUEST_LIST, "stuck");
	hurry = false;
	assert_int_equal(ask_card(f, WIRE_X_FORGET), OUTCOME_OK);
	assert_null(TAILQ_FIRST(&TAILQ_FIRST(&f->broker->tokens.list)->jobs));
}

/* Its session was ended by somebody else's reset: the approval is worth nothing any more, and says so. */
static void test_card_forgets(void **state)
{
	struct fixture *f = *state;

	ready_card(f);
	assert_int_equal(dh(f, 'A'), OUTCOME_OK);
	assert_int_equal(dh(f, 'B'), OUTCOME_OK);
	assert_int_equal(ask_card(f, WIRE_X_FORGET), OUTCOME_OK);
	assert_int_equal(dh(f, 'A'), OUTCOME_NOT_APPROVED);
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "locked");
	assert_int_equal(tunnel_of(f, "wg0")->end_reason, APPROVAL_END_SESSION_LOST);
}

/* The session ends with the approval, at the card too. */
static void test_session_ends_with_the_approval(void **state)
{
	struct fixture *f = *state;

	ready_card(f);
	assert_int_equal(ask_card(f, WIRE_X_DH), OUTCOME_OK);
	(void)broker_lock_all(f->broker);
	assert_int_equal(ask_card(f, WIRE_X_DH), OUTCOME_PIN_REQUIRED);
}

/* Printed, and no verdict: the broker's part and the way to a worker that answers at once, without the bus. */
static void test_speed(void **state)
{
	struct fixture *f = *state;
	uint64_t begun;

	ready(f, "good");
	begun = clock_now(&clock_system).boot_us;
	for (int i = 0; i < 500; i++)
		assert_int_equal(dh(f, 'A'), OUTCOME_OK);
	print_message("%.0f us a call\n", (double)(clock_now(&clock_system).boot_us - begun) / 500);
}

/* Also where the key file went first, or says something else by then. */
static void test_session_ends_with_the_key_file(void **state)
{
	struct fixture *f = *state;
	char path[128];

	ready_card(f);
	assert_int_equal(ask_card(f, WIRE_X_DH), OUTCOME_OK);
	(void)snprintf(path, sizeof(path), "%s/keys/wg0.key", f->state);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(broker_reload(f->broker), 0);
	assert_string_equal(tunnel_state(tunnel_of(f, "wg0")), "unenrolled");
	assert_int_equal(ask_card(f, WIRE_X_DH), OUTCOME_PIN_REQUIRED);
}

/* And where the next approval is another card's. */
static void test_session_ends_with_another_card(void **state)
{
	struct fixture *f = *state;

	ready_card(f);
	(void)plug(f, "card2");
	assert_int_equal(ask_card(f, WIRE_X_DH), OUTCOME_OK);
	assert_int_equal(approve_card(f, "wg0", "card2"), OUTCOME_OK);
	assert_int_equal(ask_card(f, WIRE_X_DH), OUTCOME_PIN_REQUIRED);
	assert_int_equal(dh(f, 'A'), OUTCOME_OK);
	/* The same one again: it is wanted still. */
	assert_int_equal(approve_card(f, "wg0", "card2"), OUTCOME_OK);
	assert_int_equal(dh(f, 'A'), OUTCOME_OK);
}

/* No approval came of it, and so nothing is left open at the card. */
static void test_no_session_without_an_approval(void **state)
{
	struct fixture *f = *state;

	write_config(f, "wg1", "psk", "ABD", "");
	assert_int_equal(broker_reload(f->broker), 0);
	enroll_card(f, "wg1", "clumsy");
	assert_int_equal(approve_card(f, "wg1", "clumsy"), OUTCOME_TOUCH_TIMEOUT);
	idle(f);
	assert_int_equal(ask_card(f, WIRE_X_DH), OUTCOME_PIN_REQUIRED);
}

/* A card that comes after the PIN was given does not get it, whatever key it says it has. */
static void test_card_that_comes_later(void **state)
{
	struct fixture *f = *state;
	struct request *r;

	enroll_card(f, "wg0", "card");
	unplug(f, "card");
	r = make(f, REQUEST_APPROVE, "wg0");
	r->options.wait = true;
	pin(r);
	request_start(r);
	idle(f);
	assert_int_equal(f->answered, 1);
	(void)plug(f, "card2");
	assert_int_equal(finish(f), OUTCOME_PIN_REQUIRED);
	assert_non_null(strstr(f->detail, "was given before"));
	assert_int_equal(ask_card(f, WIRE_X_DH), OUTCOME_PIN_REQUIRED);
	/* The one that was there when it was given, and no other. */
	(void)plug(f, "card");
	assert_int_equal(approve_card(f, "wg0", "card2"), OUTCOME_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_right),
		TEST(test_approval_over_meanwhile),
		TEST(test_time_over_meanwhile),
		TEST(test_approved_again_meanwhile),
		TEST(test_token_gone_meanwhile),
		TEST(test_cancelled),
		TEST(test_users_go_first),
		TEST(test_handshakes_before_anybody),
		TEST(test_asked_and_gone),
		TEST(test_never_answered),
		TEST(test_card_forgets),
		TEST(test_session_ends_with_the_approval),
		TEST(test_session_ends_with_the_key_file),
		TEST(test_session_ends_with_another_card),
		TEST(test_no_session_without_an_approval),
		TEST(test_card_that_comes_later),
		TEST(test_speed),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
