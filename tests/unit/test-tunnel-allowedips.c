/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which peer an address belongs to: blocks that are inserted, taken over, removed; by hand and against the plain definition. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>

#include "tunnel/allowedips.h"
#include "tunnel/peer.h"

static void insert(struct allowedips *a, const char *text, struct peer *p)
{
	char address[INET6_ADDRSTRLEN];
	uint8_t bytes[16];
	int cidr;
	const int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(sscanf(text, "%45[^/]/%d", address, &cidr), 2);
	assert_int_equal(inet_pton(family, address, bytes), 1);
	assert_int_equal(allowedips_insert(a, family, bytes, (uint8_t)cidr, p), 0);
}

static struct peer *find(const struct allowedips *a, const char *text)
{
	uint8_t bytes[16];

	if (strchr(text, ':')) {
		assert_int_equal(inet_pton(AF_INET6, text, bytes), 1);
		return allowedips_lookup6(a, bytes);
	}
	assert_int_equal(inet_pton(AF_INET, text, bytes), 1);
	return allowedips_lookup4(a, bytes);
}

static void test_allowedips(void **state)
{
	struct allowedips ips = { 0 };
	struct peer a = { 0 }, b = { 0 };
	uint8_t bytes[16] = { 0 };
	unsigned int n = 0;

	(void)state;
	assert_null(find(&ips, "10.0.0.1"));
	insert(&ips, "10.0.0.0/8", &a);
	insert(&ips, "10.1.0.0/16", &b);
	insert(&ips, "10.1.2.3/32", &a);
	insert(&ips, "192.168.4.0/24", &a);
	insert(&ips, "192.168.4.4/32", &b);
	assert_ptr_equal(find(&ips, "10.2.3.4"), &a);
	assert_ptr_equal(find(&ips, "10.1.3.4"), &b);
	assert_ptr_equal(find(&ips, "10.1.2.3"), &a);
	assert_ptr_equal(find(&ips, "192.168.4.20"), &a);
	assert_ptr_equal(find(&ips, "192.168.4.4"), &b);
	assert_null(find(&ips, "11.0.0.0"));
	insert(&ips, "0.0.0.0/0", &b);
	assert_ptr_equal(find(&ips, "11.0.0.0"), &b);
	assert_null(find(&ips, "::1"));
	insert(&ips, "fd00::/8", &a);
	insert(&ips, "fd00:1::/64", &b);
	insert(&ips, "fd00:1::1/128", &a);
	assert_ptr_equal(find(&ips, "fd12::1"), &a);
	assert_ptr_equal(find(&ips, "fd00:1::2"), &b);
	assert_ptr_equal(find(&ips, "fd00:1::1"), &a);
	assert_null(find(&ips, "fe80::1"));

	/* Another peer takes a block over; bits behind the prefix do not count. */
	insert(&ips, "10.99.99.99/8", &b);
	assert_ptr_equal(find(&ips, "10.2.3.4"), &b);
	for (const struct allowedips_node *i = NULL; (i = allowedips_next(&a, i));)
		n++;
	assert_int_equal(n, 4);
	allowedips_remove_peer(&ips, &b);
	assert_null(b.allowed_ips);
	assert_null(find(&ips, "10.1.3.4"));
	assert_ptr_equal(find(&ips, "10.1.2.3"), &a);
	assert_ptr_equal(find(&ips, "192.168.4.4"), &a);
	allowedips_remove_peer(&ips, &a);
	assert_null(ips.root4);
	assert_null(ips.root6);
	assert_int_equal(allowedips_insert(&ips, AF_INET, bytes, 33, &a), -EINVAL);
	assert_int_equal(allowedips_insert(&ips, AF_INET6, bytes, 129, &a), -EINVAL);
	assert_int_equal(allowedips_insert(&ips, AF_UNIX, bytes, 8, &a), -EINVAL);
}

/* Against the plain definition: the longest of all blocks that match. */
struct block {
	uint8_t address[16], cidr;
	struct peer *peer; /* NULL: taken over by a later one, or removed */
};

static bool in_block(const uint8_t *address, const struct block *b)
{
	for (unsigned int bit = 0; bit < b->cidr; bit++)
		if ((address[bit / 8] ^ b->address[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

/* Few bits vary, so that blocks lie in each other. */
static void random_address(uint8_t address[static 16])
{
	for (size_t i = 0; i < 16; i++)
		address[i] = (uint8_t)(randombytes_uniform(2) * (0x81u << randombytes_uniform(2)));
}

static void compare(const struct allowedips *ips, int family, const struct block *blocks, size_t n)
{
	for (unsigned int i = 0; i < 2000; i++) {
		uint8_t address[16];
		const struct block *longest = NULL;

		random_address(address);
		for (size_t k = 0; k < n; k++)
			if (blocks[k].peer && in_block(address, &blocks[k]) && (!longest || blocks[k].cidr > longest->cidr))
				longest = &blocks[k];
		assert_ptr_equal(
			family == AF_INET ? allowedips_lookup4(ips, address) : allowedips_lookup6(ips, address),
			longest ? longest->peer : NULL);
	}
}

static void check_random(int family)
{
	static struct block blocks[300];
	static struct peer peers[20];
	const size_t n = sizeof(blocks) / sizeof(blocks[0]);
	struct allowedips ips = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct block *b = &blocks[i];

		random_address(b->address);
		b->cidr = (uint8_t)randombytes_uniform(family == AF_INET ? 33 : 129);
		b->peer = &peers[randombytes_uniform(20)];
		for (size_t k = 0; k < i; k++)
			if (blocks[k].cidr == b->cidr && in_block(blocks[k].address, b))
				blocks[k].peer = NULL;
		assert_int_equal(allowedips_insert(&ips, family, b->address, b->cidr, b->peer), 0);
	}
	compare(&ips, family, blocks, n);
	for (size_t i = 0; i < n; i += 3) {
		/* Not another's. */
		allowedips_remove(&ips, family, blocks[i].address, blocks[i].cidr, &peers[19]);
		if (blocks[i].peer == &peers[19])
			blocks[i].peer = NULL;
		else if (blocks[i].peer) {
			allowedips_remove(&ips, family, blocks[i].address, blocks[i].cidr, blocks[i].peer);
			blocks[i].peer = NULL;
		} else {
			for (size_t k = i + 1; k < n; k++)
				if (blocks[k].cidr == blocks[i].cidr && in_block(blocks[k].address, &blocks[i]) &&
					blocks[k].peer == &peers[19])
					blocks[k].peer = NULL;
		}
	}
	compare(&ips, family, blocks, n);
	allowedips_remove_peer(&ips, &peers[3]);
	for (size_t i = 0; i < n; i++)
		if (blocks[i].peer == &peers[3])
			blocks[i].peer = NULL;
	compare(&ips, family, blocks, n);
	for (size_t i = 0; i < 20; i++)
		allowedips_remove_peer(&ips, &peers[i]);
	assert_null(ips.root4);
	assert_null(ips.root6);
}

static void test_allowedips_random(void **state)
{
	(void)state;
	check_random(AF_INET);
	check_random(AF_INET6);
}

static void test_allowedips_packets(void **state)
{
	struct allowedips ips = { 0 };
	struct peer a = { 0 }, b = { 0 };
	uint8_t v4[20] = { 0x45 }, v6[40] = { 0x60 };

	(void)state;
	insert(&ips, "10.0.0.1/32", &a);
	insert(&ips, "10.0.0.2/32", &b);
	insert(&ips, "fd00::1/128", &a);
	insert(&ips, "fd00::2/128", &b);
	inet_pton(AF_INET, "10.0.0.1", v4 + 12);
	inet_pton(AF_INET, "10.0.0.2", v4 + 16);
	inet_pton(AF_INET6, "fd00::1", v6 + 8);
	inet_pton(AF_INET6, "fd00::2", v6 + 24);
	assert_ptr_equal(allowedips_lookup_source(&ips, v4, sizeof(v4)), &a);
	assert_ptr_equal(allowedips_lookup_destination(&ips, v4, sizeof(v4)), &b);
	assert_ptr_equal(allowedips_lookup_source(&ips, v6, sizeof(v6)), &a);
	assert_ptr_equal(allowedips_lookup_destination(&ips, v6, sizeof(v6)), &b);
	assert_null(allowedips_lookup_source(&ips, v4, sizeof(v4) - 1));
	assert_null(allowedips_lookup_source(&ips, v6, sizeof(v6) - 1));
	assert_null(allowedips_lookup_source(&ips, v6, 0));
	v4[0] = 0x55;
	assert_null(allowedips_lookup_source(&ips, v4, sizeof(v4)));
	allowedips_clear(&ips);
	assert_null(a.allowed_ips);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowedips),
		cmocka_unit_test(test_allowedips_random),
		cmocka_unit_test(test_allowedips_packets),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
