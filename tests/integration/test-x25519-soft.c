/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * X25519 keys on a software token, from the worker program as the broker drives it to the token's state file and back. On a socket, or
 * (WGFIDO_SOFTTOKEN=uhid) on a hidraw node of the kernel's.
 */
#include "tests/integration/x25519-soft-fixture.h"

#include <sodium.h>
#include <sys/socket.h>

static const char *const manual[] = {"--touch", "manual", NULL};

static void test_policies(void **state)
{
	struct fixture *f = *state;
	uint8_t never[32], cached[32], always[32];

	soft_worker_plug(f, NULL);
	soft_worker_begin(f, WIRE_INFO);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_true(f->result.info.capabilities & WIRE_CAP_X25519);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_NEVER, never);
	generate(f, 1, WIRE_X_TOUCH_CACHED, cached);
	generate(f, 7, WIRE_X_TOUCH_ALWAYS, always);
	for (unsigned int i = 0; i < 2; i++) {
		assert_dh(f, 0, never, 0);
		assert_dh(f, 1, cached, i == 0 ? 1 : 0);
		assert_dh(f, 7, always, 1);
	}
	ask(f, WIRE_X_LIST, 0);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->touches, 0);
	assert_int_equal(f->result.x_slots, 8);
	assert_int_equal(f->result.n_x_keys, 3);
	assert_memory_equal(f->result.x_token_public, self.token_public, 32);
	assert_memory_equal(f->result.x_keys[0].public_key, never, 32);
	assert_int_equal(f->result.x_keys[1].touch, WIRE_X_TOUCH_CACHED);
	assert_int_equal(f->result.x_keys[1].cached_seconds, 3600);
	assert_int_equal(f->result.x_keys[2].slot.number, 7);
	assert_true(f->result.x_keys[2].bound);

	/* plugged in again: the keys are there, the touch is not */
	soft_worker_unplug(f);
	soft_worker_plug(f, NULL);
	assert_dh(f, 0, never, 0);
	assert_dh(f, 1, cached, 1);
	ask_generate(f, 0, WIRE_X_TOUCH_NEVER);
	assert_int_equal(soft_worker_run(f), OUTCOME_EXISTS);
}

static void test_import_and_erase(void **state)
{
	struct fixture *f = *state;
	uint8_t key[32], public_key[32], expected[32];

	on_a_socket_only();
	soft_worker_plug(f, NULL);
	pair(f);
	randombytes_buf(key, sizeof(key));
	crypto_scalarmult_base(public_key, key);
	ask(f, WIRE_X_IMPORT, 3);
	f->request.x_key = make_key(key);
	f->request.x_touch = WIRE_X_TOUCH_NEVER;
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->touches, 1);
	assert_memory_equal(f->result.x_keys[0].public_key, public_key, 32);
	assert_dh(f, 3, public_key, 0);
	ask(f, WIRE_X_ERASE, 3);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->touches, 1);
	ask_dh(f, 3, public_key, expected);
	assert_int_equal(soft_worker_run(f), OUTCOME_NOT_ENROLLED);
}

static void test_unpaired(void **state)
{
	struct fixture *f = *state;
	struct self mine;
	uint8_t public_key[32], expected[32];

	on_a_socket_only();
	soft_worker_plug(f, NULL);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_NEVER, public_key);
	mine = self;
	randombytes_buf(self.key, sizeof(self.key));
	ask_dh(f, 0, public_key, expected);
	assert_int_equal(soft_worker_run(f), OUTCOME_WRONG_TOKEN);
	pair(f); /* as another computer */
	assert_int_not_equal(self.index, mine.index);
	ask_dh(f, 0, public_key, expected);
	assert_int_equal(soft_worker_run(f), OUTCOME_WRONG_TOKEN);
	ask(f, WIRE_X_ERASE, 0);
	assert_int_equal(soft_worker_run(f), OUTCOME_WRONG_TOKEN);
	self = mine;
	self.token_public[5]++; /* another token was paired */
	ask_dh(f, 0, public_key, expected);
	assert_int_equal(soft_worker_run(f), OUTCOME_WRONG_TOKEN);
	self = mine;
	assert_dh(f, 0, public_key, 0);
}

static void test_without_the_extension(void **state)
{
	struct fixture *f = *state;
	const char *const without[] = {"--no-x25519", NULL};
	uint8_t public_key[32], expected[32];

	on_a_socket_only();
	soft_worker_plug(f, NULL);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_NEVER, public_key);
	soft_worker_unplug(f);
	/* the same worker, another token: what it knew of the one before does not count */
	soft_worker_plug(f, without);
	soft_worker_begin(f, WIRE_INFO);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_false(f->result.info.capabilities & WIRE_CAP_X25519);
	ask_dh(f, 0, public_key, expected);
	assert_int_equal(soft_worker_run(f), OUTCOME_UNSUPPORTED);
	assert_string_equal(f->result.detail, "the key has no X25519 keys");
	ask(f, WIRE_X_LIST, 0);
	assert_int_equal(soft_worker_run(f), OUTCOME_UNSUPPORTED);
}

static void wait_for_touch(struct fixture *f)
{
	while (f->touches == 0)
		assert_false(soft_worker_receive(f));
}

static void test_touch(void **state)
{
	struct fixture *f = *state;
	const char *const touch[] = {"touch", "--socket", f->token.socket, NULL};
	struct wire_request cancel = {.type = WIRE_CANCEL};
	uint8_t public_key[32], expected[32];
	size_t len;

	soft_worker_plug(f, NULL);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_ALWAYS, public_key);
	soft_worker_unplug(f);
	soft_worker_plug(f, manual);

	ask_dh(f, 0, public_key, expected);
	f->request.timeout_ms = 1500; /* as long as a busy machine may take to get as far as the touch */
	assert_int_equal(soft_worker_run(f), OUTCOME_TOUCH_TIMEOUT);
	assert_int_equal(f->touches, 1);

	ask_dh(f, 0, public_key, expected);
	soft_worker_send_request(f);
	wait_for_touch(f);
	cancel.serial = f->serial;
	assert_int_equal(wire_encode_request(f->buffer, &len, &cancel), 0);
	assert_int_equal(send(f->fd, f->buffer, len, 0), len);
	finish(f);
	assert_int_equal(f->result.outcome, OUTCOME_CANCELLED);

	ask_dh(f, 0, public_key, expected);
	soft_worker_send_request(f);
	wait_for_touch(f);
	assert_int_equal(softtoken_run(&f->token, NULL, touch), 0);
	finish(f);
	assert_int_equal(f->result.outcome, OUTCOME_OK);
	assert_memory_equal(secret_key(f->result.outputs[0]), expected, 32);
}

static void test_unplugged(void **state)
{
	struct fixture *f = *state;
	uint8_t public_key[32], expected[32];

	soft_worker_plug(f, NULL);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_ALWAYS, public_key);
	soft_worker_unplug(f);
	soft_worker_plug(f, manual);
	ask_dh(f, 0, public_key, expected);
	soft_worker_send_request(f);
	wait_for_touch(f);
	soft_worker_unplug(f);
	finish(f);
	assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
	assert_string_equal(f->result.detail, "the key went away");
	ask_dh(f, 0, public_key, expected);
	assert_int_equal(soft_worker_run(f), OUTCOME_TOKEN_MISSING);
	soft_worker_plug(f, NULL);
	assert_dh(f, 0, public_key, 1);
}

/* HELLO, CHANNEL and the sealed operation are the first three answers; each in turn is the first that is not as it should be. */
static void test_misbehaviour(void **state)
{
	static const char *const modes[] = {"garbage", "toolong", "silent", "slow=5000", "keepalive-forever", "short", "long", "zero", "replay"};
	static const char *const honest[] = {"0", "1", "2"};
	struct fixture *f = *state;
	uint8_t public_key[32], expected[32];

	on_a_socket_only();
	soft_worker_plug(f, NULL);
	pair(f);
	generate(f, 0, WIRE_X_TOUCH_NEVER, public_key);
	soft_worker_unplug(f);
	for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++) {
		for (size_t after = 0; after < sizeof(honest) / sizeof(*honest); after++) {
			const char *const arguments[] = {"--misbehave-x25519", modes[mode], "--misbehave-after", honest[after], NULL};

			soft_worker_plug(f, arguments);
			ask_dh(f, 0, public_key, expected);
			f->request.timeout_ms = 400;
			soft_worker_run(f);
			/* the first answer is the first there is: it repeats no other */
			if (f->result.outcome == OUTCOME_OK)
				assert_true(strcmp(modes[mode], "replay") == 0 && after == 0);
			else
				assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
			if (f->result.outcome != OUTCOME_OK)
				assert_string_not_equal(f->result.detail, "");
			soft_worker_unplug(f);
		}
	}
	soft_worker_plug(f, NULL);
	assert_dh(f, 0, public_key, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_policies),
		TEST(test_import_and_erase),
		TEST(test_unpaired),
		TEST(test_without_the_extension),
		TEST(test_touch),
		TEST(test_unplugged),
		TEST(test_misbehaviour),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
