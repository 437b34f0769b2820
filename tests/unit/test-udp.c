/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "tunnel/udp.h"

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

/* What the kernel says to segments; 0: takes them. */
static int segments_fail;
static bool full;
static unsigned int n_segmented, n_single;

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c))
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT) {
			n_segmented++;
			if (segments_fail) {
				errno = segments_fail;
				return -1;
			}
			return __real_sendmsg(fd, m, flags);
		}
	n_single++;
	if (full) {
		errno = EAGAIN;
		return -1;
	}
	return __real_sendmsg(fd, m, flags);
}

struct two {
	struct udp a, b;
	struct udp_batch *batch;
	struct endpoint to; /* b */
};

static int setup(void **state)
{
	struct two *t = calloc(1, sizeof(*t));
	uint16_t port = 0;

	assert_non_null(t);
	assert_int_equal(udp_open(&t->a, &port, 0), 0);
	port = 0;
	assert_int_equal(udp_open(&t->b, &port, 0), 0);
	t->to.to.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	t->batch = udp_batch_new();
	assert_non_null(t->batch);
	segments_fail = 0;
	n_segmented = n_single = 0;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct two *t = *state;

	udp_close(&t->a);
	udp_close(&t->b);
	udp_batch_free(t->batch);
	free(t);
	return 0;
}

/* All that comes until there are so many bytes; how many packets they were. */
static unsigned int receive(struct two *t, int fd, uint8_t *to, size_t len, struct endpoint *ret_from)
{
	unsigned int packets = 0;
	size_t used = 0;

	while (used < len) {
		struct pollfd in = { .fd = fd, .events = POLLIN };
		const struct udp_message *m;
		int n;

		assert_int_equal(poll(&in, 1, 60000), 1);
		n = udp_receive(fd, t->batch, &m);
		assert_true(n > 0);
		for (int i = 0; i < n; i++) {
			assert_true(m[i].len > 0 && used + m[i].len <= len);
			memcpy(to + used, m[i].bytes, m[i].len);
			used += m[i].len;
			packets += (m[i].len + m[i].segment - 1) / m[i].segment;
			*ret_from = m[i].from;
		}
	}
	return packets;
}

static void exchange(struct two *t, size_t len, size_t segment, unsigned int packets, bool refused)
{
	static uint8_t sent[60000], got[60000];
	struct endpoint from;
	bool from_refused, may_wait = true;

	for (size_t i = 0; i < len; i++)
		sent[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(udp_send(&t->a, sent, len, segment, 0, &t->to, &may_wait, &from_refused), 0);
	assert_int_equal(from_refused, refused);
	assert_int_equal(receive(t, t->b.fd[UDP_V4], got, len, &from), packets);
	assert_memory_equal(got, sent, len);
	/* Where it came from, and which address of ours it went to. */
	assert_int_equal(ntohs(from.to.in.sin_port), t->a.port);
	assert_int_equal(from.from.in.s_addr, htonl(INADDR_LOOPBACK));
}

static void test_ports(void **state)
{
	struct two *t = *state;
	struct udp c;
	uint16_t port = t->a.port;

	assert_true(t->a.port != 0 && t->a.port != t->b.port);
	assert_int_equal(udp_open(&c, &port, 0), -EADDRINUSE);
	if (t->a.fd[UDP_V6] >= 0) {
		struct sockaddr_in6 in6;
		socklen_t len = sizeof(in6);

		assert_int_equal(getsockname(t->a.fd[UDP_V6], (struct sockaddr *)&in6, &len), 0);
		assert_int_equal(ntohs(in6.sin6_port), t->a.port);
	}
}

static void test_segments(void **state)
{
	struct two *t = *state;

	exchange(t, 45 * 1000 + 10, 1000, 46, false);
	exchange(t, 1000, 1000, 1, false);
	exchange(t, 1000, 5000, 1, false);
	if (t->a.segment[UDP_V4])
		assert_int_equal(n_segmented, 1);
}

/* A device without checksums refuses all of them, for good. */
static void test_refused_by_the_device(void **state)
{
	struct two *t = *state;

	t->a.segment[UDP_V4] = true;
	segments_fail = EIO;
	exchange(t, 5500, 1000, 6, false);
	exchange(t, 5500, 1000, 6, false);
	assert_int_equal(n_segmented, 1);
	assert_int_equal(n_single, 12);
	assert_false(t->a.segment[UDP_V4]);
}

/* A route refuses those that are too long for it, and those only; and is asked again some time. */
static void test_refused_by_the_route(void **state)
{
	struct two *t = *state;

	t->a.segment[UDP_V4] = true;
	segments_fail = EINVAL;
	exchange(t, 5500, 1000, 6, false);
	segments_fail = 0;
	exchange(t, 5500, 1100, 5, false);
	assert_int_equal(n_segmented, 1);
	if (t->b.segment[UDP_V4]) {
		exchange(t, 5500, 900, 7, false);
		assert_int_equal(n_segmented, 2);
		t->a.refused_left = 1;
		exchange(t, 5500, 1000, 6, false);
		assert_int_equal(n_segmented, 3);
	}
}

/* An address that is not ours (any more): it goes out from another, and that is told. */
static void test_source(void **state)
{
	struct two *t = *state;
	bool refused, may_wait = true;

	t->to.from.in.s_addr = htonl(INADDR_LOOPBACK);
	exchange(t, 100, 100, 1, false);
	t->to.from.in.s_addr = htonl(0xc000024d); /* 192.0.2.77 */
	exchange(t, 100, 100, 1, true);
	exchange(t, 2500, 1000, 3, true);
	t->to.to.sa.sa_family = AF_UNSPEC;
	assert_int_equal(udp_send(&t->a, (const uint8_t *)"x", 1, 1, 0, &t->to, &may_wait, &refused), -EDESTADDRREQ);
}

/* No room in the kernel's buffer: one wait, and what is left is lost. */
static void test_full(void **state)
{
	static const uint8_t bytes[6000];
	struct two *t = *state;
	bool refused, may_wait = true;

	t->a.segment[UDP_V4] = false;
	full = true;
	assert_int_equal(udp_send(&t->a, bytes, sizeof(bytes), 100, 0, &t->to, &may_wait, &refused), -EAGAIN);
	assert_false(may_wait);
	full = false;
	assert_int_equal(n_single, 2);
}

static void test_nothing_there(void **state)
{
	struct two *t = *state;
	const struct udp_message *m;

	assert_int_equal(udp_receive(t->b.fd[UDP_V4], t->batch, &m), -EAGAIN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_by_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_by_the_route, setup, teardown),
		cmocka_unit_test_setup_teardown(test_source, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
