/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/device-uapi.h"
#include "agent/device.h"

struct device_set {
	char *rundir;
	struct device_backend *uapi;
	struct device_backend *netlink; /* NULL until an interface wants it: the module may be loaded only with that one */
};

int device_set_new(struct device_set **ret, const char *uapi_rundir)
{
	struct device_set *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return r;
	s->rundir = strdup(uapi_rundir);
	if (s->rundir)
		r = device_uapi_new(&s->uapi, uapi_rundir);
	if (r < 0) {
		device_set_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct device_set *device_set_free(struct device_set *s)
{
	if (!s)
		return NULL;
	if (s->uapi)
		s->uapi->ops->free(s->uapi);
	if (s->netlink)
		s->netlink->ops->free(s->netlink);
	free(s->rundir);
	free(s);
	return NULL;
}

static int choose_netlink(struct device_set *s, const char *ifname)
{
	const struct device_change nothing = { .private_key_how = DEVICE_PRIVATE_KEY_LEAVE };
	int r;

	/* Also keeps us from having the module loaded for an interface that is not there. */
	if (if_nametoindex(ifname) == 0)
		return -ENODEV;
	if (!s->netlink) {
		r = device_netlink_new(&s->netlink);
		if (r < 0)
			return r == -EOPNOTSUPP ? -ENODEV : r;
	}
	/* Is it a WireGuard interface? Asked by changing nothing, which costs the same however many peers it has. */
	return s->netlink->ops->set(s->netlink, ifname, &nothing);
}

int device_choose(struct device_set *s, const char *ifname, struct device_backend **ret)
{
	int fd, r;

	fd = device_uapi_connect(s->rundir, ifname);
	if (fd >= 0) {
		close(fd);
		*ret = s->uapi;
		return 0;
	}
	r = choose_netlink(s, ifname);
	if (r == 0)
		*ret = s->netlink;
	/* Why the socket that is there could not be used says more than that the kernel has no such interface. */
	return r == -ENODEV ? fd : r;
}
