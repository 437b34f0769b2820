/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration socket's file, its janitor, and the privileges that go. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/secret.h"
#include "tunnel/privileges.h"
#include "tunnel/socket.h"

struct scene {
	char dir[40], path[60];
};

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/wgfido-socket-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	(void)snprintf(s->path, sizeof(s->path), "%s/wg0.sock", s->dir);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	(void)unlink(s->path);
	assert_int_equal(rmdir(s->dir), 0);
	free(s);
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	assert_true(fd >= 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* The janitor is another process: bounded waiting, no figure. */
static bool goes(const char *path)
{
	struct stat st;

	for (int i = 0; i < 30000; i++) {
		if (lstat(path, &st) < 0 && errno == ENOENT)
			return true;
		(void)poll(NULL, 0, 2);
	}
	return false;
}

static void test_socket(void **state)
{
	const struct scene *s = *state;
	struct control_socket a, b;
	struct stat st;

	assert_int_equal(control_socket_open(&a, s->dir, "wg0", (gid_t)-1), 0);
	assert_int_equal(lstat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(connect_to(s->path), 0);
	assert_int_equal(control_socket_open(&b, s->dir, "wg0", (gid_t)-1), -EADDRINUSE);
	assert_int_equal(connect_to(s->path), 0);
	control_socket_close(&a);
	assert_true(goes(s->path));
	assert_int_equal(control_socket_open(&b, s->dir, "wg0", getegid()), 0);
	assert_int_equal(lstat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_gid, getegid());
	control_socket_close(&b);
	assert_true(goes(s->path));
	assert_int_equal(control_socket_open(&b, s->dir, "a-name-that-is-longer-than-the-path-of-a-socket-may-be-and-then-some-more-until-it-is-more-than-that",
				 (gid_t)-1), -ENAMETOOLONG);
}

/* However the owner ends. */
static void test_killed(void **state)
{
	const struct scene *s = *state;
	struct control_socket a;
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (control_socket_open(&a, s->dir, "wg0", (gid_t)-1) == 0 && write(ready[1], "y", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	/* What ends the tunnel of a service does not end its janitor. */
	assert_int_equal(connect_to(s->path), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(goes(s->path));
	close(ready[0]);
}

static void test_stale_is_replaced_and_foreign_is_kept(void **state)
{
	const struct scene *s = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct control_socket a;
	struct stat st;
	int fd;

	/* Somebody died without a janitor. */
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(control_socket_open(&a, s->dir, "wg0", (gid_t)-1), 0);
	assert_int_equal(connect_to(s->path), 0);
	/* Another one of that name is not ours to remove. */
	assert_int_equal(unlink(s->path), 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	control_socket_close(&a);
	for (int i = 0; i < 50; i++)
		(void)poll(NULL, 0, 2);
	assert_int_equal(lstat(s->path, &st), 0);
	close(fd);
	/* Nothing but a socket is replaced without somebody having looked. */
	assert_int_equal(unlink(s->path), 0);
}

static uint64_t capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &header, data), 0);
	return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

static void *thread_main(void *userdata)
{
	return userdata;
}

static void child_is_restricted(void)
{
	pthread_t thread;
	char *const argv[] = { (char *)(uintptr_t)"true", NULL };

	assert_int_equal(privileges_restrict(), 0);
	assert_int_equal(execv("/bin/true", argv), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(syscall(SYS_unshare, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(setuid(geteuid()), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(syscall(SYS_ptrace, 0, 0, 0, 0), -1);
	assert_int_equal(errno, EPERM);
	/* No other process, nor one in a namespace of its own; threads are what it has. */
	assert_int_equal(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(pthread_create(&thread, NULL, thread_main, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* What it lives on. */
	assert_true(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
}

static void child_drops(void)
{
	struct privileges p = { .is_root = geteuid() == 0, .uid = 65534, .gid = 65534 };
	const bool had = capabilities() >> CAP_NET_ADMIN & 1;
	bool dropped;
	uid_t r, e, s;

	if (!p.is_root)
		p.uid = geteuid();
	assert_int_equal(privileges_drop(&p, &dropped), 0);
	assert_int_equal(getresuid(&r, &e, &s), 0);
	assert_true(r == e && e == s);
	if (dropped) {
		assert_int_equal(e, 65534);
		assert_int_equal(getegid(), 65534);
		assert_int_equal(getgroups(0, NULL), 0);
		assert_int_equal(setuid(0), -1);
	}
	/* In a user namespace without that user it stays who it is, with as little. */
	assert_true(capabilities() == (had ? UINT64_C(1) << CAP_NET_ADMIN : 0));
	assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	assert_int_equal(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_ADMIN, 0, 0), 0);
#ifndef UNIT_ASAN
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
#endif
}

/* Where not every id is mapped, some cannot be had. */
static bool in_user_namespace(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(setresgid(4294967290u, (gid_t)-1, (gid_t)-1) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void test_privileges(void **state)
{
	struct privileges p;
	int status;
	pid_t pid;

	(void)state;
	/* In a user namespace it goes on as the one that made it. */
	if (geteuid() == 0 && !in_user_namespace())
		assert_int_equal(privileges_find(&p, "no-such-user-anywhere"), -ESRCH);
	else
		assert_int_equal(privileges_find(&p, "no-such-user-anywhere"), 0);
	assert_int_equal(privileges_find(&p, "root"), 0);
	assert_int_equal(p.gid, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		child_drops();
		child_is_restricted();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_socket, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stale_is_replaced_and_foreign_is_kept, set_up, tear_down),
		cmocka_unit_test(test_privileges),
	};

	assert_int_equal(secret_init(), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
