/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The software token as libfido2 sees it: libfido2 brings CTAPHID, CBOR, the PIN protocols and the checks of
 * signatures of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/softtoken-host.h"

#define PIN "12345678"

static const unsigned char salt_a[32] = {'a'}, salt_b[32] = {'b'};

static void test_info(void **state)
{
	struct softtoken *t = *state;
	fido_cbor_info_t *info = fido_cbor_info_new();
	fido_dev_t *dev;

	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	assert_true(fido_dev_is_fido2(dev));
	assert_true(fido_dev_supports_pin(dev));
	assert_false(fido_dev_has_pin(dev));
	assert_true(fido_dev_supports_cred_prot(dev));
	assert_true(fido_dev_supports_permissions(dev));
	assert_false(fido_dev_has_uv(dev));
	assert_int_equal(fido_dev_get_cbor_info(dev, info), FIDO_OK);
	assert_int_equal(fido_cbor_info_extensions_len(info), 3);
	assert_string_equal(fido_cbor_info_extensions_ptr(info)[1], "hmac-secret");
	assert_string_equal(fido_cbor_info_extensions_ptr(info)[2], "wgX25519");
	assert_int_equal(fido_cbor_info_maxmsgsiz(info), 2048);
	assert_int_equal(fido_cbor_info_protocols_ptr(info)[0], 2);
	assert_int_equal(fido_cbor_info_maxcredidlen(info), 127);
	softtoken_close(dev);
	fido_cbor_info_free(&info);
}

static void test_create_and_assert(void **state)
{
	struct softtoken *t = *state;
	struct host_credential m, plain;
	fido_assert_t *a;
	fido_cred_t *c;
	fido_dev_t *dev;
	unsigned char out[64];

	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	host_make(&m, dev, FIDO_EXT_HMAC_SECRET | FIDO_EXT_CRED_PROTECT, FIDO_CRED_PROT_UV_OPTIONAL_WITH_ID, NULL);
	assert_int_equal(host_evaluate(NULL, dev, &m, NULL, 0, NULL), FIDO_OK);

	/* an unknown id in front does not hide it */
	a = host_assert_new(NULL, FIDO_OPT_OMIT);
	assert_int_equal(fido_assert_allow_cred(a, host_client_data_hash, 32), FIDO_OK);
	assert_int_equal(fido_assert_allow_cred(a, m.id, m.id_len), FIDO_OK);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_OK);
	assert_int_equal(fido_assert_id_len(a, 0), m.id_len);
	assert_memory_equal(fido_assert_id_ptr(a, 0), m.id, m.id_len);
	fido_assert_free(&a);

	/* of another relying party, or changed by a bit: not ours */
	a = host_assert_new(&m, FIDO_OPT_OMIT);
	assert_int_equal(fido_assert_set_rp(a, "example.org"), FIDO_OK);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_ERR_NO_CREDENTIALS);
	fido_assert_free(&a);
	m.id[40] ^= 1;
	assert_int_equal(host_evaluate(NULL, dev, &m, NULL, 0, NULL), FIDO_ERR_NO_CREDENTIALS);
	m.id[40] ^= 1;
	/* no list: there are no resident keys */
	a = host_assert_new(NULL, FIDO_OPT_OMIT);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_ERR_NO_CREDENTIALS);
	fido_assert_free(&a);

	/* excluded */
	c = host_cred_new(FIDO_EXT_HMAC_SECRET, 0);
	assert_int_equal(fido_cred_exclude(c, m.id, m.id_len), FIDO_OK);
	assert_int_equal(fido_dev_make_cred(dev, c, NULL), FIDO_ERR_CREDENTIAL_EXCLUDED);
	fido_cred_free(&c);

	/* resident, or of another kind */
	c = host_cred_new(0, 0);
	assert_int_equal(fido_cred_set_rk(c, FIDO_OPT_TRUE), FIDO_OK);
	assert_int_equal(fido_dev_make_cred(dev, c, NULL), FIDO_ERR_UNSUPPORTED_OPTION);
	fido_cred_free(&c);
	c = fido_cred_new();
	assert_int_equal(fido_cred_set_type(c, COSE_EDDSA), FIDO_OK);
	assert_int_equal(fido_cred_set_clientdata_hash(c, host_client_data_hash, 32), FIDO_OK);
	assert_int_equal(fido_cred_set_rp(c, HOST_RP, NULL), FIDO_OK);
	assert_int_equal(fido_cred_set_user(c, host_client_data_hash, 32, "wg0", NULL, NULL), FIDO_OK);
	assert_int_equal(fido_dev_make_cred(dev, c, NULL), FIDO_ERR_UNSUPPORTED_ALGORITHM);
	fido_cred_free(&c);

	/* made without hmac-secret: the extension is ignored, so libfido2 gets none */
	host_make(&plain, dev, 0, 0, NULL);
	a = host_assert_new(&plain, FIDO_OPT_OMIT);
	assert_int_equal(fido_assert_set_extensions(a, FIDO_EXT_HMAC_SECRET), FIDO_OK);
	assert_int_equal(fido_assert_set_hmac_salt(a, salt_a, 32), FIDO_OK);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_OK);
	assert_int_equal(fido_assert_hmac_secret_len(a, 0), 0);
	fido_assert_free(&a);
	assert_int_equal(host_evaluate(out, dev, &m, salt_a, 1, NULL), FIDO_OK);
	es256_pk_free(&plain.key);
	es256_pk_free(&m.key);
	softtoken_close(dev);
}

static void test_hmac_secret(void **state)
{
	struct softtoken *t = *state;
	unsigned char both[64], one[32], again[64], salts[64];
	struct host_credential m, other;
	fido_dev_t *dev;

	memcpy(salts, salt_a, 32);
	memcpy(salts + 32, salt_b, 32);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	host_make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, NULL);
	host_make(&other, dev, FIDO_EXT_HMAC_SECRET, 0, NULL);
	assert_int_equal(host_evaluate(both, dev, &m, salts, 2, NULL), FIDO_OK);
	assert_int_equal(host_evaluate(one, dev, &m, salt_b, 1, NULL), FIDO_OK);
	assert_memory_equal(one, both + 32, 32);
	assert_memory_not_equal(both, both + 32, 32);
	assert_int_equal(host_evaluate(one, dev, &other, salt_b, 1, NULL), FIDO_OK);
	assert_memory_not_equal(one, both + 32, 32);
	softtoken_close(dev);

	/* it survives an unplug, and comes with a greater count */
	assert_int_equal(softtoken_unplug(t), 0);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	assert_int_equal(host_evaluate(again, dev, &m, salts, 2, NULL), FIDO_OK);
	assert_memory_equal(again, both, 64);
	softtoken_close(dev);
	es256_pk_free(&m.key);
	es256_pk_free(&other.key);
}

static unsigned int count_of(fido_dev_t *dev, const struct host_credential *m)
{
	fido_assert_t *a = host_assert_new(m, FIDO_OPT_OMIT);
	unsigned int count;

	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_OK);
	count = fido_assert_sigcount(a, 0);
	fido_assert_free(&a);
	return count;
}

static void test_signature_count(void **state)
{
	struct softtoken *t = *state;
	unsigned int first, second;
	struct host_credential m;
	fido_dev_t *dev;

	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	host_make(&m, dev, 0, 0, NULL);
	first = count_of(dev, &m);
	softtoken_close(dev);
	softtoken_unplug(t);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	second = count_of(dev, &m);
	assert_true(second > first);
	softtoken_close(dev);
	es256_pk_free(&m.key);
}

static void test_without_touch(void **state)
{
	static const char *const manual[] = {"--touch", "manual", NULL};
	static const char *const automatic[] = {NULL};
	struct softtoken *t = *state;
	unsigned char salts[32] = {0};
	fido_assert_t *a;
	struct host_credential m;
	fido_dev_t *dev;

	softtoken_plug(t, automatic);
	dev = softtoken_open(t);
	host_make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, NULL);
	softtoken_close(dev);
	softtoken_unplug(t);

	/* nobody touches it, and it answers */
	softtoken_plug(t, manual);
	dev = softtoken_open(t);
	a = host_assert_new(&m, FIDO_OPT_FALSE);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_OK);
	assert_int_equal(fido_assert_flags(a, 0) & CTAP_AUTHDATA_USER_PRESENT, 0);
	assert_int_equal(fido_assert_verify(a, 0, COSE_ES256, m.key), FIDO_OK);
	/* the secret, never */
	assert_int_equal(fido_assert_set_extensions(a, FIDO_EXT_HMAC_SECRET), FIDO_OK);
	assert_int_equal(fido_assert_set_hmac_salt(a, salts, 32), FIDO_OK);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_ERR_UNSUPPORTED_OPTION);
	fido_assert_free(&a);
	softtoken_close(dev);
	es256_pk_free(&m.key);
}

static void test_pin(void **state)
{
	struct softtoken *t = *state;
	unsigned char with[32], without[32], again[32];
	struct host_credential m, guarded;
	fido_dev_t *dev;
	int retries = 0;

	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	assert_int_equal(fido_dev_set_pin(dev, "123", NULL), FIDO_ERR_PIN_POLICY_VIOLATION);
	assert_int_equal(fido_dev_set_pin(dev, PIN, NULL), FIDO_OK);
	assert_int_equal(fido_dev_get_retry_count(dev, &retries), FIDO_OK);
	assert_int_equal(retries, 8);
	assert_int_equal(fido_dev_set_pin(dev, "other", NULL), FIDO_ERR_PIN_AUTH_INVALID);
	softtoken_close(dev);

	dev = softtoken_open(t);
	assert_true(fido_dev_has_pin(dev));
	host_make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, PIN);
	assert_int_equal(host_evaluate(with, dev, &m, salt_a, 1, PIN), FIDO_OK);
	assert_int_equal(host_evaluate(without, dev, &m, salt_a, 1, NULL), FIDO_OK);
	assert_memory_not_equal(with, without, 32); /* the same credential, another secret */
	assert_int_equal(host_evaluate(again, dev, &m, salt_a, 1, PIN), FIDO_OK);
	assert_memory_equal(with, again, 32);

	/* credProtect 3: not to be seen without the PIN */
	host_make(&guarded, dev, FIDO_EXT_HMAC_SECRET | FIDO_EXT_CRED_PROTECT, FIDO_CRED_PROT_UV_REQUIRED, PIN);
	assert_int_equal(host_evaluate(again, dev, &guarded, salt_a, 1, NULL), FIDO_ERR_NO_CREDENTIALS);
	assert_int_equal(host_evaluate(again, dev, &guarded, salt_a, 1, PIN), FIDO_OK);

	/* change it */
	assert_int_equal(fido_dev_set_pin(dev, "abcd", "wrong"), FIDO_ERR_PIN_INVALID);
	assert_int_equal(fido_dev_set_pin(dev, "abcd", PIN), FIDO_OK);
	assert_int_equal(host_evaluate(again, dev, &m, salt_a, 1, PIN), FIDO_ERR_PIN_INVALID);
	assert_int_equal(host_evaluate(again, dev, &m, salt_a, 1, "abcd"), FIDO_OK);
	assert_memory_equal(with, again, 32);
	es256_pk_free(&m.key);
	es256_pk_free(&guarded.key);
	softtoken_close(dev);
}

static void test_pin_lockout(void **state)
{
	struct softtoken *t = *state;
	const char *set_pin[] = {"set-pin", "--state", t->state, NULL};
	const char *reset[] = {"reset", "--state", t->state, NULL};
	unsigned char out[32];
	struct host_credential m;
	fido_dev_t *dev;
	int retries = 0;

	assert_int_equal(softtoken_run(t, "123\n", set_pin), 1);
	assert_int_equal(softtoken_run(t, "", set_pin), 1);
	assert_int_equal(softtoken_run(t, PIN "\nsecond line\n", set_pin), 0);
	softtoken_plug(t, NULL);
	assert_int_equal(softtoken_run(t, PIN "\n", set_pin), 1); /* it is plugged in */
	dev = softtoken_open(t);
	host_make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, PIN);
	for (int left = 7; left >= 0; left--) {
		int r = host_evaluate(out, dev, &m, salt_a, 1, "wrong");

		if (left == 0)
			assert_int_equal(r, FIDO_ERR_PIN_BLOCKED);
		else if (left == 5 || left == 2)
			assert_int_equal(r, FIDO_ERR_PIN_AUTH_BLOCKED);
		else
			assert_int_equal(r, FIDO_ERR_PIN_INVALID);
		assert_int_equal(fido_dev_get_retry_count(dev, &retries), FIDO_OK);
		assert_int_equal(retries, left);
		if (r == FIDO_ERR_PIN_AUTH_BLOCKED) {
			/* not even the right one, and no try is counted, until it was unplugged */
			assert_int_equal(host_evaluate(out, dev, &m, salt_a, 1, PIN), FIDO_ERR_PIN_AUTH_BLOCKED);
			assert_int_equal(fido_dev_get_retry_count(dev, &retries), FIDO_OK);
			assert_int_equal(retries, left);
			softtoken_close(dev);
			softtoken_unplug(t);
			softtoken_plug(t, NULL);
			dev = softtoken_open(t);
		}
	}
	assert_int_equal(host_evaluate(out, dev, &m, salt_a, 1, PIN), FIDO_ERR_PIN_BLOCKED);
	softtoken_close(dev);
	softtoken_unplug(t);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	assert_int_equal(host_evaluate(out, dev, &m, salt_a, 1, PIN), FIDO_ERR_PIN_BLOCKED);
	assert_int_equal(fido_dev_set_pin(dev, "another", PIN), FIDO_ERR_PIN_BLOCKED);

	/* a reset within 10 s of plugging in helps, and takes the credentials along */
	assert_int_equal(fido_dev_reset(dev), FIDO_OK);
	assert_int_equal(host_evaluate(out, dev, &m, salt_a, 1, NULL), FIDO_ERR_NO_CREDENTIALS);
	softtoken_close(dev);
	dev = softtoken_open(t);
	assert_false(fido_dev_has_pin(dev));
	softtoken_close(dev);
	softtoken_unplug(t);
	assert_int_equal(softtoken_run(t, NULL, reset), 0);
	es256_pk_free(&m.key);
}

static void test_pin_right_fills_up(void **state)
{
	struct softtoken *t = *state;
	const char *set_pin[] = {"set-pin", "--state", t->state, NULL};
	unsigned char out[32];
	struct host_credential m;
	fido_dev_t *dev;
	int retries = 0;

	assert_int_equal(softtoken_run(t, PIN, set_pin), 0);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	host_make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, PIN);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(host_evaluate(out, dev, &m, salt_a, 1, "wrong"), FIDO_ERR_PIN_INVALID);
		assert_int_equal(host_evaluate(out, dev, &m, salt_a, 1, "wrong"), FIDO_ERR_PIN_INVALID);
		assert_int_equal(host_evaluate(out, dev, &m, salt_a, 1, PIN), FIDO_OK);
		assert_int_equal(fido_dev_get_retry_count(dev, &retries), FIDO_OK);
		assert_int_equal(retries, 8);
	}
	softtoken_close(dev);
	es256_pk_free(&m.key);
}

static void test_without_extensions(void **state)
{
	static const char *const without[] = {"--no-hmac-secret", "--no-x25519", NULL};
	struct softtoken *t = *state;
	fido_cbor_info_t *info = fido_cbor_info_new();
	fido_dev_t *dev;
	struct host_credential m;

	softtoken_plug(t, without);
	dev = softtoken_open(t);
	assert_int_equal(fido_dev_get_cbor_info(dev, info), FIDO_OK);
	assert_int_equal(fido_cbor_info_extensions_len(info), 1);
	assert_string_equal(fido_cbor_info_extensions_ptr(info)[0], "credProtect");
	host_make(&m, dev, 0, 0, NULL);
	es256_pk_free(&m.key);
	fido_cbor_info_free(&info);
	softtoken_close(dev);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_info),
		TEST(test_create_and_assert),
		TEST(test_hmac_secret),
		TEST(test_signature_count),
		TEST(test_without_touch),
		TEST(test_pin),
		TEST(test_pin_lockout),
		TEST(test_pin_right_fills_up),
		TEST(test_without_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
