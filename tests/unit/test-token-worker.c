/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's loop on a fake token: the contract with the broker, and that nothing stays behind. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/wire.h"
#include "tests/unit/fake-vendor.h"
#include "token/fido.h"
#include "token/worker.h"

struct fixture {
	struct fake_token token;
	struct token_worker *worker;
	int fd, worker_fd;
	uint8_t buffer[WIRE_MESSAGE_MAX + 1];
	struct wire_request request;
	struct wire_result result;
	struct wire_status_message status;
	unsigned int n_answers;
	int in_operation; /* what the broker does while the token is being read: 1 cancels, 2 goes, 3 breaks the contract */
};

static void send_message(struct fixture *f, const struct wire_request *request)
{
	size_t len;

	assert_int_equal(wire_encode_request(f->buffer, &len, request), 0);
	assert_int_equal(send(f->fd, f->buffer, len, 0), len);
}

static int broker_acts(struct fake_token *t)
{
	struct fixture *f = t->userdata;
	struct wire_request r = {.type = WIRE_CANCEL, .serial = f->request.serial};

	switch (f->in_operation) {
	case 1:
		send_message(f, &r);
		break;
	case 2:
		shutdown(f->fd, SHUT_WR);
		break;
	case 3:
		r.type = WIRE_INFO;
		send_message(f, &r);
		break;
	}
	/* the fake has no descriptor to poll: its interrupt is looked at on each read */
	if (t->transport.interrupt && t->transport.interrupt->raised(t->transport.interrupt))
		return -ECANCELED;
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	assert_non_null(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	f->fd = fds[0];
	f->worker_fd = fds[1];
	fake_token_init(&f->token);
	f->token.userdata = f;
	assert_int_equal(token_worker_new(&f->worker, f->worker_fd, &f->token.transport, &f->token.clock.clock), 0);
	assert_true(token_worker_is_clean(f->worker));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	token_worker_free(f->worker);
	close(f->fd);
	close(f->worker_fd);
	wire_request_clear(&f->request);
	wire_result_clear(&f->result);
	free(f);
	return 0;
}

static void ask_evaluate(struct fixture *f)
{
	wire_request_clear(&f->request);
	f->request = (struct wire_request){.type = WIRE_EVALUATE, .serial = 42, .timeout_ms = 3000, .uv = WIRE_UV_PIN,
		.n_credentials = 1, .n_salts = 1};
	f->request.credentials[0].id_len = 16;
	f->request.pin = secret_new(6);
	assert_non_null(f->request.pin);
	memcpy(secret_borrow_mut(f->request.pin), "123456", 6);
	send_message(f, &f->request);
}

static enum wire_type receive(struct fixture *f)
{
	enum wire_type type;
	ssize_t n = recv(f->fd, f->buffer, sizeof(f->buffer), MSG_DONTWAIT);

	assert_true(n > 0);
	wire_result_clear(&f->result);
	assert_int_equal(wire_decode_reply(&type, &f->result, &f->status, f->buffer, (size_t)n), 0);
	return type;
}

static void expect_result(struct fixture *f, enum outcome o)
{
	assert_int_equal(receive(f), WIRE_RESULT);
	assert_int_equal(f->result.serial, 42);
	assert_int_equal(f->result.outcome, o);
	assert_true(token_worker_is_clean(f->worker));
	assert_int_equal(f->token.n_opened, f->token.n_closed);
	assert_int_equal(recv(f->fd, f->buffer, sizeof(f->buffer), MSG_DONTWAIT), -1); /* exactly one */
	assert_int_equal(errno, EAGAIN);
}

static void test_silent_token(void **state)
{
	struct fixture *f = *state;

	ask_evaluate(f);
	assert_int_equal(token_worker_turn(f->worker), 1);
	expect_result(f, OUTCOME_TOKEN_FAILED);
}

static void test_missing_token(void **state)
{
	struct fixture *f = *state;

	f->token.open_error = -ENODEV;
	ask_evaluate(f);
	assert_int_equal(token_worker_turn(f->worker), 1);
	expect_result(f, OUTCOME_TOKEN_MISSING);
	f->token.open_error = -EBUSY;
	ask_evaluate(f);
	assert_int_equal(token_worker_turn(f->worker), 1);
	expect_result(f, OUTCOME_TOKEN_BUSY);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;

	f->token.on_empty = broker_acts;
	f->in_operation = 1;
	ask_evaluate(f);
	assert_int_equal(token_worker_turn(f->worker), 1);
	expect_result(f, OUTCOME_CANCELLED);
	assert_int_equal(f->token.n_cancelled, 1);
}

static void test_late_cancel_is_nothing(void **state)
{
	struct fixture *f = *state;
	struct wire_request cancel = {.type = WIRE_CANCEL, .serial = 41};

	send_message(f, &cancel);
	assert_int_equal(token_worker_turn(f->worker), 1);
	assert_int_equal(recv(f->fd, f->buffer, sizeof(f->buffer), MSG_DONTWAIT), -1);
	assert_true(token_worker_is_clean(f->worker));
}

static void test_broker_goes(void **state)
{
	struct fixture *f = *state;

	f->token.on_empty = broker_acts;
	f->in_operation = 2;
	ask_evaluate(f);
	assert_int_equal(token_worker_turn(f->worker), 0);
	assert_int_equal(f->token.n_cancelled, 1);
	assert_true(token_worker_is_clean(f->worker));
}

static void test_two_at_once(void **state)
{
	struct fixture *f = *state;

	f->token.on_empty = broker_acts;
	f->in_operation = 3;
	ask_evaluate(f);
	assert_int_equal(token_worker_turn(f->worker), -EBADMSG);
	assert_true(token_worker_is_clean(f->worker));
}

static void test_broken_messages(void **state)
{
	struct fixture *f = *state;

	memset(f->buffer, 0x55, sizeof(f->buffer));
	assert_int_equal(send(f->fd, f->buffer, 100, 0), 100);
	assert_int_equal(token_worker_turn(f->worker), -EBADMSG);
	assert_true(token_worker_is_clean(f->worker));
	assert_int_equal(send(f->fd, f->buffer, sizeof(f->buffer), 0), sizeof(f->buffer)); /* one byte too many */
	assert_int_equal(token_worker_turn(f->worker), -EBADMSG);
	assert_true(token_worker_is_clean(f->worker));
	shutdown(f->fd, SHUT_WR);
	assert_int_equal(token_worker_turn(f->worker), 0);
}

/* Status goes out on changes only, before the result. */
static void blink(struct fake_token *t, const uint8_t *report)
{
	if (report[4] == (0x80 | CTAPHID_CANCEL) || !fake_token_take(t, report))
		return;
	fake_token_queue(t, t->cid, CTAPHID_KEEPALIVE, "\x01", 1, 0);
	fake_token_queue(t, t->cid, CTAPHID_KEEPALIVE, "\x01", 1, 0);
	fake_token_queue(t, t->cid, CTAPHID_KEEPALIVE, "\x09", 1, 0);
	fake_token_queue(t, t->cid, CTAPHID_KEEPALIVE, "\x02", 1, 0);
	fake_token_queue(t, t->cid, CTAPHID_KEEPALIVE, "\x02", 1, 0);
}

static void test_status(void **state)
{
	struct fixture *f = *state;

	f->token.on_write = blink;
	ask_evaluate(f);
	assert_int_equal(token_worker_turn(f->worker), 1);
	assert_int_equal(receive(f), WIRE_STATUS);
	assert_int_equal(f->status.status, WIRE_STATUS_PROCESSING);
	assert_int_equal(f->status.serial, 42);
	assert_int_equal(receive(f), WIRE_STATUS);
	assert_int_equal(f->status.status, WIRE_STATUS_TOUCH);
	expect_result(f, OUTCOME_TOUCH_TIMEOUT);
}

static struct secret *host_key(void)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	assert_non_null(s);
	memset(secret_borrow_mut(s), 0x40, SECRET_KEY_SIZE);
	return s;
}

static void ask_x25519(struct fixture *f, enum wire_type type, const struct wire_result *pairing)
{
	wire_request_clear(&f->request);
	f->request = (struct wire_request){.type = type, .serial = 42, .timeout_ms = 3000, .x_host_key = host_key()};
	if (pairing) {
		f->request.x_slot.kind = WIRE_X_CTAPHID;
		f->request.x_paired = true;
		f->request.x_host_index = pairing->x_host_index;
		memcpy(f->request.x_token_public, pairing->x_token_public, 32);
		f->request.x_touch = type == WIRE_X_GENERATE ? WIRE_X_TOUCH_ALWAYS : WIRE_X_TOUCH_UNKNOWN;
		f->request.x_point[0] = 9;
	}
	send_message(f, &f->request);
}

static int cancels(struct fake_token *t)
{
	struct fixture *f = ((struct fake_vendor *)t->userdata)->userdata;
	const struct wire_request r = {.type = WIRE_CANCEL, .serial = 42};

	if (!t->transport.interrupt)
		return 0; /* heard already */
	send_message(f, &r);
	return t->transport.interrupt->raised(t->transport.interrupt) ? -ECANCELED : 0;
}

/* Keys and results of X25519 pass as everything else does: nothing of them stays, and the touch is told of. */
static void test_x25519(void **state)
{
	static struct fake_vendor v;
	struct fixture *f = *state;
	struct wire_result pairing;
	struct token_worker *w;

	fake_vendor_init(&v);
	v.userdata = f;
	assert_int_equal(token_worker_new(&w, f->worker_fd, &v.token.transport, &v.token.clock.clock), 0);
	ask_x25519(f, WIRE_X_PAIR, NULL);
	assert_int_equal(token_worker_turn(w), 1);
	assert_int_equal(receive(f), WIRE_STATUS);
	assert_int_equal(f->status.status, WIRE_STATUS_TOUCH);
	assert_int_equal(receive(f), WIRE_RESULT);
	assert_int_equal(f->result.outcome, OUTCOME_OK);
	pairing = f->result;
	ask_x25519(f, WIRE_X_GENERATE, &pairing);
	assert_int_equal(token_worker_turn(w), 1);
	assert_int_equal(receive(f), WIRE_STATUS);
	assert_int_equal(receive(f), WIRE_RESULT);
	assert_int_equal(f->result.outcome, OUTCOME_OK);
	assert_true(token_worker_is_clean(w));

	ask_x25519(f, WIRE_X_DH, &pairing);
	assert_int_equal(token_worker_turn(w), 1);
	assert_int_equal(receive(f), WIRE_STATUS);
	assert_int_equal(receive(f), WIRE_RESULT);
	assert_int_equal(f->result.outcome, OUTCOME_OK);
	/* with the base point: the public key */
	assert_memory_equal(secret_key(f->result.outputs[0]), v.memory.slots[0].public_key, 32);
	assert_true(token_worker_is_clean(w));

	v.no_touch = true;
	v.token.on_empty = cancels;
	ask_x25519(f, WIRE_X_DH, &pairing);
	assert_int_equal(token_worker_turn(w), 1);
	assert_int_equal(receive(f), WIRE_STATUS);
	assert_int_equal(receive(f), WIRE_RESULT);
	assert_int_equal(f->result.outcome, OUTCOME_CANCELLED);
	assert_int_equal(v.token.n_cancelled, 1);
	assert_true(token_worker_is_clean(w));
	token_worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_silent_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_cancel_is_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broker_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_x25519, setup, teardown),
	};

	if (secret_init() < 0)
		return 1;
	fido_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
