/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OnClose = deactivate: who is told that an interface closed, and when nobody is. */
#include "tests/unit/rotator-fixture.h"

#define DEACTIVATE "OnClose = deactivate\n"

static unsigned int n_closed;

static void on_closed(struct guard_world *w, const char *ifname)
{
	(void)w;
	assert_string_equal(ifname, "wg0");
	n_closed++;
}

static void begin(struct fixture *f, const char *on_close, bool identity)
{
	char own[KEY_BASE64_SIZE], other[KEY_BASE64_SIZE], text[512];

	key_to_base64(own, f->own);
	key_to_base64(other, f->other);
	(void)snprintf(text, sizeof(text), "[Interface]\nMode = %s%s", identity ? "identity" : "psk\nPublicKey = ", identity ? "" : own);
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "\n%s[Peer]\nPublicKey = %s\n", on_close, other);
	write_conf(f, text);
	n_closed = 0;
	f->agent.world.closed = on_closed;
	start(f);
	broker(f);
}

static void revoke(struct fixture *f)
{
	agent_peer(&f->agent, "wg0", f->other, 0);
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
}

static void test_told_once(void **state)
{
	struct fixture *f = *state;

	begin(f, DEACTIVATE, false);
	/* Coming up closed is no closing. */
	second(f, 3);
	assert_int_equal(n_closed, 0);
	approve(f);
	second(f, 3);
	assert_int_equal(n_closed, 0);
	revoke(f);
	second(f, 3);
	assert_int_equal(n_closed, 1);
	approve(f);
	/* Its own clock ends it as well. */
	clock_fake_advance(&f->clock, HOUR_US);
	(void)agent_run(&f->agent);
	assert_int_equal(n_closed, 2);
	/* And the broker's end. */
	approve(f);
	agent_broker(&f->agent, false);
	(void)agent_run(&f->agent);
	assert_int_equal(n_closed, 3);
}

static void test_not_asked_for(void **state)
{
	struct fixture *f = *state;

	begin(f, "", false);
	approve(f);
	revoke(f);
	assert_int_equal(n_closed, 0);
}

/* With the interface gone there is nothing to tell; nor when the agent itself ends. */
static void test_gone_and_stopped(void **state)
{
	struct fixture *f = *state;

	begin(f, DEACTIVATE, false);
	approve(f);
	fake_wg_delete(f->wg);
	agent_interface(&f->agent, "wg0");
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_ABSENT);
	make_wg(f);
	agent_peer(&f->agent, "wg0", f->other, 0);
	agent_interface(&f->agent, "wg0");
	(void)agent_run(&f->agent);
	assert_int_equal(n_closed, 0);
	approve(f);
	assert_true(agent_stop(&f->agent, "the agent was stopped"));
	assert_int_equal(n_closed, 0);
}

/* NetworkManager's reapply puts another key in: closed for the moment until the broker hands it out again. */
static void test_drift_is_no_end(void **state)
{
	struct fixture *f = *state;

	begin(f, DEACTIVATE, true);
	agent_tunnel(&f->agent, "wg0", f->own, f->clock.now.boot_us + HOUR_US, "approved", "");
	(void)agent_run(&f->agent);
	agent_got_private_key(&f->agent, "wg0", secret_dup(f->own_key), NULL);
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	secret_free(f->wg->private_key);
	f->wg->private_key = NULL;
	agent_interface(&f->agent, NULL);
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	assert_int_equal(n_closed, 0);
	/* Pulled before it is open again: that is one. */
	agent_tunnel(&f->agent, "wg0", f->own, 0, "locked", "token-removed");
	(void)agent_run(&f->agent);
	assert_int_equal(n_closed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_told_once),
		TEST(test_not_asked_for),
		TEST(test_gone_and_stopped),
		TEST(test_drift_is_no_end),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
