/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker's side of a worker, against one that misbehaves in every way (fake-worker.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/worker.h"
#include "tests/unit/fail-alloc.h"

/* The deadline that was asked for; when hurry is set it is over at once, for no test waits for time. */
static uint64_t last_deadline_us;
static bool hurry;

int __real_sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t callback, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t callback, void *userdata);
int __wrap_sd_event_add_time_relative(sd_event *e, sd_event_source **s, clockid_t clock, uint64_t usec, uint64_t accuracy,
	sd_event_time_handler_t callback, void *userdata)
{
	last_deadline_us = usec;
	return __real_sd_event_add_time_relative(e, s, clock, hurry ? 0 : usec, hurry ? 1 : accuracy, callback, userdata);
}

long fail_after = -1;

FAIL_CALLOC
FAIL_SODIUM_MALLOC

static int pidfd_fails;

int __real_pidfd_open(pid_t pid, unsigned int flags);
int __wrap_pidfd_open(pid_t pid, unsigned int flags);
int __wrap_pidfd_open(pid_t pid, unsigned int flags)
{
	if (pidfd_fails) {
		errno = EMFILE;
		return -1;
	}
	return __real_pidfd_open(pid, flags);
}

struct fixture {
	sd_event *event;
	struct worker *w;
	struct wire_request request;
	unsigned int n_results, n_statuses, n_gone;
	struct wire_result result; /* a copy; its secrets are taken */
	enum wire_status statuses[8];
	bool free_in_result, free_in_status, free_in_gone, submit_in_result;
	unsigned int n_fds;
};

static const char *exe;

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void on_status(void *userdata, struct worker *w, const struct wire_status_message *status)
{
	struct fixture *f = userdata;

	assert_ptr_equal(w, f->w);
	assert_int_equal(status->serial, f->request.serial);
	assert_true(f->n_statuses < 8);
	f->statuses[f->n_statuses++] = status->status;
	if (f->free_in_status)
		f->w = worker_free(w);
}

static void on_result(void *userdata, struct worker *w, struct wire_result *result)
{
	struct fixture *f = userdata;

	assert_ptr_equal(w, f->w);
	assert_int_equal(result->serial, f->request.serial);
	f->n_results++;
	wire_result_clear(&f->result);
	f->result = *result;
	for (int i = 0; i < 2; i++)
		f->result.outputs[i] = secret_take(&result->outputs[i]);
	if (f->submit_in_result) {
		f->submit_in_result = false;
		assert_int_equal(worker_submit(w, &f->request), 0);
	}
	if (f->free_in_result)
		f->w = worker_free(w);
}

static void on_gone(void *userdata, struct worker *w)
{
	struct fixture *f = userdata;

	assert_ptr_equal(w, f->w);
	f->n_gone++;
	if (f->free_in_gone)
		f->w = worker_free(w);
}

static const struct worker_callbacks callbacks = { .status = on_status, .result = on_result, .gone = on_gone };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	hurry = false;
	f->n_fds = count_fds();
	assert_int_equal(sd_event_new(&f->event), 0);
	f->request = (struct wire_request){ .type = WIRE_EVALUATE, .timeout_ms = 30000, .n_credentials = 2, .n_salts = 2 };
	for (int i = 0; i < 2; i++)
		f->request.credentials[i].id_len = 16;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hurry = true; /* whoever lingers is killed now */
	worker_free(f->w);
	wire_result_clear(&f->result);
	/* No zombie: what is freed is buried by the loop. */
	while (waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOWAIT | WNOHANG) == 0)
		assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
	assert_int_equal(errno, ECHILD);
	sd_event_unref(f->event);
	assert_int_equal(count_fds(), f->n_fds); /* and no descriptor */
	free(f);
	return 0;
}

static void start(struct fixture *f, const char *behaviour)
{
	struct token_node node = { .id = "soft-fake", .kind = TOKEN_SOFT, .name = "fake" };

	snprintf(node.path, sizeof(node.path), "/fake/%s", behaviour);
	assert_int_equal(worker_new(&f->w, f->event, exe, &node, &callbacks, f), 0);
}

static void run_until(struct fixture *f, const unsigned int *what, unsigned int n)
{
	while (*what < n)
		assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
}

static void submit(struct fixture *f)
{
	assert_int_equal(worker_submit(f->w, &f->request), 0);
}

static void test_evaluate(void **state)
{
	struct fixture *f = *state;

	start(f, "normal");
	assert_string_equal(worker_node(f->w)->id, "soft-fake");
	for (unsigned int n = 1; n <= 20; n++) {
		submit(f);
		assert_int_equal(f->request.serial, n);
		assert_int_equal(last_deadline_us, 35 * US_PER_SEC);
		assert_int_equal(worker_submit(f->w, &f->request), -EBUSY);
		run_until(f, &f->n_results, n);
		assert_int_equal(f->result.outcome, OUTCOME_OK);
		assert_int_equal(f->result.credential_index, 1);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(secret_len(f->result.outputs[i]), 32);
			assert_int_equal(secret_borrow(f->result.outputs[i])[31], 0x51 + i);
		}
	}
	assert_int_equal(f->n_gone, 0);
}

static void test_the_other_requests(void **state)
{
	struct fixture *f = *state;

	start(f, "normal");
	f->request = (struct wire_request){ .type = WIRE_INFO, .timeout_ms = 1 };
	submit(f);
	run_until(f, &f->n_results, 1);
	assert_string_equal(f->result.info.product, "Fake");
	f->request = (struct wire_request){ .type = WIRE_PROBE, .timeout_ms = 1, .n_credentials = 1 };
	f->request.credentials[0].id_len = 1;
	submit(f);
	run_until(f, &f->n_results, 2);
	assert_int_equal(f->result.known, 1);
	f->request = (struct wire_request){ .type = WIRE_CREATE, .timeout_ms = 1, .user_name = "wg0" };
	submit(f);
	run_until(f, &f->n_results, 3);
	assert_int_equal(f->result.credential.id_len, 4);
}

static void request_key(struct fixture *f, enum wire_type type)
{
	wire_request_clear(&f->request);
	f->request = (struct wire_request){ .type = type, .timeout_ms = 1, .x_slot = { WIRE_X_PIV, 0x82 }, .x_touch = WIRE_X_TOUCH_ALWAYS };
	if (type == WIRE_X_IMPORT)
		f->request.x_key = secret_new(SECRET_KEY_SIZE);
	if (type == WIRE_X_PAIR)
		f->request.x_host_key = secret_new(SECRET_KEY_SIZE);
}

static void test_x25519(void **state)
{
	static const enum wire_type types[] = { WIRE_X_LIST, WIRE_X_GENERATE, WIRE_X_DH, WIRE_X_IMPORT, WIRE_X_ERASE, WIRE_X_PAIR, WIRE_X_FORGET };
	struct fixture *f = *state;

	start(f, "normal");
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		request_key(f, types[i]);
		submit(f);
		run_until(f, &f->n_results, i + 1);
		assert_int_equal(f->result.outcome, OUTCOME_OK);
		assert_int_equal(f->result.answers, types[i]);
	}
	wire_request_clear(&f->request);
}

/* A key somewhere else, or one that serves without the touch that was ordered. */
static void test_wrong_key(void **state)
{
	static const char *const behaviours[] = { "wrong-slot", "wrong-touch" };
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 4; i++) {
		start(f, behaviours[i % 2]);
		request_key(f, i < 2 ? WIRE_X_GENERATE : WIRE_X_IMPORT);
		submit(f);
		run_until(f, &f->n_results, i + 1);
		assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
		run_until(f, &f->n_gone, i + 1);
		f->w = worker_free(f->w);
	}
	wire_request_clear(&f->request);
}

static void test_bad_requests_are_not_sent(void **state)
{
	struct fixture *f = *state;

	start(f, "normal");
	f->request.type = WIRE_CANCEL;
	assert_int_equal(worker_submit(f->w, &f->request), -EINVAL);
	f->request.type = WIRE_EVALUATE;
	f->request.n_salts = 3;
	assert_int_equal(worker_submit(f->w, &f->request), -EINVAL);
	f->request.n_salts = 1;
	worker_cancel(f->w); /* of nothing */
	submit(f);
	run_until(f, &f->n_results, 1);
	assert_int_equal(f->result.outcome, OUTCOME_OK);
}

static void test_status_changes_are_told(void **state)
{
	struct fixture *f = *state;

	start(f, "status");
	submit(f);
	run_until(f, &f->n_results, 1);
	assert_int_equal(f->n_statuses, 2);
	assert_int_equal(f->statuses[0], WIRE_STATUS_PROCESSING);
	assert_int_equal(f->statuses[1], WIRE_STATUS_TOUCH);
}

static void test_surroundings(void **state)
{
	struct fixture *f = *state;
	int extra = open("/dev/null", O_RDONLY); /* not close-on-exec */
	sigset_t blocked, saved;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &saved);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(setenv("WGFIDO_TEST", "secret", 1), 0);
	start(f, "surroundings");
	sigprocmask(SIG_SETMASK, &saved, NULL);
	signal(SIGPIPE, SIG_DFL);
	submit(f);
	run_until(f, &f->n_results, 1);
	assert_string_equal(f->result.detail, "");
	assert_int_equal(f->result.outcome, OUTCOME_FAILED);
	close(extra);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;

	start(f, "cancel");
	submit(f);
	run_until(f, &f->n_statuses, 1);
	worker_cancel(f->w);
	assert_int_equal(last_deadline_us, 5 * US_PER_SEC);
	last_deadline_us = 0;
	worker_cancel(f->w); /* again: neither told nor given more time */
	assert_int_equal(last_deadline_us, 0);
	run_until(f, &f->n_results, 1);
	assert_int_equal(f->result.outcome, OUTCOME_CANCELLED);
	assert_int_equal(f->n_gone, 0);
}

static void test_cancel_that_is_not_heard(void **state)
{
	struct fixture *f = *state;

	start(f, "silent");
	submit(f);
	hurry = true;
	worker_cancel(f->w);
	run_until(f, &f->n_gone, 1);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
}

/* Each of these ends the request with TOKEN_FAILED, once, and the worker with it. */
static void test_misbehaviour(void **state)
{
	static const char *const ways[] = { "garbage", "overlong", "empty", "trailing", "request", "wrong-serial", "status-serial",
		"wrong-answer", "few-outputs", "wrong-index", "descriptor", "exit", "crash", "hang-up", "unknown", "flood" };
	struct fixture *f = *state;
	unsigned int n_fds = 0;

	for (unsigned int i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		start(f, ways[i]);
		submit(f);
		run_until(f, &f->n_gone, i + 1);
		assert_int_equal(f->n_results, i + 1);
		assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
		assert_true(f->result.detail[0] != '\0');
		assert_int_equal(worker_submit(f->w, &f->request), -EPIPE);
		worker_cancel(f->w);
		f->w = worker_free(f->w);
		f->n_statuses = 0;
		if (i == 0)
			n_fds = count_fds(); /* the loop has its own by now */
		assert_int_equal(count_fds(), n_fds);
	}
}

static void test_wrong_probe(void **state)
{
	struct fixture *f = *state;

	start(f, "wrong-known");
	f->request = (struct wire_request){ .type = WIRE_PROBE, .timeout_ms = 1, .n_credentials = 2 };
	f->request.credentials[0].id_len = f->request.credentials[1].id_len = 1;
	submit(f);
	run_until(f, &f->n_gone, 1);
	assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
}

static void test_answers_twice(void **state)
{
	struct fixture *f = *state;

	start(f, "twice");
	submit(f);
	run_until(f, &f->n_gone, 1);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(f->result.outcome, OUTCOME_OK);
}

static void test_speaks_unasked(void **state)
{
	struct fixture *f = *state;

	start(f, "unasked");
	run_until(f, &f->n_gone, 1);
	assert_int_equal(f->n_results, 0);
}

static void test_exits_early(void **state)
{
	struct fixture *f = *state;

	start(f, "early-exit");
	f->free_in_gone = true;
	run_until(f, &f->n_gone, 1);
	assert_int_equal(f->n_results, 0);
	assert_null(f->w);
}

static void test_answer_before_exit_counts(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 1; i <= 20; i++) {
		start(f, "answer-and-exit");
		submit(f);
		run_until(f, &f->n_gone, i);
		assert_int_equal(f->n_results, i);
		assert_int_equal(f->result.outcome, OUTCOME_OK);
		f->w = worker_free(f->w);
	}
}

static void test_deadline(void **state)
{
	struct fixture *f = *state;

	start(f, "silent");
	hurry = true;
	submit(f);
	assert_int_equal(last_deadline_us, 35 * US_PER_SEC);
	run_until(f, &f->n_gone, 1);
	assert_int_equal(f->n_results, 1);
	assert_int_equal(f->result.outcome, OUTCOME_TOKEN_FAILED);
	assert_non_null(strstr(f->result.detail, "in time"));
}

static void test_freed_in_callbacks(void **state)
{
	static const char *const ways[] = { "normal", "garbage", "answer-and-exit", "exit", "crash", "twice" };
	struct fixture *f = *state;

	f->free_in_result = true;
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		start(f, ways[i]);
		submit(f);
		run_until(f, &f->n_results, i + 1);
		assert_null(f->w);
	}
	f->free_in_result = false;
	f->free_in_status = true;
	start(f, "cancel");
	submit(f);
	run_until(f, &f->n_statuses, 1);
	assert_null(f->w);
	assert_int_equal(f->n_gone, 0);
}

static void test_submits_in_result(void **state)
{
	struct fixture *f = *state;

	f->submit_in_result = true;
	start(f, "normal");
	submit(f);
	run_until(f, &f->n_results, 2);
	assert_int_equal(f->result.outcome, OUTCOME_OK);
	assert_int_equal(f->result.serial, 2);
}

/* Freed with a request pending: no callback comes, the process goes. */
static void test_freed_while_pending(void **state)
{
	static const char *const ways[] = { "cancel", "silent", "flood" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		start(f, ways[i]);
		submit(f);
		hurry = true;
		f->w = worker_free(f->w);
		hurry = false;
	}
	while (waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOWAIT | WNOHANG) == 0)
		assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
	assert_int_equal(f->n_results + f->n_statuses + f->n_gone, 0);
}

/* Freed, and the loop with it before the process has gone: it is killed, and not by time. */
static void test_loop_ends_first(void **state)
{
	struct fixture *f = *state;
	siginfo_t info = { 0 };

	start(f, "silent");
	submit(f);
	f->w = worker_free(f->w);
	sd_event_unref(f->event);
	(void)waitid(P_ALL, 0, &info, WEXITED);
	assert_true(info.si_pid == 0 || info.si_status == SIGKILL);
	assert_int_equal(sd_event_new(&f->event), 0);
}

/* Freed without memory for a decent burial. */
static void test_freed_without_memory(void **state)
{
	struct fixture *f = *state;

	start(f, "silent");
	submit(f);
	fail_after = 0;
	f->w = worker_free(f->w);
	fail_after = -1;
	assert_int_equal(waitid(P_ALL, 0, &(siginfo_t){ 0 }, WEXITED | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_cannot_start(void **state)
{
	struct fixture *f = *state;
	struct token_node node = { .id = "soft-fake", .kind = TOKEN_HIDRAW, .path = "/fake/normal" };

	assert_int_equal(worker_new(&f->w, f->event, "/nonexistent/wgfido-token", &node, &callbacks, f), -ENOENT);
	assert_int_equal(worker_new(&f->w, f->event, "/dev/null", &node, &callbacks, f), -EACCES);
	pidfd_fails = 1;
	assert_int_equal(worker_new(&f->w, f->event, exe, &node, &callbacks, f), -EMFILE);
	pidfd_fails = 0;
	for (long n = 0; !f->w; n++) {
		int r;

		fail_after = n;
		r = worker_new(&f->w, f->event, exe, &node, &callbacks, f);
		fail_after = -1;
		assert_true(r == 0 || (r == -ENOMEM && !f->w));
	}
	assert_non_null(f->w);
	submit(f);
	run_until(f, &f->n_results, 1);
	assert_int_equal(f->result.outcome, OUTCOME_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_evaluate),
		TEST(test_the_other_requests),
		TEST(test_x25519),
		TEST(test_wrong_key),
		TEST(test_bad_requests_are_not_sent),
		TEST(test_status_changes_are_told),
		TEST(test_surroundings),
		TEST(test_cancel),
		TEST(test_cancel_that_is_not_heard),
		TEST(test_misbehaviour),
		TEST(test_wrong_probe),
		TEST(test_answers_twice),
		TEST(test_speaks_unasked),
		TEST(test_exits_early),
		TEST(test_answer_before_exit_counts),
		TEST(test_deadline),
		TEST(test_freed_in_callbacks),
		TEST(test_submits_in_result),
		TEST(test_freed_while_pending),
		TEST(test_loop_ends_first),
		TEST(test_freed_without_memory),
		TEST(test_cannot_start),
	};

	exe = TOP_BUILDDIR "/tests/unit/fake-worker";
	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
