/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each try in a child of its own, since the sandbox is for good. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "token/sandbox.h"

#define SKIPPED 77

static char node[] = "/tmp/wgfido-sandbox-XXXXXX";

static int setup(void **state)
{
	int fd = mkstemp(node);

	(void)state;
	assert_true(fd >= 0);
	return close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(node);
}

/* Exit status, or 1000 + the signal that killed it. */
/* In place of a path: the token is behind a socket that is connected already. */
static const char connected[] = "connected";

static int in_sandbox(int (*attempt)(const struct sandbox *s), const char *path)
{
	struct sandbox s;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if ((path == connected ? sandbox_enter_connected(&s) : sandbox_enter(&s, path)) < 0)
			_exit(99);
		_exit(attempt(&s));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd >= 0 ? 0 : errno;
}

static int open_passwd(const struct sandbox *s)
{
	return s->landlock ? try_open("/etc/passwd", O_RDONLY) : SKIPPED;
}

static int open_anything_soft(const struct sandbox *s)
{
	/* The leak check of sanitizer builds needs open; there only Landlock keeps files shut. */
#ifdef UNIT_ASAN
	if (!s->landlock)
		return SKIPPED;
#else
	(void)s;
#endif
	return try_open("/etc/passwd", O_RDONLY) == EACCES && try_open(node, O_RDWR) == EACCES &&
			       try_open("/tmp/wgfido-sandbox-new", O_RDWR | O_CREAT) == EACCES ?
		       0 :
		       1;
}

static int open_node(const struct sandbox *s)
{
	(void)s;
	return try_open(node, O_RDWR);
}

static int create_file(const struct sandbox *s)
{
	return s->landlock ? try_open("/tmp/wgfido-sandbox-new", O_RDWR | O_CREAT) : SKIPPED;
}

static int execute(const struct sandbox *s)
{
	char *argv[] = {(char *)"/bin/true", NULL};

	(void)s;
	execve(argv[0], argv, argv + 1);
	return errno;
}

static int internet_socket(const struct sandbox *s)
{
	(void)s;
	return socket(AF_INET, SOCK_DGRAM, 0) < 0 ? errno : 0;
}

static int stream_socket(const struct sandbox *s)
{
	(void)s;
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) < 0 ? errno : 0;
}

static int seqpacket_socket(const struct sandbox *s)
{
	struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)s;
	if (fd < 0)
		return 1;
	return connect(fd, (struct sockaddr *)&nowhere, sizeof(nowhere)) < 0 && errno == ENOENT ? 0 : 2;
}

static int signal_parent(const struct sandbox *s)
{
	(void)s;
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static int executable_memory(const struct sandbox *s)
{
	(void)s;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

#ifndef UNIT_ASAN
static int fork_child(const struct sandbox *s)
{
	(void)s;
	return fork() < 0 ? errno : 0;
}

static int trace(const struct sandbox *s)
{
	(void)s;
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0;
}
#endif

static int ordinary_work(const struct sandbox *s)
{
	struct pollfd none = {.fd = -1};
	char *p = malloc(1 << 20);

	(void)s;
	if (!p)
		return 1;
	memset(p, 1, 1 << 20);
	free(p);
	return poll(&none, 1, 0) == 0 ? 0 : 2;
}

static void test_files(void **state)
{
	int r = in_sandbox(open_passwd, node);

	(void)state;
	assert_int_equal(in_sandbox(open_node, node), 0);
	if (r == SKIPPED) {
		print_message("no Landlock in this kernel\n");
		return;
	}
	assert_int_equal(r, EACCES);
	assert_int_equal(in_sandbox(create_file, node), EACCES);
}

static void test_no_files_at_all_for_a_software_token(void **state)
{
	int r = in_sandbox(open_anything_soft, NULL);

	(void)state;
	assert_true(r == 0 || r == SKIPPED);
}

static void test_no_programs(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(execute, node), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(execute, NULL), 1000 + SIGSYS);
#ifndef UNIT_ASAN
	assert_int_equal(in_sandbox(fork_child, node), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(trace, node), 1000 + SIGSYS);
#endif
	assert_int_equal(in_sandbox(signal_parent, node), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(executable_memory, node), 1000 + SIGSYS);
}

static void test_sockets(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(internet_socket, node), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(internet_socket, NULL), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(stream_socket, NULL), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(seqpacket_socket, node), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(seqpacket_socket, NULL), 0);
}

/* A smart card's worker, and the monitor of readers: no socket of any kind, no file, but the deadline's timer. */
static int arm_timer(const struct sandbox *s)
{
	const struct itimerval soon = {.it_value.tv_sec = 60};

	(void)s;
	return setitimer(ITIMER_REAL, &soon, NULL) < 0 ? errno : 0;
}

static void test_connected(void **state)
{
	int r = in_sandbox(open_anything_soft, connected);

	(void)state;
	assert_true(r == 0 || r == SKIPPED);
	assert_int_equal(in_sandbox(internet_socket, connected), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(stream_socket, connected), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(seqpacket_socket, connected), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(execute, connected), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(signal_parent, connected), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(executable_memory, connected), 1000 + SIGSYS);
	assert_int_equal(in_sandbox(ordinary_work, connected), 0);
	assert_int_equal(in_sandbox(arm_timer, connected), 0);
	/* no other worker has it */
	assert_int_equal(in_sandbox(arm_timer, node), 1000 + SIGSYS);
}

static void test_work_goes_on(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(ordinary_work, node), 0);
	assert_int_equal(in_sandbox(ordinary_work, NULL), 0);
}

static void test_a_node_that_is_gone(void **state)
{
	struct sandbox s;
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(sandbox_enter(&s, "/nonexistent/node") == 0 && s.landlock ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_no_files_at_all_for_a_software_token),
		cmocka_unit_test(test_no_programs),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_connected),
		cmocka_unit_test(test_work_goes_on),
		cmocka_unit_test(test_a_node_that_is_gone),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
