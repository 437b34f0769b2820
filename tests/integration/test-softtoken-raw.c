/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The software token's sockets, report by report. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/softtoken.h"

#define REPORT 64
#define PATIENCE_MS 20000

static int setup(void **state)
{
	struct softtoken *t = calloc(1, sizeof(*t));

	softtoken_init(t);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	softtoken_clear(*state);
	free(*state);
	return 0;
}

static void send_report(
	int fd, const uint8_t channel[static 4], uint8_t command, const void *data, size_t len)
{
	uint8_t report[REPORT] = {channel[0], channel[1], channel[2], channel[3], command | 0x80,
		(uint8_t)(len >> 8), (uint8_t)len};

	if (len > 0)
		memcpy(report + 7, data, len < 57 ? len : 57);
	assert_int_equal(send(fd, report, REPORT, MSG_NOSIGNAL), REPORT);
}

static void receive_report(int fd, uint8_t report[static REPORT])
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
	assert_int_equal(recv(fd, report, REPORT, MSG_TRUNC), REPORT);
}

static void assert_report(
	int fd, const uint8_t channel[static 4], uint8_t command, size_t len, const void *data)
{
	uint8_t report[REPORT];

	receive_report(fd, report);
	assert_memory_equal(report, channel, 4);
	assert_int_equal(report[4], command | 0x80);
	assert_int_equal((size_t)report[5] << 8 | report[6], len);
	if (data)
		assert_memory_equal(report + 7, data, len);
}

static void assert_nothing(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&pfd, 1, 0), 0);
}

static const uint8_t broadcast[4] = {0xff, 0xff, 0xff, 0xff};

static void open_channel(int fd, uint8_t ret[static 4])
{
	uint8_t report[REPORT];

	send_report(fd, broadcast, 0x06, "nonce678", 8);
	receive_report(fd, report);
	assert_memory_equal(report, broadcast, 4);
	assert_memory_equal(report + 7, "nonce678", 8);
	memcpy(ret, report + 15, 4);
}

static void test_errors(void **state)
{
	struct softtoken *t = *state;
	uint8_t channel[4], report[REPORT];
	static const uint8_t unopened[4] = {1, 2, 3, 4};
	static const char *const without[] = {"--no-x25519", NULL};
	int fd;

	softtoken_plug(t, without);
	fd = softtoken_connect(t);
	open_channel(fd, channel);
	send_report(fd, channel, 0x57, "vendor", 6);
	assert_report(fd, channel, 0x3f, 1, "\x01");
	send_report(fd, unopened, 0x01, "x", 1);
	assert_report(fd, unopened, 0x3f, 1, "\x0b");
	send_report(fd, channel, 0x10, "", 0);
	assert_report(fd, channel, 0x3f, 1, "\x03");
	send_report(fd, channel, 0x10, "\x41",
		1); /* a CTAP2 command that is none: an answer, not an error of CTAPHID */
	assert_report(fd, channel, 0x10, 1, "\x01");
	/* packets that are no reports are nothing */
	memset(report, 0xff, sizeof(report));
	assert_int_equal(send(fd, report, 63, MSG_NOSIGNAL), 63);
	assert_int_equal(send(fd, report, 1, MSG_NOSIGNAL), 1);
	send_report(fd, channel, 0x01, "ping", 4);
	assert_report(fd, channel, 0x01, 4, "ping");
	/* a message that is not finished is given up */
	send_report(fd, channel, 0x01, "01234567890123456789012345678901234567890123456789012345", 100);
	assert_report(fd, channel, 0x3f, 1, "\x05");
	close(fd);
}

static void test_everybody_hears_everything(void **state)
{
	struct softtoken *t = *state;
	uint8_t a[4], b[4];
	int fd_a, fd_b;

	softtoken_plug(t, NULL);
	fd_a = softtoken_connect(t);
	fd_b = softtoken_connect(t);
	send_report(fd_b, broadcast, 0x06, "nonceBBB", 8);
	assert_report(fd_a, broadcast, 0x06, 17, NULL);
	assert_report(fd_b, broadcast, 0x06, 17, NULL);
	open_channel(fd_a, a);
	assert_report(fd_b, broadcast, 0x06, 17, NULL);
	open_channel(fd_b, b);
	assert_report(fd_a, broadcast, 0x06, 17, NULL);
	assert_memory_not_equal(a, b, 4);
	send_report(fd_a, a, 0x01, "for A", 5);
	assert_report(fd_b, a, 0x01, 5, "for A");
	assert_report(fd_a, a, 0x01, 5, "for A");
	/* one may go at any time */
	close(fd_b);
	send_report(fd_a, a, 0x01, "alone", 5);
	assert_report(fd_a, a, 0x01, 5, "alone");
	assert_nothing(fd_a);
	close(fd_a);
}

static void ping_long(int fd, const uint8_t channel[static 4])
{
	static uint8_t data[7609];
	uint8_t report[REPORT];

	send_report(fd, channel, 0x01, data, sizeof(data));
	for (unsigned int i = 0; i < 128; i++) {
		uint8_t next[REPORT] = {channel[0], channel[1], channel[2], channel[3], (uint8_t)i};

		assert_int_equal(send(fd, next, REPORT, MSG_NOSIGNAL), REPORT);
	}
	assert_report(fd, channel, 0x01, sizeof(data), NULL);
	for (unsigned int i = 0; i < 128; i++) {
		receive_report(fd, report);
		assert_int_equal(report[4], i);
	}
}

static void test_client_that_does_not_read(void **state)
{
	struct softtoken *t = *state;
	uint8_t channel[4];
	int deaf, fd;

	softtoken_plug(t, NULL);
	deaf = softtoken_connect(t);
	fd = softtoken_connect(t);
	open_channel(fd, channel);
	for (int i = 0; i < 20; i++)
		ping_long(fd, channel); /* far more than the deaf one's socket holds */
	close(deaf);
	close(fd);
}

static void test_keepalive_and_busy(void **state)
{
	static const char *const manual[] = {"--touch", "manual", NULL};
	struct softtoken *t = *state;
	const char *touch[] = {"touch", "--socket", t->socket, NULL};
	uint8_t channel[4], other[4], report[REPORT];
	int fd;

	softtoken_plug(t, manual);
	fd = softtoken_connect(t);
	open_channel(fd, channel);
	open_channel(fd, other);
	send_report(fd, channel, 0x10, "\x0b", 1); /* selection */
	for (int i = 0; i < 3; i++)
		assert_report(fd, channel, 0x3b, 1, "\x02");
	send_report(fd, other, 0x10, "\x04", 1);
	do
		receive_report(fd, report);
	while (report[4] == (0x3b | 0x80));
	assert_memory_equal(report, other, 4);
	assert_int_equal(report[4], 0x3f | 0x80);
	assert_int_equal(report[7], 0x06);
	assert_int_equal(softtoken_run(t, NULL, touch), 0);
	do
		receive_report(fd, report);
	while (report[4] == (0x3b | 0x80));
	assert_memory_equal(report, channel, 4);
	assert_int_equal(report[4], 0x10 | 0x80);
	assert_int_equal(report[7], 0x00);
	close(fd);
}

static void test_killed_and_occupied(void **state)
{
	struct softtoken *t = *state, other = *t;
	const char *second[] = {"run", "--state", other.state, "--socket", t->socket, NULL};
	char other_lock[96];
	struct stat st;
	int fd;

	snprintf(other.state, sizeof(other.state), "%s/state2", t->dir);
	snprintf(other_lock, sizeof(other_lock), "%s.lock", other.state);
	softtoken_plug(t, NULL);
	assert_int_equal(softtoken_run(t, NULL, second), 1); /* that socket is served */
	fd = softtoken_connect(t);
	assert_true(fd >= 0);
	close(fd);
	kill(t->pid, SIGKILL);
	softtoken_wait(t->pid);
	assert_int_equal(lstat(t->socket, &st), 0); /* left behind, and in nobody's way */
	softtoken_plug(t, NULL);
	assert_int_equal(unlink(other.state), 0);
	assert_int_equal(unlink(other_lock), 0);
}

static void test_socket_mode(void **state)
{
	static const char *const open_to_group[] = {"--socket-mode", "0660", NULL};
	struct softtoken *t = *state;
	struct stat st;

	softtoken_plug(t, open_to_group);
	assert_int_equal(lstat(t->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

static void test_enter_as_touch(void **state)
{
	struct softtoken *t = *state;
	const char *run[] = {
		"run", "--quiet", "--touch", "tty", "--state", t->state, "--socket", t->socket, NULL};
	uint8_t channel[4], report[REPORT];
	int fds[2], fd;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "\n", 1), 1); /* too early */
	t->pid = softtoken_spawn(run, fds[0]);
	while ((fd = softtoken_connect(t)) < 0)
		poll(NULL, 0, 2);
	open_channel(fd, channel);
	for (int ping = 0; ping < 3; ping++) { /* rounds of its loop: the early line has been read */
		send_report(fd, channel, 0x01, "x", 1);
		assert_report(fd, channel, 0x01, 1, "x");
	}
	send_report(fd, channel, 0x10, "\x0b", 1);
	for (int i = 0; i < 3; i++)
		assert_report(fd, channel, 0x3b, 1, "\x02");
	assert_int_equal(write(fds[1], "\n", 1), 1);
	do
		receive_report(fd, report);
	while (report[4] == (0x3b | 0x80));
	assert_int_equal(report[4], 0x10 | 0x80);
	assert_int_equal(report[7], 0x00);
	/* without the terminal it goes on, untouched */
	close(fds[0]);
	close(fds[1]);
	send_report(fd, channel, 0x10, "\x0b", 1);
	assert_report(fd, channel, 0x3b, 1, "\x02");
	send_report(fd, channel, 0x11, "", 0);
	do
		receive_report(fd, report);
	while (report[4] == (0x3b | 0x80));
	assert_int_equal(report[7], 0x2d);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_everybody_hears_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_that_does_not_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keepalive_and_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_and_occupied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(test_enter_as_touch, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
