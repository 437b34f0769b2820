/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The next static key beside the present one, in a simulated world. */
#include "tests/sim/tunnel-world.h"

#include <errno.h>
#include <sodium.h>

#include "tunnel/successor.h"

static struct world w;
static struct node *a, *b, *c;
static struct successor *s;
static unsigned int n_ready;

/* A software key whose answers wait until they are let go. */
struct static_call {
	int unused;
};
static struct {
	struct static_key key;
	struct static_key *inner;
	bool hold, asked, refuse;
	static_done done;
	void *userdata;
	struct secret *shared;
	struct static_call call;
	unsigned int n_cancelled;
} held;

static int held_dh(struct static_key *k, const struct static_request *request, static_done done, void *userdata,
	struct static_call **ret_call, struct secret **ret_shared)
{
	const int r = held.inner->ops->dh(held.inner, request, done, userdata, ret_call, ret_shared);

	(void)k;
	if (held.refuse || (held.hold && held.asked)) {
		*ret_shared = secret_free(*ret_shared);
		return -EAGAIN;
	}
	if (r <= 0 || !held.hold)
		return r;
	held.asked = true;
	held.shared = *ret_shared;
	*ret_shared = NULL;
	held.done = done;
	held.userdata = userdata;
	*ret_call = &held.call;
	return 0;
}

static void held_cancel(struct static_key *k, struct static_call *call)
{
	(void)k;
	(void)call;
	held.asked = false;
	held.shared = secret_free(held.shared);
	held.n_cancelled++;
}

static void held_release(void)
{
	assert_true(held.asked);
	held.asked = false;
	held.done(held.userdata, 0, held.shared);
	held.shared = NULL;
}

static bool held_approved(struct static_key *k, const uint8_t peer[static KEY_SIZE])
{
	(void)k;
	(void)peer;
	return true;
}

static void held_free(struct static_key *k)
{
	(void)k;
	held.inner = static_key_free(held.inner);
	held.shared = secret_free(held.shared);
}

static const struct static_key_ops held_ops = { held_dh, held_cancel, held_approved, held_free };

static void on_ready(void *userdata)
{
	assert_ptr_equal(userdata, &w);
	n_ready++;
}

static void setup_next(void)
{
	struct secret *private_key = secret_new(SECRET_KEY_SIZE);

	assert_non_null(private_key);
	secret_fill_random(private_key);
	memset(&held, 0, sizeof(held));
	held.inner = static_key_software_new(private_key);
	held.key.ops = &held_ops;
	held.key.waiting_max = UINT32_MAX;
	memcpy(held.key.public_key, held.inner->public_key, KEY_SIZE);
	n_ready = 0;
	s = successor_new(&a->control, &held.key, on_ready, &w);
	assert_non_null(s);
}

static int setup(void **state)
{
	(void)state;
	world_init(&w, 11);
	a = world_node(&w, US_NEVER);
	b = world_node(&w, US_NEVER);
	c = world_node(&w, US_NEVER);
	world_join(a, b);
	world_join(a, c);
	node_send(a, b, 1);
	world_run(&w, SEC);
	setup_next();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	s = successor_free(s);
	world_clear(&w);
	return 0;
}

/* The other end is told of the next key. */
static void tell(struct node *n)
{
	struct peer *p;

	assert_int_equal(control_peer_add(&n->control, held.key.public_key, &p), 0);
}

static void seconds(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		world_run(&w, SEC);
		successor_tick(s, w.clock.now);
	}
}

static bool passes(struct node *to)
{
	const unsigned int before = to->n_received_data;

	node_send(a, to, 1);
	world_run(&w, SEC / 2);
	return to->n_received_data == before + 1;
}

static void adopt(void)
{
	assert_int_equal(successor_adopt(s, w.clock.now), 0);
	s = successor_free(s);
	assert_memory_equal(a->control.key->public_key, held.key.public_key, KEY_SIZE);
}

static void test_takes_its_place(void **state)
{
	const struct session *session;

	(void)state;
	/* Nobody has it: the present key serves, and rekeys, as ever. */
	for (unsigned int i = 0; i < 30; i++) {
		seconds(10);
		assert_true(passes(b));
	}
	assert_int_equal(n_ready, 0);
	assert_int_equal(held.n_cancelled, 0);
	tell(b);
	seconds(6);
	assert_true(n_ready > 0);
	assert_true(passes(b));
	session = node_peer(a, b)->current;
	adopt();
	/* No session ends by it, and the next handshake is the new key's. */
	assert_ptr_equal(node_peer(a, b)->current, session);
	assert_true(passes(b));
	control_peer_remove(node_peer(b, a));
	for (unsigned int i = 0; i < 300; i++) {
		world_run(&w, SEC / 2);
		assert_true(passes(b));
	}
	assert_ptr_not_equal(node_peer(a, b)->current, session);
}

/* It takes its place before all have it: those who do are soon spoken with under it, the others' sessions go on to their end. */
static void test_before_all_have_it(void **state)
{
	const struct session *of_b, *of_c;
	uint64_t completed;

	(void)state;
	assert_true(passes(b));
	assert_true(passes(c));
	tell(b);
	adopt();
	completed = node_peer(a, b)->handshake->completed_real_us;
	of_b = node_peer(a, b)->current;
	of_c = node_peer(a, c)->current;
	/* At once, however short a while ago the last handshake was. */
	control_renew(&a->control, w.clock.now);
	assert_ptr_equal(node_peer(a, c)->current, of_c);
	assert_true(passes(c));
	assert_true(passes(b));
	assert_ptr_not_equal(node_peer(a, b)->current, of_b);
	assert_true(node_peer(a, b)->handshake->completed_real_us > completed);
	for (unsigned int i = 0; i < 60; i++) {
		world_run(&w, SEC / 2);
		assert_true(passes(c));
		assert_true(passes(b));
	}
	assert_ptr_equal(node_peer(a, c)->current, of_c);
	/* A peer that is not spoken with is left alone. */
	control_peer_remove(node_peer(b, a));
	world_run(&w, 200 * SEC);
	completed = a->n_sent[1];
	control_renew(&a->control, w.clock.now);
	world_run(&w, SEC);
	assert_int_equal(a->n_sent[1], completed);
}

/* One other end has it and one has not: each is spoken with under the key that it knows, for as long as it takes. */
static void test_one_of_two(void **state)
{
	(void)state;
	assert_true(passes(b));
	assert_true(passes(c));
	tell(b);
	control_peer_remove(node_peer(b, a));
	seconds(6);
	for (unsigned int i = 0; i < 400; i++) {
		seconds(1);
		assert_true(passes(b));
		assert_true(passes(c));
	}
	assert_int_equal(n_ready, 0);
	/* It falls silent: who cannot be heard does not count. */
	c->deaf = true;
	seconds(200);
	assert_true(n_ready > 0);
	adopt();
	assert_true(passes(b));
}

/* One that begins by itself with the next key is answered at once. */
static void test_the_other_end_begins(void **state)
{
	struct message_initiation m = { 0 };
	struct cookie_jar jar;
	const unsigned int before = a->n_sent[1];

	(void)state;
	seconds(3);
	cookie_jar_init(&jar, held.key.public_key);
	m.type[0] = 1;
	cookie_add_macs(&jar, &m, sizeof(m), world_now(&w));
	tell(b);
	world_run(&w, 2 * SEC);
	node_receive(a, &m, sizeof(m), &b->address);
	assert_true(a->n_sent[1] > before);
	world_run(&w, SEC);
	assert_int_equal(n_ready, 1);
	/* Not more often than that. */
	node_receive(a, &m, sizeof(m), &b->address);
	node_receive(a, &m, sizeof(m), &b->address);
	assert_true(a->n_sent[1] <= before + 4);
}

/* An other end under load wants to see a cookie first, of this key's handshake as of any. */
static void test_cookie(void **state)
{
	(void)state;
	tell(b);
	b->control.key->waiting_max = 0;
	seconds(12);
	assert_true(b->n_sent[3] > 0);
	assert_true(n_ready > 0);
	assert_true(passes(b));
}

static void test_slow_key(void **state)
{
	(void)state;
	tell(b);
	held.hold = true;
	seconds(6);
	assert_true(held.asked);
	/* Whatever it takes, and the present key goes on; other peers' calls are refused meanwhile. */
	held.hold = false;
	held.refuse = true;
	seconds(20);
	assert_true(passes(b));
	held.refuse = false;
	held.hold = true;
	held_release();
	world_run(&w, SEC);
	assert_true(held.asked);
	held_release();
	assert_true(n_ready > 0);
	held.hold = false;
	assert_true(passes(b));
}

/* What waits for an answer when its peer goes, or the next key does, is forgotten; the answer is cancelled. */
static void test_forgotten(void **state)
{
	(void)state;
	held.hold = true;
	seconds(6);
	assert_true(held.asked);
	control_peer_remove(node_peer(a, b));
	control_peer_remove(node_peer(a, c));
	assert_int_equal(held.n_cancelled, 1);
	seconds(6);
	(void)node_add_peer(a, b, true);
	tell(b);
	held.hold = false;
	seconds(6);
	assert_true(n_ready > 0);
}

static void test_closed(void **state)
{
	struct peer *p = node_peer(a, b);

	(void)state;
	held.hold = true;
	seconds(6);
	assert_non_null(p->handshake->probe);
	device_lock(&a->device);
	handshake_close_locked(p->handshake);
	device_unlock(&a->device);
	assert_null(p->handshake->probe);
	/* As when the approval ends under the new key: nothing is left of either. */
	held.hold = false;
	tell(b);
	seconds(6);
	assert_true(n_ready > 0);
	device_lock(&a->device);
	handshake_close_locked(p->handshake);
	device_unlock(&a->device);
	assert_null(p->current);
	assert_null(p->handshake->ss);
	assert_null(p->handshake->probe);
}

static void test_forged_answers(void **state)
{
	(void)state;
	tell(b);
	b->deaf = true;
	seconds(6);
	b->deaf = false;
	for (unsigned int at = 0; at < 60; at++) {
		uint8_t bytes[92];

		memcpy(bytes, b->last_message[2], sizeof(bytes));
		bytes[at] ^= 1;
		node_receive(a, bytes, sizeof(bytes), &b->address);
	}
	assert_int_equal(n_ready, 0);
	assert_true(passes(b));
}

/* Approved anew while it was approved: what ss was asked for under is over, and the next handshake asks for it again. */
static void test_another_approval(void **state)
{
	unsigned int n_static, n_initiator;
	uint64_t completed;

	(void)state;
	world_init(&w, 12);
	a = world_node(&w, MS);
	b = world_node(&w, US_NEVER);
	world_join(a, b);
	node_send(a, b, 1);
	world_run(&w, 10 * SEC);
	n_static = a->slow->n_calls[STATIC_PEER];
	n_initiator = a->slow->n_calls[STATIC_INITIATOR];
	completed = node_peer(a, b)->handshake->completed_real_us;
	assert_int_equal(n_static, 1);
	a->slow->error = -EACCES;
	handshake_begin(node_peer(a, b)->handshake, false, w.clock.now);
	world_run(&w, SEC);
	assert_int_equal(a->slow->n_calls[STATIC_INITIATOR], n_initiator + 1);
	a->slow->error = 0;
	world_run(&w, 10 * SEC);
	assert_int_equal(a->slow->n_calls[STATIC_PEER], n_static + 1);
	assert_true(node_peer(a, b)->handshake->completed_real_us > completed);
	world_clear(&w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_takes_its_place),
		TEST(test_before_all_have_it),
		TEST(test_one_of_two),
		TEST(test_the_other_end_begins),
		TEST(test_cookie),
		TEST(test_slow_key),
		TEST(test_forgotten),
		TEST(test_closed),
		TEST(test_forged_answers),
		cmocka_unit_test(test_another_approval),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
