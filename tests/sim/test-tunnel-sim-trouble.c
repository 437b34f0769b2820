/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control half of wgfido-tunnel in a simulated world that means no good: what is forged, broken, replayed or flooded, tokens that
 * are slow or gone, and bad networks.
 */
#include "tests/sim/tunnel-sim-fixture.h"

#include <errno.h>
#include <sodium.h>

static void test_replayed_handshakes(void **state)
{
	uint8_t initiation[148], response[92];
	struct session *current;

	(void)state;
	setup_pair(11, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, SEC);
	memcpy(initiation, a->last_message[1], sizeof(initiation));
	memcpy(response, b->last_message[2], sizeof(response));
	current = node_peer(b, a)->current;
	node_receive(b, initiation, sizeof(initiation), &a->address);
	world_run(&w, 3 * SEC);
	assert_int_equal(b->n_sent[2], 1);
	assert_ptr_equal(node_peer(b, a)->current, current);
	assert_null(node_peer(b, a)->next);
	current = node_peer(a, b)->current;
	node_receive(a, response, sizeof(response), &b->address);
	world_run(&w, SEC);
	assert_ptr_equal(node_peer(a, b)->current, current);
	/* A later one, and then the first again. */
	world_run(&w, 10 * SEC);
	handshake_begin(node_peer(a, b)->handshake, false, w.clock.now);
	world_run(&w, SEC);
	assert_int_equal(b->n_sent[2], 2);
	node_receive(b, initiation, sizeof(initiation), &a->address);
	world_run(&w, SEC);
	assert_int_equal(b->n_sent[2], 2);
	assert_open(a, b);
}

/* Every byte of each message counts. */
static void test_broken_messages(void **state)
{
	uint8_t bytes[148];

	(void)state;
	setup_pair(12, US_NEVER, US_NEVER);
	b->deaf = true;
	node_send(a, b, 1);
	world_run(&w, SEC);
	b->deaf = false;
	w.loss_percent = 100;
	for (size_t i = 0; i < 132; i++) {
		memcpy(bytes, a->last_message[1], 148);
		bytes[i] ^= 1;
		/* With a mac1 that fits, all the same. */
		for (int mac = 0; mac < 2; mac++) {
			if (mac) {
				struct cookie_jar jar;

				cookie_jar_init(&jar, b->public_key);
				cookie_add_macs(&jar, bytes, 148, world_now(&w));
				if (i >= 116 || (i >= 4 && i < 8))
					continue;
			}
			node_receive(b, bytes, 148, &a->address);
			world_run(&w, SEC);
		}
	}
	assert_int_equal(b->n_sent[2], 0);
	/* The sender's index alone is not authenticated until the session is confirmed. */
	for (size_t i = 1; i < 148; i++)
		node_receive(b, a->last_message[1], i, &a->address);
	world_run(&w, 10 * MS);
	assert_int_equal(b->n_sent[2], 0);
	w.loss_percent = 0;
	a->deaf = true;
	node_send(a, b, 1);
	while (!b->n_sent[2])
		world_run(&w, 5 * MS);
	a->deaf = false;
	for (size_t i = 0; i < 60; i++) {
		struct cookie_jar jar;

		memcpy(bytes, b->last_message[2], 92);
		bytes[i] ^= 1;
		cookie_jar_init(&jar, a->public_key);
		if (i >= 4 && i < 8)
			continue;
		cookie_add_macs(&jar, bytes, 92, world_now(&w));
		node_receive(a, bytes, 92, &b->address);
		while (control_kicked(&a->control, w.clock.now))
			;
		assert_null(node_peer(a, b)->current);
	}
	/* The right one is taken all the same. */
	node_receive(a, b->last_message[2], 92, &b->address);
	world_run(&w, SEC);
	assert_non_null(node_peer(a, b)->current);
	assert_open(a, b);
}

/* Not a peer of ours, though it knows our public key. */
static void test_stranger(void **state)
{
	struct node *c;

	(void)state;
	setup_pair(13, US_NEVER, US_NEVER);
	c = world_node(&w, US_NEVER);
	node_add_peer(c, b, true);
	node_send(c, b, 1);
	world_run(&w, SEC);
	assert_int_equal(b->n_sent[2], 0);
	assert_int_equal(b->device.indexes.n, 0);
	/* Taken away in the middle. */
	node_send(a, b, 1);
	world_run(&w, 15 * MS);
	control_peer_remove(node_peer(a, b));
	world_run(&w, SEC);
	assert_int_equal(a->device.indexes.n, 0);
}

/* A token that takes its time: others do not wait for it, data goes on in the old session, and rekeying hides it. */
static void test_slow_token(void **state)
{
	struct node *c;

	(void)state;
	setup_pair(14, 900 * MS, US_NEVER);
	c = world_node(&w, US_NEVER);
	world_join(b, c);
	node_send(a, b, 1);
	node_send(b, c, 1);
	world_run(&w, 100 * MS);
	assert_int_equal(c->n_received_data, 1);
	assert_int_equal(a->n_sent[1], 0);
	/* ss, then the message, se, and data. */
	world_run(&w, 1800 * MS);
	assert_int_equal(b->n_received_data, 1);
	assert_int_equal(a->slow->n_calls[STATIC_PEER], 1);
	assert_int_equal(a->slow->n_calls[STATIC_INITIATOR], 1);
	for (unsigned int i = 0; i < 2400; i++) {
		const unsigned int before = b->n_received_data;

		node_send(a, b, 1);
		world_run(&w, SEC);
		assert_int_equal(b->n_received_data, before + 1);
	}
	/* ss is kept: one call per handshake. */
	assert_int_equal(a->slow->n_calls[STATIC_PEER], 1);
	assert_in_range(a->slow->n_calls[STATIC_INITIATOR], 19, 21);
	/* As responder: es each time. */
	world_run(&w, 600 * SEC);
	node_send(b, a, 1);
	world_run(&w, 1100 * MS);
	assert_int_equal(a->n_received_data, 1);
	assert_int_equal(a->slow->n_calls[STATIC_RESPONDER], 1);
}

/* Slower than a retry: as initiator it still works, and the session counts from when the other end began to count. */
static void test_slower_than_the_timeout(void **state)
{
	(void)state;
	setup_pair(15, 12 * SEC, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, 30 * SEC);
	assert_int_equal(b->n_received_data, 1);
	assert_int_equal(a->n_sent[1], 1);
	assert_true(world_now(&w) - node_peer(a, b)->current->born_us > 15 * SEC);
	assert_open(b, a);
	/* As responder no answer is of use to anyone any more, and none is sent. */
	world_run(&w, 600 * SEC);
	node_send(b, a, 1);
	world_run(&w, 120 * SEC);
	assert_int_equal(a->n_sent[2], 0);
	assert_int_equal(a->control.n_responders, 0);
}

/* The token hangs or goes in the middle of each step; nothing stays, and it works when it is back. */
static void test_token_gone(void **state)
{
	static const uint64_t after[] = { 100 * MS, 600 * MS, 1100 * MS };

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		setup_pair(16 + i, 500 * MS, US_NEVER);
		node_send(a, b, 1);
		world_run(&w, after[i]);
		a->slow->closed = true;
		a->slow->key.changed(a->slow->key.changed_userdata);
		assert_null(a->slow->calls);
		assert_null(node_peer(a, b)->handshake->ss);
		assert_null(node_peer(a, b)->handshake->noise.secrets);
		assert_null(node_peer(a, b)->current);
		assert_int_equal(a->device.indexes.n, 0);
		world_run(&w, 20 * SEC);
		node_send(a, b, 1);
		world_run(&w, SEC);
		assert_int_equal(b->n_received_data, i == 2 ? 1 : 0);
		a->slow->closed = false;
		a->slow->key.changed(a->slow->key.changed_userdata);
		node_send(a, b, 1);
		world_run(&w, 2 * SEC);
		assert_true(b->n_received_data >= 1);
		assert_open(a, b);
		world_clear(&w);

		/* It answers with an error. */
		setup_pair(26 + i, 500 * MS, US_NEVER);
		node_send(a, b, 1);
		world_run(&w, after[i]);
		a->slow->error = -ENODEV;
		world_run(&w, 12 * SEC);
		a->slow->error = 0;
		world_run(&w, 12 * SEC);
		assert_int_equal(b->n_received_data, 1);
		world_clear(&w);
	}
}

/* The approval ends with traffic flowing: nothing goes either way from that moment, and nothing is left. */
static void test_approval_over(void **state)
{
	unsigned int at_a, at_b;

	(void)state;
	setup_pair(17, MS, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, SEC);
	assert_open(a, b);
	node_send(b, a, 5);
	a->slow->closed = true;
	a->slow->key.changed(a->slow->key.changed_userdata);
	at_a = a->n_received_data;
	at_b = b->n_received_data;
	assert_null(node_peer(a, b)->current);
	assert_null(node_peer(a, b)->previous);
	assert_null(node_peer(a, b)->handshake->ss);
	assert_int_equal(a->device.indexes.n, 0);
	for (unsigned int i = 0; i < 300; i++) {
		node_send(a, b, 1);
		node_send(b, a, 1);
		world_run(&w, SEC);
	}
	assert_int_equal(a->n_received_data, at_a);
	assert_int_equal(b->n_received_data, at_b);
	assert_int_equal(a->n_sent[2], 0);
	/* Each of a's packets, and whoever sent it was told; to b the other end is silent and no more. */
	assert_int_equal(a->n_refused, 300);
	assert_int_equal(b->n_refused, 0);
	/* Nothing of before is sent when it is open again. */
	a->slow->closed = false;
	a->slow->key.changed(a->slow->key.changed_userdata);
	node_send(a, b, 1);
	world_run(&w, SEC);
	assert_int_equal(b->n_received_data, at_b + 1);
}

static void forge_initiation(uint8_t bytes[static 148], const struct node *to)
{
	struct cookie_jar jar;

	randombytes_buf(bytes, 148);
	memset(bytes, 0, 4);
	bytes[0] = 1;
	cookie_jar_init(&jar, to->public_key);
	cookie_add_macs(&jar, bytes, 148, 1);
}

/* A flood from forged addresses: the token is asked as often as its bucket says, everybody else gets a cookie, and a peer that
 * is where it says gets through with it. */
static void test_flood(void **state)
{
	uint8_t bytes[148];
	struct endpoint from = { .to.in = { .sin_family = AF_INET, .sin_port = 1 } };
	unsigned int calls;

	(void)state;
	setup_pair(18, 2 * MS, US_NEVER);
	for (unsigned int i = 0; i < 2000; i++) {
		forge_initiation(bytes, a);
		from.to.in.sin_addr.s_addr = htonl(0x0b000000 + i);
		node_receive(a, bytes, sizeof(bytes), &from);
		if (i == 1000)
			node_send(b, a, 1);
		world_run(&w, 5 * MS);
	}
	calls = a->slow->n_calls[STATIC_RESPONDER];
	/* 4 at once, 2 a second for 10 s. */
	assert_in_range(calls, 20, 26);
	assert_true(a->n_sent[3] > 1900);
	assert_int_equal(a->n_received_data, 0);
	/* Its second try, with the cookie. */
	for (unsigned int i = 0; i < 500 && !a->n_received_data; i++) {
		forge_initiation(bytes, a);
		node_receive(a, bytes, sizeof(bytes), &from);
		world_run(&w, 5 * MS);
	}
	assert_int_equal(a->n_received_data, 1);
	assert_int_equal(b->n_sent[1], 2);
	/* Cookies are smaller than what they answer. */
	assert_true(a->n_sent[3] * 64 < 2000 * 148);
}

/* Those who do not show where they are wait in turn for a token that takes its time: there is room beside them for one who does. */
static void test_flood_of_a_slow_token(void **state)
{
	uint8_t bytes[148];
	struct endpoint from = { .to.in = { .sin_family = AF_INET, .sin_port = 1 } };
	unsigned int most = 0;

	(void)state;
	setup_pair(28, 800 * MS, US_NEVER);
	a->slow->key.burst = 12;
	a->slow->key.rate_us = 50 * MS;
	for (unsigned int i = 0; i < 3000 && !a->n_received_data; i++) {
		forge_initiation(bytes, a);
		from.to.in.sin_addr.s_addr = htonl(0x0b000000 + i);
		node_receive(a, bytes, sizeof(bytes), &from);
		if (i == 100)
			node_send(b, a, 1);
		world_run(&w, 5 * MS);
		most = a->control.n_responders > most ? a->control.n_responders : most;
	}
	/* Two of the flood's, and the peer's second try. */
	assert_int_equal(most, 3);
	assert_int_equal(a->n_received_data, 1);
	assert_int_equal(b->n_sent[1], 2);
}

/* One that has a cookie and floods all the same is held to its share. */
static void test_flood_with_cookie(void **state)
{
	struct cookie_jar jar;
	uint8_t bytes[148];
	unsigned int calls;

	(void)state;
	setup_pair(19, 2 * MS, US_NEVER);
	cookie_jar_init(&jar, a->public_key);
	for (unsigned int i = 0; i < 3000; i++) {
		forge_initiation(bytes, a);
		cookie_add_macs(&jar, bytes, sizeof(bytes), world_now(&w));
		node_receive(a, bytes, sizeof(bytes), &b->address);
		while (control_kicked(&a->control, w.clock.now))
			;
		if (a->n_sent[3] && !jar.has_cookie)
			assert_int_equal(
				cookie_reply_read(&jar, (const struct message_cookie *)a->last_message[3], world_now(&w)), 0);
		world_run(&w, MS);
	}
	assert_true(jar.has_cookie);
	assert_in_range(a->n_sent[3], 1, 3);
	calls = a->slow->n_calls[STATIC_RESPONDER];
	/* 3 s: 20 a second and the burst, beside the bucket's. */
	assert_in_range(calls, 50, 80);
}

/* A response that is forged for an index that was seen on the way costs one call, and the right one still comes through. */
static void test_forged_response(void **state)
{
	uint8_t bytes[92];
	struct cookie_jar jar;

	(void)state;
	setup_pair(20, 50 * MS, US_NEVER);
	b->deaf = true;
	node_send(a, b, 1);
	world_run(&w, 100 * MS);
	for (int i = 0; i < 3; i++) {
		randombytes_buf(bytes, sizeof(bytes));
		memset(bytes, 0, 4);
		bytes[0] = 2;
		memcpy(bytes + 8, a->last_message[1] + 4, 4);
		cookie_jar_init(&jar, a->public_key);
		cookie_add_macs(&jar, bytes, sizeof(bytes), 1);
		node_receive(a, bytes, sizeof(bytes), &b->address);
	}
	world_run(&w, 10 * MS);
	assert_int_equal(a->slow->n_calls[STATIC_INITIATOR], 1);
	world_run(&w, 100 * MS);
	assert_int_equal(node_peer(a, b)->handshake->state, HANDSHAKE_SENT);
	b->deaf = false;
	node_receive(b, a->last_message[1], 148, &a->address);
	world_run(&w, 300 * MS);
	assert_int_equal(b->n_received_data, 1);
}

/* A bad network for an hour: whatever happens, nobody is locked out, and nothing arrives twice. */
static void test_bad_network(void **state)
{
	(void)state;
	for (uint64_t seed = 100; seed < 108; seed++) {
		struct node *c;
		unsigned int sent = 0;

		setup_pair(seed, seed % 2 ? 300 * MS : US_NEVER, US_NEVER);
		c = world_node(&w, US_NEVER);
		world_join(a, c);
		world_join(b, c);
		w.loss_percent = 25;
		w.double_percent = 10;
		w.jitter_us = 400 * MS;
		for (unsigned int i = 0; i < 3600; i++) {
			node_send(a, b, 1);
			node_send(b, a, 1);
			node_send(c, a, i % 7 == 0);
			node_send(b, c, i % 11 == 0);
			sent++;
			if (i == 1800) {
				node_restart(c);
				node_add_peer(c, a, true);
				node_add_peer(c, b, false);
			}
			world_run(&w, world_random(&w, 2) ? 1500 * MS : 500 * MS);
		}
		assert_int_equal(a->n_bad > 200 || b->n_bad > 200, false);
		assert_true(b->n_received_data > sent / 2 && b->n_received_data <= sent);
		w.loss_percent = w.double_percent = 0;
		world_run(&w, 200 * SEC);
		node_send(a, b, 1);
		node_send(c, a, 1);
		node_send(b, c, 1);
		world_run(&w, 20 * SEC);
		assert_open(a, b);
		assert_open(a, c);
		assert_open(b, c);
		world_clear(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_replayed_handshakes),
		TEST(test_broken_messages),
		TEST(test_stranger),
		TEST(test_slow_token),
		TEST(test_slower_than_the_timeout),
		TEST(test_token_gone),
		TEST(test_approval_over),
		TEST(test_flood),
		TEST(test_flood_of_a_slow_token),
		TEST(test_flood_with_cookie),
		TEST(test_forged_response),
		TEST(test_bad_network),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
