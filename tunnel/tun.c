/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/tun.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Linux 6.2; the headers may be older than the kernel. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static_assert(sizeof(struct virtio_net_hdr) == TUN_HEADER, "what TUNSETVNETHDRSZ is by default");

/* From the most to the least; what is granted is remembered. Not TSO_ECN: CWR would have to be cut with care for nothing. */
static int set_offload(struct tun *t)
{
	const unsigned int tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;

	t->uso = ioctl(t->fd, TUNSETOFFLOAD, (unsigned long)(tso | TUN_F_USO4 | TUN_F_USO6)) == 0;
	t->tso = t->uso || ioctl(t->fd, TUNSETOFFLOAD, (unsigned long)tso) == 0;
	if (t->tso)
		return 0;
	return ioctl(t->fd, TUNSETOFFLOAD, 0ul) < 0 ? -errno : 0;
}

/* A socket to ask about interfaces with. */
static int ask(unsigned long what, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), e;

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	e = ioctl(fd, what, r) < 0 ? -errno : 0;
	close(fd);
	return e;
}

int tun_open(struct tun *ret, const char *ifname)
{
	struct tun t = { .fd = -1 };
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int e;

	if (!*ifname || strlen(ifname) >= sizeof(r.ifr_name))
		return -EINVAL;
	memcpy(r.ifr_name, ifname, strlen(ifname));
	t.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t.fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	/* EINVAL: an interface of that name, but of another kind */
	if (ioctl(t.fd, TUNSETIFF, &r) < 0) {
		e = errno == EINVAL && if_nametoindex(ifname) ? -EBUSY : -errno;
		goto fail;
	}
	memcpy(t.ifname, r.ifr_name, sizeof(t.ifname));
	t.ifname[sizeof(t.ifname) - 1] = '\0';
	e = set_offload(&t);
	if (e < 0)
		goto fail;
	t.ifindex = if_nametoindex(t.ifname);
	if (t.ifindex == 0) {
		e = -errno;
		goto fail;
	}
	*ret = t;
	return 0;
fail:
	close(t.fd);
	return e;
}

void tun_close(struct tun *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

int tun_set_persist(const struct tun *t, bool persist)
{
	return ioctl(t->fd, TUNSETPERSIST, persist ? 1ul : 0ul) < 0 ? -errno : 0;
}

/* It may have been renamed since. */
static int request_for(const struct tun *t, struct ifreq *r)
{
	*r = (struct ifreq){ 0 };
	return if_indextoname(t->ifindex, r->ifr_name) ? 0 : -errno;
}

int tun_mtu(const struct tun *t, uint32_t *ret)
{
	struct ifreq r;
	int e = request_for(t, &r);

	if (e == 0)
		e = ask(SIOCGIFMTU, &r);
	if (e == 0)
		*ret = (uint32_t)r.ifr_mtu;
	return e;
}

int tun_set_mtu(const struct tun *t, uint32_t mtu)
{
	struct ifreq r;
	int e = request_for(t, &r);

	r.ifr_mtu = (int)mtu;
	return e < 0 ? e : ask(SIOCSIFMTU, &r);
}
