/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tunnel/noise and tunnel/cookie against independent code, and against what may come over the network. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>

#include "tunnel/blake2s.h"
#include "tunnel/cookie.h"
#include "tunnel/noise.h"
#include "tunnel/ratelimit.h"

struct vector {
	uint8_t initiator_static[32], responder_static[32], initiator_ephemeral[32], responder_ephemeral[32];
	uint8_t psk[32], timestamp[12], initiator_index[4], responder_index[4];
	struct message_initiation initiation;
	uint8_t cookie_secret[32];
	struct message_cookie cookie_reply;
	struct message_response response;
	uint8_t keys[64];
	uint8_t initiator_public[32], responder_public[32];
	struct secret *ss, *es, *se, *psk_secret;
};

static struct vector vectors[16];
static size_t n_vectors;

/* What the next random bytes are. */
static const uint8_t *planned;
static size_t planned_len;

static const char *plan_name(void)
{
	return "planned";
}

static void plan_bytes(void *buf, size_t size)
{
	assert_true(size <= planned_len);
	memcpy(buf, planned, size);
	planned += size;
	planned_len -= size;
}

static uint32_t plan_number(void)
{
	uint32_t n;

	plan_bytes(&n, sizeof(n));
	return n;
}

static randombytes_implementation plan_implementation = {
	.implementation_name = plan_name, .random = plan_number, .buf = plan_bytes };

static void plan(const void *bytes, size_t len)
{
	planned = bytes;
	planned_len = len;
	randombytes_set_implementation(&plan_implementation);
}

static void plan_end(void)
{
	assert_int_equal(planned_len, 0);
	randombytes_set_implementation(&randombytes_sysrandom_implementation);
}

static struct secret *secret_of(const uint8_t bytes[static 32])
{
	struct secret *s = secret_new(32);

	memcpy(secret_borrow_mut(s), bytes, 32);
	return s;
}

static struct secret *dh(const uint8_t private_key[static 32], const uint8_t public_key[static 32])
{
	struct secret *s = secret_new(32);

	assert_int_equal(crypto_scalarmult(secret_borrow_mut(s), private_key, public_key), 0);
	return s;
}

static void complete(struct vector *v)
{
	crypto_scalarmult_base(v->initiator_public, v->initiator_static);
	crypto_scalarmult_base(v->responder_public, v->responder_static);
	v->ss = dh(v->initiator_static, v->responder_public);
	v->es = dh(v->responder_static, v->initiation.ephemeral);
	v->se = dh(v->initiator_static, v->response.ephemeral);
	v->psk_secret = sodium_is_zero(v->psk, 32) ? NULL : secret_of(v->psk);
}

static int load(void **state)
{
	static const struct {
		const char *name;
		size_t offset, size;
	} fields[] = {
#define FIELD(f) { #f, offsetof(struct vector, f), sizeof(vectors[0].f) }
		FIELD(initiator_static), FIELD(responder_static), FIELD(initiator_ephemeral), FIELD(responder_ephemeral),
		FIELD(psk), FIELD(timestamp), FIELD(initiator_index), FIELD(responder_index), FIELD(initiation),
		FIELD(cookie_secret), FIELD(cookie_reply), FIELD(response), FIELD(keys),
	};
	char path[4096], line[1024], name[32], hex[512];
	size_t n_fields = 0;
	FILE *f;

	(void)state;
	if (noise_init() < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/tests/vectors/noise.txt", unit_top_srcdir());
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %511s", name, hex) != 2) {
			assert_int_equal(n_fields, sizeof(fields) / sizeof(fields[0]));
			complete(&vectors[n_vectors++]);
			n_fields = 0;
			continue;
		}
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
			size_t len;

			if (strcmp(name, fields[i].name) != 0)
				continue;
			assert_int_equal(sodium_hex2bin((uint8_t *)&vectors[n_vectors] + fields[i].offset, fields[i].size, hex,
						 strlen(hex), NULL, &len, NULL),
				0);
			assert_int_equal(len, fields[i].size);
			n_fields++;
		}
	}
	fclose(f);
	return n_vectors == 8 ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_vectors; i++) {
		secret_free(vectors[i].ss);
		secret_free(vectors[i].es);
		secret_free(vectors[i].se);
		secret_free(vectors[i].psk_secret);
	}
	noise_exit();
	return 0;
}

/* What was made ahead of time when a handshake comes. */
enum ahead {
	AHEAD_NOTHING,
	AHEAD_EPHEMERAL,
	AHEAD_OTHER, /* for another peer than the handshake's */
	AHEAD_LOW_ORDER, /* for one with which there is none */
	AHEAD_PEER,
	_AHEADS,
};

static void prepare(enum ahead ahead, const uint8_t remote_public[static 32], const uint8_t other_public[static 32])
{
	static const uint8_t zero[32];

	assert_false(noise_prepare_for(remote_public));
	if (ahead == AHEAD_NOTHING)
		return;
	assert_true(noise_prepare());
	assert_false(noise_prepare());
	if (ahead == AHEAD_EPHEMERAL)
		return;
	/* The last one counts. */
	assert_true(noise_prepare_for(ahead == AHEAD_PEER ? other_public : remote_public));
	if (ahead == AHEAD_OTHER)
		remote_public = other_public;
	else if (ahead == AHEAD_LOW_ORDER)
		remote_public = zero;
	assert_true(noise_prepare_for(remote_public));
	assert_false(noise_prepare_for(remote_public));
}

static int as_initiator_ahead(const struct vector *v, enum ahead ahead, struct noise *n, struct message_initiation *m)
{
	int r;

	plan(v->initiator_ephemeral, 32);
	prepare(ahead, v->responder_public, v->initiator_public);
	r = noise_initiation_write(n, m, message_get32(v->initiator_index), v->initiator_public, v->responder_public, v->ss,
		v->timestamp);
	plan_end();
	return r;
}

static int as_initiator(const struct vector *v, struct noise *n, struct message_initiation *m)
{
	return as_initiator_ahead(v, AHEAD_NOTHING, n, m);
}

static void test_initiator(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_vectors * _AHEADS; i++) {
		const struct vector *v = &vectors[i / _AHEADS];
		struct message_initiation m;
		struct noise n = { 0 };
		struct secret *keys;

		assert_int_equal(as_initiator_ahead(v, i % _AHEADS, &n, &m), 0);
		assert_memory_equal(&m, &v->initiation, offsetof(struct message_initiation, macs));
		assert_int_equal(noise_response_read(&n, &v->response, v->se, v->psk_secret), 0);
		keys = noise_session_keys(&n, true);
		assert_memory_equal(secret_borrow(keys), v->keys, 64);
		assert_null(n.secrets);
		secret_free(keys);
	}
}

static void test_responder(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_vectors * _AHEADS; i++) {
		const struct vector *v = &vectors[i / _AHEADS];
		struct message_response m;
		struct noise n = { 0 };
		uint8_t who[32], timestamp[12];
		struct secret *keys;

		assert_int_equal(noise_initiation_read_static(&n, &v->initiation, v->responder_public, v->es, who), 0);
		assert_memory_equal(who, v->initiator_public, 32);
		assert_int_equal(noise_initiation_read_timestamp(&n, &v->initiation, v->ss, timestamp), 0);
		assert_memory_equal(timestamp, v->timestamp, 12);
		plan(v->responder_ephemeral, 32);
		prepare(i % _AHEADS, who, v->responder_public);
		assert_int_equal(noise_response_write(&n, &m, message_get32(v->responder_index), message_get32(v->initiator_index), who,
					 v->initiation.ephemeral, v->psk_secret),
			0);
		plan_end();
		assert_memory_equal(&m, &v->response, offsetof(struct message_response, macs));
		keys = noise_session_keys(&n, false);
		assert_memory_equal(secret_borrow(keys), v->keys + 32, 32);
		assert_memory_equal(secret_borrow(keys) + 32, v->keys, 32);
		secret_free(keys);
	}
}

/* Every bit of a message that is wrong, and every secret that is: refused, and the right one is taken afterwards. */
static void test_refused(void **state)
{
	const struct vector *v = &vectors[1];
	struct message_initiation m;
	struct message_response response;
	struct noise n = { 0 }, fresh = { 0 };
	uint8_t who[32] = { 0 }, timestamp[12] = { 0 }, none[32] = { 0 };
	struct secret *wrong = secret_new(32);

	(void)state;
	for (size_t byte = 8; byte < offsetof(struct message_initiation, macs); byte++) {
		m = v->initiation;
		((uint8_t *)&m)[byte] ^= (uint8_t)(1 << byte % 8);
		if (byte < offsetof(struct message_initiation, timestamp)) {
			assert_int_equal(noise_initiation_read_static(&n, &m, v->responder_public, v->es, who), -EBADMSG);
			assert_memory_equal(who, none, 32);
			continue;
		}
		assert_int_equal(noise_initiation_read_static(&n, &m, v->responder_public, v->es, who), 0);
		assert_int_equal(noise_initiation_read_timestamp(&n, &m, v->ss, timestamp), -EBADMSG);
		assert_memory_equal(timestamp, none, 12);
		assert_int_equal(noise_initiation_read_timestamp(&n, &v->initiation, v->ss, timestamp), 0);
		memset(timestamp, 0, sizeof(timestamp));
		memset(who, 0, sizeof(who));
	}
	noise_wipe(&n);
	assert_int_equal(noise_initiation_read_static(&n, &v->initiation, v->responder_public, wrong, who), -EBADMSG);
	assert_int_equal(noise_initiation_read_static(&n, &v->initiation, v->initiator_public, v->es, who), -EBADMSG);
	assert_int_equal(noise_initiation_read_static(&n, &v->initiation, v->responder_public, v->es, who), 0);
	assert_int_equal(noise_initiation_read_timestamp(&n, &v->initiation, wrong, timestamp), -EBADMSG);
	noise_wipe(&n);

	assert_int_equal(as_initiator(v, &n, &m), 0);
	for (size_t byte = 12; byte < offsetof(struct message_response, macs); byte++) {
		response = v->response;
		((uint8_t *)&response)[byte] ^= (uint8_t)(1 << byte % 8);
		assert_int_equal(noise_response_read(&n, &response, v->se, v->psk_secret), -EBADMSG);
	}
	assert_int_equal(noise_response_read(&n, &v->response, wrong, v->psk_secret), -EBADMSG);
	assert_int_equal(noise_response_read(&n, &v->response, v->se, wrong), -EBADMSG);
	assert_int_equal(noise_response_read(&n, &v->response, v->se, NULL), -EBADMSG);
	assert_int_equal(noise_response_read(&n, &v->response, v->se, v->psk_secret), 0);
	/* Low-order points. */
	memset(response.ephemeral, 0, 32);
	assert_int_equal(noise_response_read(&n, &response, v->se, v->psk_secret), -EBADMSG);
	assert_int_equal(noise_initiation_write(&fresh, &m, 1, v->initiator_public, none, v->ss, v->timestamp), -EBADMSG);
	assert_int_equal(noise_response_write(&n, &response, 1, 2, v->initiator_public, none, NULL), -EBADMSG);
	assert_int_equal(noise_response_write(&n, &response, 1, 2, none, v->initiation.ephemeral, NULL), -EBADMSG);
	noise_wipe(&n);
	noise_wipe(&fresh);
	secret_free(wrong);
}

static void test_timestamp(void **state)
{
	static const uint8_t expected[] = { 0x40, 0, 0, 0, 0x6a, 0xb1, 0x3b, 0x8a, 0x11, 0, 0, 0 };
	uint8_t a[12], b[12];

	(void)state;
	noise_timestamp(a, UINT64_C(1790000000) * US_PER_SEC + 300000);
	assert_memory_equal(a, expected, 12);
	/* Nothing finer than 16.8 ms gets out. */
	noise_timestamp(b, UINT64_C(1790000000) * US_PER_SEC + 301000);
	assert_memory_equal(a, b, 12);
	noise_timestamp(b, UINT64_C(1790000000) * US_PER_SEC + 320000);
	assert_true(memcmp(a, b, 12) < 0);
	noise_timestamp(b, UINT64_C(1790000001) * US_PER_SEC);
	assert_true(memcmp(a, b, 12) < 0);
}

static const struct endpoint *here(void)
{
	static struct endpoint e;

	e.to.in.sin_family = AF_INET;
	e.to.in.sin_port = htons(51820);
	inet_pton(AF_INET, "192.0.2.7", &e.to.in.sin_addr);
	return &e;
}

static void test_macs(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_vectors; i++) {
		const struct vector *v = &vectors[i];
		const bool with_cookie = !sodium_is_zero(v->initiation.macs.mac2, 16);
		struct message_initiation m = v->initiation;
		struct message_response response = v->response;
		struct cookie_checker c = { 0 };
		struct message_cookie reply;
		struct cookie_jar jar;
		uint8_t random[56];

		/* The sender: mac1; the reply to it, then mac2. */
		memset(&m.macs, 0, sizeof(m.macs));
		cookie_jar_init(&jar, v->responder_public);
		cookie_add_macs(&jar, &m, sizeof(m), 1);
		assert_memory_equal(m.macs.mac1, v->initiation.macs.mac1, 16);
		assert_true(sodium_is_zero(m.macs.mac2, 16));
		assert_int_equal(cookie_reply_read(&jar, &v->cookie_reply, 5), 0);
		cookie_add_macs(&jar, &m, sizeof(m), 5 + COOKIE_USE_US - 1);
		if (with_cookie)
			assert_memory_equal(&m.macs, &v->initiation.macs, 32);
		cookie_add_macs(&jar, &m, sizeof(m), 5 + COOKIE_USE_US);
		assert_true(sodium_is_zero(m.macs.mac2, 16));

		/* The receiver. */
		plan(v->cookie_secret, 32);
		assert_int_equal(cookie_checker_init(&c, v->responder_public), 0);
		plan_end();
		assert_true(cookie_mac1_valid(&c, &v->initiation, sizeof(v->initiation)));
		assert_false(cookie_mac1_valid(&c, &v->response, sizeof(v->response)));
		memcpy(random, v->cookie_reply.nonce, 24);
		memcpy(random + 24, v->cookie_secret, 32);
		plan(random, sizeof(random));
		cookie_reply_write(&c, &reply, &v->initiation, sizeof(v->initiation), here(), 7);
		plan_end();
		assert_memory_equal(&reply, &v->cookie_reply, sizeof(reply));
		assert_int_equal(cookie_mac2_valid(&c, &v->initiation, sizeof(v->initiation), here(), 8), with_cookie);
		cookie_checker_clear(&c);

		/* The response has the same macs. */
		memset(&response.macs, 0, sizeof(response.macs));
		cookie_jar_init(&jar, v->initiator_public);
		cookie_add_macs(&jar, &response, sizeof(response), 1);
		assert_memory_equal(&response.macs, &v->response.macs, 32);
	}
}

/* Bound to address, port and two minutes; a reply to the last message and none else. */
static void test_cookies(void **state)
{
	struct cookie_checker c = { 0 };
	struct cookie_jar jar;
	struct message_initiation m, before;
	struct message_cookie reply, broken;
	struct endpoint other = *here(), v6 = { .to.in6 = { .sin6_family = AF_INET6 } };
	const uint64_t now = 1000 * US_PER_SEC;

	(void)state;
	assert_int_equal(cookie_checker_init(&c, vectors[0].responder_public), 0);
	cookie_jar_init(&jar, vectors[0].responder_public);
	m = vectors[0].initiation;
	cookie_add_macs(&jar, &m, sizeof(m), now);
	assert_false(cookie_mac2_valid(&c, &m, sizeof(m), here(), now));
	cookie_reply_write(&c, &reply, &m, sizeof(m), here(), now);
	assert_memory_equal(reply.receiver, m.sender, 4);
	for (size_t i = 8; i < sizeof(reply); i++) {
		broken = reply;
		((uint8_t *)&broken)[i] ^= 0x10;
		assert_int_equal(cookie_reply_read(&jar, &broken, now), -EBADMSG);
	}
	before = m;
	m.sender[0] ^= 1;
	cookie_add_macs(&jar, &m, sizeof(m), now);
	assert_int_equal(cookie_reply_read(&jar, &reply, now), -EBADMSG);
	cookie_add_macs(&jar, &before, sizeof(before), now);
	assert_int_equal(cookie_reply_read(&jar, &reply, now), 0);
	/* Once. */
	assert_int_equal(cookie_reply_read(&jar, &reply, now), -EBADMSG);
	cookie_add_macs(&jar, &m, sizeof(m), now);
	assert_true(cookie_mac2_valid(&c, &m, sizeof(m), here(), now));
	assert_true(cookie_mac2_valid(&c, &m, sizeof(m), here(), now + COOKIE_SECRET_US - 1));
	other.to.in.sin_port++;
	assert_false(cookie_mac2_valid(&c, &m, sizeof(m), &other, now));
	other = *here();
	other.to.in.sin_addr.s_addr++;
	assert_false(cookie_mac2_valid(&c, &m, sizeof(m), &other, now));
	assert_false(cookie_mac2_valid(&c, &m, sizeof(m), &v6, now));
	m.ephemeral[0] ^= 1;
	assert_false(cookie_mac2_valid(&c, &m, sizeof(m), here(), now));
	m.ephemeral[0] ^= 1;
	assert_false(cookie_mac2_valid(&c, &m, sizeof(m), here(), now + COOKIE_SECRET_US));
	cookie_checker_clear(&c);
}

static void test_ratelimit(void **state)
{
	struct ratelimit *r = ratelimit_new();
	struct endpoint v6 = { .to.in6 = { .sin6_family = AF_INET6 } }, e = *here();
	struct bucket b = { 0 };
	uint64_t now = 1000 * US_PER_SEC;
	unsigned int n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		n += ratelimit_allow(r, here(), now);
	assert_int_equal(n, RATELIMIT_BURST);
	/* Another port is the same sender, another address is not; a /64 is one. */
	e.to.in.sin_port++;
	assert_false(ratelimit_allow(r, &e, now));
	e.to.in.sin_addr.s_addr++;
	assert_true(ratelimit_allow(r, &e, now));
	n = 0;
	for (uint8_t i = 0; i < 100; i++) {
		v6.to.in6.sin6_addr.s6_addr[15] = i;
		n += ratelimit_allow(r, &v6, now);
	}
	assert_int_equal(n, RATELIMIT_BURST);
	v6.to.in6.sin6_addr.s6_addr[7] = 1;
	assert_true(ratelimit_allow(r, &v6, now));
	n = 0;
	for (int i = 0; i < 10000; i++) {
		now += US_PER_MS;
		n += ratelimit_allow(r, here(), now);
	}
	assert_in_range(n, 10 * RATELIMIT_PER_SECOND, 10 * RATELIMIT_PER_SECOND + RATELIMIT_BURST);
	/* Many addresses: bounded memory, and each has its own measure as long as it is in the table. */
	for (uint32_t i = 0; i < 100000; i++) {
		e.to.in.sin_addr.s_addr = htonl(i);
		assert_true(ratelimit_allow(r, &e, now));
	}
	ratelimit_free(r);

	n = 0;
	for (int i = 0; i < 100; i++)
		n += bucket_take(&b, 7, 10, now);
	assert_int_equal(n, 7);
	assert_false(bucket_take(&b, 7, 10, now + 9));
	assert_true(bucket_take(&b, 7, 10, now + 10));
	assert_false(bucket_take(&b, 7, 10, now + 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initiator),
		cmocka_unit_test(test_responder),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_timestamp),
		cmocka_unit_test(test_macs),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_ratelimit),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, load, unload);
}
