/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to the software token's core, as a hostile host makes them. The first byte says whether a PIN is
 * set, and with how many tries left. Then come requests, each behind its length of two bytes: a byte (touch,
 * time, failures), command, CBOR.
 *
 * So that a mutation gets behind the cryptography, and means the same each time: a 127-byte string in a
 * request that starts with 01 becomes the id of a real credential, the agreed point is always the same, the
 * authenticity of a message is its length alone, and a PIN is right by a bit. These functions are replaced
 * with the linker's --wrap.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "token/soft/ctap2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret *real_master; /* of real_id; a reset takes it away only for its own input */
static uint8_t real_id[CREDENTIAL_ID_SIZE];
static bool save_fails, pin_right;
static unsigned int secret_fails_in; /* so many more calls, and memory is short once; 0: it is not */

struct secret *__real_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len)
{
	if (secret_fails_in > 0 && --secret_fails_in == 0)
		return NULL;
	return __real_secret_new(len);
}

bool __wrap_pinauth_verify(enum pinauth_protocol protocol, const struct secret *key, struct slice a,
	struct slice b, struct slice signature);
bool __wrap_pinauth_verify(enum pinauth_protocol protocol, const struct secret *key, struct slice a,
	struct slice b, struct slice signature)
{
	(void)key;
	(void)a;
	(void)b;
	return signature.len == (protocol == PINAUTH_ONE ? 16 : 32);
}

bool __wrap_secret_equal(const struct secret *a, const struct secret *b);
bool __wrap_secret_equal(const struct secret *a, const struct secret *b)
{
	return secret_len(a) == secret_len(b) && pin_right;
}

int __real_p256_agree(struct secret **ret, EVP_PKEY *own, const uint8_t peer[static P256_POINT_SIZE]);
int __wrap_p256_agree(struct secret **ret, EVP_PKEY *own, const uint8_t peer[static P256_POINT_SIZE]);
int __wrap_p256_agree(struct secret **ret, EVP_PKEY *own, const uint8_t peer[static P256_POINT_SIZE])
{
	int r = __real_p256_agree(ret, own, peer);

	if (r == 0)
		memset(secret_borrow_mut(*ret), 0x11, secret_len(*ret));
	return r;
}

static int on_save(void *userdata)
{
	(void)userdata;
	return save_fails ? -1 : 0;
}

static struct store_data *token_data(void)
{
	static struct store_data data;
	uint8_t rp_id_hash[RP_ID_HASH_SIZE] = {0xca, 0x97, 0x81, 0x12, 0xca, 0x1b, 0xbd, 0xca, 0xfa, 0xc2,
		0x31, 0xb3, 0x9a, 0x23, 0xdc, 0x4d, 0xa7, 0x86, 0xef, 0xf8, 0x14, 0x7c, 0x4e, 0x72, 0xb9,
		0x80, 0x77, 0x85, 0xaf, 0xee, 0x48, 0xbb}; /* "a" */
	struct credential c = {.protect = CRED_PROTECT_OPTIONAL, .hmac_secret = true};
	EVP_PKEY *key = NULL;

	if (data.master)
		return &data;
	if (secret_init() < 0 || store_data_reset(&data) < 0 || p256_generate(&key) < 0 ||
		p256_private(&c.key, key) < 0)
		abort();
	c.random_uv = secret_new(32);
	c.random_none = secret_new(32);
	if (!c.random_uv || !c.random_none || credential_seal(real_id, &c, data.master, rp_id_hash) < 0)
		abort();
	credential_clear(&c);
	EVP_PKEY_free(key);
	real_master = secret_dup(data.master);
	if (!real_master)
		abort();
	return &data;
}

static void put_real_ids(uint8_t *request, size_t len)
{
	static const uint8_t head[] = {0x58, CREDENTIAL_ID_SIZE, 0x01};

	for (size_t i = 0; i + 2 + CREDENTIAL_ID_SIZE <= len; i++) {
		if (memcmp(request + i, head, sizeof(head)) == 0)
			memcpy(request + i + 2, real_id, CREDENTIAL_ID_SIZE);
	}
}

static void one_request(struct ctap2 *a, const uint8_t *data, size_t size)
{
	/* exactly as long as the request, so that AddressSanitizer sees a read behind its end */
	uint8_t *request = malloc(size), *response = malloc(CTAP2_MESSAGE_MAX);
	struct ctap2_call call = {.request = request, .len = size - 1};
	size_t len = 0;

	if (!request || !response)
		abort();
	memcpy(request, data + 1, size - 1);
	put_real_ids(request, size - 1);
	call.touch = (enum ctap2_touch)(data[0] % 5);
	call.received_us = a->plugged_us + (data[0] & 0x40 ? 20 * US_PER_SEC : 0);
	save_fails = (data[0] & 0x80) != 0;
	pin_right = (data[0] & 0x08) != 0;
	secret_fails_in = data[0] & 0x20 ? 1 + (unsigned int)data[0] / 5 % 8 : 0;
	if (ctap2_handle(a, &call, response, &len) == CTAP2_TOUCH_WANTED) {
		if (call.touch != CTAP2_TOUCH_NONE)
			abort(); /* asked for twice */
		call.touch = CTAP2_TOUCH_GIVEN;
		if (ctap2_handle(a, &call, response, &len) != CTAP2_DONE)
			abort();
	}
	if (len == 0 || len > CTAP2_MESSAGE_MAX || (response[0] != CTAP2_OK && len != 1))
		abort();
	if (response[0] == CTAP2_OK && len > 1) {
		struct reader r;

		if (reader_init(&r, response + 1, len - 1) != CTAP2_OK) /* our own CBOR is canonical */
			abort();
	}
	secret_fails_in = 0;
	free(request);
	free(response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_data *store = token_data();
	struct ctap2 a;

	memcpy(secret_borrow_mut(store->master), secret_borrow(real_master), 32);
	if (size == 0)
		return 0;
	store->pin_set = data[0] & 1;
	store->pin_retries = (uint8_t)((data[0] >> 1) % (STORE_PIN_RETRIES + 1));
	data++;
	size--;
	if (ctap2_init(&a, store, on_save, NULL, US_PER_SEC) < 0)
		abort();
	while (size > 2) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		if (len > 1)
			one_request(&a, data, len);
		data += len;
		size -= len;
	}
	ctap2_clear(&a);
	return 0;
}
