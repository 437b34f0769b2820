/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/integration/soft-worker.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

void soft_worker_start(struct fixture *f)
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
void soft_worker_end(struct fixture *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	if (f->worker)
		assert_int_equal(softtoken_wait(f->worker), 0);
	f->worker = 0;
}

void soft_worker_plug(struct fixture *f, const char *const *arguments)
{
	softtoken_plug(&f->token, arguments);
	if (softtoken_is_uhid()) {
		soft_worker_end(f);
		soft_worker_start(f);
	}
}

void soft_worker_unplug(struct fixture *f)
{
	softtoken_unplug(&f->token);
}

int soft_worker_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->fd = -1;
	softtoken_init(&f->token);
	if (!softtoken_is_uhid())
		soft_worker_start(f);
	*state = f;
	return 0;
}

int soft_worker_teardown(void **state)
{
	struct fixture *f = *state;

	soft_worker_end(f);
	wire_request_clear(&f->request);
	wire_result_clear(&f->result);
	softtoken_clear(&f->token);
	free(f);
	return 0;
}

void soft_worker_begin(struct fixture *f, enum wire_type type)
{
	wire_request_clear(&f->request);
	f->request.type = type;
	f->request.timeout_ms = TIMEOUT_MS;
	f->request.serial = ++f->serial;
}

static void soft_worker_with_pin(struct fixture *f, const char *pin)
{
	f->request.uv = WIRE_UV_PIN;
	f->request.pin = secret_new(strlen(pin));
	assert_non_null(f->request.pin);
	memcpy(secret_borrow_mut(f->request.pin), pin, strlen(pin));
}

void soft_worker_send_request(struct fixture *f)
{
	size_t len;

	assert_int_equal(wire_encode_request(f->buffer, &len, &f->request), 0);
	assert_int_equal(send(f->fd, f->buffer, len, 0), len);
}

/* The next message; true for a result. */
bool soft_worker_receive(struct fixture *f)
{
	struct pollfd ready = {.fd = f->fd, .events = POLLIN};
	struct wire_status_message status;
	enum wire_type type;
	ssize_t n;

	assert_int_equal(poll(&ready, 1, 120000), 1);
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

enum outcome soft_worker_run(struct fixture *f)
{
	soft_worker_send_request(f);
	while (!soft_worker_receive(f))
		;
	return f->result.outcome;
}

void soft_worker_ask_create(struct fixture *f, const char *pin)
{
	soft_worker_begin(f, WIRE_CREATE);
	strcpy(f->request.user_name, "wg0");
	memset(f->request.user_id, 7, sizeof(f->request.user_id));
	if (pin)
		soft_worker_with_pin(f, pin);
}

void soft_worker_create(struct fixture *f, const char *pin)
{
	soft_worker_ask_create(f, pin);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	f->credential = f->result.credential;
}

void soft_worker_ask_evaluate(struct fixture *f, const char *pin, unsigned int n_salts, uint8_t salt)
{
	soft_worker_begin(f, WIRE_EVALUATE);
	f->request.n_credentials = 1;
	f->request.credentials[0] = f->credential;
	f->request.n_salts = (uint8_t)n_salts;
	memset(f->request.salts[0], salt, 32);
	memset(f->request.salts[1], salt + 1, 32);
	if (pin)
		soft_worker_with_pin(f, pin);
}

struct secret *soft_worker_evaluate(struct fixture *f, const char *pin, uint8_t salt)
{
	soft_worker_ask_evaluate(f, pin, 1, salt);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->result.n_outputs, 1);
	return secret_take(&f->result.outputs[0]);
}

void soft_worker_set_pin(struct fixture *f)
{
	const char *const arguments[] = {"set-pin", "--state", f->token.state, NULL};

	assert_int_equal(softtoken_run(&f->token, PIN "\n", arguments), 0);
}
