/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/unreachable.h"

#include <stdbool.h>
#include <string.h>

#include "tunnel/inet.h"

#define ICMP_HEADER 8u /* of both: type, code, checksum, four bytes without a meaning here */
#define ICMP4_MAX 576u /* RFC 1812 section 4.3.2.3 */
#define ICMP4_UNREACHABLE 3
#define ICMP4_HOST 1
#define ICMP6_UNREACHABLE 1
#define ICMP6_ADDRESS 3
#define TTL 64
#define TOS_CONTROL 0xc0 /* RFC 1812 section 4.3.2.5: internetwork control */

/* Next headers of RFC 8200 section 4, and of RFC 4302. */
#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define NEXT_DESTINATION 60
#define EXTENSIONS_MAX 8u

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Not "this network", loopback, multicast, reserved or broadcast. */
static bool is_host4(const uint8_t *address)
{
	return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

static bool is_host6(const uint8_t *address)
{
	static const uint8_t zeros[15];

	/* :: and ::1 */
	return address[0] != 0xff && (memcmp(address, zeros, sizeof(zeros)) != 0 || address[15] > 1);
}

/* Unreachable, source quench, redirect, time exceeded, parameter problem; and what nobody knows. */
static bool is_error4(uint8_t type)
{
	return (type >= 3 && type <= 5) || type == 11 || type == 12 || type > 18;
}

/* Redirects too. */
static bool is_error6(uint8_t type)
{
	return type < 128 || type == 137;
}

static size_t answer4(uint8_t *to, const uint8_t *p, size_t len)
{
	const size_t header = (p[0] & 15) * 4u, quoted = smaller(len, ICMP4_MAX - INET4_HEADER - ICMP_HEADER);
	uint8_t *const icmp = to + INET4_HEADER;

	if (len < INET4_HEADER || header < INET4_HEADER || header > len || get16(p + INET4_FRAGMENT) & 0x1fff ||
		!is_host4(p + INET4_SOURCE) || !is_host4(p + INET4_DESTINATION))
		return 0;
	if (p[INET4_PROTOCOL] == INET_ICMP && (header == len || is_error4(p[header])))
		return 0;
	memset(to, 0, INET4_HEADER + ICMP_HEADER);
	to[0] = 0x45;
	to[INET4_TOS] = TOS_CONTROL;
	put16(to + INET4_LENGTH, (uint16_t)(INET4_HEADER + ICMP_HEADER + quoted));
	/* Never fragmented, and so without a number (RFC 6864). */
	put16(to + INET4_FRAGMENT, INET4_DF);
	to[INET4_TTL] = TTL;
	to[INET4_PROTOCOL] = INET_ICMP;
	memcpy(to + INET4_SOURCE, p + INET4_DESTINATION, 4);
	memcpy(to + INET4_DESTINATION, p + INET4_SOURCE, 4);
	inet_store(to + INET4_CHECKSUM, (uint16_t)~inet_fold(inet_sum(to, INET4_HEADER)));
	icmp[0] = ICMP4_UNREACHABLE;
	icmp[1] = ICMP4_HOST;
	memcpy(icmp + ICMP_HEADER, p, quoted);
	inet_store(icmp + ICMP_CHECKSUM, (uint16_t)~inet_fold(inet_sum(icmp, ICMP_HEADER + quoted)));
	return INET4_HEADER + ICMP_HEADER + quoted;
}

/* The protocol that the headers lead to, and where it begins; negative: none, or a fragment but the first. */
static int upper6(const uint8_t *p, size_t len, size_t *ret_at)
{
	uint8_t next = p[INET6_NEXT];
	size_t at = INET6_HEADER, step;

	for (unsigned int i = 0; i < EXTENSIONS_MAX; i++) {
		const bool extension = next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_DESTINATION;

		if (!extension && next != NEXT_FRAGMENT && next != NEXT_AUTHENTICATION) {
			*ret_at = at;
			return next;
		}
		/* None of them is shorter. */
		if (len - at < 8)
			return -1;
		if (next == NEXT_FRAGMENT && get16(p + at + 2) & 0xfff8)
			return -1;
		step = extension ? (p[at + 1] + 1u) * 8u : next == NEXT_AUTHENTICATION ? (p[at + 1] + 2u) * 4u : 8u;
		if (len - at < step)
			return -1;
		next = p[at];
		at += step;
	}
	return -1;
}

static size_t answer6(uint8_t *to, const uint8_t *p, size_t len)
{
	const size_t quoted = smaller(len, UNREACHABLE_MAX - INET6_HEADER - ICMP_HEADER);
	uint8_t *const icmp = to + INET6_HEADER;
	size_t at;
	int upper;

	if (len < INET6_HEADER || !is_host6(p + INET6_SOURCE) || !is_host6(p + INET6_DESTINATION))
		return 0;
	upper = upper6(p, len, &at);
	if (upper < 0 || (upper == INET_ICMP6 && (at == len || is_error6(p[at]))))
		return 0;
	memset(to, 0, INET6_HEADER + ICMP_HEADER);
	to[0] = 0x60;
	put16(to + INET6_LENGTH, (uint16_t)(ICMP_HEADER + quoted));
	to[INET6_NEXT] = INET_ICMP6;
	to[INET6_HOPS] = TTL;
	memcpy(to + INET6_SOURCE, p + INET6_DESTINATION, 16);
	memcpy(to + INET6_DESTINATION, p + INET6_SOURCE, 16);
	icmp[0] = ICMP6_UNREACHABLE;
	icmp[1] = ICMP6_ADDRESS;
	memcpy(icmp + ICMP_HEADER, p, quoted);
	inet_store(icmp + ICMP_CHECKSUM, (uint16_t)~inet_fold(inet_pseudo(true, to + INET6_SOURCE, INET_ICMP6, (uint32_t)(ICMP_HEADER + quoted)) +
		inet_sum(icmp, ICMP_HEADER + quoted)));
	return INET6_HEADER + ICMP_HEADER + quoted;
}

size_t unreachable_answer(uint8_t *to, const uint8_t *packet, size_t len)
{
	if (len == 0)
		return 0;
	switch (packet[0] >> 4) {
	case 4:
		return answer4(to, packet, len);
	case 6:
		return answer6(to, packet, len);
	default:
		return 0;
	}
}
