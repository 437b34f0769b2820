/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/mac1.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

static const char label[8] = {'m', 'a', 'c', '1', '-', '-', '-', '-'};

/* Where things are, by the message's type. */
static const struct layout {
	size_t size, ephemeral, mac1;
} layouts[] = {
	[MAC1_INITIATION] = {MAC1_INITIATION_SIZE, 8, 116},
	[MAC1_RESPONSE] = {MAC1_RESPONSE_SIZE, 12, 60},
};

static int compute(uint8_t ret[static MAC1_SIZE], const uint8_t receiver[static KEY_SIZE], const uint8_t *data, size_t len)
{
	static EVP_MAC *algorithm; /* fetched once: that is the slow part */
	uint8_t input[sizeof(label) + KEY_SIZE], key[32];
	unsigned int key_len = sizeof(key);
	size_t size = MAC1_SIZE, out = 0;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *context = NULL;
	int r = -EIO;

	if (!algorithm)
		algorithm = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	memcpy(input, label, sizeof(label));
	memcpy(input + sizeof(label), receiver, KEY_SIZE);
	if (algorithm && EVP_Digest(input, sizeof(input), key, &key_len, EVP_blake2s256(), NULL) == 1 &&
		(context = EVP_MAC_CTX_new(algorithm)) && EVP_MAC_init(context, key, sizeof(key), params) == 1 &&
		EVP_MAC_update(context, data, len) == 1 && EVP_MAC_final(context, ret, &out, MAC1_SIZE) == 1 && out == MAC1_SIZE)
		r = 0;
	EVP_MAC_CTX_free(context);
	return r;
}

int mac1_check(uint8_t ret_ephemeral[static KEY_SIZE], uint8_t ret_mac1[static MAC1_SIZE], enum mac1_type type, const uint8_t *message,
	size_t len, const uint8_t receiver[static KEY_SIZE])
{
	const struct layout *l = &layouts[type];
	uint8_t mac1[MAC1_SIZE];
	int r;

	/* Three bytes are reserved, and zero. */
	if (len != l->size || message[0] != (uint8_t)type || message[1] || message[2] || message[3])
		return -EBADMSG;
	r = compute(mac1, receiver, message, l->mac1);
	if (r < 0)
		return r;
	if (sodium_memcmp(mac1, message + l->mac1, MAC1_SIZE) != 0)
		return -EBADMSG;
	memcpy(ret_ephemeral, message + l->ephemeral, KEY_SIZE);
	memcpy(ret_mac1, mac1, MAC1_SIZE);
	return 0;
}
