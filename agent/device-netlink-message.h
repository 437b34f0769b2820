/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generic netlink messages of the kernel's WireGuard, as bytes (linux/wireguard.h says what is in them). Pure: no socket here.
 * Buffers are the caller's: guarded, wiped after use, aligned to four bytes and a multiple of four long (MNL_ALIGN).
 */
#pragma once

#include "agent/device-build.h"
#include "agent/device.h"

/*
 * What the kernel fills at most in one piece of a dump, if the reader's buffer is that long; and what one of our messages may
 * hold (a nest of netlink attributes ends at 64 KiB).
 */
#define DEVICE_NETLINK_MESSAGE_MAX 32768u

/* CTRL_CMD_GETFAMILY for "wireguard"; returns the length. */
size_t device_netlink_encode_get_family(void *buf, uint32_t seq);
/* WG_CMD_GET_DEVICE, a dump. */
size_t device_netlink_encode_get(void *buf, uint16_t family, uint32_t seq, const char *ifname);

/*
 * WG_CMD_SET_DEVICE, as many messages as it takes. A peer's RENEW is REMOVE_ME and the same peer again, in one message always:
 * the kernel holds the device's lock for the whole of a message. Allowed-ips that do not fit even into a message of the peer's
 * own follow in the next, with UPDATE_ONLY, so that a peer that somebody else removed meanwhile does not come back without a PSK.
 * A change of nothing is one message, too: it asks whether there is such an interface.
 */
struct device_netlink_encoder {
	const char *ifname;
	const struct device_change *change;
	bool begun;
	size_t peer;	   /* the next one to encode */
	size_t allowed_ip; /* of that peer, where it is being continued */
};

/* size >= 512. The length of the next message; 0: that was all. -EINVAL: the change breaks device.h's rules. */
int device_netlink_encode_set(struct device_netlink_encoder *e, void *buf, size_t size, uint16_t family, uint32_t seq);

/*
 * Answers. Messages with another sequence number (late answers to a request that was given up) are skipped.
 * A dump that somebody's SET_DEVICE cut through is flagged interrupted: what was read is not one state of the device.
 */
enum device_netlink_progress { DEVICE_NETLINK_MORE, DEVICE_NETLINK_DONE };

struct device_netlink_decoder {
	uint32_t seq;
	uint16_t family;	       /* 0: GENL_ID_CTRL's answer about the family is wanted */
	uint16_t ret_family;	       /* 0: not told yet */
	bool want_dump;		       /* NLMSG_ERROR with 0 is then not the end */
	bool interrupted;
	bool finished;		       /* the kernel is through with the request, also where it says an error */
	struct device_builder builder; /* only for WG_CMD_GET_DEVICE */
};

/*
 * One datagram. enum device_netlink_progress, or the negative errno that the kernel answered, or
 * -EBADMSG: not as linux/wireguard.h says; -ENOMEM, -E2BIG.
 */
int device_netlink_decode(struct device_netlink_decoder *d, const void *buf, size_t len);
