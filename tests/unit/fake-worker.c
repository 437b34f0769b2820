/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A wgfido-token that misbehaves as its node's path says: /fake/BEHAVIOUR. Every request it gets is answered so, but for
 * "normal", which answers well.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/wire.h"

static uint8_t buf[WIRE_MESSAGE_MAX + 1];

static void send_result(struct wire_result *result)
{
	size_t len;

	if (wire_encode_result(buf, &len, result) < 0)
		_exit(9);
	(void)send(3, buf, len, MSG_NOSIGNAL);
}

static void send_status(uint32_t serial, enum wire_status status)
{
	struct wire_status_message m = { .serial = serial, .status = status };
	size_t len;

	if (wire_encode_status(buf, &len, &m) < 0)
		_exit(9);
	(void)send(3, buf, len, MSG_NOSIGNAL);
}

static struct secret *output(uint8_t byte)
{
	struct secret *s = secret_new(32);

	if (!s)
		_exit(9);
	memset(secret_borrow_mut(s), byte, 32);
	return s;
}

static void answer(const struct wire_request *request)
{
	struct wire_result result = { .serial = request->serial, .pin_retries = -1, .answers = request->type };

	switch (request->type) {
	case WIRE_INFO:
		strcpy(result.info.product, "Fake");
		result.info.pin_retries = -1;
		break;
	case WIRE_PROBE:
		result.known = 1;
		break;
	case WIRE_CREATE:
		result.credential.id_len = 4;
		break;
	case WIRE_EVALUATE:
		result.credential_index = (uint8_t)(request->n_credentials - 1);
		result.n_outputs = request->n_salts;
		for (uint8_t i = 0; i < request->n_salts; i++)
			result.outputs[i] = output((uint8_t)(0x51 + i));
		break;
	case WIRE_X_LIST:
	case WIRE_X_ERASE:
	case WIRE_X_PAIR:
	case WIRE_X_FORGET:
		break;
	case WIRE_X_GENERATE:
	case WIRE_X_IMPORT:
		result.n_x_keys = 1;
		result.x_keys[0] = (struct wire_x_key){ .slot = request->x_slot, .touch = request->x_touch,
			.cached_seconds = request->x_cached_seconds, .public_key = { 9 } };
		break;
	case WIRE_X_DH:
		result.n_outputs = 1;
		result.outputs[0] = output(0x53);
		break;
	case WIRE_CANCEL:
	case WIRE_STATUS:
	case WIRE_RESULT:
		return;
	}
	send_result(&result);
	wire_result_clear(&result);
}

/* What the broker promised of our surroundings; the result's outcome and detail tell. */
static void answer_surroundings(const struct wire_request *request)
{
	struct wire_result result = { .serial = request->serial, .outcome = OUTCOME_FAILED, .pin_retries = -1, .answers = request->type };
	extern char **environ;
	const struct dirent *e;
	int death_signal = 0;
	char link[64] = "";
	sigset_t mask;
	DIR *d;

	(void)prctl(PR_GET_PDEATHSIG, &death_signal);
	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	if (readlink("/proc/self/fd/0", link, sizeof(link) - 1) < 0)
		strcpy(link, "closed");
	if (environ && environ[0])
		strcpy(result.detail, "environment");
	else if (death_signal != SIGKILL)
		strcpy(result.detail, "parent death signal");
	else if (sigismember(&mask, SIGUSR1) || sigismember(&mask, SIGTERM))
		strcpy(result.detail, "signal mask");
	else if (signal(SIGPIPE, SIG_DFL) != SIG_DFL)
		strcpy(result.detail, "signal handlers");
	else if (strcmp(link, "/dev/null") != 0)
		strcpy(result.detail, "stdin");

	d = opendir("/proc/self/fd");
	while (d && (e = readdir(d)))
		if (atoi(e->d_name) > 3 && atoi(e->d_name) != dirfd(d))
			snprintf(result.detail, sizeof(result.detail), "descriptor %.20s", e->d_name);
	if (d)
		closedir(d);
	send_result(&result);
}

static void wait_for_cancel(uint32_t serial)
{
	struct wire_request request;
	ssize_t n = recv(3, buf, sizeof(buf), 0);

	if (n <= 0 || wire_decode_request(&request, buf, (size_t)n) < 0 || request.type != WIRE_CANCEL || request.serial != serial)
		_exit(9);
	send_result(&(struct wire_result){ .serial = serial, .outcome = OUTCOME_CANCELLED, .pin_retries = -1, .answers = WIRE_EVALUATE });
}

static void behave(const char *how, const struct wire_request *request)
{
	uint32_t serial = request->serial;

	if (strcmp(how, "normal") == 0) {
		answer(request);
	} else if (strcmp(how, "status") == 0) {
		for (int i = 0; i < 50; i++)
			send_status(serial, WIRE_STATUS_PROCESSING);
		send_status(serial, WIRE_STATUS_TOUCH);
		send_status(serial, WIRE_STATUS_TOUCH);
		answer(request);
	} else if (strcmp(how, "surroundings") == 0) {
		answer_surroundings(request);
	} else if (strcmp(how, "garbage") == 0) {
		memset(buf, 0xa5, 100);
		(void)send(3, buf, 100, MSG_NOSIGNAL);
	} else if (strcmp(how, "overlong") == 0) {
		memset(buf, 0, sizeof(buf));
		(void)send(3, buf, sizeof(buf), MSG_NOSIGNAL);
	} else if (strcmp(how, "empty") == 0) {
		(void)send(3, buf, 0, MSG_NOSIGNAL);
	} else if (strcmp(how, "trailing") == 0) {
		size_t len;
		struct wire_result result = { .serial = serial, .outcome = OUTCOME_CANCELLED, .pin_retries = -1, .answers = request->type };

		if (wire_encode_result(buf, &len, &result) == 0)
			(void)send(3, buf, len + 1, MSG_NOSIGNAL);
	} else if (strcmp(how, "request") == 0) {
		size_t len;

		if (wire_encode_request(buf, &len, request) == 0)
			(void)send(3, buf, len, MSG_NOSIGNAL);
	} else if (strcmp(how, "wrong-serial") == 0) {
		struct wire_request other = *request;

		other.serial++;
		answer(&other);
	} else if (strcmp(how, "status-serial") == 0) {
		send_status(serial + 1, WIRE_STATUS_TOUCH);
	} else if (strcmp(how, "wrong-answer") == 0) {
		struct wire_request other = { .serial = serial, .type = WIRE_INFO };

		answer(&other);
	} else if (strcmp(how, "few-outputs") == 0) {
		struct wire_request other = *request;

		other.n_salts = 1;
		answer(&other);
	} else if (strcmp(how, "wrong-index") == 0) {
		struct wire_request other = *request;

		other.n_credentials++;
		answer(&other);
	} else if (strcmp(how, "wrong-slot") == 0) {
		struct wire_request other = *request;

		other.x_slot.number++;
		answer(&other);
	} else if (strcmp(how, "wrong-touch") == 0) {
		struct wire_request other = *request;

		other.x_touch = WIRE_X_TOUCH_NEVER;
		answer(&other);
	} else if (strcmp(how, "wrong-known") == 0) {
		struct wire_result result = { .serial = serial, .pin_retries = -1, .answers = WIRE_PROBE, .known = 0x80 };

		send_result(&result);
	} else if (strcmp(how, "twice") == 0) {
		answer(request);
		answer(request);
	} else if (strcmp(how, "flood") == 0) {
		for (;;)
			send_status(serial, WIRE_STATUS_TOUCH);
	} else if (strcmp(how, "descriptor") == 0) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(int))];
		} control = { 0 };
		struct iovec iov = { .iov_base = buf, .iov_len = 4 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &(int){ 0 }, sizeof(int));
		(void)sendmsg(3, &msg, MSG_NOSIGNAL);
	} else if (strcmp(how, "exit") == 0) {
		_exit(0);
	} else if (strcmp(how, "answer-and-exit") == 0) {
		answer(request);
		_exit(0);
	} else if (strcmp(how, "crash") == 0) {
		raise(SIGKILL);
	} else if (strcmp(how, "hang-up") == 0) {
		close(3);
		for (;;)
			pause();
	} else if (strcmp(how, "silent") == 0) {
		for (;;)
			pause(); /* hears nothing any more, not even the end of the socket */
	} else if (strcmp(how, "cancel") == 0) {
		send_status(serial, WIRE_STATUS_TOUCH);
		wait_for_cancel(serial);
	} else {
		_exit(8);
	}
}

int main(int argc, char **argv)
{
	struct wire_request request;
	ssize_t n;

	if (argc != 5 || strcmp(argv[1], "--fd") != 0 || strcmp(argv[2], "3") != 0 ||
	    (strcmp(argv[3], "--soft") != 0 && strcmp(argv[3], "--hidraw") != 0) || strncmp(argv[4], "/fake/", 6) != 0)
		_exit(7);
	if (secret_init() < 0)
		_exit(6);
	if (strcmp(argv[4], "/fake/early-exit") == 0)
		_exit(5);
	if (strcmp(argv[4], "/fake/unasked") == 0)
		send_result(&(struct wire_result){ .serial = 1, .outcome = OUTCOME_FAILED, .pin_retries = -1, .answers = WIRE_INFO });
	/* No clean-up, whatever happens: it is killed as often as it leaves. */
	while ((n = recv(3, buf, sizeof(buf), 0)) > 0) {
		if (wire_decode_request(&request, buf, (size_t)n) < 0)
			_exit(4);
		behave(argv[4] + 6, &request);
		wire_request_clear(&request);
	}
	_exit(0);
}
