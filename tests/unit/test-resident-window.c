/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tunnel whose peer has window keys, from the file to the PSK: which point the token is asked for, and when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/window.h"
#include "daemon/approval-keys.h"
#include "tests/unit/resident-fixture.h"

#define HOUR_US (3600 * US_PER_SEC)

static const struct window_plan plan = { .seconds = 4 * 3600 };

static void path_of(char *ret, size_t size, const struct fixture *f)
{
	(void)snprintf(ret, size, "%s/windows", f->etc);
}

/* n windows from the one at hand on. */
static void write_windows(struct fixture *f, const struct secret *gateway, size_t n)
{
	const struct file_attributes attributes = {.mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1};
	struct window_keys *k = NULL;
	char path[128], *text = NULL;
	size_t len;

	path_of(path, sizeof(path), f);
	assert_int_equal(window_keys_make(&k, gateway, &plan, clock_now(&f->clock.clock).real_us / US_PER_SEC, n), 0);
	assert_int_equal(window_keys_format(&text, &len, k, NULL), 0);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, len, &attributes), 0);
	free(text);
	window_keys_free(k);
}

/* wg1 has one peer, this gateway, and its window keys. */
static struct secret *begin(struct fixture *f)
{
	struct secret *gateway = secret_new(SECRET_KEY_SIZE);
	char path[128], base64[KEY_BASE64_SIZE], extra[512];
	uint8_t key[KEY_SIZE];

	assert_non_null(gateway);
	memset(secret_borrow_mut(gateway), 0x40, SECRET_KEY_SIZE);
	schedule_public(key, gateway);
	key_to_base64(base64, key);
	path_of(path, sizeof(path), f);
	(void)snprintf(extra, sizeof(extra), "[Peer]\nPublicKey = %s\nWindowKeysFile = %s\n", base64, path);
	write_config(f, "wg1", "psk", "", extra);
	assert_int_equal(broker_reload(f->broker), 0);
	(void)plug(f, "good");
	assert_int_equal(enroll(f, "wg1"), OUTCOME_OK);
	return gateway;
}

static struct secret *psk_now(struct fixture *f)
{
	const struct config *config = tunnel_of(f, "wg1")->config;
	struct instant now = clock_now(&f->clock.clock);
	struct secret *psk = NULL;
	uint64_t start, end;
	int r = approvals_psk(f->broker->approvals, &psk, &start, &end, "wg1", config->peers[0].public_key, &now);

	assert_true(r == 0 || r == OUTCOME_NOT_APPROVED);
	return psk;
}

/* Is that what the gateway has, of its own private key and the token's public one? */
static bool is_of_gateway(struct fixture *f, const struct secret *psk, const struct secret *gateway, const struct secret *t)
{
	const struct config *config = tunnel_of(f, "wg1")->config;
	const uint64_t now = clock_now(&f->clock.clock).real_us / US_PER_SEC;
	const struct schedule s = { .slot_seconds = 120 };
	const struct schedule_window w = window_at(&plan, now);
	struct secret *g = NULL, *shared = NULL, *root = NULL, *key = NULL, *expected = NULL;
	struct schedule_parties parties;
	struct schedule_chain chain;
	bool same;

	schedule_public(parties.token_public, t);
	memcpy(parties.client_public, config->public_key, KEY_SIZE);
	schedule_public(parties.server_public, gateway);
	assert_int_equal(schedule_window_private(&g, gateway, &w), 0);
	assert_int_equal(schedule_shared(&shared, g, parties.token_public), 0);
	assert_int_equal(schedule_window_root(&root, shared, &parties, &w, NULL), 0);
	assert_int_equal(schedule_epoch_key(&key, root, now / 3600), 0);
	assert_int_equal(schedule_chain_start(&chain, key, now / 3600), 0);
	assert_int_equal(schedule_chain_advance(&chain, schedule_slot_index(&s, schedule_slot(&s, now))), 0);
	assert_int_equal(schedule_chain_psk(&expected, &chain, chain.index), 0);
	same = psk && secret_equal(psk, expected);
	schedule_chain_clear(&chain);
	secret_free(g);
	secret_free(shared);
	secret_free(root);
	secret_free(key);
	secret_free(expected);
	return same;
}

static void assert_gateway_agrees(struct fixture *f, const struct secret *gateway, unsigned int slot, bool agrees)
{
	_cleanup_secret_ struct secret *t = fake_key(slot, ""), *psk = psk_now(f);

	assert_int_equal(is_of_gateway(f, psk, gateway, t), agrees);
}

static void assert_refused(struct fixture *f, const char *words)
{
	assert_int_equal(approve(f, "wg1"), OUTCOME_FAILED);
	if (!strstr(f->detail, words))
		fail_msg("\"%s\" has no \"%s\"", f->detail, words);
	/* Before anybody was asked for a touch. */
	assert_string_equal(f->prompts, "");
	assert_null(psk_now(f));
}

static void test_window_after_window(void **state)
{
	struct fixture *f = *state;
	struct secret *gateway = begin(f);

	assert_refused(f, "there is no such file: bring the window keys here");
	write_windows(f, gateway, 2);
	assert_int_equal(approve(f, "wg1"), OUTCOME_OK);
	/* Eight hours is what the configuration allows. */
	assert_int_equal(f->until - clock_now(&f->clock.clock).boot_us, 4 * HOUR_US);
	assert_gateway_agrees(f, gateway, 0, true);
	clock_fake_advance(&f->clock, 4 * HOUR_US - US_PER_SEC);
	assert_gateway_agrees(f, gateway, 0, true);
	clock_fake_advance(&f->clock, US_PER_SEC);
	assert_null(psk_now(f));
	/* A new approval, and traffic goes on. */
	assert_int_equal(approve(f, "wg1"), OUTCOME_OK);
	assert_gateway_agrees(f, gateway, 0, true);
	clock_fake_advance(&f->clock, 4 * HOUR_US);
	assert_refused(f, "the last of its window keys ended on");
	/* A new file counts at once. */
	write_windows(f, gateway, 1);
	assert_int_equal(approve(f, "wg1"), OUTCOME_OK);
	assert_gateway_agrees(f, gateway, 0, true);
	secret_free(gateway);
}

static void test_guarantee(void **state)
{
	struct fixture *f = *state;
	struct secret *gateway = begin(f);
	struct keyfile *k = tunnel_of(f, "wg1")->keyfile;

	assert_non_null(strstr(tunnel_guarantee(tunnel_of(f, "wg1")), "Root while the key is plugged in gets that tunnel's PSKs of every window"));
	k->resident.touch = WIRE_X_TOUCH_ALWAYS;
	assert_non_null(strstr(tunnel_guarantee(tunnel_of(f, "wg1")), "PSKs of one window"));
	/* One peer without them is enough. */
	write_config(f, "wg2", "psk", "A", "");
	assert_int_equal(enroll(f, "wg2"), OUTCOME_OK);
	assert_non_null(strstr(tunnel_guarantee(tunnel_of(f, "wg2")), "PSKs until rekey"));
	secret_free(gateway);
}

static void test_files_that_do_not_fit(void **state)
{
	struct fixture *f = *state;
	struct secret *gateway = begin(f), *other = secret_dup(gateway);
	char path[128];
	int fd;

	secret_borrow_mut(other)[5] ^= 1;
	write_windows(f, other, 2);
	assert_refused(f, "not of this peer");
	path_of(path, sizeof(path), f);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "wgfido-window-keys 1\n", 21), 21);
	assert_int_equal(close(fd), 0);
	assert_refused(f, "here should be \"PublicKey");
	secret_free(other);
	secret_free(gateway);
}

/* The next key takes over within the window, and no further than the approval went. */
static void test_rekey(void **state)
{
	struct fixture *f = *state;
	struct secret *gateway = begin(f);
	uint64_t until;

	write_windows(f, gateway, 1);
	assert_int_equal(approve(f, "wg1"), OUTCOME_OK);
	until = f->until;
	assert_int_equal(run(f, make(f, REQUEST_REKEY, "wg1")), OUTCOME_OK);
	assert_gateway_agrees(f, gateway, 0, true);
	assert_int_equal(run(f, make(f, REQUEST_COMMIT, "wg1")), OUTCOME_OK);
	assert_gateway_agrees(f, gateway, 0, false);
	assert_gateway_agrees(f, gateway, 1, true);
	assert_int_equal(tunnel_approved_until(tunnel_of(f, "wg1")), until);
	secret_free(gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_window_after_window),
		TEST(test_guarantee),
		TEST(test_files_that_do_not_fit),
		TEST(test_rekey),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
