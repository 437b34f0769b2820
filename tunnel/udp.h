/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The UDP sockets, one for IPv4 and one for IPv6 on the same port: many packets per call (UDP_SEGMENT, UDP_GRO, recvmmsg), the
 * source address of what is sent, and the congestion marks of what is carried (RFC 6040 as WireGuard applies it).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tunnel/endpoint.h"

#define UDP_SEGMENTS_MAX 64u   /* per UDP_SEGMENT send, before Linux 6.9 */
#define UDP_PAYLOAD_MAX 65507u /* of one send, in IPv4 */
#define UDP_BATCH 16u	       /* messages per recvmmsg, each of up to UDP_SEGMENTS_MAX packets */
#define UDP_ROOM 65536u	       /* for a message */
/* Before and behind each message, to write on: AEAD_HEADROOM and AEAD_TAILROOM of the first and last text in it. */
#define UDP_HEADROOM 64u

enum {
	UDP_V4,
	UDP_V6,
	_UDP_FAMILIES,
};

struct udp {
	int fd[_UDP_FAMILIES]; /* non-blocking; -1: the kernel lacks the family */
	uint16_t port;
	/* False once the kernel has said that it, or a device, cannot. */
	bool segment[_UDP_FAMILIES];
	/* Segments of this size and above were refused (the route's MTU); 0: none. Tried again after so many sends. */
	uint16_t refused_size;
	uint16_t refused_left;
};

/*
 * Binds both to *port; 0 means any, which is then told. fwmark 0: none. 0, or a negative errno: -EADDRINUSE, -EPERM (a mark without
 * CAP_NET_ADMIN), -EAFNOSUPPORT (neither family).
 */
int udp_open(struct udp *ret, uint16_t *port, uint32_t fwmark);
/* fds become -1. */
void udp_close(struct udp *u);

/*
 * Sends bytes, in packets of `segment` bytes of which the last may be shorter (segment >= len: one packet; at most UDP_SEGMENTS_MAX and
 * UDP_PAYLOAD_MAX in all). ecn: the two bits. *ret_from_refused: the kernel did not take to->from; it went out without. What the kernel's
 * buffer has no room for is lost; if *may_wait it is waited for, 1 ms, and *may_wait is false then: whoever sends much under a lock
 * waits once in all. 0, or the negative errno of the last packet that could not be sent.
 */
int udp_send(struct udp *u, const uint8_t *bytes, size_t len, size_t segment, uint8_t ecn, const struct endpoint *to, bool *may_wait,
	bool *ret_from_refused);

struct udp_message {
	uint8_t *bytes;
	uint32_t len;
	uint32_t segment; /* packets of so many bytes, the last may be shorter */
	uint8_t ecn;
	struct endpoint from;
};

struct udp_batch;

struct udp_batch *udp_batch_new(void);
struct udp_batch *udp_batch_free(struct udp_batch *b);
/*
 * Whatever has arrived, without waiting: how many messages, or a negative errno (-EAGAIN: nothing). They are good until the next call. A
 * message of len 0 is one that was cut off and is to be left out.
 */
int udp_receive(int fd, struct udp_batch *b, const struct udp_message **ret);
