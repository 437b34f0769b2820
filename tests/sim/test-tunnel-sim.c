/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control half of wgfido-tunnel in a simulated world: handshakes, rekeying, what ends them. */
#include "tests/sim/tunnel-sim-fixture.h"

#include <sodium.h>

/* One round trip, what was staged goes out at once behind it, and the responder answers in the same session. */
static void test_handshake(void **state)
{
	(void)state;
	setup_pair(1, US_NEVER, US_NEVER);
	node_send(a, b, 5);
	world_run(&w, 20 * MS);
	assert_int_equal(b->n_received_data, 0);
	world_run(&w, 10 * MS);
	assert_int_equal(b->n_received_data, 5);
	assert_int_equal(a->n_sent[1], 1);
	assert_int_equal(b->n_sent[2], 1);
	assert_non_null(node_peer(b, a)->current);
	assert_null(node_peer(b, a)->next);
	assert_open(a, b);
	assert_int_equal(a->n_sent[1] + b->n_sent[1], 1);
	assert_int_not_equal(node_peer(a, b)->handshake->completed_real_us, 0);
	assert_int_not_equal(node_peer(b, a)->handshake->completed_real_us, 0);
}

/* Without data: the initiator confirms with a keepalive. */
static void test_confirmation(void **state)
{
	(void)state;
	setup_pair(2, US_NEVER, US_NEVER);
	handshake_begin(node_peer(a, b)->handshake, false, w.clock.now);
	world_run(&w, 25 * MS);
	assert_non_null(node_peer(b, a)->next);
	assert_null(node_peer(b, a)->current);
	world_run(&w, 10 * MS);
	assert_int_equal(b->n_keepalives, 1);
	assert_non_null(node_peer(b, a)->current);
	assert_open(b, a);
}

/* A packet thread in control's place: one message's work, unless the key is a token's. */
static void test_served(void **state)
{
	struct message_initiation m;

	(void)state;
	setup_pair(30, US_NEVER, 10 * MS);
	handshake_begin(node_peer(b, a)->handshake, false, w.clock.now);
	world_run(&w, SEC);
	memcpy(&m, b->last_message[1], sizeof(m));
	assert_open(a, b);
	for (int i = 0; i < 2; i++)
		assert_true(device_deliver(&a->device, &m, sizeof(m), &b->address));
	assert_int_equal(inbox_fill(a->device.inbox), 2);
	assert_true(control_serve(&a->control, w.clock.now));
	assert_int_equal(inbox_fill(a->device.inbox), 1);
	assert_false(control_serve(&a->control, w.clock.now));
	assert_int_equal(inbox_fill(a->device.inbox), 0);
	assert_true(atomic_load(&a->device.serves));
	assert_false(atomic_load(&b->device.serves));
	assert_true(device_deliver(&b->device, &m, sizeof(m), &a->address));
	peer_raise(node_peer(b, a), PEER_NEED_HANDSHAKE);
	assert_true(control_serve(&b->control, w.clock.now));
	assert_int_equal(inbox_fill(b->device.inbox), 1);
	assert_ptr_equal(b->device.attention, node_peer(b, a));
}

/* Nor more than one peer's: with many that want a handshake at once a packet thread would carry no packets for as long. */
static void test_served_one_by_one(void **state)
{
	struct node *c;

	(void)state;
	setup_pair(31, US_NEVER, US_NEVER);
	c = world_node(&w, US_NEVER);
	world_join(a, c);
	peer_raise(node_peer(a, b), PEER_NEED_HANDSHAKE);
	peer_raise(node_peer(a, c), PEER_NEED_HANDSHAKE);
	assert_true(control_serve(&a->control, w.clock.now));
	assert_int_equal(a->n_sent[1], 1);
	assert_false(control_serve(&a->control, w.clock.now));
	assert_int_equal(a->n_sent[1], 2);
	peer_raise(node_peer(a, b), PEER_ROAMED);
	peer_raise(node_peer(a, c), PEER_ROAMED);
	assert_false(control_kicked(&a->control, w.clock.now));
	assert_null(a->device.attention);
}

static void set_psk(struct peer *p, uint8_t byte)
{
	p->handshake->psk = secret_free(p->handshake->psk);
	p->handshake->psk = secret_new(32);
	memset(secret_borrow_mut(p->handshake->psk), byte, 32);
}

static void test_psk(void **state)
{
	(void)state;
	setup_pair(3, US_NEVER, US_NEVER);
	set_psk(node_peer(a, b), 7);
	node_send(a, b, 1);
	world_run(&w, 3 * SEC);
	assert_null(node_peer(a, b)->current);
	assert_int_equal(b->n_received_data, 0);
	set_psk(node_peer(b, a), 7);
	world_run(&w, 10 * SEC);
	assert_int_equal(b->n_received_data, 1);
	assert_open(a, b);
}

/* 20 rekeys under traffic both ways, with loss, doubles and reordering. Only the first initiator makes new keys. */
static void test_rekeys(void **state)
{
	unsigned int sent = 0;

	(void)state;
	setup_pair(4, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, SEC);
	w.loss_percent = 5;
	w.double_percent = 5;
	w.jitter_us = 50 * MS;
	for (unsigned int i = 0; i < 2520; i++) {
		node_send(a, b, 2);
		node_send(b, a, 2);
		sent += 2;
		world_run(&w, SEC);
		assert_non_null(node_peer(a, b)->current);
		assert_true(session_may_send(node_peer(a, b)->current, world_now(&w), 1));
	}
	assert_true(b->n_sent[2] >= 21 && b->n_sent[2] <= 30);
	assert_int_equal(b->n_sent[1], 0);
	/* Nothing was lost but by the network; nothing was taken twice. */
	assert_true(b->n_received_data > sent * 90 / 100 && b->n_received_data <= sent + 1);
	assert_true(a->n_received_data > sent * 90 / 100 && a->n_received_data <= sent);
	assert_true(a->n_replayed > 0);
	assert_int_equal(a->n_bad + b->n_bad, 0);
	print_message("%u handshakes, %u of %u packets arrived\n", b->n_sent[2], b->n_received_data, sent + 1);
}

/* An initiator that only receives makes new keys in time, so that the sender never has to wait. */
static void test_receiving_initiator(void **state)
{
	(void)state;
	setup_pair(5, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, SEC);
	for (unsigned int i = 0; i < 1000; i++) {
		node_send(b, a, 1);
		world_run(&w, SEC);
	}
	assert_int_equal(a->n_received_data, 1000);
	assert_int_equal(b->n_sent[1], 0);
}

/* Both begin in the same moment, again and again. */
static void test_both_begin(void **state)
{
	unsigned int began = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		setup_pair(seed, US_NEVER, US_NEVER);
		w.jitter_us = seed % 2 ? 5 * MS : 0;
		node_send(a, b, 1);
		node_send(b, a, 1);
		world_run(&w, 200 * MS);
		assert_int_equal(a->n_received_data, 1);
		assert_int_equal(b->n_received_data, 1);
		assert_open(a, b);
		/* And it goes on: somebody makes the next keys. */
		for (unsigned int i = 0; i < 400; i++) {
			node_send(a, b, 1);
			node_send(b, a, 1);
			world_run(&w, SEC);
		}
		/* When both renew in one moment, what is under way in the oldest session is lost, as with the kernel's; but they do
		 * not go on renewing together. */
		assert_in_range(a->n_received_data, 400, 403);
		assert_in_range(b->n_received_data, 401, 404);
		began += a->n_sent[1] + b->n_sent[1];
		world_clear(&w);
	}
	/* Four times both would be 8 each; 5 if only the first was common. */
	assert_true(began < 50 * 13 / 2);
}

/* One that starts anew has no session; the other's data has no answer, and it makes a new one. */
static void test_restart(void **state)
{
	uint64_t began;

	(void)state;
	setup_pair(6, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, SEC);
	node_restart(b);
	node_add_peer(b, a, false);
	node_send(a, b, 1);
	began = world_now(&w);
	while (b->n_received_data < 2 && world_now(&w) < began + 60 * SEC) {
		node_send(a, b, 1);
		world_run(&w, SEC);
	}
	assert_in_range((world_now(&w) - began) / SEC, 14, 17);
	/* Without an endpoint of its own it knows where the other is. */
	assert_open(b, a);

	/* One that speaks first when it is back needs no time at all. */
	node_restart(b);
	node_add_peer(b, a, true);
	node_send(b, a, 1);
	world_run(&w, 100 * MS);
	assert_open(a, b);
}

/* Retries every 5 s and a bit, for 90 s; then nothing goes, what was staged is dropped, and data begins it again. */
static void test_nobody_there(void **state)
{
	unsigned int sent;

	(void)state;
	setup_pair(7, US_NEVER, US_NEVER);
	b->deaf = true;
	node_send(a, b, 3);
	world_run(&w, 50 * SEC);
	assert_in_range(a->n_sent[1], 9, 11);
	world_run(&w, 200 * SEC);
	sent = a->n_sent[1];
	assert_in_range(sent, 17, 19);
	assert_int_equal(a->n_dropped_staged, 3);
	assert_int_equal(node_peer(a, b)->handshake->state, HANDSHAKE_NONE);
	assert_null(node_peer(a, b)->handshake->noise.secrets);
	world_run(&w, 1000 * SEC);
	assert_int_equal(a->n_sent[1], sent);
	assert_int_equal(control_deadline(&a->control), US_NEVER);
	b->deaf = false;
	node_send(a, b, 1);
	world_run(&w, SEC);
	assert_int_equal(b->n_received_data, 1);
	assert_open(a, b);
}

/* Data that is only received is acknowledged after 10 s, once, and then all is quiet; keys are wiped after 540 s. */
static void test_quiet(void **state)
{
	(void)state;
	setup_pair(8, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, 5 * SEC);
	assert_int_equal(b->n_sent[4], 0);
	world_run(&w, 6 * SEC);
	assert_int_equal(b->n_sent[4], 1);
	assert_int_equal(a->n_keepalives, 1);
	assert_int_equal(a->n_sent[1], 1);
	world_run(&w, 500 * SEC);
	assert_int_equal(a->n_sent[4] + b->n_sent[4], 2);
	assert_int_equal(a->n_sent[1] + b->n_sent[1], 1);
	assert_non_null(node_peer(a, b)->current);
	world_run(&w, 40 * SEC);
	assert_null(node_peer(a, b)->current);
	assert_null(node_peer(b, a)->current);
	assert_int_equal(a->device.indexes.n + b->device.indexes.n, 0);
	assert_false(node_peer(a, b)->active);
	assert_int_equal(control_deadline(&a->control), US_NEVER);
	assert_open(b, a);
}

static void set_persistent(struct node *n, struct peer *p, uint16_t seconds)
{
	p->handshake->keepalive_s = seconds;
	p->handshake->timers.persistent_us = seconds * SEC;
	p->handshake->timers.persistent_base_us = world_now(&w);
	handshake_schedule(p->handshake, world_now(&w));
	(void)n;
}

static void test_persistent_keepalive(void **state)
{
	(void)state;
	setup_pair(9, US_NEVER, US_NEVER);
	set_persistent(a, node_peer(a, b), 25);
	world_run(&w, 1000 * SEC);
	/* It also keeps the session: a new one at 120 s and a bit. */
	assert_in_range(b->n_keepalives, 36, 48);
	assert_in_range(a->n_sent[1], 6, 9);
	assert_int_equal(b->n_sent[1], 0);
	assert_open(b, a);
	/* Across an outage longer than any series of retries. */
	b->deaf = true;
	world_run(&w, 600 * SEC);
	b->deaf = false;
	world_run(&w, 40 * SEC);
	assert_open(b, a);
}

/* The other end moved; authenticated packets only say where to. */
static void test_roaming(void **state)
{
	struct endpoint elsewhere, before;
	unsigned int n_moves = 0;
	uint8_t junk[60] = { 4 };

	(void)state;
	setup_pair(10, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, SEC);
	elsewhere = a->address;
	elsewhere.to.in.sin_port = htons(7);
	message_put32(junk + 4, node_peer(b, a)->current->entry.index);
	junk[8] = 99;
	node_receive(b, junk, sizeof(junk), &elsewhere);
	node_receive(b, a->last_message[1], 148, &elsewhere);
	world_run(&w, SEC);
	assert_true(endpoint_equal(&node_peer(b, a)->endpoint, &a->address));
	a->address = elsewhere;
	node_send(a, b, 1);
	world_run(&w, SEC);
	assert_true(endpoint_equal(&node_peer(b, a)->endpoint, &elsewhere));
	assert_open(b, a);
	/* With a handshake. */
	a->address.to.in.sin_port = htons(8);
	world_run(&w, 130 * SEC);
	handshake_begin(node_peer(a, b)->handshake, false, w.clock.now);
	world_run(&w, SEC);
	assert_open(b, a);
	a->address.to.in.sin_port = htons(9);
	world_run(&w, 10 * SEC);
	handshake_begin(node_peer(b, a)->handshake, false, w.clock.now);
	world_run(&w, SEC);
	/* In two places at a time: that stops all packets for each move, and so is done now and then only. */
	for (unsigned int i = 0; i < 40; i++) {
		before = node_peer(b, a)->endpoint;
		a->address.to.in.sin_port = htons(10 + i % 2);
		node_send(a, b, 1);
		world_run(&w, MS);
		n_moves += !endpoint_equal(&node_peer(b, a)->endpoint, &before);
	}
	assert_in_range(n_moves, 1, 2);
	world_run(&w, SEC);
	a->address.to.in.sin_port = htons(12);
	node_send(a, b, 1);
	world_run(&w, SEC);
	assert_true(endpoint_equal(&node_peer(b, a)->endpoint, &a->address));
}

/* At the end of the counters nothing more is sent in a session, and the next one comes by itself. */
static void test_end_of_counters(void **state)
{
	(void)state;
	setup_pair(21, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, 10 * SEC);
	node_peer(a, b)->current->send_counter = SESSION_REKEY_AFTER_MESSAGES - 1;
	node_send(a, b, 1);
	world_run(&w, SEC);
	assert_int_equal(a->n_sent[1], 2);
	assert_int_equal(b->n_received_data, 2);
	world_run(&w, 10 * SEC);
	node_peer(a, b)->current->send_counter = SESSION_REJECT_AFTER_MESSAGES - 1;
	b->deaf = true;
	node_send(a, b, 2);
	world_run(&w, 100 * MS);
	assert_int_equal(node_peer(a, b)->current->send_counter, SESSION_REJECT_AFTER_MESSAGES);
	b->deaf = false;
	world_run(&w, 10 * SEC);
	assert_open(a, b);
}

/* The interface's key is another: sessions made with the old one are not sent with any more; without one nothing is left. */
static void test_another_key(void **state)
{
	struct secret *s;

	(void)state;
	setup_pair(22, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, SEC);
	node_send(b, a, 1);
	world_run(&w, MS);
	s = secret_new(32);
	randombytes_buf(a->private_key, 32);
	memcpy(secret_borrow_mut(s), a->private_key, 32);
	assert_int_equal(control_set_key(&a->control, static_key_software_new(s), w.clock.now), 0);
	assert_null(node_peer(a, b)->current);
	world_run(&w, SEC);
	assert_int_equal(a->n_received_data, 1);
	memcpy(a->public_key, a->control.key->public_key, 32);
	node_add_peer(b, a, true);
	node_send(a, b, 1);
	world_run(&w, 10 * SEC);
	assert_int_equal(b->n_received_data, 2);
	assert_open(a, b);
	assert_int_equal(control_set_key(&a->control, NULL, w.clock.now), 0);
	assert_int_equal(a->device.indexes.n, 0);
	node_send(a, b, 1);
	node_send(b, a, 1);
	world_run(&w, 10 * SEC);
	assert_int_equal(a->n_received_data, 3);
	/* A peer with our own key is none. */
	s = secret_new(32);
	memcpy(secret_borrow_mut(s), b->private_key, 32);
	assert_int_equal(control_set_key(&a->control, static_key_software_new(s), w.clock.now), 0);
	assert_null(device_peer_find(&a->device, b->public_key));
}

static void test_down(void **state)
{
	(void)state;
	setup_pair(23, US_NEVER, US_NEVER);
	node_send(a, b, 1);
	world_run(&w, SEC);
	assert_int_equal(control_set_up(&a->control, false, w.clock.now), 0);
	assert_int_equal(a->device.indexes.n, 0);
	node_send(b, a, 1);
	world_run(&w, 30 * SEC);
	assert_int_equal(a->n_received_data, 0);
	assert_int_equal(a->n_sent[1], 1);
	assert_int_equal(control_set_up(&a->control, true, w.clock.now), 0);
	world_run(&w, 10 * SEC);
	assert_open(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_handshake),
		TEST(test_confirmation),
		TEST(test_served),
		TEST(test_served_one_by_one),
		TEST(test_psk),
		TEST(test_rekeys),
		TEST(test_receiving_initiator),
		TEST(test_both_begin),
		TEST(test_restart),
		TEST(test_nobody_there),
		TEST(test_quiet),
		TEST(test_persistent_keepalive),
		TEST(test_roaming),
		TEST(test_end_of_counters),
		TEST(test_another_key),
		TEST(test_down),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
