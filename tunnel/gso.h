/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segmenting what comes out of a TUN device with offloads: one packet of up to 64 KiB, of which a struct virtio_net_hdr
 * (virtio 1.2 section 5.1.6) says how it is to be cut, becomes packets of which every checksum is there. Pure.
 *
 * The kernel is not distrusted here, but what it passes on may come from a guest or a raw socket: anything that does not add up is refused.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct gso {
	uint8_t *packet;
	size_t len;
	size_t network_len, header_len; /* of IP; of IP and TCP or UDP. 0: nothing to cut */
	size_t size;			/* of the text of a segment */
	size_t at;			/* of the text that comes next */
	uint16_t n;			/* segments so far */
	uint8_t version, protocol;
};

/*
 * The packet (its bytes belong to the caller and may be written) is cut as h says. 0, or -EINVAL: to be dropped.
 * A packet that is not cut gets its checksum, if h asks for it, and is its only segment.
 */
int gso_begin(struct gso *g, const struct virtio_net_hdr *h, uint8_t *packet, size_t len);

/* How long the next segment is; 0: there is none. Never longer than the first. */
size_t gso_next_len(const struct gso *g);

/* Writes it: gso_next_len bytes. */
void gso_next(struct gso *g, uint8_t *to);
