/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet threads between two devices of this process, over loopback. Datagrams are sealed with libsodium where they are made by hand. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/secret.h"
#include "tests/unit/offload-packets.h"
#include "tests/unit/path-fixture.h"
#include "tunnel/gso.h"
#include "tunnel/path-impl.h"
#include "tunnel/udp.h"

#define KEY 7
#define PATIENCE_MS 60000
#define QUIET_MS 20 /* for what must not come: what is waited for came before it */

static uint8_t text[70000];
static const struct virtio_net_hdr none;

static uint64_t now_us(void)
{
	return clock_now(&clock_system).boot_us;
}

static struct shape shape_of(bool v6, bool udp)
{
	return (struct shape){ .v6 = v6, .udp = udp, .ttl = 60, .flags = 0x10, .port = 4000, .window = 500 };
}

/* A datagram as a peer would send it. */
static size_t data_message(uint8_t *to, uint32_t index, uint64_t counter, const uint8_t *inner, size_t len)
{
	uint8_t key[32], nonce[12] = { 0 };
	unsigned long long n;

	memset(key, KEY, sizeof(key));
	memset(to, 0, 16);
	to[0] = 4;
	for (int i = 0; i < 4; i++)
		to[4 + i] = (uint8_t)(index >> (8 * i));
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = to[8 + i] = (uint8_t)(counter >> (8 * i));
	crypto_aead_chacha20poly1305_ietf_encrypt(to + 16, &n, inner, len, NULL, 0, NULL, nonce, key);
	return 16 + (size_t)n;
}

/* One side, nothing runs: what goes in is handled at once. */
struct lone {
	struct path_fixture f;
	uint32_t index;
	uint8_t room[AEAD_HEADROOM + 70000 + AEAD_TAILROOM];
	uint8_t got[70000];
	struct endpoint from;
};

static int lone_setup(void **state)
{
	struct lone *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	path_fixture_init(&l->f, AEAD_FASTEST);
	path_fixture_peer(&l->f, 9);
	l->index = path_fixture_session(&l->f, KEY);
	l->from = l->f.peer->endpoint;
	*state = l;
	return 0;
}

static int lone_teardown(void **state)
{
	struct lone *l = *state;

	path_fixture_clear(&l->f);
	free(l);
	return 0;
}

static void inject(struct lone *l, size_t len, size_t segment)
{
	path_inject(l->f.path, l->room + AEAD_HEADROOM, (uint32_t)len, (uint32_t)segment, 0, &l->from);
}

static void inject_inner(struct lone *l, uint64_t counter, const uint8_t *inner, size_t len)
{
	const size_t n = data_message(l->room + AEAD_HEADROOM, l->index, counter, inner, len);

	inject(l, n, n);
}

static void expect_packet(struct lone *l, const uint8_t *packet, size_t len)
{
	assert_int_equal(path_fixture_read(&l->f, l->got, sizeof(l->got), 0), TUN_HEADER + len);
	assert_memory_equal(l->got + TUN_HEADER, packet, len);
}

static void expect_nothing(struct lone *l)
{
	assert_int_equal(path_fixture_read(&l->f, l->got, sizeof(l->got), 0), 0);
}

static void test_in(void **state)
{
	struct lone *l = *state;

	for (int kind = 0; kind < 4; kind++) {
		struct shape s = shape_of(kind & 1, kind & 2);
		uint8_t packet[1500] = { 0 };
		const size_t len = ref_packet(packet, &s, text, 101);

		/* Padding is cut off. */
		inject_inner(l, (uint64_t)kind, packet, len + 16);
		expect_packet(l, packet, len);
		expect_nothing(l);
	}
	assert_true(atomic_load(&l->f.peer->traffic.rx_bytes) > 4 * (101 + 32));
	assert_int_equal(l->f.peer->current->send_counter, 0);
}

static void test_replayed(void **state)
{
	struct lone *l = *state;
	struct shape s = shape_of(false, true);
	uint8_t packet[1500];
	const size_t len = ref_packet(packet, &s, text, 100);

	inject_inner(l, 5, packet, len);
	expect_packet(l, packet, len);
	inject_inner(l, 5, packet, len);
	expect_nothing(l);
	inject_inner(l, 4, packet, len);
	expect_packet(l, packet, len);
	/* Twice in one batch. */
	for (int i = 0; i < 2; i++)
		(void)data_message(l->room + AEAD_HEADROOM + (size_t)i * (len + 32), l->index, 6, packet, len);
	inject(l, 2 * (len + 32), len + 32);
	expect_packet(l, packet, len);
	expect_nothing(l);
	inject_inner(l, 20000, packet, len);
	expect_packet(l, packet, len);
	inject_inner(l, 7, packet, len); /* too old */
	expect_nothing(l);
	inject_inner(l, UINT64_MAX, packet, len);
	expect_nothing(l);
	inject_inner(l, SESSION_REJECT_AFTER_MESSAGES, packet, len);
	expect_nothing(l);
}

/* Not one of these reaches the interface, or moves anything. */
static void test_refused(void **state)
{
	struct lone *l = *state;
	struct shape s = shape_of(false, true), s6 = shape_of(true, true);
	uint8_t packet[1500], packet6[1500], bad[1500];
	const size_t len = ref_packet(packet, &s, text, 100), len6 = ref_packet(packet6, &s6, text, 100);
	uint8_t *const at = l->room + AEAD_HEADROOM;

	for (size_t cut = 0; cut < len + 32; cut++) {
		(void)data_message(at, l->index, 1, packet, len);
		inject(l, cut, cut);
	}
	for (size_t i = 0; i < 16 + len + 16; i++) {
		(void)data_message(at, l->index, 1, packet, len);
		at[i] ^= 0x10;
		inject(l, len + 32, len + 32);
	}
	expect_nothing(l);
	assert_int_equal(atomic_load(&l->f.peer->traffic.rx_bytes), 0);
	/* Authentic, but: */
	for (int how = 0; how < 9; how++) {
		size_t n = len;

		memcpy(bad, packet, len);
		switch (how) {
		case 0: bad[12] = 11; break;			      /* not the peer's address */
		case 1: ref_put16(bad + 2, (unsigned int)len + 1); break; /* longer than it is */
		case 2: ref_put16(bad + 2, 19); break;
		case 3: bad[0] = 0x55; break;			      /* no IP */
		case 4: n = 19; break;
		case 5: n = 1; break;
		case 6: memcpy(bad, packet6, n = len6); bad[8] = 0xf8; break;
		case 7: memcpy(bad, packet6, n = len6); ref_put16(bad + 4, (unsigned int)(len6 - 40 + 1)); break;
		case 8: memcpy(bad, packet6, n = 39); break;
		}
		inject_inner(l, 100 + (uint64_t)how, bad, n);
		expect_nothing(l);
	}
	/* The session is over. */
	l->f.peer->current->born_us -= SESSION_REJECT_AFTER_US;
	inject_inner(l, 200, packet, len);
	expect_nothing(l);
	l->f.peer->current->born_us += SESSION_REJECT_AFTER_US;
	inject_inner(l, 200, packet, len);
	expect_packet(l, packet, len);
	path_fixture_disconnect(&l->f);
	inject_inner(l, 201, packet, len);
	expect_nothing(l);
}

static void test_keepalive(void **state)
{
	struct lone *l = *state;

	inject_inner(l, 0, NULL, 0);
	expect_nothing(l);
	assert_int_equal(atomic_load(&l->f.peer->traffic.rx_bytes), 32);
	assert_true(atomic_load(&l->f.peer->traffic.last_received_us) > 0);
	assert_int_equal(atomic_load(&l->f.peer->traffic.unacknowledged_since_us), 0);
}

static void test_roams(void **state)
{
	struct lone *l = *state;
	struct shape s = shape_of(false, true);
	uint8_t packet[1500];
	const size_t len = ref_packet(packet, &s, text, 100);
	size_t n;

	l->from.to.in.sin_port = htons(10);
	/* What is not authentic tells nothing. */
	n = data_message(l->room + AEAD_HEADROOM, l->index, 0, packet, len);
	l->room[AEAD_HEADROOM + n - 1] ^= 1;
	inject(l, n, n);
	assert_false(atomic_load(&l->f.peer->flags) & PEER_ROAMED);
	inject_inner(l, 0, packet, len);
	assert_true(atomic_load(&l->f.peer->flags) & PEER_ROAMED);
	assert_true(endpoint_equal(&l->f.peer->seen_endpoint, &l->from));
}

/* The answer to the first packet in a responder's new session goes out in it, whether or not control has had its turn. */
static void test_next_is_confirmed(void **state)
{
	struct lone *l = *state;
	struct peer *p = l->f.peer;
	struct session *const old = p->current;
	struct shape s = shape_of(false, true);
	uint8_t packet[1500];
	const size_t len = ref_packet(packet, &s, text, 100);

	p->current = NULL;
	l->index = path_fixture_session(&l->f, KEY);
	p->next = p->current;
	p->current = old;
	path_ops.send_staged(l->f.path, p, now_us(), true);
	assert_int_equal(old->send_counter, 1);
	assert_int_equal(p->next->send_counter, 0);
	inject_inner(l, 0, packet, len);
	expect_packet(l, packet, len);
	assert_true(atomic_load(&p->flags) & PEER_CONFIRMED);
	path_ops.send_staged(l->f.path, p, now_us(), true);
	assert_int_equal(old->send_counter, 1);
	assert_int_equal(p->next->send_counter, 1);
}

static void test_handshakes_go_to_control(void **state)
{
	struct lone *l = *state;
	uint8_t *const at = l->room + AEAD_HEADROOM;
	const struct inbox_message *m;

	for (uint8_t type = 0; type < 6; type++) {
		memset(at, 0, 200);
		at[0] = type;
		inject(l, 148, 148);
		at[3] = 1; /* reserved */
		inject(l, 148, 148);
		at[3] = 0;
		inject(l, 149, 149);
	}
	for (uint8_t type = 1; type <= 3; type++) {
		m = inbox_peek(l->f.device.inbox);
		assert_non_null(m);
		assert_int_equal(m->bytes[0], type);
		assert_int_equal(m->len, 148);
		assert_true(endpoint_equal(&m->from, &l->from));
		inbox_pop(l->f.device.inbox);
	}
	assert_null(inbox_peek(l->f.device.inbox));
}

/* RFC 6040: a mark of the way goes to who understands it; checksums stay right. */
static void test_ecn_in(void **state)
{
	struct lone *l = *state;

	for (int kind = 0; kind < 2; kind++)
		for (uint8_t bits = 0; bits < 4; bits++) {
			struct shape s = shape_of(kind & 1, true);
			uint8_t packet[1500], want[1500];
			size_t len, n;

			s.tos = (uint8_t)(0xa8 | bits);
			len = ref_packet(packet, &s, text, 100);
			n = data_message(l->room + AEAD_HEADROOM, l->index, (uint64_t)(bits + 10 * kind), packet, len);
			path_inject(l->f.path, l->room + AEAD_HEADROOM, (uint32_t)n, (uint32_t)n, 3, &l->from);
			if (bits)
				s.tos = 0xab;
			assert_int_equal(ref_packet(want, &s, text, 100), len);
			expect_packet(l, want, len);
		}
}

/* Two of them, both threads of each. */
struct two {
	struct path_fixture a, b;
	uint8_t got[70000];
};

static int two_setup(void **state)
{
	struct two *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	path_fixture_init(&t->a, AEAD_FASTEST);
	path_fixture_init(&t->b, AEAD_LIBCRYPTO);
	path_fixture_peer(&t->a, t->b.port);
	path_fixture_peer(&t->b, t->a.port);
	assert_int_equal(path_start(t->a.path), 0);
	assert_int_equal(path_start(t->b.path), 0);
	*state = t;
	return 0;
}

static int two_teardown(void **state)
{
	struct two *t = *state;

	path_fixture_clear(&t->a);
	path_fixture_clear(&t->b);
	free(t);
	return 0;
}

/* What arrives is one stream of TCP, however it was cut and put together. late: behind what was sent before it, of the other IP. */
static void expect_stream(struct two *t, struct path_fixture *f, const struct shape *s, size_t len, bool late)
{
	size_t seen = 0;

	while (seen < len) {
		const size_t n = path_fixture_read(f, t->got, sizeof(t->got), PATIENCE_MS), header = TUN_HEADER + ref_header(s);
		uint32_t sequence;

		assert_true(n > header);
		if (late && t->got[TUN_HEADER] >> 4 != (s->v6 ? 6 : 4))
			continue;
		memcpy(&sequence, t->got + TUN_HEADER + ref_network(s) + 4, sizeof(sequence));
		assert_int_equal(ntohl(sequence), seen);
		assert_memory_equal(t->got + header, text + seen, n - header);
		seen += n - header;
	}
}

static void send_stream(struct path_fixture *f, const struct shape *s, size_t len, size_t size)
{
	static uint8_t packet[70000];
	const struct virtio_net_hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = (uint16_t)size,
		.csum_start = (uint16_t)ref_network(s), .csum_offset = 16 };
	const size_t n = ref_packet(packet, s, text, len);

	path_fixture_write(f, &h, packet, n);
}

static void test_stream(void **state)
{
	struct two *t = *state;

	path_fixture_connect(&t->a, &t->b, 20);
	for (int round = 0; round < 30; round++) {
		const struct shape s = shape_of(round & 1, false);

		send_stream(&t->a, &s, 60000, 1360);
		send_stream(&t->b, &s, 3001, 1000);
		expect_stream(t, &t->b, &s, 60000, false);
		expect_stream(t, &t->a, &s, 3001, false);
	}
	assert_true(atomic_load(&t->a.peer->traffic.tx_bytes) > 30 * 60000);
	assert_int_equal(t->a.peer->current->send_counter, 30 * 45);
}

/* Packets without a session wait for it, the oldest of too many are lost, and a keepalive goes only when nothing waits. */
static void test_staged(void **state)
{
	struct two *t = *state;
	struct shape s = shape_of(false, true);
	uint8_t packet[1500];
	size_t len = 0;
	unsigned int first = 0;

	for (unsigned int i = 0; i < 200; i++) {
		s.port = (uint16_t)(1000 + i);
		len = ref_packet(packet, &s, text, 200);
		path_fixture_write(&t->a, &none, packet, len);
	}
	/* All of them have been taken when a session's worth is asked for. */
	while (!(atomic_load(&t->a.peer->flags) & PEER_NEED_HANDSHAKE))
		;
	for (struct pollfd out = { .fd = t->a.tun_device.fd, .events = POLLIN }; poll(&out, 1, 0) == 1;)
		;
	/* The last may be in the thread's hands still. */
	path_stop(t->a.path);
	path_ops.send_staged(t->a.path, t->a.peer, now_us(), true);
	assert_int_equal(path_fixture_read(&t->b, t->got, sizeof(t->got), QUIET_MS), 0);
	path_fixture_connect(&t->a, &t->b, 30);
	path_ops.send_staged(t->a.path, t->a.peer, now_us(), true);
	for (unsigned int i = 0; i < 128; i++) {
		unsigned int port;

		assert_int_equal(path_fixture_read(&t->b, t->got, sizeof(t->got), PATIENCE_MS), TUN_HEADER + len);
		port = (unsigned int)(t->got[TUN_HEADER + 20] << 8 | t->got[TUN_HEADER + 21]);
		if (i == 0)
			first = port;
		assert_int_equal(port, first + i);
	}
	assert_int_equal(first, 1072);
	assert_int_equal(t->a.peer->current->send_counter, 128);
	path_ops.send_staged(t->a.path, t->a.peer, now_us(), false);
	assert_int_equal(t->a.peer->current->send_counter, 128);
	path_ops.send_staged(t->a.path, t->a.peer, now_us(), true);
	assert_int_equal(t->a.peer->current->send_counter, 129);
}

static unsigned int n_waits;

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (n == 1 && fds->events == POLLOUT && timeout != 0)
		n_waits++;
	return __real_poll(fds, n, timeout);
}

/* A socket that has no room is waited for once and not for each packet: meanwhile nothing could be closed. */
static void test_full(void **state)
{
	struct two *t = *state;
	struct endpoint to = t->a.peer->endpoint;
	struct shape s = shape_of(false, true);
	uint8_t packet[1500];
	int pair[2];

	for (unsigned int i = 0; i < 60; i++)
		path_fixture_write(&t->a, &none, packet, ref_packet(packet, &s, text, 100 + 16 * i));
	while (!(atomic_load(&t->a.peer->flags) & PEER_NEED_HANDSHAKE))
		;
	for (struct pollfd out = { .fd = t->a.tun_device.fd, .events = POLLIN }; poll(&out, 1, 0) == 1;)
		;
	path_stop(t->a.path);
	/* It takes what a UDP socket takes, until nobody reads it. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	while (send(pair[0], text, 1000, 0) > 0)
		;
	assert_true(dup2(pair[0], t->a.path->udp.fd[UDP_V4]) >= 0);
	path_fixture_connect(&t->a, &t->b, 40);
	n_waits = 0;
	path_ops.send_staged(t->a.path, t->a.peer, now_us(), false);
	assert_int_equal(t->a.peer->current->send_counter, 60);
	assert_int_equal(n_waits, 1);
	for (int i = 0; i < 20; i++)
		assert_int_equal(path_ops.send_message(t->a.path, text, 148, &to), -EAGAIN);
	assert_in_range(n_waits, 2, 10);
	close(pair[0]);
	close(pair[1]);
}

/* Padded to 16, never over the MTU; a header for us, the bits of congestion outside as inside. */
static void test_datagrams(void **state)
{
	struct two *t = *state;
	static const struct {
		size_t text;
		uint8_t tos, outer_ecn;
		size_t datagram;
	} cases[] = { { 1, 0, 0, 32 + 32 }, { 4, 1, 1, 32 + 32 }, { 5, 2, 2, 48 + 32 }, { 1380, 0xfc, 0, 1408 + 32 }, { 1391, 3, 2, 1420 + 32 },
		{ 1392, 0, 0, 1420 + 32 } };
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	assert_int_equal(bind(fd, (struct sockaddr *)&here, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&here, &len), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
	device_lock(&t->a.device);
	t->a.peer->endpoint.to.in = here;
	device_unlock(&t->a.device);
	(void)path_fixture_session(&t->a, KEY);
	t->a.peer->current->remote_index = 0x01020304;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_Alignas(struct cmsghdr) uint8_t control[64];
		uint8_t want[2048], got[2048], packet[1500] = { 0 };
		struct iovec iov = { got, sizeof(got) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		struct shape s = shape_of(false, true);

		s.tos = cases[i].tos;
		path_fixture_write(&t->a, &none, packet, ref_packet(packet, &s, text, cases[i].text));
		assert_int_equal(recvmsg(fd, &m, 0), cases[i].datagram);
		assert_int_equal(data_message(want, 0x01020304, i, packet, cases[i].datagram - 32), cases[i].datagram);
		assert_memory_equal(got, want, cases[i].datagram);
		assert_int_equal(*CMSG_DATA(CMSG_FIRSTHDR(&m)), cases[i].outer_ecn);
	}
	close(fd);
}

/* Sessions that come and go, sockets that change, both ways under load: for ThreadSanitizer and the locks. At the end it works. */
static void test_commotion(void **state)
{
	struct two *t = *state;
	const struct shape s = shape_of(false, false), last = shape_of(true, false);
	uint16_t port;

	for (int round = 0; round < 60; round++) {
		path_fixture_connect(&t->a, &t->b, (uint8_t)(2 * round));
		for (int i = 0; i < 4; i++) {
			send_stream(&t->a, &s, 30000, 1360);
			send_stream(&t->b, &s, 30000, 1360);
		}
		path_ops.send_staged(t->a.path, t->a.peer, now_us(), true);
		if (round % 3 == 0)
			path_fixture_disconnect(&t->a);
		if (round % 5 == 0) {
			port = 0;
			assert_int_equal(path_ops.rebind(t->b.path, &port, 0), 0);
			device_lock(&t->a.device);
			t->a.peer->endpoint.to.in.sin_port = htons(port);
			path_ops.drop_staged(t->a.path, t->a.peer, false);
			device_unlock(&t->a.device);
		}
		while (path_fixture_read(&t->a, t->got, sizeof(t->got), 0) > 0 || path_fixture_read(&t->b, t->got, sizeof(t->got), 0) > 0)
			;
	}
	path_fixture_connect(&t->a, &t->b, 200);
	path_ops.send_staged(t->a.path, t->a.peer, now_us(), false);
	while (path_fixture_read(&t->b, t->got, sizeof(t->got), QUIET_MS) > 0)
		;
	send_stream(&t->a, &last, 30000, 1360);
	expect_stream(t, &t->b, &last, 30000, true);
}

/* The interface is deleted: control is told, once, and nothing runs on. */
static void test_tun_gone(void **state)
{
	struct two *t = *state;
	struct pollfd kicked = { .fd = t->a.device.kick_fd, .events = POLLIN };
	int fds[2];

	assert_false(path_ended(t->a.path));
	path_stop(t->a.path);
	/* The end of a pipe that cannot be read: what a TUN without an interface says is EBADFD. */
	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], t->a.tun_device.fd) >= 0);
	assert_int_equal(path_start(t->a.path), 0);
	assert_int_equal(poll(&kicked, 1, PATIENCE_MS), 1);
	assert_true(path_ended(t->a.path));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in, lone_setup, lone_teardown),
		cmocka_unit_test_setup_teardown(test_replayed, lone_setup, lone_teardown),
		cmocka_unit_test_setup_teardown(test_refused, lone_setup, lone_teardown),
		cmocka_unit_test_setup_teardown(test_keepalive, lone_setup, lone_teardown),
		cmocka_unit_test_setup_teardown(test_roams, lone_setup, lone_teardown),
		cmocka_unit_test_setup_teardown(test_next_is_confirmed, lone_setup, lone_teardown),
		cmocka_unit_test_setup_teardown(test_handshakes_go_to_control, lone_setup, lone_teardown),
		cmocka_unit_test_setup_teardown(test_ecn_in, lone_setup, lone_teardown),
		cmocka_unit_test_setup_teardown(test_stream, two_setup, two_teardown),
		cmocka_unit_test_setup_teardown(test_staged, two_setup, two_teardown),
		cmocka_unit_test_setup_teardown(test_full, two_setup, two_teardown),
		cmocka_unit_test_setup_teardown(test_datagrams, two_setup, two_teardown),
		cmocka_unit_test_setup_teardown(test_commotion, two_setup, two_teardown),
		cmocka_unit_test_setup_teardown(test_tun_gone, two_setup, two_teardown),
	};

	if (secret_init() < 0)
		return 1;
	randombytes_buf_deterministic(text, sizeof(text), (const uint8_t[randombytes_SEEDBYTES]){ 4 });
	return cmocka_run_group_tests(tests, NULL, NULL);
}
