/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cutting and putting together. First byte even: a struct virtio_net_hdr and a packet are cut; what comes out must be accounted for,
 * byte by byte. Odd: packets, each after two bytes of length, are put together, and each group cut again: the same packets must
 * come out, but for the numbers of IPv4 packets that are never fragmented.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/offload-packets.h"
#include "tunnel/gro.h"
#include "tunnel/gso.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS 64

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static void cut(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr h;
	uint8_t *packet;
	size_t len, total = 0, first;
	struct gso g;

	if (size < sizeof(h))
		return;
	memcpy(&h, data, sizeof(h));
	len = size - sizeof(h);
	packet = malloc(len + 1);
	expect(packet != NULL);
	memcpy(packet, data + sizeof(h), len);
	if (gso_begin(&g, &h, packet, len) == 0) {
		first = gso_next_len(&g);
		for (size_t n; (n = gso_next_len(&g)) > 0;) {
			uint8_t *to = malloc(n);

			expect(to && n <= first && n > g.header_len);
			gso_next(&g, to);
			if (g.header_len)
				expect(memcmp(to + g.header_len, packet + g.header_len + total, n - g.header_len) == 0);
			total += n - g.header_len;
			free(to);
		}
		expect(total == len - g.header_len);
	}
	free(packet);
}

/* Numbers of packets that say that they must not be fragmented mean nothing (RFC 6864). */
static void without_id(uint8_t *p, size_t len)
{
	if (len < 20 || p[0] != 0x45 || !(p[6] & 0x40))
		return;
	memset(p + 4, 0, 2);
	memset(p + 10, 0, 2);
	ref_put16(p + 10, 0xffff & ~ref_sum(p, 20, 0));
}

struct given {
	uint8_t *bytes, *before;
	size_t len;
	bool seen;
};

/* One of those that were given, the first of them that was not seen yet. */
static void check_one(struct given *given, unsigned int n, uint8_t *p, size_t len, bool whole)
{
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *before;
		bool same;

		if (given[i].seen || given[i].len != len)
			continue;
		before = malloc(len);
		expect(before != NULL);
		memcpy(before, given[i].before, len);
		if (!whole) {
			without_id(before, len);
			without_id(p, len);
		}
		same = memcmp(before, p, len) == 0;
		free(before);
		if (same) {
			given[i].seen = true;
			return;
		}
	}
	abort();
}

static void together(const uint8_t *data, size_t size)
{
	static struct gro gro;
	struct given given[PACKETS] = { 0 };
	const struct iovec *iov;
	unsigned int n = 0;
	uint16_t cursor = 0;
	int pieces;

	gro.udp = true;
	while (size >= 2 && n < PACKETS) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		if (len == 0)
			continue;
		given[n] = (struct given){ .bytes = malloc(len), .before = malloc(len), .len = len };
		expect(given[n].bytes && given[n].before);
		memcpy(given[n].bytes, data, len);
		memcpy(given[n].before, data, len);
		data += len;
		size -= len;
		expect(gro_add(&gro, given[n].bytes, (uint32_t)len));
		n++;
	}
	while ((pieces = gro_next(&gro, &cursor, &iov)) > 0) {
		size_t len = 0;
		uint8_t *whole;
		struct gso g;

		for (int i = 1; i < pieces; i++)
			len += iov[i].iov_len;
		whole = malloc(len);
		expect(whole != NULL && len <= 65535);
		len = 0;
		for (int i = 1; i < pieces; i++) {
			memcpy(whole + len, iov[i].iov_base, iov[i].iov_len);
			len += iov[i].iov_len;
		}
		expect(gso_begin(&g, iov[0].iov_base, whole, len) == 0);
		for (size_t one; (one = gso_next_len(&g)) > 0;) {
			uint8_t *to = malloc(one);

			expect(to != NULL);
			gso_next(&g, to);
			/* A PSH of several came from the last of them, as it is put on the last again. */
			check_one(given, n, to, one, pieces == 2);
			free(to);
		}
		free(whole);
	}
	for (unsigned int i = 0; i < n; i++) {
		expect(given[i].seen);
		free(given[i].bytes);
		free(given[i].before);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 1)
		together(data + 1, size - 1);
	else
		cut(data + 1, size - 1);
	return 0;
}
