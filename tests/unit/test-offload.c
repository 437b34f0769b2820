/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tunnel/gso and tunnel/gro: held to packets made one by one, and to each other. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sodium.h>

#include "tests/unit/offload-packets.h"
#include "tunnel/gro.h"
#include "tunnel/gso.h"

#define TEXT_MAX 65000

static uint8_t text[TEXT_MAX];
static uint8_t big[66000], out[66000], want[66000];
static struct gro gro;

static struct shape shape_of(bool v6, bool udp)
{
	return (struct shape){ .v6 = v6, .udp = udp, .tos = 0x12, .ttl = 60, .flags = 0x10, .options = 12, .id = 0xfffe, .port = 4000,
		.sequence = 0xfffffa00, .ack = 77, .window = 500 };
}

static struct virtio_net_hdr header_of(const struct shape *s, size_t size)
{
	return (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = s->udp ? VIRTIO_NET_HDR_GSO_UDP_L4 : s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)ref_header(s), .gso_size = (uint16_t)size, .csum_start = (uint16_t)ref_network(s),
		.csum_offset = s->udp ? 6 : 16 };
}

/* As the segment would have been sent by itself. */
static struct shape segment_shape(const struct shape *s, size_t at, size_t i, bool last)
{
	struct shape r = *s;

	r.id = (uint16_t)(s->id + i);
	r.sequence = s->sequence + (uint32_t)at;
	if (!last)
		r.flags &= (uint8_t)~0x09;
	if (i)
		r.flags &= (uint8_t)~0x80;
	return r;
}

static void check_cut(const struct shape *s, size_t len, size_t size)
{
	const struct virtio_net_hdr h = header_of(s, size);
	const size_t packet = ref_packet(big, s, text, len);
	size_t at = 0, n = 0;
	struct gso g;

	assert_int_equal(gso_begin(&g, &h, big, packet), 0);
	for (; at < len; n++) {
		const size_t piece = len - at < size ? len - at : size;
		const struct shape one = segment_shape(s, at, n, at + piece == len);
		const size_t want_len = ref_packet(want, &one, text + at, piece);

		assert_int_equal(gso_next_len(&g), want_len);
		out[want_len] = 0x5a;
		gso_next(&g, out);
		assert_memory_equal(out, want, want_len);
		assert_int_equal(out[want_len], 0x5a);
		at += piece;
	}
	assert_int_equal(gso_next_len(&g), 0);
}

static void test_cut(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct shape s = shape_of(kind & 1, kind & 2);

		check_cut(&s, 64000, 1368);
		check_cut(&s, 1369, 1368);
		check_cut(&s, 1368, 1368);
		check_cut(&s, 1, 1368);
		check_cut(&s, 999, 7);
		if (s.udp)
			continue;
		s.flags = 0x10 | 0x80 | 0x08 | 0x01; /* CWR, PSH, FIN */
		check_cut(&s, 5000, 1000);
		s.options = 40;
		check_cut(&s, 5000, 1001);
		s.options = 0;
		check_cut(&s, 5000, 1001);
	}
}

/* A packet of one piece whose checksum was left to us. */
static void test_checksum_only(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		const struct shape s = shape_of(kind & 1, kind & 2);
		struct virtio_net_hdr h = header_of(&s, 0);
		const size_t len = ref_packet(want, &s, text, 1001), field = h.csum_start + h.csum_offset;
		unsigned int pseudo;
		struct gso g;

		memcpy(big, want, len);
		memset(big + field, 0, 2);
		/* What the kernel leaves there: the pseudo-header's sum. */
		pseudo = (ref_transport_sum(big, ref_network(&s), len, s.udp ? 17 : 6) + 0xffffu -
				 ref_sum(big + ref_network(&s), len - ref_network(&s), 0)) % 0xffff;
		ref_put16(big + field, pseudo);
		h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		assert_int_equal(gso_begin(&g, &h, big, len), 0);
		assert_int_equal(gso_next_len(&g), len);
		gso_next(&g, out);
		assert_int_equal(gso_next_len(&g), 0);
		assert_true(ref_valid(out, len));
		/* Nothing asked for: nothing touched. */
		h.flags = 0;
		assert_int_equal(gso_begin(&g, &h, want, len), 0);
		gso_next(&g, out);
		assert_memory_equal(out, want, len);
	}
}

/* A sum of UDP that comes out as 0 is written as its other form, since 0 means none (RFC 768). */
static void test_zero_sum(void **state)
{
	const struct shape s = shape_of(false, true);
	struct virtio_net_hdr h = header_of(&s, 100);
	uint8_t special[100] = { 0 };
	size_t len = ref_packet(big, &s, special, sizeof(special));
	struct gso g;

	(void)state;
	memcpy(special, big + 26, 2);
	len = ref_packet(big, &s, special, sizeof(special));
	assert_memory_equal(big + 26, "\xff\xff", 2);
	memcpy(want, big, len);
	assert_int_equal(gso_begin(&g, &h, big, len), 0);
	gso_next(&g, out);
	assert_memory_equal(out, want, len);
	h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	ref_put16(big + 26, 0xffffu - ref_sum(big + 20, len - 20, 0));
	assert_int_equal(gso_begin(&g, &h, big, len), 0);
	gso_next(&g, out);
	assert_memory_equal(out, want, len);
}

static void test_refused(void **state)
{
	const struct shape s = shape_of(false, false), s6 = shape_of(true, false);
	const size_t len = ref_packet(big, &s, text, 3000);
	const struct virtio_net_hdr good = header_of(&s, 1000);
	struct virtio_net_hdr h;
	struct gso g;

	(void)state;
	assert_int_equal(gso_begin(&g, &good, big, len), 0);
	assert_int_equal(gso_begin(&g, &good, big, 0), -EINVAL);
	assert_int_equal(gso_begin(&g, &good, big, 39), -EINVAL);
	assert_int_equal(gso_begin(&g, &good, big, 52), -EINVAL); /* headers and nothing behind them */
	for (int i = 0; i < 9; i++) {
		h = good;
		memcpy(out, big, len);
		switch (i) {
		case 0: h.gso_size = 0; break;
		case 1: h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6; break;
		case 2: h.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4; break;
		case 3: h.gso_type = 3; break; /* UDP fragmentation */
		case 4: h.csum_start = 24; break;
		case 5: out[0] = 0x44; break; /* a header too short */
		case 6: out[32] = 0x40; break; /* TCP's */
		case 7: out[0] = 0x75; break; /* no IP */
		case 8: out[32] = 0xf0; h.csum_start = 20; out[2] = 0; assert_int_equal(gso_begin(&g, &h, out, 70), -EINVAL); continue;
		}
		assert_int_equal(gso_begin(&g, &h, out, len), -EINVAL);
	}
	h = header_of(&s6, 1000);
	(void)ref_packet(big, &s6, text, 3000);
	h.csum_start = 39;
	assert_int_equal(gso_begin(&g, &h, big, 3060), -EINVAL);
	h.csum_start = 60000;
	assert_int_equal(gso_begin(&g, &h, big, 3060), -EINVAL);
	/* A checksum outside of the packet. */
	h = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 40, .csum_offset = 3019 };
	assert_int_equal(gso_begin(&g, &h, big, 3060), -EINVAL);
	h.csum_start = 3060;
	h.csum_offset = 0;
	assert_int_equal(gso_begin(&g, &h, big, 3060), -EINVAL);
}

/* Packets of consecutive texts of these lengths, added one after the other, each in its own place. */
struct packets {
	uint8_t bytes[130][1600];
	uint32_t len[130];
	unsigned int n;
};

static struct packets packets;

static void add(const struct shape *s, size_t at, size_t len)
{
	packets.len[packets.n] = (uint32_t)ref_packet(packets.bytes[packets.n], s, text + at, len);
	packets.n++;
}

static void give(void)
{
	gro.udp = true;
	for (unsigned int i = 0; i < packets.n; i++)
		assert_true(gro_add(&gro, packets.bytes[i], packets.len[i]));
	packets.n = 0;
}

/* How many groups, and the lengths of them. */
static unsigned int groups(size_t lens[static 16])
{
	const struct iovec *iov;
	uint16_t cursor = 0;
	unsigned int n = 0;
	int pieces;

	while ((pieces = gro_next(&gro, &cursor, &iov)) > 0) {
		assert_true(n < 16);
		lens[n] = 0;
		for (int i = 1; i < pieces; i++)
			lens[n] += iov[i].iov_len;
		n++;
	}
	return n;
}

static void test_put_together(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		const struct shape s = shape_of(kind & 1, kind & 2);
		const struct virtio_net_hdr want_header = header_of(&s, 1300);
		const struct iovec *iov;
		uint16_t cursor = 0;
		size_t at = 0, len = 0;
		struct gso g;
		int n;

		for (unsigned int i = 0; i < 45; i++) {
			const size_t piece = i == 44 ? 500 : 1300;
			const struct shape one = segment_shape(&s, at, i, true);

			add(&one, at, piece);
			at += piece;
		}
		give();
		n = gro_next(&gro, &cursor, &iov);
		assert_int_equal(n, 46);
		assert_int_equal(iov[0].iov_len, sizeof(want_header));
		assert_memory_equal(iov[0].iov_base, &want_header, sizeof(want_header));
		for (int i = 1; i < n; i++) {
			memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
			len += iov[i].iov_len;
		}
		/* The long packet, but for its checksum, which holds the pseudo-header's sum. */
		assert_int_equal(ref_packet(want, &s, text, at), len);
		ref_put16(want + want_header.csum_start + want_header.csum_offset, 0);
		cursor = (uint16_t)(out[want_header.csum_start + want_header.csum_offset] << 8 |
			out[want_header.csum_start + want_header.csum_offset + 1]);
		ref_put16(out + want_header.csum_start + want_header.csum_offset, 0);
		assert_memory_equal(out, want, len);
		assert_int_equal(ref_transport_sum(out, ref_network(&s), len, s.udp ? 17 : 6) % 0xffff,
			(ref_sum(out + ref_network(&s), len - ref_network(&s), 0) + (uint32_t)cursor) % 0xffff);
		/* And cut again it is what it was. */
		ref_put16(out + want_header.csum_start + want_header.csum_offset, cursor);
		assert_int_equal(gso_begin(&g, iov[0].iov_base, out, len), 0);
		at = 0;
		for (unsigned int i = 0; gso_next_len(&g) > 0; i++) {
			const struct shape one = segment_shape(&s, at, i, true);
			const size_t piece = i == 44 ? 500 : 1300;

			assert_int_equal(gso_next_len(&g), ref_packet(want, &one, text + at, piece));
			gso_next(&g, big);
			assert_memory_equal(big, want, ref_header(&s) + piece);
			at += piece;
		}
		cursor = 1;
		assert_int_equal(gro_next(&gro, &cursor, &iov), 0);
	}
}

/* Two packets, of which the second differs in one thing, stay two; the same two without it become one. */
static void test_kept_apart(void **state)
{
	size_t lens[16];

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		const struct shape s = shape_of(kind & 1, kind & 2);
		const size_t transport = ref_network(&s);

		for (int how = 0; how < 24; how++) {
			struct shape a = s, b = segment_shape(&s, 600, 1, true);
			size_t second = 600;
			unsigned int expect = 2;
			uint8_t *p;

			switch (how) {
			case 1: b.tos ^= 2; break;
			case 2: b.ttl--; break;
			case 3: b.port++; break;
			case 4: second = 601; break;
			case 5: a.fragmentable = true; break;
			case 6: b.fragmentable = a.fragmentable = true; b.id++; break;
			case 7: b.sequence++; break;
			case 8: b.sequence--; break;
			case 9: b.ack++; break;
			case 10: b.window++; break;
			case 11: b.flags |= 0x01; break; /* FIN */
			case 12: b.flags |= 0x02; break; /* SYN */
			case 13: b.flags |= 0x04; break; /* RST */
			case 14: b.flags |= 0x20; break; /* URG */
			case 15: b.flags |= 0x80; break; /* CWR */
			case 16: b.flags |= 0x40; break; /* ECE on one of them */
			case 17: b.options = 16; break;
			case 18: a.flags |= 0x08; break; /* pushed: nothing is to wait behind it */
			case 19: second = 0; break;
			default: break;
			}
			add(&a, 0, 600);
			add(&b, 600, second);
			p = packets.bytes[1];
			switch (how) {
			case 0: expect = 1; break;
			case 20: p[packets.len[1] - 1] ^= 1; break;		 /* a wrong checksum, of the second */
			case 21: packets.bytes[0][packets.len[0] - 1] ^= 1; break; /* of the first */
			case 22: s.v6 ? (void)(p[1] ^= 1) : (void)(p[10] ^= 1); break; /* flow label; the header's checksum */
			case 23: s.udp ? memset(p + transport + 6, 0, 2) : (void)(p[transport + 12] |= 1); break; /* none; reserved bits */
			default: break;
			}
			/* What does not concern this kind of packet changes nothing. */
			if ((s.udp && how >= 7 && how <= 18) || (s.v6 && (how == 5 || how == 6)))
				expect = 1;
			give();
			assert_int_equal(groups(lens), expect);
		}
	}
}

static void test_bytes_untouched(void **state)
{
	const struct shape s = shape_of(false, false);
	uint8_t *const p = packets.bytes[0];
	const struct iovec *iov;

	(void)state;
	/* Options, fragments, other protocols, lengths that lie, rubbish: handed on as they are, alone. */
	for (int how = 0; how < 9; how++) {
		const struct virtio_net_hdr none = { 0 };
		struct shape next = segment_shape(&s, 600, 1, true);
		uint16_t cursor = 0;
		uint32_t len;

		packets.n = 0;
		add(&s, 0, 600);
		add(&next, 600, 600);
		len = packets.len[0];
		switch (how) {
		case 0: p[0] = 0x46; break;
		case 1: p[6] = 0x20; break;
		case 2: p[7] = 1; break;
		case 3: p[9] = 1; break;
		case 4: ref_put16(p + 2, len - 1); break;
		case 5: p[32] = 0x40; break;
		case 6: len = 21; break;
		case 7: len = 1; break;
		case 8: p[32] = 0xf0; len = 54; ref_put16(p + 2, len); break;
		}
		memcpy(want, p, len);
		assert_true(gro_add(&gro, p, len));
		assert_true(gro_add(&gro, packets.bytes[1], packets.len[1]));
		assert_int_equal(gro_next(&gro, &cursor, &iov), 2);
		assert_memory_equal(iov[0].iov_base, &none, sizeof(none));
		assert_int_equal(iov[1].iov_len, len);
		assert_memory_equal(iov[1].iov_base, want, len);
		assert_int_equal(gro_next(&gro, &cursor, &iov), 2);
		assert_int_equal(gro_next(&gro, &cursor, &iov), 0);
	}
	packets.n = 0;
}

/* Two flows in turn, a packet out of order in one of them, and an end. */
static void test_order(void **state)
{
	struct shape a = shape_of(false, false), b = shape_of(true, false);
	static const size_t at[] = { 0, 500, 1500, 1000, 2000 };
	size_t lens[16];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		const struct shape x = segment_shape(&a, at[i], at[i] / 500, true), y = segment_shape(&b, i * 500, i, true);

		add(&x, at[i], 500);
		add(&y, i * 500, 500);
	}
	give();
	/* a: 0, 500 | 1500 | 1000 | 2000: behind a gap nothing is put before what came earlier; b: all */
	assert_int_equal(groups(lens), 5);
	assert_int_equal(lens[0], ref_header(&a) + 1000);
	assert_int_equal(lens[1], ref_header(&b) + 2500);
	for (int i = 2; i < 5; i++)
		assert_int_equal(lens[i], ref_header(&a) + 500);
	/* Behind a shorter one nothing is added, even where it would fit. */
	for (size_t i = 0; i < 3; i++) {
		const struct shape x = segment_shape(&a, i * 500 - (i == 2), i, true);

		add(&x, i * 500 - (i == 2), i == 1 ? 499 : 500);
	}
	give();
	assert_int_equal(groups(lens), 2);
	assert_int_equal(lens[0], ref_header(&a) + 999);
}

static void test_udp_only_where_taken(void **state)
{
	const struct shape s = shape_of(false, true), next = segment_shape(&s, 600, 1, true);
	size_t lens[16];

	(void)state;
	add(&s, 0, 600);
	add(&next, 600, 600);
	gro.udp = false;
	for (unsigned int i = 0; i < 2; i++)
		assert_true(gro_add(&gro, packets.bytes[i], packets.len[i]));
	packets.n = 0;
	assert_int_equal(groups(lens), 2);
}

/* Never longer than a packet can be, nor of more pieces than there is room for; and full is full. */
static void test_bounds(void **state)
{
	static uint8_t small[1100][64];
	struct shape s = shape_of(false, false);
	size_t lens[16];
	unsigned int n = 0;

	(void)state;
	for (unsigned int i = 0; i < 60; i++) {
		const struct shape one = segment_shape(&s, i * 1400, i, true);

		add(&one, 0, 1400);
	}
	give();
	assert_int_equal(groups(lens), 2);
	assert_true(lens[0] <= 65535 && lens[0] > 63000);
	s.options = 0;
	for (; n < 1100; n++) {
		const struct shape one = segment_shape(&s, n * 4, n, true);
		const size_t len = ref_packet(small[n], &one, text, 4);

		if (!gro_add(&gro, small[n], (uint32_t)len))
			break;
	}
	assert_int_equal(n, GRO_PACKETS_MAX);
	assert_int_equal(groups(lens), GRO_PACKETS_MAX / GRO_GROUP_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_checksum_only),
		cmocka_unit_test(test_zero_sum),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_put_together),
		cmocka_unit_test(test_kept_apart),
		cmocka_unit_test(test_bytes_untouched),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_udp_only_where_taken),
		cmocka_unit_test(test_bounds),
	};

	if (sodium_init() < 0)
		return 1;
	randombytes_buf_deterministic(text, sizeof(text), (const uint8_t[randombytes_SEEDBYTES]){ 4 });
	return cmocka_run_group_tests(tests, NULL, NULL);
}
