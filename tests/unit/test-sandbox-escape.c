/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a worker that its token has taken over can still do. Built without sanitizers in every build, since those need a wider
 * sandbox: this is the one that ships. Each attempt is a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/secret.h"
#include "token/sandbox.h"
#include "unit.h"

#define ENDED_WELL 0
#define REFUSED 1
#define NO_SANDBOX 2

struct fixture {
	char dir[64], node[96], other[96];
	int pair[2];
	pid_t parent;
};

typedef long (*attempt_t)(const struct fixture *f);

/* The wait status of a process that enters the sandbox and tries. */
static int try(const struct fixture *f, const char *node, attempt_t attempt)
{
	struct sandbox sandbox;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(&sandbox, node) < 0 || !sandbox.seccomp)
			_exit(NO_SANDBOX);
		_exit(attempt(f) < 0 ? REFUSED : ENDED_WELL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool is_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool is_refused(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == REFUSED;
}

static bool is_done(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == ENDED_WELL;
}

/* The broker has the same uid: nothing may reach it but the socket. */

static long try_kill(const struct fixture *f)
{
	return kill(f->parent, 0);
}

static long try_tgkill(const struct fixture *f)
{
	return syscall(SYS_tgkill, f->parent, f->parent, 0);
}

static long try_sigqueue(const struct fixture *f)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	return syscall(SYS_rt_sigqueueinfo, f->parent, 0, &info);
}

static long try_pidfd(const struct fixture *f)
{
	return syscall(SYS_pidfd_open, f->parent, 0);
}

/* A descriptor that becomes readable signals its owner, whoever that is. */
static long try_owner(const struct fixture *f)
{
	return fcntl(f->pair[0], F_SETOWN, f->parent);
}

static long try_owner_ex(const struct fixture *f)
{
	struct f_owner_ex owner = { .type = F_OWNER_PID, .pid = f->parent };

	return fcntl(f->pair[0], F_SETOWN_EX, &owner);
}

static long try_owner_signal(const struct fixture *f)
{
	return fcntl(f->pair[0], F_SETSIG, SIGKILL);
}

static long try_owner_ioctl(const struct fixture *f)
{
	int pid = f->parent;

	return ioctl(f->pair[0], 0x8901 /* FIOSETOWN */, &pid);
}

/* stderr is the broker's as well: its flags are not the worker's to change. */
static long try_flags_of_stderr(const struct fixture *f)
{
	(void)f;
	return fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
}

static long try_read_memory(const struct fixture *f)
{
	char here[8];
	struct iovec to = { here, sizeof(here) }, from = { (void *)f->node, sizeof(here) };

	return process_vm_readv(f->parent, &to, 1, &from, 1, 0);
}

static long try_trace(const struct fixture *f)
{
	return ptrace(PTRACE_SEIZE, f->parent, NULL, NULL);
}

static long try_limits_of_parent(const struct fixture *f)
{
	struct rlimit limit;

	return syscall(SYS_prlimit64, f->parent, RLIMIT_NOFILE, NULL, &limit);
}

/* Nor may it start, load or become something else. */

static long try_exec(const struct fixture *f)
{
	char *argv[] = { (char *)"true", NULL }, *environment[] = { NULL };

	(void)f;
	return execve("/bin/true", argv, environment);
}

static long try_fork(const struct fixture *f)
{
	(void)f;
	return fork();
}

static long try_memfd(const struct fixture *f)
{
	(void)f;
	return memfd_create("x", 0);
}

static long try_map_executable(const struct fixture *f)
{
	(void)f;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static long try_make_executable(const struct fixture *f)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)f;
	return p == MAP_FAILED ? 0 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long try_io_uring(const struct fixture *f)
{
	char parameters[120] = { 0 };

	(void)f;
	return syscall(SYS_io_uring_setup, 4, parameters);
}

static long try_open_by_handle(const struct fixture *f)
{
	(void)f;
	return syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY);
}

static long try_unshare(const struct fixture *f)
{
	(void)f;
	return syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */);
}

static long try_keyring(const struct fixture *f)
{
	(void)f;
	return syscall(SYS_keyctl, 0, -3, 0);
}

static long try_bpf(const struct fixture *f)
{
	(void)f;
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long try_dumpable(const struct fixture *f)
{
	(void)f;
	return prctl(PR_SET_DUMPABLE, 1);
}

static long try_inet(const struct fixture *f)
{
	(void)f;
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long try_netlink(const struct fixture *f)
{
	(void)f;
	return socket(AF_NETLINK, SOCK_RAW, 0);
}

/* The system bus is one. */
static long try_unix_stream(const struct fixture *f)
{
	(void)f;
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* With getsockopt alone one could look at much of the network; the credentials of a token's other end are all that is needed. */
static long try_socket_options(const struct fixture *f)
{
	socklen_t len = sizeof(int);
	int type;

	return getsockopt(f->pair[0], SOL_SOCKET, SO_TYPE, &type, &len);
}

static long try_type_a_key(const struct fixture *f)
{
	char c = 'x';

	return ioctl(f->pair[0], TIOCSTI, &c);
}

static long try_remove(const struct fixture *f)
{
	return unlink(f->other);
}

#ifdef __x86_64__
static long try_32_bit(const struct fixture *f)
{
	long r;

	(void)f;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L /* getpid */) : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static long try_x32(const struct fixture *f)
{
	(void)f;
	return syscall(0x40000000L | SYS_getpid);
}
#endif

#define ATTEMPT(name) { #name, try_##name }
static const struct {
	const char *name;
	attempt_t attempt;
} forbidden[] = {
	ATTEMPT(kill), ATTEMPT(tgkill), ATTEMPT(sigqueue), ATTEMPT(pidfd), ATTEMPT(owner), ATTEMPT(owner_ex), ATTEMPT(owner_signal),
	ATTEMPT(owner_ioctl), ATTEMPT(flags_of_stderr), ATTEMPT(read_memory), ATTEMPT(trace), ATTEMPT(limits_of_parent), ATTEMPT(exec),
	ATTEMPT(fork), ATTEMPT(memfd), ATTEMPT(map_executable), ATTEMPT(make_executable), ATTEMPT(io_uring), ATTEMPT(open_by_handle),
	ATTEMPT(unshare), ATTEMPT(keyring), ATTEMPT(bpf), ATTEMPT(dumpable), ATTEMPT(inet), ATTEMPT(netlink), ATTEMPT(unix_stream),
	ATTEMPT(socket_options), ATTEMPT(type_a_key), ATTEMPT(remove),
};

static void test_forbidden(void **state)
{
	const struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
		const char *const nodes[] = { f->node, NULL };

		for (size_t k = 0; k < 2; k++) {
			int status = try(f, nodes[k], forbidden[i].attempt);

			if (!is_killed(status) && !is_refused(status))
				fail_msg("%s (%s) ended with status %#x", forbidden[i].name, nodes[k] ? "hidraw" : "soft",
					(unsigned int)status);
		}
	}
	assert_int_equal(access(f->other, F_OK), 0);
}

/* A refusal could be the kernel's own, for want of rights that another machine gives: these die of the filter. */
static void test_broker_is_out_of_reach(void **state)
{
	const struct fixture *f = *state;

	assert_true(is_killed(try(f, f->node, try_kill)));
	assert_true(is_killed(try(f, f->node, try_tgkill)));
	assert_true(is_killed(try(f, f->node, try_sigqueue)));
	assert_true(is_killed(try(f, f->node, try_pidfd)));
	assert_true(is_killed(try(f, f->node, try_owner)));
	assert_true(is_killed(try(f, f->node, try_owner_ex)));
	assert_true(is_killed(try(f, f->node, try_owner_signal)));
	assert_true(is_killed(try(f, f->node, try_flags_of_stderr)));
	assert_true(is_killed(try(f, f->node, try_read_memory)));
	assert_true(is_killed(try(f, f->node, try_trace)));
}

/* The filter knows 64-bit calls only; the same machine has two more tables of them. */
static void test_other_call_tables(void **state)
{
#ifdef __x86_64__
	const struct fixture *f = *state;
	int status = try(f, f->node, try_32_bit);

	/* SIGSEGV: a kernel without 32-bit calls. */
	assert_true(is_killed(status) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
	assert_true(is_killed(try(f, f->node, try_x32)));
#else
	(void)state;
	skip();
#endif
}

static long try_open_node(const struct fixture *f)
{
	int fd = open(f->node, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);

	return fd < 0 ? fd : flock(fd, LOCK_EX | LOCK_NB);
}

static long try_open_other(const struct fixture *f)
{
	return open(f->other, O_RDONLY);
}

static long try_open_memory(const struct fixture *f)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", f->parent);
	return open(path, O_RDONLY);
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) >= 1;
}

static void test_files(void **state)
{
	const struct fixture *f = *state;

	assert_true(is_done(try(f, f->node, try_open_node)));
	assert_true(is_refused(try(f, NULL, try_open_node)));
	assert_true(is_refused(try(f, NULL, try_open_other)));
	assert_true(is_refused(try(f, NULL, try_open_memory)));
	if (!has_landlock()) {
		print_message("this kernel has no Landlock: what a hidraw worker may open is not tested\n");
		skip();
	}
	assert_true(is_refused(try(f, f->node, try_open_other)));
	assert_true(is_refused(try(f, f->node, try_open_memory)));
}

/* What the worker lives on. */
static long try_work(const struct fixture *f)
{
	struct sockaddr_un nobody = { .sun_family = AF_UNIX, .sun_path = "/nonexistent" };
	struct timespec now;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char c = 'x';
	void *p;
	int fd;

	if (write(f->pair[0], &c, 1) != 1 || read(f->pair[1], &c, 1) != 1 || clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return -1;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE) < 0 || munmap(p, 4096) < 0)
		return -1;
	if (syscall(SYS_getrandom, &c, 1, 0) != 1 || fcntl(f->pair[0], F_GETFL) < 0 || fcntl(f->pair[0], F_GETFD) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&nobody, sizeof(nobody)) == 0 || errno != ENOENT)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	return 0;
}

static void test_allowed(void **state)
{
	assert_true(is_done(try(*state, NULL, try_work)));
}

static void test_abort(void **state)
{
	const struct fixture *f = *state;
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct sandbox sandbox;

		if (sandbox_enter(&sandbox, f->node) < 0)
			_exit(NO_SANDBOX);
		abort();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_false(WCOREDUMP(status));
}

/* Here and not in test-secret, which may be built with sanitizers: those need a process that can be traced. */
static void test_no_process_may_look_in(void **state)
{
	const struct fixture *f = *state;
	struct rlimit limit;
	pid_t pid = fork();
	int status;

	(void)f;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(secret_init() == 0 && prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 &&
				      limit.rlim_max == 0 ?
				      ENDED_WELL :
				      REFUSED);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(is_done(status));
}

static int make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : close(fd);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	f->parent = getpid();
	strcpy(f->dir, "/tmp/test-sandbox-escape-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->node, sizeof(f->node), "%s/node", f->dir);
	snprintf(f->other, sizeof(f->other), "%s/other", f->dir);
	return make_file(f->node) < 0 || make_file(f->other) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, f->pair) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->pair[0]);
	close(f->pair[1]);
	unlink(f->node);
	unlink(f->other);
	rmdir(f->dir);
	free(f);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_forbidden),
		TEST(test_broker_is_out_of_reach),
		TEST(test_other_call_tables),
		TEST(test_files),
		TEST(test_allowed),
		TEST(test_abort),
		TEST(test_no_process_may_look_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
