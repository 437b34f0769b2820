/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/sandbox.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/* Landlock's numbers up to ABI 6, since the headers of the build may be older than the kernel that runs it. */
#define LANDLOCK_VERSION_FLAG 1u
#define LANDLOCK_PATH_BENEATH 1
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)

struct landlock_ruleset {
	uint64_t fs, net, scoped;
};
struct landlock_path {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

/* Each ABI only adds. */
static size_t landlock_all(struct landlock_ruleset *ret, long abi)
{
	ret->fs = (UINT64_C(1) << 13) - 1;
	if (abi >= 2)
		ret->fs |= UINT64_C(1) << 13; /* refer */
	if (abi >= 3)
		ret->fs |= UINT64_C(1) << 14; /* truncate */
	if (abi >= 5)
		ret->fs |= FS_IOCTL_DEV;
	ret->net = abi >= 4 ? 3 : 0;	/* TCP bind and connect */
	ret->scoped = abi >= 6 ? 3 : 0; /* abstract sockets and signals of others */
	if (abi >= 6)
		return sizeof(*ret);
	return abi >= 4 ? offsetof(struct landlock_ruleset, scoped) : offsetof(struct landlock_ruleset, net);
}

static int landlock_allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path rule = {.allowed = access, .parent_fd = open(path, O_PATH | O_CLOEXEC)};
	int r = 0;

	if (rule.parent_fd < 0)
		return -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0) < 0)
		r = -errno;
	close(rule.parent_fd);
	return r;
}

/* 1: restricted; 0: the kernel has no Landlock. */
static int landlock_enter(const char *node)
{
	struct landlock_ruleset all;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
	size_t size;
	int ruleset, r = 0;

	if (abi < 1)
		return 0;
	size = landlock_all(&all, abi);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
	if (ruleset < 0)
		return -errno;
	if (node)
		r = landlock_allow(ruleset, node, (FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV) & all.fs);
#if SANDBOX_SANITIZED
	/* The leak check at exit reads the process's own maps and threads. */
	if (r == 0)
		r = landlock_allow(ruleset, "/proc", FS_READ_FILE | FS_READ_DIR);
#endif
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	close(ruleset);
	return r < 0 ? r : 1;
}

static const char *const syscalls_allowed[] = {
	/* the socket to the broker, the token */
	"read", "write", "readv", "writev", "recvfrom", "recvmsg", "sendto", "sendmsg", "poll", "ppoll", "close", "flock",
	"fstat", "newfstatat", "statx", "lseek",
	/* memory */
	"brk", "munmap", "mremap", "madvise", "mlock", "mlock2", "munlock",
	/* time, randomness, and what libc does on its own */
	"clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "getrandom", "futex", "getpid", "gettid", "getuid",
	"geteuid", "getgid", "getegid", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall", "sched_yield",
	"getrlimit", "uname", "sysinfo", "exit", "exit_group",
#if SANDBOX_SANITIZED
	/* AddressSanitizer's reports, and LeakSanitizer, which stops the process from a clone of it. */
	"clone", "ptrace", "wait4", "getppid", "tkill", "tgkill", "process_vm_readv", "open", "openat", "readlink",
	"readlinkat", "getdents", "getdents64", "sigaltstack", "prctl", "sched_getaffinity", "prlimit64", "stat", "lstat",
#endif
};

/* Refused without a fuss: libraries try them and live without. */
static const char *const syscalls_denied[] = {
	"open", "openat", "stat", "lstat", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "prctl", "prlimit64",
};

/* HIDIOCGRDESCSIZE, HIDIOCGRDESC, HIDIOCGRAWINFO, HIDIOCGRAWNAME, HIDIOCGRAWUNIQ: the length in them varies. */
static const uint16_t ioctls_allowed[] = {0x4801, 0x4802, 0x4803, 0x4804, 0x4808};

static int allow(scmp_filter_ctx filter, const char *name)
{
	int number = seccomp_syscall_resolve_name(name), r;

	/* Not every architecture has every call. */
	if (number == __NR_SCMP_ERROR)
		return 0;
	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	return r == -EEXIST ? 0 : r;
}

static int allow_memory(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r;
}

/* To look only: F_SETOWN and F_SETSIG would signal the broker, whose uid is the same; stderr's flags are the broker's too. */
static int allow_fcntl(scmp_filter_ctx filter)
{
	static const int commands[] = {F_GETFD, F_SETFD, F_GETFL};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(commands) / sizeof(*commands); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
	return r;
}

static int allow_hidraw(scmp_filter_ctx filter)
{
	int r = allow(filter, "open");

	if (r == 0)
		r = allow(filter, "openat");
	for (size_t i = 0; r == 0 && i < sizeof(ioctls_allowed) / sizeof(*ioctls_allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffff, ioctls_allowed[i]));
	return r;
}

static int allow_seqpacket(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_UNIX),
		SCMP_A1(SCMP_CMP_EQ, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK));

	if (r == 0)
		r = allow(filter, "connect");
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(getsockopt), 2, SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET),
			SCMP_A2(SCMP_CMP_EQ, SO_PEERCRED));
	return r;
}

/* The deadline's timer (token/card/watchdog.c). pcscd is connected already. */
static int allow_connected(scmp_filter_ctx filter)
{
	return allow(filter, "setitimer");
}

static int allow_token(scmp_filter_ctx filter, const char *node, bool connected)
{
	if (connected)
		return allow_connected(filter);
	return node ? allow_hidraw(filter) : allow_seqpacket(filter);
}

static int seccomp_fill(scmp_filter_ctx filter, const char *node, bool connected)
{
	int r = allow_memory(filter);

	if (r == 0)
		r = allow_fcntl(filter);
	for (size_t i = 0; r == 0 && i < sizeof(syscalls_allowed) / sizeof(*syscalls_allowed); i++)
		r = allow(filter, syscalls_allowed[i]);
	if (r == 0)
		r = allow_token(filter, node, connected);
	/* stdio asks whether stderr is a terminal */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, TCGETS));
	/* abort() */
	if (r == 0 && !SANDBOX_SANITIZED)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	for (size_t i = 0; r == 0 && i < sizeof(syscalls_denied) / sizeof(*syscalls_denied); i++) {
		int number = seccomp_syscall_resolve_name(syscalls_denied[i]);

		if (number == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), number, 0);
		/* allowed above, for this kind of worker */
		if (r == -EEXIST)
			r = 0;
	}
	return r;
}

static int seccomp_enter(const char *node, bool connected)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!filter)
		return -ENOMEM;
	/* Other ABIs' calls (32-bit, x32) as ours: by default only the thread would be ended. */
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_fill(filter, node, connected);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int enter(struct sandbox *ret, const char *node, bool connected)
{
	const struct rlimit none = {0};
	int r;

	*ret = (struct sandbox){0};
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (!SANDBOX_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	r = landlock_enter(node);
	if (r < 0)
		return r;
	ret->landlock = r > 0;
	r = seccomp_enter(node, connected);
	if (r < 0)
		return r;
	ret->seccomp = true;
	return 0;
}

int sandbox_enter(struct sandbox *ret, const char *node)
{
	return enter(ret, node, false);
}

int sandbox_enter_connected(struct sandbox *ret)
{
	return enter(ret, NULL, true);
}
