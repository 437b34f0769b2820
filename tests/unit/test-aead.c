/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every test runs with each implementation that this machine has. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include "tunnel/aead.h"

#define TEXT_MAX 4200
#define BATCH 64

static struct aead_worker *worker;

/* Guarded on both ends: a packet and what must be around it. */
struct room {
	uint8_t *base;
	uint8_t *text;
	size_t len;
};

static struct room room_new(size_t len)
{
	struct room r = { .base = sodium_malloc(AEAD_HEADROOM + len + AEAD_TAG_SIZE + AEAD_TAILROOM), .len = len };

	assert_non_null(r.base);
	memset(r.base, 0x5a, AEAD_HEADROOM);
	r.text = r.base + AEAD_HEADROOM;
	memset(r.text + len + AEAD_TAG_SIZE, 0x5b, AEAD_TAILROOM);
	return r;
}

static void room_free(struct room *r)
{
	for (size_t i = 0; i < AEAD_HEADROOM; i++)
		assert_int_equal(r->base[i], 0x5a);
	for (size_t i = 0; i < AEAD_TAILROOM; i++)
		assert_int_equal(r->text[r->len + AEAD_TAG_SIZE + i], 0x5b);
	sodium_free(r->base);
}

static void nonce_of(uint8_t nonce[static 12], uint64_t counter)
{
	memset(nonce, 0, 12);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> (8 * i));
}

/* Another implementation of the same: libsodium's. */
static void reference(uint8_t *sealed, const uint8_t *text, size_t len, const uint8_t *key, uint64_t counter)
{
	uint8_t nonce[12];
	unsigned long long n;

	nonce_of(nonce, counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, &n, text, len, NULL, 0, NULL, nonce, key);
	assert_int_equal(n, len + AEAD_TAG_SIZE);
}

static void test_vectors(void **state)
{
	static char line[20000];
	char path[4096], key_hex[65], counter_hex[17], *fields[4];
	unsigned int n = 0;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/vectors/aead.txt", unit_top_srcdir());
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *save, *at = line;
		uint8_t key[AEAD_KEY_SIZE], text[TEXT_MAX], sealed[TEXT_MAX];
		struct aead_packet p = { 0 };
		size_t text_len = 0, sealed_len;
		struct room r;

		for (int i = 0; i < 4; i++, at = NULL)
			assert_non_null(fields[i] = strtok_r(at, " \n", &save));
		snprintf(key_hex, sizeof(key_hex), "%s", fields[0]);
		snprintf(counter_hex, sizeof(counter_hex), "%s", fields[1]);
		assert_int_equal(sodium_hex2bin(key, sizeof(key), key_hex, 64, NULL, NULL, NULL), 0);
		if (fields[2][0] != '-')
			assert_int_equal(sodium_hex2bin(text, sizeof(text), fields[2], strlen(fields[2]), NULL, &text_len, NULL), 0);
		assert_int_equal(sodium_hex2bin(sealed, sizeof(sealed), fields[3], strlen(fields[3]), NULL, &sealed_len, NULL), 0);
		assert_int_equal(sealed_len, text_len + AEAD_TAG_SIZE);
		r = room_new(text_len);
		memcpy(r.text, text, text_len);
		p = (struct aead_packet){ .text = r.text, .len = (uint32_t)text_len, .counter = strtoull(counter_hex, NULL, 16) };
		aead_seal(worker, key, &p, 1);
		assert_memory_equal(r.text, sealed, sealed_len);
		assert_int_equal(aead_open(worker, key, &p, 1), 1);
		assert_true(p.ok);
		assert_memory_equal(r.text, text, text_len);
		room_free(&r);
		n++;
	}
	fclose(f);
	assert_true(n > 50);
}

static void test_every_length(void **state)
{
	uint8_t *key = sodium_malloc(AEAD_KEY_SIZE), text[TEXT_MAX], sealed[TEXT_MAX + AEAD_TAG_SIZE];

	(void)state;
	assert_non_null(key);
	randombytes_buf(key, AEAD_KEY_SIZE);
	randombytes_buf(text, sizeof(text));
	for (uint32_t len = 0; len < TEXT_MAX; len += len < 1600 ? 1 : 61) {
		struct room r = room_new(len);
		struct aead_packet p = { .text = r.text, .len = len, .counter = len * UINT64_C(0x0123456789abcdef) };

		memcpy(r.text, text, len);
		reference(sealed, text, len, key, p.counter);
		aead_seal(worker, key, &p, 1);
		assert_memory_equal(r.text, sealed, len + AEAD_TAG_SIZE);
		assert_int_equal(aead_open(worker, key, &p, 1), 1);
		assert_memory_equal(r.text, text, len);
		room_free(&r);
	}
	aead_forget(worker, key);
	sodium_free(key);
}

/* Neither a bit of the tag, nor of the text, nor another counter, key or length: and nothing of the text is left. */
static void test_forged(void **state)
{
	static const uint32_t lens[] = { 0, 1, 16, 100, 512, 1424 };
	uint8_t key[AEAD_KEY_SIZE], other[AEAD_KEY_SIZE];

	(void)state;
	randombytes_buf(key, sizeof(key));
	memcpy(other, key, sizeof(other));
	other[31] ^= 1;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		const uint32_t len = lens[i];
		uint8_t sealed[2048];
		struct room r = room_new(len);
		struct aead_packet p = { .text = r.text, .len = len, .counter = 7 };

		memset(r.text, 0x33, len);
		aead_seal(worker, key, &p, 1);
		memcpy(sealed, r.text, len + AEAD_TAG_SIZE);
		for (uint32_t bit = 0; bit < 8 * (len + AEAD_TAG_SIZE); bit += bit < 8 * len && len > 16 ? 37 : 1) {
			memcpy(r.text, sealed, len + AEAD_TAG_SIZE);
			r.text[bit / 8] ^= (uint8_t)(1 << bit % 8);
			p.ok = true;
			assert_int_equal(aead_open(worker, key, &p, 1), 0);
			assert_false(p.ok);
			assert_true(sodium_is_zero(r.text, len));
		}
		memcpy(r.text, sealed, len + AEAD_TAG_SIZE);
		p.counter = 8;
		assert_int_equal(aead_open(worker, key, &p, 1), 0);
		p.counter = 7;
		memcpy(r.text, sealed, len + AEAD_TAG_SIZE);
		assert_int_equal(aead_open(worker, other, &p, 1), 0);
		if (len) {
			memcpy(r.text, sealed, len + AEAD_TAG_SIZE);
			p.len = len - 1;
			assert_int_equal(aead_open(worker, key, &p, 1), 0);
			p.len = len;
		}
		memcpy(r.text, sealed, len + AEAD_TAG_SIZE);
		assert_int_equal(aead_open(worker, key, &p, 1), 1);
		room_free(&r);
	}
}

/* As the path does it: packet on packet, each with its header's room between, lengths mixed, one of them forged. */
static void test_batch(void **state)
{
	enum { HEADER = 16, STRIDE = HEADER + 1440 + AEAD_TAG_SIZE };
	static uint8_t buf[AEAD_HEADROOM + BATCH * STRIDE + AEAD_TAILROOM], before[sizeof(buf)];
	struct aead_packet p[BATCH];
	uint8_t key[AEAD_KEY_SIZE], sealed[2048];

	(void)state;
	randombytes_buf(key, sizeof(key));
	randombytes_buf(buf, sizeof(buf));
	memcpy(before, buf, sizeof(buf));
	for (unsigned int i = 0; i < BATCH; i++)
		p[i] = (struct aead_packet){ .text = buf + AEAD_HEADROOM + i * STRIDE + HEADER,
			.len = i % 7 == 0 ? 1440 : i % 5 == 0 ? 0 : (i * 97) % 1440, .counter = 1000 + i };
	aead_seal(worker, key, p, BATCH);
	for (unsigned int i = 0; i < BATCH; i++) {
		reference(sealed, before + (p[i].text - buf), p[i].len, key, p[i].counter);
		assert_memory_equal(p[i].text, sealed, p[i].len + AEAD_TAG_SIZE);
		assert_memory_equal(p[i].text - HEADER, before + (p[i].text - buf) - HEADER, HEADER);
	}
	p[17].text[p[17].len] ^= 1;
	assert_int_equal(aead_open(worker, key, p, BATCH), BATCH - 1);
	for (unsigned int i = 0; i < BATCH; i++) {
		assert_int_equal(p[i].ok, i != 17);
		if (i != 17)
			assert_memory_equal(p[i].text, before + (p[i].text - buf), p[i].len);
	}
}

static void test_keys_alternate(void **state)
{
	uint8_t keys[3][AEAD_KEY_SIZE], sealed[600];

	(void)state;
	randombytes_buf(keys, sizeof(keys));
	for (unsigned int i = 0; i < 60; i++) {
		uint8_t *const key = keys[i * 7 % 3];
		struct room r = room_new(500);
		struct aead_packet p = { .text = r.text, .len = 500, .counter = i };

		memset(r.text, 1, 500);
		reference(sealed, r.text, 500, key, i);
		aead_seal(worker, key, &p, 1);
		assert_memory_equal(r.text, sealed, 500 + AEAD_TAG_SIZE);
		/* The same memory gets another key, as when a session's is freed and the next one's lies there. */
		aead_forget(worker, key);
		key[0]++;
		room_free(&r);
	}
}

#ifndef UNIT_ASAN
/* How often the key stands in this process's heap. */
static unsigned int heap_has(const uint8_t key[static AEAD_KEY_SIZE])
{
	static uint8_t piece[1 << 16];
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[256];

	assert_true(f && mem >= 0);
	while (fgets(line, sizeof(line), f)) {
		unsigned long from, to;
		ssize_t got;

		if (!strstr(line, "[heap]") || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		/* Keys are aligned to 4 at the least, and may cross from one piece to the next. */
		for (; from < to && (got = pread(mem, piece, sizeof(piece), (off_t)from)) > AEAD_KEY_SIZE;
			from += (unsigned long)got - AEAD_KEY_SIZE)
			for (ssize_t at = 0; at + AEAD_KEY_SIZE <= got; at += 4)
				if (memcmp(piece + at, key, AEAD_KEY_SIZE) == 0)
					n++;
		sodium_memzero(piece, sizeof(piece));
	}
	fclose(f);
	close(mem);
	return n;
}
#endif

static void test_forget(void **state)
{
#ifdef UNIT_ASAN
	(void)state;
	skip(); /* its allocator has no [heap] */
#else
	uint8_t *key = sodium_malloc(AEAD_KEY_SIZE);
	struct room r = room_new(64);
	struct aead_packet p = { .text = r.text, .len = 64 };

	(void)state;
	assert_non_null(key);
	randombytes_buf(key, AEAD_KEY_SIZE);
	memset(r.text, 0, 64);
	aead_seal(worker, key, &p, 1);
	if (strstr(aead_worker_describe(worker), "libcrypto") && !strstr(aead_worker_describe(worker), "libipsec-mb"))
		assert_true(heap_has(key) > 0); /* the test can see it */
	aead_forget(worker, key);
	assert_int_equal(heap_has(key), 0);
	sodium_free(key);
	room_free(&r);
#endif
}

static int with_kind(enum aead_kind kind)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_keys_alternate),
		cmocka_unit_test(test_forget),
	};
	int r = aead_worker_new(&worker, kind);

	if (r == -ENOSYS && kind == AEAD_IPSEC_MB) {
		print_message("libipsec-mb is not to be had here\n");
		return 0;
	}
	if (r < 0) {
		print_error("aead_worker_new: %s\n", strerror(-r));
		return 1;
	}
	print_message("%s\n", aead_worker_describe(worker));
	r = cmocka_run_group_tests(tests, NULL, NULL);
	worker = aead_worker_free(worker);
	return r;
}

int main(void)
{
	int r;

	if (sodium_init() < 0)
		return 1;
	r = with_kind(AEAD_LIBCRYPTO);
	r |= with_kind(AEAD_IPSEC_MB);
	return r | with_kind(AEAD_FASTEST);
}
