/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TUN device: IP packets with a struct virtio_net_hdr before each, whole segments of TCP (and of UDP, from Linux 6.2 on) cut by
 * us (tunnel/gso.h) and put together by us (tunnel/gro.h).
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define TUN_HEADER 10u		 /* sizeof(struct virtio_net_hdr) */
#define TUN_PACKET_MAX 65575u	 /* an IPv6 header and 65535 bytes */

struct tun {
	int fd; /* non-blocking, close-on-exec */
	bool tso, uso;
	uint32_t ifindex;
	char ifname[IF_NAMESIZE]; /* the kernel's, if a pattern such as wg%d was asked for */
};

/*
 * Makes it, or takes one that persists. 0, -EBUSY (somebody has it, or it is another kind of interface), -EPERM, -ENODEV (no TUN in this
 * kernel), -EINVAL (a name that is none).
 */
int tun_open(struct tun *ret, const char *ifname);
/* fd becomes -1. The interface goes with it unless it persists. */
void tun_close(struct tun *t);

int tun_set_persist(const struct tun *t, bool persist);
/* In the network namespace of the caller. */
int tun_mtu(const struct tun *t, uint32_t *ret);
int tun_set_mtu(const struct tun *t, uint32_t mtu);
