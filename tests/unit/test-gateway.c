/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The side without a token, through guard.h, on a WireGuard in memory: never a zero PSK, and nobody is dropped. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "common/handle.h"
#include "common/schedule.h"
#include "tests/sim/fake-wg.h"

#define NOW UINT64_C(1700000080)
#define N 3 /* guarded peers: schedule time, schedule time with a static key, schedule static */

struct fixture {
	struct agent agent;
	struct clock_fake clock;
	struct fake_wg *wg;
	struct secret *key, *placeholder, *mixed;
	struct secret *tokens[N];
	uint8_t public_key[KEY_SIZE], peers[N][KEY_SIZE], token_public[N][KEY_SIZE], plain[KEY_SIZE];
	char dir[64], conf[96], static_file[96];
};

static int choose(struct guard_world *w, const char *ifname, struct device_backend **ret)
{
	struct fixture *f = w->userdata;

	(void)ifname;
	*ret = &f->wg->backend;
	return 0;
}

static void random_public(uint8_t ret[static KEY_SIZE])
{
	struct secret *s = psk_random();

	schedule_public(ret, s);
	secret_free(s);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void write_conf(struct fixture *f)
{
	char own[KEY_BASE64_SIZE], peer[KEY_BASE64_SIZE], token[KEY_BASE64_SIZE], text[2048];
	size_t n;

	key_to_base64(own, f->public_key);
	n = (size_t)snprintf(text, sizeof(text), "[Interface]\nMode = psk\nPublicKey = %s\n", own);
	for (size_t i = 0; i < N; i++) {
		key_to_base64(peer, f->peers[i]);
		key_to_base64(token, f->token_public[i]);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[Peer]\nPublicKey = %s\nTokenPublicKey = %s\n", peer, token);
		if (i == 1)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "PresharedKeyFile = %s\n", f->static_file);
		if (i == 2)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "Schedule = static\n");
	}
	assert_true(n < sizeof(text));
	write_file(f->conf, text);
}

static void make_wg(struct fixture *f)
{
	fake_wg_create(f->wg, f->key);
	for (size_t i = 0; i < N; i++)
		fake_wg_add_peer(f->wg, f->peers[i], f->placeholder, 0);
	fake_wg_add_peer(f->wg, f->plain, NULL, 7);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[KEY_BASE64_SIZE] = "";

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/wgfido-gateway-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->conf, sizeof(f->conf), "%s/wg0.conf", f->dir);
	(void)snprintf(f->static_file, sizeof(f->static_file), "%s/static.psk", f->dir);
	f->key = psk_random();
	f->placeholder = psk_random();
	f->mixed = psk_random();
	secret_to_base64(text, f->mixed);
	(void)umask(077);
	write_file(f->static_file, text);
	schedule_public(f->public_key, f->key);
	for (size_t i = 0; i < N; i++) {
		f->tokens[i] = psk_random();
		schedule_public(f->token_public[i], f->tokens[i]);
		random_public(f->peers[i]);
	}
	random_public(f->plain);
	clock_fake_init(&f->clock, 3600 * US_PER_SEC, NOW * US_PER_SEC);
	f->wg = fake_wg_new(&f->clock);
	make_wg(f);
	f->agent = (struct agent){ .world = { .config_dir = f->dir, .gateway = true, .clock = &f->clock.clock, .choose = choose, .userdata = f } };
	agent_init(&f->agent);
	write_conf(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	agent_clear(&f->agent);
	fake_wg_free(f->wg);
	secret_free(f->key);
	secret_free(f->placeholder);
	secret_free(f->mixed);
	for (size_t i = 0; i < N; i++)
		secret_free(f->tokens[i]);
	(void)unlink(f->conf);
	(void)unlink(f->static_file);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct guard *guard(struct fixture *f)
{
	return agent_find(&f->agent, "wg0");
}

/* What the peer's own side would have now. */
static struct secret *client_psk(struct fixture *f, size_t i)
{
	const struct schedule schedule = { .slot_seconds = 120 };
	const uint64_t slot = f->clock.now.real_us / US_PER_SEC / 120;
	struct secret *shared = NULL, *root = NULL, *epoch = NULL, *psk = NULL;
	struct schedule_parties parties;
	struct schedule_chain chain;

	memcpy(parties.token_public, f->token_public[i], KEY_SIZE);
	memcpy(parties.client_public, f->peers[i], KEY_SIZE);
	memcpy(parties.server_public, f->public_key, KEY_SIZE);
	assert_int_equal(schedule_shared(&shared, f->tokens[i], f->public_key), 0);
	assert_int_equal(schedule_root(&root, shared, &parties, i == 1 ? f->mixed : NULL), 0);
	if (i == 2) {
		assert_int_equal(schedule_static_psk(&psk, root), 0);
	} else {
		assert_int_equal(schedule_epoch_key(&epoch, root, schedule_slot_epoch(&schedule, slot)), 0);
		assert_int_equal(schedule_chain_start(&chain, epoch, schedule_slot_epoch(&schedule, slot)), 0);
		assert_int_equal(schedule_chain_advance(&chain, schedule_slot_index(&schedule, slot)), 0);
		assert_int_equal(schedule_chain_psk(&psk, &chain, chain.index), 0);
		schedule_chain_clear(&chain);
	}
	secret_free(shared);
	secret_free(root);
	secret_free(epoch);
	return psk;
}

static bool agrees(struct fixture *f, size_t i)
{
	struct secret *psk = client_psk(f, i);
	const bool same = psk_equal(fake_wg_peer(f->wg, f->peers[i])->psk, psk);

	secret_free(psk);
	return same;
}

static void assert_all_agree(struct fixture *f)
{
	for (size_t i = 0; i < N; i++)
		assert_true(agrees(f, i));
	/* Who has no TokenPublicKey is nobody's business here. */
	assert_null(fake_wg_peer(f->wg, f->plain)->psk);
	assert_int_equal(fake_wg_peer(f->wg, f->plain)->keepalive, 7);
}

static struct status_peer status(struct fixture *f, size_t i)
{
	const struct gateway *g = guard(f)->gateway;
	struct status_peer p;

	for (size_t k = 0; k < g->n_peers; k++) {
		p = (struct status_peer){ 0 };
		gateway_status_peer(g, k, &p);
		if (key_equal(p.public_key, f->peers[i]))
			return p;
	}
	fail();
	return (struct status_peer){ 0 };
}

static void start(struct fixture *f)
{
	assert_int_equal(agent_reload(&f->agent), 0);
	assert_true(agent_run(&f->agent));
}

static void second(struct fixture *f, unsigned int n)
{
	while (n--) {
		clock_fake_advance(&f->clock, US_PER_SEC);
		(void)agent_run(&f->agent);
	}
}

static void test_rotates(void **state)
{
	struct fixture *f = *state;
	unsigned int sets;

	start(f);
	assert_all_agree(f);
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	assert_int_equal(guard(f)->gateway->n_unguarded, 1);
	/* One set a slot, and over the end of an epoch (1700002800 / 3600). */
	for (unsigned int slot = 0; slot < 40; slot++) {
		sets = f->wg->n_sets;
		second(f, 120);
		assert_all_agree(f);
		assert_int_equal(f->wg->n_sets, sets + 1);
	}
	assert_int_equal(status(f, 0).drift_repaired, 0);
}

static void test_sessions_live_through_start_and_stop(void **state)
{
	struct fixture *f = *state;
	struct secret *psk;

	start(f);
	second(f, 1);
	psk = client_psk(f, 0);
	assert_true(fake_wg_initiation(f->wg, f->peers[0], psk));
	second(f, 2);
	assert_int_equal(status(f, 0).state, STATUS_PEER_ROTATED);
	assert_int_equal(status(f, 1).state, STATUS_PEER_OPEN);
	assert_true(agent_stop(&f->agent, "stopped"));
	assert_true(fake_wg_session(f->wg, f->peers[0]));
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	for (size_t i = 0; i < N; i++) {
		assert_false(agrees(f, i));
		assert_non_null(fake_wg_peer(f->wg, f->peers[i])->psk);
		assert_false(psk_equal(fake_wg_peer(f->wg, f->peers[i])->psk, f->placeholder));
	}
	agent_clear(&f->agent);
	agent_init(&f->agent);
	start(f);
	assert_all_agree(f);
	assert_true(fake_wg_session(f->wg, f->peers[0]));
	secret_free(psk);
}

static void test_zero_psk_is_refused(void **state)
{
	struct fixture *f = *state;

	fake_wg_set_psk(f->wg, f->peers[0], NULL);
	assert_true(fake_wg_initiation(f->wg, f->peers[0], NULL));
	start(f);
	assert_int_equal(status(f, 0).state, STATUS_PEER_REFUSED);
	assert_non_null(fake_wg_peer(f->wg, f->peers[0])->psk);
	assert_false(agrees(f, 0));
	assert_false(fake_wg_session(f->wg, f->peers[0]));
	assert_true(agrees(f, 1));
	assert_non_null(strstr(guard(f)->problem, "PresharedKey"));
	/* Zero again is refused again; a PresharedKey in its static config is what is asked for. */
	fake_wg_set_psk(f->wg, f->peers[0], NULL);
	second(f, 2);
	assert_int_equal(status(f, 0).state, STATUS_PEER_REFUSED);
	assert_non_null(fake_wg_peer(f->wg, f->peers[0])->psk);
	fake_wg_set_psk(f->wg, f->peers[0], f->placeholder);
	second(f, 2);
	assert_all_agree(f);
	assert_string_equal(guard(f)->problem, "");
}

static void test_drift(void **state)
{
	struct fixture *f = *state;
	struct secret *foreign = psk_random();

	start(f);
	/* `wg setconf` without a PresharedKey line. */
	fake_wg_set_psk(f->wg, f->peers[0], NULL);
	assert_true(fake_wg_initiation(f->wg, f->peers[0], NULL));
	second(f, 1);
	assert_all_agree(f);
	assert_int_equal(status(f, 0).drift_repaired, 1);
	/* What shook hands without one is cut off. */
	assert_false(fake_wg_session(f->wg, f->peers[0]));
	fake_wg_set_psk(f->wg, f->peers[1], foreign);
	second(f, 1);
	assert_all_agree(f);
	assert_int_equal(status(f, 1).drift_repaired, 1);
	/* A peer that is taken out and comes back with its placeholder. */
	fake_wg_remove_peer(f->wg, f->peers[1]);
	second(f, 1);
	assert_non_null(strstr(guard(f)->problem, "does not have them"));
	fake_wg_add_peer(f->wg, f->peers[1], f->placeholder, 0);
	second(f, 1);
	assert_all_agree(f);
	secret_free(foreign);
}

static void test_interface_made_anew(void **state)
{
	struct fixture *f = *state;

	start(f);
	fake_wg_delete(f->wg);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_ABSENT);
	make_wg(f);
	fake_wg_set_psk(f->wg, f->peers[2], NULL);
	second(f, 1);
	assert_true(agrees(f, 0));
	assert_int_equal(status(f, 2).state, STATUS_PEER_REFUSED);
	/* Another private key: other PSKs. */
	secret_free(f->key);
	f->key = psk_random();
	schedule_public(f->public_key, f->key);
	make_wg(f);
	second(f, 1);
	assert_all_agree(f);
	assert_non_null(strstr(guard(f)->problem, "PublicKey"));
}

static void test_no_private_key(void **state)
{
	struct fixture *f = *state;

	start(f);
	f->wg->private_key = secret_free(f->wg->private_key);
	second(f, 1);
	for (size_t i = 0; i < N; i++) {
		assert_false(agrees(f, i));
		assert_non_null(fake_wg_peer(f->wg, f->peers[i])->psk);
	}
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	f->wg->private_key = secret_dup(f->key);
	second(f, 1);
	assert_all_agree(f);
}

/* As the kernel hands it back, clamped: PSKs from it would be everybody's. */
static void test_handle_is_no_private_key(void **state)
{
	struct secret *handle = secret_new(SECRET_KEY_SIZE);
	struct fixture *f = *state;

	assert_non_null(handle);
	start(f);
	handle_make(secret_borrow_mut(handle), 1, 0, f->token_public[0]);
	secret_borrow_mut(handle)[0] &= 248;
	secret_borrow_mut(handle)[31] = (uint8_t)((secret_borrow(handle)[31] & 127) | 64);
	secret_free(f->wg->private_key);
	f->wg->private_key = handle;
	secret_free(f->key);
	f->key = secret_dup(handle);
	second(f, 1);
	for (size_t i = 0; i < N; i++)
		assert_false(agrees(f, i));
	assert_int_equal(guard(f)->state, STATUS_CLOSED);
	assert_non_null(strstr(guard(f)->problem, "handle of a key"));
}

static void test_bad_config(void **state)
{
	struct fixture *f = *state;

	start(f);
	write_file(f->conf, "[Interface]\nMode = psk\nNonsense = 1\n");
	assert_int_equal(agent_reload(&f->agent), 0);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	for (size_t i = 0; i < N; i++)
		assert_false(agrees(f, i));
	write_conf(f);
	assert_int_equal(agent_reload(&f->agent), 0);
	second(f, 1);
	assert_all_agree(f);
	/* A static key that others may read is as good as none. */
	assert_int_equal(chmod(f->static_file, 0644), 0);
	assert_int_equal(agent_reload(&f->agent), 0);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	assert_non_null(strstr(guard(f)->problem, "chmod o="));
	/* One that is the broker's alone. */
	assert_int_equal(chmod(f->static_file, 0), 0);
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->conf, 0644), 0);
	if (geteuid() == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_int_equal(agent_reload(&f->agent), 0);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	second(f, 1);
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	assert_non_null(strstr(guard(f)->problem, "the agent may not read it"));
	/* Identity mode needs a token. */
	write_file(f->conf, "[Interface]\nMode = identity\n");
	assert_int_equal(agent_reload(&f->agent), 0);
	second(f, 1);
	assert_non_null(strstr(guard(f)->problem, "identity"));
}

static void test_never_a_good_config(void **state)
{
	struct fixture *f = *state;

	write_file(f->conf, "rubbish\n");
	start(f);
	assert_non_null(fake_wg_peer(f->wg, f->plain)->psk);
	assert_int_equal(guard(f)->state, STATUS_ERROR);
	write_conf(f);
	start(f);
	second(f, 2);
	assert_all_agree(f);
}

static void test_peer_leaves_the_config(void **state)
{
	struct fixture *f = *state;
	char own[KEY_BASE64_SIZE], text[256];
	struct secret *frozen;

	start(f);
	second(f, 1);
	frozen = client_psk(f, 0);
	assert_true(fake_wg_initiation(f->wg, f->peers[0], frozen));
	key_to_base64(own, f->public_key);
	(void)snprintf(text, sizeof(text), "[Interface]\nMode = psk\nPublicKey = %s\n", own);
	write_file(f->conf, text);
	assert_int_equal(agent_reload(&f->agent), 0);
	second(f, 2);
	for (size_t i = 0; i < N; i++) {
		assert_false(agrees(f, i));
		assert_non_null(fake_wg_peer(f->wg, f->peers[i])->psk);
	}
	assert_false(fake_wg_initiation(f->wg, f->peers[0], frozen));
	/* From then on they are the admin's alone. */
	fake_wg_set_psk(f->wg, f->peers[0], NULL);
	second(f, 2);
	assert_null(fake_wg_peer(f->wg, f->peers[0])->psk);
	secret_free(frozen);
}

static void test_low_order_token_key(void **state)
{
	struct fixture *f = *state;

	memset(f->token_public[0], 0, KEY_SIZE);
	f->token_public[0][0] = 1;
	write_conf(f);
	start(f);
	assert_false(psk_equal(fake_wg_peer(f->wg, f->peers[0])->psk, f->placeholder));
	assert_non_null(fake_wg_peer(f->wg, f->peers[0])->psk);
	assert_int_equal(status(f, 0).state, STATUS_PEER_CLOSED);
	assert_true(agrees(f, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rotates),
		TEST(test_sessions_live_through_start_and_stop),
		TEST(test_zero_psk_is_refused),
		TEST(test_drift),
		TEST(test_interface_made_anew),
		TEST(test_no_private_key),
		TEST(test_handle_is_no_private_key),
		TEST(test_bad_config),
		TEST(test_never_a_good_config),
		TEST(test_peer_leaves_the_config),
		TEST(test_low_order_token_key),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
