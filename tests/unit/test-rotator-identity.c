/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The token's side in identity mode: the private key comes and goes. */
#include "tests/unit/rotator-fixture.h"

#include "common/handle.h"

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

	/* The first word of the end closes; the whole that follows changes nothing. */
	agent_not_approved(&f->agent, "wg0", "token-removed");
	(void)agent_run(&f->agent);
	assert_true(identity_is_closed(f));
	assert_string_equal(guard(f)->reason, "the approval ended: token-removed");
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

static struct secret *handle_of(const uint8_t public_key[static KEY_SIZE])
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	assert_non_null(s);
	handle_make(secret_borrow_mut(s), 1, 3, public_key);
	return s;
}

/* What wgfido-tunnel shows for its private key. */
static void show_handle(struct fixture *f, const uint8_t public_key[static KEY_SIZE])
{
	secret_free(f->wg->private_key);
	f->wg->private_key = handle_of(public_key);
}

/* The tunnel's key is in a token, and wgfido-tunnel carries it: it guards itself, and the agent says how it is. */
static void test_stands_back(void **state)
{
	struct fixture *f = *state;
	unsigned int n_sets;
	uint64_t until_us;

	/* Closed, as any, while it shows nothing; and given back what it had when it turns out to be one that guards itself. */
	start_identity(f);
	assert_true(identity_is_closed(f));
	agent_resident(&f->agent, "wg0", true, NULL);
	agent_tunnel(&f->agent, "wg0", f->own, 0, "locked", "");
	show_handle(f, f->own);
	second(f, 1);
	assert_int_equal(peer(f)->keepalive, 25);
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	assert_string_equal(guard(f)->reason, "not approved: locked");

	n_sets = f->wg->n_sets;
	f->n_key_asked = 0;
	agent_tunnel(&f->agent, "wg0", f->own, f->clock.now.boot_us + HOUR_US, "approved", "");
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	assert_int_equal(status(f).state, STATUS_PEER_OPEN);
	second(f, 1);
	assert_true(fake_wg_initiation(f->wg, f->other, f->static_psk));
	second(f, 1);
	assert_int_equal(status(f).state, STATUS_PEER_ROTATED);
	/* The next key takes its place at the interface, and then at the broker: no moment of it is told as closed. */
	until_us = guard(f)->rotator->approved_until_us;
	agent_resident(&f->agent, "wg0", true, f->other);
	agent_tunnel(&f->agent, "wg0", f->own, until_us, "approved", "");
	second(f, 1);
	assert_int_equal(status(f).state, STATUS_PEER_ROTATED);
	show_handle(f, f->other);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	/* What confirmed the key before is not said of this one. */
	assert_int_equal(status(f).state, STATUS_PEER_OPEN);
	assert_string_equal(status(f).reason, "no handshake since its key changed");
	agent_resident(&f->agent, "wg0", true, NULL);
	agent_tunnel(&f->agent, "wg0", f->other, until_us, "approved", "");
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	assert_string_equal(status(f).reason, "no handshake since its key changed");
	assert_true(fake_wg_initiation(f->wg, f->other, f->static_psk));
	second(f, 1);
	assert_int_equal(status(f).state, STATUS_PEER_ROTATED);
	assert_null(status(f).reason);
	/* Another key's handle opens nothing. */
	show_handle(f, f->own);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	assert_non_null(strstr(guard(f)->reason, "names another key"));
	show_handle(f, f->other);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	agent_tunnel(&f->agent, "wg0", f->other, 0, "locked", "revoked");
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	assert_string_equal(guard(f)->reason, "the approval ended: revoked");
	/* A next key that nobody approved opens nothing either. */
	agent_resident(&f->agent, "wg0", true, f->own);
	show_handle(f, f->own);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	agent_resident(&f->agent, "wg0", true, NULL);
	show_handle(f, f->other);
	/* Its own clock, and a broker that is gone. */
	agent_tunnel(&f->agent, "wg0", f->other, f->clock.now.boot_us + HOUR_US, "approved", "");
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	agent_broker(&f->agent, false);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	assert_non_null(strstr(guard(f)->reason, "not running"));
	/* In all of this the agent asked for no key and changed nothing; nor does its end. */
	assert_true(agent_stop(&f->agent, "stopped"));
	assert_int_equal(f->wg->n_sets, n_sets);
	assert_int_equal(f->n_key_asked, 0);
	assert_int_equal(peer(f)->keepalive, 25);
}

/* A WireGuard that is not wgfido-tunnel never opens for such a tunnel, whatever it took for its private key. */
static void test_resident_elsewhere(void **state)
{
	struct fixture *f = *state;

	start_identity(f);
	agent_resident(&f->agent, "wg0", true, NULL);
	f->n_key_asked = 0;
	agent_tunnel(&f->agent, "wg0", f->own, f->clock.now.boot_us + HOUR_US, "approved", "");
	second(f, 1);
	assert_true(identity_is_closed(f));
	assert_non_null(strstr(guard(f)->reason, "wgfido-tunnel"));
	assert_int_equal(f->n_key_asked, 0);
	/* Clamped: it was taken for a key, which everybody could compute. */
	show_handle(f, f->own);
	secret_borrow_mut(f->wg->private_key)[0] &= 248;
	assert_true(fake_wg_initiation(f->wg, f->other, f->static_psk));
	second(f, 1);
	assert_true(identity_is_closed(f));
	f->wg->private_key = secret_dup(f->own_key);
	assert_true(fake_wg_initiation(f->wg, f->other, f->static_psk));
	second(f, 1);
	assert_true(identity_is_closed(f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_identity_wrong_key),
		TEST(test_identity_after_unknown_mode),
		TEST(test_stands_back),
		TEST(test_resident_elsewhere),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
