/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/link.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct link {
	int fd;
	uint32_t ifindex;
	bool gone;
	const struct link_handlers *handlers;
	void *userdata;
};

static int link_ask(struct link *l)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg info;
	} ask = {
		.header = { .nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		.info = { .ifi_family = AF_UNSPEC, .ifi_index = (int)l->ifindex },
	};

	return send(l->fd, &ask, sizeof(ask), 0) < 0 ? -errno : 0;
}

int link_new(struct link **ret, uint32_t ifindex, const struct link_handlers *handlers, void *userdata)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	struct link *l = calloc(1, sizeof(*l));
	int r = 0;

	if (!l)
		return -ENOMEM;
	l->ifindex = ifindex;
	l->handlers = handlers;
	l->userdata = userdata;
	l->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (l->fd < 0 || bind(l->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	if (r == 0)
		r = link_ask(l);
	if (r < 0) {
		link_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct link *link_free(struct link *l)
{
	if (!l)
		return NULL;
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	return NULL;
}

int link_fd(const struct link *l)
{
	return l->fd;
}

static void link_gone(struct link *l)
{
	if (l->gone)
		return;
	l->gone = true;
	l->handlers->gone(l->userdata);
}

static void link_attributes(struct link_state *s, const uint8_t *at, size_t left)
{
	struct rtattr a;

	while (left >= sizeof(a)) {
		memcpy(&a, at, sizeof(a));
		if (a.rta_len < sizeof(a) || a.rta_len > left)
			return;
		if (a.rta_type == IFLA_MTU && RTA_PAYLOAD(&a) >= sizeof(s->mtu))
			memcpy(&s->mtu, at + sizeof(a), sizeof(s->mtu));
		if (a.rta_type == IFLA_IFNAME && RTA_PAYLOAD(&a) <= sizeof(s->ifname))
			memcpy(s->ifname, at + sizeof(a), RTA_PAYLOAD(&a));
		if (RTA_ALIGN(a.rta_len) >= left)
			return;
		at += RTA_ALIGN(a.rta_len);
		left -= RTA_ALIGN(a.rta_len);
	}
}

static void link_message(struct link *l, const struct nlmsghdr *h, const uint8_t *payload, size_t len)
{
	struct link_state s = { 0 };
	struct ifinfomsg info;
	struct nlmsgerr error;

	/* What we ask for can only fail because there is no such interface any more. */
	if (h->nlmsg_type == NLMSG_ERROR && len >= sizeof(error.error)) {
		memcpy(&error.error, payload, sizeof(error.error));
		if (error.error == -ENODEV)
			link_gone(l);
		return;
	}
	if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) || len < sizeof(info))
		return;
	memcpy(&info, payload, sizeof(info));
	if (info.ifi_index != (int)l->ifindex || info.ifi_family != AF_UNSPEC)
		return;
	if (h->nlmsg_type == RTM_DELLINK) {
		link_gone(l);
		return;
	}
	s.up = info.ifi_flags & IFF_UP;
	if (len > NLMSG_ALIGN(sizeof(info)))
		link_attributes(&s, payload + NLMSG_ALIGN(sizeof(info)), len - NLMSG_ALIGN(sizeof(info)));
	s.ifname[sizeof(s.ifname) - 1] = '\0';
	l->handlers->state(l->userdata, &s);
}

int link_read(struct link *l)
{
	uint8_t buffer[16384];

	while (!l->gone) {
		ssize_t n = recv(l->fd, buffer, sizeof(buffer), MSG_TRUNC);
		size_t at = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != ENOBUFS)
			return -errno;
		/* Something was lost: how is it now? */
		if (n < 0 || (size_t)n > sizeof(buffer)) {
			const int r = link_ask(l);

			if (r < 0)
				return r;
			continue;
		}
		while (!l->gone && (size_t)n - at >= NLMSG_HDRLEN) {
			struct nlmsghdr h;

			memcpy(&h, buffer + at, sizeof(h));
			if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > (size_t)n - at)
				break;
			link_message(l, &h, buffer + at + NLMSG_HDRLEN, h.nlmsg_len - NLMSG_HDRLEN);
			if (NLMSG_ALIGN(h.nlmsg_len) > (size_t)n - at)
				break;
			at += NLMSG_ALIGN(h.nlmsg_len);
		}
	}
	return 0;
}
