/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The software token as libfido2 sees it: libfido2 brings CTAPHID, CBOR, the PIN protocols and the checks of
 * signatures of its own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fido.h>
#include <fido/es256.h>
#include <pthread.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/softtoken.h"

#define RP "wgfido:v1"
#define PIN "12345678"

static const unsigned char client_data_hash[32] = {1, 2, 3, 4};
static const unsigned char salt_a[32] = {'a'}, salt_b[32] = {'b'};

struct made {
	unsigned char id[512];
	size_t id_len;
	es256_pk_t *key;
};

static int setup(void **state)
{
	struct softtoken *t = calloc(1, sizeof(*t));

	fido_init(0);
	softtoken_init(t);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	softtoken_clear(*state);
	free(*state);
	return 0;
}

static fido_cred_t *new_cred(int extensions, int protect)
{
	fido_cred_t *c = fido_cred_new();

	assert_non_null(c);
	assert_int_equal(fido_cred_set_type(c, COSE_ES256), FIDO_OK);
	assert_int_equal(fido_cred_set_clientdata_hash(c, client_data_hash, 32), FIDO_OK);
	assert_int_equal(fido_cred_set_rp(c, RP, "wgfido"), FIDO_OK);
	assert_int_equal(fido_cred_set_user(c, client_data_hash, 32, "wg0", NULL, NULL), FIDO_OK);
	if (extensions)
		assert_int_equal(fido_cred_set_extensions(c, extensions), FIDO_OK);
	if (protect)
		assert_int_equal(fido_cred_set_prot(c, protect), FIDO_OK);
	return c;
}

static void take(struct made *ret, fido_cred_t *c)
{
	assert_int_equal(fido_cred_verify_self(c), FIDO_OK);
	assert_int_equal(fido_cred_flags(c) & CTAP_AUTHDATA_USER_PRESENT, CTAP_AUTHDATA_USER_PRESENT);
	ret->id_len = fido_cred_id_len(c);
	assert_true(ret->id_len > 0 && ret->id_len <= sizeof(ret->id));
	memcpy(ret->id, fido_cred_id_ptr(c), ret->id_len);
	ret->key = es256_pk_new();
	assert_int_equal(fido_cred_pubkey_len(c), 64);
	assert_int_equal(es256_pk_from_ptr(ret->key, fido_cred_pubkey_ptr(c), 64), FIDO_OK);
}

static void make(struct made *ret, fido_dev_t *dev, int extensions, int protect, const char *pin)
{
	fido_cred_t *c = new_cred(extensions, protect);

	assert_int_equal(fido_dev_make_cred(dev, c, pin), FIDO_OK);
	assert_int_equal(!!(fido_cred_flags(c) & CTAP_AUTHDATA_USER_VERIFIED), pin != NULL);
	take(ret, c);
	fido_cred_free(&c);
}

static fido_assert_t *new_assert(const struct made *m, fido_opt_t up)
{
	fido_assert_t *a = fido_assert_new();

	assert_non_null(a);
	assert_int_equal(fido_assert_set_clientdata_hash(a, client_data_hash, 32), FIDO_OK);
	assert_int_equal(fido_assert_set_rp(a, RP), FIDO_OK);
	if (m)
		assert_int_equal(fido_assert_allow_cred(a, m->id, m->id_len), FIDO_OK);
	assert_int_equal(fido_assert_set_up(a, up), FIDO_OK);
	return a;
}

/* n salts evaluated (0: none) into out; libfido2's code, and the signature checked. */
static int evaluate(unsigned char *out, fido_dev_t *dev, const struct made *m, const unsigned char *salts,
	size_t n, const char *pin)
{
	fido_assert_t *a = new_assert(m, FIDO_OPT_OMIT);
	int r;

	if (n > 0) {
		assert_int_equal(fido_assert_set_extensions(a, FIDO_EXT_HMAC_SECRET), FIDO_OK);
		assert_int_equal(fido_assert_set_hmac_salt(a, salts, n * 32), FIDO_OK);
	}
	r = fido_dev_get_assert(dev, a, pin);
	if (r == FIDO_OK) {
		assert_int_equal(fido_assert_count(a), 1);
		assert_int_equal(fido_assert_verify(a, 0, COSE_ES256, m->key), FIDO_OK);
		assert_int_equal(!!(fido_assert_flags(a, 0) & CTAP_AUTHDATA_USER_VERIFIED), pin != NULL);
		assert_int_equal(fido_assert_hmac_secret_len(a, 0), n * 32);
		if (n > 0)
			memcpy(out, fido_assert_hmac_secret_ptr(a, 0), n * 32);
	}
	fido_assert_free(&a);
	return r;
}

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
	assert_int_equal(fido_cbor_info_extensions_len(info), 2);
	assert_string_equal(fido_cbor_info_extensions_ptr(info)[1], "hmac-secret");
	assert_int_equal(fido_cbor_info_maxmsgsiz(info), 2048);
	assert_int_equal(fido_cbor_info_protocols_ptr(info)[0], 2);
	assert_int_equal(fido_cbor_info_maxcredidlen(info), 127);
	softtoken_close(dev);
	fido_cbor_info_free(&info);
}

static void test_create_and_assert(void **state)
{
	struct softtoken *t = *state;
	struct made m, plain;
	fido_assert_t *a;
	fido_cred_t *c;
	fido_dev_t *dev;
	unsigned char out[64];

	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	make(&m, dev, FIDO_EXT_HMAC_SECRET | FIDO_EXT_CRED_PROTECT, FIDO_CRED_PROT_UV_OPTIONAL_WITH_ID, NULL);
	assert_int_equal(evaluate(NULL, dev, &m, NULL, 0, NULL), FIDO_OK);

	/* an unknown id in front does not hide it */
	a = new_assert(NULL, FIDO_OPT_OMIT);
	assert_int_equal(fido_assert_allow_cred(a, client_data_hash, 32), FIDO_OK);
	assert_int_equal(fido_assert_allow_cred(a, m.id, m.id_len), FIDO_OK);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_OK);
	assert_int_equal(fido_assert_id_len(a, 0), m.id_len);
	assert_memory_equal(fido_assert_id_ptr(a, 0), m.id, m.id_len);
	fido_assert_free(&a);

	/* of another relying party, or changed by a bit: not ours */
	a = new_assert(&m, FIDO_OPT_OMIT);
	assert_int_equal(fido_assert_set_rp(a, "example.org"), FIDO_OK);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_ERR_NO_CREDENTIALS);
	fido_assert_free(&a);
	m.id[40] ^= 1;
	assert_int_equal(evaluate(NULL, dev, &m, NULL, 0, NULL), FIDO_ERR_NO_CREDENTIALS);
	m.id[40] ^= 1;
	/* no list: there are no resident keys */
	a = new_assert(NULL, FIDO_OPT_OMIT);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_ERR_NO_CREDENTIALS);
	fido_assert_free(&a);

	/* excluded */
	c = new_cred(FIDO_EXT_HMAC_SECRET, 0);
	assert_int_equal(fido_cred_exclude(c, m.id, m.id_len), FIDO_OK);
	assert_int_equal(fido_dev_make_cred(dev, c, NULL), FIDO_ERR_CREDENTIAL_EXCLUDED);
	fido_cred_free(&c);

	/* resident, or of another kind */
	c = new_cred(0, 0);
	assert_int_equal(fido_cred_set_rk(c, FIDO_OPT_TRUE), FIDO_OK);
	assert_int_equal(fido_dev_make_cred(dev, c, NULL), FIDO_ERR_UNSUPPORTED_OPTION);
	fido_cred_free(&c);
	c = fido_cred_new();
	assert_int_equal(fido_cred_set_type(c, COSE_EDDSA), FIDO_OK);
	assert_int_equal(fido_cred_set_clientdata_hash(c, client_data_hash, 32), FIDO_OK);
	assert_int_equal(fido_cred_set_rp(c, RP, NULL), FIDO_OK);
	assert_int_equal(fido_cred_set_user(c, client_data_hash, 32, "wg0", NULL, NULL), FIDO_OK);
	assert_int_equal(fido_dev_make_cred(dev, c, NULL), FIDO_ERR_UNSUPPORTED_ALGORITHM);
	fido_cred_free(&c);

	/* made without hmac-secret: the extension is ignored, so libfido2 gets none */
	make(&plain, dev, 0, 0, NULL);
	a = new_assert(&plain, FIDO_OPT_OMIT);
	assert_int_equal(fido_assert_set_extensions(a, FIDO_EXT_HMAC_SECRET), FIDO_OK);
	assert_int_equal(fido_assert_set_hmac_salt(a, salt_a, 32), FIDO_OK);
	assert_int_equal(fido_dev_get_assert(dev, a, NULL), FIDO_OK);
	assert_int_equal(fido_assert_hmac_secret_len(a, 0), 0);
	fido_assert_free(&a);
	assert_int_equal(evaluate(out, dev, &m, salt_a, 1, NULL), FIDO_OK);
	es256_pk_free(&plain.key);
	es256_pk_free(&m.key);
	softtoken_close(dev);
}

static void test_hmac_secret(void **state)
{
	struct softtoken *t = *state;
	unsigned char both[64], one[32], again[64], salts[64];
	struct made m, other;
	fido_dev_t *dev;

	memcpy(salts, salt_a, 32);
	memcpy(salts + 32, salt_b, 32);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, NULL);
	make(&other, dev, FIDO_EXT_HMAC_SECRET, 0, NULL);
	assert_int_equal(evaluate(both, dev, &m, salts, 2, NULL), FIDO_OK);
	assert_int_equal(evaluate(one, dev, &m, salt_b, 1, NULL), FIDO_OK);
	assert_memory_equal(one, both + 32, 32);
	assert_memory_not_equal(both, both + 32, 32);
	assert_int_equal(evaluate(one, dev, &other, salt_b, 1, NULL), FIDO_OK);
	assert_memory_not_equal(one, both + 32, 32);
	softtoken_close(dev);

	/* it survives an unplug, and comes with a greater count */
	assert_int_equal(softtoken_unplug(t), 0);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	assert_int_equal(evaluate(again, dev, &m, salts, 2, NULL), FIDO_OK);
	assert_memory_equal(again, both, 64);
	softtoken_close(dev);
	es256_pk_free(&m.key);
	es256_pk_free(&other.key);
}

static unsigned int count_of(fido_dev_t *dev, const struct made *m)
{
	fido_assert_t *a = new_assert(m, FIDO_OPT_OMIT);
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
	struct made m;
	fido_dev_t *dev;

	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	make(&m, dev, 0, 0, NULL);
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
	struct made m;
	fido_dev_t *dev;

	softtoken_plug(t, automatic);
	dev = softtoken_open(t);
	make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, NULL);
	softtoken_close(dev);
	softtoken_unplug(t);

	/* nobody touches it, and it answers */
	softtoken_plug(t, manual);
	dev = softtoken_open(t);
	a = new_assert(&m, FIDO_OPT_FALSE);
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
	struct made m, guarded;
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
	make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, PIN);
	assert_int_equal(evaluate(with, dev, &m, salt_a, 1, PIN), FIDO_OK);
	assert_int_equal(evaluate(without, dev, &m, salt_a, 1, NULL), FIDO_OK);
	assert_memory_not_equal(with, without, 32); /* the same credential, another secret */
	assert_int_equal(evaluate(again, dev, &m, salt_a, 1, PIN), FIDO_OK);
	assert_memory_equal(with, again, 32);

	/* credProtect 3: not to be seen without the PIN */
	make(&guarded, dev, FIDO_EXT_HMAC_SECRET | FIDO_EXT_CRED_PROTECT, FIDO_CRED_PROT_UV_REQUIRED, PIN);
	assert_int_equal(evaluate(again, dev, &guarded, salt_a, 1, NULL), FIDO_ERR_NO_CREDENTIALS);
	assert_int_equal(evaluate(again, dev, &guarded, salt_a, 1, PIN), FIDO_OK);

	/* change it */
	assert_int_equal(fido_dev_set_pin(dev, "abcd", "wrong"), FIDO_ERR_PIN_INVALID);
	assert_int_equal(fido_dev_set_pin(dev, "abcd", PIN), FIDO_OK);
	assert_int_equal(evaluate(again, dev, &m, salt_a, 1, PIN), FIDO_ERR_PIN_INVALID);
	assert_int_equal(evaluate(again, dev, &m, salt_a, 1, "abcd"), FIDO_OK);
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
	struct made m;
	fido_dev_t *dev;
	int retries = 0;

	assert_int_equal(softtoken_run(t, "123\n", set_pin), 1);
	assert_int_equal(softtoken_run(t, "", set_pin), 1);
	assert_int_equal(softtoken_run(t, PIN "\nsecond line\n", set_pin), 0);
	softtoken_plug(t, NULL);
	assert_int_equal(softtoken_run(t, PIN "\n", set_pin), 1); /* it is plugged in */
	dev = softtoken_open(t);
	make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, PIN);
	for (int left = 7; left >= 0; left--) {
		int r = evaluate(out, dev, &m, salt_a, 1, "wrong");

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
			assert_int_equal(evaluate(out, dev, &m, salt_a, 1, PIN), FIDO_ERR_PIN_AUTH_BLOCKED);
			assert_int_equal(fido_dev_get_retry_count(dev, &retries), FIDO_OK);
			assert_int_equal(retries, left);
			softtoken_close(dev);
			softtoken_unplug(t);
			softtoken_plug(t, NULL);
			dev = softtoken_open(t);
		}
	}
	assert_int_equal(evaluate(out, dev, &m, salt_a, 1, PIN), FIDO_ERR_PIN_BLOCKED);
	softtoken_close(dev);
	softtoken_unplug(t);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	assert_int_equal(evaluate(out, dev, &m, salt_a, 1, PIN), FIDO_ERR_PIN_BLOCKED);
	assert_int_equal(fido_dev_set_pin(dev, "another", PIN), FIDO_ERR_PIN_BLOCKED);

	/* a reset within 10 s of plugging in helps, and takes the credentials along */
	assert_int_equal(fido_dev_reset(dev), FIDO_OK);
	assert_int_equal(evaluate(out, dev, &m, salt_a, 1, NULL), FIDO_ERR_NO_CREDENTIALS);
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
	struct made m;
	fido_dev_t *dev;
	int retries = 0;

	assert_int_equal(softtoken_run(t, PIN, set_pin), 0);
	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	make(&m, dev, FIDO_EXT_HMAC_SECRET, 0, PIN);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(evaluate(out, dev, &m, salt_a, 1, "wrong"), FIDO_ERR_PIN_INVALID);
		assert_int_equal(evaluate(out, dev, &m, salt_a, 1, "wrong"), FIDO_ERR_PIN_INVALID);
		assert_int_equal(evaluate(out, dev, &m, salt_a, 1, PIN), FIDO_OK);
		assert_int_equal(fido_dev_get_retry_count(dev, &retries), FIDO_OK);
		assert_int_equal(retries, 8);
	}
	softtoken_close(dev);
	es256_pk_free(&m.key);
}

struct waiting {
	fido_dev_t *dev;
	fido_cred_t *cred;
	int result;
};

static void *wait_for_cred(void *arg)
{
	struct waiting *w = arg;

	w->result = fido_dev_make_cred(w->dev, w->cred, NULL);
	return NULL;
}

static void wait_for_touch_wanted(const struct softtoken *t)
{
	int fd;
	char path[80], reply[16];
	struct softtoken control = {0};

	snprintf(path, sizeof(path), "%s.ctl", t->socket);
	memcpy(control.socket, path, sizeof(control.socket));
	fd = softtoken_connect(&control);
	assert_true(fd >= 0);
	do {
		ssize_t n;

		assert_int_equal(write(fd, "status", 6), 6);
		n = read(fd, reply, sizeof(reply) - 1);
		assert_true(n > 0);
		reply[n] = '\0';
		poll(NULL, 0, 1);
	} while (strcmp(reply, "touch") != 0);
	close(fd);
}

static void test_touch_cancel_deny(void **state)
{
	static const char *const manual[] = {"--touch", "manual", NULL};
	struct softtoken *t = *state;
	const char *touch[] = {"touch", "--socket", t->socket, NULL};
	const char *deny[] = {"touch", "--deny", "--socket", t->socket, NULL};
	const char *late[] = {"touch", "--timeout", "0", "--socket", t->socket, NULL};
	const char *status[] = {"status", "--socket", t->socket, NULL};
	struct waiting w;
	pthread_t thread;
	struct made m;

	assert_int_equal(softtoken_run(t, NULL, touch), 1); /* not plugged in */
	softtoken_plug(t, manual);
	assert_int_equal(softtoken_run(t, NULL, late), 1);
	assert_int_equal(softtoken_run(t, NULL, status), 0);
	w.dev = softtoken_open(t);
	w.cred = new_cred(FIDO_EXT_HMAC_SECRET, 0);

	/* cancelled from another thread: the handle is usable afterwards */
	assert_int_equal(pthread_create(&thread, NULL, wait_for_cred, &w), 0);
	wait_for_touch_wanted(t);
	assert_int_equal(fido_dev_cancel(w.dev), FIDO_OK);
	pthread_join(thread, NULL);
	assert_int_equal(w.result, FIDO_ERR_KEEPALIVE_CANCEL);

	assert_int_equal(pthread_create(&thread, NULL, wait_for_cred, &w), 0);
	assert_int_equal(softtoken_run(t, NULL, deny), 0);
	pthread_join(thread, NULL);
	assert_int_equal(w.result, FIDO_ERR_OPERATION_DENIED);

	assert_int_equal(pthread_create(&thread, NULL, wait_for_cred, &w), 0);
	assert_int_equal(softtoken_run(t, NULL, touch), 0);
	pthread_join(thread, NULL);
	assert_int_equal(w.result, FIDO_OK);
	take(&m, w.cred);

	/* unplugged while it waits */
	fido_cred_free(&w.cred);
	w.cred = new_cred(0, 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_cred, &w), 0);
	wait_for_touch_wanted(t);
	assert_int_equal(softtoken_unplug(t), 0);
	pthread_join(thread, NULL);
	assert_true(w.result == FIDO_ERR_RX || w.result == FIDO_ERR_TX);
	fido_cred_free(&w.cred);
	es256_pk_free(&m.key);
	softtoken_close(w.dev);
}

static void test_selection_by_touch(void **state)
{
	struct softtoken *t = *state;
	fido_dev_t *dev;
	int touched = 0;

	softtoken_plug(t, NULL);
	dev = softtoken_open(t);
	assert_int_equal(fido_dev_get_touch_begin(dev), FIDO_OK);
	assert_int_equal(fido_dev_get_touch_status(dev, &touched, 10000), FIDO_OK);
	assert_int_equal(touched, 1);
	softtoken_close(dev);
}

static void test_without_hmac_secret(void **state)
{
	static const char *const without[] = {"--no-hmac-secret", NULL};
	struct softtoken *t = *state;
	fido_cbor_info_t *info = fido_cbor_info_new();
	fido_dev_t *dev;
	struct made m;

	softtoken_plug(t, without);
	dev = softtoken_open(t);
	assert_int_equal(fido_dev_get_cbor_info(dev, info), FIDO_OK);
	assert_int_equal(fido_cbor_info_extensions_len(info), 1);
	assert_string_equal(fido_cbor_info_extensions_ptr(info)[0], "credProtect");
	make(&m, dev, 0, 0, NULL);
	es256_pk_free(&m.key);
	fido_cbor_info_free(&info);
	softtoken_close(dev);
}

static void test_misbehaviour(void **state)
{
	static const char *const modes[] = {
		"garbage", "toolong", "silent", "slow=60000", "keepalive-forever"};
	struct softtoken *t = *state;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const char *arguments[] = {"--misbehave", modes[i], "--misbehave-after", "2", NULL};
		fido_cred_t *c = new_cred(0, 0);
		struct made m;
		fido_dev_t *dev;

		softtoken_plug(t, arguments);
		dev = softtoken_open(t); /* getInfo is the first */
		make(&m, dev, 0, 0, NULL);
		assert_int_equal(fido_dev_set_timeout(dev, 300), FIDO_OK);
		assert_int_not_equal(fido_dev_make_cred(dev, c, NULL), FIDO_OK);
		es256_pk_free(&m.key);
		fido_cred_free(&c);
		softtoken_close(dev);
		softtoken_unplug(t);
	}
}

static void test_state_file(void **state)
{
	struct softtoken *t = *state;
	const char *run[] = {"run", "--state", t->state, "--socket", t->socket, NULL};
	const char *info[] = {"info", "--state", t->state, NULL};
	const char *other_socket[] = {"run", "--state", t->state, "--socket", "/nonexistent/key", NULL};
	unsigned char bytes[4096], now[4096];
	size_t n;
	FILE *f;

	assert_int_equal(softtoken_run(t, NULL, info), 1);
	softtoken_plug(t, NULL);
	assert_int_equal(softtoken_run(t, NULL, info), 0);
	assert_int_equal(softtoken_run(t, NULL, run), 1); /* locked */
	softtoken_unplug(t);
	assert_int_equal(softtoken_run(t, NULL, other_socket), 1);

	/* damaged, cut off or empty: refused, and left as it is */
	f = fopen(t->state, "r+");
	assert_non_null(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	for (int round = 0; round < 3; round++) {
		size_t len = round == 0 ? n : round == 1 ? n / 2 : 0;

		bytes[30] ^= 4;
		assert_int_equal(ftruncate(fileno(f), 0), 0);
		rewind(f);
		assert_int_equal(fwrite(bytes, 1, len, f), len);
		fflush(f);
		assert_int_equal(softtoken_run(t, NULL, run), 1);
		assert_int_equal(softtoken_run(t, NULL, info), 1);
		rewind(f);
		assert_int_equal(fread(now, 1, sizeof(now), f), len);
		assert_memory_equal(now, bytes, len);
	}
	fclose(f);
}

static void test_command_line(void **state)
{
	static const char *const good[][3] = {{"--help"}, {"run", "--help"}, {"touch", "--help"},
		{"status", "--help"}, {"set-pin", "--help"}, {"reset", "--help"}, {"info", "--help"},
		{"--version"}};
	static const char *const bad[][4] = {{"walk"}, {"run"}, {"run", "--touch", "often"}, {"touch"},
		{"info", "x"}, {"run", "--misbehave", "badly"}, {"status", "--nothing"}};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(softtoken_run(*state, NULL, good[i]), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(softtoken_run(*state, NULL, bad[i]), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_and_assert, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hmac_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signature_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin_lockout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin_right_fills_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touch_cancel_deny, setup, teardown),
		cmocka_unit_test_setup_teardown(test_selection_by_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_hmac_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(test_misbehaviour, setup, teardown),
		cmocka_unit_test_setup_teardown(test_state_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_command_line, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
