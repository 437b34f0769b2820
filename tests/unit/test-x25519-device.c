/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <limits.h>
#include <sodium.h>

#include "tests/unit/x25519-host.h"
#include "tests/unit/x25519-memory.h"
#include "token/x25519-sodium.h"

#define FEATURES (X25519_FEATURE_IMPORT | X25519_FEATURE_CACHED | X25519_FEATURE_OPEN)

static struct x25519_memory memory;
static struct x25519_device device;
static uint64_t now_ms;
static enum x25519_finger finger; /* what becomes of the next touches */
static unsigned int touches;

/* One CTAPHID channel. */
struct line {
	uint32_t cid;
};
static struct line lines[3] = {{1}, {2}, {3}};
static struct x25519_host_end alice, bob, mallory;

static size_t carry(void *userdata, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX])
{
	const struct line *line = userdata;
	struct x25519_call call = {.cid = line->cid, .request = request, .len = len, .now_ms = now_ms};
	size_t n = 0;

	if (x25519_device_handle(&device, &call, answer, &n) == X25519_TOUCH_WANTED) {
		touches++;
		call.finger = finger;
		assert_int_equal(x25519_device_handle(&device, &call, answer, &n), X25519_ANSWERED);
	}
	return n;
}

static void plug(uint32_t features)
{
	x25519_device_clear(&device);
	assert_true(x25519_device_init(&device, &x25519_sodium, &x25519_memory_storage, &memory, features));
}

static int setup(void **state)
{
	(void)state;
	assert_true(sodium_init() >= 0);
	x25519_memory_init(&memory);
	plug(FEATURES);
	now_ms = 1000;
	finger = X25519_FINGER_GIVEN;
	touches = 0;
	x25519_host_init(&alice, 0x11, carry, &lines[0]);
	x25519_host_init(&bob, 0x22, carry, &lines[1]);
	x25519_host_init(&mallory, 0x33, carry, &lines[2]);
	return 0;
}

static enum x25519_status generate(struct x25519_host_end *h, uint8_t slot, enum x25519_touch touch, uint16_t seconds, uint8_t *ret_public)
{
	struct x25519_request r = {.op = X25519_GENERATE, .slot = slot, .touch = touch, .cached_seconds = seconds};
	struct x25519_answer a;
	enum x25519_status status = x25519_host_ask_sealed(h, &r, &a);

	if (status == X25519_OK) {
		assert_int_equal(a.info.slot, slot);
		assert_int_equal(a.info.owner, h->index);
		assert_int_equal(a.info.touch, touch);
		assert_int_equal(a.info.cached_seconds, seconds);
		assert_false(a.info.imported);
		if (ret_public)
			memcpy(ret_public, a.info.public_key, 32);
	}
	return status;
}

static enum x25519_status simple(struct x25519_host_end *h, enum x25519_op op, uint8_t what)
{
	struct x25519_request r = {.op = op, .slot = what, .host = what};
	struct x25519_answer a;

	return x25519_host_ask_sealed(h, &r, &a);
}

static const uint8_t peer_private[32] = {0x77, [31] = 0x55};

/* Checked against what the peer computes. */
static enum x25519_status dh(struct x25519_host_end *h, uint8_t slot, const uint8_t *slot_public)
{
	struct x25519_request r = {.op = X25519_DH, .slot = slot};
	struct x25519_answer a;
	enum x25519_status status;
	uint8_t expected[32];

	x25519_public(r.key, &x25519_sodium, peer_private);
	status = x25519_host_ask_sealed(h, &r, &a);
	if (status == X25519_OK) {
		x25519_sodium.x25519(expected, peer_private, slot_public);
		assert_memory_equal(a.shared, expected, 32);
	}
	return status;
}

static void test_hello(void **state)
{
	struct x25519_request r = {.op = X25519_PUBLIC, .slot = 3};
	struct x25519_answer a;
	uint8_t key[32];

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(alice.hello.oldest, 1);
	assert_int_equal(alice.hello.newest, 1);
	assert_int_equal(alice.hello.features, FEATURES);
	assert_int_equal(alice.hello.slots, X25519_DEVICE_SLOTS);
	assert_int_equal(alice.hello.hosts, X25519_DEVICE_HOSTS);
	assert_int_equal(alice.hello.taken, 0);
	assert_int_equal(generate(&alice, 3, X25519_TOUCH_CACHED, 300, key), X25519_OK);
	x25519_host_hello(&alice);
	assert_int_equal(alice.hello.taken, 1u << 3);
	/* anybody may look, and so may who wants to know it for certain */
	assert_int_equal(x25519_host_ask(&mallory, &r, &a), X25519_OK);
	assert_memory_equal(a.info.public_key, key, 32);
	assert_int_equal(a.info.cached_seconds, 300);
	assert_int_equal(a.info.owner, alice.index);
	assert_int_equal(x25519_host_ask_sealed(&alice, &r, &a), X25519_OK);
	assert_memory_equal(a.info.public_key, key, 32);
	r.slot = 4;
	assert_int_equal(x25519_host_ask(&mallory, &r, &a), X25519_SLOT_EMPTY);
	r.slot = X25519_DEVICE_SLOTS;
	assert_int_equal(x25519_host_ask(&mallory, &r, &a), X25519_BAD_SLOT);
	assert_int_equal(touches, 2); /* PAIR, GENERATE */
}

static void test_dh(void **state)
{
	uint8_t key[32];

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(dh(&alice, 0, NULL), X25519_SLOT_EMPTY);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_NEVER, 0, key), X25519_OK);
	touches = 0;
	for (int i = 0; i < 20; i++)
		assert_int_equal(dh(&alice, 0, key), X25519_OK);
	assert_int_equal(touches, 0);
	assert_int_equal(dh(&alice, X25519_DEVICE_SLOTS, key), X25519_BAD_SLOT);
	assert_int_equal(dh(&alice, 255, key), X25519_BAD_SLOT);
	/* full is full, and nothing is lost by trying */
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_NEVER, 0, NULL), X25519_SLOT_TAKEN);
	assert_int_equal(touches, 0);
	assert_int_equal(dh(&alice, 0, key), X25519_OK);
	assert_int_equal(simple(&alice, X25519_ERASE, 0), X25519_OK);
	assert_int_equal(touches, 1);
	assert_int_equal(dh(&alice, 0, key), X25519_SLOT_EMPTY);
	assert_int_equal(simple(&alice, X25519_ERASE, 0), X25519_SLOT_EMPTY);
	assert_int_equal(generate(&alice, X25519_DEVICE_SLOTS, X25519_TOUCH_NEVER, 0, NULL), X25519_BAD_SLOT);
	assert_true(sodium_is_zero((unsigned char *)&memory.slots[0], sizeof(memory.slots[0])));
}

static void test_import(void **state)
{
	struct x25519_request r = {.op = X25519_IMPORT, .slot = 7, .touch = X25519_TOUCH_NEVER, .key = {1, 2, 3, [31] = 4}};
	struct x25519_answer a;
	uint8_t key[32];

	(void)state;
	x25519_host_connect(&alice);
	touches = 0;
	assert_int_equal(x25519_host_ask(&alice, &r, &a), X25519_NO_CHANNEL); /* never in the clear */
	r.open = true;
	assert_int_equal(x25519_host_ask(&alice, &r, &a), X25519_NO_CHANNEL);
	r.open = false;
	assert_int_equal(touches, 0);
	assert_int_equal(x25519_host_ask_sealed(&alice, &r, &a), X25519_OK);
	assert_int_equal(touches, 1);
	x25519_public(key, &x25519_sodium, r.key);
	assert_memory_equal(a.info.public_key, key, 32);
	assert_true(a.info.imported);
	assert_int_equal(dh(&alice, 7, key), X25519_OK);
	assert_int_equal(x25519_host_ask_sealed(&alice, &r, &a), X25519_SLOT_TAKEN);
}

static void test_touch_policies(void **state)
{
	static const enum x25519_finger refusals[] = {X25519_FINGER_DENIED, X25519_FINGER_TIMEOUT, X25519_FINGER_CANCELLED};
	static const enum x25519_status answers[] = {X25519_TOUCH_DENIED, X25519_TOUCH_TIMEOUT, X25519_CANCELLED};
	uint8_t always[32], cached[32];

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_ALWAYS, 0, always), X25519_OK);
	assert_int_equal(generate(&alice, 1, X25519_TOUCH_CACHED, 60, cached), X25519_OK);
	touches = 0;
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(dh(&alice, 0, always), X25519_OK);
		assert_int_equal(touches, i);
	}
	/* neither the touch that made it nor that for another slot counts */
	assert_int_equal(dh(&alice, 1, cached), X25519_OK);
	assert_int_equal(touches, 4);
	now_ms += 59999;
	assert_int_equal(dh(&alice, 1, cached), X25519_OK);
	assert_int_equal(touches, 4);
	now_ms += 1; /* use does not lengthen it */
	finger = X25519_FINGER_DENIED;
	assert_int_equal(dh(&alice, 1, cached), X25519_TOUCH_DENIED);
	assert_int_equal(dh(&alice, 1, cached), X25519_TOUCH_DENIED);
	assert_int_equal(touches, 6);
	for (size_t i = 0; i < 3; i++) {
		finger = refusals[i];
		assert_int_equal(dh(&alice, 0, always), answers[i]);
		assert_int_equal(generate(&alice, 2, X25519_TOUCH_NEVER, 0, NULL), answers[i]);
		assert_int_equal(simple(&alice, X25519_ERASE, 1), answers[i]);
		assert_int_equal(simple(&alice, X25519_UNPAIR, alice.index), answers[i]);
		x25519_host_init(&bob, 0x22, carry, &lines[1]);
		x25519_host_hello(&bob);
		assert_int_equal(x25519_host_pair(&bob), answers[i]);
	}
	assert_false(memory.slots[2].used);
	assert_true(memory.slots[1].used && memory.hosts[0].used && !memory.hosts[1].used);
	/* an erased slot's touch is not the next key's */
	finger = X25519_FINGER_GIVEN;
	assert_int_equal(dh(&alice, 1, cached), X25519_OK);
	assert_int_equal(simple(&alice, X25519_ERASE, 1), X25519_OK);
	assert_int_equal(generate(&alice, 1, X25519_TOUCH_CACHED, 60, cached), X25519_OK);
	touches = 0;
	assert_int_equal(dh(&alice, 1, cached), X25519_OK);
	assert_int_equal(touches, 1);
	/* nor is it one after it was plugged in again */
	plug(FEATURES);
	assert_int_equal(x25519_host_channel(&alice), X25519_OK);
	assert_int_equal(dh(&alice, 1, cached), X25519_OK);
	assert_int_equal(touches, 2);
}

static void test_features(void **state)
{
	struct x25519_request r = {.op = X25519_GENERATE, .slot = 0, .touch = X25519_TOUCH_NEVER, .open = true};
	struct x25519_answer a;

	(void)state;
	plug(0);
	x25519_host_connect(&alice);
	assert_int_equal(alice.hello.features, 0);
	touches = 0;
	assert_int_equal(x25519_host_ask(&alice, &r, &a), X25519_BAD_PARAMETER);
	assert_int_equal(x25519_host_ask_sealed(&alice, &r, &a), X25519_BAD_PARAMETER);
	r.open = false;
	r.op = X25519_IMPORT;
	assert_int_equal(x25519_host_ask_sealed(&alice, &r, &a), X25519_BAD_PARAMETER);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_CACHED, 60, NULL), X25519_BAD_PARAMETER);
	assert_int_equal(touches, 0);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_ALWAYS, 0, NULL), X25519_OK);
}

/* A process with a handle and a CTAPHID channel of its own, while the host's channel stands. */
static void test_no_channel_no_service(void **state)
{
	static const enum x25519_op ops[] = {X25519_GENERATE, X25519_IMPORT, X25519_DH, X25519_ERASE, X25519_UNPAIR};
	struct x25519_request r;
	struct x25519_answer a;
	uint8_t key[32];

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_NEVER, 0, key), X25519_OK);
	touches = 0;
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		for (uint8_t slot = 0; slot < 2; slot++) {
			r = (struct x25519_request){.op = ops[i], .slot = slot, .key = {9}};
			assert_int_equal(x25519_host_ask(&mallory, &r, &a), X25519_NO_CHANNEL);
			assert_int_equal(x25519_host_ask(&alice, &r, &a), X25519_NO_CHANNEL); /* on the host's own line as well */
		}
	}
	/* a channel of nobody */
	mallory.hello = alice.hello;
	for (unsigned int index = 0; index < 256; index++) {
		mallory.index = (uint8_t)index;
		assert_int_equal(x25519_host_channel(&mallory), X25519_NOT_PAIRED);
	}
	assert_int_equal(touches, 0);
	assert_int_equal(dh(&alice, 0, key), X25519_OK); /* undisturbed */
}

/* Paired by a touch that was meant for somebody else: keys of its own, not those of others. */
static void test_hosts_apart(void **state)
{
	uint8_t of_alice[32], of_bob[32];

	(void)state;
	x25519_host_connect(&alice);
	x25519_host_connect(&bob);
	assert_int_not_equal(alice.index, bob.index);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_NEVER, 0, of_alice), X25519_OK);
	assert_int_equal(generate(&bob, 1, X25519_TOUCH_NEVER, 0, of_bob), X25519_OK);
	touches = 0;
	assert_int_equal(dh(&bob, 0, of_alice), X25519_NOT_OWNER);
	assert_int_equal(dh(&alice, 1, of_bob), X25519_NOT_OWNER);
	assert_int_equal(simple(&bob, X25519_ERASE, 0), X25519_NOT_OWNER);
	assert_int_equal(touches, 0);
	assert_int_equal(dh(&alice, 0, of_alice), X25519_OK);
	assert_int_equal(dh(&bob, 1, of_bob), X25519_OK);
	/* with the host go its keys, and its channel */
	assert_int_equal(simple(&bob, X25519_UNPAIR, alice.index), X25519_OK);
	assert_int_equal(touches, 1);
	assert_false(memory.slots[0].used);
	assert_true(sodium_is_zero(memory.slots[0].private_key, 32));
	assert_int_equal(dh(&alice, 0, of_alice), X25519_NO_CHANNEL);
	assert_int_equal(x25519_host_channel(&alice), X25519_NOT_PAIRED);
	assert_int_equal(dh(&bob, 1, of_bob), X25519_OK);
	assert_int_equal(simple(&bob, X25519_UNPAIR, alice.index), X25519_NOT_PAIRED);
	assert_int_equal(simple(&bob, X25519_UNPAIR, 255), X25519_NOT_PAIRED);
	/* its own: the answer still comes */
	assert_int_equal(simple(&bob, X25519_UNPAIR, bob.index), X25519_OK);
	assert_int_equal(dh(&bob, 1, of_bob), X25519_NO_CHANNEL);
}

static void test_pairing(void **state)
{
	struct x25519_request r = {.op = X25519_PAIR};
	struct x25519_answer a;

	(void)state;
	for (uint8_t i = 0; i < X25519_DEVICE_HOSTS; i++) {
		x25519_host_init(&bob, (uint8_t)(0x40 + i), carry, &lines[1]);
		x25519_host_connect(&bob);
		assert_int_equal(bob.index, i);
	}
	touches = 0;
	x25519_host_hello(&alice);
	assert_int_equal(x25519_host_pair(&alice), X25519_HOSTS_FULL);
	assert_int_equal(touches, 0);
	/* once more, of one that is there: the same place, and a touch all the same */
	x25519_host_init(&bob, 0x42, carry, &lines[1]);
	x25519_host_connect(&bob);
	assert_int_equal(bob.index, 2);
	assert_int_equal(touches, 1);
	assert_int_equal(simple(&bob, X25519_UNPAIR, 1), X25519_OK);
	x25519_host_connect(&alice);
	assert_int_equal(alice.index, 1);
	/* of low order */
	assert_int_equal(x25519_host_ask(&alice, &r, &a), X25519_BAD_POINT);
	r.key[0] = 1;
	assert_int_equal(x25519_host_ask(&alice, &r, &a), X25519_BAD_POINT);
}

static void test_low_order(void **state)
{
	/* The points of order 1, 2, 4 and 8, and those that are the same after reduction; as in libsodium and Curve25519's paper. */
	static const uint8_t points[][32] = {
		{0},
		{1},
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd,
			0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86,
			0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
		{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	};
	struct x25519_request r = {.op = X25519_DH};
	struct x25519_answer a;
	uint8_t key[32];

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_NEVER, 0, key), X25519_OK);
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		for (int top = 0; top < 2; top++) {
			memcpy(r.key, points[i], 32);
			r.key[31] |= (uint8_t)(top << 7);
			assert_int_equal(x25519_host_ask_sealed(&alice, &r, &a), X25519_BAD_POINT);
			assert_true(sodium_is_zero(a.shared, 32));
		}
	}
	assert_int_equal(dh(&alice, 0, key), X25519_OK);
}

static void test_open_slots(void **state)
{
	struct x25519_request r = {.op = X25519_GENERATE, .slot = 5, .touch = X25519_TOUCH_CACHED, .cached_seconds = 10, .open = true};
	struct x25519_answer a;
	uint8_t key[32], expected[32];

	(void)state;
	assert_int_equal(x25519_host_ask(&mallory, &r, &a), X25519_OK);
	assert_int_equal(a.info.owner, X25519_NO_HOST);
	memcpy(key, a.info.public_key, 32);
	r = (struct x25519_request){.op = X25519_DH, .slot = 5};
	x25519_public(r.key, &x25519_sodium, peer_private);
	touches = 0;
	assert_int_equal(x25519_host_ask(&bob, &r, &a), X25519_OK);
	assert_int_equal(touches, 1);
	x25519_sodium.x25519(expected, peer_private, key);
	assert_memory_equal(a.shared, expected, 32);
	x25519_host_connect(&alice);
	assert_int_equal(dh(&alice, 5, key), X25519_OK); /* in a channel as well */
	r.op = X25519_ERASE;
	assert_int_equal(x25519_host_ask(&mallory, &r, &a), X25519_OK);
	assert_int_equal(touches, 3);
	assert_false(memory.slots[5].used);
	assert_int_equal(x25519_host_ask(&mallory, &r, &a), X25519_NO_CHANNEL);
}

static size_t send_raw(struct line *line, const uint8_t *request, size_t len, uint8_t answer[static X25519_MESSAGE_MAX])
{
	memset(answer, 0, X25519_MESSAGE_MAX);
	return carry(line, request, len, answer);
}

static void test_replay(void **state)
{
	uint8_t request[X25519_MESSAGE_MAX], answer[X25519_MESSAGE_MAX], inner[] = {X25519_PUBLIC, 0}, sealed[18];
	struct x25519_request r = {.op = X25519_SEALED, .sealed = sealed, .sealed_len = 18};
	size_t len;

	(void)state;
	x25519_host_connect(&alice);
	x25519_channel_seal(&alice.channel, &x25519_sodium, sealed, inner, 2);
	len = x25519_request_encode(request, &r);
	/* by somebody else first: no channel there, and nothing is lost */
	assert_int_equal(send_raw(&lines[2], request, len, answer), 2);
	assert_int_equal(answer[1], X25519_NO_CHANNEL);
	assert_int_equal(send_raw(&lines[0], request, len, answer), 2 + 2 + 16);
	assert_int_equal(answer[1], X25519_OK);
	assert_int_equal(send_raw(&lines[0], request, len, answer), 2);
	assert_int_equal(answer[1], X25519_NO_CHANNEL);
	/* that ended it: one who cuts into the host's own line stops it, no more */
	assert_int_equal(simple(&alice, X25519_PUBLIC, 0), X25519_NO_CHANNEL);
	/* too short to hold anything is no message */
	assert_int_equal(x25519_host_channel(&alice), X25519_OK);
	assert_int_equal(send_raw(&lines[0], request, 17, answer), 2);
	assert_int_equal(answer[1], X25519_BAD_LENGTH);
	assert_int_equal(simple(&alice, X25519_PUBLIC, 0), X25519_SLOT_EMPTY);
}

/* A recorded CHANNEL, played again on other lines, ends no channel that has been used. */
static void test_replayed_channels(void **state)
{
	uint8_t request[X25519_MESSAGE_MAX], answer[X25519_MESSAGE_MAX], sealed[33] = {X25519_SEALED};
	struct x25519_request r = {.op = X25519_CHANNEL, .version = X25519_VERSION};
	struct x25519_handshake handshake;
	struct line line;
	size_t len;

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(simple(&alice, X25519_PUBLIC, 0), X25519_SLOT_EMPTY);
	x25519_channel_begin(&handshake, &x25519_sodium, &(struct x25519_ends){alice.private_key, alice.public_key, alice.hello.token_public},
		&(struct x25519_terms){X25519_VERSION, alice.index, &alice.hello}, r.handshake);
	len = x25519_request_encode(request, &r);
	for (uint32_t i = 0; i < 20; i++) {
		line.cid = 100 + i;
		assert_int_equal(send_raw(&line, request, len, answer), 50);
		/* who has not the host's key can say nothing in it */
		assert_int_equal(send_raw(&line, sealed, sizeof(sealed), answer), 2);
		assert_int_equal(answer[1], X25519_NO_CHANNEL);
		assert_int_equal(send_raw(&line, request, len, answer), 50);
	}
	assert_int_equal(simple(&alice, X25519_PUBLIC, 0), X25519_SLOT_EMPTY);
	/* its own line begins anew, or is taken by somebody else */
	x25519_device_forget(&device, lines[0].cid);
	assert_int_equal(simple(&alice, X25519_PUBLIC, 0), X25519_NO_CHANNEL);
}

static void test_odd_messages(void **state)
{
	static const uint8_t not_inside[] = {X25519_HELLO, X25519_PAIR, X25519_CHANNEL, X25519_SEALED, 0, 0x0b, 0xff};
	static const size_t lengths[] = {9, 33, 51, 17, 1, 1, 1};
	uint8_t plain[X25519_MESSAGE_MAX] = {0}, request[X25519_MESSAGE_MAX] = {X25519_SEALED}, answer[X25519_MESSAGE_MAX];
	struct x25519_answer a;
	uint8_t inner[X25519_MESSAGE_MAX];

	(void)state;
	x25519_host_connect(&alice);
	for (unsigned int op = 0; op < 256; op++) {
		plain[0] = (uint8_t)op;
		for (size_t len = 1; len <= X25519_MESSAGE_MAX; len++) {
			size_t n = send_raw(&lines[2], plain, len, answer);

			assert_true(n >= 2 && n <= X25519_MESSAGE_MAX);
			assert_int_equal(answer[0], op);
			if (op == 0 || op > X25519_UNPAIR)
				assert_int_equal(answer[1], X25519_UNKNOWN_OP);
			else if (len > 55 || len == 1)
				assert_int_not_equal(answer[1], X25519_OK);
		}
	}
	for (size_t i = 0; i < sizeof(not_inside); i++) {
		size_t n;

		if (lengths[i] + 17 > X25519_MESSAGE_MAX)
			continue; /* CHANNEL: cannot be said */
		memset(plain, 0, sizeof(plain));
		plain[0] = not_inside[i];
		n = x25519_channel_seal(&alice.channel, &x25519_sodium, request + 1, plain, lengths[i]);
		n = send_raw(&lines[0], request, 1 + n, answer);
		assert_true(x25519_answer_decode(&a, X25519_SEALED, answer, n));
		assert_int_equal(a.status, X25519_OK);
		assert_true(x25519_channel_open(&alice.channel, &x25519_sodium, inner, a.sealed, a.sealed_len));
		assert_int_equal(inner[0], not_inside[i]);
		assert_int_equal(inner[1], not_inside[i] == X25519_SEALED ? X25519_BAD_LENGTH : X25519_UNKNOWN_OP);
	}
	assert_int_equal(simple(&alice, X25519_PUBLIC, 0), X25519_SLOT_EMPTY);
}

static void test_versions(void **state)
{
	struct x25519_request r = {.op = X25519_CHANNEL, .version = 2};
	struct x25519_answer a;

	(void)state;
	x25519_host_connect(&alice);
	assert_int_equal(x25519_host_ask(&alice, &r, &a), X25519_BAD_VERSION);
	r.version = 0;
	assert_int_equal(x25519_host_ask(&alice, &r, &a), X25519_BAD_VERSION);
	/* a lie about the token's features, on the way to the host */
	alice.hello.features ^= X25519_FEATURE_OPEN;
	assert_int_equal(x25519_host_channel(&alice), X25519_NOT_PAIRED);
}

static void test_storage(void **state)
{
	uint8_t key[32], identity[32];

	(void)state;
	x25519_host_connect(&alice);
	memcpy(identity, alice.hello.token_public, 32);
	assert_int_equal(generate(&alice, 0, X25519_TOUCH_NEVER, 0, key), X25519_OK);
	memory.writes_left = 0;
	assert_int_equal(generate(&alice, 1, X25519_TOUCH_NEVER, 0, NULL), X25519_STORAGE);
	assert_int_equal(simple(&alice, X25519_ERASE, 0), X25519_STORAGE);
	x25519_host_hello(&bob);
	assert_int_equal(x25519_host_pair(&bob), X25519_STORAGE);
	assert_int_equal(simple(&alice, X25519_UNPAIR, 0), X25519_STORAGE);
	assert_int_equal(dh(&alice, 0, key), X25519_OK);
	memory.writes_left = UINT_MAX;
	memory.fail_reads = true;
	assert_int_equal(dh(&alice, 0, key), X25519_STORAGE);
	assert_int_equal(x25519_host_channel(&alice), X25519_STORAGE);
	memory.fail_reads = false;
	/* UNPAIR cut short: the key is gone or not, the host is there, and it can be done again */
	assert_int_equal(x25519_host_channel(&alice), X25519_OK);
	memory.writes_left = 1;
	assert_int_equal(simple(&alice, X25519_UNPAIR, 0), X25519_STORAGE);
	assert_true(memory.hosts[0].used && !memory.slots[0].used);
	memory.writes_left = UINT_MAX;
	assert_int_equal(simple(&alice, X25519_UNPAIR, 0), X25519_OK);

	/* plugged in again: the same token, the same hosts and keys */
	x25519_host_connect(&alice);
	assert_int_equal(generate(&alice, 3, X25519_TOUCH_NEVER, 0, key), X25519_OK);
	plug(FEATURES);
	assert_int_equal(dh(&alice, 3, key), X25519_NO_CHANNEL);
	x25519_host_hello(&alice);
	assert_memory_equal(alice.hello.token_public, identity, 32);
	assert_int_equal(x25519_host_channel(&alice), X25519_OK);
	assert_int_equal(dh(&alice, 3, key), X25519_OK);
	/* emptied: another token */
	x25519_memory_init(&memory);
	assert_true(x25519_device_reset(&device));
	assert_int_equal(dh(&alice, 3, key), X25519_NO_CHANNEL);
	x25519_host_hello(&alice);
	assert_memory_not_equal(alice.hello.token_public, identity, 32);
	assert_int_equal(x25519_host_channel(&alice), X25519_NOT_PAIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_hello, setup),
		cmocka_unit_test_setup(test_dh, setup),
		cmocka_unit_test_setup(test_import, setup),
		cmocka_unit_test_setup(test_touch_policies, setup),
		cmocka_unit_test_setup(test_features, setup),
		cmocka_unit_test_setup(test_no_channel_no_service, setup),
		cmocka_unit_test_setup(test_hosts_apart, setup),
		cmocka_unit_test_setup(test_pairing, setup),
		cmocka_unit_test_setup(test_low_order, setup),
		cmocka_unit_test_setup(test_open_slots, setup),
		cmocka_unit_test_setup(test_replay, setup),
		cmocka_unit_test_setup(test_replayed_channels, setup),
		cmocka_unit_test_setup(test_odd_messages, setup),
		cmocka_unit_test_setup(test_versions, setup),
		cmocka_unit_test_setup(test_storage, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
