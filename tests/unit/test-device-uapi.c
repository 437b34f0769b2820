/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The userspace protocol as text. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/device-uapi-text.h"
#include "agent/device.h"
#include "tests/unit/device-uapi-answer.h"

static int parse(struct device **ret, const char *text, size_t piece)
{
	struct device_uapi_parser p;
	size_t len = strlen(text);
	int r = 0;

	assert_int_equal(device_uapi_parser_init(&p, true), 0);
	for (; r == 0 && len > 0; ) {
		const size_t n = len < piece ? len : piece;

		r = device_uapi_parser_push(&p, text, n);
		text += n;
		len -= n;
	}
	if (r == 0)
		r = device_uapi_parser_finish(&p, ret);
	device_uapi_parser_clear(&p);
	return r;
}

static void test_parse(void **state)
{
	struct device *d;

	(void)state;
	for (size_t piece = 1; piece < 200; piece += 7) {
		assert_int_equal(parse(&d, answer_full, piece), 0);
		check_full(d);
		device_free(d);
	}
	assert_int_equal(parse(&d, "private_key=" HEX_0 "\nerrno=0\n\n", 99), 0);
	assert_null(d->private_key);
	assert_int_equal(d->n_peers, 0);
	device_free(d);
}

static void test_parse_errors(void **state)
{
	static const struct {
		int result;
		const char *text;
	} cases[] = {
		{ -EIO, "errno=5\n\n" },
		{ -EIO, "errno=-5\n\n" },
		{ -EIO, "errno=99999\n\n" },
		{ -EBADMSG, "" },
		{ -EBADMSG, "\n" },
		{ -EBADMSG, "errno=0\n" },
		{ -EBADMSG, "errno=0\n\nx" },
		{ -EBADMSG, "errno=0\nerrno=0\n\n" },
		{ -EBADMSG, "errno=0\nlisten_port=1\n\n" },
		{ -EBADMSG, "errno=\n\n" },
		{ -EBADMSG, "no equals sign\nerrno=0\n\n" },
		{ -EBADMSG, "listen_port=65536\nerrno=0\n\n" },
		{ -EBADMSG, "listen_port=-1\nerrno=0\n\n" },
		{ -EBADMSG, "private_key=22\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "00\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\npublic_key=" HEX_A "\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\npreshared_key=x\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nendpoint=192.0.2.1\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nendpoint=:5\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nendpoint=[::1:5\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nendpoint=192.0.2.1:65536\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nallowed_ip=10.0.0.0/33\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nallowed_ip=10.0.0.0\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nallowed_ip=::/129\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nrx_bytes=18446744073709551616\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nlast_handshake_time_nsec=1000000000\nerrno=0\n\n" },
		{ -EBADMSG, "public_key=" HEX_A "\nlast_handshake_time_sec=18446744073709\nerrno=0\n\n" },
	};
	char long_line[DEVICE_UAPI_LINE_MAX + 2];
	struct device *d;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (parse(&d, cases[i].text, 7) != cases[i].result)
			fail_msg("case %zu: %s", i, cases[i].text);
	}
	memset(long_line, 'x', sizeof(long_line) - 1);
	long_line[sizeof(long_line) - 1] = '\0';
	assert_int_equal(parse(&d, long_line, 100), -EBADMSG);
}

static ptrdiff_t last_of(const char *buf, size_t len, const char *what)
{
	const char *at = buf, *found;
	ptrdiff_t last = -1;

	while ((found = memmem(at, len - (size_t)(at - buf), what, strlen(what)))) {
		last = found - buf;
		at = found + 1;
	}
	return last;
}

/* All operations, one behind the other. */
static char *encode(const struct device_change *c, size_t size, unsigned int *ret_operations)
{
	struct device_uapi_encoder e = { .change = c };
	char *text = calloc(1, 4 << 20), *buf = malloc(size);
	size_t used = 0;
	bool end = true, whole = true;
	int n;

	*ret_operations = 0;
	while ((n = device_uapi_encode_set(&e, buf, size, &end)) > 0) {
		assert_true((size_t)n <= size);
		memcpy(text + used, buf, (size_t)n);
		used += (size_t)n;
		*ret_operations += end;
		whole = end;
		/* A piece that adds a peer has its PSK, too: the last one of both. */
		if (memmem(buf, (size_t)n, "public_key=", 11))
			assert_true(last_of(buf, (size_t)n, "preshared_key=") > last_of(buf, (size_t)n, "public_key="));
	}
	assert_int_equal(n, 0);
	assert_true(whole);
	free(buf);
	return text;
}

static void test_encode(void **state)
{
	struct secret *psk = secret_of(0x11), *key = secret_of(0x22);
	struct device_allowed_ip ips[2] = { { .family = AF_INET, .cidr = 24 }, { .family = AF_INET6, .cidr = 0 } };
	struct device_peer_change p[3] = {
		{ .how = DEVICE_PEER_UPDATE, .set_keepalive = true },
		{ .how = DEVICE_PEER_RENEW, .preshared_key = psk, .keepalive = 25, .n_allowed_ips = 2, .allowed_ips = ips },
		{ .how = DEVICE_PEER_UPDATE, .preshared_key = psk },
	};
	struct device_change c = { .private_key_how = DEVICE_PRIVATE_KEY_SET, .private_key = key, .n_peers = 3, .peers = p };
	unsigned int n;
	char *text;

	(void)state;
	memset(p[0].public_key, 0xab, KEY_SIZE);
	memset(p[1].public_key, 0xcd, KEY_SIZE);
	memset(p[2].public_key, 0x11, KEY_SIZE);
	p[1].endpoint.v6.sin6_family = AF_INET6;
	p[1].endpoint.v6.sin6_port = htons(7);
	p[1].endpoint.v6.sin6_addr.s6_addr[0] = 0xfe;
	p[1].endpoint.v6.sin6_addr.s6_addr[1] = 0x80;
	p[1].endpoint.v6.sin6_scope_id = 3;
	ips[0].v4.s_addr = htonl(0x0a000000);
	text = encode(&c, 16384, &n);
	assert_int_equal(n, 1);
	assert_string_equal(text, "set=1\nprivate_key=" HEX_2 "\n"
				  "public_key=" HEX_A "\nupdate_only=true\npersistent_keepalive_interval=0\n"
				  "public_key=" HEX_B "\nremove=true\npublic_key=" HEX_B "\npreshared_key=" HEX_1 "\n"
				  "endpoint=[fe80::%3]:7\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\n"
				  "allowed_ip=10.0.0.0/24\nallowed_ip=::/0\n"
				  "public_key=" HEX_1 "\nupdate_only=true\npreshared_key=" HEX_1 "\n\n");
	free(text);
	c.private_key_how = DEVICE_PRIVATE_KEY_CLEAR;
	c.n_peers = 0;
	text = encode(&c, 1024, &n);
	assert_string_equal(text, "set=1\nprivate_key=" HEX_0 "\n\n");
	free(text);
	p[1].preshared_key = NULL;
	c = (struct device_change){ .n_peers = 1, .peers = &p[1] };
	text = encode(&c, 1024, &n);
	assert_non_null(strstr(text, "preshared_key=" HEX_0 "\n"));
	free(text);
	secret_free(psk);
	secret_free(key);
}

static void test_encode_many(void **state)
{
	enum { N = 1000, IPS = 300 };
	struct device_peer_change *p = calloc(N, sizeof(*p));
	struct device_allowed_ip ips[IPS];
	const struct device_change c = { .n_peers = N, .peers = p };
	struct secret *psk = secret_of(0x11);
	unsigned int n, n_ips = 0;
	char *small, *large;

	(void)state;
	for (unsigned int i = 0; i < IPS; i++) {
		ips[i] = (struct device_allowed_ip){ .family = AF_INET, .cidr = 32 };
		ips[i].v4.s_addr = i;
	}
	for (unsigned int i = 0; i < N; i++) {
		p[i].public_key[0] = (uint8_t)i;
		p[i].public_key[1] = (uint8_t)(i >> 8);
		p[i].how = i % 5 ? DEVICE_PEER_RENEW : DEVICE_PEER_UPDATE;
		p[i].preshared_key = psk;
		p[i].n_allowed_ips = i % 7 ? 1 : IPS;
		p[i].allowed_ips = ips;
		if (p[i].how == DEVICE_PEER_RENEW)
			n_ips += (unsigned int)p[i].n_allowed_ips;
	}
	small = encode(&c, DEVICE_UAPI_BUFFER_MIN, &n);
	assert_int_equal(n, (N + 127) / 128);
	large = encode(&c, 65536, &n);
	assert_int_equal(n, (N + 127) / 128);
	assert_string_equal(small, large);
	/* No endpoints here, so every slash is an allowed-ip's. */
	for (const char *at = small; *at; at++)
		n_ips -= *at == '/';
	assert_int_equal(n_ips, 0);
	free(small);
	free(large);
	free(p);
	secret_free(psk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_errors),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_encode_many),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
