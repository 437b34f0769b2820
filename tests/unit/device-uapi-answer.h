/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a userspace WireGuard would say, for the tests of that backend. To be included behind cmocka.h. */
#pragma once

#include <arpa/inet.h>
#include <string.h>

#include "agent/device.h"
#include "common/schedule.h"

#define HEX_A "abababababababababababababababababababababababababababababababab"
#define HEX_B "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
#define HEX_0 "0000000000000000000000000000000000000000000000000000000000000000"
#define HEX_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HEX_2 "2222222222222222222222222222222222222222222222222222222222222222"

static const char answer_full[] = "private_key=" HEX_2 "\n"
				  "listen_port=51820\n"
				  "fwmark=1\n"
				  "public_key=" HEX_B "\n"
				  "preshared_key=" HEX_1 "\n"
				  "protocol_version=1\n"
				  "endpoint=[fe80::1%3]:7\n"
				  "last_handshake_time_nsec=123456789\n"
				  "last_handshake_time_sec=1700000000\n"
				  "tx_bytes=148\n"
				  "rx_bytes=18446744073709551615\n"
				  "persistent_keepalive_interval=65535\n"
				  "allowed_ip=10.0.0.2/32\n"
				  "allowed_ip=fd00::/64\n"
				  "of_a_later_version=x\n"
				  "public_key=" HEX_A "\n"
				  "preshared_key=" HEX_0 "\n"
				  "endpoint=192.0.2.2:51820\n"
				  "last_handshake_time_sec=0\n"
				  "last_handshake_time_nsec=0\n"
				  "persistent_keepalive_interval=0\n"
				  "errno=0\n"
				  "\n";

static inline void check_full(const struct device *d)
{
	uint8_t public_key[KEY_SIZE];

	assert_non_null(d->private_key);
	schedule_public(public_key, d->private_key);
	assert_memory_equal(d->public_key, public_key, KEY_SIZE);
	assert_int_equal(d->listen_port, 51820);
	assert_int_equal(d->n_peers, 2);
	assert_int_equal(d->peers[0].public_key[0], 0xab);
	assert_null(d->peers[0].preshared_key);
	assert_int_equal(d->peers[0].endpoint.v4.sin_family, AF_INET);
	assert_int_equal(d->peers[0].endpoint.v4.sin_addr.s_addr, htonl(0xc0000202));
	assert_int_equal(d->peers[0].endpoint.v4.sin_port, htons(51820));
	assert_int_equal(d->peers[0].last_handshake_us, 0);
	assert_int_equal(d->peers[0].n_allowed_ips, 0);
	assert_int_equal(secret_key(d->peers[1].preshared_key)[0], 0x11);
	assert_int_equal(d->peers[1].endpoint.v6.sin6_family, AF_INET6);
	assert_int_equal(d->peers[1].endpoint.v6.sin6_scope_id, 3);
	assert_true(d->peers[1].last_handshake_us == UINT64_C(1700000000123456));
	assert_int_equal(d->peers[1].tx_bytes, 148);
	assert_true(d->peers[1].rx_bytes == UINT64_MAX);
	assert_int_equal(d->peers[1].keepalive, 65535);
	assert_int_equal(d->peers[1].n_allowed_ips, 2);
	assert_int_equal(d->peers[1].allowed_ips[1].family, AF_INET6);
	assert_int_equal(d->peers[1].allowed_ips[1].cidr, 64);
}

static inline struct secret *secret_of(uint8_t byte)
{
	struct secret *s = secret_new(KEY_SIZE);

	assert_non_null(s);
	memset(secret_borrow_mut(s), byte, KEY_SIZE);
	return s;
}
