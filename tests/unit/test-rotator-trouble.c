/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The token's side when things go wrong, or come and go: all that must end closed. */
#include "tests/unit/rotator-fixture.h"

#include <errno.h>
#include <unistd.h>

static void test_interface_comes_and_goes(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	approve(f);
	fake_wg_delete(f->wg);
	agent_interface(&f->agent, "wg0");
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_ABSENT);
	f->n_psk_asked = 0;
	second(f, 10);
	assert_int_equal(f->n_psk_asked, 0);
	/* It comes up closed, and since it is approved, opens. */
	make_wg(f);
	agent_interface(&f->agent, "wg0");
	(void)agent_run(&f->agent);
	assert_false(psk_equal(peer(f)->psk, f->static_psk));
	assert_int_equal(peer(f)->keepalive, 0);
	assert_int_equal(f->n_psk_asked, 1);
	give_psk(f);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	/* Replaced between two looks. */
	make_wg(f);
	second(f, 1);
	assert_int_not_equal(guard(f)->state, STATUS_OPEN);
	give_psk(f);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	assert_true(psk_equal(peer(f)->psk, f->given));
}

static void test_wireguard_does_not_obey(void **state)
{
	struct fixture *f = *state;

	/* Cannot be closed: said so, and tried again. */
	f->wg->ignore_sets = true;
	assert_int_equal(agent_reload(&f->agent), 0);
	assert_false(agent_run(&f->agent));
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	assert_false(agent_stop(&f->agent, NULL));
	f->wg->ignore_sets = false;
	second(f, 1);
	assert_true(is_closed(f));

	broker(f);
	agent_peer(&f->agent, "wg0", f->other, f->clock.now.boot_us + HOUR_US);
	(void)agent_run(&f->agent);
	f->wg->ignore_sets = true;
	give_psk(f);
	/* Opening was given up; what was closed still is. */
	assert_int_not_equal(guard(f)->state, STATUS_OPEN);
	f->wg->ignore_sets = false;
	second(f, 1);
	assert_true(is_closed(f));
	assert_string_equal(guard(f)->reason, "WireGuard does not take the preshared key");

	f->wg->get_error = -EACCES;
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	f->wg->get_error = 0;
	f->wg->set_error = -EIO;
	fake_wg_set_psk(f->wg, f->other, NULL);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	f->wg->set_error = 0;
	second(f, 1);
	assert_true(is_closed(f));
}

static void test_broker_gives_nothing(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	approve(f);
	f->refuse = true;
	second(f, 120);
	assert_true(is_closed(f));
	assert_string_equal(guard(f)->reason, "the broker gives no preshared key");
	/* A zero PSK is none. */
	f->refuse = false;
	agent_peer(&f->agent, "wg0", f->other, f->clock.now.boot_us + 2 * HOUR_US);
	(void)agent_run(&f->agent);
	agent_got_psk(&f->agent, "wg0", f->other, secret_new(KEY_SIZE), 0, UINT64_MAX, NULL);
	second(f, 1);
	assert_true(is_closed(f));
}

static void test_bad_config(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	approve(f);
	write_conf(f, "[Interface]\nMode = psk\nNonsense = 1\n");
	assert_int_equal(agent_reload(&f->agent), 0);
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	assert_non_null(strstr(guard(f)->problem, "wg0.conf:3:"));
	assert_int_equal(peer(f)->keepalive, 0);
	assert_false(psk_equal(peer(f)->psk, f->given));
	/* Right again: still approved, so it opens. */
	write_psk_conf(f, false);
	assert_int_equal(agent_reload(&f->agent), 0);
	f->n_psk_asked = 0;
	(void)agent_run(&f->agent);
	assert_int_equal(f->n_psk_asked, 1);
	give_psk(f);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	/* The file is gone: closed, then not guarded any more. */
	assert_int_equal(unlink(f->conf), 0);
	assert_int_equal(agent_reload(&f->agent), 0);
	(void)agent_run(&f->agent);
	assert_null(agent_find(&f->agent, "wg0"));
	assert_int_equal(peer(f)->keepalive, 0);
	assert_false(psk_equal(peer(f)->psk, f->given));
}

static void test_never_a_good_config(void **state)
{
	struct fixture *f = *state;

	/* Nothing says which peers are guarded: all are closed. */
	fake_wg_add_peer(f->wg, f->second, NULL, 10);
	write_conf(f, "rubbish\n");
	assert_int_equal(agent_reload(&f->agent), 0);
	(void)agent_run(&f->agent);
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	assert_non_null(fake_wg_peer(f->wg, f->second)->psk);
	assert_int_equal(fake_wg_peer(f->wg, f->second)->keepalive, 0);
	assert_false(psk_equal(peer(f)->psk, f->static_psk));
	/* It turns out that one of them is nobody's business here: it gets back what it had. */
	write_psk_conf(f, false);
	assert_int_equal(agent_reload(&f->agent), 0);
	(void)agent_run(&f->agent);
	assert_null(fake_wg_peer(f->wg, f->second)->psk);
	assert_int_equal(fake_wg_peer(f->wg, f->second)->keepalive, 10);
	assert_true(is_closed(f));
	second(f, 1);
	assert_non_null(strstr(guard(f)->problem, "is not guarded"));
}

static void test_no_config_is_not_guarded(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(unlink(f->conf), 0);
	start(f);
	agent_interface(&f->agent, "wg0");
	(void)agent_run(&f->agent);
	assert_null(agent_find(&f->agent, "wg0"));
	assert_int_equal(f->wg->n_sets, 0);
	/* One that is written later is found when the interface appears. */
	write_psk_conf(f, false);
	agent_interface(&f->agent, "wg0");
	(void)agent_run(&f->agent);
	assert_true(is_closed(f));
}

/* An interface "aa0", which comes before wg0, of a WireGuard that takes its time and gives no answer. */
static struct device_backend hung_backend;
static unsigned int n_hung, hung_at_sets;

static int hung_get(struct device_backend *b, const char *ifname, struct device **ret)
{
	(void)b;
	(void)ifname;
	(void)ret;
	n_hung++;
	return -ETIMEDOUT;
}

static const struct device_backend_ops hung_ops = { .name = "hung", .get = hung_get };

static int (*choose_other)(struct guard_world *w, const char *ifname, struct device_backend **ret);

static int choose_hung(struct guard_world *w, const char *ifname, struct device_backend **ret)
{
	struct fixture *f = w->userdata;

	if (strcmp(ifname, "aa0") != 0)
		return choose_other(w, ifname, ret);
	hung_at_sets = f->wg->n_sets;
	*ret = &hung_backend;
	return 0;
}

static void test_what_hangs_comes_last(void **state)
{
	struct fixture *f = *state;
	char conf[sizeof(f->conf)], path[128];
	unsigned int before;

	(void)snprintf(conf, sizeof(conf), "%s", f->conf);
	(void)snprintf(f->conf, sizeof(f->conf), "%s/aa0.conf", f->dir);
	write_psk_conf(f, false);
	hung_backend.ops = &hung_ops;
	n_hung = 0;
	choose_other = f->agent.world.choose;
	f->agent.world.choose = choose_hung;
	assert_int_equal(agent_reload(&f->agent), 0);
	assert_false(agent_run(&f->agent));
	assert_int_equal(agent_find(&f->agent, "aa0")->state, STATUS_ERROR);
	agent_broker(&f->agent, true);
	agent_lease(&f->agent, true);
	agent_tunnel(&f->agent, "wg0", f->token, 0, "locked", "");
	approve(f);
	/* wg0 is closed before anybody waits for aa0 again. */
	before = f->wg->n_sets;
	n_hung = 0;
	agent_interface(&f->agent, NULL);
	agent_peer(&f->agent, "wg0", f->other, 0);
	(void)agent_run(&f->agent);
	assert_true(is_closed(f));
	assert_int_equal(n_hung, 1);
	assert_true(hung_at_sets > before);
	/* Nor does it keep the others open at the end. */
	approve(f);
	before = f->wg->n_sets;
	hung_at_sets = 0;
	assert_false(agent_stop(&f->agent, "stopped"));
	assert_true(is_closed(f));
	assert_true(hung_at_sets > before);

	assert_int_equal(unlink(f->conf), 0);
	(void)snprintf(path, sizeof(path), "%s/aa0.json", f->run);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(f->conf, sizeof(f->conf), "%s", conf);
}

static void test_objects_are_asked_for_again(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	assert_false(agent_wants_objects(&f->agent));
	agent_objects_failed(&f->agent);
	assert_true(agent_wants_objects(&f->agent));
	assert_false(agent_wants_objects(&f->agent));
	/* Not of a broker that is gone. */
	agent_objects_failed(&f->agent);
	agent_broker(&f->agent, false);
	assert_false(agent_wants_objects(&f->agent));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_interface_comes_and_goes),
		TEST(test_wireguard_does_not_obey),
		TEST(test_broker_gives_nothing),
		TEST(test_bad_config),
		TEST(test_never_a_good_config),
		TEST(test_no_config_is_not_guarded),
		TEST(test_what_hangs_comes_last),
		TEST(test_objects_are_asked_for_again),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
