/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/secret.h"

#define BACKLOG 16

/* True when somebody accepts on it; EAGAIN is a full backlog, which somebody has. */
static bool is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive;

	if (fd < 0)
		return true;
	alive = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
	close(fd);
	return alive;
}

static int bind_fresh(int fd, const struct sockaddr_un *address)
{
	/* From its first moment nobody but us and root may connect; the group comes with the mode. */
	const mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	if (r == -EADDRINUSE && !is_alive(address)) {
		r = unlink(address->sun_path) < 0 ? -errno : 0;
		if (r == 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
			r = -errno;
	}
	(void)umask(before);
	return r;
}

static int restrict_self(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	/* One of the three in the middle, whatever this architecture calls it. */
	static const char *const calls[] = { "read", "newfstatat", "fstatat64", "statx", "unlinkat", "exit_group" };
	scmp_filter_ctx filter;
	int r = 0;

	if (syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < sizeof(calls) / sizeof(*calls); i++) {
		const int number = seccomp_syscall_resolve_name(calls[i]);

		if (number != __NR_SCMP_ERROR)
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	}
	/* Not released: freeing memory may take calls that are not among these. */
	return r == 0 ? seccomp_load(filter) : r;
}

/* Does not return. It is not marked so, since sanitizers make calls of their own around functions that are. */
static void janitor_run(int dirfd, int end, const char *name, const struct stat *mine)
{
	struct stat now;
	char byte;

	while (read(end, &byte, 1) < 0 && errno == EINTR)
		;
	if (fstatat(dirfd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == mine->st_dev && now.st_ino == mine->st_ino)
		(void)unlinkat(dirfd, name, 0);
	syscall(SYS_exit_group, 0);
}

/* Keeps two descriptors, 0 and 1, whatever else the process had. */
static void janitor_main(int dirfd, int end, const char *name, const struct stat *mine) __attribute__((noreturn));
static void janitor_main(int dirfd, int end, const char *name, const struct stat *mine)
{
	sigset_t all;

	/* It ends when the tunnel does, not when somebody stops a whole control group. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "wgfido-tun-sock", 0, 0, 0);
	if (dup2(dirfd, 100) < 0 || dup2(end, 1) < 0 || dup2(100, 0) < 0 ||
		syscall(SYS_close_range, 2, ~0U, 0) < 0 || restrict_self() < 0)
		_exit(1);
	janitor_run(0, 1, name, mine);
	_exit(0);
}

static int janitor_start(struct control_socket *s, int dirfd, const char *name)
{
	struct stat mine;
	int ends[2];
	pid_t pid;

	/* Before anybody can put another one in its place. */
	if (fstatat(dirfd, name, &mine, AT_SYMLINK_NOFOLLOW) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		janitor_main(dirfd, ends[0], name, &mine);
	}
	close(ends[0]);
	if (pid < 0) {
		const int r = -errno;

		close(ends[1]);
		return r;
	}
	s->janitor = ends[1];
	return 0;
}

static int socket_make(struct control_socket *s, int dirfd, const struct sockaddr_un *address, const char *name, gid_t gid)
{
	int r;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	r = bind_fresh(s->fd, address);
	if (r < 0)
		return r;
	/* A user namespace that has no such group: whoever made the namespace is the only one it is for. */
	if (gid != (gid_t)-1 && fchownat(dirfd, name, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW) == 0)
		r = fchmodat(dirfd, name, 0660, 0) < 0 ? -errno : 0;
	else if (gid != (gid_t)-1 && errno != EINVAL && errno != EPERM)
		r = -errno;
	if (r == 0 && listen(s->fd, BACKLOG) < 0)
		r = -errno;
	if (r == 0)
		r = janitor_start(s, dirfd, name);
	if (r < 0)
		(void)unlinkat(dirfd, name, 0);
	return r;
}

int control_socket_open(struct control_socket *ret, const char *rundir, const char *ifname, gid_t gid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct control_socket s = { .fd = -1, .janitor = -1 };
	const char *name;
	int dirfd, n, r;

	n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", rundir, ifname);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	name = strrchr(address.sun_path, '/') + 1;
	if (mkdir(rundir, 0755) < 0 && errno != EEXIST)
		return -errno;
	dirfd = open(rundir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	r = socket_make(&s, dirfd, &address, name, gid);
	close(dirfd);
	if (r < 0) {
		control_socket_close(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void control_socket_close(struct control_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->janitor >= 0)
		close(s->janitor);
	s->fd = s->janitor = -1;
}
