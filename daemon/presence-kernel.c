/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removal as the kernel itself tells it: udevd may hang, be stopped, or be busy with a slow rule while a key that was pulled
 * still counts as plugged in.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/presence-internal.h"
#include "daemon/presence-uevent.h"

#define KERNEL_GROUP 1 /* 2 is udevd's */
#define MESSAGES_PER_TURN 64

struct presence_kernel {
	struct presence *presence;
	void (*overrun)(struct presence *p);
	int fd;
	sd_event_source *source;
};

/* Anyone with CAP_NET_ADMIN may send to the group; only the kernel has port 0, and its credentials are root's. */
static bool is_from_kernel(struct msghdr *msg)
{
	const struct sockaddr_nl *from = msg->msg_name;

	if (msg->msg_namelen != sizeof(*from) || from->nl_family != AF_NETLINK || from->nl_pid != 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct ucred credentials;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len != CMSG_LEN(sizeof(credentials)))
			continue;
		memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
		return credentials.uid == 0;
	}
	return false;
}

static void on_message(struct presence_kernel *k, const char *buf, size_t len)
{
	struct presence_entry *e;
	struct uevent u;

	if (uevent_parse(&u, buf, len) < 0 || !uevent_is_hidraw_removal(&u))
		return;
	e = presence_find_syspath(k->presence, u.devpath);
	if (e)
		presence_remove(k->presence, e);
}

/* False: nothing more to read now. */
static bool receive(struct presence_kernel *k)
{
	char buf[UEVENT_MESSAGE_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(k->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && errno == ENOBUFS) {
		k->overrun(k->presence);
		return true;
	}
	if (n < 0)
		return errno == EINTR;
	if (!(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && is_from_kernel(&msg))
		on_message(k, buf, (size_t)n);
	return true;
}

static int on_readable(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	(void)s;
	(void)fd;
	(void)events;
	for (int i = 0; i < MESSAGES_PER_TURN && receive(userdata); i++)
		;
	return 0;
}

int presence_kernel_new(struct presence_kernel **ret, struct presence *p, void (*overrun)(struct presence *p))
{
	struct presence_kernel *k = calloc(1, sizeof(*k));
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	const int on = 1;
	int r;

	if (!k)
		return -ENOMEM;
	k->presence = p;
	k->overrun = overrun;
	k->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (k->fd < 0 || setsockopt(k->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(k->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		goto fail;
	}
	r = sd_event_add_io(presence_event(p), &k->source, k->fd, EPOLLIN, on_readable, k);
	if (r < 0)
		goto fail;
	r = sd_event_source_set_priority(k->source, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		goto fail;
	*ret = k;
	return 0;
fail:
	presence_kernel_free(k);
	return r;
}

struct presence_kernel *presence_kernel_free(struct presence_kernel *k)
{
	if (!k)
		return NULL;
	sd_event_source_disable_unref(k->source);
	if (k->fd >= 0)
		close(k->fd);
	free(k);
	return NULL;
}
