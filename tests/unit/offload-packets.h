/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets for the tests of cutting and putting together, made and checked the long way round: byte by byte, from the RFCs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* RFC 1071 as it is written: 16-bit words, big endian, ones' complement. */
static inline uint16_t ref_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

static inline uint16_t ref_transport_sum(const uint8_t *p, size_t network, size_t len, uint8_t protocol)
{
	const uint32_t n = (uint32_t)(len - network);
	const uint8_t rest[] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, 0, protocol };
	uint16_t sum = p[0] >> 4 == 6 ? ref_sum(p + 8, 32, 0) : ref_sum(p + 12, 8, 0);

	return ref_sum(p + network, len - network, ref_sum(rest, sizeof(rest), sum));
}

struct shape {
	bool v6, udp;
	uint8_t tos, ttl, flags;     /* of TCP */
	uint8_t options;	     /* bytes of TCP's */
	uint16_t id, port;
	bool fragmentable;
	uint32_t sequence, ack;
	uint16_t window;
};

static inline void ref_put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline size_t ref_network(const struct shape *s)
{
	return s->v6 ? 40 : 20;
}

static inline size_t ref_header(const struct shape *s)
{
	return ref_network(s) + (s->udp ? 8 : 20u + s->options);
}

/* A whole packet with checksums. Its length. */
static inline size_t ref_packet(uint8_t *p, const struct shape *s, const uint8_t *text, size_t text_len)
{
	const size_t network = ref_network(s), len = ref_header(s) + text_len;
	uint8_t *const t = p + network;
	unsigned int sum;

	memset(p, 0, ref_header(s));
	if (s->v6) {
		p[0] = (uint8_t)(0x60 | s->tos >> 4);
		p[1] = (uint8_t)(s->tos << 4 | 3);
		ref_put16(p + 4, (unsigned int)(len - 40));
		p[6] = s->udp ? 17 : 6;
		p[7] = s->ttl;
		memset(p + 8, 0xfd, 16);
		memset(p + 24, 0xfe, 16);
	} else {
		p[0] = 0x45;
		p[1] = s->tos;
		ref_put16(p + 2, (unsigned int)len);
		ref_put16(p + 4, s->id);
		p[6] = s->fragmentable ? 0 : 0x40;
		p[8] = s->ttl;
		p[9] = s->udp ? 17 : 6;
		memcpy(p + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
		ref_put16(p + 10, 0xffff & ~ref_sum(p, 20, 0));
	}
	ref_put16(t, s->port);
	ref_put16(t + 2, 5201);
	if (s->udp) {
		ref_put16(t + 4, (unsigned int)(8 + text_len));
	} else {
		ref_put16(t + 4, s->sequence >> 16);
		ref_put16(t + 6, s->sequence & 0xffff);
		ref_put16(t + 8, s->ack >> 16);
		ref_put16(t + 10, s->ack & 0xffff);
		t[12] = (uint8_t)((20 + s->options) / 4 << 4);
		t[13] = s->flags;
		ref_put16(t + 14, s->window);
		memset(t + 20, 1, s->options);
	}
	memcpy(p + ref_header(s), text, text_len);
	sum = 0xffff & ~ref_transport_sum(p, network, len, s->udp ? 17 : 6);
	ref_put16(t + (s->udp ? 6 : 16), s->udp && sum == 0 ? 0xffff : sum);
	return len;
}

/* Valid in all it says about itself? */
static inline bool ref_valid(const uint8_t *p, size_t len)
{
	const bool v6 = p[0] >> 4 == 6;
	const size_t network = v6 ? 40 : 20;

	if (!v6 && ref_sum(p, 20, 0) != 0xffff)
		return false;
	return ref_transport_sum(p, network, len, p[v6 ? 6 : 9]) == 0xffff;
}
