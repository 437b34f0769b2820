/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets that come and go in a directory that comes and goes; links are tests/net/test-device-watch.sh's. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/device.h"

struct fixture {
	char top[64], parent[80], dir[96];
	struct device_watch *watch;
	char events[256]; /* "+wg0 -wg1 * ", only of names that begin with "wgtest" */
};

static void on_event(void *userdata, const char *ifname, bool present)
{
	struct fixture *f = userdata;
	const size_t len = strlen(f->events);

	/* The machine's own links may change meanwhile. */
	if (ifname && strncmp(ifname, "wgtest", 6) != 0)
		return;
	snprintf(f->events + len, sizeof(f->events) - len, "%s%s ", ifname ? present ? "+" : "-" : "*",
		ifname ? ifname + 6 : "");
}

/* Reads what is there; more than that is waited for only where events are still missing. */
static void expect(struct fixture *f, const char *want)
{
	struct pollfd p = { .fd = device_watch_fd(f->watch), .events = POLLIN };

	while (strlen(f->events) < strlen(want) && poll(&p, 1, 60000) > 0)
		assert_int_equal(device_watch_read(f->watch), 0);
	while (poll(&p, 1, 0) > 0)
		assert_int_equal(device_watch_read(f->watch), 0);
	assert_string_equal(f->events, want);
	f->events[0] = '\0';
}

static int make_socket(const struct fixture *f, const char *name, bool listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", f->dir, name) <
		sizeof(address.sun_path));
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	if (listening)
		assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void remove_file(const struct fixture *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(unlink(path), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	/* Memory, where there is some to be had: the test of the overrun makes a great many changes. */
	strcpy(f->top, "/dev/shm/test-device-watch.XXXXXX");
	if (!mkdtemp(f->top)) {
		strcpy(f->top, "/tmp/test-device-watch.XXXXXX");
		if (!mkdtemp(f->top))
			return -1;
	}
	snprintf(f->parent, sizeof(f->parent), "%s/run", f->top);
	snprintf(f->dir, sizeof(f->dir), "%s/wireguard", f->parent);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	device_watch_free(f->watch);
	rmdir(f->dir);
	rmdir(f->parent);
	rmdir(f->top);
	free(f);
	return 0;
}

static void make_dirs(struct fixture *f)
{
	assert_int_equal(mkdir(f->parent, 0700), 0);
	assert_int_equal(mkdir(f->dir, 0700), 0);
}

static void test_sockets(void **state)
{
	struct fixture *f = *state;
	char path[128];
	int a, b;

	make_dirs(f);
	a = make_socket(f, "wgtest0.sock", true);
	assert_int_equal(device_watch_new(&f->watch, f->dir, on_event, f), 0);
	expect(f, ""); /* what is there already is no news */
	b = make_socket(f, "wgtest1.sock", true);
	expect(f, "+1 ");
	/* Access may just have been given. */
	snprintf(path, sizeof(path), "%s/wgtest1.sock", f->dir);
	assert_int_equal(chmod(path, 0660), 0);
	expect(f, "+1 ");
	close(make_socket(f, "wgtest1.txt", true));
	close(make_socket(f, ".sock", true));
	close(make_socket(f, "wgtest-but-too-long.sock", true));
	remove_file(f, "wgtest1.sock");
	expect(f, "-1 ");
	remove_file(f, "wgtest0.sock");
	expect(f, "-0 ");
	remove_file(f, "wgtest1.txt");
	remove_file(f, ".sock");
	remove_file(f, "wgtest-but-too-long.sock");
	expect(f, "");
	close(a);
	close(b);
}

/* Told only once there is somebody to talk to. */
static void test_listens_later(void **state)
{
	struct fixture *f = *state;
	struct pollfd p;
	int a, b;

	make_dirs(f);
	assert_int_equal(device_watch_new(&f->watch, f->dir, on_event, f), 0);
	a = make_socket(f, "wgtest0.sock", false);
	b = make_socket(f, "wgtest1.sock", false);
	p = (struct pollfd){ .fd = device_watch_fd(f->watch), .events = POLLIN };
	/* The news of bind(), and two rounds of the timer. */
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		assert_int_equal(device_watch_read(f->watch), 0);
	}
	assert_string_equal(f->events, "");
	remove_file(f, "wgtest1.sock");
	expect(f, "-1 ");
	assert_int_equal(listen(a, 1), 0);
	expect(f, "+0 ");
	remove_file(f, "wgtest0.sock");
	expect(f, "-0 ");
	close(a);
	close(b);
}

static void test_directory_later(void **state)
{
	struct fixture *f = *state;
	char moved[128];
	int a;

	assert_int_equal(device_watch_new(&f->watch, f->dir, on_event, f), 0);
	make_dirs(f);
	a = make_socket(f, "wgtest0.sock", true);
	expect(f, "+0 ");
	/* Gone, and there again, also under another's name. */
	remove_file(f, "wgtest0.sock");
	close(a);
	assert_int_equal(rmdir(f->dir), 0);
	assert_int_equal(rmdir(f->parent), 0);
	expect(f, "-0 ");
	make_dirs(f);
	expect(f, "");
	a = make_socket(f, "wgtest1.sock", true);
	expect(f, "+1 ");
	snprintf(moved, sizeof(moved), "%s/moved", f->parent);
	assert_int_equal(rename(f->dir, moved), 0);
	expect(f, "");
	assert_int_equal(rename(moved, f->dir), 0);
	expect(f, "+1 ");
	remove_file(f, "wgtest1.sock");
	expect(f, "-1 ");
	close(a);
}

static void test_overrun(void **state)
{
	struct fixture *f = *state;
	char names[2][160];
	unsigned long max = 16384;
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	if (file) {
		if (fscanf(file, "%lu", &max) != 1)
			max = 16384;
		fclose(file);
	}
	if (max > 100000)
		skip();
	make_dirs(f);
	assert_int_equal(device_watch_new(&f->watch, f->dir, on_event, f), 0);
	for (unsigned int i = 0; i < 2; i++)
		snprintf(names[i], sizeof(names[i]), "%s/%u", f->dir, i);
	assert_int_equal(mkdir(names[0], 0700), 0);
	/* Two events each. */
	for (unsigned long i = 0; i <= max / 2; i++)
		if (rename(names[i % 2], names[(i + 1) % 2]) < 0)
			fail();
	expect(f, "* ");
	assert_int_equal(rmdir(names[0]) < 0 ? rmdir(names[1]) : 0, 0);
}

static void test_bad_path(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(device_watch_new(&f->watch, "", on_event, f), -EINVAL);
	assert_null(f->watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listens_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrun, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_path, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
