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

static int set_up(void **state)
{
	(void)state;
	memset(&request, 0, sizeof(request));
	memset(&result, 0, sizeof(result));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wire_request_clear(&request);
	wire_request_clear(&request_back);
	wire_result_clear(&result);
	wire_result_clear(&result_back);
	return 0;
}

static void fill_credential(struct wire_credential *c, uint16_t id_len, uint8_t with)
{
	c->id_len = id_len;
	memset(c->id, with, id_len);
	memset(c->public_key, with + 1, sizeof(c->public_key));
}

static struct secret *make_secret(const char *text)
{
	struct secret *s = secret_new(strlen(text));

	assert_non_null(s);
	memcpy(secret_borrow_mut(s), text, strlen(text));
	return s;
}

static void fill_create(void)
{
	request.type = WIRE_CREATE;
	request.serial = 7;
	request.timeout_ms = 30000;
	request.uv = WIRE_UV_PIN;
	request.pin = make_secret("1234");
	memset(request.user_id, 0x42, sizeof(request.user_id));
	strcpy(request.user_name, "Büro");
	request.n_credentials = 1;
	fill_credential(&request.credentials[0], 48, 3);
}

static void fill_evaluate(void)
{
	request.type = WIRE_EVALUATE;
	request.serial = 0x01020304;
	request.timeout_ms = 30000;
	request.n_credentials = WIRE_CREDENTIALS_MAX;
	for (uint8_t i = 0; i < WIRE_CREDENTIALS_MAX; i++)
		fill_credential(&request.credentials[i], WIRE_CREDENTIAL_ID_MAX, i);
	request.n_salts = 2;
	memset(request.salts, 0x5a, sizeof(request.salts));
}

static void fill_info(void)
{
	result.serial = 1;
	result.answers = WIRE_INFO;
	result.pin_retries = -1;
	strcpy(result.info.product, "Software token");
	strcpy(result.info.serial, "0001");
	memset(result.info.aaguid, 9, sizeof(result.info.aaguid));
	result.info.capabilities = WIRE_CAP_FIDO2 | WIRE_CAP_HMAC_SECRET | WIRE_CAP_PIN_CHANGE_NEEDED;
	result.info.pin_retries = 8;
	result.info.credential_id_max = 128;
}

static void fill_outputs(void)
{
	result.serial = 2;
	result.answers = WIRE_EVALUATE;
	result.pin_retries = -1;
	result.credential_index = 3;
	result.n_outputs = 2;
	for (int i = 0; i < 2; i++) {
		result.outputs[i] = secret_new(SECRET_KEY_SIZE);
		secret_fill_random(result.outputs[i]);
	}
}

static int decode_reply(const uint8_t *data, size_t size)
{
	wire_result_clear(&result_back);
	return wire_decode_reply(&type_back, &result_back, &status_back, data, size);
}

static int decode_request(const uint8_t *data, size_t size)
{
	wire_request_clear(&request_back);
	return wire_decode_request(&request_back, data, size);
}

/* Encodes, decodes, encodes again: the same bytes. Every shorter or longer message is refused. */
static void assert_request_round_trip(void)
{
	static uint8_t again[WIRE_MESSAGE_MAX];
	size_t again_len;

	assert_int_equal(wire_encode_request(buf, &len, &request), 0);
	for (size_t n = 0; n < len; n++) {
		/* a copy of the exact size: AddressSanitizer sees a read behind it */
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, buf, n);
		assert_int_equal(decode_request(cut, n), -EBADMSG);
		assert_null(request_back.pin);
		assert_int_equal(request_back.type, 0);
		free(cut);
	}
	assert_int_equal(decode_request(buf, len + 1), -EBADMSG);
	assert_int_equal(decode_request(buf, len), 0);
	assert_int_equal(wire_encode_request(again, &again_len, &request_back), 0);
	assert_int_equal(len, again_len);
	assert_memory_equal(buf, again, len);
}

static void assert_result_round_trip(void)
{
	static uint8_t again[WIRE_MESSAGE_MAX];
	size_t again_len;

	assert_int_equal(wire_encode_result(buf, &len, &result), 0);
	for (size_t n = 0; n < len; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, buf, n);
		assert_int_equal(decode_reply(cut, n), -EBADMSG);
		assert_null(result_back.outputs[0]);
		assert_null(result_back.outputs[1]);
		free(cut);
	}
	assert_int_equal(decode_reply(buf, len + 1), -EBADMSG);
	assert_int_equal(decode_reply(buf, len), 0);
	assert_int_equal(type_back, WIRE_RESULT);
	assert_int_equal(wire_encode_result(again, &again_len, &result_back), 0);
	assert_int_equal(len, again_len);
	assert_memory_equal(buf, again, len);
}

static void test_plain_requests(void **state)
{
	static const uint8_t info[] = { 1, WIRE_INFO, 4, 3, 2, 1, 0x30, 0x75, 0, 0 };

	(void)state;
	request.type = WIRE_INFO;
	request.serial = 0x01020304;
	request.timeout_ms = 30000;
	assert_request_round_trip();
	/* the bytes themselves: little-endian on every machine */
	assert_int_equal(len, sizeof(info));
	assert_memory_equal(buf, info, sizeof(info));
	assert_int_equal(request_back.timeout_ms, 30000);
	assert_int_equal(request_back.serial, 0x01020304);
	request.type = WIRE_CANCEL;
	assert_request_round_trip();
	assert_int_equal(len, 6);
	request.type = WIRE_PROBE;
	assert_int_equal(wire_encode_request(buf, &len, &request), -EINVAL);
	request.n_credentials = 2;
	fill_credential(&request.credentials[0], 1, 1);
	fill_credential(&request.credentials[1], 64, 2);
	assert_request_round_trip();
	assert_int_equal(request_back.n_credentials, 2);
	assert_int_equal(request_back.credentials[1].id_len, 64);
	assert_memory_equal(request_back.credentials[1].public_key, request.credentials[1].public_key, 64);
}

static void test_create(void **state)
{
	(void)state;
	fill_create();
	assert_request_round_trip();
	assert_int_equal(request_back.uv, WIRE_UV_PIN);
	assert_int_equal(secret_len(request_back.pin), 4);
	assert_memory_equal(secret_borrow(request_back.pin), "1234", 4);
	assert_string_equal(request_back.user_name, "Büro");
	assert_memory_equal(request_back.user_id, request.user_id, 32);
	request.n_credentials = 0;
	assert_request_round_trip();
}

static void test_evaluate(void **state)
{
	(void)state;
	fill_evaluate();
	assert_request_round_trip(); /* the longest request there is */
	assert_int_equal(request_back.n_salts, 2);
	assert_memory_equal(request_back.salts, request.salts, sizeof(request.salts));
	assert_null(request_back.pin);
	request.n_salts = 1;
	assert_request_round_trip();
}

static void assert_request_refused(void)
{
	assert_int_equal(wire_encode_request(buf, &len, &request), -EINVAL);
}

static void test_bad_requests(void **state)
{
	(void)state;
	fill_create();
	request.serial = 0;
	assert_request_refused();
	request.serial = 1;
	request.uv = WIRE_UV_PRESENCE; /* with a PIN */
	assert_request_refused();
	request.uv = (enum wire_uv)2;
	assert_request_refused();
	request.uv = WIRE_UV_PIN;
	secret_borrow_mut(request.pin)[2] = '\0';
	assert_request_refused();
	secret_truncate(request.pin, 3);
	assert_request_refused();
	request.pin = secret_free(request.pin);
	assert_request_refused();
	request.pin = secret_new(SECRET_MAX); /* 64: one too many */
	memset(secret_borrow_mut(request.pin), 'p', SECRET_MAX);
	assert_request_refused();
	secret_truncate(request.pin, 63);
	assert_request_round_trip();
	memset(request.user_name, 'n', sizeof(request.user_name)); /* no end */
	assert_request_refused();
	strcpy(request.user_name, "a\nb");
	assert_request_refused();
	strcpy(request.user_name, "");
	request.credentials[0].id_len = 0;
	assert_request_refused();
	request.credentials[0].id_len = WIRE_CREDENTIAL_ID_MAX + 1;
	assert_request_refused();
	request.credentials[0].id_len = 16;
	request.n_credentials = WIRE_CREDENTIALS_MAX + 1;
	assert_request_refused();
	request.n_credentials = 1;
	request.type = WIRE_INFO; /* which has no PIN */
	assert_request_refused();
	request.pin = secret_free(request.pin);
	request.uv = WIRE_UV_PRESENCE;
	request.type = WIRE_EVALUATE;
	assert_request_refused();
	request.n_salts = 3;
	assert_request_refused();
	request.n_salts = 1;
	assert_request_round_trip();
	request.type = WIRE_RESULT;
	assert_request_refused();
	request.type = (enum wire_type)0;
	assert_request_refused();
}

static void test_nothing_stays_behind(void **state)
{
	(void)state;
	fill_create();
	request.credentials[0].id_len = 0;
	memset(buf, 0, sizeof(buf));
	assert_request_refused();
	assert_true(sodium_is_zero(buf, sizeof(buf)));
}

static void test_results(void **state)
{
	(void)state;
	fill_info();
	assert_result_round_trip();
	assert_string_equal(result_back.info.product, "Software token");
	assert_int_equal(result_back.info.pin_retries, 8);
	assert_int_equal(result_back.info.capabilities, result.info.capabilities);
	result.info.pin_retries = -1;
	assert_result_round_trip();
	assert_int_equal(result_back.info.pin_retries, -1);

	result.answers = WIRE_PROBE;
	result.known = 0x81;
	assert_result_round_trip();
	assert_int_equal(result_back.known, 0x81);

	result.answers = WIRE_CREATE;
	fill_credential(&result.credential, WIRE_CREDENTIAL_ID_MAX, 5);
	assert_result_round_trip();
	assert_int_equal(result_back.credential.id_len, WIRE_CREDENTIAL_ID_MAX);

	fill_outputs();
	assert_result_round_trip();
	assert_int_equal(result_back.credential_index, 3);
	assert_true(secret_equal(result_back.outputs[1], result.outputs[1]));
}

/* What was not done answers nothing, whatever the struct holds. */
static void test_failed_result(void **state)
{
	(void)state;
	fill_outputs();
	result.outcome = OUTCOME_PIN_INVALID;
	result.pin_retries = 4;
	strcpy(result.detail, "PIN_INVALID (0x31)");
	assert_result_round_trip();
	assert_int_equal(result_back.outcome, OUTCOME_PIN_INVALID);
	assert_int_equal(result_back.pin_retries, 4);
	assert_string_equal(result_back.detail, "PIN_INVALID (0x31)");
	assert_int_equal(result_back.answers, 0);
	assert_null(result_back.outputs[0]);
}

/* A token's strange name cannot make its result unsendable, nor reach a terminal. */
static void test_token_text(void **state)
{
	(void)state;
	fill_info();
	strcpy(result.info.product, "\x1b[31mcl\xc3\xa9\n");
	assert_int_equal(wire_encode_result(buf, &len, &result), 0);
	assert_int_equal(decode_reply(buf, len), 0);
	assert_string_equal(result_back.info.product, "?[31mcl???");
}

static void assert_result_refused(void)
{
	assert_int_equal(wire_encode_result(buf, &len, &result), -EINVAL);
}

static void test_bad_results(void **state)
{
	(void)state;
	fill_info();
	result.outcome = OUTCOME_MAX_;
	assert_result_refused();
	result.outcome = OUTCOME_OK;
	result.pin_retries = -2;
	assert_result_refused();
	result.pin_retries = -1;
	result.info.capabilities = 1u << 20;
	assert_result_refused();
	result.answers = WIRE_CANCEL;
	assert_result_refused();
	result.answers = (enum wire_type)0;
	assert_result_refused();
	fill_outputs();
	result.credential_index = WIRE_CREDENTIALS_MAX;
	assert_result_refused();
	result.credential_index = 0;
	result.n_outputs = 0;
	assert_result_refused();
	result.n_outputs = 2;
	secret_free(result.outputs[1]);
	result.outputs[1] = NULL;
	assert_result_refused();
	result.outputs[1] = secret_new(16);
	assert_result_refused();
}

static void test_status(void **state)
{
	struct wire_status_message status = { .serial = 5, .status = WIRE_STATUS_TOUCH };

	(void)state;
	assert_int_equal(wire_encode_status(buf, &len, &status), 0);
	assert_int_equal(decode_reply(buf, len), 0);
	assert_int_equal(type_back, WIRE_STATUS);
	assert_int_equal(status_back.serial, 5);
	assert_int_equal(status_back.status, WIRE_STATUS_TOUCH);
	assert_int_equal(decode_reply(buf, len - 1), -EBADMSG);
	buf[len - 1] = 3;
	assert_int_equal(decode_reply(buf, len), -EBADMSG);
	status.status = (enum wire_status)0;
	assert_int_equal(wire_encode_status(buf, &len, &status), -EINVAL);
	/* a request is no reply, nor the other way round */
	request.type = WIRE_INFO;
	request.serial = 1;
	assert_int_equal(wire_encode_request(buf, &len, &request), 0);
	assert_int_equal(decode_reply(buf, len), -EBADMSG);
	fill_info();
	assert_int_equal(wire_encode_result(buf, &len, &result), 0);
	assert_int_equal(decode_request(buf, len), -EBADMSG);
}

static void test_header(void **state)
{
	(void)state;
	request.type = WIRE_CANCEL;
	request.serial = 1;
	assert_int_equal(wire_encode_request(buf, &len, &request), 0);
	buf[0]++; /* another version */
	assert_int_equal(decode_request(buf, len), -EBADMSG);
	buf[0]--;
	buf[2] = 0; /* serial 0 */
	assert_int_equal(decode_request(buf, len), -EBADMSG);
	buf[2] = 1;
	for (unsigned int type = 0; type < 256; type++) {
		buf[1] = (uint8_t)type;
		assert_int_equal(decode_request(buf, len), type == WIRE_CANCEL ? 0 : -EBADMSG);
	}
}

/* Each byte of a message in turn takes every value: decoded or refused, never a crash or a leak. */
static void test_mutations(void **state)
{
	static uint8_t original[WIRE_MESSAGE_MAX];

	(void)state;
	fill_create();
	assert_int_equal(wire_encode_request(buf, &len, &request), 0);
	memcpy(original, buf, len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned int v = 0; v < 256; v++) {
			buf[i] = (uint8_t)v;
			(void)decode_request(buf, len);
		}
		buf[i] = original[i];
	}
	fill_outputs();
	assert_int_equal(wire_encode_result(buf, &len, &result), 0);
	memcpy(original, buf, len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned int v = 0; v < 256; v++) {
			buf[i] = (uint8_t)v;
			(void)decode_reply(buf, len);
		}
		buf[i] = original[i];
	}
}

static void test_out_of_memory(void **state)
{
	(void)state;
	fill_create();
	assert_int_equal(wire_encode_request(buf, &len, &request), 0);
	secret_new_fails = true;
	assert_int_equal(decode_request(buf, len), -ENOMEM);
	secret_new_fails = false;
	fill_outputs();
	assert_int_equal(wire_encode_result(buf, &len, &result), 0);
	secret_new_fails = true;
	assert_int_equal(decode_reply(buf, len), -ENOMEM);
	secret_new_fails = false;
	assert_null(result_back.outputs[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_requests),
		TEST(test_create),
		TEST(test_evaluate),
		TEST(test_bad_requests),
		TEST(test_nothing_stays_behind),
		TEST(test_results),
		TEST(test_failed_result),
		TEST(test_token_text),
		TEST(test_bad_results),
		TEST(test_status),
		TEST(test_header),
		TEST(test_mutations),
		TEST(test_out_of_memory),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
