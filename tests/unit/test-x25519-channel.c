/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "token/x25519-sodium.h"
#include "token/x25519/channel.h"

struct end {
	uint8_t private_key[32], public_key[32];
	struct x25519_channel channel;
};

static struct end host, token;
static struct x25519_hello hello;
static struct x25519_terms terms;
static struct x25519_ends of_host, of_token;

static int setup(void **state)
{
	(void)state;
	assert_true(sodium_init() >= 0);
	memset(&host, 0, sizeof(host));
	memset(&token, 0, sizeof(token));
	memset(host.private_key, 1, 32);
	memset(token.private_key, 2, 32);
	x25519_public(host.public_key, &x25519_sodium, host.private_key);
	x25519_public(token.public_key, &x25519_sodium, token.private_key);
	hello = (struct x25519_hello){.oldest = 1, .newest = 1, .features = 7, .slots = 8, .hosts = 4};
	terms = (struct x25519_terms){.version = 1, .host = 2, .hello = &hello};
	of_host = (struct x25519_ends){host.private_key, host.public_key, token.public_key};
	of_token = (struct x25519_ends){token.private_key, token.public_key, host.public_key};
	return 0;
}

static bool shake(const struct x25519_terms *token_terms)
{
	struct x25519_handshake h;
	uint8_t message[X25519_HANDSHAKE_SIZE], answer[X25519_HANDSHAKE_SIZE];

	assert_true(x25519_channel_begin(&h, &x25519_sodium, &of_host, &terms, message));
	if (!x25519_channel_accept(&token.channel, &x25519_sodium, &of_token, token_terms, message, answer))
		return false;
	return x25519_channel_finish(&host.channel, &h, &x25519_sodium, &of_host, answer);
}

static void pass(struct x25519_channel *from, struct x25519_channel *to, const char *text)
{
	uint8_t sealed[64], plain[64];
	size_t len = strlen(text);

	assert_int_equal(x25519_channel_seal(from, &x25519_sodium, sealed, (const uint8_t *)text, len), len + X25519_TAG_SIZE);
	assert_true(x25519_channel_open(to, &x25519_sodium, plain, sealed, len + X25519_TAG_SIZE));
	assert_memory_equal(plain, text, len);
}

static void test_both_ways(void **state)
{
	(void)state;
	assert_true(shake(&terms));
	for (int i = 0; i < 300; i++) {
		pass(&host.channel, &token.channel, "request");
		pass(&token.channel, &host.channel, "the answer");
	}
	pass(&host.channel, &token.channel, "");
	assert_memory_not_equal(host.channel.send_key, host.channel.receive_key, 32);
}

/* Every bit of both messages counts. */
static void test_tampering(void **state)
{
	static const struct x25519_channel over;
	struct x25519_handshake h, copy;
	uint8_t message[X25519_HANDSHAKE_SIZE], answer[X25519_HANDSHAKE_SIZE], other[X25519_HANDSHAKE_SIZE];
	static const uint8_t zero[X25519_HANDSHAKE_SIZE];

	(void)state;
	assert_true(x25519_channel_begin(&h, &x25519_sodium, &of_host, &terms, message));
	for (size_t bit = 0; bit < 8 * sizeof(message); bit += 7) {
		message[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_false(x25519_channel_accept(&token.channel, &x25519_sodium, &of_token, &terms, message, other));
		assert_memory_equal(&token.channel, &over, sizeof(over));
		assert_memory_equal(other, zero, sizeof(zero));
		message[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_true(x25519_channel_accept(&token.channel, &x25519_sodium, &of_token, &terms, message, answer));
	for (size_t bit = 0; bit < 8 * sizeof(answer); bit += 7) {
		copy = h;
		answer[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_false(x25519_channel_finish(&host.channel, &copy, &x25519_sodium, &of_host, answer));
		assert_memory_equal(&host.channel, &over, sizeof(over));
		assert_true(sodium_is_zero((const unsigned char *)&copy, sizeof(copy)));
		answer[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_true(x25519_channel_finish(&host.channel, &h, &x25519_sodium, &of_host, answer));
	pass(&host.channel, &token.channel, "x");
}

/* What HELLO said, changed on its way, and every other part of the prologue. */
static void test_terms(void **state)
{
	struct x25519_hello lie;
	struct x25519_terms t;

	(void)state;
	for (int i = 0; i < 7; i++) {
		lie = hello;
		t = (struct x25519_terms){terms.version, terms.host, &lie};
		t.version = (uint8_t)(t.version + (i == 0));
		t.host = (uint8_t)(t.host + (i == 1));
		lie.oldest = (uint8_t)(lie.oldest + (i == 2));
		lie.newest = (uint8_t)(lie.newest + (i == 3));
		lie.features ^= i == 4 ? 0x80000000u : 0;
		lie.slots = (uint8_t)(lie.slots + (i == 5));
		lie.hosts = (uint8_t)(lie.hosts + (i == 6));
		assert_false(shake(&t));
	}
	lie = hello;
	lie.taken = 5; /* changes with every key */
	t = (struct x25519_terms){terms.version, terms.host, &lie};
	assert_true(shake(&t));
}

/* Neither end is fooled by somebody with a key of their own. */
static void test_strangers(void **state)
{
	struct end stranger = {.private_key = {3}};
	struct x25519_handshake h;
	uint8_t message[X25519_HANDSHAKE_SIZE], answer[X25519_HANDSHAKE_SIZE];

	(void)state;
	x25519_public(stranger.public_key, &x25519_sodium, stranger.private_key);
	of_token.other_public = stranger.public_key;
	assert_false(shake(&terms));
	/* a stranger who says that it is the host */
	of_token.other_public = host.public_key;
	of_host.own_private = stranger.private_key;
	assert_false(shake(&terms));
	of_host.own_private = host.private_key;
	/* a token that says that it is ours */
	of_token.own_private = stranger.private_key;
	assert_false(shake(&terms));
	of_token.own_private = token.private_key;
	/* an answer to another message */
	assert_true(x25519_channel_begin(&h, &x25519_sodium, &of_host, &terms, message));
	assert_true(x25519_channel_accept(&token.channel, &x25519_sodium, &of_token, &terms, message, answer));
	assert_true(x25519_channel_begin(&h, &x25519_sodium, &of_host, &terms, message));
	assert_false(x25519_channel_finish(&host.channel, &h, &x25519_sodium, &of_host, answer));
	assert_true(shake(&terms));
}

static void test_low_order(void **state)
{
	static const uint8_t points[][32] = {{0}, {1},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd,
			0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00}};
	struct x25519_handshake h;
	uint8_t message[X25519_HANDSHAKE_SIZE] = {0}, answer[X25519_HANDSHAKE_SIZE] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		of_host.other_public = points[i];
		assert_false(x25519_channel_begin(&h, &x25519_sodium, &of_host, &terms, message));
		of_host.other_public = token.public_key;
		memcpy(message, points[i], 32);
		assert_false(x25519_channel_accept(&token.channel, &x25519_sodium, &of_token, &terms, message, answer));
		assert_true(x25519_channel_begin(&h, &x25519_sodium, &of_host, &terms, message));
		memcpy(answer, points[i], 32);
		assert_false(x25519_channel_finish(&host.channel, &h, &x25519_sodium, &of_host, answer));
	}
}

static void test_order_and_replay(void **state)
{
	uint8_t first[32], second[32], plain[32];

	(void)state;
	assert_true(shake(&terms));
	assert_int_equal(x25519_channel_seal(&host.channel, &x25519_sodium, first, (const uint8_t *)"a", 1), 17);
	assert_int_equal(x25519_channel_seal(&host.channel, &x25519_sodium, second, (const uint8_t *)"a", 1), 17);
	assert_memory_not_equal(first, second, 17);
	assert_true(x25519_channel_open(&token.channel, &x25519_sodium, plain, first, 17));
	assert_false(x25519_channel_open(&token.channel, &x25519_sodium, plain, first, 17));
	/* and that was the end of it */
	assert_false(x25519_channel_open(&token.channel, &x25519_sodium, plain, second, 17));
	assert_int_equal(x25519_channel_seal(&token.channel, &x25519_sodium, first, (const uint8_t *)"a", 1), 0);

	assert_true(shake(&terms));
	x25519_channel_seal(&host.channel, &x25519_sodium, first, (const uint8_t *)"a", 1);
	x25519_channel_seal(&host.channel, &x25519_sodium, second, (const uint8_t *)"a", 1);
	assert_false(x25519_channel_open(&token.channel, &x25519_sodium, plain, second, 17));

	/* one's own message sent back */
	assert_true(shake(&terms));
	x25519_channel_seal(&host.channel, &x25519_sodium, first, (const uint8_t *)"a", 1);
	assert_false(x25519_channel_open(&host.channel, &x25519_sodium, plain, first, 17));
	for (size_t len = 0; len < 17; len++) {
		assert_true(shake(&terms));
		x25519_channel_seal(&host.channel, &x25519_sodium, first, (const uint8_t *)"a", 1);
		assert_false(x25519_channel_open(&token.channel, &x25519_sodium, plain, first, len));
	}
}

static void test_counters_end(void **state)
{
	uint8_t sealed[32], plain[32], nonce[X25519_NONCE_SIZE] = {0};

	(void)state;
	assert_true(shake(&terms));
	host.channel.sent = token.channel.received = X25519_CHANNEL_MESSAGES_MAX - 1;
	pass(&host.channel, &token.channel, "the last");
	assert_int_equal(x25519_channel_seal(&host.channel, &x25519_sodium, sealed, (const uint8_t *)"a", 1), 0);
	assert_false(host.channel.open);
	/* One more, sealed as it would have to be by an end that goes on. */
	for (unsigned int i = 0; i < 4; i++)
		nonce[4 + i] = (uint8_t)(X25519_CHANNEL_MESSAGES_MAX >> 8 * i);
	x25519_sodium.seal(sealed, token.channel.receive_key, nonce, NULL, 0, "a", 1);
	assert_false(x25519_channel_open(&token.channel, &x25519_sodium, plain, sealed, 17));
	assert_false(token.channel.open);
}

static int no_random(void *ret, size_t len)
{
	(void)ret;
	(void)len;
	return -1;
}

static void test_no_random(void **state)
{
	struct x25519_crypto crypto = x25519_sodium;
	struct x25519_handshake h;
	uint8_t message[X25519_HANDSHAKE_SIZE], answer[X25519_HANDSHAKE_SIZE];

	(void)state;
	crypto.random = no_random;
	assert_false(x25519_channel_begin(&h, &crypto, &of_host, &terms, message));
	assert_true(x25519_channel_begin(&h, &x25519_sodium, &of_host, &terms, message));
	assert_false(x25519_channel_accept(&token.channel, &crypto, &of_token, &terms, message, answer));
	assert_false(token.channel.open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_both_ways, setup),
		cmocka_unit_test_setup(test_tampering, setup),
		cmocka_unit_test_setup(test_terms, setup),
		cmocka_unit_test_setup(test_strangers, setup),
		cmocka_unit_test_setup(test_low_order, setup),
		cmocka_unit_test_setup(test_order_and_replay, setup),
		cmocka_unit_test_setup(test_counters_end, setup),
		cmocka_unit_test_setup(test_no_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
