/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program around the software token's authenticator: touches, its state file, misbehaviour on demand, and its
 * command line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/softtoken-host.h"

struct waiting {
	fido_dev_t *dev;
	fido_cred_t *cred;
	int result;
};

static void *wait_for_cred(void *arg)
{
	struct waiting *w = arg;

	w->result = fido_dev_make_cred(w->dev, w->cred, NULL);
	return NULL;
}

static void wait_for_touch_wanted(const struct softtoken *t)
{
	int fd;
	char path[80], reply[16];
	struct softtoken control = {0};

	snprintf(path, sizeof(path), "%s.ctl", t->socket);
	memcpy(control.socket, path, sizeof(control.socket));
	fd = softtoken_connect(&control);
	assert_true(fd >= 0);
	do {
		ssize_t n;

		assert_int_equal(write(fd, "status", 6), 6);
		n = read(fd, reply, sizeof(reply) - 1);
		assert_true(n > 0);
		reply[n] = '\0';
		poll(NULL, 0, 1);
	} while (strcmp(reply, "touch") != 0);
	close(fd);
}

static void test_touch_cancel_deny(void **state)
{
	static const char *const manual[] = {"--touch", "manual", NULL};
	struct softtoken *t = *state;
	const char *touch[] = {"touch", "--socket", t->socket, NULL};
	const char *deny[] = {"touch", "--deny", "--socket", t->socket, NULL};
	const char *late[] = {"touch", "--timeout", "0", "--socket", t->socket, NULL};
	const char *status[] = {"status", "--socket", t->socket, NULL};
	struct waiting w;
	pthread_t thread;
	struct host_credential m;

	assert_int_equal(softtoken_run(t, NULL, touch), 1); /* not plugged in */
	softtoken_plug(t, manual);
	assert_int_equal(softtoken_run(t, NULL, late), 1);
	assert_int_equal(softtoken_run(t, NULL, status), 0);
	w.dev = softtoken_open(t);
	w.cred = host_cred_new(FIDO_EXT_HMAC_SECRET, 0);

	/* cancelled from another thread: the handle is usable afterwards */
	assert_int_equal(pthread_create(&thread, NULL, wait_for_cred, &w), 0);
	wait_for_touch_wanted(t);
	assert_int_equal(fido_dev_cancel(w.dev), FIDO_OK);
	pthread_join(thread, NULL);
	assert_int_equal(w.result, FIDO_ERR_KEEPALIVE_CANCEL);

	assert_int_equal(pthread_create(&thread, NULL, wait_for_cred, &w), 0);
	assert_int_equal(softtoken_run(t, NULL, deny), 0);
	pthread_join(thread, NULL);
	assert_int_equal(w.result, FIDO_ERR_OPERATION_DENIED);

	assert_int_equal(pthread_create(&thread, NULL, wait_for_cred, &w), 0);
	assert_int_equal(softtoken_run(t, NULL, touch), 0);
	pthread_join(thread, NULL);
	assert_int_equal(w.result, FIDO_OK);
	host_take(&m, w.cred);

	/* unplugged while it waits */
	fido_cred_free(&w.cred);
	w.cred = host_cred_new(0, 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_cred, &w), 0);
	wait_for_touch_wanted(t);
	assert_int_equal(softtoken_unplug(t), 0);
	pthread_join(thread, NULL);
	assert_true(w.result == FIDO_ERR_RX || w.result == FIDO_ERR_TX);
	fido_cred_free(&w.cred);
	es256_pk_free(&m.key);
	softtoken_close(w.dev);
}

static void test_selection_by_touch(void **state)
{
	struct softtoken *t = *state;
	fido_dev_t *dev;
	int touched = 0;

	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	assert_int_equal(fido_dev_get_touch_begin(dev), FIDO_OK);
	assert_int_equal(fido_dev_get_touch_status(dev, &touched, 10000), FIDO_OK);
	assert_int_equal(touched, 1);
	softtoken_close(dev);
}

static void test_misbehaviour(void **state)
{
	static const char *const modes[] = {
		"garbage", "toolong", "silent", "slow=60000", "keepalive-forever"};
	struct softtoken *t = *state;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const char *arguments[] = {"--misbehave", modes[i], "--misbehave-after", "2", NULL};
		fido_cred_t *c = host_cred_new(0, 0);
		struct host_credential m;
		fido_dev_t *dev;

		softtoken_plug(t, arguments);
		dev = softtoken_open(t); /* getInfo is the first */
		host_make(&m, dev, 0, 0, NULL);
		assert_int_equal(fido_dev_set_timeout(dev, 300), FIDO_OK);
		assert_int_not_equal(fido_dev_make_cred(dev, c, NULL), FIDO_OK);
		es256_pk_free(&m.key);
		fido_cred_free(&c);
		softtoken_close(dev);
		softtoken_unplug(t);
	}
}

static void test_state_file(void **state)
{
	struct softtoken *t = *state;
	const char *run[] = {"run", "--state", t->state, "--socket", t->socket, NULL};
	const char *info[] = {"info", "--state", t->state, NULL};
	const char *other_socket[] = {"run", "--state", t->state, "--socket", "/nonexistent/key", NULL};
	unsigned char bytes[4096], now[4096];
	size_t n;
	FILE *f;

	assert_int_equal(softtoken_run(t, NULL, info), 1);
	softtoken_plug(t, NULL);
	assert_int_equal(softtoken_run(t, NULL, info), 0);
	assert_int_equal(softtoken_run(t, NULL, run), 1); /* locked */
	softtoken_unplug(t);
	assert_int_equal(softtoken_run(t, NULL, other_socket), 1);

	/* damaged, cut off or empty: refused, and left as it is */
	f = fopen(t->state, "r+");
	assert_non_null(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	for (int round = 0; round < 3; round++) {
		size_t len = round == 0 ? n : round == 1 ? n / 2 : 0;

		bytes[30] ^= 4;
		assert_int_equal(ftruncate(fileno(f), 0), 0);
		rewind(f);
		assert_int_equal(fwrite(bytes, 1, len, f), len);
		fflush(f);
		assert_int_equal(softtoken_run(t, NULL, run), 1);
		assert_int_equal(softtoken_run(t, NULL, info), 1);
		rewind(f);
		assert_int_equal(fread(now, 1, sizeof(now), f), len);
		assert_memory_equal(now, bytes, len);
	}
	fclose(f);
}

static void test_command_line(void **state)
{
	static const char *const good[][3] = {{"--help"}, {"run", "--help"}, {"touch", "--help"},
		{"status", "--help"}, {"set-pin", "--help"}, {"reset", "--help"}, {"info", "--help"},
		{"--version"}};
	static const char *const bad[][4] = {{"walk"}, {"run"}, {"run", "--touch", "often"}, {"touch"},
		{"info", "x"}, {"run", "--misbehave", "badly"}, {"status", "--nothing"}};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(softtoken_run(*state, NULL, good[i]), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(softtoken_run(*state, NULL, bad[i]), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_touch_cancel_deny),
		TEST(test_selection_by_touch),
		TEST(test_misbehaviour),
		TEST(test_state_file),
		TEST(test_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
