/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker program, driven as the broker drives it, on a software token that is plugged in and misbehaves. */
#include "tests/integration/soft-worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_info(void **state)
{
	struct fixture *f = *state;

	soft_worker_plug(f, NULL);
	soft_worker_begin(f, WIRE_INFO);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_string_equal(f->result.info.product, softtoken_is_uhid() ? "wgfido software token" : "Software token key");
	if (softtoken_is_uhid())
		assert_int_equal(strlen(f->result.info.serial), 16);
	assert_true(f->result.info.capabilities & WIRE_CAP_HMAC_SECRET);
	assert_true(f->result.info.capabilities & WIRE_CAP_CLIENT_PIN);
	assert_false(f->result.info.capabilities & WIRE_CAP_PIN_SET);
	assert_int_equal(f->result.info.pin_retries, -1);
	assert_true(f->result.info.credential_id_max >= 16);

	soft_worker_unplug(f);
	soft_worker_set_pin(f);
	soft_worker_plug(f, NULL);
	soft_worker_begin(f, WIRE_INFO);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_true(f->result.info.capabilities & WIRE_CAP_PIN_SET);
	assert_int_equal(f->result.info.pin_retries, 8);
}

static void test_presence(void **state)
{
	struct fixture *f = *state;
	_cleanup_secret_ struct secret *first = NULL, *again = NULL, *other = NULL;

	soft_worker_plug(f, NULL);
	soft_worker_create(f, NULL);
	first = soft_worker_evaluate(f, NULL, 1);
	assert_int_equal(secret_len(first), 32);
	assert_false(secret_is_zero(first));
	again = soft_worker_evaluate(f, NULL, 1);
	assert_true(secret_equal(first, again));
	other = soft_worker_evaluate(f, NULL, 2);
	assert_false(secret_equal(first, other));

	/* both at once are what each was alone */
	soft_worker_ask_evaluate(f, NULL, 2, 1);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->result.n_outputs, 2);
	assert_true(secret_equal(f->result.outputs[0], first));
	assert_true(secret_equal(f->result.outputs[1], other));
}

static void test_pin(void **state)
{
	struct fixture *f = *state;
	_cleanup_secret_ struct secret *pin = NULL, *again = NULL, *presence = NULL;

	soft_worker_plug(f, NULL);
	soft_worker_create(f, NULL);
	presence = soft_worker_evaluate(f, NULL, 1);

	/* wanting a PIN where none is set costs no touch and no try */
	soft_worker_ask_evaluate(f, PIN, 1, 1);
	assert_int_equal(soft_worker_run(f), OUTCOME_UNSUPPORTED);

	soft_worker_unplug(f);
	soft_worker_set_pin(f);
	soft_worker_plug(f, NULL);
	pin = soft_worker_evaluate(f, PIN, 1);
	again = soft_worker_evaluate(f, PIN, 1);
	assert_true(secret_equal(pin, again));
	assert_false(secret_equal(pin, presence)); /* the same credential, another secret */

	soft_worker_create(f, PIN);
	again = secret_free(again);
	again = soft_worker_evaluate(f, PIN, 1);
	assert_false(secret_equal(pin, again)); /* another credential */

	/* credProtect: without the PIN it is as if it were not there, for a probe as well */
	soft_worker_ask_evaluate(f, NULL, 1, 1);
	assert_int_equal(soft_worker_run(f), OUTCOME_WRONG_TOKEN);
	soft_worker_begin(f, WIRE_PROBE);
	f->request.n_credentials = 1;
	f->request.credentials[0] = f->credential;
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->result.known, 0);
}

static void test_wrong_pin(void **state)
{
	struct fixture *f = *state;

	soft_worker_set_pin(f);
	soft_worker_plug(f, NULL);
	soft_worker_create(f, PIN);
	for (int retries = 7; retries >= 6; retries--) {
		soft_worker_ask_evaluate(f, "654321", 1, 1);
		assert_int_equal(soft_worker_run(f), OUTCOME_PIN_INVALID);
		assert_int_equal(f->result.pin_retries, retries); /* one request, one try */
	}
	soft_worker_ask_evaluate(f, "654321", 1, 1);
	assert_int_equal(soft_worker_run(f), OUTCOME_PIN_BLOCKED); /* until it is plugged in again */
	assert_int_equal(f->result.pin_retries, 5);
	assert_non_null(strstr(f->result.detail, "unplug"));
	soft_worker_ask_evaluate(f, PIN, 1, 1);
	assert_int_equal(soft_worker_run(f), OUTCOME_PIN_BLOCKED);

	soft_worker_unplug(f);
	soft_worker_plug(f, NULL);
	soft_worker_ask_evaluate(f, PIN, 1, 1);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
}

static void test_probe_and_choice(void **state)
{
	struct fixture *f = *state;
	struct wire_credential mine, forged;

	soft_worker_plug(f, NULL);
	soft_worker_create(f, NULL);
	mine = f->credential;
	forged = mine;
	forged.id[forged.id_len - 1] ^= 1;

	soft_worker_begin(f, WIRE_PROBE);
	f->request.n_credentials = 3;
	f->request.credentials[0] = forged;
	f->request.credentials[1] = mine;
	f->request.credentials[2] = mine;
	f->request.credentials[2].public_key[3] ^= 1; /* the token's, but not ours: its signature does not fit */
	f->touches = 0;
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->result.known, 2);
	assert_int_equal(f->touches, 0);

	soft_worker_ask_evaluate(f, NULL, 1, 1);
	f->request.n_credentials = 2;
	f->request.credentials[0] = forged;
	f->request.credentials[1] = mine;
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->result.credential_index, 1);

	/* more than one message holds: the right one is found before the touch */
	soft_worker_ask_evaluate(f, NULL, 1, 1);
	f->request.n_credentials = 8;
	for (unsigned int i = 0; i < 8; i++) {
		f->request.credentials[i] = mine;
		if (i == 5)
			continue;
		f->request.credentials[i].id_len = 700;
		memset(f->request.credentials[i].id, (int)i, 700);
	}
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->result.credential_index, 5);

	soft_worker_ask_evaluate(f, NULL, 1, 1);
	f->request.credentials[0] = forged;
	assert_int_equal(soft_worker_run(f), OUTCOME_WRONG_TOKEN);

	/* the signature is checked with the stored key */
	soft_worker_ask_evaluate(f, NULL, 1, 1);
	f->request.credentials[0].public_key[0] ^= 1;
	assert_int_equal(soft_worker_run(f), OUTCOME_TOKEN_FAILED);
	assert_null(f->result.outputs[0]);
}

static void test_exclude(void **state)
{
	struct fixture *f = *state;

	soft_worker_plug(f, NULL);
	soft_worker_create(f, NULL);
	soft_worker_ask_create(f, NULL);
	f->request.n_credentials = 1;
	f->request.credentials[0] = f->credential;
	assert_int_equal(soft_worker_run(f), OUTCOME_EXISTS);
}

static void test_no_hmac_secret(void **state)
{
	struct fixture *f = *state;
	const char *const arguments[] = {"--no-hmac-secret", "--touch", "manual", NULL};

	soft_worker_plug(f, arguments);
	soft_worker_ask_create(f, NULL);
	assert_int_equal(soft_worker_run(f), OUTCOME_UNSUPPORTED);
	assert_int_equal(f->touches, 0); /* found out before */
}

static void wait_for_touch(struct fixture *f)
{
	f->touches = 0;
	while (f->touches == 0)
		assert_false(soft_worker_receive(f));
}

static void send_cancel(struct fixture *f, uint32_t serial)
{
	struct wire_request cancel = {.type = WIRE_CANCEL, .serial = serial};
	size_t len;

	assert_int_equal(wire_encode_request(f->buffer, &len, &cancel), 0);
	assert_int_equal(send(f->fd, f->buffer, len, 0), len);
}

static void test_cancel_and_touch(void **state)
{
	struct fixture *f = *state;
	const char *const manual[] = {"--touch", "manual", NULL};
	const char *const touch[] = {"touch", "--socket", f->token.socket, NULL};

	soft_worker_plug(f, manual);
	soft_worker_ask_create(f, NULL);
	soft_worker_send_request(f);
	wait_for_touch(f);
	send_cancel(f, f->serial);
	while (!soft_worker_receive(f))
		;
	assert_int_equal(f->result.outcome, OUTCOME_CANCELLED);

	/* a cancellation that comes too late, and one for somebody else's request, do nothing */
	send_cancel(f, f->serial);
	soft_worker_ask_create(f, NULL);
	soft_worker_send_request(f);
	send_cancel(f, f->serial + 100);
	wait_for_touch(f);
	assert_int_equal(softtoken_run(&f->token, NULL, touch), 0);
	while (!soft_worker_receive(f))
		;
	assert_int_equal(f->result.outcome, OUTCOME_OK);
}

static void test_touch_timeout(void **state)
{
	struct fixture *f = *state;
	const char *const manual[] = {"--touch", "manual", NULL};

	soft_worker_plug(f, manual);
	soft_worker_ask_create(f, NULL);
	f->request.timeout_ms = 1500; /* as long as a busy machine may take to get as far as the touch */
	assert_int_equal(soft_worker_run(f), OUTCOME_TOUCH_TIMEOUT);
}

static void test_broker_goes_away(void **state)
{
	struct fixture *f = *state;
	const char *const manual[] = {"--touch", "manual", NULL};
	const char *const status[] = {"touch", "--socket", f->token.socket, "--timeout", "0", NULL};

	soft_worker_plug(f, manual);
	soft_worker_ask_create(f, NULL);
	soft_worker_send_request(f);
	wait_for_touch(f);
	soft_worker_end(f);
	/* and the token blinks no more */
	assert_int_not_equal(softtoken_run(&f->token, NULL, status), 0);
	soft_worker_start(f);
}

static void test_unplugged(void **state)
{
	struct fixture *f = *state;
	const char *const manual[] = {"--touch", "manual", NULL};

	if (!softtoken_is_uhid()) {
		soft_worker_begin(f, WIRE_INFO);
		assert_int_equal(soft_worker_run(f), OUTCOME_TOKEN_MISSING);
	}

	soft_worker_plug(f, manual);
	soft_worker_ask_create(f, NULL);
	soft_worker_send_request(f);
	wait_for_touch(f);
	soft_worker_unplug(f);
	while (!soft_worker_receive(f))
		;
	assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
	assert_string_equal(f->result.detail, "the key went away");
	soft_worker_begin(f, WIRE_INFO);
	assert_int_equal(soft_worker_run(f), OUTCOME_TOKEN_MISSING);

	soft_worker_plug(f, NULL);
	soft_worker_create(f, NULL); /* as if nothing had been */
}

static void test_misbehaviour(void **state)
{
	struct fixture *f = *state;
	static const char *const modes[] = {"garbage", "toolong", "silent", "slow=5000", "keepalive-forever"};
	static const char *const honest[] = {"0", "1", "2", "3"};

	soft_worker_plug(f, NULL);
	soft_worker_create(f, NULL);
	soft_worker_unplug(f);
	for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++) {
		for (size_t after = 0; after < sizeof(honest) / sizeof(*honest); after++) {
			const char *const arguments[] = {"--misbehave", modes[mode], "--misbehave-after", honest[after], NULL};

			soft_worker_plug(f, arguments);
			soft_worker_ask_evaluate(f, NULL, 1, 1);
			f->request.timeout_ms = 400;
			/* the fourth command is the touch itself, and a token may fall silent after having asked for it */
			if (soft_worker_run(f) != OUTCOME_TOUCH_TIMEOUT || after < 3) {
				assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
				assert_int_not_equal(f->result.detail[0], 0);
			}
			assert_null(f->result.outputs[0]);
			soft_worker_unplug(f);
		}
	}
	/* the same worker, an honest token again */
	soft_worker_plug(f, NULL);
	soft_worker_ask_evaluate(f, NULL, 1, 1);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
}

static void test_broken_contract(void **state)
{
	struct fixture *f = *state;

	if (softtoken_is_uhid())
		soft_worker_plug(f, NULL);
	assert_int_equal(send(f->fd, "nonsense", 8, 0), 8);
	assert_int_equal(softtoken_wait(f->worker), 1);
	f->worker = 0;
}

/* libfido2 and everything else that is well behaved takes the lock of the node for as long as it has it open. */
static void test_locked(void **state)
{
	struct fixture *f = *state;
	int fd;

	if (!softtoken_is_uhid())
		skip();
	soft_worker_plug(f, NULL);
	soft_worker_create(f, NULL);
	fd = open(f->token.node, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	soft_worker_ask_evaluate(f, NULL, 1, 1);
	f->request.timeout_ms = 300;
	assert_int_equal(soft_worker_run(f), OUTCOME_TOKEN_BUSY);

	/* let go of while the worker waits for it */
	soft_worker_ask_evaluate(f, NULL, 1, 1);
	soft_worker_send_request(f);
	close(fd);
	while (!soft_worker_receive(f))
		;
	assert_int_equal(f->result.outcome, OUTCOME_OK);

	/* between operations the worker does not have it, so that others may */
	fd = open(f->token.node, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}

/* A browser: it has the node open without a lock, gets every report there is, and talks on a channel of its own. */
static void test_second_reader(void **state)
{
	struct fixture *f = *state;
	static const uint8_t init[65] = {0, 0xff, 0xff, 0xff, 0xff, 0x86, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t report[64];
	unsigned int seen = 0, answered = 0;
	int fd;

	if (!softtoken_is_uhid())
		skip();
	soft_worker_plug(f, NULL);
	fd = open(f->token.node, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_true(fd >= 0);
	soft_worker_create(f, NULL);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(write(fd, init, sizeof(init)), sizeof(init));
		secret_free(soft_worker_evaluate(f, NULL, 1));
		while (read(fd, report, sizeof(report)) == sizeof(report)) {
			seen++;
			/* not more than 64 are kept for it, so its own answer is read in time or lost */
			answered += memcmp(report, init + 1, 5) == 0 && memcmp(report + 7, init + 8, 8) == 0;
		}
	}
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(answered, 5);
	assert_true(seen > 20);

	/* pulled: whoever reads hears of it */
	soft_worker_unplug(f);
	assert_int_equal(read(fd, report, sizeof(report)), -1);
	assert_int_equal(errno, EIO);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_info, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_presence, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_pin, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_wrong_pin, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_probe_and_choice, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_exclude, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_no_hmac_secret, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_cancel_and_touch, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_touch_timeout, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_broker_goes_away, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_unplugged, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_misbehaviour, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_broken_contract, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_locked, soft_worker_setup, soft_worker_teardown),
		cmocka_unit_test_setup_teardown(test_second_reader, soft_worker_setup, soft_worker_teardown),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
