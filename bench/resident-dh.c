/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one X25519 on a token costs beside the token's own time: a request to the real worker and its result, against the time that
 * the same operation waits for the token's reports, taken in between by the same code in this process. Pairs with the token and makes a key
 * in its first free slot. Usage: resident-dh WORKER SOCKET [COUNT]
 */
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "token/seqpacket.h"
#include "token/x25519-ops.h"

#define COUNT_MAX 100000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "resident-dh: %s\n", what);
	exit(1);
}

struct worker {
	pid_t pid;
	int fd;
	uint8_t *buf;
};

static void worker_start(struct worker *w, char *program, char *socket_path)
{
	char *argv[] = {program, (char *)"--fd", (char *)"3", (char *)"--soft", socket_path, NULL};
	int fds[2];

	w->buf = sodium_malloc(WIRE_MESSAGE_MAX);
	if (!w->buf || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		die("no socket");
	w->pid = fork();
	if (w->pid < 0)
		die("no process");
	if (w->pid == 0) {
		if (fds[1] == 3)
			fds[1] = dup(fds[1]);
		dup2(fds[1], 3);
		execv(program, argv);
		_exit(127);
	}
	close(fds[1]);
	w->fd = fds[0];
}

static void worker_run(struct worker *w, struct wire_request *q, struct wire_result *ret)
{
	struct wire_status_message status;
	enum wire_type type = WIRE_STATUS;
	size_t len;

	if (wire_encode_request(w->buf, &len, q) < 0 || send(w->fd, w->buf, len, MSG_NOSIGNAL) < 0)
		die("the worker takes no request");
	do {
		ssize_t n = recv(w->fd, w->buf, WIRE_MESSAGE_MAX, 0);

		if (n <= 0 || wire_decode_reply(&type, ret, &status, w->buf, (size_t)n) < 0)
			die("the worker is gone");
	} while (type != WIRE_RESULT);
	sodium_memzero(w->buf, WIRE_MESSAGE_MAX);
	wire_request_clear(q);
	if (ret->outcome != OUTCOME_OK) {
		fprintf(stderr, "resident-dh: %s\n", ret->detail);
		die(outcome_name(ret->outcome));
	}
}

/* The way to the token, with a watch beside it. */
static struct transport_ops watched;
static const struct transport_ops *real;
static uint64_t waited_ns;

static int watched_read(struct transport *t, uint8_t *report, uint64_t deadline_us)
{
	uint64_t start = now_ns();
	int r = real->read(t, report, deadline_us);

	waited_ns += now_ns() - start;
	return r;
}

static struct secret *host_key;

static void ask(struct wire_request *q, enum wire_type type, const struct wire_x_slot *slot, const struct wire_result *pairing)
{
	*q = (struct wire_request){.type = type, .serial = 1, .timeout_ms = 10000};
	if (type == WIRE_X_LIST)
		return;
	q->x_host_key = secret_dup(host_key);
	if (type == WIRE_X_PAIR)
		return;
	q->x_slot = *slot;
	q->x_paired = true;
	q->x_host_index = pairing->x_host_index;
	memcpy(q->x_token_public, pairing->x_token_public, 32);
	if (type == WIRE_X_GENERATE)
		q->x_touch = WIRE_X_TOUCH_NEVER;
	randombytes_buf(q->x_point, sizeof(q->x_point));
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print(const char *what, uint64_t *ns, unsigned int n)
{
	qsort(ns, n, sizeof(*ns), compare);
	printf("%-28s median %6.1f us, 99 of 100 within %6.1f us\n", what, (double)ns[n / 2] / 1e3, (double)ns[n * 99 / 100] / 1e3);
}

int main(int argc, char **argv)
{
	static uint64_t whole[COUNT_MAX], token[COUNT_MAX], added[COUNT_MAX];
	static struct wire_request q;
	static struct wire_result pairing, result;
	struct x25519_known known = {0};
	struct wire_x_slot slot = {.kind = WIRE_X_CTAPHID};
	struct transport *t = NULL;
	struct worker w;
	struct rusage usage;
	uint64_t start, begin;
	unsigned int count;

	if (argc < 3 || argc > 4)
		die("usage: resident-dh WORKER SOCKET [COUNT]");
	count = argc > 3 ? (unsigned int)strtoul(argv[3], NULL, 10) : 2000;
	if (count < 1 || count > COUNT_MAX)
		die("COUNT is 1 to 100000");
	if (secret_init() < 0 || seqpacket_new(&t, argv[2], &clock_system) < 0)
		die("cannot start");
	fido_prepare();
	real = t->ops;
	watched = *real;
	watched.read = watched_read;
	t->ops = &watched;
	host_key = secret_new(SECRET_KEY_SIZE);
	secret_fill_random(host_key);
	worker_start(&w, argv[1], argv[2]);

	ask(&q, WIRE_X_PAIR, NULL, NULL);
	worker_run(&w, &q, &pairing);
	ask(&q, WIRE_X_LIST, NULL, NULL);
	worker_run(&w, &q, &result);
	slot.number = result.n_x_keys; /* of slots filled from the first on */
	ask(&q, WIRE_X_GENERATE, &slot, &pairing);
	worker_run(&w, &q, &result);

	begin = now_ns();
	for (unsigned int i = 0; i < count; i++) {
		ask(&q, WIRE_X_DH, &slot, &pairing);
		start = now_ns();
		worker_run(&w, &q, &result);
		whole[i] = now_ns() - start;
		wire_result_clear(&result);

		ask(&q, WIRE_X_DH, &slot, &pairing);
		waited_ns = 0;
		x25519_operate(&result, &q, t, clock_now(&clock_system).boot_us + 10 * US_PER_SEC, NULL, &known);
		if (result.outcome != OUTCOME_OK)
			die(result.detail);
		wire_result_clear(&result);
		token[i] = waited_ns;
		added[i] = whole[i] > token[i] ? whole[i] - token[i] : 0;
	}
	begin = now_ns() - begin;
	print("request to result:", whole, count);
	print("of which the token's reports:", token, count);
	print("added by worker and channel:", added, count);
	close(w.fd);
	if (wait4(w.pid, NULL, 0, &usage) == w.pid)
		printf("worker: %.1f us of CPU an operation, %ld KiB resident at most; %.0f operations a second in all\n",
			((double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
				(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)) / count,
			usage.ru_maxrss, 2e9 * count / (double)begin);
	sodium_free(w.buf);
	secret_free(host_key);
	seqpacket_free(t);
	return 0;
}
