/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of tunnel/path.h share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tunnel/gro.h"
#include "tunnel/gso.h"
#include "tunnel/path.h"
#include "tunnel/ratelimit.h"
#include "tunnel/stage.h"
#include "tunnel/udp.h"

/* Of a data message (WireGuard whitepaper section 5.4.6): type and reserved bytes, receiver, counter; then text and tag. */
#define DATA_HEADER 16u
#define DATA_TYPE 4u
#define DATA_OVERHEAD (DATA_HEADER + AEAD_TAG_SIZE)
#define DATA_PADDING 16u
#define MESSAGE_TYPE_MIN 1u
#define MESSAGE_TYPE_MAX 3u /* of those that control answers */

/* Segments that one turn under the lock may take: some hundred microseconds. */
#define TURN_PACKETS 256u
#define IN_PACKETS_MAX GRO_PACKETS_MAX

/* Packets of one length for one peer, which go out in one send; only the last may be shorter. */
struct run {
	uint8_t *room; /* AEAD_HEADROOM, then the datagrams one after the other */
	struct aead_packet packets[UDP_SEGMENTS_MAX];
	unsigned int n, n_data;
	size_t used;	/* bytes of datagrams */
	size_t segment; /* the first one's length */
	bool full;	/* a shorter one was the last */
	uint8_t ecn;
	struct peer *peer;
	struct session *session;
};

struct out {
	struct aead_worker *cipher;
	struct run run;
	uint8_t *room; /* a header and a packet as TUN gives them */
	struct stages *stages;
	struct bucket unreachable; /* answers to packets that nobody is there for */
	uint64_t now_us;
	bool may_wait; /* for room in the socket, in this turn */
	struct endpoint refused; /* whose source address the kernel did not take */
	int stop_fd;
	pthread_t thread;
};

struct in_packet {
	struct session *session;
	uint16_t message; /* it came in */
};

struct in {
	struct aead_worker *cipher;
	struct udp_batch *batch;
	struct gro gro;
	unsigned int n;
	struct in_packet packets[IN_PACKETS_MAX];
	struct aead_packet texts[IN_PACKETS_MAX];
	const struct udp_message *messages;
	uint64_t now_us;
	int wake_fd;
	_Atomic uint64_t lively_until_us; /* the other end's next message may be there in a moment */
	_Atomic bool asleep;
	pthread_t thread;
};

struct path {
	struct device *device;
	struct tun tun;
	struct udp udp; /* written by control with both locks */
	uint32_t fwmark;
	uint64_t waited_us; /* control: when it last waited for room in a socket */
	_Atomic uint32_t mtu;
	_Atomic bool stop, ended;
	bool running;
	struct out out;
	struct in in;
};

static inline void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t path_now_us(void);
/* The TUN is gone. */
void path_end(struct path *p);

void *path_out_main(void *path);
void *path_in_main(void *path);

/* Out lock held. Encrypts and sends what the run has. */
void path_flush(struct path *p);
/* Out lock held. As path_ops.send_staged. */
void path_out_staged(struct path *p, struct peer *peer, bool always_one);
/* Out lock held. Nobody is there for the packet, and its sender is told. */
void path_refuse(struct path *p, const uint8_t *packet, size_t len, uint64_t now_us);
