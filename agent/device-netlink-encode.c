/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>

#include "agent/device-netlink-message.h"

static struct nlmsghdr *message_begin(void *buf, uint16_t type, uint16_t flags, uint32_t seq, uint8_t command,
	uint8_t version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_seq = seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = version;
	return nlh;
}

size_t device_netlink_encode_get_family(void *buf, uint32_t seq)
{
	struct nlmsghdr *nlh = message_begin(buf, GENL_ID_CTRL, NLM_F_REQUEST, seq, CTRL_CMD_GETFAMILY, 1);

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	return nlh->nlmsg_len;
}

size_t device_netlink_encode_get(void *buf, uint16_t family, uint32_t seq, const char *ifname)
{
	struct nlmsghdr *nlh =
		message_begin(buf, family, NLM_F_REQUEST | NLM_F_DUMP, seq, WG_CMD_GET_DEVICE, WG_GENL_VERSION);

	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, ifname);
	return nlh->nlmsg_len;
}

static bool put_key(struct nlmsghdr *nlh, size_t size, uint16_t type, const uint8_t key[static KEY_SIZE])
{
	return mnl_attr_put_check(nlh, size, type, KEY_SIZE, key);
}

static bool put_endpoint(struct nlmsghdr *nlh, size_t size, const union device_endpoint *endpoint)
{
	if (endpoint->any.sa_family == AF_INET)
		return mnl_attr_put_check(nlh, size, WGPEER_A_ENDPOINT, sizeof(endpoint->v4), &endpoint->v4);
	if (endpoint->any.sa_family == AF_INET6)
		return mnl_attr_put_check(nlh, size, WGPEER_A_ENDPOINT, sizeof(endpoint->v6), &endpoint->v6);
	return true;
}

static bool put_allowed_ip(struct nlmsghdr *nlh, size_t size, const struct device_allowed_ip *ip)
{
	const size_t len = ip->family == AF_INET ? sizeof(ip->v4) : sizeof(ip->v6);
	struct nlattr *nest = mnl_attr_nest_start_check(nlh, size, 0);

	if (!nest)
		return false;
	if (!mnl_attr_put_u16_check(nlh, size, WGALLOWEDIP_A_FAMILY, ip->family) ||
		!mnl_attr_put_check(nlh, size, WGALLOWEDIP_A_IPADDR, len, &ip->v4) ||
		!mnl_attr_put_u8_check(nlh, size, WGALLOWEDIP_A_CIDR_MASK, ip->cidr)) {
		mnl_attr_nest_cancel(nlh, nest);
		return false;
	}
	mnl_attr_nest_end(nlh, nest);
	return true;
}

/* From *next on, as many as there is room for; *next is moved behind them. False: not even the empty nest. */
static bool put_allowed_ips(struct nlmsghdr *nlh, size_t size, const struct device_peer_change *p, size_t *next)
{
	struct nlattr *nest;

	if (*next == p->n_allowed_ips)
		return true;
	nest = mnl_attr_nest_start_check(nlh, size, WGPEER_A_ALLOWEDIPS);
	if (!nest)
		return false;
	while (*next < p->n_allowed_ips && put_allowed_ip(nlh, size, &p->allowed_ips[*next]))
		(*next)++;
	mnl_attr_nest_end(nlh, nest);
	return true;
}

static bool put_peer_begin(struct nlmsghdr *nlh, size_t size, const struct device_peer_change *p, uint32_t flags,
	struct nlattr **ret_nest)
{
	*ret_nest = mnl_attr_nest_start_check(nlh, size, 0);
	return *ret_nest && put_key(nlh, size, WGPEER_A_PUBLIC_KEY, p->public_key) &&
		mnl_attr_put_u32_check(nlh, size, WGPEER_A_FLAGS, flags);
}

static bool put_update(struct nlmsghdr *nlh, size_t size, const struct device_peer_change *p)
{
	struct nlattr *nest;

	if (!put_peer_begin(nlh, size, p, WGPEER_F_UPDATE_ONLY, &nest) ||
		(p->preshared_key &&
			!put_key(nlh, size, WGPEER_A_PRESHARED_KEY, secret_key(p->preshared_key))) ||
		(p->set_keepalive &&
			!mnl_attr_put_u16_check(nlh, size, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, p->keepalive)))
		return false;
	mnl_attr_nest_end(nlh, nest);
	return true;
}

static bool put_renew(struct nlmsghdr *nlh, size_t size, const struct device_peer_change *p, size_t *next)
{
	struct nlattr *nest;

	if (!put_peer_begin(nlh, size, p, WGPEER_F_REMOVE_ME, &nest))
		return false;
	mnl_attr_nest_end(nlh, nest);

	if (!put_peer_begin(nlh, size, p, WGPEER_F_REPLACE_ALLOWEDIPS, &nest) ||
		(p->preshared_key &&
			!put_key(nlh, size, WGPEER_A_PRESHARED_KEY, secret_key(p->preshared_key))) ||
		!put_endpoint(nlh, size, &p->endpoint) ||
		!mnl_attr_put_u16_check(nlh, size, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, p->keepalive) ||
		!put_allowed_ips(nlh, size, p, next))
		return false;
	mnl_attr_nest_end(nlh, nest);
	return true;
}

static bool put_continued(struct nlmsghdr *nlh, size_t size, const struct device_peer_change *p, size_t *next)
{
	struct nlattr *nest;

	if (!put_peer_begin(nlh, size, p, WGPEER_F_UPDATE_ONLY, &nest) || !put_allowed_ips(nlh, size, p, next))
		return false;
	mnl_attr_nest_end(nlh, nest);
	return true;
}

/*
 * Puts the next peer, or the next part of one that is being continued. False: no room, and the message is as it was. A peer
 * is cut in two only where it has a message of its own (alone), so that small ones never are.
 */
static bool put_next_peer(struct device_netlink_encoder *e, struct nlmsghdr *nlh, size_t size, bool alone)
{
	const struct device_peer_change *p = &e->change->peers[e->peer];
	const uint32_t len_before = nlh->nlmsg_len;
	const bool renew = p->how == DEVICE_PEER_RENEW;
	size_t next = e->allowed_ip;
	bool fits;

	if (!renew)
		fits = put_update(nlh, size, p);
	else if (e->allowed_ip == 0)
		fits = put_renew(nlh, size, p, &next);
	else
		fits = put_continued(nlh, size, p, &next);
	if (!fits || (renew && next < p->n_allowed_ips && !alone)) {
		nlh->nlmsg_len = len_before;
		return false;
	}
	if (renew && next < p->n_allowed_ips) {
		e->allowed_ip = next;
	} else {
		e->peer++;
		e->allowed_ip = 0;
	}
	return true;
}

int device_netlink_encode_set(struct device_netlink_encoder *e, void *buf, size_t size, uint16_t family, uint32_t seq)
{
	static const uint8_t no_key[KEY_SIZE];
	const struct device_change *c = e->change;
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	size_t n = 0;

	if (e->begun && e->peer == c->n_peers)
		return 0;
	if (!e->begun) {
		int r = device_change_check(c);

		if (r < 0)
			return r;
	}
	nlh = message_begin(buf, family, NLM_F_REQUEST | NLM_F_ACK, seq, WG_CMD_SET_DEVICE, WG_GENL_VERSION);
	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, e->ifname);
	if (!e->begun && c->private_key_how != DEVICE_PRIVATE_KEY_LEAVE)
		put_key(nlh, size, WGDEVICE_A_PRIVATE_KEY,
			c->private_key_how == DEVICE_PRIVATE_KEY_SET ? secret_key(c->private_key) : no_key);
	e->begun = true;
	if (e->peer == c->n_peers)
		return (int)nlh->nlmsg_len;

	nest = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	while (e->peer < c->n_peers && put_next_peer(e, nlh, size, n == 0)) {
		n++;
		/* The rest of a continued peer has the next message to itself, as the rules for cutting want it. */
		if (e->allowed_ip > 0)
			break;
	}
	if (n == 0)
		return -EMSGSIZE;
	mnl_attr_nest_end(nlh, nest);
	return (int)nlh->nlmsg_len;
}
