/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens come and go in a directory of sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/fail-alloc.h"
#include "tests/unit/presence-fixture.h"

long fail_after = -1;

FAIL_CALLOC

static void start(struct fixture *f)
{
	assert_int_equal(presence_new(&f->p, f->event, false, f->dir, &callbacks, f), 0);
	assert_int_equal(presence_sources(f->p), PRESENCE_SOFT);
	assert_int_equal(f->n_added, 0); /* not before the loop turns */
}

/* A token: under a temporary name first, renamed when it accepts. */
static int plug_as(const struct fixture *f, const char *temp, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[128];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", f->dir, temp);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	if (strcmp(temp, name) != 0)
		assert_int_equal(rename(address.sun_path, path), 0);
	return fd;
}

static int plug(const struct fixture *f, const char *name)
{
	return plug_as(f, ".temp", name);
}

static void unlink_name(const struct fixture *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(unlink(path), 0);
}

static void touch(const struct fixture *f, const char *name)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
}

static void test_there_already(void **state)
{
	struct fixture *f = *state;
	int fd = plug(f, "blue");
	char path[128];

	start(f);
	turn(f);
	assert_int_equal(f->n_added, 1);
	assert_string_equal(f->added.id, "soft-blue");
	assert_string_equal(f->added.name, "blue");
	assert_int_equal(f->added.kind, TOKEN_SOFT);
	snprintf(path, sizeof(path), "%s/blue", f->dir);
	assert_string_equal(f->added.path, path);
	close(fd);
}

static void test_plugged_and_unlinked(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	turn(f);
	fd = plug(f, "blue");
	turn(f);
	assert_int_equal(f->n_added, 1);
	/* The socket's name goes; whoever listens may live on. */
	unlink_name(f, "blue");
	turn(f);
	assert_int_equal(f->n_removed, 1);
	assert_string_equal(f->removed, "soft-blue");
	close(fd);
	turn(f);
	assert_int_equal(f->n_removed, 1);

	fd = plug(f, "blue");
	turn(f);
	assert_int_equal(f->n_added, 2);
	close(fd);
}

static void test_dies_without_unlinking(void **state)
{
	struct fixture *f = *state;
	int fd = plug(f, "blue");

	start(f);
	turn(f);
	close(fd); /* the listener, and with it our connection that waits in its queue */
	turn(f);
	assert_int_equal(f->n_removed, 1);
	/* What is left of it does not count as a token. */
	presence_free(f->p);
	f->p = NULL;
	f->n_added = 0;
	start(f);
	turn(f);
	assert_int_equal(f->n_added, 0);
	/* Until another takes its place. */
	fd = plug(f, "blue");
	turn(f);
	assert_int_equal(f->n_added, 1);
	close(fd);
}

static void test_connection_is_closed(void **state)
{
	struct fixture *f = *state;
	int listener = plug(f, "blue"), fd;

	start(f);
	turn(f);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	close(fd);
	turn(f);
	assert_int_equal(f->n_removed, 1);
	close(listener);
}

static void test_reports_are_thrown_away(void **state)
{
	struct fixture *f = *state;
	int listener = plug(f, "blue"), fd;
	char report[64] = { 1 };

	start(f);
	turn(f);
	fd = accept(listener, NULL, NULL);
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(send(fd, report, sizeof(report), MSG_DONTWAIT), sizeof(report));
		if (i % 50 == 49)
			turn(f);
	}
	assert_int_equal(f->n_removed, 0);
	/* The last report and the end at once. */
	assert_int_equal(send(fd, report, sizeof(report), MSG_DONTWAIT), sizeof(report));
	close(fd);
	turn(f);
	assert_int_equal(f->n_removed, 1);
	close(listener);
}

static int on_other_business(sd_event_source *source, void *userdata)
{
	(void)source;
	*(bool *)userdata = true;
	return 0;
}

/* The bus, the timers: none of them may wait for ever because a token floods us. */
static void test_flood_holds_nobody_up(void **state)
{
	struct fixture *f = *state;
	int listener = plug(f, "blue"), fd;
	sd_event_source *other = NULL;
	char report[64] = { 1 };
	bool done = false;

	start(f);
	turn(f);
	fd = accept(listener, NULL, NULL);
	for (int i = 0; i < 200; i++)
		assert_int_equal(send(fd, report, sizeof(report), MSG_DONTWAIT), sizeof(report));
	assert_true(sd_event_add_defer(f->event, &other, on_other_business, &done) >= 0);
	for (int i = 0; i < 2; i++)
		assert_true(sd_event_run(f->event, 0) > 0);
	assert_true(done);
	sd_event_source_disable_unref(other);

	/* It is heard again once it has stopped, and its end comes before other business. */
	turn(f);
	done = false;
	assert_true(sd_event_add_defer(f->event, &other, on_other_business, &done) >= 0);
	close(fd);
	assert_true(sd_event_run(f->event, 0) > 0);
	assert_false(done);
	assert_int_equal(f->n_removed, 1);
	sd_event_source_disable_unref(other);
	close(listener);
}

static void test_names_passed_over(void **state)
{
	static const char *const names[] = { ".hidden", "blue.ctl" };
	struct fixture *f = *state;
	int fds[4];
	char path[128];

	touch(f, "file");
	snprintf(path, sizeof(path), "%s/folder", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/link", f->dir);
	assert_int_equal(symlink("elsewhere", path), 0);
	for (int i = 0; i < 2; i++)
		fds[i] = plug(f, names[i]);
	start(f);
	turn(f);
	assert_int_equal(f->n_added, 0);
	for (int i = 0; i < 2; i++) {
		unlink_name(f, names[i]);
		fds[2 + i] = plug(f, names[i]);
	}
	touch(f, "another");
	turn(f);
	assert_int_equal(f->n_added, 0);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static void test_replaced_by_rename(void **state)
{
	struct fixture *f = *state;
	int first = plug(f, "blue"), second;

	start(f);
	turn(f);
	second = plug(f, "blue");
	turn(f);
	assert_int_equal(f->n_removed, 1);
	assert_int_equal(f->n_added, 2);
	/* The first dies now: it is of no concern any more. */
	close(first);
	turn(f);
	assert_int_equal(f->n_removed, 1);
	close(second);
	turn(f);
	assert_int_equal(f->n_removed, 2);
}

static void test_renamed_away(void **state)
{
	struct fixture *f = *state;
	int fd = plug(f, "blue");
	char from[128], to[128];

	start(f);
	turn(f);
	snprintf(from, sizeof(from), "%s/blue", f->dir);
	snprintf(to, sizeof(to), "%s/green", f->dir);
	assert_int_equal(rename(from, to), 0);
	turn(f);
	assert_int_equal(f->n_removed, 1);
	assert_string_equal(f->removed, "soft-blue");
	assert_int_equal(f->n_added, 2);
	assert_string_equal(f->added.id, "soft-green");
	close(fd);
}

static void test_directory_goes(void **state)
{
	struct fixture *f = *state;
	int fd = plug(f, "blue");
	char away[80];

	start(f);
	turn(f);
	snprintf(away, sizeof(away), "%s-away", f->dir);
	assert_int_equal(rename(f->dir, away), 0);
	turn(f);
	assert_int_equal(f->n_removed, 1);
	assert_int_equal(rename(away, f->dir), 0);
	close(fd);
}

static void test_several(void **state)
{
	struct fixture *f = *state;
	char name[16];
	int fds[10];

	start(f);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		fds[i] = plug(f, name);
	}
	turn(f);
	assert_int_equal(f->n_added, 10); /* scan and inotify told of each */
	close(fds[4]);
	turn(f);
	assert_int_equal(f->n_removed, 1);
	assert_string_equal(f->removed, "soft-t4");
	for (int i = 0; i < 10; i++)
		if (i != 4)
			close(fds[i]);
	turn(f);
	assert_int_equal(f->n_removed, 10);
}

static void test_odd_names(void **state)
{
	struct fixture *f = *state;
	char path[128];
	int fd, fd2;

	start(f);
	turn(f);
	snprintf(path, sizeof(path), "%s", "a\x1b[31m\nb");
	fd = plug(f, path);
	turn(f);
	assert_string_equal(f->added.id, "soft-a?[31m?b");
	/* The same when printed, but another token: the ids differ. */
	fd2 = plug(f, "a?[31m?b");
	turn(f);
	assert_string_equal(f->added.id, "soft-a?[31m?b~2");
	close(fd2);
	turn(f);
	assert_string_equal(f->removed, "soft-a?[31m?b~2");
	close(fd);
}

static void test_no_such_directory(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(presence_new(&f->p, f->event, false, "/nonexistent/wgfido", &callbacks, f), -ENOENT);
	assert_null(f->p);
	assert_int_equal(presence_new(&f->p, f->event, false, NULL, &callbacks, f), 0);
	turn(f);
	assert_int_equal(presence_sources(f->p), 0);
}

static void test_memory_runs_out(void **state)
{
	struct fixture *f = *state;
	int fd = plug(f, "blue"), r = -ENOMEM;

	for (long n = 0; r != 0; n++) {
		fail_after = n;
		r = presence_new(&f->p, f->event, false, f->dir, &callbacks, f);
		fail_after = -1;
		assert_true(r == 0 || (r == -ENOMEM && !f->p));
	}
	/* A token that cannot be kept is not there; the next look finds it. */
	fail_after = 0;
	turn(f);
	fail_after = -1;
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_there_already),
		TEST(test_plugged_and_unlinked),
		TEST(test_dies_without_unlinking),
		TEST(test_connection_is_closed),
		TEST(test_reports_are_thrown_away),
		TEST(test_flood_holds_nobody_up),
		TEST(test_names_passed_over),
		TEST(test_replaced_by_rename),
		TEST(test_renamed_away),
		TEST(test_directory_goes),
		TEST(test_several),
		TEST(test_odd_names),
		TEST(test_no_such_directory),
		TEST(test_memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
