/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sodium.h>

#include "common/wire.h"

static bool secret_new_fails;

struct secret *__real_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len)
{
	return secret_new_fails ? NULL : __real_secret_new(len);
}

static uint8_t buf[WIRE_MESSAGE_MAX];
static size_t len;
static struct wire_request request, request_back;
static struct wire_result result, result_back;
static struct wire_status_message status_back;
static enum wire_type type_back;

static int tear_down(void **state)
{
	(void)state;
	wire_request_clear(&request);
	wire_request_clear(&request_back);
	wire_result_clear(&result);
	wire_result_clear(&result_back);
	return 0;
}

static struct secret *make_secret(size_t size, uint8_t with)
{
	struct secret *s = secret_new(size);

	assert_non_null(s);
	memset(secret_borrow_mut(s), with, size);
	return s;
}

static void fill_request(enum wire_type type)
{
	wire_request_clear(&request);
	request.type = type;
	request.serial = 7;
	request.timeout_ms = 30000;
	memset(request.x_point, 0x51, sizeof(request.x_point));
}

static void fill_ctaphid(enum wire_type type)
{
	fill_request(type);
	request.x_slot = (struct wire_x_slot){ .kind = WIRE_X_CTAPHID, .number = 3 };
	request.x_paired = true;
	request.x_host_index = 2;
	memset(request.x_token_public, 0x52, sizeof(request.x_token_public));
	request.x_host_key = make_secret(SECRET_KEY_SIZE, 0x53);
	if (type == WIRE_X_GENERATE || type == WIRE_X_IMPORT) {
		request.x_touch = WIRE_X_TOUCH_CACHED;
		request.x_cached_seconds = 0x1234;
	}
	if (type == WIRE_X_IMPORT)
		request.x_key = make_secret(SECRET_KEY_SIZE, 0x54);
}

static void fill_card(enum wire_type type, enum wire_x_kind kind, uint8_t number)
{
	fill_request(type);
	request.x_slot = (struct wire_x_slot){ .kind = kind, .number = number };
	request.uv = WIRE_UV_PIN;
	request.pin = make_secret(6, '1');
	if (type == WIRE_X_IMPORT)
		request.x_key = make_secret(SECRET_KEY_SIZE, 0x54);
}

static void fill_result(enum wire_type answers)
{
	wire_result_clear(&result);
	result.serial = 9;
	result.pin_retries = -1;
	result.answers = answers;
}

static void fill_key(struct wire_x_key *key, uint8_t number)
{
	*key = (struct wire_x_key){ .slot = { WIRE_X_CTAPHID, number }, .touch = WIRE_X_TOUCH_ALWAYS, .bound = true };
	memset(key->public_key, 0x80 + number, sizeof(key->public_key));
}

static int decode_request(const uint8_t *data, size_t size)
{
	wire_request_clear(&request_back);
	return wire_decode_request(&request_back, data, size);
}

static int decode_reply(const uint8_t *data, size_t size)
{
	wire_result_clear(&result_back);
	return wire_decode_reply(&type_back, &result_back, &status_back, data, size);
}

/* The same bytes there and back, every byte set to every value on the way; every other length is refused. */
static void assert_round_trip(int (*encode)(void), int (*decode)(const uint8_t *data, size_t size), int (*encode_back)(void))
{
	static uint8_t first[WIRE_MESSAGE_MAX];
	size_t first_len;

	assert_int_equal(encode(), 0);
	memcpy(first, buf, len);
	first_len = len;
	for (size_t n = 0; n < first_len; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, first, n);
		assert_int_equal(decode(cut, n), -EBADMSG);
		free(cut);
	}
	assert_int_equal(decode(first, first_len + 1), -EBADMSG);
	for (size_t i = 0; i < first_len; i++) {
		const uint8_t original = first[i];

		for (unsigned int v = 0; v < 256; v++) {
			first[i] = (uint8_t)v;
			/* What is taken means these bytes and no others. */
			if (decode(first, first_len) == 0) {
				assert_int_equal(encode_back(), 0);
				assert_int_equal(len, first_len);
				assert_memory_equal(buf, first, len);
			}
		}
		first[i] = original;
	}
	assert_int_equal(decode(first, first_len), 0);
}

static int encode_request(void)
{
	return wire_encode_request(buf, &len, &request);
}

static int encode_request_back(void)
{
	return wire_encode_request(buf, &len, &request_back);
}

static int encode_result(void)
{
	return wire_encode_result(buf, &len, &result);
}

/* The mutations of a result may make another kind of message of it. */
static int encode_reply_back(void)
{
	return type_back == WIRE_STATUS ? wire_encode_status(buf, &len, &status_back) : wire_encode_result(buf, &len, &result_back);
}

static void assert_request_round_trip(void)
{
	assert_round_trip(encode_request, decode_request, encode_request_back);
	assert_int_equal(request_back.type, request.type);
}

static void assert_result_round_trip(void)
{
	assert_round_trip(encode_result, decode_reply, encode_reply_back);
	assert_int_equal(result_back.answers, result.answers);
}

static void assert_request_refused(void)
{
	memset(buf, 0, sizeof(buf));
	assert_int_equal(encode_request(), -EINVAL);
	assert_true(sodium_is_zero(buf, sizeof(buf)));
}

static void assert_result_refused(void)
{
	assert_int_equal(encode_result(), -EINVAL);
}

static void test_plain_requests(void **state)
{
	static const uint8_t list[] = { 1, 16, 7, 0, 0, 0, 0x30, 0x75, 0, 0 };

	(void)state;
	fill_request(WIRE_X_LIST);
	assert_request_round_trip();
	assert_int_equal(encode_request(), 0);
	assert_int_equal(len, sizeof(list));
	assert_memory_equal(buf, list, sizeof(list));
	fill_request(WIRE_X_FORGET);
	assert_request_round_trip();
	request.pin = make_secret(4, '1'); /* which would be lost on the way */
	request.uv = WIRE_UV_PIN;
	assert_request_refused();
	fill_request(WIRE_X_LIST);
	request.x_host_key = make_secret(SECRET_KEY_SIZE, 1);
	assert_request_refused();
	fill_request(WIRE_X_LIST);
	request.x_paired = true;
	assert_request_refused();
	fill_request(WIRE_INFO);
	request.x_key = make_secret(SECRET_KEY_SIZE, 1);
	assert_request_refused();
}

static void test_pair(void **state)
{
	(void)state;
	fill_request(WIRE_X_PAIR);
	assert_request_refused(); /* no host key */
	request.x_host_key = make_secret(16, 1);
	assert_request_refused();
	request.x_host_key = secret_free(request.x_host_key);
	request.x_host_key = make_secret(SECRET_KEY_SIZE, 0x55);
	assert_request_round_trip();
	assert_true(secret_equal(request.x_host_key, request_back.x_host_key));
	assert_false(request_back.x_paired);

	fill_result(WIRE_X_PAIR);
	result.x_host_index = 255;
	memset(result.x_token_public, 0x56, sizeof(result.x_token_public));
	assert_result_round_trip();
	assert_int_equal(result_back.x_host_index, 255);
	assert_memory_equal(result_back.x_token_public, result.x_token_public, 32);
}

static void test_ctaphid_keys(void **state)
{
	static const enum wire_type types[] = { WIRE_X_GENERATE, WIRE_X_DH, WIRE_X_IMPORT, WIRE_X_ERASE };

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		fill_ctaphid(types[i]);
		assert_request_round_trip();
		assert_int_equal(request_back.x_slot.kind, WIRE_X_CTAPHID);
		assert_int_equal(request_back.x_slot.number, 3);
		assert_true(request_back.x_paired);
		assert_int_equal(request_back.x_host_index, 2);
		assert_memory_equal(request_back.x_token_public, request.x_token_public, 32);
		assert_true(secret_equal(request_back.x_host_key, request.x_host_key));
		assert_int_equal(request_back.x_touch, request.x_touch);
		assert_int_equal(request_back.x_cached_seconds, request.x_cached_seconds);
		if (types[i] == WIRE_X_DH)
			assert_memory_equal(request_back.x_point, request.x_point, 32);
		assert_int_equal(request_back.x_key != NULL, types[i] == WIRE_X_IMPORT);
		if (types[i] == WIRE_X_IMPORT)
			assert_true(secret_equal(request_back.x_key, request.x_key));

		/* never outside the channel, never with a PIN, which these keys do not have */
		request.x_paired = false;
		assert_request_refused();
		request.x_paired = true;
		request.x_host_key = secret_free(request.x_host_key);
		assert_request_refused();
		request.x_host_key = make_secret(31, 1);
		assert_request_refused();
		fill_ctaphid(types[i]);
		request.uv = WIRE_UV_PIN;
		request.pin = make_secret(4, '1');
		assert_request_refused();
		fill_ctaphid(types[i]);
		request.x_slot.number = 32;
		assert_request_refused();
		fill_ctaphid(types[i]);
		request.x_keep = true;
		assert_request_refused();
		/* a key that the type has no use for would be lost on the way, or one is missing */
		fill_ctaphid(types[i]);
		if (request.x_key)
			request.x_key = secret_free(request.x_key);
		else
			request.x_key = make_secret(SECRET_KEY_SIZE, 1);
		assert_request_refused();
	}
}

static void test_card_keys(void **state)
{
	static const enum wire_type types[] = { WIRE_X_GENERATE, WIRE_X_DH, WIRE_X_IMPORT, WIRE_X_ERASE };
	static const struct wire_x_slot slots[] = { { WIRE_X_OPENPGP, 0 }, { WIRE_X_PIV, 0x9d }, { WIRE_X_PIV, 0x82 }, { WIRE_X_PIV, 0x95 } };

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (size_t k = 0; k < sizeof(slots) / sizeof(slots[0]); k++) {
			fill_card(types[i], slots[k].kind, slots[k].number);
			request.x_keep = types[i] == WIRE_X_DH;
			assert_request_round_trip();
			assert_int_equal(request_back.x_slot.number, slots[k].number);
			assert_int_equal(request_back.x_keep, request.x_keep);
			assert_int_equal(secret_len(request_back.pin), 6);
			assert_null(request_back.x_host_key);
			request.x_keep = !request.x_keep;
			assert_int_equal(encode_request(), types[i] == WIRE_X_DH ? 0 : -EINVAL);
			request.x_keep = false;
			request.x_paired = true;
			assert_request_refused();
			request.x_paired = false;
			request.x_host_key = make_secret(SECRET_KEY_SIZE, 1);
			assert_request_refused();
		}
		/* in a session that was kept */
		fill_card(types[i], WIRE_X_OPENPGP, 0);
		request.pin = secret_free(request.pin);
		request.uv = WIRE_UV_PRESENCE;
		assert_request_round_trip();
	}
}

static void test_slots(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < 6; kind++) {
		for (unsigned int number = 0; number < 256; number++) {
			const struct wire_x_slot slot = { (enum wire_x_kind)kind, (uint8_t)number };
			const bool valid = (kind == WIRE_X_CTAPHID && number < 32) || (kind == WIRE_X_OPENPGP && number == 0) ||
					   (kind == WIRE_X_PIV && (number == 0x9d || (number >= 0x82 && number <= 0x95)));

			assert_int_equal(wire_x_slot_valid(&slot), valid);
		}
	}
}

static void test_touch(void **state)
{
	(void)state;
	for (unsigned int touch = 0; touch < 6; touch++) {
		for (uint16_t seconds = 0; seconds < 2; seconds++) {
			const bool never_or_always = touch == WIRE_X_TOUCH_NEVER || touch == WIRE_X_TOUCH_ALWAYS;

			fill_ctaphid(WIRE_X_GENERATE);
			request.x_touch = (enum wire_x_touch)touch;
			request.x_cached_seconds = seconds;
			assert_int_equal(encode_request(),
				(never_or_always && seconds == 0) || (touch == WIRE_X_TOUCH_CACHED && seconds == 1) ? 0 : -EINVAL);
			fill_card(WIRE_X_GENERATE, WIRE_X_PIV, 0x9d);
			request.x_touch = (enum wire_x_touch)touch;
			request.x_cached_seconds = seconds;
			assert_int_equal(encode_request(),
				touch == WIRE_X_TOUCH_CACHED || (touch <= WIRE_X_TOUCH_ALWAYS && seconds == 0) ? 0 : -EINVAL);
		}
	}
}

static void test_list(void **state)
{
	(void)state;
	fill_result(WIRE_X_LIST);
	assert_result_round_trip(); /* a card without slots */
	result.x_slots = 40;
	memset(result.x_token_public, 0x57, sizeof(result.x_token_public));
	result.n_x_keys = WIRE_X_KEYS_MAX;
	for (uint8_t i = 0; i < WIRE_X_KEYS_MAX; i++)
		fill_key(&result.x_keys[i], i);
	result.x_keys[1].touch = WIRE_X_TOUCH_CACHED;
	result.x_keys[1].cached_seconds = 15;
	result.x_keys[2].bound = false;
	result.x_keys[3] = (struct wire_x_key){ .slot = { WIRE_X_OPENPGP, 0 }, .needs_pin = true };
	result.x_keys[4] = (struct wire_x_key){ .slot = { WIRE_X_PIV, 0x83 }, .touch = WIRE_X_TOUCH_CACHED };
	assert_result_round_trip();
	assert_int_equal(result_back.x_slots, 40);
	assert_int_equal(result_back.n_x_keys, WIRE_X_KEYS_MAX);
	assert_memory_equal(result_back.x_token_public, result.x_token_public, 32);
	for (unsigned int i = 0; i < WIRE_X_KEYS_MAX; i++) {
		const struct wire_x_key *a = &result.x_keys[i], *b = &result_back.x_keys[i];

		assert_int_equal(a->slot.kind, b->slot.kind);
		assert_int_equal(a->slot.number, b->slot.number);
		assert_int_equal(a->touch, b->touch);
		assert_int_equal(a->cached_seconds, b->cached_seconds);
		assert_int_equal(a->needs_pin, b->needs_pin);
		assert_int_equal(a->bound, b->bound);
		assert_memory_equal(a->public_key, b->public_key, 32);
	}
}

static void test_bad_lists(void **state)
{
	(void)state;
	fill_result(WIRE_X_LIST);
	result.x_slots = 1;
	result.n_x_keys = 2;
	fill_key(&result.x_keys[0], 0);
	fill_key(&result.x_keys[1], 1);
	assert_result_refused(); /* more keys than slots */
	result.x_slots = 2;
	assert_int_equal(encode_result(), 0);
	result.x_keys[1].slot.number = 0; /* the same slot twice: which key is it? */
	assert_result_refused();
	fill_key(&result.x_keys[1], 32);
	assert_result_refused();
	fill_key(&result.x_keys[1], 1);
	result.x_keys[1].touch = WIRE_X_TOUCH_UNKNOWN;
	assert_result_refused();
	result.x_keys[1] = (struct wire_x_key){ .slot = { WIRE_X_PIV, 0x9d }, .bound = true };
	assert_result_refused();
	result.x_slots = 255;
	result.n_x_keys = WIRE_X_KEYS_MAX + 1;
	assert_result_refused();
}

static void test_new_keys(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		fill_result(i ? WIRE_X_IMPORT : WIRE_X_GENERATE);
		assert_result_refused();
		result.n_x_keys = 1;
		fill_key(&result.x_keys[0], 31);
		assert_result_round_trip();
		assert_int_equal(result_back.n_x_keys, 1);
		assert_memory_equal(result_back.x_keys[0].public_key, result.x_keys[0].public_key, 32);
		result.n_x_keys = 2;
		assert_result_refused();
	}
	fill_result(WIRE_X_ERASE);
	assert_result_round_trip();
	fill_result(WIRE_X_FORGET);
	assert_result_round_trip();
}

static void test_shared_secret(void **state)
{
	(void)state;
	fill_result(WIRE_X_DH);
	assert_result_refused();
	result.n_outputs = 1;
	assert_result_refused();
	result.outputs[0] = secret_new(SECRET_KEY_SIZE);
	assert_result_refused(); /* all zero: what a low-order point yields */
	secret_borrow_mut(result.outputs[0])[31] = 1;
	assert_result_round_trip();
	assert_int_equal(result_back.n_outputs, 1);
	assert_true(secret_equal(result.outputs[0], result_back.outputs[0]));
	assert_int_equal(encode_result(), 0);
	buf[len - 1] = 0;
	assert_int_equal(decode_reply(buf, len), -EBADMSG);
	assert_null(result_back.outputs[0]);
	result.n_outputs = 2;
	assert_result_refused();
	result.n_outputs = 1;
	result.outcome = OUTCOME_TOKEN_FAILED; /* what failed carries nothing */
	assert_int_equal(encode_result(), 0);
	assert_int_equal(decode_reply(buf, len), 0);
	assert_null(result_back.outputs[0]);
}

static void test_out_of_memory(void **state)
{
	(void)state;
	fill_ctaphid(WIRE_X_IMPORT);
	assert_int_equal(encode_request(), 0);
	secret_new_fails = true;
	assert_int_equal(decode_request(buf, len), -ENOMEM);
	assert_null(request_back.x_host_key);
	secret_new_fails = false;
	fill_result(WIRE_X_DH);
	result.n_outputs = 1;
	result.outputs[0] = make_secret(SECRET_KEY_SIZE, 1);
	assert_int_equal(encode_result(), 0);
	secret_new_fails = true;
	assert_int_equal(decode_reply(buf, len), -ENOMEM);
	secret_new_fails = false;
	assert_null(result_back.outputs[0]);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_requests),
		TEST(test_pair),
		TEST(test_ctaphid_keys),
		TEST(test_card_keys),
		TEST(test_slots),
		TEST(test_touch),
		TEST(test_list),
		TEST(test_bad_lists),
		TEST(test_new_keys),
		TEST(test_shared_secret),
		TEST(test_out_of_memory),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
