/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/soft-host.h"

#include "token/soft/evp.h"

struct host host;
const uint8_t host_hash[32] = {9};

static int on_save(void *userdata)
{
	(void)userdata;
	host.n_saves++;
	if (host.saves_fail)
		return -1;
	host.saved_retries = host.data.pin_retries;
	return 0;
}

int host_setup(void **state)
{
	(void)state;
	host.n_saves = 0;
	host.saves_fail = 0;
	host.now = PLUGGED + US_PER_SEC;
	assert_int_equal(store_data_reset(&host.data), 0);
	return ctap2_init(&host.token, &host.data, on_save, NULL, PLUGGED);
}

int host_teardown(void **state)
{
	(void)state;
	ctap2_clear(&host.token);
	store_data_clear(&host.data);
	return 0;
}

void host_replug(void)
{
	ctap2_clear(&host.token);
	assert_int_equal(ctap2_init(&host.token, &host.data, on_save, NULL, host.now), 0);
}

void host_begin(uint8_t command)
{
	writer_init(&host.w, host.request + 1, sizeof(host.request) - 1);
	host.request[0] = command;
}

int host_call_len(size_t len, enum ctap2_touch touch)
{
	struct ctap2_call c = {.request = host.request, .len = len, .received_us = host.now, .touch = touch};

	assert_false(host.w.full);
	if (ctap2_handle(&host.token, &c, host.response, &host.response_len) == CTAP2_TOUCH_WANTED)
		return -1;
	if (host.response[0] != CTAP2_OK)
		assert_int_equal(host.response_len, 1);
	return host.response[0];
}

int host_call(enum ctap2_touch touch)
{
	return host_call_len(1 + host.w.len, touch);
}

void host_put_rp(bool entity)
{
	if (entity) {
		writer_map(&host.w, 1);
		writer_text(&host.w, "id");
	}
	writer_text(&host.w, RP);
}

/* The four members of makeCredential that must be there, but for those named in skip (a bit each). */
void host_put_make(size_t more, unsigned int skip, int64_t alg)
{
	host_begin(MAKE);
	writer_map(&host.w, 4 + more - (size_t)__builtin_popcount(skip));
	if (!(skip & 1)) {
		writer_int(&host.w, 1);
		writer_bytes(&host.w, host_hash, 32);
	}
	if (!(skip & 2)) {
		writer_int(&host.w, 2);
		host_put_rp(true);
	}
	if (!(skip & 4)) {
		writer_int(&host.w, 3);
		writer_map(&host.w, 1);
		writer_text(&host.w, "id");
		writer_bytes(&host.w, host_hash, 32);
	}
	if (!(skip & 8)) {
		writer_int(&host.w, 4);
		writer_array(&host.w, 1);
		writer_map(&host.w, 2);
		writer_text(&host.w, "alg");
		writer_int(&host.w, alg);
		writer_text(&host.w, "type");
		writer_text(&host.w, "public-key");
	}
}

void host_put_option(int key, const char *name, bool value)
{
	writer_int(&host.w, key);
	writer_map(&host.w, 1);
	writer_text(&host.w, name);
	writer_bool(&host.w, value);
}

void host_put_pin_param(int key, const void *param, size_t len, int protocol)
{
	writer_int(&host.w, key);
	writer_bytes(&host.w, param, len);
	writer_int(&host.w, key + 1);
	writer_int(&host.w, (int)protocol);
}

/* Credential id out of a makeCredential host.response; flags of its authenticator host.data. */
uint8_t host_take_id(uint8_t id[static CREDENTIAL_ID_SIZE])
{
	struct slice auth, format;
	struct reader r;
	uint64_t key;
	size_t n;

	assert_int_equal(reader_init(&r, host.response + 1, host.response_len - 1), CTAP2_OK);
	assert_int_equal(reader_map(&r, &n), CTAP2_OK);
	assert_int_equal(reader_uint(&r, &key), CTAP2_OK);
	assert_int_equal(reader_text(&r, &format), CTAP2_OK);
	assert_true(slice_is(&format, "packed"));
	assert_int_equal(reader_uint(&r, &key), CTAP2_OK);
	assert_int_equal(reader_bytes(&r, &auth), CTAP2_OK);
	assert_true(auth.len > 37 + 18 + CREDENTIAL_ID_SIZE);
	assert_memory_equal(auth.data + 37, ctap2_aaguid, CTAP2_AAGUID_SIZE);
	memcpy(id, auth.data + 37 + 18, CREDENTIAL_ID_SIZE);
	return auth.data[32];
}

void host_make_credential(uint8_t id[static CREDENTIAL_ID_SIZE], int protect)
{
	host_put_make(1, 0, -7);
	writer_int(&host.w, 6);
	writer_map(&host.w, protect ? 2 : 1);
	if (protect) {
		writer_text(&host.w, "credProtect");
		writer_int(&host.w, protect);
	}
	writer_text(&host.w, "hmac-secret");
	writer_bool(&host.w, true);
	assert_int_equal(host_call(CTAP2_TOUCH_GIVEN), CTAP2_OK);
	assert_int_equal(host_take_id(id), 0x01 | 0x40 | 0x80);
}

void host_put_assert(size_t more, const uint8_t *id)
{
	host_begin(ASSERT);
	writer_map(&host.w, 3 + more);
	writer_int(&host.w, 1);
	host_put_rp(false);
	writer_int(&host.w, 2);
	writer_bytes(&host.w, host_hash, 32);
	writer_int(&host.w, 3);
	writer_array(&host.w, 1);
	writer_map(&host.w, 2);
	writer_text(&host.w, "id");
	writer_bytes(&host.w, id, CREDENTIAL_ID_SIZE);
	writer_text(&host.w, "type");
	writer_text(&host.w, "public-key");
}

void host_agree(enum pinauth_protocol protocol)
{
	uint8_t theirs[P256_POINT_SIZE];

	EVP_PKEY_free(host.platform.key);
	host.platform.key = NULL;
	host.platform.shared = secret_free(host.platform.shared);
	host.platform.protocol = protocol;
	assert_int_equal(p256_generate(&host.platform.key), 0);
	assert_int_equal(p256_public(host.platform.point, host.platform.key), 0);
	assert_int_equal(p256_public(theirs, host.token.agreement[protocol - 1]), 0);
	assert_int_equal(pinauth_shared(&host.platform.shared, protocol, host.platform.key, theirs), 0);
}

void host_forget(void)
{
	EVP_PKEY_free(host.platform.key);
	host.platform.key = NULL;
	host.platform.shared = secret_free(host.platform.shared);
}

void host_put_cose(void)
{
	writer_map(&host.w, 5);
	writer_int(&host.w, 1);
	writer_int(&host.w, 2);
	writer_int(&host.w, 3);
	writer_int(&host.w, -25);
	writer_int(&host.w, -1);
	writer_int(&host.w, 1);
	writer_int(&host.w, -2);
	writer_bytes(&host.w, host.platform.point, 32);
	writer_int(&host.w, -3);
	writer_bytes(&host.w, host.platform.point + 32, 32);
}

size_t host_seal(uint8_t ret[static PINAUTH_CIPHERTEXT_MAX], const void *plain, size_t len)
{
	struct secret *s = secret_new(len);
	size_t n = 0;

	memcpy(secret_borrow_mut(s), plain, len);
	assert_int_equal(pinauth_encrypt(ret, &n, host.platform.protocol, host.platform.shared, s), 0);
	secret_free(s);
	return n;
}

size_t host_authenticate(uint8_t ret[static 32], const struct secret *key, const void *a, size_t a_len,
	const void *b, size_t b_len)
{
	assert_int_equal(evp_hmac(ret, secret_borrow(key), 32, a, a_len, b, b_len), 0);
	return host.platform.protocol == PINAUTH_ONE ? 16 : 32;
}

int host_set_pin(const void *pin, size_t len)
{
	uint8_t padded[64] = {0}, sealed[PINAUTH_CIPHERTEXT_MAX], mac[32];
	size_t sealed_len, mac_len;

	memcpy(padded, pin, len);
	host_agree(PINAUTH_TWO);
	sealed_len = host_seal(sealed, padded, 64);
	mac_len = host_authenticate(mac, host.platform.shared, sealed, sealed_len, NULL, 0);
	host_begin(PIN);
	writer_map(&host.w, 5);
	writer_int(&host.w, 1);
	writer_int(&host.w, 2);
	writer_int(&host.w, 2);
	writer_int(&host.w, 3);
	writer_int(&host.w, 3);
	host_put_cose();
	writer_int(&host.w, 4);
	writer_bytes(&host.w, mac, mac_len);
	writer_int(&host.w, 5);
	writer_bytes(&host.w, sealed, sealed_len);
	return host_call(CTAP2_TOUCH_NONE);
}

int host_get_token(
	struct secret **ret, enum pinauth_protocol protocol, const char *pin, int permissions, const char *rp)
{
	uint8_t digest[32], sealed[PINAUTH_CIPHERTEXT_MAX];
	size_t sealed_len, n;
	struct slice s;
	struct reader r;
	uint64_t key;
	int status;

	host_agree(protocol);
	assert_int_equal(evp_sha256(digest, pin, strlen(pin)), 0);
	sealed_len = host_seal(sealed, digest, 16);
	host_begin(PIN);
	writer_map(&host.w, 4 + (permissions >= 0 ? 1u : 0u) + (rp ? 1u : 0u));
	writer_int(&host.w, 1);
	writer_int(&host.w, (int)protocol);
	writer_int(&host.w, 2);
	writer_int(&host.w, permissions >= 0 ? 9 : 5);
	writer_int(&host.w, 3);
	host_put_cose();
	writer_int(&host.w, 6);
	writer_bytes(&host.w, sealed, sealed_len);
	if (permissions >= 0) {
		writer_int(&host.w, 9);
		writer_int(&host.w, permissions);
	}
	if (rp) {
		writer_int(&host.w, 10);
		writer_text(&host.w, rp);
	}
	status = host_call(CTAP2_TOUCH_NONE);
	if (status != CTAP2_OK)
		return status;
	assert_int_equal(reader_init(&r, host.response + 1, host.response_len - 1), CTAP2_OK);
	assert_int_equal(reader_map(&r, &n), CTAP2_OK);
	assert_int_equal(reader_uint(&r, &key), CTAP2_OK);
	assert_int_equal(reader_bytes(&r, &s), CTAP2_OK);
	secret_free(*ret);
	*ret = NULL;
	assert_int_equal(pinauth_decrypt(ret, protocol, host.platform.shared, s), 0);
	assert_int_equal(secret_len(*ret), 32);
	return CTAP2_OK;
}

int host_make_with_token(const struct secret *t)
{
	uint8_t mac[32];
	size_t len = host_authenticate(mac, t, host_hash, 32, NULL, 0);

	host_put_make(2, 0, -7);
	host_put_pin_param(8, mac, len, (int)host.platform.protocol);
	return host_call(CTAP2_TOUCH_GIVEN);
}
