/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel would send, for the tests of the netlink backend. */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/device.h"

#define FAMILY 33

static inline void key_of(uint8_t key[static KEY_SIZE], unsigned int i)
{
	memset(key, 0x5a, KEY_SIZE);
	key[0] = (uint8_t)(i >> 8);
	key[1] = (uint8_t)i;
}

struct answer {
	_Alignas(4) uint8_t buf[8192];
	size_t len; /* of the messages before the one under way */
	struct nlmsghdr *nlh;
	struct nlattr *peers, *peer, *ips;
};

static inline void answer_begin(struct answer *a, uint16_t type, uint16_t flags, uint32_t seq)
{
	struct genlmsghdr *genl;

	a->nlh = mnl_nlmsg_put_header(a->buf + a->len);
	a->nlh->nlmsg_type = type;
	a->nlh->nlmsg_flags = flags;
	a->nlh->nlmsg_seq = seq;
	if (type >= NLMSG_MIN_TYPE) {
		genl = mnl_nlmsg_put_extra_header(a->nlh, sizeof(*genl));
		genl->cmd = WG_CMD_GET_DEVICE;
		genl->version = 1;
	}
	a->peers = a->peer = a->ips = NULL;
}

static inline void answer_end(struct answer *a)
{
	if (a->ips)
		mnl_attr_nest_end(a->nlh, a->ips);
	if (a->peer)
		mnl_attr_nest_end(a->nlh, a->peer);
	if (a->peers)
		mnl_attr_nest_end(a->nlh, a->peers);
	a->len += (a->nlh->nlmsg_len + 3) / 4 * 4;
}

static inline void answer_status(struct answer *a, uint16_t type, int32_t error, uint32_t seq)
{
	answer_begin(a, type, type == NLMSG_DONE ? NLM_F_MULTI : 0, seq);
	memcpy(mnl_nlmsg_put_extra_header(a->nlh, sizeof(error)), &error, sizeof(error));
	if (type == NLMSG_ERROR)
		mnl_nlmsg_put_extra_header(a->nlh, sizeof(struct nlmsghdr));
	answer_end(a);
}

static inline void answer_device(struct answer *a, uint8_t private_byte)
{
	uint8_t key[KEY_SIZE];

	mnl_attr_put_u16(a->nlh, WGDEVICE_A_LISTEN_PORT, 51820);
	mnl_attr_put_u32(a->nlh, WGDEVICE_A_FWMARK, 0);
	mnl_attr_put_u32(a->nlh, WGDEVICE_A_IFINDEX, 7);
	mnl_attr_put_strz(a->nlh, WGDEVICE_A_IFNAME, "wg0");
	if (private_byte) {
		memset(key, private_byte, sizeof(key));
		mnl_attr_put(a->nlh, WGDEVICE_A_PRIVATE_KEY, KEY_SIZE, key);
		key[0] = 0;
		mnl_attr_put(a->nlh, WGDEVICE_A_PUBLIC_KEY, KEY_SIZE, key);
	}
}

static inline void answer_peer(struct answer *a, unsigned int i, int psk_byte)
{
	const int64_t handshake[2] = { 1700000000, 123456789 };
	uint8_t key[KEY_SIZE];

	if (!a->peers)
		a->peers = mnl_attr_nest_start(a->nlh, WGDEVICE_A_PEERS);
	if (a->ips)
		mnl_attr_nest_end(a->nlh, a->ips);
	if (a->peer)
		mnl_attr_nest_end(a->nlh, a->peer);
	a->peer = mnl_attr_nest_start(a->nlh, 0);
	a->ips = NULL;
	key_of(key, i);
	mnl_attr_put(a->nlh, WGPEER_A_PUBLIC_KEY, KEY_SIZE, key);
	if (psk_byte >= 0) {
		memset(key, psk_byte, KEY_SIZE);
		mnl_attr_put(a->nlh, WGPEER_A_PRESHARED_KEY, KEY_SIZE, key);
		mnl_attr_put(a->nlh, WGPEER_A_LAST_HANDSHAKE_TIME, sizeof(handshake), handshake);
		mnl_attr_put_u16(a->nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, (uint16_t)(25 + i));
		mnl_attr_put(a->nlh, WGPEER_A_UNSPEC, 0, NULL); /* the kernel's padding */
		mnl_attr_put_u64(a->nlh, WGPEER_A_TX_BYTES, 148);
		mnl_attr_put_u64(a->nlh, WGPEER_A_RX_BYTES, 92);
		mnl_attr_put_u32(a->nlh, WGPEER_A_PROTOCOL_VERSION, 1);
		mnl_attr_put_u32(a->nlh, 15, 1); /* of a later kernel */
		mnl_attr_put_u32(a->nlh, 300, 1);
	}
}

static inline void answer_ip(struct answer *a, uint32_t i)
{
	struct nlattr *nest;

	if (!a->ips)
		a->ips = mnl_attr_nest_start(a->nlh, WGPEER_A_ALLOWEDIPS);
	nest = mnl_attr_nest_start(a->nlh, 0);
	mnl_attr_put_u8(a->nlh, WGALLOWEDIP_A_CIDR_MASK, 32);
	mnl_attr_put_u16(a->nlh, WGALLOWEDIP_A_FAMILY, AF_INET);
	mnl_attr_put_u32(a->nlh, WGALLOWEDIP_A_IPADDR, i);
	mnl_attr_nest_end(a->nlh, nest);
}
