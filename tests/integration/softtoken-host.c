/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/softtoken-host.h"

const unsigned char host_client_data_hash[32] = {1, 2, 3, 4};

int host_setup(void **state)
{
	struct softtoken *t = calloc(1, sizeof(*t));

	fido_init(0);
	softtoken_init(t);
	*state = t;
	return 0;
}

int host_teardown(void **state)
{
	softtoken_clear(*state);
	free(*state);
	return 0;
}

fido_cred_t *host_cred_new(int extensions, int protect)
{
	fido_cred_t *c = fido_cred_new();

	assert_non_null(c);
	assert_int_equal(fido_cred_set_type(c, COSE_ES256), FIDO_OK);
	assert_int_equal(fido_cred_set_clientdata_hash(c, host_client_data_hash, 32), FIDO_OK);
	assert_int_equal(fido_cred_set_rp(c, HOST_RP, "wgfido"), FIDO_OK);
	assert_int_equal(fido_cred_set_user(c, host_client_data_hash, 32, "wg0", NULL, NULL), FIDO_OK);
	if (extensions)
		assert_int_equal(fido_cred_set_extensions(c, extensions), FIDO_OK);
	if (protect)
		assert_int_equal(fido_cred_set_prot(c, protect), FIDO_OK);
	return c;
}

void host_take(struct host_credential *ret, fido_cred_t *c)
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

void host_make(struct host_credential *ret, fido_dev_t *dev, int extensions, int protect, const char *pin)
{
	fido_cred_t *c = host_cred_new(extensions, protect);

	assert_int_equal(fido_dev_make_cred(dev, c, pin), FIDO_OK);
	assert_int_equal(!!(fido_cred_flags(c) & CTAP_AUTHDATA_USER_VERIFIED), pin != NULL);
	host_take(ret, c);
	fido_cred_free(&c);
}

fido_assert_t *host_assert_new(const struct host_credential *m, fido_opt_t up)
{
	fido_assert_t *a = fido_assert_new();

	assert_non_null(a);
	assert_int_equal(fido_assert_set_clientdata_hash(a, host_client_data_hash, 32), FIDO_OK);
	assert_int_equal(fido_assert_set_rp(a, HOST_RP), FIDO_OK);
	if (m)
		assert_int_equal(fido_assert_allow_cred(a, m->id, m->id_len), FIDO_OK);
	assert_int_equal(fido_assert_set_up(a, up), FIDO_OK);
	return a;
}

int host_evaluate(unsigned char *out, fido_dev_t *dev, const struct host_credential *m, const unsigned char *salts,
	size_t n, const char *pin)
{
	fido_assert_t *a = host_assert_new(m, FIDO_OPT_OMIT);
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
