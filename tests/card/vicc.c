/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated card in a reader of vpcd's (vsmartcard): a virtual card for a real pcscd.
 *
 *	vicc PORT [openpgp|piv|none]
 *
 * connects to vpcd on loopback and obeys lines on stdin: pull, insert, touch, uif N, piv-touch N, inject INS SW, tries N, slow MS,
 * patience SECONDS (how long it waits for a touch: 4). Says "ok" to
 * each, what the card did when asked ("state"), and "waits for a touch" when it does: a touch before that counts for nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/card/emulator.h"

static struct {
	struct emulator e;
	in_port_t port;
	int fd; /* -1: pulled */
	long slow_ms, patience;
	char line[256];
	size_t len;
} v;

static void pull(void)
{
	if (v.fd >= 0)
		close(v.fd);
	v.fd = -1;
	emulator_reset(&v.e);
}

static void insert(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(v.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	pull();
	v.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (v.fd < 0 || connect(v.fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("vicc: vpcd");
		exit(1);
	}
}

static void obey(const char *line)
{
	unsigned int a, b;

	if (strcmp(line, "pull") == 0)
		pull();
	else if (strcmp(line, "insert") == 0)
		insert();
	else if (strcmp(line, "touch") == 0)
		v.e.touched = true;
	else if (sscanf(line, "uif %u", &a) == 1)
		v.e.uif = (int)a;
	else if (sscanf(line, "piv-touch %u", &a) == 1)
		v.e.slots[0].touch_policy = (uint8_t)a;
	else if (sscanf(line, "inject %x %x", &a, &b) == 2) {
		v.e.inject_ins = (uint8_t)a;
		v.e.inject_sw = (uint16_t)b;
	} else if (sscanf(line, "tries %u", &a) == 1)
		v.e.pw1.tries = (int)a;
	else if (sscanf(line, "slow %u", &a) == 1)
		v.slow_ms = (long)a;
	else if (sscanf(line, "patience %u", &a) == 1)
		v.patience = (long)a;
	else if (strcmp(line, "state") == 0)
		printf("verify %u dh %u verified %d tries %d\n", v.e.n_verify, v.e.n_dh, v.e.pw1.verified || v.e.pin.verified, v.e.pw1.tries);
	else
		exit(2);
	printf("ok\n");
	fflush(stdout);
}

static void read_lines(void)
{
	ssize_t n = read(STDIN_FILENO, v.line + v.len, sizeof(v.line) - 1 - v.len);
	char *end;

	if (n <= 0)
		exit(0);
	v.len += (size_t)n;
	v.line[v.len] = '\0';
	while ((end = strchr(v.line, '\n'))) {
		*end = '\0';
		obey(v.line);
		v.len -= (size_t)(end + 1 - v.line);
		memmove(v.line, end + 1, v.len + 1);
	}
}

static void wait_for_touch(struct emulator *e)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	time_t until = time(NULL) + v.patience;

	e->touched = false;
	printf("waits for a touch\n");
	fflush(stdout);
	while (!e->touched && v.fd >= 0 && time(NULL) < until)
		if (poll(&in, 1, 100) > 0)
			read_lines();
}

static bool receive(uint8_t *ret, size_t len)
{
	while (len > 0) {
		ssize_t n = read(v.fd, ret, len);

		if (n <= 0)
			return false;
		ret += n;
		len -= (size_t)n;
	}
	return true;
}

static void answer(const uint8_t *data, size_t len)
{
	static uint8_t whole[2 + EMULATOR_ANSWER_MAX];

	/* In one piece, or each answer would wait for an acknowledgement. */
	whole[0] = (uint8_t)(len >> 8);
	whole[1] = (uint8_t)len;
	memcpy(whole + 2, data, len);
	if (v.fd >= 0 && write(v.fd, whole, 2 + len) != (ssize_t)(2 + len))
		pull();
}

static void serve(void)
{
	static uint8_t in[65536], out[EMULATOR_ANSWER_MAX];
	struct timespec pause;
	uint8_t head[2];
	size_t len;

	if (!receive(head, 2)) {
		pull();
		return;
	}
	len = (size_t)head[0] << 8 | head[1];
	if (!receive(in, len)) {
		pull();
		return;
	}
	if (len == 1) {
		if (in[0] == 4)
			answer(out, emulator_atr(&v.e, out));
		else
			emulator_reset(&v.e);
		return;
	}
	len = emulator_transmit(&v.e, in, len, out);
	pause = (struct timespec){.tv_sec = v.slow_ms / 1000, .tv_nsec = v.slow_ms % 1000 * 1000000};
	nanosleep(&pause, NULL);
	answer(out, len);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	v.port = (in_port_t)atoi(argv[1]);
	v.fd = -1;
	v.patience = 4;
	emulator_init(&v.e);
	v.e.wait_for_touch = wait_for_touch;
	if (argc > 2) {
		v.e.openpgp = strcmp(argv[2], "openpgp") == 0;
		v.e.piv = strcmp(argv[2], "piv") == 0;
	}
	for (;;) {
		struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = v.fd, .events = POLLIN}};

		if (poll(fds, 2, -1) < 0)
			return 1;
		if (fds[0].revents)
			read_lines();
		else if (fds[1].revents)
			serve();
	}
}
