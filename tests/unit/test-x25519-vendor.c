/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The X25519 operations on a token that is honest, and on one that lies in one thing at a time. What an honest token computes is
 * held against libsodium's computation from the public keys.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sodium.h>

#include "tests/unit/fake-vendor.h"
#include "token/x25519-ops.h"
#include "token/x25519-vendor.h"

#define DEADLINE_US (30 * US_PER_SEC)

static bool secret_new_fails, sodium_malloc_fails;

struct secret *__real_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len)
{
	return secret_new_fails ? NULL : __real_secret_new(len);
}

void *__real_sodium_malloc(size_t len);
void *__wrap_sodium_malloc(size_t len);
void *__wrap_sodium_malloc(size_t len)
{
	return sodium_malloc_fails ? NULL : __real_sodium_malloc(len);
}

struct fixture {
	struct fake_vendor fake;
	struct x25519_known known;
	struct wire_request request;
	struct wire_result result;
	unsigned int n_statuses;
	enum wire_status last_status;
	uint8_t host_key[32];
	uint8_t host_index, token_public[32]; /* as PAIR answered */
	uint8_t slot_public[32];
	uint8_t forged[X25519_MESSAGE_MAX]; /* what the token says instead, and how long it is */
	size_t forged_len;
	enum x25519_op forge; /* in the answer to this */
	uint8_t recorded[CTAPHID_PAYLOAD_MAX]; /* an answer of before, played once more */
	size_t recorded_len;
};

static void on_status(void *userdata, enum wire_status status)
{
	struct fixture *f = userdata;

	f->n_statuses++;
	f->last_status = status;
}

static enum outcome run(struct fixture *f)
{
	const struct fido_status_sink sink = {.status = on_status, .userdata = f};
	struct fake_token *t = &f->fake.token;

	wire_result_clear(&f->result);
	f->n_statuses = 0;
	x25519_operate(&f->result, &f->request, &t->transport, t->clock.now.boot_us + DEADLINE_US, &sink, &f->known);
	assert_int_equal(t->n_opened, t->n_closed);
	assert_null(f->request.x_key);
	assert_null(f->request.x_host_key);
	if (f->result.outcome != OUTCOME_OK) {
		assert_null(f->result.outputs[0]);
		assert_false(f->known.valid);
	}
	return f->result.outcome;
}

static struct secret *make_key(const uint8_t bytes[static 32])
{
	struct secret *s = __real_secret_new(SECRET_KEY_SIZE);

	memcpy(secret_borrow_mut(s), bytes, SECRET_KEY_SIZE);
	return s;
}

static void ask(struct fixture *f, enum wire_type type, uint8_t slot)
{
	wire_request_clear(&f->request);
	f->request = (struct wire_request){.type = type, .serial = 5, .timeout_ms = 30000};
	if (type == WIRE_X_LIST || type == WIRE_X_FORGET)
		return;
	f->request.x_host_key = make_key(f->host_key);
	if (type == WIRE_X_PAIR)
		return;
	f->request.x_slot = (struct wire_x_slot){WIRE_X_CTAPHID, slot};
	f->request.x_paired = true;
	f->request.x_host_index = f->host_index;
	memcpy(f->request.x_token_public, f->token_public, 32);
	if (type == WIRE_X_GENERATE || type == WIRE_X_IMPORT)
		f->request.x_touch = WIRE_X_TOUCH_NEVER;
}

static void pair(struct fixture *f)
{
	ask(f, WIRE_X_PAIR, 0);
	assert_int_equal(run(f), OUTCOME_OK);
	f->host_index = f->result.x_host_index;
	memcpy(f->token_public, f->result.x_token_public, 32);
}

static void generate(struct fixture *f, uint8_t slot, enum wire_x_touch touch)
{
	ask(f, WIRE_X_GENERATE, slot);
	f->request.x_touch = touch;
	f->request.x_cached_seconds = touch == WIRE_X_TOUCH_CACHED ? 15 : 0;
	assert_int_equal(run(f), OUTCOME_OK);
	memcpy(f->slot_public, f->result.x_keys[0].public_key, 32);
}

static void ask_dh(struct fixture *f, uint8_t slot, const uint8_t private_key[static 32])
{
	ask(f, WIRE_X_DH, slot);
	crypto_scalarmult_base(f->request.x_point, private_key);
}

/* The slot's key and another's agree on the same secret from both sides. */
static void assert_dh(struct fixture *f, uint8_t slot, const uint8_t public_key[static 32])
{
	uint8_t other[32], shared[32];

	randombytes_buf(other, sizeof(other));
	ask_dh(f, slot, other);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(crypto_scalarmult(shared, other, public_key), 0);
	assert_int_equal(f->result.n_outputs, 1);
	assert_memory_equal(secret_key(f->result.outputs[0]), shared, 32);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fake_vendor_init(&f->fake);
	f->fake.userdata = f;
	memset(f->host_key, 0x11, sizeof(f->host_key));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	secret_new_fails = sodium_malloc_fails = false;
	wire_request_clear(&f->request);
	wire_result_clear(&f->result);
	free(f);
	return 0;
}

/* Paired, with a key in slot 2 that wants no touch. */
static int setup_paired(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	pair(f);
	generate(f, 2, WIRE_X_TOUCH_NEVER);
	return 0;
}

static void test_never_probed(void **state)
{
	static const enum wire_type types[] = {WIRE_X_LIST, WIRE_X_PAIR, WIRE_X_GENERATE, WIRE_X_DH, WIRE_X_IMPORT, WIRE_X_ERASE};
	struct fixture *f = *state;

	f->fake.no_extension = true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ask(f, types[i], 0);
		if (types[i] == WIRE_X_IMPORT)
			f->request.x_key = make_key(f->host_key);
		assert_int_equal(run(f), OUTCOME_UNSUPPORTED);
		assert_string_equal(f->result.detail, "the key has no X25519 keys");
	}
	assert_int_equal(f->fake.n_vendor, 0);
	/* nor one that only speaks U2F */
	f->fake.token.capabilities = 0;
	ask(f, WIRE_X_LIST, 0);
	assert_int_equal(run(f), OUTCOME_UNSUPPORTED);
	assert_int_equal(f->fake.n_vendor, 0);
}

static void test_pair(void **state)
{
	struct fixture *f = *state;
	uint8_t own_public[32];

	ask(f, WIRE_X_PAIR, 0);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.serial, 5);
	assert_int_equal(f->result.answers, WIRE_X_PAIR);
	assert_int_equal(f->n_statuses, 1);
	assert_int_equal(f->last_status, WIRE_STATUS_TOUCH);
	assert_int_equal(f->fake.n_touches, 1);
	assert_int_equal(f->fake.n_ops[X25519_CHANNEL], 1); /* proven at once */
	assert_int_equal(f->result.x_host_index, 0);
	crypto_scalarmult_base(own_public, f->fake.memory.identity);
	assert_memory_equal(f->result.x_token_public, own_public, 32);
	crypto_scalarmult_base(own_public, f->host_key);
	assert_memory_equal(f->fake.memory.hosts[0].public_key, own_public, 32);
}

static void test_list(void **state)
{
	struct fixture *f = *state;

	ask(f, WIRE_X_LIST, 0);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.x_slots, X25519_DEVICE_SLOTS);
	assert_int_equal(f->result.n_x_keys, 0);
	pair(f);
	generate(f, 5, WIRE_X_TOUCH_ALWAYS);
	generate(f, 1, WIRE_X_TOUCH_CACHED);
	f->fake.memory.slots[1].owner = X25519_NO_HOST;
	ask(f, WIRE_X_LIST, 0);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->result.n_x_keys, 2);
	assert_memory_equal(f->result.x_token_public, f->token_public, 32);
	assert_int_equal(f->result.x_keys[0].slot.kind, WIRE_X_CTAPHID);
	assert_int_equal(f->result.x_keys[0].slot.number, 1);
	assert_int_equal(f->result.x_keys[0].touch, WIRE_X_TOUCH_CACHED);
	assert_int_equal(f->result.x_keys[0].cached_seconds, 15);
	assert_false(f->result.x_keys[0].bound);
	assert_memory_equal(f->result.x_keys[0].public_key, f->slot_public, 32);
	assert_int_equal(f->result.x_keys[1].slot.number, 5);
	assert_int_equal(f->result.x_keys[1].touch, WIRE_X_TOUCH_ALWAYS);
	assert_true(f->result.x_keys[1].bound);
}

static void test_generate_and_dh(void **state)
{
	static const enum wire_x_touch touches[] = {WIRE_X_TOUCH_NEVER, WIRE_X_TOUCH_CACHED, WIRE_X_TOUCH_ALWAYS};
	static const unsigned int dh_touches[][2] = {{0, 0}, {1, 0}, {1, 1}};
	struct fixture *f = *state;

	pair(f);
	for (uint8_t i = 0; i < 3; i++) {
		unsigned int before = f->fake.n_touches;

		generate(f, i, touches[i]);
		assert_int_equal(f->fake.n_touches, before + 1);
		assert_int_equal(f->result.n_x_keys, 1);
		assert_int_equal(f->result.x_keys[0].slot.number, i);
		assert_int_equal(f->result.x_keys[0].touch, touches[i]);
		assert_true(f->result.x_keys[0].bound);
		for (unsigned int k = 0; k < 2; k++) {
			before = f->fake.n_touches;
			assert_dh(f, i, f->slot_public);
			assert_int_equal(f->fake.n_touches, before + dh_touches[i][k]);
			assert_int_equal(f->n_statuses, dh_touches[i][k]);
		}
	}
	/* a key is not written over */
	ask(f, WIRE_X_GENERATE, 0);
	assert_int_equal(run(f), OUTCOME_EXISTS);
	ask(f, WIRE_X_DH, 3);
	f->request.x_point[0] = 9;
	assert_int_equal(run(f), OUTCOME_NOT_ENROLLED);
	ask(f, WIRE_X_DH, X25519_DEVICE_SLOTS);
	f->request.x_point[0] = 9;
	assert_int_equal(run(f), OUTCOME_INVALID_ARGUMENT);
}

static void test_import_and_erase(void **state)
{
	struct fixture *f = *state;
	uint8_t key[32], public_key[32];

	randombytes_buf(key, sizeof(key));
	crypto_scalarmult_base(public_key, key);
	ask(f, WIRE_X_IMPORT, 0);
	f->request.x_key = make_key(key);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_memory_equal(f->result.x_keys[0].public_key, public_key, 32);
	assert_dh(f, 0, public_key);
	ask(f, WIRE_X_ERASE, 0);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->last_status, WIRE_STATUS_TOUCH);
	assert_false(f->fake.memory.slots[0].used);
	ask(f, WIRE_X_ERASE, 0);
	assert_int_equal(run(f), OUTCOME_NOT_ENROLLED);
	f->fake.device.hello.features = 0;
	ask(f, WIRE_X_IMPORT, 0);
	f->request.x_key = make_key(key);
	assert_int_equal(run(f), OUTCOME_UNSUPPORTED);
	ask(f, WIRE_X_GENERATE, 0);
	f->request.x_touch = WIRE_X_TOUCH_CACHED;
	f->request.x_cached_seconds = 15;
	assert_int_equal(run(f), OUTCOME_UNSUPPORTED);
}

static void test_low_order_points(void **state)
{
	/* RFC 7748 section 6.1; cr.yp.to/ecdh.html, "How do I validate Curve25519 public keys?" */
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880", /* the top bit does not count */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		unsigned int before = f->fake.n_vendor;

		ask(f, WIRE_X_DH, 2);
		assert_int_equal(sodium_hex2bin(f->request.x_point, 32, points[i], 64, NULL, NULL, NULL), 0);
		assert_int_equal(run(f), OUTCOME_INVALID_ARGUMENT);
		/* not sent: at most HELLO was, since what failed is forgotten */
		assert_true(f->fake.n_vendor <= before + 1);
		assert_int_equal(f->fake.n_ops[X25519_SEALED], 1); /* of setup */
	}
}

static void test_unpaired(void **state)
{
	struct fixture *f = *state;

	/* a host that the token does not know */
	f->host_key[1]++;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_WRONG_TOKEN);
	assert_string_equal(f->result.detail, "the key is not paired with this computer");
	f->host_index = 1;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_WRONG_TOKEN);
	/* that gets paired, and does not get at the other's key */
	pair(f);
	assert_int_equal(f->host_index, 1);
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_WRONG_TOKEN);
	assert_string_equal(f->result.detail, "the X25519 key in that slot belongs to another computer");
	ask(f, WIRE_X_ERASE, 2);
	assert_int_equal(run(f), OUTCOME_WRONG_TOKEN);
	/* another token than the one that was pinned: nothing of the channel is even tried */
	f->token_public[0]++;
	f->fake.n_ops[X25519_CHANNEL] = 0;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_WRONG_TOKEN);
	assert_int_equal(f->fake.n_ops[X25519_CHANNEL], 0);
}

static void test_versions(void **state)
{
	struct fixture *f = *state;

	f->known.valid = false;
	f->fake.device.hello.newest = 9;
	assert_dh(f, 2, f->slot_public);
	f->known.valid = false;
	f->fake.device.hello.oldest = 2; /* no longer ours */
	f->fake.n_ops[X25519_CHANNEL] = 0;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_UNSUPPORTED);
	assert_int_equal(f->fake.n_ops[X25519_CHANNEL], 0);
}

static void test_hosts_full(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < X25519_DEVICE_HOSTS; i++) {
		f->host_key[1]++;
		pair(f);
		assert_int_equal(f->host_index, i);
	}
	pair(f); /* known already */
	assert_int_equal(f->host_index, X25519_DEVICE_HOSTS - 1);
	f->host_key[1]++;
	ask(f, WIRE_X_PAIR, 0);
	assert_int_equal(run(f), OUTCOME_LIMIT_EXCEEDED);
}

/* What is known is not asked for again; what is not the same token any more, or failed, is. */
static void test_known(void **state)
{
	struct fixture *f = *state;

	assert_dh(f, 2, f->slot_public);
	f->fake.n_get_info = f->fake.n_vendor = 0;
	assert_dh(f, 2, f->slot_public);
	assert_int_equal(f->fake.n_get_info, 0);
	assert_int_equal(f->fake.n_vendor, 2); /* CHANNEL, DH */
	f->fake.token.transport.incarnation++;
	assert_dh(f, 2, f->slot_public);
	assert_true(f->fake.n_get_info > 0);
	assert_int_equal(f->fake.n_vendor, 5);
	/* the new one is of another kind */
	f->fake.token.transport.incarnation++;
	f->fake.no_extension = true;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_UNSUPPORTED);
	assert_int_equal(f->fake.n_vendor, 5);
	/* changed what it says of itself without being unplugged: one failure, then asked anew */
	f->fake.no_extension = false;
	assert_dh(f, 2, f->slot_public);
	f->fake.device.hello.features ^= X25519_FEATURE_CACHED;
	ask_dh(f, 2, f->host_key);
	assert_int_not_equal(run(f), OUTCOME_OK);
	assert_dh(f, 2, f->slot_public);
}

static void test_forget(void **state)
{
	struct fixture *f = *state;

	ask(f, WIRE_X_FORGET, 0);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(f->fake.token.n_opened, 0);
}

static void test_touch_does_not_come(void **state)
{
	struct fixture *f = *state;

	f->fake.no_touch = true;
	ask(f, WIRE_X_GENERATE, 0);
	assert_int_equal(run(f), OUTCOME_TOUCH_TIMEOUT);
	assert_int_equal(f->fake.token.n_cancelled, 1);
	ask(f, WIRE_X_GENERATE, 0);
	f->fake.token.interrupt_at_us = f->fake.token.clock.now.boot_us + US_PER_SEC;
	assert_int_equal(run(f), OUTCOME_CANCELLED);
	assert_int_equal(f->fake.token.n_cancelled, 2);
	f->fake.token.interrupt_at_us = 0;
	f->fake.token.interrupted = false;
	f->fake.no_touch = false;
	assert_dh(f, 2, f->slot_public);
}

/* An answer that is something else on its way, by whomever. */
static bool forge_outer(struct fake_vendor *v, const uint8_t *request, uint8_t *answer, size_t *len)
{
	struct fixture *f = v->userdata;

	if (request[0] == (uint8_t)f->forge) {
		memcpy(answer, f->forged, f->forged_len);
		*len = f->forged_len;
	}
	return true;
}

/* The paired token itself says something else. */
static bool forge_inner(struct fake_vendor *v, const uint8_t *request, uint8_t *answer, size_t *len)
{
	struct fixture *f = v->userdata;

	if (request[0] == X25519_SEALED)
		fake_vendor_reseal(v, answer, len, f->forged, f->forged_len);
	return true;
}

static void assert_forged(struct fixture *f, const struct x25519_answer *a, enum outcome o)
{
	f->forged_len = x25519_answer_encode(f->forged, a);
	assert_int_not_equal(f->forged_len, 0);
	if (run(f) != o)
		fail_msg("op %u, status %u: %s, %s", a->op, a->status, outcome_name(f->result.outcome), f->result.detail);
}

static void test_statuses(void **state)
{
	static const enum outcome expected[] = {
		[X25519_UNKNOWN_OP] = OUTCOME_UNSUPPORTED,
		[X25519_BAD_LENGTH] = OUTCOME_TOKEN_FAILED,
		[X25519_BAD_PARAMETER] = OUTCOME_UNSUPPORTED,
		[X25519_BAD_VERSION] = OUTCOME_UNSUPPORTED,
		[X25519_BAD_SLOT] = OUTCOME_INVALID_ARGUMENT,
		[X25519_SLOT_EMPTY] = OUTCOME_NOT_ENROLLED,
		[X25519_SLOT_TAKEN] = OUTCOME_EXISTS,
		[X25519_NO_CHANNEL] = OUTCOME_TOKEN_FAILED,
		[X25519_NOT_PAIRED] = OUTCOME_WRONG_TOKEN,
		[X25519_NOT_OWNER] = OUTCOME_WRONG_TOKEN,
		[X25519_BAD_POINT] = OUTCOME_INVALID_ARGUMENT,
		[X25519_HOSTS_FULL] = OUTCOME_LIMIT_EXCEEDED,
		[X25519_TOUCH_DENIED] = OUTCOME_TOUCH_TIMEOUT,
		[X25519_TOUCH_TIMEOUT] = OUTCOME_TOUCH_TIMEOUT,
		[X25519_CANCELLED] = OUTCOME_CANCELLED,
		[X25519_STORAGE] = OUTCOME_TOKEN_FAILED,
		[X25519_INTERNAL] = OUTCOME_TOKEN_FAILED,
	};
	struct fixture *f = *state;

	for (unsigned int i = 1; i < sizeof(expected) / sizeof(expected[0]); i++) {
		struct x25519_answer a = {.op = X25519_DH, .status = (enum x25519_status)i};

		/* said by the token */
		f->fake.tamper = forge_inner;
		ask_dh(f, 2, f->host_key);
		assert_forged(f, &a, expected[i]);
		/* said outside the channel: anybody's word */
		f->fake.tamper = forge_outer;
		f->forge = a.op = X25519_SEALED;
		ask_dh(f, 2, f->host_key);
		assert_forged(f, &a, OUTCOME_TOKEN_FAILED);
		f->forge = a.op = X25519_CHANNEL;
		ask_dh(f, 2, f->host_key);
		assert_forged(f, &a, expected[i]);
		f->forge = a.op = X25519_HELLO;
		ask(f, WIRE_X_LIST, 0);
		assert_forged(f, &a, expected[i]);
		f->forge = a.op = X25519_PAIR;
		ask(f, WIRE_X_PAIR, 0);
		assert_forged(f, &a, expected[i]);
	}
}

/* Each is well formed, sealed by the token itself, and not what was asked for. */
static void test_lies_inside(void **state)
{
	struct fixture *f = *state;
	const struct x25519_answer key = {.op = X25519_GENERATE, .info = {.slot = 1, .owner = f->host_index, .touch = X25519_TOUCH_ALWAYS,
		.public_key = {9}}};
	struct x25519_answer a;

	f->fake.tamper = forge_inner;
	for (unsigned int lie = 0; lie < 10; lie++) {
		a = key;
		if (lie == 0)
			a.info.slot = 2;
		else if (lie == 1)
			a.info.owner = X25519_NO_HOST; /* anybody may use it */
		else if (lie == 2)
			a.info.owner = 3;
		else if (lie == 3)
			a.info.touch = X25519_TOUCH_NEVER;
		else if (lie == 4)
			a.info = (struct x25519_key_info){.slot = 1, .owner = f->host_index, .touch = X25519_TOUCH_CACHED,
				.cached_seconds = 65535, .public_key = {9}};
		else if (lie == 5)
			a.info.imported = true; /* then somebody else may have it */
		else if (lie == 6)
			a.info.public_key[0] = 1; /* low order */
		else if (lie == 7)
			a.info.public_key[0] = 0;
		else if (lie == 8)
			a.info.touch = X25519_TOUCH_CACHED, a.info.cached_seconds = 16; /* one second more than was ordered */
		else
			a = (struct x25519_answer){.op = X25519_IMPORT, .info = key.info};
		ask(f, WIRE_X_GENERATE, 1);
		f->request.x_touch = lie == 8 ? WIRE_X_TOUCH_CACHED : WIRE_X_TOUCH_ALWAYS;
		f->request.x_cached_seconds = lie == 8 ? 15 : 0;
		assert_forged(f, &a, OUTCOME_TOKEN_FAILED);
		f->fake.memory.slots[1].used = false;
	}
	ask(f, WIRE_X_GENERATE, 1);
	f->request.x_touch = WIRE_X_TOUCH_ALWAYS;
	assert_forged(f, &key, OUTCOME_OK); /* which shows that the others were refused for their lie */

	/* another key than the one that was given to it */
	a = (struct x25519_answer){.op = X25519_IMPORT, .info = {.slot = 3, .imported = true, .owner = f->host_index, .public_key = {9}}};
	ask(f, WIRE_X_IMPORT, 3);
	f->request.x_key = make_key(f->host_key);
	assert_forged(f, &a, OUTCOME_TOKEN_FAILED);

	a = (struct x25519_answer){.op = X25519_DH};
	ask_dh(f, 2, f->host_key);
	assert_forged(f, &a, OUTCOME_TOKEN_FAILED); /* all zero */
	a = (struct x25519_answer){.op = X25519_DH, .shared = {1}};
	for (f->forged_len = x25519_answer_encode(f->forged, &a) - 1; f->forged_len > 0; f->forged_len--) {
		ask_dh(f, 2, f->host_key);
		assert_int_equal(run(f), OUTCOME_TOKEN_FAILED);
	}
	ask_dh(f, 2, f->host_key);
	assert_forged(f, &a, OUTCOME_OK);
}

static void test_lies_outside(void **state)
{
	struct fixture *f = *state;
	struct x25519_answer a = {.op = X25519_HELLO, .hello = f->fake.device.hello};

	f->fake.tamper = forge_outer;
	f->forge = X25519_HELLO;
	ask(f, WIRE_X_LIST, 0);
	assert_forged(f, &a, OUTCOME_TOKEN_FAILED); /* not our nonce */
	assert_int_equal(f->fake.n_ops[X25519_PUBLIC], 0);

	f->forge = X25519_PUBLIC; /* of another slot */
	a = (struct x25519_answer){.op = X25519_PUBLIC, .info = {.slot = 3, .public_key = {9}}};
	ask(f, WIRE_X_LIST, 0);
	assert_forged(f, &a, OUTCOME_TOKEN_FAILED);
	a.info.slot = 2;
	a.info.public_key[0] = 1;
	ask(f, WIRE_X_LIST, 0);
	assert_forged(f, &a, OUTCOME_TOKEN_FAILED);

	f->forge = X25519_PAIR; /* another key than HELLO said; and one of low order */
	a = (struct x25519_answer){.op = X25519_PAIR, .token_public = {9}};
	ask(f, WIRE_X_PAIR, 0);
	assert_forged(f, &a, OUTCOME_TOKEN_FAILED);
	a.host = 1; /* an index that is somebody else's */
	memcpy(a.token_public, f->token_public, 32);
	ask(f, WIRE_X_PAIR, 0);
	assert_forged(f, &a, OUTCOME_TOKEN_FAILED);

	f->forge = X25519_CHANNEL;
	a = (struct x25519_answer){.op = X25519_CHANNEL, .handshake = {9}};
	ask_dh(f, 2, f->host_key);
	assert_forged(f, &a, OUTCOME_TOKEN_FAILED);
	assert_string_equal(f->result.detail, "the key cannot prove that it is the paired one");
	assert_int_equal(f->fake.n_ops[X25519_SEALED], 1); /* of setup: nothing was said to a stranger */
}

/* Whoever answers for the token has its public key, but no private key to prove it. */
static void test_impostor(void **state)
{
	struct fixture *f = *state;

	f->fake.memory.identity[0] ^= 8;
	ask_dh(f, 2, f->host_key);
	assert_int_not_equal(run(f), OUTCOME_OK);
	ask(f, WIRE_X_PAIR, 0);
	assert_int_equal(run(f), OUTCOME_TOKEN_FAILED);
}

static bool spoil(struct fake_vendor *v, const uint8_t *request, uint8_t *answer, size_t *len)
{
	struct fixture *f = v->userdata;

	if (request[0] != (uint8_t)f->forge)
		return true;
	switch (f->forged[0]) {
	case 0:
		answer[*len - 1] ^= 1;
		return true;
	case 1:
		answer[0] ^= 0x40; /* to another request */
		return true;
	case 2:
		*len = 0;
		return true;
	case 3:
		*len -= 1;
		return true;
	case 4:
		answer[(*len)++] = 0;
		return true;
	case 5:
		memset(answer, 0xa5, X25519_MESSAGE_MAX);
		*len = X25519_MESSAGE_MAX;
		return true;
	case 6:
		*len = CTAPHID_PAYLOAD_MAX;
		return true;
	case 7:
		return false; /* none at all */
	case 8:
		memcpy(answer, f->recorded, f->recorded_len);
		*len = f->recorded_len;
		return true;
	}
	return true;
}

static bool record(struct fake_vendor *v, const uint8_t *request, uint8_t *answer, size_t *len)
{
	struct fixture *f = v->userdata;

	if (request[0] == (uint8_t)f->forge) {
		memcpy(f->recorded, answer, *len);
		f->recorded_len = *len;
	}
	return true;
}

/* Other hosts and replayed handshakes may use up what few channels a token has. */
static bool lose_channel(struct fake_vendor *v, const uint8_t *request, uint8_t *answer, size_t *len)
{
	struct fixture *f = v->userdata;

	(void)answer;
	(void)len;
	if (request[0] == X25519_CHANNEL && f->forged[0] > 0) {
		f->forged[0]--;
		x25519_device_forget(&v->device, v->token.cid);
	}
	return true;
}

static void test_lost_channel(void **state)
{
	struct fixture *f = *state;
	uint8_t key[32], public_key[32];

	f->fake.tamper = lose_channel;
	f->forged[0] = 2;
	assert_dh(f, 2, f->slot_public);
	assert_string_equal(f->result.detail, "");
	randombytes_buf(key, sizeof(key));
	crypto_scalarmult_base(public_key, key);
	f->forged[0] = 1;
	ask(f, WIRE_X_IMPORT, 0);
	f->request.x_key = make_key(key);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_memory_equal(f->result.x_keys[0].public_key, public_key, 32);
	assert_dh(f, 0, public_key);
	/* but not for ever */
	f->forged[0] = 255;
	f->fake.n_ops[X25519_CHANNEL] = 0;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_TOKEN_FAILED);
	assert_string_equal(f->result.detail, "the key gave up the channel");
	assert_int_equal(f->fake.n_ops[X25519_CHANNEL], 3);
}

/* One channel of CTAPHID is used again and again, as long as the token takes it up. */
static void test_same_channel(void **state)
{
	struct fixture *f = *state;

	f->fake.token.n_inits = 0;
	for (unsigned int i = 0; i < 5; i++)
		assert_dh(f, 2, f->slot_public);
	assert_int_equal(f->fake.token.n_inits, 0);
	assert_int_equal(f->fake.n_resumed, 5 + 1); /* one in setup */
	/* a token that has forgotten it, in either way that there is of saying so */
	f->fake.resume = FAKE_RESUME_ERROR;
	assert_dh(f, 2, f->slot_public);
	assert_int_equal(f->fake.token.n_inits, 1);
	f->fake.resume = FAKE_RESUME_SILENCE;
	assert_dh(f, 2, f->slot_public);
	assert_int_equal(f->fake.token.n_inits, 2);
	f->fake.resume = FAKE_RESUME_OTHER;
	assert_dh(f, 2, f->slot_public);
	assert_int_equal(f->fake.token.n_inits, 3);
	f->fake.resume = FAKE_RESUME;
	assert_dh(f, 2, f->slot_public);
	assert_int_equal(f->fake.token.n_inits, 3);
	/* unplugged meanwhile: not even tried */
	f->fake.token.transport.incarnation++;
	f->fake.n_resumed = 0;
	assert_dh(f, 2, f->slot_public);
	assert_int_equal(f->fake.n_resumed, 0);
	assert_int_equal(f->fake.token.n_inits, 4);
}

/* Whoever answered nonsense is asked nothing more, whatever the caller wants. */
static void test_nothing_after_nonsense(void **state)
{
	struct fixture *f = *state;
	struct fake_token *t = &f->fake.token;
	char detail[WIRE_TEXT_MAX];
	struct x25519_vendor *v;
	struct session s;

	assert_int_equal(session_connect(&s, &t->transport, t->clock.now.boot_us + DEADLINE_US, NULL, NULL, NULL, detail), OUTCOME_OK);
	v = x25519_vendor_new(&s, NULL, detail);
	assert_non_null(v);
	f->fake.tamper = spoil;
	f->forge = X25519_HELLO;
	f->forged[0] = 5;
	assert_int_equal(x25519_vendor_hello(v), OUTCOME_TOKEN_FAILED);
	f->fake.tamper = NULL;
	f->fake.n_vendor = 0;
	assert_int_equal(x25519_vendor_hello(v), OUTCOME_TOKEN_FAILED);
	assert_int_equal(x25519_vendor_enter(v, f->host_key, 0, v->hello.token_public), OUTCOME_TOKEN_FAILED);
	assert_int_equal(x25519_vendor_ask_sealed(v), OUTCOME_TOKEN_FAILED);
	assert_int_equal(f->fake.n_vendor, 0);
	x25519_vendor_free(v);
	session_close(&s);
}

/* Broken, short, long, none, or one of before: the operation fails, the session is over, and the next one is as if nothing had been. */
static void test_spoilt_answers(void **state)
{
	static const enum x25519_op ops[] = {X25519_HELLO, X25519_CHANNEL, X25519_SEALED};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		f->forge = ops[i];
		f->known.valid = false;
		f->fake.tamper = record;
		assert_dh(f, 2, f->slot_public);
		for (f->forged[0] = 0; f->forged[0] < 9; f->forged[0]++) {
			unsigned int before;

			f->fake.tamper = spoil;
			f->known.valid = false;
			before = f->fake.n_ops[ops[i]];
			ask_dh(f, 2, f->host_key);
			/* HELLO's last byte is the token's key's: another token, it seems */
			assert_int_equal(run(f), f->forged[0] == 0 && i == 0 ? OUTCOME_WRONG_TOKEN : OUTCOME_TOKEN_FAILED);
			assert_string_not_equal(f->result.detail, "");
			assert_int_equal(f->fake.n_ops[ops[i]], before + 1);
			f->fake.tamper = NULL;
			assert_dh(f, 2, f->slot_public);
		}
	}
}

static void test_wire_errors(void **state)
{
	struct fixture *f = *state;

	f->fake.token.open_error = -ENODEV;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_TOKEN_MISSING);
	f->fake.token.open_error = -EBUSY;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_TOKEN_BUSY);
	f->fake.token.open_error = 0;
	f->fake.token.write_error = -ENODEV;
	ask_dh(f, 2, f->host_key);
	assert_int_equal(run(f), OUTCOME_TOKEN_FAILED);
	f->fake.token.write_error = 0;
	assert_dh(f, 2, f->slot_public);
}

static void test_no_memory(void **state)
{
	struct fixture *f = *state;

	assert_dh(f, 2, f->slot_public);
	ask_dh(f, 2, f->host_key);
	sodium_malloc_fails = true;
	assert_int_equal(run(f), OUTCOME_FAILED);
	sodium_malloc_fails = false;
	ask_dh(f, 2, f->host_key);
	secret_new_fails = true;
	assert_int_equal(run(f), OUTCOME_FAILED);
	secret_new_fails = false;
	assert_dh(f, 2, f->slot_public);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PAIRED(name) cmocka_unit_test_setup_teardown(name, setup_paired, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_never_probed),
		TEST(test_pair),
		TEST(test_list),
		TEST(test_generate_and_dh),
		TEST(test_hosts_full),
		TEST(test_forget),
		PAIRED(test_import_and_erase),
		PAIRED(test_low_order_points),
		PAIRED(test_unpaired),
		PAIRED(test_known),
		PAIRED(test_touch_does_not_come),
		PAIRED(test_statuses),
		PAIRED(test_lies_inside),
		PAIRED(test_lies_outside),
		PAIRED(test_impostor),
		PAIRED(test_versions),
		PAIRED(test_nothing_after_nonsense),
		PAIRED(test_lost_channel),
		PAIRED(test_same_channel),
		PAIRED(test_spoilt_answers),
		PAIRED(test_wire_errors),
		PAIRED(test_no_memory),
	};

	if (secret_init() < 0)
		return 1;
	fido_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
