/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The token's side: opening, closing, rotation, drift. */
#include "tests/unit/rotator-fixture.h"

#include "common/handle.h"
#include "common/schedule.h"

static void test_starts_closed(void **state)
{
	struct fixture *f = *state;

	assert_true(fake_wg_initiation(f->wg, f->other, f->static_psk));
	assert_true(fake_wg_session(f->wg, f->other));
	start(f);
	assert_true(is_closed(f));
	assert_int_equal(f->wg->n_sets, 1);
	assert_string_equal(guard(f)->reason, "the broker (wgfidod) is not running");
	/* Looking at what is closed changes nothing. */
	second(f, 5);
	assert_int_equal(f->wg->n_sets, 1);
}

static void test_opens_rotates_and_expires(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	approve(f);
	assert_true(psk_equal(peer(f)->psk, f->given));
	assert_int_equal(peer(f)->keepalive, 25);
	assert_int_equal(status(f).state, STATUS_PEER_OPEN);
	assert_int_equal(status(f).slot, f->answered_slot);
	second(f, 1);
	assert_true(fake_wg_initiation(f->wg, f->other, f->given));
	second(f, 1);
	assert_int_equal(status(f).state, STATUS_PEER_ROTATED);

	/* The next slot: asked for at its beginning, only the PSK changes, the session goes on. */
	f->n_psk_asked = 0;
	second(f, 120 - (NOW % 120) - 3);
	assert_int_equal(f->n_psk_asked, 0);
	second(f, 2);
	assert_int_equal(f->n_psk_asked, 1);
	give_psk(f);
	assert_true(psk_equal(peer(f)->psk, f->given));
	assert_true(fake_wg_session(f->wg, f->other));
	assert_int_equal(status(f).slot, f->answered_slot);

	/* The approval's end is this agent's own to know. */
	f->refuse = true;
	clock_fake_advance(&f->clock, HOUR_US);
	(void)agent_run(&f->agent);
	assert_true(is_closed(f));
}

static void test_handle_is_no_private_key(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	approve(f);
	assert_false(is_closed(f));
	handle_make(secret_borrow_mut(f->wg->private_key), 1, 0, f->token);
	second(f, 1);
	assert_true(is_closed(f));
	assert_non_null(strstr(guard(f)->reason, "handle of a key"));
}

static void test_ends(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	/* Revoked, or the key was pulled. */
	approve(f);
	agent_peer(&f->agent, "wg0", f->other, 0);
	assert_int_equal(guard_next(guard(f)), 0);
	(void)agent_run(&f->agent);
	assert_true(is_closed(f));
	assert_int_equal(guard(f)->closed_us, f->clock.now.boot_us);

	/* The broker left the bus. */
	approve(f);
	agent_broker(&f->agent, false);
	(void)agent_run(&f->agent);
	assert_true(is_closed(f));
	/* What it said before does not count when it is back. */
	agent_broker(&f->agent, true);
	agent_lease(&f->agent, true);
	second(f, 3);
	assert_true(is_closed(f));

	/* It is there but silent. */
	approve(f);
	agent_lease(&f->agent, true);
	for (unsigned int i = 0; i < 2; i++) {
		clock_fake_advance(&f->clock, US_PER_SEC);
		assert_true(agent_lease_due(&f->agent, &f->clock.now));
		assert_int_equal(guard(f)->state, STATUS_OPEN);
		agent_lease(&f->agent, false);
	}
	(void)agent_run(&f->agent);
	assert_true(is_closed(f));
	assert_string_equal(guard(f)->reason, "the broker (wgfidod) does not answer");
	/* It wakes up: everything is asked anew. */
	agent_lease(&f->agent, true);
	assert_true(agent_wants_objects(&f->agent));
	assert_false(agent_wants_objects(&f->agent));
	second(f, 1);
	assert_true(is_closed(f));

	/* The agent stops. */
	approve(f);
	assert_true(agent_stop(&f->agent, "stopped"));
	assert_true(is_closed(f));
	second(f, 5);
	assert_true(is_closed(f));
}

static void test_a_late_answer_opens_nothing(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	agent_peer(&f->agent, "wg0", f->other, f->clock.now.boot_us + HOUR_US);
	(void)agent_run(&f->agent);
	agent_peer(&f->agent, "wg0", f->other, 0);
	(void)agent_run(&f->agent);
	give_psk(f);
	second(f, 1);
	assert_true(is_closed(f));
	/* Nor does one that nobody asked for. */
	give_psk(f);
	assert_true(is_closed(f));
}

static void test_drift(void **state)
{
	struct fixture *f = *state;
	struct secret *foreign = psk_random();

	start(f);
	broker(f);
	/* Closed: a PSK that somebody knows, a keepalive, a session. */
	fake_wg_set_psk(f->wg, f->other, foreign);
	assert_true(fake_wg_initiation(f->wg, f->other, foreign));
	peer(f)->keepalive = 15;
	second(f, 1);
	assert_true(is_closed(f));
	assert_int_equal(status(f).drift_repaired, 1);
	fake_wg_set_psk(f->wg, f->other, NULL);
	second(f, 1);
	assert_true(is_closed(f));
	assert_int_equal(status(f).drift_repaired, 2);

	/* The keepalive that was asked for meanwhile is the one it opens with. */
	approve(f);
	assert_int_equal(peer(f)->keepalive, 15);
	fake_wg_set_psk(f->wg, f->other, foreign);
	second(f, 1);
	assert_true(psk_equal(peer(f)->psk, f->given));
	assert_int_equal(status(f).drift_repaired, 3);
	/* Removed and added again by somebody: a new peer, closed until it is opened again. */
	fake_wg_remove_peer(f->wg, f->other);
	second(f, 1);
	assert_non_null(strstr(guard(f)->problem, "does not have it"));
	fake_wg_add_peer(f->wg, f->other, NULL, 0);
	f->n_psk_asked = 0;
	second(f, 1);
	assert_non_null(peer(f)->psk);
	assert_false(psk_equal(peer(f)->psk, f->given));
	assert_int_equal(f->n_psk_asked, 1);
	give_psk(f);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	secret_free(foreign);
}

static void test_keepalive_outlives_the_agent(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(peer(f)->keepalive, 0);
	/* As after a SIGKILL. */
	agent_clear(&f->agent);
	agent_init(&f->agent);
	start(f);
	broker(f);
	approve(f);
	assert_int_equal(peer(f)->keepalive, 25);
	/* An interface made anew has its own. */
	agent_clear(&f->agent);
	agent_init(&f->agent);
	fake_wg_create(f->wg, f->own_key);
	fake_wg_add_peer(f->wg, f->other, f->static_psk, 0);
	start(f);
	broker(f);
	approve(f);
	assert_int_equal(peer(f)->keepalive, 0);
}

static void test_renamed(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	approve(f);
	assert_true(fake_wg_initiation(f->wg, f->other, f->given));
	f->renamed = "wg9";
	agent_interface(&f->agent, "wg0");
	(void)agent_run(&f->agent);
	assert_false(psk_equal(peer(f)->psk, f->given));
	assert_false(fake_wg_session(f->wg, f->other));
	assert_int_equal(guard(f)->state, STATUS_ABSENT);
	/* From then on it is somebody else's. */
	fake_wg_set_psk(f->wg, f->other, f->static_psk);
	second(f, 3);
	assert_true(psk_equal(peer(f)->psk, f->static_psk));
	/* Back again it is new here. */
	f->renamed = NULL;
	f->refuse = true;
	second(f, 2);
	assert_true(is_closed(f));
}

static char notes[8][160];
static unsigned int n_notes;

static void note(struct guard_world *w, enum log_level level, const char *text)
{
	(void)w;
	(void)level;
	assert_true(n_notes < 8);
	(void)snprintf(notes[n_notes++], sizeof(notes[0]), "%s", text);
}

/* Each change of a prompt comes as a signal that may say no more than that the tunnel is still closed, and then as a whole. */
static void prompt(struct fixture *f, const char *state, const char *end_reason)
{
	agent_not_approved(&f->agent, "wg0", "");
	(void)agent_run(&f->agent);
	agent_tunnel(&f->agent, "wg0", f->token, 0, state, end_reason);
	(void)agent_run(&f->agent);
	agent_peer(&f->agent, "wg0", f->other, 0);
	(void)agent_run(&f->agent);
}

static void test_prompts_close_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned int n_gets, n_sets;

	start(f);
	broker(f);
	f->agent.world.notice = note;
	n_notes = 0;
	n_sets = f->wg->n_sets;
	for (unsigned int i = 0; i < 3; i++)
		prompt(f, "waiting", "");
	/* Once for what is new. */
	n_gets = f->wg->n_gets;
	for (unsigned int i = 0; i < 3; i++)
		prompt(f, "waiting", "");
	assert_int_equal(f->wg->n_gets, n_gets);
	prompt(f, "touch-needed", "");
	prompt(f, "touch-needed", "");
	assert_int_equal(f->wg->n_sets, n_sets);
	assert_int_equal(n_notes, 2);
	assert_string_equal(notes[0], "wg0: closed (not approved: waiting)");
	assert_string_equal(notes[1], "wg0: closed (not approved: touch-needed)");

	agent_tunnel(&f->agent, "wg0", f->token, f->clock.now.boot_us + HOUR_US, "approved", "");
	approve(f);
	/* What was approved is closed before the whole is told, and its reason is told with it. */
	n_notes = 0;
	agent_not_approved(&f->agent, "wg0", "token-removed");
	(void)agent_run(&f->agent);
	agent_peer(&f->agent, "wg0", f->other, 0);
	(void)agent_run(&f->agent);
	assert_true(is_closed(f));
	n_sets = f->wg->n_sets;
	prompt(f, "locked", "token-removed");
	prompt(f, "waiting", "token-removed");
	assert_int_equal(f->wg->n_sets, n_sets);
	assert_int_equal(n_notes, 1);
	assert_string_equal(notes[0], "wg0: closed (the approval ended: token-removed)");
}

static void test_both_ends_have_tokens(void **state)
{
	struct fixture *f = *state;
	struct secret *token = psk_random(), *shared = NULL, *root = NULL, *epoch = NULL, *half = NULL, *both = NULL;
	const struct schedule schedule = { .slot_seconds = 120 };
	const uint64_t slot = NOW / 120;
	struct schedule_parties parties;
	struct schedule_chain chain;
	uint8_t ours[KEY_SIZE] = { 1 };

	schedule_public(f->token, token);
	write_psk_conf(f, true);
	start(f);
	broker(f);
	agent_tunnel(&f->agent, "wg0", ours, 0, "locked", "");
	approve(f);

	/* The other end's half, as the other end makes it: its token is the client, we are the server. */
	memcpy(parties.token_public, f->token, KEY_SIZE);
	memcpy(parties.client_public, f->other, KEY_SIZE);
	memcpy(parties.server_public, f->own, KEY_SIZE);
	assert_int_equal(schedule_shared(&shared, token, f->own), 0);
	assert_int_equal(schedule_root(&root, shared, &parties, NULL), 0);
	assert_int_equal(schedule_epoch_key(&epoch, root, schedule_slot_epoch(&schedule, slot)), 0);
	assert_int_equal(schedule_chain_start(&chain, epoch, schedule_slot_epoch(&schedule, slot)), 0);
	assert_int_equal(schedule_chain_advance(&chain, schedule_slot_index(&schedule, slot)), 0);
	assert_int_equal(schedule_chain_psk(&half, &chain, chain.index), 0);
	assert_int_equal(schedule_combine(&both, half, f->token, f->given, ours), 0);
	assert_true(psk_equal(peer(f)->psk, both));
	/* A signal that does not name our token key takes nothing from what the peers' own approvals need of it. */
	agent_not_approved(&f->agent, "wg0", "");
	assert_true(guard(f)->rotator->has_public);
	schedule_chain_clear(&chain);
	secret_free(token);
	secret_free(shared);
	secret_free(root);
	secret_free(epoch);
	secret_free(half);
	secret_free(both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_starts_closed),
		TEST(test_opens_rotates_and_expires),
		TEST(test_handle_is_no_private_key),
		TEST(test_ends),
		TEST(test_a_late_answer_opens_nothing),
		TEST(test_drift),
		TEST(test_keepalive_outlives_the_agent),
		TEST(test_renamed),
		TEST(test_prompts_close_nothing),
		TEST(test_both_ends_have_tokens),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
