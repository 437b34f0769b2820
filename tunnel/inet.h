/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What segmenting, coalescing and ICMP's answers need of IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293), UDP (RFC 768) and ICMP: fields at their offsets,
 * unaligned, and the Internet checksum (RFC 1071).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INET4_HEADER 20u
#define INET6_HEADER 40u
#define TCP_HEADER 20u
#define UDP_HEADER 8u
#define INET_ICMP 1
#define INET_TCP 6
#define INET_UDP 17
#define INET_ICMP6 58

/* Offsets. */
#define INET4_TOS 1
#define INET4_LENGTH 2
#define INET4_ID 4
#define INET4_FRAGMENT 6 /* flags and offset */
#define INET4_TTL 8
#define INET4_PROTOCOL 9
#define INET4_CHECKSUM 10
#define INET4_SOURCE 12
#define INET4_DESTINATION 16
#define INET6_LENGTH 4 /* of what follows the header */
#define INET6_NEXT 6
#define INET6_HOPS 7
#define INET6_SOURCE 8
#define INET6_DESTINATION 24
#define ICMP_CHECKSUM 2
#define TCP_SEQUENCE 4
#define TCP_ACK 8
#define TCP_DATA_OFFSET 12
#define TCP_FLAGS 13
#define TCP_CHECKSUM 16
#define UDP_LENGTH 4
#define UDP_CHECKSUM 6

#define INET4_DF 0x4000
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_ACKED 0x10
#define TCP_ECE 0x40
#define TCP_CWR 0x80

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

/*
 * A sum that is not folded yet, in the byte order of memory: the checksum does not mind which (RFC 1071 section 2 B). Sums
 * of pieces may be added where each piece but the last has an even length. Longer than any packet, it cannot overflow.
 */
static inline uint64_t inet_sum(const uint8_t *p, size_t len)
{
	/* What every processor has; where it has none the compiler makes two numbers of it. */
	typedef uint64_t pair __attribute__((vector_size(16)));
	const pair low = { 0xffffffff, 0xffffffff };
	pair lows = { 0 }, highs = { 0 }, v[4];
	uint64_t a, b;
	uint16_t last = 0;
	uint32_t w;

	for (; len >= sizeof(v); p += sizeof(v), len -= sizeof(v)) {
		memcpy(v, p, sizeof(v));
		lows += ((v[0] & low) + (v[1] & low)) + ((v[2] & low) + (v[3] & low));
		highs += ((v[0] >> 32) + (v[1] >> 32)) + ((v[2] >> 32) + (v[3] >> 32));
	}
	a = lows[0] + highs[0];
	b = lows[1] + highs[1];
	for (; len >= sizeof(w); p += sizeof(w), len -= sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		a += w;
	}
	if (len >= 2) {
		memcpy(&last, p, 2);
		a += last;
		p += 2;
		len -= 2;
	}
	if (len) {
		last = 0;
		memcpy(&last, p, 1);
		b += last;
	}
	return a + b;
}

/* In the byte order of memory: to be stored with memcpy, after ~. */
static inline uint16_t inet_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline void inet_store(uint8_t *at, uint16_t checksum)
{
	memcpy(at, &checksum, sizeof(checksum));
}

/* The pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1). addresses: source, then destination. */
static inline uint64_t inet_pseudo(bool v6, const uint8_t *addresses, uint8_t protocol, uint32_t len)
{
	uint8_t rest[8] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, protocol };

	return inet_sum(addresses, v6 ? 32 : 8) + inet_sum(rest, sizeof(rest));
}
