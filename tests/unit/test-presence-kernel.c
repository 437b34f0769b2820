/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens go by the kernel's word: netlink as the test speaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/presence-internal.h"
#include "tests/unit/presence-fixture.h"

/* The netlink socket is one end of a socketpair here, and its messages are what the test says. */
static int netlink_sockets;
static int kernel_end = -1;
static struct sockaddr_nl message_from;
static uid_t message_uid;
static int message_errno;
static bool fake_netlink;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
	int pair[2];

	if (domain != AF_NETLINK)
		return __real_socket(domain, type, protocol);
	netlink_sockets++;
	if (!fake_netlink) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	kernel_end = pair[1];
	return pair[0];
}

int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	const struct sockaddr_nl *nl = (const struct sockaddr_nl *)address;

	if (address->sa_family != AF_NETLINK)
		return __real_bind(fd, address, len);
	assert_int_equal(nl->nl_groups, 1);
	return 0;
}

ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct ucred credentials = { .pid = 0, .uid = message_uid, .gid = 0 };
	struct cmsghdr *c;
	ssize_t n;

	if (message_errno) {
		errno = message_errno;
		message_errno = 0;
		return -1;
	}
	n = recv(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len, flags);
	if (n < 0)
		return n;
	memcpy(msg->msg_name, &message_from, sizeof(message_from));
	msg->msg_namelen = sizeof(message_from);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(credentials));
	memcpy(CMSG_DATA(c), &credentials, sizeof(credentials));
	msg->msg_flags = 0;
	return n;
}

/* One message of the kernel. */
static const char removal[] = "remove@/devices/virtual/misc/uhid/0003:1050:0407.0001/hidraw/hidraw7\0"
			      "ACTION=remove\0"
			      "DEVPATH=/devices/virtual/misc/uhid/0003:1050:0407.0001/hidraw/hidraw7\0"
			      "SUBSYSTEM=hidraw\0"
			      "MAJOR=243\0MINOR=7\0DEVNAME=hidraw7\0SEQNUM=4711";
#define REMOVAL_DEVPATH "/devices/virtual/misc/uhid/0003:1050:0407.0001/hidraw/hidraw7"

static int kernel_setup(void **state)
{
	netlink_sockets = 0;
	fake_netlink = false;
	memset(&message_from, 0, sizeof(message_from));
	message_from.nl_family = AF_NETLINK;
	message_uid = 0;
	return setup(state);
}

static int kernel_teardown(void **state)
{
	int r = teardown(state);

	if (kernel_end >= 0)
		close(kernel_end);
	kernel_end = -1;
	return r;
}

static void test_without_netlink(void **state)
{
	struct fixture *f = *state;

	/* It is not asked for. */
	assert_int_equal(presence_new(&f->p, f->event, false, f->dir, &callbacks, f), 0);
	turn(f);
	assert_int_equal(netlink_sockets, 0);
	f->p = presence_free(f->p);
	/* A container: the kernel's uevents cannot be had, the rest works. */
	assert_int_equal(presence_new(&f->p, f->event, true, f->dir, &callbacks, f), 0);
	assert_true(netlink_sockets > 0);
	assert_true((presence_sources(f->p) & PRESENCE_KERNEL) == 0);
	assert_true((presence_sources(f->p) & PRESENCE_SOFT) != 0);
}

static void say(const char *bytes, size_t len)
{
	assert_int_equal(send(kernel_end, bytes, len, 0), len);
}

static unsigned int n_overruns;

static void on_overrun(struct presence *p)
{
	assert_non_null(p);
	n_overruns++;
}

/* The kernel's word alone, without udevd. */
static void test_kernel_removal(void **state)
{
	struct fixture *f = *state;
	struct presence_kernel *k = NULL;
	struct presence_entry *e;

	assert_int_equal(presence_new(&f->p, f->event, false, NULL, &callbacks, f), 0);
	fake_netlink = true;
	n_overruns = 0;
	assert_int_equal(presence_kernel_new(&k, f->p, on_overrun), 0);
	e = presence_entry_new(f->p, TOKEN_HIDRAW);
	strcpy(e->node.id, "hidraw-usb-1");
	strcpy(e->node.path, "/dev/hidraw7");
	e->syspath = strdup(REMOVAL_DEVPATH);
	presence_add(f->p, e);
	assert_int_equal(f->n_added, 1);

	/* Not from the kernel: a process with a port, or a uid that is not root's. */
	message_from.nl_pid = 4242;
	say(removal, sizeof(removal));
	turn(f);
	assert_int_equal(f->n_removed, 0);
	message_from.nl_pid = 0;
	message_uid = 1000;
	say(removal, sizeof(removal));
	turn(f);
	assert_int_equal(f->n_removed, 0);
	message_uid = 0;
	/* Nonsense, and another device. */
	say("remove@", 7);
	say("remove@/d\0ACTION=remove\0DEVPATH=/d\0SUBSYSTEM=hidraw", sizeof("remove@/d\0ACTION=remove\0DEVPATH=/d\0SUBSYSTEM=hidraw"));
	turn(f);
	assert_int_equal(f->n_removed, 0);

	message_errno = ENOBUFS;
	say("x", 1);
	turn(f);
	assert_int_equal(n_overruns, 1);

	say(removal, sizeof(removal));
	turn(f);
	assert_int_equal(f->n_removed, 1);
	assert_string_equal(f->removed, "hidraw-usb-1");
	say(removal, sizeof(removal));
	turn(f);
	assert_int_equal(f->n_removed, 1);
	presence_kernel_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_without_netlink, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_kernel_removal, kernel_setup, kernel_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
