/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>

#include "agent/device-attributes.h"
#include "agent/device-netlink-message.h"
#include "common/clock.h"

#define ATTRIBUTE_MAX 16 /* more than any of the sets in use here has */

/* By type; what is longer known to the kernel than to us is passed over. */
static void attributes_nested(const struct nlattr *table[static ATTRIBUTE_MAX], const struct nlattr *nest)
{
	const struct nlattr *a;

	memset(table, 0, ATTRIBUTE_MAX * sizeof(table[0]));
	device_attribute_for_each_nested(a, nest)
		if (mnl_attr_get_type(a) < ATTRIBUTE_MAX)
			table[mnl_attr_get_type(a)] = a;
}

static void attributes_message(const struct nlattr *table[static ATTRIBUTE_MAX], const struct nlmsghdr *nlh)
{
	const struct nlattr *a;

	memset(table, 0, ATTRIBUTE_MAX * sizeof(table[0]));
	device_attribute_for_each(a, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(a) < ATTRIBUTE_MAX)
			table[mnl_attr_get_type(a)] = a;
}

/* An attribute that may be missing, of exactly this size where it is there. */
static int get_fixed(void *ret, const struct nlattr *a, size_t size)
{
	if (!a)
		return 0;
	if (mnl_attr_get_payload_len(a) != size)
		return -EBADMSG;
	memcpy(ret, mnl_attr_get_payload(a), size);
	return 0;
}

static int get_secret(struct secret **ret, const struct nlattr *a)
{
	if (!a)
		return 0;
	if (mnl_attr_get_payload_len(a) != KEY_SIZE)
		return -EBADMSG;
	return device_builder_key(ret, mnl_attr_get_payload(a));
}

static int get_endpoint(union device_endpoint *ret, const struct nlattr *a)
{
	sa_family_t family;

	if (!a)
		return 0;
	if (mnl_attr_get_payload_len(a) < sizeof(family))
		return -EBADMSG;
	memcpy(&family, mnl_attr_get_payload(a), sizeof(family));
	switch (family) {
	case AF_UNSPEC:
		return 0;
	case AF_INET:
		return get_fixed(&ret->v4, a, sizeof(ret->v4));
	case AF_INET6:
		return get_fixed(&ret->v6, a, sizeof(ret->v6));
	default:
		return -EBADMSG;
	}
}

static int get_handshake(uint64_t *ret_us, const struct nlattr *a)
{
	struct {
		int64_t seconds, nanoseconds; /* struct __kernel_timespec */
	} t = { 0 };
	int r = get_fixed(&t, a, sizeof(t));

	if (r < 0)
		return r;
	if (t.seconds < 0 || t.seconds > INT64_MAX / (int64_t)US_PER_SEC - 1 || t.nanoseconds < 0 ||
		t.nanoseconds >= 1000000000)
		return -EBADMSG;
	if (a)
		*ret_us = (uint64_t)t.seconds * US_PER_SEC + (uint64_t)t.nanoseconds / 1000;
	return 0;
}

static int decode_allowed_ip(struct device_builder *b, const struct nlattr *nest)
{
	const struct nlattr *table[ATTRIBUTE_MAX];
	struct device_allowed_ip ip = { 0 };
	uint16_t family = 0;
	int r;

	attributes_nested(table, nest);
	if (!table[WGALLOWEDIP_A_FAMILY] || !table[WGALLOWEDIP_A_IPADDR] || !table[WGALLOWEDIP_A_CIDR_MASK])
		return -EBADMSG;
	if (get_fixed(&family, table[WGALLOWEDIP_A_FAMILY], sizeof(family)) < 0 ||
		get_fixed(&ip.cidr, table[WGALLOWEDIP_A_CIDR_MASK], sizeof(ip.cidr)) < 0)
		return -EBADMSG;
	ip.family = family;
	switch (family) {
	case AF_INET:
		r = get_fixed(&ip.v4, table[WGALLOWEDIP_A_IPADDR], sizeof(ip.v4));
		break;
	case AF_INET6:
		r = get_fixed(&ip.v6, table[WGALLOWEDIP_A_IPADDR], sizeof(ip.v6));
		break;
	default:
		return -EBADMSG;
	}
	if (r < 0 || ip.cidr > (family == AF_INET ? 32 : 128))
		return -EBADMSG;
	return device_builder_add_allowed_ip(b, &ip);
}

static int decode_peer(struct device_builder *b, const struct nlattr *nest)
{
	const struct nlattr *table[ATTRIBUTE_MAX], *a;
	uint8_t public_key[KEY_SIZE];
	struct device_peer *peer = device_builder_peer(b);
	int r;

	attributes_nested(table, nest);
	if (!table[WGPEER_A_PUBLIC_KEY] || get_fixed(public_key, table[WGPEER_A_PUBLIC_KEY], KEY_SIZE) < 0)
		return -EBADMSG;
	/* The peer of the message before goes on: then only the key and further allowed-ips are here. */
	if (!peer || !key_equal(peer->public_key, public_key)) {
		r = device_builder_add_peer(b, public_key, &peer);
		if (r < 0)
			return r;
	}
	if ((r = get_secret(&peer->preshared_key, table[WGPEER_A_PRESHARED_KEY])) < 0 ||
		(r = get_endpoint(&peer->endpoint, table[WGPEER_A_ENDPOINT])) < 0 ||
		(r = get_handshake(&peer->last_handshake_us, table[WGPEER_A_LAST_HANDSHAKE_TIME])) < 0 ||
		(r = get_fixed(&peer->keepalive, table[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL],
			 sizeof(peer->keepalive))) < 0 ||
		(r = get_fixed(&peer->rx_bytes, table[WGPEER_A_RX_BYTES], sizeof(peer->rx_bytes))) < 0 ||
		(r = get_fixed(&peer->tx_bytes, table[WGPEER_A_TX_BYTES], sizeof(peer->tx_bytes))) < 0)
		return r;
	if (table[WGPEER_A_ALLOWEDIPS])
		device_attribute_for_each_nested(a, table[WGPEER_A_ALLOWEDIPS])
		{
			r = decode_allowed_ip(b, a);
			if (r < 0)
				return r;
		}
	return 0;
}

static int decode_device(struct device_builder *b, const struct nlmsghdr *nlh)
{
	const struct nlattr *table[ATTRIBUTE_MAX], *a;
	struct device *d = b->device;
	int r;

	attributes_message(table, nlh);
	if (table[WGDEVICE_A_IFNAME]) {
		const char *name = mnl_attr_get_payload(table[WGDEVICE_A_IFNAME]);
		const size_t len = mnl_attr_get_payload_len(table[WGDEVICE_A_IFNAME]);

		if (len == 0 || len > IF_NAMESIZE || name[len - 1] != '\0')
			return -EBADMSG;
		memset(d->ifname, 0, sizeof(d->ifname));
		memcpy(d->ifname, name, len);
	}
	if ((r = get_fixed(&d->ifindex, table[WGDEVICE_A_IFINDEX], sizeof(d->ifindex))) < 0 ||
		(r = get_secret(&d->private_key, table[WGDEVICE_A_PRIVATE_KEY])) < 0 ||
		(r = get_fixed(d->public_key, table[WGDEVICE_A_PUBLIC_KEY], KEY_SIZE)) < 0 ||
		(r = get_fixed(&d->listen_port, table[WGDEVICE_A_LISTEN_PORT], sizeof(d->listen_port))) < 0)
		return r;
	if (table[WGDEVICE_A_PEERS])
		device_attribute_for_each_nested(a, table[WGDEVICE_A_PEERS])
		{
			r = decode_peer(b, a);
			if (r < 0)
				return r;
		}
	return 0;
}

static int decode_answer(struct device_netlink_decoder *d, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *table[ATTRIBUTE_MAX];

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*genl))
		return -EBADMSG;
	if (d->family == 0) {
		if (nlh->nlmsg_type != GENL_ID_CTRL || genl->cmd != CTRL_CMD_NEWFAMILY)
			return -EBADMSG;
		attributes_message(table, nlh);
		if (!table[CTRL_ATTR_FAMILY_ID] ||
			get_fixed(&d->ret_family, table[CTRL_ATTR_FAMILY_ID], sizeof(d->ret_family)) < 0 ||
			d->ret_family < NLMSG_MIN_TYPE)
			return -EBADMSG;
		/* No acknowledgement was asked for. */
		d->finished = true;
		return DEVICE_NETLINK_DONE;
	}
	if (nlh->nlmsg_type != d->family || genl->cmd != WG_CMD_GET_DEVICE || !d->want_dump)
		return -EBADMSG;
	return decode_device(&d->builder, nlh);
}

/* NLMSG_ERROR and NLMSG_DONE both begin with an int: zero or a negative errno. */
static int decode_end(struct device_netlink_decoder *d, const struct nlmsghdr *nlh)
{
	int32_t error = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(error)) {
		/* Not all kernels gave NLMSG_DONE a value. */
		if (nlh->nlmsg_type == NLMSG_ERROR)
			return -EBADMSG;
	} else {
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	}
	if (error > 0 || error < -4095)
		return -EBADMSG;
	if (nlh->nlmsg_type == NLMSG_ERROR && error == 0 && d->want_dump)
		return DEVICE_NETLINK_MORE;
	d->finished = true;
	return error < 0 ? error : DEVICE_NETLINK_DONE;
}

int device_netlink_decode(struct device_netlink_decoder *d, const void *buf, size_t len)
{
	const struct nlmsghdr *nlh = buf;
	int r;

	for (; device_message_ok(nlh, len); nlh = device_message_next(nlh, &len)) {
		if (nlh->nlmsg_seq != d->seq || nlh->nlmsg_type == NLMSG_NOOP)
			continue;
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
			d->interrupted = true;
		if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE)
			r = decode_end(d, nlh);
		else
			r = decode_answer(d, nlh);
		if (r != DEVICE_NETLINK_MORE)
			return r;
	}
	return len > 0 ? -EBADMSG : DEVICE_NETLINK_MORE;
}
