/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The worker's operations against a card with both applications: its keys, its PIN, what it says of itself. */
#include "tests/unit/card-fixture.h"

static void test_dh(void **state)
{
	struct fixture *x = *state;

	right(x, OPENPGP("123456", false), x->e.decipher.secret);
	assert_int_equal(x->seen.n_touch + x->seen.n_maybe, 0);
	/* nothing verified stays, nothing stays open */
	assert_int_equal(x->f.n_resets, 1);
	assert_false(x->f.connected);
	assert_false(x->e.pw1.verified);
	right(x, PIV("123456", false), x->e.slots[0].secret);
	x->e.slots[20] = (struct emulator_key){.set = true, .x25519 = true, .secret = {9}, .pin_policy = 1};
	right(x, (struct ask){WIRE_X_PIV, 0x95, NULL, false}, x->e.slots[20].secret);
	assert_int_equal(x->f.n_leaves, 1); /* nothing was verified: other programs lose nothing */
	x->e.prefix = true;
	right(x, OPENPGP("123456", false), x->e.decipher.secret);
}

static void test_short_parts_and_old_cards(void **state)
{
	struct fixture *x = *state;

	x->e.part_max = 16;
	right(x, OPENPGP("123456", false), x->e.decipher.secret);
	right(x, PIV("123456", false), x->e.slots[0].secret);
	x->e.metadata = x->e.yubikey = false;
	x->e.certificates = true;
	right(x, PIV("123456", false), x->e.slots[0].secret);
	/* neither metadata nor certificate: the card has the last word */
	x->e.certificates = false;
	right(x, PIV("123456", false), x->e.slots[0].secret);
	assert_int_equal(x->seen.n_maybe, 2);
}

static void test_pin(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	for (int piv = 0; piv < 2; piv++) {
		struct ask wrong = piv ? PIV("654321", true) : OPENPGP("654321", true), none = piv ? PIV(NULL, true) : OPENPGP(NULL, true);
		struct ask good = piv ? PIV("123456", false) : OPENPGP("123456", false);
		struct emulator_pin *pin = piv ? &x->e.pin : &x->e.pw1;

		x->e.n_verify = 0;
		assert_int_equal(refused(x, none, &result), OUTCOME_PIN_REQUIRED);
		assert_int_equal(x->e.n_verify, 0);
		/* 63C2: once, never again by itself */
		assert_int_equal(refused(x, wrong, &result), OUTCOME_PIN_INVALID);
		assert_int_equal(result.pin_retries, 2);
		assert_int_equal(x->e.n_verify, 1);
		assert_int_equal(refused(x, wrong, &result), OUTCOME_PIN_INVALID);
		assert_int_equal(result.pin_retries, 1);
		right(x, good, piv ? x->e.slots[0].secret : x->e.decipher.secret);
		assert_int_equal(pin->tries, 3);
		pin->tries = 1;
		assert_int_equal(refused(x, wrong, &result), OUTCOME_PIN_BLOCKED);
		/* 6983: looked up, not tried */
		x->e.n_verify = 0;
		assert_int_equal(refused(x, good, &result), OUTCOME_PIN_BLOCKED);
		assert_int_equal(x->e.n_verify, 0);
	}
}

static void test_pin_of_odd_cards(void **state)
{
	static const uint8_t derived[32] = "\x72\x8d\x32\x15\x73\x81\xc6\x62\x99\xd5\x90\xa4\x46\x3b\xf5\x0e\x54\x7a\x50\xd9"
					   "\xb4\xb8\x5e\xec\xdf\x0e\x94\xbd\x65\xa3\xf1\x4b";
	struct fixture *x = *state;
	struct wire_result result;

	/* 6982 to a wrong PIN: the tries are read */
	x->e.old_refusal = true;
	assert_int_equal(refused(x, OPENPGP("654321", false), &result), OUTCOME_PIN_INVALID);
	assert_int_equal(result.pin_retries, 2);
	/* too long, or too short, for PIV: no try is lost */
	assert_int_equal(refused(x, PIV("123456789", false), &result), OUTCOME_PIN_INVALID);
	assert_int_equal(refused(x, PIV("12345", false), &result), OUTCOME_PIN_INVALID);
	assert_int_equal(result.pin_retries, 3);
	/* a card that wants its PIN derived gets that, and not the PIN */
	x->e.kdf = true;
	memcpy(x->e.pw1.text, derived, 32);
	x->e.pw1.len = 32;
	right(x, OPENPGP("123456", false), x->e.decipher.secret);
}

static void test_status_words(void **state)
{
	static const struct {
		uint8_t ins;
		uint16_t sw;
		enum outcome outcome;
	} rows[] = {
		{0x2a, 0x6982, OUTCOME_PIN_REQUIRED}, {0x2a, 0x6983, OUTCOME_PIN_BLOCKED}, {0x2a, 0x6985, OUTCOME_TOKEN_FAILED},
		{0x2a, 0x6a88, OUTCOME_NOT_ENROLLED}, {0x2a, 0x6a80, OUTCOME_INVALID_ARGUMENT}, {0x2a, 0x6600, OUTCOME_TOUCH_TIMEOUT},
		{0x2a, 0x6d00, OUTCOME_UNSUPPORTED}, {0x2a, 0x6f00, OUTCOME_TOKEN_FAILED}, {0x20, 0x63c1, OUTCOME_PIN_INVALID},
		{0x20, 0x63c0, OUTCOME_PIN_BLOCKED}, {0x20, 0x6983, OUTCOME_PIN_BLOCKED}, {0x20, 0x6985, OUTCOME_TOKEN_FAILED},
		{0xa4, 0x6a82, OUTCOME_NOT_ENROLLED}, {0xca, 0x6a88, OUTCOME_NOT_ENROLLED},
	};
	struct fixture *x = *state;
	struct wire_result result;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		x->e.inject_ins = rows[i].ins;
		x->e.inject_sw = rows[i].sw;
		/* GET DATA is asked twice; the first answer is not needed */
		if (rows[i].ins == 0xca)
			x->e.openpgp = false;
		assert_int_equal(refused(x, OPENPGP("123456", false), &result), rows[i].outcome);
		x->e.openpgp = true;
		assert_false(x->e.pw1.verified);
		x->e.pw1.tries = 3;
		x->e.inject_ins = 0;
	}
	x->e.inject_ins = 0x87;
	x->e.inject_sw = 0x6a88;
	assert_int_equal(refused(x, PIV("123456", false), &result), OUTCOME_NOT_ENROLLED);
	assert_int_equal(refused(x, (struct ask){WIRE_X_PIV, 0x82, "123456", false}, &result), OUTCOME_NOT_ENROLLED);
	assert_int_equal(refused(x, (struct ask){WIRE_X_PIV, 0x9a, "123456", false}, &result), OUTCOME_INVALID_ARGUMENT);
	x->e.decipher.x25519 = false;
	x->e.n_verify = 0;
	assert_int_equal(refused(x, OPENPGP("123456", false), &result), OUTCOME_NOT_ENROLLED);
	assert_int_equal(x->e.n_verify, 0); /* no PIN for a key that is not there */
}

static void test_low_order(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	memset(x->point, 0, sizeof(x->point));
	assert_int_equal(refused(x, OPENPGP("123456", false), &result), OUTCOME_INVALID_ARGUMENT);
	x->point[0] = 1;
	assert_int_equal(refused(x, PIV("123456", false), &result), OUTCOME_INVALID_ARGUMENT);
	assert_int_equal(x->e.n_verify, 0);
	assert_int_equal(x->e.n_dh, 0);
}

/* Of a point that is good: a card that makes everybody's secret of everything. */
static void test_zeros(void **state)
{
	struct fixture *x = *state;
	struct wire_result result;

	x->e.zeros = true;
	assert_int_equal(refused(x, OPENPGP("123456", true), &result), OUTCOME_INVALID_ARGUMENT);
	assert_int_equal(refused(x, PIV("123456", true), &result), OUTCOME_INVALID_ARGUMENT);
	assert_int_equal(x->e.n_dh, 2);
	assert_false(x->e.pin.verified);
}

static const struct wire_token_info *info(struct fixture *x, struct wire_result *ret)
{
	struct wire_request request = {.type = WIRE_INFO};

	assert_int_equal(operate(x, ret, &request), OUTCOME_OK);
	return &ret->info;
}

static void test_info(void **state)
{
	struct fixture *x = *state;
	struct wire_request request = {.type = WIRE_INFO};
	const struct wire_token_info *i;
	struct wire_result result;

	i = info(x, &result);
	assert_string_equal(i->product, "Yubico YubiKey OTP+FIDO+CCID");
	assert_string_equal(i->serial, "123456");
	assert_int_equal(i->capabilities, WIRE_CAP_OPENPGP | WIRE_CAP_PIV | WIRE_CAP_CLIENT_PIN | WIRE_CAP_PIN_SET);
	assert_int_equal(i->pin_retries, 3);
	x->e.pin.tries = 1;
	assert_int_equal(info(x, &result)->pin_retries, 1);
	/* PIV of a YubiKey before 5.7, and no X25519 key in it */
	x->e.metadata = false;
	assert_int_equal(info(x, &result)->capabilities & (WIRE_CAP_OPENPGP | WIRE_CAP_PIV), WIRE_CAP_OPENPGP);
	/* RSA for now, but X25519 could be made */
	x->e.decipher.x25519 = false;
	x->e.offers_x25519 = true;
	assert_int_equal(info(x, &result)->capabilities & (WIRE_CAP_OPENPGP | WIRE_CAP_PIV), WIRE_CAP_OPENPGP);
	x->e.offers_x25519 = false;
	assert_int_equal(operate(x, &result, &request), OUTCOME_UNSUPPORTED);
	x->e.openpgp = x->e.piv = false;
	assert_int_equal(operate(x, &result, &request), OUTCOME_UNSUPPORTED);
	/* no YubiKey, PIV alone: its number is the card holder's identifier */
	x->e.piv = x->e.metadata = true;
	x->e.yubikey = false;
	assert_string_equal(info(x, &result)->serial, "30313233343536373839616263646566");
}

static void test_list(void **state)
{
	struct fixture *x = *state;
	struct wire_request request = {.type = WIRE_X_LIST};
	struct wire_result result;
	uint8_t key[32];

	x->e.slots[1] = (struct emulator_key){.set = true}; /* P-256 in 82 */
	x->e.slots[2] = (struct emulator_key){.set = true, .x25519 = true, .secret = {3}, .pin_policy = 1, .touch_policy = 2};
	x->e.uif = 3;
	assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
	assert_int_equal(result.x_slots, 22);
	assert_int_equal(result.n_x_keys, 3);
	assert_int_equal(result.x_keys[0].slot.kind, WIRE_X_OPENPGP);
	assert_int_equal(result.x_keys[0].touch, WIRE_X_TOUCH_CACHED);
	emulator_public(key, x->e.decipher.secret);
	assert_memory_equal(result.x_keys[0].public_key, key, 32);
	assert_int_equal(result.x_keys[1].slot.number, 0x9d);
	assert_true(result.x_keys[1].needs_pin);
	assert_int_equal(result.x_keys[2].slot.number, 0x83);
	assert_false(result.x_keys[2].needs_pin);
	assert_int_equal(result.x_keys[2].touch, WIRE_X_TOUCH_ALWAYS);
	/* fit to be sent */
	uint8_t *buf = malloc(WIRE_MESSAGE_MAX);
	size_t len;

	assert_int_equal(wire_encode_result(buf, &len, &result), 0);
	free(buf);
	/* looking would end the session: the list is the one of before */
	x->e.uif = 0;
	right(x, OPENPGP("123456", true), x->e.decipher.secret);
	x->e.n_commands = 0;
	assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
	assert_int_equal(result.n_x_keys, 3);
	assert_int_equal(x->e.n_commands, 0);
	right(x, OPENPGP(NULL, true), x->e.decipher.secret);
	forget(x);
	x->e.decipher.set = false;
	x->e.piv = false;
	assert_int_equal(operate(x, &result, &request), OUTCOME_OK);
	assert_int_equal(result.n_x_keys, 0);
	assert_int_equal(result.x_slots, 1);
}

static void test_what_cards_do_not(void **state)
{
	static const enum wire_type types[] = {WIRE_PROBE, WIRE_CREATE, WIRE_EVALUATE, WIRE_X_GENERATE, WIRE_X_IMPORT, WIRE_X_ERASE,
		WIRE_X_PAIR};
	struct fixture *x = *state;
	struct wire_result result;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct wire_request request = {.type = types[i], .x_slot = {WIRE_X_OPENPGP, 0}};

		assert_int_equal(operate(x, &result, &request), OUTCOME_UNSUPPORTED);
	}
	assert_int_equal(x->e.n_commands, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_parts_and_old_cards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin_of_odd_cards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_low_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zeros, setup, teardown),
		cmocka_unit_test_setup_teardown(test_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cards_do_not, setup, teardown),
	};

	assert_int_equal(secret_init(), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
