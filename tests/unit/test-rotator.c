/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The token's side, through agent.h, on a WireGuard in memory: opening, closing, rotation, drift, and all that must end closed. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "common/schedule.h"
#include "tests/sim/fake-wg.h"

#define NOW UINT64_C(1700000080) /* in the middle of a slot of 120 s */
#define HOUR_US (3600 * US_PER_SEC)

struct fixture {
	struct agent agent;
	struct clock_fake clock;
	struct fake_wg *wg;
	struct secret *own_key, *other_key, *static_psk;
	uint8_t own[KEY_SIZE], other[KEY_SIZE], second[KEY_SIZE], token[KEY_SIZE];
	char dir[64], run[80], conf[96];
	unsigned int n_psk_asked, n_key_asked;
	bool refuse;
	struct secret *given; /* the PSK of the last answer */
	uint64_t answered_slot;
};

static int choose(struct guard_world *w, const char *ifname, struct device_backend **ret)
{
	struct fixture *f = w->userdata;

	assert_string_equal(ifname, "wg0");
	*ret = &f->wg->backend;
	return 0;
}

/* The broker answers within the call's second. */
static int ask_psk(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE])
{
	struct fixture *f = a->userdata;

	(void)ifname;
	(void)public_key;
	f->n_psk_asked++;
	return f->refuse ? -EPERM : 0;
}

static int ask_private_key(struct agent *a, const char *ifname)
{
	struct fixture *f = a->userdata;

	(void)ifname;
	f->n_key_asked++;
	return f->refuse ? -EPERM : 0;
}

static void write_conf(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->conf, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void write_psk_conf(struct fixture *f, bool both_tokens)
{
	char own[KEY_BASE64_SIZE], other[KEY_BASE64_SIZE], token[KEY_BASE64_SIZE], text[512];

	key_to_base64(own, f->own);
	key_to_base64(other, f->other);
	key_to_base64(token, f->token);
	(void)snprintf(text, sizeof(text), "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\nName = office\n%s%s\n", own, other,
		both_tokens ? "TokenPublicKey = " : "", both_tokens ? token : "");
	write_conf(f, text);
}

static void make_wg(struct fixture *f)
{
	fake_wg_create(f->wg, f->own_key);
	fake_wg_add_peer(f->wg, f->other, f->static_psk, 25);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct secret *key = psk_random();

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/wgfido-rotator-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->run, sizeof(f->run), "%s/run", f->dir);
	(void)snprintf(f->conf, sizeof(f->conf), "%s/wg0.conf", f->dir);
	assert_int_equal(mkdir(f->run, 0700), 0);
	f->own_key = psk_random();
	f->other_key = psk_random();
	f->static_psk = psk_random();
	schedule_public(f->own, f->own_key);
	schedule_public(f->other, f->other_key);
	schedule_public(f->second, key);
	secret_free(key);
	key = psk_random();
	schedule_public(f->token, key);
	secret_free(key);
	clock_fake_init(&f->clock, HOUR_US, NOW * US_PER_SEC);
	f->wg = fake_wg_new(&f->clock);
	make_wg(f);
	f->agent = (struct agent){
		.world = { .config_dir = f->dir, .run_dir = f->run, .clock = &f->clock.clock, .choose = choose, .userdata = f },
		.ask_psk = ask_psk,
		.ask_private_key = ask_private_key,
		.userdata = f,
	};
	agent_init(&f->agent);
	write_psk_conf(f, false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	agent_clear(&f->agent);
	fake_wg_free(f->wg);
	secret_free(f->own_key);
	secret_free(f->other_key);
	secret_free(f->static_psk);
	secret_free(f->given);
	(void)unlink(f->conf);
	(void)snprintf(path, sizeof(path), "%s/wg0.json", f->run);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/wg0.state", f->run);
	(void)unlink(path);
	assert_int_equal(rmdir(f->run), 0);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct fake_peer *peer(struct fixture *f)
{
	struct fake_peer *p = fake_wg_peer(f->wg, f->other);

	assert_non_null(p);
	return p;
}

static struct guard *guard(struct fixture *f)
{
	struct guard *g = agent_find(&f->agent, "wg0");

	assert_non_null(g);
	return g;
}

static struct status_peer status(struct fixture *f)
{
	struct status_peer p = { 0 };

	rotator_status_peer(guard(f)->rotator, 0, &p);
	return p;
}

static void start(struct fixture *f)
{
	assert_int_equal(agent_reload(&f->agent), 0);
	assert_true(agent_run(&f->agent));
}

static void broker(struct fixture *f)
{
	agent_broker(&f->agent, true);
	agent_lease(&f->agent, true);
	assert_true(agent_wants_objects(&f->agent));
	agent_tunnel(&f->agent, "wg0", f->token, 0, "locked", "");
	agent_run(&f->agent);
}

static void give_psk(struct fixture *f)
{
	const uint64_t slot = f->clock.now.real_us / US_PER_SEC / 120;

	secret_free(f->given);
	f->given = psk_random();
	f->answered_slot = slot;
	agent_got_psk(&f->agent, "wg0", f->other, secret_dup(f->given), slot * 120, (slot + 1) * 120, NULL);
	(void)agent_run(&f->agent);
}

static void approve(struct fixture *f)
{
	f->n_psk_asked = 0;
	agent_peer(&f->agent, "wg0", f->other, f->clock.now.boot_us + HOUR_US);
	(void)agent_run(&f->agent);
	assert_int_equal(f->n_psk_asked, 1);
	give_psk(f);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
}

static void second(struct fixture *f, unsigned int n)
{
	while (n--) {
		clock_fake_advance(&f->clock, US_PER_SEC);
		(void)agent_run(&f->agent);
	}
}

static bool is_closed(struct fixture *f)
{
	const struct fake_peer *p = peer(f);

	return guard(f)->state == STATUS_CLOSED && p->keepalive == 0 && p->psk && !psk_equal(p->psk, f->given) &&
	       !psk_equal(p->psk, f->static_psk) && !fake_wg_session(f->wg, f->other) && p->endpoint.v4.sin_port == 51820;
}

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
	schedule_chain_clear(&chain);
	secret_free(token);
	secret_free(shared);
	secret_free(root);
	secret_free(epoch);
	secret_free(half);
	secret_free(both);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_starts_closed),
		TEST(test_opens_rotates_and_expires),
		TEST(test_ends),
		TEST(test_a_late_answer_opens_nothing),
		TEST(test_drift),
		TEST(test_keepalive_outlives_the_agent),
		TEST(test_interface_comes_and_goes),
		TEST(test_wireguard_does_not_obey),
		TEST(test_broker_gives_nothing),
		TEST(test_bad_config),
		TEST(test_never_a_good_config),
		TEST(test_no_config_is_not_guarded),
		TEST(test_both_ends_have_tokens),
		TEST(test_identity),
		TEST(test_identity_wrong_key),
		TEST(test_identity_after_unknown_mode),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
