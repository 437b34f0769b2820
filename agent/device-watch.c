/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One epoll descriptor over three: rtnetlink (links), inotify (sockets of userspace WireGuards; device-watch-dir.c) and a timer
 * for sockets that are bound but not listened on yet.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/device-attributes.h"
#include "agent/device-watch.h"

#define LINK_BUFFER_SIZE 32768 /* what the kernel puts at most into one piece of a dump */

/* The names by index, since a renamed interface is announced under its new name only. */
struct link {
	uint32_t ifindex;
	char ifname[IF_NAMESIZE];
};

struct device_watch {
	int epoll_fd, link_fd;
	struct device_watch_dir *dir;
	device_watch_event_t event;
	void *userdata;
	size_t n_links, links_allocated;
	struct link *links;
	bool dumping; /* the answers are what is there already: no news */
	uint32_t seq;
	_Alignas(struct nlmsghdr) uint8_t buf[LINK_BUFFER_SIZE];
};

static struct link *link_find(struct device_watch *w, uint32_t ifindex)
{
	for (size_t i = 0; i < w->n_links; i++)
		if (w->links[i].ifindex == ifindex)
			return &w->links[i];
	return NULL;
}

static bool link_present(struct device_watch *w, const char *ifname)
{
	for (size_t i = 0; i < w->n_links; i++)
		if (strcmp(w->links[i].ifname, ifname) == 0)
			return true;
	return false;
}

static void watch_tell(struct device_watch *w, const char *ifname, bool present)
{
	if (!w->dumping)
		w->event(w->userdata, ifname, present);
}

/* A copy of the name goes to the callback, which may do anything to us but free us. */
static int link_new(struct device_watch *w, uint32_t ifindex, const char *ifname)
{
	struct link *l = link_find(w, ifindex);
	char before[IF_NAMESIZE] = "", name[IF_NAMESIZE];

	if (!l) {
		if (w->n_links == w->links_allocated) {
			const size_t n = w->links_allocated ? w->links_allocated * 2 : 8;
			struct link *bigger = reallocarray(w->links, n, sizeof(w->links[0]));

			if (!bigger)
				return -ENOMEM;
			w->links = bigger;
			w->links_allocated = n;
		}
		l = &w->links[w->n_links++];
		*l = (struct link){ .ifindex = ifindex };
	}
	memcpy(before, l->ifname, sizeof(before));
	strncpy(name, ifname, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(l->ifname, name, sizeof(name));
	if (before[0] && strcmp(before, name) != 0 && !link_present(w, before))
		watch_tell(w, before, false);
	watch_tell(w, name, true);
	return 0;
}

static void link_gone(struct device_watch *w, uint32_t ifindex)
{
	struct link *l = link_find(w, ifindex);
	char name[IF_NAMESIZE];

	if (!l)
		return;
	memcpy(name, l->ifname, sizeof(name));
	*l = w->links[--w->n_links];
	if (!link_present(w, name))
		watch_tell(w, name, false);
}

static int link_message(struct device_watch *w, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;

	if ((nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK) ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return 0;
	/* A port that leaves a bridge is announced as a "deleted link" of this family. */
	if (info->ifi_family == AF_BRIDGE)
		return 0;
	if (nlh->nlmsg_type == RTM_DELLINK) {
		link_gone(w, (uint32_t)info->ifi_index);
		return 0;
	}
	device_attribute_for_each(a, nlh, sizeof(*info))
		if (mnl_attr_get_type(a) == IFLA_IFNAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
			return link_new(w, (uint32_t)info->ifi_index, mnl_attr_get_str(a));
	return 0;
}

/* What there is to read. 1: the dump that was asked for is complete; -ENOBUFS: the kernel dropped some. */
static int link_read(struct device_watch *w)
{
	struct sockaddr_nl from;
	socklen_t from_len;
	ssize_t len;
	int r = 0;

	while (r == 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)w->buf;
		size_t left;

		from_len = sizeof(from);
		len = recvfrom(w->link_fd, w->buf, sizeof(w->buf), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from_len != sizeof(from) || from.nl_pid != 0)
			continue;
		left = (size_t)len;
		for (; r == 0 && device_message_ok(nlh, left); nlh = device_message_next(nlh, &left)) {
			if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR)
				r = w->dumping && nlh->nlmsg_seq == w->seq ? 1 : 0;
			else
				r = link_message(w, nlh);
		}
	}
	return r;
}

/* Reads what links there are, telling nobody. The kernel answers at once: a dump needs no waiting. */
static int link_dump(struct device_watch *w)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = ++w->seq,
		},
	};
	int r;

	w->n_links = 0;
	if (send(w->link_fd, &request, sizeof(request), 0) < 0)
		return -errno;
	w->dumping = true;
	do
		r = link_read(w);
	while (r == -ENOBUFS);
	w->dumping = false;
	return r < 0 ? r : 0;
}

static int link_open(struct device_watch *w)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };

	w->link_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (w->link_fd < 0 || bind(w->link_fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return link_dump(w);
}

static void dir_event(void *userdata, const char *ifname, bool present)
{
	struct device_watch *w = userdata;

	/* The socket of a TUN that stays: something else serves it now, or its own end is announced next. */
	w->event(w->userdata, ifname, present || (ifname && link_present(w, ifname)));
}

static int watch_add(struct device_watch *w, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

int device_watch_new(struct device_watch **ret, const char *uapi_rundir, device_watch_event_t event, void *userdata)
{
	struct device_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->event = event;
	w->userdata = userdata;
	w->link_fd = -1;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = w->epoll_fd < 0 ? -errno : link_open(w);
	if (r == 0)
		r = watch_add(w, w->link_fd);
	if (r == 0)
		r = device_watch_dir_new(&w->dir, uapi_rundir, dir_event, w);
	if (r == 0)
		r = watch_add(w, device_watch_dir_fd(w->dir));
	if (r == 0)
		r = watch_add(w, device_watch_dir_timer_fd(w->dir));
	if (r < 0) {
		device_watch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

int device_watch_fd(const struct device_watch *w)
{
	return w->epoll_fd;
}

int device_watch_read(struct device_watch *w)
{
	int r;

	r = link_read(w);
	if (r == -ENOBUFS) {
		r = link_dump(w);
		w->event(w->userdata, NULL, true);
	}
	if (r < 0)
		return r;
	return device_watch_dir_read(w->dir);
}

struct device_watch *device_watch_free(struct device_watch *w)
{
	if (!w)
		return NULL;
	device_watch_dir_free(w->dir);
	if (w->link_fd >= 0)
		close(w->link_fd);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	free(w->links);
	free(w);
	return NULL;
}
