/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The X25519 operations on a token that lies in one thing at a time, and on answers that somebody else forged, broke or played
 * once more.
 */
#include "tests/unit/x25519-vendor-fixture.h"

#include "token/x25519-vendor.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIRED(test_statuses),
		PAIRED(test_lies_inside),
		PAIRED(test_lies_outside),
		PAIRED(test_impostor),
		PAIRED(test_nothing_after_nonsense),
		PAIRED(test_spoilt_answers),
	};

	if (secret_init() < 0)
		return 1;
	fido_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
