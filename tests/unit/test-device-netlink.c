/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's messages as bytes, without a kernel that has WireGuard: what we send is applied to a model that does as
 * wg_set_device() does, and what it would send is built here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/device-attributes.h"
#include "agent/device-netlink-message.h"
#include "agent/device.h"
#include "tests/unit/device-netlink-answer.h"

static struct secret *secret_of(uint8_t byte)
{
	struct secret *s = secret_new(KEY_SIZE);

	assert_non_null(s);
	memset(secret_borrow_mut(s), byte, KEY_SIZE);
	return s;
}

/* --- the model: what the kernel has after our messages --- */

#define MODEL_PEERS 2048
struct model_peer {
	uint8_t key[KEY_SIZE], psk[KEY_SIZE];
	unsigned int created; /* number of the message that did */
	uint16_t keepalive;
	uint8_t endpoint[sizeof(struct sockaddr_in6)];
	size_t endpoint_len, n_ips;
	uint32_t last_ip;
};
static struct {
	struct model_peer peers[MODEL_PEERS];
	size_t n_peers;
	uint8_t private_key[KEY_SIZE];
	bool private_key_set;
	unsigned int message;
} model;

static struct model_peer *model_find(const uint8_t *key)
{
	for (size_t i = 0; i < model.n_peers; i++)
		if (memcmp(model.peers[i].key, key, KEY_SIZE) == 0)
			return &model.peers[i];
	return NULL;
}

static void table_of(const struct nlattr **table, const struct nlattr *nest)
{
	const struct nlattr *a;

	memset(table, 0, 16 * sizeof(table[0]));
	device_attribute_for_each_nested(a, nest)
	{
		assert_true(mnl_attr_get_type(a) < 16);
		/* Strict since Linux 5.2: a repeated attribute would silently win over the first. */
		assert_null(table[mnl_attr_get_type(a)]);
		table[mnl_attr_get_type(a)] = a;
	}
}

static void model_ip(struct model_peer *p, const struct nlattr *nest)
{
	const struct nlattr *t[16];

	assert_true(nest->nla_type & NLA_F_NESTED);
	table_of(t, nest);
	assert_int_equal(mnl_attr_get_payload_len(t[WGALLOWEDIP_A_FAMILY]), 2);
	assert_int_equal(mnl_attr_get_payload_len(t[WGALLOWEDIP_A_CIDR_MASK]), 1);
	if (mnl_attr_get_u16(t[WGALLOWEDIP_A_FAMILY]) == AF_INET) {
		assert_int_equal(mnl_attr_get_payload_len(t[WGALLOWEDIP_A_IPADDR]), 4);
		memcpy(&p->last_ip, mnl_attr_get_payload(t[WGALLOWEDIP_A_IPADDR]), 4);
	} else {
		assert_int_equal(mnl_attr_get_u16(t[WGALLOWEDIP_A_FAMILY]), AF_INET6);
		assert_int_equal(mnl_attr_get_payload_len(t[WGALLOWEDIP_A_IPADDR]), 16);
	}
	p->n_ips++;
}

static void model_peer(const struct nlattr *nest)
{
	const struct nlattr *t[16], *a;
	struct model_peer *p;
	uint32_t flags;

	assert_true(nest->nla_type & NLA_F_NESTED);
	table_of(t, nest);
	assert_int_equal(mnl_attr_get_payload_len(t[WGPEER_A_PUBLIC_KEY]), KEY_SIZE);
	flags = mnl_attr_get_u32(t[WGPEER_A_FLAGS]);
	p = model_find(mnl_attr_get_payload(t[WGPEER_A_PUBLIC_KEY]));
	if (!p) {
		if (flags & (WGPEER_F_REMOVE_ME | WGPEER_F_UPDATE_ONLY))
			return;
		assert_true(model.n_peers < MODEL_PEERS);
		p = &model.peers[model.n_peers++];
		memset(p, 0, sizeof(*p));
		memcpy(p->key, mnl_attr_get_payload(t[WGPEER_A_PUBLIC_KEY]), KEY_SIZE);
		p->created = model.message;
	}
	if (flags & WGPEER_F_REMOVE_ME) {
		*p = model.peers[--model.n_peers];
		return;
	}
	if (t[WGPEER_A_PRESHARED_KEY]) {
		assert_int_equal(mnl_attr_get_payload_len(t[WGPEER_A_PRESHARED_KEY]), KEY_SIZE);
		memcpy(p->psk, mnl_attr_get_payload(t[WGPEER_A_PRESHARED_KEY]), KEY_SIZE);
	}
	if (t[WGPEER_A_ENDPOINT]) {
		p->endpoint_len = mnl_attr_get_payload_len(t[WGPEER_A_ENDPOINT]);
		assert_true(p->endpoint_len <= sizeof(p->endpoint));
		memcpy(p->endpoint, mnl_attr_get_payload(t[WGPEER_A_ENDPOINT]), p->endpoint_len);
	}
	if (flags & WGPEER_F_REPLACE_ALLOWEDIPS)
		p->n_ips = 0;
	if (t[WGPEER_A_ALLOWEDIPS])
		device_attribute_for_each_nested(a, t[WGPEER_A_ALLOWEDIPS]) model_ip(p, a);
	if (t[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL])
		p->keepalive = mnl_attr_get_u16(t[WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL]);
}

static void model_apply(const void *buf, size_t len)
{
	const struct nlmsghdr *nlh = buf;
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *peers = NULL, *private_key = NULL, *name = NULL;

	assert_int_equal(nlh->nlmsg_len, len);
	assert_int_equal(nlh->nlmsg_type, FAMILY);
	assert_int_equal(nlh->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(genl->cmd, WG_CMD_SET_DEVICE);
	assert_int_equal(genl->version, WG_GENL_VERSION);
	device_attribute_for_each(a, nlh, sizeof(*genl))
	{
		switch (mnl_attr_get_type(a)) {
		case WGDEVICE_A_IFNAME:
			name = a;
			break;
		case WGDEVICE_A_PRIVATE_KEY:
			private_key = a;
			break;
		case WGDEVICE_A_PEERS:
			assert_true(a->nla_type & NLA_F_NESTED);
			peers = a;
			break;
		default:
			fail_msg("attribute %u", mnl_attr_get_type(a));
		}
	}
	assert_string_equal(mnl_attr_get_str(name), "wg0");
	if (private_key) {
		assert_int_equal(mnl_attr_get_payload_len(private_key), KEY_SIZE);
		memcpy(model.private_key, mnl_attr_get_payload(private_key), KEY_SIZE);
		model.private_key_set = true;
	}
	if (peers)
		device_attribute_for_each_nested(a, peers) model_peer(a);
	model.message++;
}

static unsigned int apply_all(const struct device_change *c, size_t size)
{
	struct device_netlink_encoder e = { .ifname = "wg0", .change = c };
	uint8_t *buf = aligned_alloc(4, size);
	unsigned int n = 0;
	int len;

	assert_non_null(buf);
	while ((len = device_netlink_encode_set(&e, buf, size, FAMILY, 1)) > 0) {
		assert_true((size_t)len <= size);
		model_apply(buf, (size_t)len);
		n++;
	}
	assert_int_equal(len, 0);
	free(buf);
	return n;
}

static int model_reset(void **state)
{
	(void)state;
	memset(&model, 0, sizeof(model));
	return 0;
}

static void test_requests(void **state)
{
	static const uint8_t get_family[] = { 32, 0, 0, 0, 16, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 14, 0, 2, 0,
		'w', 'i', 'r', 'e', 'g', 'u', 'a', 'r', 'd', 0, 0, 0 };
	static const uint8_t get[] = { 28, 0, 0, 0, 33, 0, 1, 3, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 8, 0, 2, 0, 'w', 'g',
		'0', 0 };
	_Alignas(4) uint8_t buf[64];

	(void)state;
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	skip();
#endif
	memset(buf, 0, sizeof(buf)); /* libmnl leaves padding as it is */
	assert_int_equal(device_netlink_encode_get_family(buf, 7), sizeof(get_family));
	assert_memory_equal(buf + 4, get_family + 4, sizeof(get_family) - 4);
	assert_int_equal(buf[0], sizeof(get_family));
	memset(buf, 0, sizeof(buf)); /* libmnl leaves padding as it is */
	assert_int_equal(device_netlink_encode_get(buf, FAMILY, 8, "wg0"), sizeof(get));
	assert_memory_equal(buf, get, sizeof(get));
}

static void test_set_nothing_and_keys(void **state)
{
	struct device_change c = { 0 };
	struct secret *key = secret_of(9);

	(void)state;
	assert_int_equal(apply_all(&c, 512), 1);
	assert_false(model.private_key_set);
	c.private_key_how = DEVICE_PRIVATE_KEY_SET;
	c.private_key = key;
	assert_int_equal(apply_all(&c, 512), 1);
	assert_memory_equal(model.private_key, secret_key(key), KEY_SIZE);
	c.private_key_how = DEVICE_PRIVATE_KEY_CLEAR;
	assert_int_equal(apply_all(&c, 512), 1);
	assert_true(key_is_zero(model.private_key));
	secret_free(key);
}

static void test_update(void **state)
{
	struct secret *psk = secret_of(3);
	struct device_peer_change p = { .how = DEVICE_PEER_UPDATE, .preshared_key = psk, .keepalive = 99 };
	const struct device_change c = { .n_peers = 1, .peers = &p };

	(void)state;
	key_of(p.public_key, 1);
	assert_int_equal(apply_all(&c, 512), 1);
	assert_int_equal(model.n_peers, 0); /* never creates */
	memcpy(model.peers[0].key, p.public_key, KEY_SIZE);
	model.peers[0].keepalive = 25;
	model.peers[0].n_ips = 4;
	model.n_peers = 1;
	apply_all(&c, 512);
	assert_memory_equal(model.peers[0].psk, secret_key(psk), KEY_SIZE);
	assert_int_equal(model.peers[0].keepalive, 25); /* set_keepalive says not to */
	assert_int_equal(model.peers[0].n_ips, 4);
	p.preshared_key = NULL;
	p.set_keepalive = true;
	apply_all(&c, 512);
	assert_int_equal(model.peers[0].keepalive, 99);
	assert_memory_equal(model.peers[0].psk, secret_key(psk), KEY_SIZE);
	secret_free(psk);
}

/* However small the messages are: a peer is removed and added in one, with its PSK, and small peers are never cut. */
static void test_renew_many(void **state)
{
	enum { N = 300 };
	static const size_t sizes[] = { 512, 600, 1000, 4096, DEVICE_NETLINK_MESSAGE_MAX };
	struct device_peer_change *p = calloc(N, sizeof(*p));
	struct device_allowed_ip ips[3] = { { .family = AF_INET, .cidr = 32 }, { .family = AF_INET6, .cidr = 64 },
		{ .family = AF_INET, .cidr = 24 } };
	const struct device_change c = { .n_peers = N, .peers = p };
	struct secret *psk = secret_of(7);

	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		key_of(p[i].public_key, i);
		p[i].how = DEVICE_PEER_RENEW;
		p[i].preshared_key = psk;
		p[i].keepalive = (uint16_t)i;
		p[i].n_allowed_ips = i % 4;
		p[i].allowed_ips = ips;
		if (i % 2) {
			p[i].endpoint.v6.sin6_family = AF_INET6;
			p[i].endpoint.v6.sin6_port = (in_port_t)i;
		} else if (i % 3) {
			p[i].endpoint.v4.sin_family = AF_INET;
		}
	}
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		const unsigned int before = model.message;

		/* All of them are there, with leftovers that must go. */
		for (unsigned int i = 0; i < N; i++) {
			memset(&model.peers[i], 0xee, sizeof(model.peers[i]));
			key_of(model.peers[i].key, i);
			model.peers[i].created = 0;
		}
		model.n_peers = N;
		model.message = before + 1;
		apply_all(&c, sizes[s]);
		assert_int_equal(model.n_peers, N);
		for (unsigned int i = 0; i < N; i++) {
			const struct model_peer *m = model_find(p[i].public_key);

			assert_non_null(m);
			assert_true(m->created > before);
			assert_memory_equal(m->psk, secret_key(psk), KEY_SIZE);
			assert_int_equal(m->keepalive, i);
			assert_int_equal(m->n_ips, i % 4);
			assert_int_equal(m->endpoint_len,
				i % 2	  ? sizeof(struct sockaddr_in6)
				: i % 3 ? sizeof(struct sockaddr_in)
					: 0);
			assert_memory_equal(m->endpoint, &p[i].endpoint, m->endpoint_len);
		}
	}
	/* 300 peers of about 250 bytes: a gateway's slot is few messages. */
	model.message = 0;
	assert_true(apply_all(&c, DEVICE_NETLINK_MESSAGE_MAX) <= 3);
	secret_free(psk);
	free(p);
}

static void test_renew_continued(void **state)
{
	enum { N = 5000 };
	struct device_allowed_ip *ips = calloc(N, sizeof(*ips));
	struct device_peer_change p[3] = { { .how = DEVICE_PEER_RENEW }, { .how = DEVICE_PEER_RENEW },
		{ .how = DEVICE_PEER_RENEW } };
	const struct device_change c = { .n_peers = 3, .peers = p };
	struct device_netlink_encoder e = { .ifname = "wg0", .change = &c };
	_Alignas(4) static uint8_t buf[DEVICE_NETLINK_MESSAGE_MAX];
	struct secret *psk = secret_of(7);
	unsigned int n;
	int len;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		ips[i].family = AF_INET;
		ips[i].cidr = 32;
		ips[i].v4.s_addr = i;
	}
	for (unsigned int i = 0; i < 3; i++) {
		key_of(p[i].public_key, i);
		p[i].preshared_key = psk;
	}
	p[1].n_allowed_ips = N;
	p[1].allowed_ips = ips;
	n = apply_all(&c, sizeof(buf));
	assert_true(n > 4);
	assert_int_equal(model.n_peers, 3);
	assert_int_equal(model_find(p[1].public_key)->n_ips, N);
	assert_int_equal(model_find(p[1].public_key)->last_ip, N - 1);
	assert_memory_equal(model_find(p[1].public_key)->psk, secret_key(psk), KEY_SIZE);

	/* Somebody removes it between two messages: it does not come back without a PSK. */
	model_reset(NULL);
	for (n = 0; (len = device_netlink_encode_set(&e, buf, sizeof(buf), FAMILY, 1)) > 0; n++) {
		model_apply(buf, (size_t)len);
		if (n == 1) {
			struct model_peer *m = model_find(p[1].public_key);

			assert_non_null(m);
			*m = model.peers[--model.n_peers];
		}
	}
	assert_int_equal(len, 0);
	assert_null(model_find(p[1].public_key));
	assert_int_equal(model.n_peers, 2);
	secret_free(psk);
	free(ips);
}

static void test_set_invalid(void **state)
{
	struct device_allowed_ip ip = { .family = AF_INET, .cidr = 33 };
	struct device_peer_change p = { .how = DEVICE_PEER_RENEW, .n_allowed_ips = 1, .allowed_ips = &ip };
	struct device_change c = { .n_peers = 1, .peers = &p };
	struct device_netlink_encoder e = { .ifname = "wg0", .change = &c };
	_Alignas(4) uint8_t buf[512];
	struct secret *short_key = secret_new(16);

	(void)state;
	assert_int_equal(device_netlink_encode_set(&e, buf, sizeof(buf), FAMILY, 1), -EINVAL);
	ip.family = AF_UNIX;
	ip.cidr = 1;
	assert_int_equal(device_netlink_encode_set(&e, buf, sizeof(buf), FAMILY, 1), -EINVAL);
	p.n_allowed_ips = 0;
	p.preshared_key = short_key;
	assert_int_equal(device_netlink_encode_set(&e, buf, sizeof(buf), FAMILY, 1), -EINVAL);
	p.preshared_key = NULL;
	c.private_key_how = DEVICE_PRIVATE_KEY_SET;
	assert_int_equal(device_netlink_encode_set(&e, buf, sizeof(buf), FAMILY, 1), -EINVAL);
	secret_free(short_key);
}

/* --- answers --- */

static void test_dump(void **state)
{
	struct device_netlink_decoder d = { .seq = 5, .family = FAMILY, .want_dump = true };
	struct answer a = { .len = 0 }, b = { .len = 0 };
	struct device *device;
	uint8_t key[KEY_SIZE];

	(void)state;
	answer_begin(&a, FAMILY, NLM_F_MULTI, 4); /* an older request's */
	answer_device(&a, 9);
	answer_end(&a);
	answer_begin(&a, FAMILY, NLM_F_MULTI, 5);
	answer_device(&a, 9);
	answer_peer(&a, 2, 0);
	answer_ip(&a, 20);
	answer_peer(&a, 1, 7);
	answer_ip(&a, 10);
	answer_ip(&a, 11);
	answer_end(&a);
	/* The second peer goes on in two further messages, the last of which has another one as well. */
	answer_begin(&b, FAMILY, NLM_F_MULTI, 5);
	answer_peer(&b, 1, -1);
	answer_ip(&b, 12);
	answer_end(&b);
	answer_begin(&b, FAMILY, NLM_F_MULTI, 5);
	answer_peer(&b, 1, -1);
	answer_ip(&b, 13);
	answer_peer(&b, 3, 8);
	answer_end(&b);
	answer_status(&b, NLMSG_DONE, 0, 5);

	assert_int_equal(device_builder_init(&d.builder), 0);
	assert_int_equal(device_netlink_decode(&d, a.buf, a.len), DEVICE_NETLINK_MORE);
	assert_int_equal(device_netlink_decode(&d, b.buf, b.len), DEVICE_NETLINK_DONE);
	assert_true(d.finished);
	assert_false(d.interrupted);
	assert_int_equal(device_builder_finish(&d.builder, &device), 0);

	assert_string_equal(device->ifname, "wg0");
	assert_int_equal(device->ifindex, 7);
	assert_int_equal(device->listen_port, 51820);
	assert_int_equal(secret_key(device->private_key)[0], 9);
	assert_int_equal(device->public_key[1], 9);
	assert_int_equal(device->n_peers, 3);
	key_of(key, 1);
	assert_ptr_equal(device_find_peer(device, key), &device->peers[0]);
	assert_int_equal(secret_key(device->peers[0].preshared_key)[31], 7);
	assert_int_equal(device->peers[0].keepalive, 26);
	assert_int_equal(device->peers[0].rx_bytes, 92);
	assert_int_equal(device->peers[0].tx_bytes, 148);
	assert_true(device->peers[0].last_handshake_us == UINT64_C(1700000000123456));
	assert_int_equal(device->peers[0].n_allowed_ips, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(device->peers[0].allowed_ips[i].v4.s_addr, 10 + i);
	assert_null(device->peers[1].preshared_key);
	assert_int_equal(device->peers[1].n_allowed_ips, 1);
	assert_int_equal(device->peers[2].n_allowed_ips, 0);
	key_of(key, 4);
	assert_null(device_find_peer(device, key));
	device_free(device);
}

static int decode_once(struct answer *a, bool want_dump)
{
	struct device_netlink_decoder d = { .seq = 1, .family = FAMILY, .want_dump = want_dump };
	int r;

	assert_int_equal(device_builder_init(&d.builder), 0);
	r = device_netlink_decode(&d, a->buf, a->len);
	device_builder_clear(&d.builder);
	return r;
}

static void test_status(void **state)
{
	struct answer a = { .len = 0 };

	(void)state;
	answer_status(&a, NLMSG_ERROR, -ENODEV, 1);
	assert_int_equal(decode_once(&a, true), -ENODEV);
	a.len = 0;
	answer_status(&a, NLMSG_ERROR, 0, 1);
	assert_int_equal(decode_once(&a, false), DEVICE_NETLINK_DONE);
	assert_int_equal(decode_once(&a, true), DEVICE_NETLINK_MORE);
	a.len = 0;
	answer_status(&a, NLMSG_DONE, -ENOMEM, 1);
	assert_int_equal(decode_once(&a, true), -ENOMEM);
	a.len = 0;
	answer_status(&a, NLMSG_ERROR, 5, 1);
	assert_int_equal(decode_once(&a, false), -EBADMSG);
	a.len -= 4; /* cut in the middle of a message */
	assert_int_equal(decode_once(&a, false), -EBADMSG);
}

/* One bad attribute each, else a peer as it should be. */
static void test_malformed(void **state)
{
	static const struct {
		uint16_t type;
		uint16_t len;
	} bad[] = { { WGPEER_A_PRESHARED_KEY, 31 }, { WGPEER_A_PRESHARED_KEY, 33 }, { WGPEER_A_ENDPOINT, 1 },
		{ WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 1 }, { WGPEER_A_LAST_HANDSHAKE_TIME, 8 },
		{ WGPEER_A_RX_BYTES, 4 }, { WGPEER_A_TX_BYTES, 16 } };
	struct answer a;
	uint8_t key[KEY_SIZE], junk[64] = { 0 };

	(void)state;
	key_of(key, 1);
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		a.len = 0;
		answer_begin(&a, FAMILY, NLM_F_MULTI, 1);
		a.peers = mnl_attr_nest_start(a.nlh, WGDEVICE_A_PEERS);
		a.peer = mnl_attr_nest_start(a.nlh, 0);
		if (i < sizeof(bad) / sizeof(bad[0])) {
			mnl_attr_put(a.nlh, WGPEER_A_PUBLIC_KEY, KEY_SIZE, key);
			mnl_attr_put(a.nlh, bad[i].type, bad[i].len, junk);
		}
		answer_end(&a);
		assert_int_equal(decode_once(&a, true), -EBADMSG);
	}
	/* An allowed-ip that says IPv4 and is IPv6; a prefix that is too long. */
	for (unsigned int i = 0; i < 2; i++) {
		struct nlattr *nest;

		a.len = 0;
		answer_begin(&a, FAMILY, NLM_F_MULTI, 1);
		answer_peer(&a, 1, 1);
		a.ips = mnl_attr_nest_start(a.nlh, WGPEER_A_ALLOWEDIPS);
		nest = mnl_attr_nest_start(a.nlh, 0);
		mnl_attr_put_u8(a.nlh, WGALLOWEDIP_A_CIDR_MASK, i ? 33 : 32);
		mnl_attr_put_u16(a.nlh, WGALLOWEDIP_A_FAMILY, AF_INET);
		mnl_attr_put(a.nlh, WGALLOWEDIP_A_IPADDR, i ? 4 : 16, junk);
		mnl_attr_nest_end(a.nlh, nest);
		answer_end(&a);
		assert_int_equal(decode_once(&a, true), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test_setup(test_set_nothing_and_keys, model_reset),
		cmocka_unit_test_setup(test_update, model_reset),
		cmocka_unit_test_setup(test_renew_many, model_reset),
		cmocka_unit_test_setup(test_renew_continued, model_reset),
		cmocka_unit_test(test_set_invalid),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_malformed),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
