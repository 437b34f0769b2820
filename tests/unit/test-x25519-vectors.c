/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/vectors/x25519.txt, which independent code has made from the specification: the device answers each request
 * with the bytes there, the host's end of the channel sends and derives what is there, and the codec reads and writes both.
 */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "tests/unit/x25519-memory.h"
#include "token/x25519-sodium.h"
#include "token/x25519/device.h"

#define VECTORS_MAX 100

static struct vector {
	char name[48];
	uint8_t data[64];
	size_t len;
} vectors[VECTORS_MAX];
static size_t n_vectors;

static const struct vector *find(const char *name)
{
	for (size_t i = 0; i < n_vectors; i++) {
		if (strcmp(vectors[i].name, name) == 0)
			return &vectors[i];
	}
	fail_msg("no vector %s", name);
	return NULL;
}

static int load(void **state)
{
	char path[4096], line[256];
	FILE *f;

	(void)state;
	assert_true(sodium_init() >= 0);
	snprintf(path, sizeof(path), "%s/tests/vectors/x25519.txt", unit_top_srcdir());
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		struct vector *v = &vectors[n_vectors++];
		char *blank = strchr(line, ' ');

		assert_true(n_vectors <= VECTORS_MAX);
		assert_non_null(blank);
		*blank = '\0';
		snprintf(v->name, sizeof(v->name), "%.47s", line);
		assert_int_equal(sodium_hex2bin(v->data, sizeof(v->data), blank + 1, strlen(blank + 1) - 1, NULL, &v->len, NULL), 0);
	}
	fclose(f);
	assert_true(n_vectors > 50);
	return 0;
}

/* The randomness that the vectors were made with, in the order of the specification. */
static const char *const *next_random;

static int scripted_random(void *ret, size_t len)
{
	const struct vector *v = find(*next_random++);

	assert_int_equal(v->len, len);
	memcpy(ret, v->data, len);
	return 0;
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

static const struct vector *answer_to(const struct vector *request)
{
	char name[48];

	snprintf(name, sizeof(name), "%.*s.answer", (int)(strlen(request->name) - strlen(".request")), request->name);
	return find(name);
}

static void test_device(void **state)
{
	static const char *const random[] = {"token.private", "token.ephemeral", "generated.private"};
	struct x25519_crypto crypto = x25519_sodium;
	struct x25519_memory memory;
	struct x25519_device device;
	unsigned int done = 0;

	(void)state;
	crypto.random = scripted_random;
	next_random = random;
	x25519_memory_init(&memory);
	assert_true(x25519_device_init(&device, &crypto, &x25519_memory_storage, &memory,
		X25519_FEATURE_IMPORT | X25519_FEATURE_CACHED | X25519_FEATURE_OPEN));
	for (size_t i = 0; i < n_vectors; i++) {
		const struct vector *request = &vectors[i], *expected;
		struct x25519_call call = {.cid = 1, .request = request->data, .len = request->len};
		uint8_t answer[X25519_MESSAGE_MAX];
		size_t len = 0;

		if (!ends_with(request->name, ".request") || ends_with(request->name, ".inner.request"))
			continue;
		expected = answer_to(request);
		if (x25519_device_handle(&device, &call, answer, &len) == X25519_TOUCH_WANTED) {
			call.finger = X25519_FINGER_GIVEN;
			assert_int_equal(x25519_device_handle(&device, &call, answer, &len), X25519_ANSWERED);
		}
		if (len != expected->len || memcmp(answer, expected->data, len) != 0)
			fail_msg("%s is not what the device says", expected->name);
		done++;
	}
	assert_int_equal(done, 16);
	assert_ptr_equal(next_random, random + 3);
}

static void test_host(void **state)
{
	static const char *const random[] = {"host.ephemeral"};
	struct x25519_ends ends = {find("host.private")->data, find("host.public")->data, find("token.public")->data};
	const struct vector *request = find("channel.request");
	struct x25519_terms terms = {.version = request->data[1], .host = request->data[2]};
	struct x25519_crypto crypto = x25519_sodium;
	struct x25519_handshake handshake;
	struct x25519_channel channel;
	struct x25519_answer hello, answer;
	uint8_t message[X25519_HANDSHAKE_SIZE], bytes[X25519_MESSAGE_MAX];

	(void)state;
	crypto.random = scripted_random;
	next_random = random;
	assert_true(x25519_answer_decode(&hello, X25519_HELLO, find("hello.answer")->data, find("hello.answer")->len));
	terms.hello = &hello.hello;
	assert_true(x25519_channel_begin(&handshake, &crypto, &ends, &terms, message));
	assert_memory_equal(message, request->data + 3, sizeof(message));
	assert_true(x25519_answer_decode(&answer, X25519_CHANNEL, find("channel.answer")->data, find("channel.answer")->len));
	assert_true(x25519_channel_finish(&channel, &handshake, &crypto, &ends, answer.handshake));
	assert_memory_equal(channel.send_key, find("channel.host-to-token")->data, 32);
	assert_memory_equal(channel.receive_key, find("channel.token-to-host")->data, 32);
	for (size_t i = 0; i < n_vectors; i++) {
		const struct vector *inner = &vectors[i], *outer = inner + 1;
		size_t len;

		if (ends_with(inner->name, ".inner.request")) {
			len = x25519_channel_seal(&channel, &crypto, bytes, inner->data, inner->len);
			assert_int_equal(len + 1, outer->len);
			assert_memory_equal(bytes, outer->data + 1, len);
		} else if (ends_with(inner->name, ".inner.answer")) {
			assert_true(x25519_channel_open(&channel, &crypto, bytes, outer->data + 2, outer->len - 2));
			assert_memory_equal(bytes, inner->data, inner->len);
		}
	}
}

static void test_codec(void **state)
{
	uint8_t bytes[X25519_MESSAGE_MAX];

	(void)state;
	for (size_t i = 0; i < n_vectors; i++) {
		const struct vector *v = &vectors[i];
		struct x25519_request r;
		struct x25519_answer a;
		size_t len = 0;

		if (ends_with(v->name, ".request")) {
			assert_int_equal(x25519_request_decode(&r, v->data, v->len), X25519_OK);
			len = x25519_request_encode(bytes, &r);
		} else if (ends_with(v->name, ".answer")) {
			assert_true(x25519_answer_decode(&a, (enum x25519_op)v->data[0], v->data, v->len));
			len = x25519_answer_encode(bytes, &a);
		} else {
			continue;
		}
		assert_int_equal(len, v->len);
		assert_memory_equal(bytes, v->data, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_codec),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
