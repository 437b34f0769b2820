/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/integration/x25519-soft-fixture.h"

#include <sodium.h>

struct self self;

struct secret *make_key(const uint8_t bytes[static 32])
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	assert_non_null(s);
	memcpy(secret_borrow_mut(s), bytes, SECRET_KEY_SIZE);
	return s;
}

void ask(struct fixture *f, enum wire_type type, uint8_t slot)
{
	soft_worker_begin(f, type);
	f->touches = 0;
	if (type == WIRE_X_LIST)
		return;
	f->request.x_host_key = make_key(self.key);
	if (type == WIRE_X_PAIR)
		return;
	f->request.x_slot = (struct wire_x_slot){WIRE_X_CTAPHID, slot};
	f->request.x_paired = true;
	f->request.x_host_index = self.index;
	memcpy(f->request.x_token_public, self.token_public, 32);
}

void pair(struct fixture *f)
{
	ask(f, WIRE_X_PAIR, 0);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->touches, 1);
	self.index = f->result.x_host_index;
	memcpy(self.token_public, f->result.x_token_public, 32);
}

void ask_generate(struct fixture *f, uint8_t slot, enum wire_x_touch touch)
{
	ask(f, WIRE_X_GENERATE, slot);
	f->request.x_touch = touch;
	f->request.x_cached_seconds = touch == WIRE_X_TOUCH_CACHED ? 3600 : 0;
}

void generate(struct fixture *f, uint8_t slot, enum wire_x_touch touch, uint8_t public_key[static 32])
{
	ask_generate(f, slot, touch);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_int_equal(f->touches, 1);
	memcpy(public_key, f->result.x_keys[0].public_key, 32);
}

void ask_dh(struct fixture *f, uint8_t slot, const uint8_t public_key[static 32], uint8_t expected[static 32])
{
	uint8_t other[32];

	randombytes_buf(other, sizeof(other));
	ask(f, WIRE_X_DH, slot);
	crypto_scalarmult_base(f->request.x_point, other);
	assert_int_equal(crypto_scalarmult(expected, other, public_key), 0);
}

void assert_dh(struct fixture *f, uint8_t slot, const uint8_t public_key[static 32], unsigned int touches)
{
	uint8_t expected[32];

	ask_dh(f, slot, public_key, expected);
	assert_int_equal(soft_worker_run(f), OUTCOME_OK);
	assert_memory_equal(secret_key(f->result.outputs[0]), expected, 32);
	assert_int_equal(f->touches, touches);
}

void on_a_socket_only(void)
{
	if (softtoken_is_uhid())
		skip();
}

int setup(void **state)
{
	randombytes_buf(&self, sizeof(self));
	return soft_worker_setup(state);
}

void finish(struct fixture *f)
{
	while (!soft_worker_receive(f))
		;
}
