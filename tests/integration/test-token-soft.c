/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker program, driven as the broker drives it, on a software token that is plugged in and misbehaves. On a hidraw node
 * (WGFIDO_SOFTTOKEN=uhid) there is a worker only while the token is plugged in, since its sandbox holds that one node.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/wire.h"
#include "tests/integration/softtoken.h"

#define PIN "123456"
#define TIMEOUT_MS 20000

struct fixture {
	struct softtoken token;
	pid_t worker;
	int fd;
	uint32_t serial;
	unsigned int touches;
	uint8_t buffer[WIRE_MESSAGE_MAX];
	struct wire_request request;
	struct wire_result result;
	struct wire_credential credential;
};

static void start_worker(struct fixture *f)
{
	const char *top = getenv("top_builddir");
	char path[4096];
	int fds[2];

	snprintf(path, sizeof(path), "%s/token/wgfido-token", top ? top : ".");
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	f->worker = fork();
	assert_true(f->worker >= 0);
	if (f->worker == 0) {
		bool uhid = softtoken_is_uhid();
		char *argv[] = {path, (char *)"--fd", (char *)"3", (char *)(uhid ? "--hidraw" : "--soft"),
			uhid ? f->token.node : f->token.socket, NULL};
		char *environment[] = {NULL};

		if (fds[1] == 3)
			fds[1] = dup(fds[1]);
		dup2(fds[1], 3);
		execve(path, argv, environment);
		_exit(127);
	}
	close(fds[1]);
	f->fd = fds[0];
}

/* Also: nothing leaked, and the sandbox never bit. */
static void end_worker(struct fixture *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	if (f->worker)
		assert_int_equal(softtoken_wait(f->worker), 0);
	f->worker = 0;
}

static void plug(struct fixture *f, const char *const *arguments)
{
	softtoken_plug(&f->token, arguments);
	if (softtoken_is_uhid()) {
		end_worker(f);
		start_worker(f);
	}
}

static void unplug(struct fixture *f)
{
	softtoken_unplug(&f->token);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fd = -1;
	softtoken_init(&f->token);
	if (!softtoken_is_uhid())
		start_worker(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	end_worker(f);
	wire_request_clear(&f->request);
	wire_result_clear(&f->result);
	softtoken_clear(&f->token);
	free(f);
	return 0;
}

static void begin(struct fixture *f, enum wire_type type)
{
	wire_request_clear(&f->request);
	f->request.type = type;
	f->request.timeout_ms = TIMEOUT_MS;
	f->request.serial = ++f->serial;
}

static void with_pin(struct fixture *f, const char *pin)
{
	f->request.uv = WIRE_UV_PIN;
	f->request.pin = secret_new(strlen(pin));
	assert_non_null(f->request.pin);
	memcpy(secret_borrow_mut(f->request.pin), pin, strlen(pin));
}

static void send_request(struct fixture *f)
{
	size_t len;

	assert_int_equal(wire_encode_request(f->buffer, &len, &f->request), 0);
	assert_int_equal(send(f->fd, f->buffer, len, 0), len);
}

/* The next message; true for a result. */
static bool receive(struct fixture *f)
{
	struct pollfd ready = {.fd = f->fd, .events = POLLIN};
	struct wire_status_message status;
	enum wire_type type;
	ssize_t n;

	assert_int_equal(poll(&ready, 1, 30000), 1);
	n = recv(f->fd, f->buffer, sizeof(f->buffer), 0);
	assert_true(n > 0);
	wire_result_clear(&f->result);
	assert_int_equal(wire_decode_reply(&type, &f->result, &status, f->buffer, (size_t)n), 0);
	if (type == WIRE_RESULT) {
		assert_int_equal(f->result.serial, f->serial);
		return true;
	}
	assert_int_equal(status.serial, f->serial);
	f->touches += status.status == WIRE_STATUS_TOUCH;
	return false;
}

static enum outcome run(struct fixture *f)
{
	send_request(f);
	while (!receive(f))
		;
	return f->result.outcome;
}

static void ask_create(struct fixture *f, const char *pin)
{
	begin(f, WIRE_CREATE);
	strcpy(f->request.user_name, "wg0");
	memset(f->request.user_id, 7, sizeof(f->request.user_id));
	if (pin)
		with_pin(f, pin);
}

static void create(struct fixture *f, const char *pin)
{
	ask_create(f, pin);
	assert_int_equal(run(f), OUTCOME_OK);
	f->credential = f->result.credential;
}

static void ask_evaluate(struct fixture *f, const char *pin, unsigned int n_salts, uint8_t salt)
{
	begin(f, WIRE_EVALUATE);
	f->request.n_credentials = 1;
	f->request.credentials[0] = f->credential;
	f->request.n_salts = (uint8_t)n_salts;
	memset(f->request.salts[0], salt, 32);
	memset(f->request.salts[1], salt + 1, 32);
	if (pin)
		with_pin(f, pin);
}

static struct secret *evaluate(struct fixture *f, const char *pin, uint8_t salt)
{
	ask_evaluate(f, pin, 1, salt);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.n_outputs, 1);
	return secret_take(&f->result.outputs[0]);
}

static void set_pin(struct fixture *f)
{
	const char *const arguments[] = {"set-pin", "--state", f->token.state, NULL};

	assert_int_equal(softtoken_run(&f->token, PIN "\n", arguments), 0);
}

static void test_info(void **state)
{
	struct fixture *f = *state;

	plug(f, NULL);
	begin(f, WIRE_INFO);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_string_equal(f->result.info.product, softtoken_is_uhid() ? "wgfido software token" : "Software token key");
	if (softtoken_is_uhid())
		assert_int_equal(strlen(f->result.info.serial), 16);
	assert_true(f->result.info.capabilities & WIRE_CAP_HMAC_SECRET);
	assert_true(f->result.info.capabilities & WIRE_CAP_CLIENT_PIN);
	assert_false(f->result.info.capabilities & WIRE_CAP_PIN_SET);
	assert_int_equal(f->result.info.pin_retries, -1);
	assert_true(f->result.info.credential_id_max >= 16);

	unplug(f);
	set_pin(f);
	plug(f, NULL);
	begin(f, WIRE_INFO);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_true(f->result.info.capabilities & WIRE_CAP_PIN_SET);
	assert_int_equal(f->result.info.pin_retries, 8);
}

static void test_presence(void **state)
{
	struct fixture *f = *state;
	_cleanup_secret_ struct secret *first = NULL, *again = NULL, *other = NULL;

	plug(f, NULL);
	create(f, NULL);
	first = evaluate(f, NULL, 1);
	assert_int_equal(secret_len(first), 32);
	assert_false(secret_is_zero(first));
	again = evaluate(f, NULL, 1);
	assert_true(secret_equal(first, again));
	other = evaluate(f, NULL, 2);
	assert_false(secret_equal(first, other));

	/* both at once are what each was alone */
	ask_evaluate(f, NULL, 2, 1);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.n_outputs, 2);
	assert_true(secret_equal(f->result.outputs[0], first));
	assert_true(secret_equal(f->result.outputs[1], other));
}

static void test_pin(void **state)
{
	struct fixture *f = *state;
	_cleanup_secret_ struct secret *pin = NULL, *again = NULL, *presence = NULL;

	plug(f, NULL);
	create(f, NULL);
	presence = evaluate(f, NULL, 1);

	/* wanting a PIN where none is set costs no touch and no try */
	ask_evaluate(f, PIN, 1, 1);
	assert_int_equal(run(f), OUTCOME_UNSUPPORTED);

	unplug(f);
	set_pin(f);
	plug(f, NULL);
	pin = evaluate(f, PIN, 1);
	again = evaluate(f, PIN, 1);
	assert_true(secret_equal(pin, again));
	assert_false(secret_equal(pin, presence)); /* the same credential, another secret */

	create(f, PIN);
	again = secret_free(again);
	again = evaluate(f, PIN, 1);
	assert_false(secret_equal(pin, again)); /* another credential */

	/* credProtect: without the PIN it is as if it were not there, for a probe as well */
	ask_evaluate(f, NULL, 1, 1);
	assert_int_equal(run(f), OUTCOME_WRONG_TOKEN);
	begin(f, WIRE_PROBE);
	f->request.n_credentials = 1;
	f->request.credentials[0] = f->credential;
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.known, 0);
}

static void test_wrong_pin(void **state)
{
	struct fixture *f = *state;

	set_pin(f);
	plug(f, NULL);
	create(f, PIN);
	for (int retries = 7; retries >= 6; retries--) {
		ask_evaluate(f, "654321", 1, 1);
		assert_int_equal(run(f), OUTCOME_PIN_INVALID);
		assert_int_equal(f->result.pin_retries, retries); /* one request, one try */
	}
	ask_evaluate(f, "654321", 1, 1);
	assert_int_equal(run(f), OUTCOME_PIN_BLOCKED); /* until it is plugged in again */
	assert_int_equal(f->result.pin_retries, 5);
	assert_non_null(strstr(f->result.detail, "unplug"));
	ask_evaluate(f, PIN, 1, 1);
	assert_int_equal(run(f), OUTCOME_PIN_BLOCKED);

	unplug(f);
	plug(f, NULL);
	ask_evaluate(f, PIN, 1, 1);
	assert_int_equal(run(f), OUTCOME_OK);
}

static void test_probe_and_choice(void **state)
{
	struct fixture *f = *state;
	struct wire_credential mine, forged;

	plug(f, NULL);
	create(f, NULL);
	mine = f->credential;
	forged = mine;
	forged.id[forged.id_len - 1] ^= 1;

	begin(f, WIRE_PROBE);
	f->request.n_credentials = 3;
	f->request.credentials[0] = forged;
	f->request.credentials[1] = mine;
	f->request.credentials[2] = mine;
	f->request.credentials[2].public_key[3] ^= 1; /* the token's, but not ours: its signature does not fit */
	f->touches = 0;
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.known, 2);
	assert_int_equal(f->touches, 0);

	ask_evaluate(f, NULL, 1, 1);
	f->request.n_credentials = 2;
	f->request.credentials[0] = forged;
	f->request.credentials[1] = mine;
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.credential_index, 1);

	/* more than one message holds: the right one is found before the touch */
	ask_evaluate(f, NULL, 1, 1);
	f->request.n_credentials = 8;
	for (unsigned int i = 0; i < 8; i++) {
		f->request.credentials[i] = mine;
		if (i == 5)
			continue;
		f->request.credentials[i].id_len = 700;
		memset(f->request.credentials[i].id, (int)i, 700);
	}
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.credential_index, 5);

	ask_evaluate(f, NULL, 1, 1);
	f->request.credentials[0] = forged;
	assert_int_equal(run(f), OUTCOME_WRONG_TOKEN);

	/* the signature is checked with the stored key */
	ask_evaluate(f, NULL, 1, 1);
	f->request.credentials[0].public_key[0] ^= 1;
	assert_int_equal(run(f), OUTCOME_TOKEN_FAILED);
	assert_null(f->result.outputs[0]);
}

static void test_exclude(void **state)
{
	struct fixture *f = *state;

	plug(f, NULL);
	create(f, NULL);
	ask_create(f, NULL);
	f->request.n_credentials = 1;
	f->request.credentials[0] = f->credential;
	assert_int_equal(run(f), OUTCOME_EXISTS);
}

static void test_no_hmac_secret(void **state)
{
	struct fixture *f = *state;
	const char *const arguments[] = {"--no-hmac-secret", "--touch", "manual", NULL};

	plug(f, arguments);
	ask_create(f, NULL);
	assert_int_equal(run(f), OUTCOME_UNSUPPORTED);
	assert_int_equal(f->touches, 0); /* found out before */
}

static void wait_for_touch(struct fixture *f)
{
	f->touches = 0;
	while (f->touches == 0)
		assert_false(receive(f));
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

	plug(f, manual);
	ask_create(f, NULL);
	send_request(f);
	wait_for_touch(f);
	send_cancel(f, f->serial);
	while (!receive(f))
		;
	assert_int_equal(f->result.outcome, OUTCOME_CANCELLED);

	/* a cancellation that comes too late, and one for somebody else's request, do nothing */
	send_cancel(f, f->serial);
	ask_create(f, NULL);
	send_request(f);
	send_cancel(f, f->serial + 100);
	wait_for_touch(f);
	assert_int_equal(softtoken_run(&f->token, NULL, touch), 0);
	while (!receive(f))
		;
	assert_int_equal(f->result.outcome, OUTCOME_OK);
}

static void test_touch_timeout(void **state)
{
	struct fixture *f = *state;
	const char *const manual[] = {"--touch", "manual", NULL};

	plug(f, manual);
	ask_create(f, NULL);
	f->request.timeout_ms = 300;
	assert_int_equal(run(f), OUTCOME_TOUCH_TIMEOUT);
}

static void test_broker_goes_away(void **state)
{
	struct fixture *f = *state;
	const char *const manual[] = {"--touch", "manual", NULL};
	const char *const status[] = {"touch", "--socket", f->token.socket, "--timeout", "0", NULL};

	plug(f, manual);
	ask_create(f, NULL);
	send_request(f);
	wait_for_touch(f);
	end_worker(f);
	/* and the token blinks no more */
	assert_int_not_equal(softtoken_run(&f->token, NULL, status), 0);
	start_worker(f);
}

static void test_unplugged(void **state)
{
	struct fixture *f = *state;
	const char *const manual[] = {"--touch", "manual", NULL};

	if (!softtoken_is_uhid()) {
		begin(f, WIRE_INFO);
		assert_int_equal(run(f), OUTCOME_TOKEN_MISSING);
	}

	plug(f, manual);
	ask_create(f, NULL);
	send_request(f);
	wait_for_touch(f);
	unplug(f);
	while (!receive(f))
		;
	assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
	assert_string_equal(f->result.detail, "the key went away");
	begin(f, WIRE_INFO);
	assert_int_equal(run(f), OUTCOME_TOKEN_MISSING);

	plug(f, NULL);
	create(f, NULL); /* as if nothing had been */
}

static void test_misbehaviour(void **state)
{
	struct fixture *f = *state;
	static const char *const modes[] = {"garbage", "toolong", "silent", "slow=5000", "keepalive-forever"};
	static const char *const honest[] = {"0", "1", "2", "3"};

	plug(f, NULL);
	create(f, NULL);
	unplug(f);
	for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++) {
		for (size_t after = 0; after < sizeof(honest) / sizeof(*honest); after++) {
			const char *const arguments[] = {"--misbehave", modes[mode], "--misbehave-after", honest[after], NULL};

			plug(f, arguments);
			ask_evaluate(f, NULL, 1, 1);
			f->request.timeout_ms = 400;
			/* the fourth command is the touch itself, and a token may fall silent after having asked for it */
			if (run(f) != OUTCOME_TOUCH_TIMEOUT || after < 3) {
				assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
				assert_int_not_equal(f->result.detail[0], 0);
			}
			assert_null(f->result.outputs[0]);
			unplug(f);
		}
	}
	/* the same worker, an honest token again */
	plug(f, NULL);
	ask_evaluate(f, NULL, 1, 1);
	assert_int_equal(run(f), OUTCOME_OK);
}

static void test_broken_contract(void **state)
{
	struct fixture *f = *state;

	if (softtoken_is_uhid())
		plug(f, NULL);
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
	plug(f, NULL);
	create(f, NULL);
	fd = open(f->token.node, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	ask_evaluate(f, NULL, 1, 1);
	f->request.timeout_ms = 300;
	assert_int_equal(run(f), OUTCOME_TOKEN_BUSY);

	/* let go of while the worker waits for it */
	ask_evaluate(f, NULL, 1, 1);
	send_request(f);
	close(fd);
	while (!receive(f))
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
	plug(f, NULL);
	fd = open(f->token.node, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_true(fd >= 0);
	create(f, NULL);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(write(fd, init, sizeof(init)), sizeof(init));
		secret_free(evaluate(f, NULL, 1));
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
	unplug(f);
	assert_int_equal(read(fd, report, sizeof(report)), -1);
	assert_int_equal(errno, EIO);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_presence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_probe_and_choice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exclude, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_hmac_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_and_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touch_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broker_goes_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unplugged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_misbehaviour, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_contract, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_reader, setup, teardown),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
