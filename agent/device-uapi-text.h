/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cross-platform userspace protocol (wireguard.com/xplatform) as text. Pure: no socket here. Everything that passes may be a
 * key, so all buffers are guarded memory, and wiped.
 */
#pragma once

#include "agent/device-build.h"
#include "agent/device.h"

/* No key of the protocol has a line nearly that long. */
#define DEVICE_UAPI_LINE_MAX 1024
/* Of the encoder's buffer, at least: a peer's lines up to and with its PSK are never torn. */
#define DEVICE_UAPI_BUFFER_MIN 1024

/*
 * The answer to get=1 or set=1, in pieces as they come. An unknown key is passed over (newer implementations tell more);
 * a known one with a bad value is -EBADMSG.
 */
struct device_uapi_parser {
	char *line; /* guarded */
	size_t len;
	bool complete; /* the empty line at the end was read */
	bool has_errno;
	int error;     /* what errno= said: 0 or a negative errno */
	bool has_peer;
	struct device_builder builder; /* without a device: the answer to a set, which is only errno= */
};

/* want_device: the answer to a get. -ENOMEM. */
int device_uapi_parser_init(struct device_uapi_parser *p, bool want_device);
void device_uapi_parser_clear(struct device_uapi_parser *p);
/* 0, -EBADMSG (also for bytes behind the end), -ENOMEM, -E2BIG. */
int device_uapi_parser_push(struct device_uapi_parser *p, const char *bytes, size_t len);
/* When complete: what errno= said; then *ret is the device (want_device), with its public key computed and no name yet. */
int device_uapi_parser_finish(struct device_uapi_parser *p, struct device **ret);

/*
 * set=1. One operation is what stands between two lines "set=1" (with the empty line at its end); a change of many peers is
 * cut into several. A RENEW is "remove=true" and the same peer again in one operation. wireguard-go takes lines one by one and
 * holds no lock over a peer's: between "public_key" and "preshared_key" the new peer has the zero PSK. These lines are
 * always in one piece, so that this lasts microseconds and not until somebody wakes us up for the next piece.
 */
struct device_uapi_encoder {
	const struct device_change *change;
	bool in_operation;
	bool begun;	       /* the private key was sent, or there is none to send */
	size_t n_in_operation; /* peers */
	size_t peer;
	bool in_peer;	   /* only allowed-ips (from allowed_ip on) are left of it */
	size_t allowed_ip;
};

/*
 * The next piece, into buf of size >= DEVICE_UAPI_BUFFER_MIN (guarded). The length; 0: that was all. *ret_end: the piece ends its
 * operation, wait for the answer before the next. -EINVAL: the change breaks device.h's rules.
 */
int device_uapi_encode_set(struct device_uapi_encoder *e, char *buf, size_t size, bool *ret_end);
