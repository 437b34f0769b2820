/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/x25519-vendor-fixture.h"

#include <sodium.h>

bool secret_new_fails, sodium_malloc_fails;

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

static void on_status(void *userdata, enum wire_status status)
{
	struct fixture *f = userdata;

	f->n_statuses++;
	f->last_status = status;
}

enum outcome run(struct fixture *f)
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

struct secret *make_key(const uint8_t bytes[static 32])
{
	struct secret *s = __real_secret_new(SECRET_KEY_SIZE);

	memcpy(secret_borrow_mut(s), bytes, SECRET_KEY_SIZE);
	return s;
}

void ask(struct fixture *f, enum wire_type type, uint8_t slot)
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

void pair(struct fixture *f)
{
	ask(f, WIRE_X_PAIR, 0);
	assert_int_equal(run(f), OUTCOME_OK);
	f->host_index = f->result.x_host_index;
	memcpy(f->token_public, f->result.x_token_public, 32);
}

void generate(struct fixture *f, uint8_t slot, enum wire_x_touch touch)
{
	ask(f, WIRE_X_GENERATE, slot);
	f->request.x_touch = touch;
	f->request.x_cached_seconds = touch == WIRE_X_TOUCH_CACHED ? 15 : 0;
	assert_int_equal(run(f), OUTCOME_OK);
	memcpy(f->slot_public, f->result.x_keys[0].public_key, 32);
}

void ask_dh(struct fixture *f, uint8_t slot, const uint8_t private_key[static 32])
{
	ask(f, WIRE_X_DH, slot);
	crypto_scalarmult_base(f->request.x_point, private_key);
}

void assert_dh(struct fixture *f, uint8_t slot, const uint8_t public_key[static 32])
{
	uint8_t other[32], shared[32];

	randombytes_buf(other, sizeof(other));
	ask_dh(f, slot, other);
	assert_int_equal(run(f), OUTCOME_OK);
	assert_int_equal(crypto_scalarmult(shared, other, public_key), 0);
	assert_int_equal(f->result.n_outputs, 1);
	assert_memory_equal(secret_key(f->result.outputs[0]), shared, 32);
}

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	fake_vendor_init(&f->fake);
	f->fake.userdata = f;
	memset(f->host_key, 0x11, sizeof(f->host_key));
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	secret_new_fails = sodium_malloc_fails = false;
	wire_request_clear(&f->request);
	wire_result_clear(&f->result);
	free(f);
	return 0;
}

int setup_paired(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	pair(f);
	generate(f, 2, WIRE_X_TOUCH_NEVER);
	return 0;
}
