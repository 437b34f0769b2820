/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coalescing packets of one flow into one that a TUN device takes with a struct virtio_net_hdr: the opposite of
 * tunnel/gso.h. Pure: it borrows the packets' bytes, writes headers into them, and hands out pieces for writev.
 *
 * What is put together could have been cut from one: same addresses, ports, header fields and options, texts that follow one another
 * and have one length (the last may be shorter), valid checksums. Nothing else is touched: fragments, IPv4 options, IPv6
 * extension headers, TCP with SYN, FIN, RST, URG or CWR, empty texts, wrong checksums. Packets of a flow stay in order.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define GRO_PACKETS_MAX 1024u /* between two flushes */
#define GRO_GROUP_MAX 128u   /* packets in one */

struct gro_packet {
	uint8_t *bytes;
	uint32_t len;
	uint16_t header_len; /* of IP and TCP or UDP */
	uint16_t next;	     /* of the same group */
};

struct gro_group {
	uint16_t first, last; /* in packets; alone it may be anything, several are one flow */
	uint16_t n;
	uint16_t size;	      /* of a text; 0: takes no more */
	uint32_t len;	      /* of all */
	uint32_t sequence;    /* of the text that would follow; UDP: not used */
	uint8_t version, protocol;
	bool checked;	      /* the first one's checksums, by the second */
};

struct gro {
	bool udp; /* may UDP be coalesced? Only if the device has USO */
	uint16_t n_packets, n_groups;
	struct gro_packet packets[GRO_PACKETS_MAX];
	struct gro_group groups[GRO_PACKETS_MAX];
	struct virtio_net_hdr header;
	struct iovec iov[GRO_GROUP_MAX + 1];
};

/* packet: an IP packet of exactly len bytes, whole, that stays where it is until the flush. False: full, flush first. */
bool gro_add(struct gro *g, uint8_t *packet, uint32_t len);

/* Hands out one group after the other: its header and pieces. 0: no more; all is empty then and begins anew. */
int gro_next(struct gro *g, uint16_t *cursor, const struct iovec **ret_iov);
