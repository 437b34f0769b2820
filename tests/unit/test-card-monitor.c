/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the monitor makes of readers that come and go, its messages, and how it waits for pcscd. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/wire-card.h"
#include "tests/card/fake-pcsc.h"
#include "token/card/monitor.h"

#define READER(name, ...) {name, __VA_ARGS__}

static void expect(int fd, enum wire_card_event event, const char *reader)
{
	uint8_t bytes[WIRE_CARD_MESSAGE_MAX];
	struct wire_card_message m;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	assert_true(n > 0);
	assert_int_equal(wire_card_decode(&m, bytes, (size_t)n), 0);
	assert_int_equal(m.event, event);
	assert_string_equal(m.reader, reader);
}

static void test_changes(void **state)
{
	static const struct pcsc_readers states[] = {
		{2, {READER("A", true, false, 1), READER("B", false, false, 0)}},
		{2, {READER("A", true, false, 3), READER("B", true, true, 1)}},	 /* A was swapped */
		{2, {READER("A", true, false, 3), READER("B", true, false, 1)}}, /* B is let go */
		{1, {READER("B", true, false, 1)}},				 /* A's reader is unplugged */
		{1, {READER("B\x1b[2J", true, false, 1)}},			 /* what the broker would not take */
	};
	struct fake_pcsc f;
	uint8_t byte;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fake_pcsc_init(&f, NULL);
	f.states = states;
	f.n_states = sizeof(states) / sizeof(*states);
	f.watch_error = -ECONNRESET;
	assert_int_equal(monitor_run(&f.pcsc, pair[1]), -ECONNRESET);
	expect(pair[0], WIRE_CARD_CONNECTED, "");
	expect(pair[0], WIRE_CARD_ADDED, "A");
	expect(pair[0], WIRE_CARD_REMOVED, "A");
	expect(pair[0], WIRE_CARD_ADDED, "A");
	expect(pair[0], WIRE_CARD_ADDED, "B");
	expect(pair[0], WIRE_CARD_FREED, "B");
	expect(pair[0], WIRE_CARD_REMOVED, "A");
	expect(pair[0], WIRE_CARD_REMOVED, "B");
	assert_int_equal(recv(pair[0], &byte, 1, MSG_DONTWAIT), -1);
	/* the broker's end */
	close(pair[0]);
	assert_int_equal(monitor_run(&f.pcsc, pair[1]), 0);
	close(pair[1]);
}

static void test_messages(void **state)
{
	struct wire_card_message m = {.event = WIRE_CARD_ADDED, .reader = "A reader"};
	uint8_t bytes[WIRE_CARD_MESSAGE_MAX + 1];
	size_t len;

	(void)state;
	assert_int_equal(wire_card_encode(bytes, &len, &m), 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(wire_card_decode(&m, bytes, i), -EBADMSG);
	assert_int_equal(wire_card_decode(&m, bytes, len + 1), -EBADMSG);
	bytes[0]++;
	assert_int_equal(wire_card_decode(&m, bytes, len), -EBADMSG);
	bytes[0]--;
	bytes[4] = '\n';
	assert_int_equal(wire_card_decode(&m, bytes, len), -EBADMSG);
	bytes[4] = ' ';
	bytes[1] = 9;
	assert_int_equal(wire_card_decode(&m, bytes, len), -EBADMSG);
	m.event = WIRE_CARD_CONNECTED;
	assert_int_equal(wire_card_encode(bytes, &len, &m), -EINVAL);
	m = (struct wire_card_message){.event = WIRE_CARD_REMOVED};
	assert_int_equal(wire_card_encode(bytes, &len, &m), -EINVAL);
}

static void *await_in_thread(void *path)
{
	static int pair[2], result;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	result = monitor_await(path, pair[0]);
	close(pair[0]);
	close(pair[1]);
	return &result;
}

/* The directory is made, and the socket in it, while it waits: by inotify, without a timer. */
static void test_await(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char dir[] = "/tmp/wgfido-monitor-XXXXXX", sub[64], path[96];
	pthread_t thread;
	int fd, pair[2];
	void *result;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/pcscd", dir);
	snprintf(path, sizeof(path), "%s/pcscd.comm", sub);
	assert_int_equal(pthread_create(&thread, NULL, await_in_thread, path), 0);
	assert_int_equal(mkdir(sub, 0700), 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal(*(int *)result, 0);
	unlink(path);
	/* the broker's end while it waits */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	assert_int_equal(monitor_await(path, pair[0]), -ECANCELED);
	assert_int_equal(monitor_await("not/absolute", pair[0]), -EINVAL);
	close(pair[0]);
	close(fd);
	rmdir(sub);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_await),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
