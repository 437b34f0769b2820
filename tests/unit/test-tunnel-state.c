/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What control and the packet threads share: indexes, replay window, inbox, attention list, locks. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/eventfd.h>

#include "tunnel/device.h"
#include "tunnel/static_key.h"

static const uint8_t key_a[KEY_SIZE] = { 1 }, key_b[KEY_SIZE] = { 2 };

static void test_replay(void **state)
{
	struct replay r;

	(void)state;
	replay_init(&r);
	assert_true(replay_take(&r, 0));
	assert_false(replay_take(&r, 0));
	assert_true(replay_take(&r, 5));
	assert_true(replay_may(&r, 4));
	assert_true(replay_may(&r, 4));
	assert_true(replay_take(&r, 4));
	assert_false(replay_may(&r, 4));
	/* The edge of the window. */
	assert_true(replay_take(&r, 20000));
	assert_false(replay_take(&r, 20000 - REPLAY_WINDOW));
	assert_true(replay_take(&r, 20001 - REPLAY_WINDOW));
	assert_false(replay_take(&r, 20001 - REPLAY_WINDOW));
	assert_true(replay_take(&r, 19999));
	/* Far ahead: all that was seen is too old, and nothing of it is left in the ring. */
	assert_true(replay_take(&r, UINT64_C(1) << 40));
	assert_false(replay_take(&r, 19998));
	for (uint64_t i = 1; i < REPLAY_WINDOW; i++)
		assert_true(replay_take(&r, (UINT64_C(1) << 40) - i));
	for (uint64_t i = 0; i < REPLAY_WINDOW; i++)
		assert_false(replay_take(&r, (UINT64_C(1) << 40) - i));
	/* The end of the counters. */
	assert_true(replay_take(&r, SESSION_REJECT_AFTER_MESSAGES - 1));
	assert_false(replay_take(&r, SESSION_REJECT_AFTER_MESSAGES));
	assert_false(replay_take(&r, UINT64_MAX));
}

/* Against a set, with counters that jump about. */
static void test_replay_random(void **state)
{
	static bool seen[200000];
	struct replay r;
	uint64_t greatest = 0;

	(void)state;
	replay_init(&r);
	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < 400000; i++) {
		const uint64_t back = randombytes_uniform(REPLAY_BITS + 100);
		uint64_t counter = greatest + randombytes_uniform(3) * randombytes_uniform(30);
		bool expected;

		counter = counter > back && randombytes_uniform(3) ? counter - back : counter;
		if (counter >= 200000)
			continue;
		expected = !seen[counter] && (counter > greatest || greatest + 1 - counter <= REPLAY_WINDOW);
		assert_int_equal(replay_take(&r, counter), expected);
		seen[counter] = true;
		if (counter > greatest)
			greatest = counter;
	}
}

static void test_indexes(void **state)
{
	static struct index_entry entries[1000];
	struct index_table t = { 0 };
	struct peer p = { 0 };
	struct secret *keys = secret_new(64);
	struct session *s;

	(void)state;
	assert_null(index_find(&t, 0));
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(index_insert(&t, &entries[i]), 0);
	for (size_t i = 0; i < 1000; i++)
		assert_ptr_equal(index_find(&t, entries[i].index), &entries[i]);
	for (size_t i = 0; i < 1000; i += 2)
		index_remove(&t, &entries[i]);
	index_remove(&t, &entries[0]);
	assert_int_equal(t.n, 500);
	for (size_t i = 0; i < 1000; i++)
		assert_ptr_equal(index_find(&t, entries[i].index), i % 2 ? &entries[i] : NULL);

	/* A handshake becomes a session, under the index that the other end knows. */
	s = session_new(&p, keys, true, entries[1].index, 7, 1);
	index_replace(&t, &entries[1], &s->entry);
	assert_ptr_equal(index_find(&t, entries[1].index)->session, s);
	assert_ptr_equal(s->entry.peer, &p);
	assert_ptr_equal(s->receive_key, s->send_key + 32);
	index_remove(&t, &s->entry);
	assert_null(index_find(&t, entries[1].index));
	session_free(s);
	index_clear(&t);
}

static void test_session_limits(void **state)
{
	struct session s = { .born_us = 1000 };

	(void)state;
	assert_false(session_may_send(NULL, 0, 1));
	assert_true(session_may_send(&s, 1000 + SESSION_REJECT_AFTER_US - 1, 1));
	assert_false(session_may_send(&s, 1000 + SESSION_REJECT_AFTER_US, 1));
	assert_true(session_may_receive(&s, 1000 + SESSION_REJECT_AFTER_US - 1));
	assert_false(session_may_receive(&s, 1000 + SESSION_REJECT_AFTER_US));
	s.send_counter = SESSION_REJECT_AFTER_MESSAGES - 2;
	assert_true(session_may_send(&s, 1000, 2));
	assert_false(session_may_send(&s, 1000, 3));
	assert_int_equal(SESSION_REJECT_AFTER_MESSAGES, UINT64_C(0xffffffffffffdfff));
}

static eventfd_t kicks(struct device *d)
{
	eventfd_t n = 0;

	return eventfd_read(d->kick_fd, &n) < 0 ? 0 : n;
}

static void test_peers(void **state)
{
	struct device d;
	struct peer *a, *b, *p;
	uint32_t flags;
	uint8_t key[KEY_SIZE] = { 9 };

	(void)state;
	assert_int_equal(device_init(&d, NULL, NULL), 0);
	assert_int_equal(device_peer_add(&d, key_a, &a), 0);
	assert_int_equal(device_peer_add(&d, key_a, &b), -EEXIST);
	assert_int_equal(device_peer_add(&d, key_b, &b), 0);
	assert_ptr_equal(device_peer_find(&d, key_b), b);
	for (uint16_t i = 0; i < 500; i++) {
		memcpy(key + 8, &i, sizeof(i));
		assert_int_equal(device_peer_add(&d, key, &p), 0);
	}
	for (uint16_t i = 0; i < 500; i += 2) {
		memcpy(key + 8, &i, sizeof(i));
		device_peer_remove(device_peer_find(&d, key));
	}
	for (uint16_t i = 0; i < 500; i++) {
		memcpy(key + 8, &i, sizeof(i));
		assert_int_equal(!device_peer_find(&d, key), i % 2 == 0);
	}
	assert_int_equal(d.n_peers, 252);

	/* Kicked once, as the lock is let go, each on the list once, with all that was raised until it was looked at. */
	device_path_lock(&d, DEVICE_IN);
	peer_raise(a, PEER_ROAMED);
	peer_raise(b, PEER_CONFIRMED);
	peer_raise(a, PEER_ROAMED);
	assert_int_equal(kicks(&d), 0);
	device_path_unlock(&d, DEVICE_IN);
	assert_int_equal(kicks(&d), 1);
	device_path_lock(&d, DEVICE_IN);
	peer_raise(a, PEER_NEED_HANDSHAKE);
	device_path_unlock(&d, DEVICE_IN);
	assert_int_equal(kicks(&d), 0);
	assert_ptr_equal(device_attention(&d, &flags), b);
	assert_int_equal(flags, PEER_CONFIRMED);
	assert_ptr_equal(device_attention(&d, &flags), a);
	assert_int_equal(flags, PEER_ROAMED | PEER_NEED_HANDSHAKE);
	assert_null(device_attention(&d, &flags));
	/* One that goes is not looked at, wherever it stands in the list. */
	for (int i = 0; i < 3; i++) {
		struct peer *c = i == 2 ? a : b, *gone;

		memset(key, 40 + i, sizeof(key));
		assert_int_equal(device_peer_add(&d, key, &gone), 0);
		if (i == 0)
			peer_raise(gone, 1);
		peer_raise(c, 1);
		if (i > 0)
			peer_raise(gone, 1);
		device_peer_remove(gone);
		assert_ptr_equal(device_attention(&d, &flags), c);
		assert_null(device_attention(&d, &flags));
	}
	device_clear(&d);
}

static void test_notes(void **state)
{
	const struct endpoint here = { .to.in = { .sin_family = AF_INET, .sin_port = 1 } },
			      there = { .to.in = { .sin_family = AF_INET, .sin_port = 2 } };
	struct device d;
	struct peer *p;
	struct session s = { .initiator = true, .born_us = 1, .rekey_us = 1 + SESSION_REKEY_AFTER_US }, next = { .born_us = 1 };
	uint32_t flags;

	(void)state;
	assert_int_equal(device_init(&d, NULL, NULL), 0);
	assert_int_equal(device_peer_add(&d, key_a, &p), 0);
	p->endpoint = here;
	p->current = &s;
	p->next = &next;
	peer_note_sent(p, &s, 5, 100, 1);
	peer_note_sent(p, &s, 6, 100, 3);
	assert_int_equal(p->traffic.unanswered_since_us, 5);
	assert_int_equal(p->traffic.last_sent_us, 6);
	assert_int_equal(p->traffic.tx_bytes, 200);
	assert_ptr_equal(device_attention(&d, &flags), p);
	assert_int_equal(flags, PEER_WOKE);
	/* A keepalive answers, and asks for no answer. */
	peer_note_received(p, &s, 7, 32, false, &here);
	assert_int_equal(p->traffic.unanswered_since_us, 0);
	assert_int_equal(p->traffic.unacknowledged_since_us, 0);
	peer_note_received(p, &s, 8, 32, true, &here);
	peer_note_received(p, &s, 9, 32, true, &here);
	assert_int_equal(p->traffic.unacknowledged_since_us, 8);
	peer_note_sent(p, &s, 10, 32, 0);
	assert_int_equal(p->traffic.unacknowledged_since_us, 0);
	assert_int_equal(p->traffic.unanswered_since_us, 0);
	assert_null(device_attention(&d, &flags));
	peer_note_received(p, &next, 11, 32, true, &there);
	assert_ptr_equal(device_attention(&d, &flags), p);
	assert_int_equal(flags, PEER_CONFIRMED | PEER_ROAMED);
	assert_true(endpoint_equal(&p->seen_endpoint, &there));
	p->endpoint = there;
	/* Time for new keys: an initiator's that sends, at 120 s; that receives, at 165 s, asked once. */
	peer_note_sent(p, &s, 120 * US_PER_SEC, 1, 1);
	assert_null(device_attention(&d, &flags));
	peer_note_sent(p, &s, 120 * US_PER_SEC + 1, 1, 1);
	assert_ptr_equal(device_attention(&d, &flags), p);
	assert_int_equal(flags, PEER_NEED_HANDSHAKE);
	peer_note_received(p, &s, 165 * US_PER_SEC, 1, true, &there);
	assert_null(device_attention(&d, &flags));
	peer_note_received(p, &s, 165 * US_PER_SEC + 1, 1, true, &there);
	assert_ptr_equal(device_attention(&d, &flags), p);
	assert_int_equal(flags, PEER_NEED_HANDSHAKE);
	peer_note_received(p, &s, 165 * US_PER_SEC + 2, 1, true, &there);
	assert_null(device_attention(&d, &flags));
	/* A responder waits for the other end to do it, until the counters force it. */
	s.initiator = false;
	peer_note_sent(p, &s, 170 * US_PER_SEC, 1, 1);
	assert_null(device_attention(&d, &flags));
	s.send_counter = SESSION_REKEY_AFTER_MESSAGES;
	peer_note_sent(p, &s, 170 * US_PER_SEC, 1, 1);
	assert_ptr_equal(device_attention(&d, &flags), p);
	p->current = p->next = NULL;
	device_clear(&d);
}

static void test_inbox(void **state)
{
	struct device d;
	struct endpoint from = { .to.in = { .sin_family = AF_INET } };
	uint8_t bytes[INBOX_MESSAGE_MAX + 1] = { 1 };

	(void)state;
	assert_int_equal(device_init(&d, NULL, NULL), 0);
	assert_null(inbox_peek(d.inbox));
	assert_false(device_deliver(&d, bytes, sizeof(bytes), &from));
	assert_int_equal(kicks(&d), 0);
	device_path_lock(&d, DEVICE_IN);
	for (uint32_t i = 0; i < INBOX_SIZE; i++) {
		from.to.in.sin_port = (in_port_t)i;
		assert_true(device_deliver(&d, bytes, 1 + i % INBOX_MESSAGE_MAX, &from));
	}
	device_path_unlock(&d, DEVICE_IN);
	assert_int_equal(kicks(&d), 1);
	assert_int_equal(inbox_fill(d.inbox), INBOX_SIZE);
	assert_false(device_deliver(&d, bytes, 5, &from));
	for (uint32_t i = 0; i < INBOX_SIZE; i++) {
		const struct inbox_message *m = inbox_peek(d.inbox);

		assert_non_null(m);
		assert_int_equal(m->len, 1 + i % INBOX_MESSAGE_MAX);
		assert_int_equal(m->from.to.in.sin_port, i);
		inbox_pop(d.inbox);
	}
	assert_null(inbox_peek(d.inbox));
	device_path_lock(&d, DEVICE_IN);
	assert_true(device_deliver(&d, bytes, 5, &from));
	device_path_unlock(&d, DEVICE_IN);
	assert_int_equal(kicks(&d), 1);
	device_clear(&d);
}

struct served {
	struct device *d;
	unsigned int n;
	bool more;
};

static bool serve(void *userdata)
{
	struct served *s = userdata;

	/* It has what control has. */
	device_lock(s->d);
	device_unlock(s->d);
	s->n++;
	return s->more;
}

/* A path thread's turn ends with something for control. */
static eventfd_t turn(struct device *d, bool idle)
{
	const uint8_t byte = 1;
	const struct endpoint from = { .to.sa.sa_family = AF_INET };

	while (inbox_peek(d->inbox))
		inbox_pop(d->inbox);
	device_path_lock(d, DEVICE_IN);
	assert_true(device_deliver(d, &byte, 1, &from));
	device_path_done(d, DEVICE_IN, idle);
	return kicks(d);
}

static void *idle_turn(void *userdata)
{
	return (void *)(uintptr_t)turn(userdata, true);
}

static eventfd_t turn_of_another(struct device *d)
{
	pthread_t thread;
	void *n;

	assert_int_equal(pthread_create(&thread, NULL, idle_turn, d), 0);
	pthread_join(thread, &n);
	return (eventfd_t)(uintptr_t)n;
}

/* Who does control's work: a path thread that has nothing else to do, when the main thread is away; else that one is kicked. */
static void test_serve(void **state)
{
	struct device d;
	struct served s = { .d = &d };

	(void)state;
	assert_int_equal(device_init(&d, NULL, NULL), 0);
	/* Nobody knows how. */
	assert_int_equal(turn(&d, true), 1);
	d.serve = serve;
	d.serve_userdata = &s;
	/* The key is not for it. */
	assert_int_equal(turn(&d, true), 1);
	assert_int_equal(s.n, 0);
	atomic_store(&d.serves, true);
	assert_int_equal(turn(&d, true), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(turn(&d, false), 1);
	assert_int_equal(s.n, 1);
	s.more = true;
	assert_int_equal(turn(&d, true), 1);
	assert_int_equal(s.n, 2);
	s.more = false;
	/* The main thread is there, or waits to be. */
	device_control_enter(&d);
	assert_int_equal(turn_of_another(&d), 1);
	device_control_leave(&d);
	atomic_store(&d.control_wanted, true);
	assert_int_equal(turn_of_another(&d), 1);
	atomic_store(&d.control_wanted, false);
	assert_int_equal(s.n, 2);
	assert_int_equal(turn_of_another(&d), 0);
	assert_int_equal(s.n, 3);
	/* Nothing happened: nobody is asked. */
	device_path_lock(&d, DEVICE_IN);
	device_path_done(&d, DEVICE_IN, true);
	assert_int_equal(kicks(&d), 0);
	assert_int_equal(s.n, 3);
	device_clear(&d);
}

/* A path thread that takes its lock again and again, delivers and raises; control must get in, and miss nothing. */
struct busy {
	struct device *d;
	uint64_t served; /* under the control lock: messages that this thread took itself */
	struct peer *p;
	_Atomic bool stop;
	_Atomic uint64_t raised;
	uint64_t delivered; /* under the in lock */
};

static void *busy_thread(void *userdata)
{
	struct busy *b = userdata;
	const struct endpoint from = { .to.sa.sa_family = AF_INET };
	const uint8_t byte = 1;

	while (!atomic_load(&b->stop)) {
		device_path_lock(b->d, DEVICE_IN);
		b->delivered += device_deliver(b->d, &byte, 1, &from);
		atomic_fetch_add(&b->raised, 1);
		peer_raise(b->p, PEER_NEED_HANDSHAKE);
		device_path_done(b->d, DEVICE_IN, atomic_load(&b->raised) % 2);
	}
	return NULL;
}

static bool busy_serve(void *userdata)
{
	struct busy *b = userdata;

	if (inbox_peek(b->d->inbox)) {
		inbox_pop(b->d->inbox);
		b->served++;
	}
	return inbox_peek(b->d->inbox) != NULL;
}

static void test_threads(void **state)
{
	struct device d;
	struct busy b = { .d = &d };
	pthread_t thread;
	uint64_t taken = 0, last_raised = 0;
	uint32_t flags;

	(void)state;
	assert_int_equal(device_init(&d, NULL, NULL), 0);
	assert_int_equal(device_peer_add(&d, key_a, &b.p), 0);
	atomic_store(&d.serves, true);
	d.serve = busy_serve;
	d.serve_userdata = &b;
	assert_int_equal(pthread_create(&thread, NULL, busy_thread, &b), 0);
	for (int i = 0; i < 2000; i++) {
		device_control_enter(&d);
		device_lock(&d);
		const uint64_t before = b.delivered;
		device_unlock(&d);
		while (inbox_peek(d.inbox)) {
			inbox_pop(d.inbox);
			taken++;
		}
		assert_true(taken + b.served >= before);
		if (device_attention(&d, &flags))
			last_raised = atomic_load(&b.raised);
		device_control_leave(&d);
	}
	atomic_store(&b.stop, true);
	pthread_join(thread, NULL);
	while (inbox_peek(d.inbox)) {
		inbox_pop(d.inbox);
		taken++;
	}
	assert_int_equal(taken + b.served, b.delivered);
	/* Whatever was raised after the last look is still on the list. */
	if (last_raised < atomic_load(&b.raised))
		assert_ptr_equal(device_attention(&d, &flags), b.p);
	device_clear(&d);
}

/* A thread that would be busy under its lock for long: it lets go when something is closed. */
static void *slow_thread(void *userdata)
{
	struct busy *b = userdata;

	device_path_lock(b->d, DEVICE_OUT);
	atomic_store(&b->raised, 1);
	for (uint64_t i = 0; !device_closing(b->d) && i < UINT64_C(4000000000); i++)
		;
	b->delivered = device_closing(b->d);
	device_path_unlock(b->d, DEVICE_OUT);
	return NULL;
}

static void test_closing(void **state)
{
	struct device d;
	struct busy b = { .d = &d };
	pthread_t thread;

	(void)state;
	assert_int_equal(device_init(&d, NULL, NULL), 0);
	assert_false(device_closing(&d));
	assert_int_equal(pthread_create(&thread, NULL, slow_thread, &b), 0);
	while (!atomic_load(&b.raised))
		;
	device_lock_closing(&d);
	assert_int_equal(b.delivered, 1);
	assert_false(device_closing(&d));
	device_unlock(&d);
	pthread_join(thread, NULL);
	device_clear(&d);
}

static void test_software_key(void **state)
{
	struct secret *private_key = secret_new(32);
	struct static_request r = { .role = STATIC_PEER, .point = { 9 } };
	struct secret *shared = NULL;
	struct static_call *call = NULL;
	struct static_key *k;
	uint8_t expected[KEY_SIZE];

	(void)state;
	secret_fill_random(private_key);
	crypto_scalarmult_base(expected, secret_key(private_key));
	k = static_key_software_new(private_key);
	assert_memory_equal(k->public_key, expected, KEY_SIZE);
	assert_int_equal(k->ops->dh(k, &r, NULL, NULL, &call, &shared), 1);
	assert_memory_equal(secret_key(shared), expected, KEY_SIZE);
	secret_free(shared);
	shared = NULL;
	/* Low order. */
	r.point[0] = 1;
	assert_int_equal(k->ops->dh(k, &r, NULL, NULL, &call, &shared), -EINVAL);
	assert_null(shared);
	static_key_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_replay_random),
		cmocka_unit_test(test_indexes),
		cmocka_unit_test(test_session_limits),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_inbox),
		cmocka_unit_test(test_serve),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_software_key),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
