/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/secret.h"

#define KEPT (UINT64_C(1) << CAP_NET_ADMIN)

/* The first one maps all ids to themselves. */
static bool in_user_namespace(void)
{
	FILE *f = fopen("/proc/self/uid_map", "re");
	unsigned long inside, outside, count;
	bool mapped = false;

	if (!f)
		return false;
	if (fscanf(f, "%lu %lu %lu", &inside, &outside, &count) == 3)
		mapped = !(inside == 0 && outside == 0 && count == UINT32_MAX);
	(void)fclose(f);
	return mapped;
}

int privileges_find(struct privileges *ret, const char *user)
{
	const struct passwd *pw;

	/* uid_t 0 is root's everywhere; in a user namespace it is whoever made that. */
	*ret = (struct privileges){ .is_root = geteuid() == 0, .uid = geteuid(), .gid = (gid_t)-1 };
	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return !ret->is_root || in_user_namespace() ? 0 : errno && errno != ENOENT && errno != ESRCH ? -errno : -ESRCH;
	ret->uid = pw->pw_uid;
	ret->gid = pw->pw_gid;
	return 0;
}

static int capabilities_keep(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(KEPT >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Without CAP_SETPCAP it cannot be changed, nor used: no_new_privs is what counts then. */
static void bounding_set_shrink(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(KEPT >> cap & 1))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static const char *const refused[] = {
	"execve", "execveat", "fork", "vfork",
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "perf_event_open", "userfaultfd",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
	"unshare", "setns", "chroot", "pivot_root", "mount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "mount_setattr",
	"open_by_handle_at", "name_to_handle_at", "mknod", "mknodat", "acct", "swapon", "swapoff", "reboot", "kexec_load", "kexec_file_load",
	"init_module", "finit_module", "delete_module", "bpf", "add_key", "request_key", "keyctl",
	"io_uring_setup", "io_uring_enter", "io_uring_register", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
	"iopl", "ioperm", "sethostname", "setdomainname", "syslog", "quotactl", "personality",
};

/* Threads, and no processes: those might have namespaces of their own. What clone3 is asked for lies in memory, which a filter does not
 * see: libc takes clone where it is missing. */
static int refuse_processes(scmp_filter_ctx filter)
{
#ifdef __s390__
	const struct scmp_arg_cmp no_thread = SCMP_A1(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
#else
	const struct scmp_arg_cmp no_thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0);
#endif
	const int clone3 = seccomp_syscall_resolve_name("clone3");
	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, no_thread);

	if (r == 0 && clone3 != __NR_SCMP_ERROR)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
	return r;
}

int privileges_restrict(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!filter)
		return -ENOMEM;
	/* Other ABIs' calls, which the list does not name. */
	r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; r == 0 && i < sizeof(refused) / sizeof(*refused); i++) {
		const int number = seccomp_syscall_resolve_name(refused[i]);

		/* Not every architecture, nor every libseccomp, has every call. */
		if (number != __NR_SCMP_ERROR && number >= 0)
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
	}
	if (r == 0)
		r = refuse_processes(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

/* 0: done; -EINVAL: this user namespace has no such user. */
static int become(const struct privileges *p)
{
	if (setresgid(p->gid, p->gid, p->gid) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0)
		return -errno;
	/* The permitted capabilities outlive the change; capabilities_keep takes care of them. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(p->uid, p->uid, p->uid) < 0 ||
		prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return -errno;
	/* Checked, not believed. */
	return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ? -EPERM : 0;
}

int privileges_drop(const struct privileges *p, bool *ret_dropped)
{
	int r = 0;

	bounding_set_shrink();
	if (p->is_root && p->uid != 0)
		r = become(p);
	*ret_dropped = p->is_root && p->uid != 0 && r == 0;
	if (r < 0 && r != -EINVAL)
		return r;
	r = capabilities_keep();
	if (r < 0)
		return r;
	/* A kernel without ambient capabilities has none to clear. */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return secret_not_dumpable();
}
