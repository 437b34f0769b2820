/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/card-fixture.h"

static void on_phase(struct card_watch *w, enum card_phase phase)
{
	struct seen *s = (struct seen *)(void *)w;

	s->n_touch += phase == CARD_WANTS_TOUCH;
	s->n_maybe += phase == CARD_MAY_WANT_TOUCH;
	s->n_others += phase == CARD_WAITS_FOR_OTHERS;
}

int setup(void **state)
{
	static struct fixture x;

	memset(&x, 0, sizeof(x));
	emulator_init(&x.e);
	fake_pcsc_init(&x.f, &x.e);
	clock_fake_init(&x.clock, US_PER_SEC, US_PER_SEC);
	x.seen = (struct seen){.watch = {.phase = on_phase}, .clock = &x.clock};
	memset(x.peer, 0x77, sizeof(x.peer));
	emulator_public(x.point, x.peer);
	assert_int_equal(card_new(&x.card, &x.f.pcsc, "Yubico YubiKey OTP+FIDO+CCID 00 00", &x.clock.clock), 0);
	*state = &x;
	return 0;
}

int teardown(void **state)
{
	struct fixture *x = *state;

	card_free(x->card);
	assert_false(x->f.connected);
	return 0;
}

enum outcome operate(struct fixture *x, struct wire_result *ret, struct wire_request *request)
{
	request->serial = 7;
	card_operate(ret, request, x->card, x->clock.now.boot_us + 10 * US_PER_SEC, &x->seen.watch);
	assert_null(request->pin);
	assert_int_equal(ret->serial, 7);
	assert_false(x->f.in_transaction);
	return ret->outcome;
}

struct secret *make_pin(const char *pin)
{
	struct secret *s = secret_new(strlen(pin));

	assert_non_null(s);
	memcpy(secret_borrow_mut(s), pin, strlen(pin));
	return s;
}

enum outcome dh(struct fixture *x, struct wire_result *ret, struct ask a)
{
	struct wire_request request = {.type = WIRE_X_DH, .x_slot = {a.kind, a.slot}, .x_keep = a.keep};

	memcpy(request.x_point, x->point, 32);
	if (a.pin) {
		request.uv = WIRE_UV_PIN;
		request.pin = make_pin(a.pin);
	}
	return operate(x, ret, &request);
}

void right(struct fixture *x, struct ask a, const uint8_t secret[static 32])
{
	struct wire_result result;
	uint8_t shared[32];

	assert_int_equal(dh(x, &result, a), OUTCOME_OK);
	assert_int_equal(result.n_outputs, 1);
	assert_true(emulator_x25519(shared, secret, x->point));
	assert_memory_equal(secret_key(result.outputs[0]), shared, 32);
	wire_result_clear(&result);
}

enum outcome refused(struct fixture *x, struct ask a, struct wire_result *ret)
{
	enum outcome o = dh(x, ret, a);

	assert_int_not_equal(o, OUTCOME_OK);
	assert_null(ret->outputs[0]);
	assert_int_equal(ret->n_outputs, 0);
	return o;
}

void forget(struct fixture *x)
{
	struct wire_request request = {.type = WIRE_X_FORGET};
	struct wire_result result;

	assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
}
