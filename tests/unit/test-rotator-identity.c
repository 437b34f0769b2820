/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The token's side in identity mode: the private key comes and goes. */
#include "tests/unit/rotator-fixture.h"

static void start_identity(struct fixture *f)
{
	write_conf(f, "[Interface]\nMode = identity\n");
	start(f);
	agent_broker(&f->agent, true);
	agent_lease(&f->agent, true);
	agent_tunnel(&f->agent, "wg0", f->own, 0, "locked", "");
	(void)agent_run(&f->agent);
}

static bool identity_is_closed(struct fixture *f)
{
	return guard(f)->state == STATUS_CLOSED && !f->wg->private_key && peer(f)->keepalive == 0 &&
	       peer(f)->last_handshake_us == 0 && psk_equal(peer(f)->psk, f->static_psk);
}

static void approve_identity(struct fixture *f)
{
	f->n_key_asked = 0;
	agent_tunnel(&f->agent, "wg0", f->own, f->clock.now.boot_us + HOUR_US, "approved", "");
	(void)agent_run(&f->agent);
	assert_int_equal(f->n_key_asked, 1);
	agent_got_private_key(&f->agent, "wg0", secret_dup(f->own_key), NULL);
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
}

static void test_identity(void **state)
{
	struct fixture *f = *state;

	assert_true(fake_wg_initiation(f->wg, f->other, f->static_psk));
	start_identity(f);
	assert_true(identity_is_closed(f));
	approve_identity(f);
	assert_true(psk_equal(f->wg->private_key, f->own_key));
	assert_int_equal(peer(f)->keepalive, 25);
	assert_true(psk_equal(peer(f)->psk, f->static_psk));
	assert_null(guard(f)->rotator->key);
	second(f, 1);
	assert_true(fake_wg_initiation(f->wg, f->other, f->static_psk));
	second(f, 1);
	assert_int_equal(status(f).state, STATUS_PEER_ROTATED);

	agent_tunnel(&f->agent, "wg0", f->own, 0, "locked", "token-removed");
	(void)agent_run(&f->agent);
	assert_true(identity_is_closed(f));
	assert_string_equal(guard(f)->reason, "the approval ended: token-removed");

	/* A private key that appears is taken out again, and sessions with it. */
	f->wg->private_key = secret_dup(f->own_key);
	assert_true(fake_wg_initiation(f->wg, f->other, f->static_psk));
	second(f, 1);
	assert_true(identity_is_closed(f));
	assert_int_equal(status(f).drift_repaired, 1);

	/* Its own clock ends it. */
	approve_identity(f);
	clock_fake_advance(&f->clock, HOUR_US);
	(void)agent_run(&f->agent);
	assert_true(identity_is_closed(f));

	/* Somebody else's key in an open interface: closed, and opened anew with ours. */
	approve_identity(f);
	secret_free(f->wg->private_key);
	f->wg->private_key = psk_random();
	f->n_key_asked = 0;
	second(f, 1);
	assert_true(identity_is_closed(f));
	assert_int_equal(f->n_key_asked, 1);
	agent_got_private_key(&f->agent, "wg0", secret_dup(f->own_key), NULL);
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	assert_true(agent_stop(&f->agent, "stopped"));
	assert_true(identity_is_closed(f));
}

static void test_identity_wrong_key(void **state)
{
	struct fixture *f = *state;

	start_identity(f);
	agent_tunnel(&f->agent, "wg0", f->own, f->clock.now.boot_us + HOUR_US, "approved", "");
	(void)agent_run(&f->agent);
	agent_got_private_key(&f->agent, "wg0", secret_dup(f->other_key), NULL);
	(void)agent_run(&f->agent);
	assert_true(identity_is_closed(f));
	assert_string_equal(guard(f)->reason, "the broker's private key is not the one of this tunnel");
}

static void test_identity_after_unknown_mode(void **state)
{
	struct fixture *f = *state;

	write_conf(f, "rubbish\n");
	start(f);
	assert_false(psk_equal(peer(f)->psk, f->static_psk));
	start_identity(f);
	assert_true(identity_is_closed(f));
	approve_identity(f);
	assert_true(psk_equal(peer(f)->psk, f->static_psk));
	assert_int_equal(peer(f)->keepalive, 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_identity_wrong_key),
		TEST(test_identity_after_unknown_mode),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
