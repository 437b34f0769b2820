/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The X25519 operations on an honest token, and on one that is not there, not paired or forgetful. What it computes is held against
 * libsodium's computation from the public keys.
 */
#include "tests/unit/x25519-vendor-fixture.h"

#include <errno.h>
#include <sodium.h>

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
		PAIRED(test_versions),
		PAIRED(test_lost_channel),
		PAIRED(test_same_channel),
		PAIRED(test_wire_errors),
		PAIRED(test_no_memory),
	};

	if (secret_init() < 0)
		return 1;
	fido_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
