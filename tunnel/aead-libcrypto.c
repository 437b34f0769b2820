/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 8439 section 2.8 from libcrypto's ChaCha20 and Poly1305, put together here: EVP_chacha20_poly1305 makes the one-time
 * key in a call of its own, and that costs as much as 300 bytes of text. Here one call of ChaCha20 gives both: it starts at
 * block 0 with 64 zero bytes before the text, which turn into the one-time key (section 2.6). It is also given whole blocks
 * only, since half a block at the end takes it longer than a whole one. What was there before and behind the text is put back.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/aead-impl.h"

#define BLOCK 64
#define MAC_BLOCK 16

struct libcrypto {
	EVP_CIPHER_CTX *cipher;
	EVP_MAC *mac_algorithm;
	EVP_MAC_CTX *mac;
	uint8_t *key;	  /* sodium_malloc: the one that cipher has */
	uint8_t *scratch; /* BLOCK, and a text that is not authentic yet, and BLOCK */
	bool has_key;
};

/* Going on would mean to send what is not encrypted. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

static void libcrypto_destroy(void *state)
{
	struct libcrypto *c = state;

	/* Both wipe what they hold. */
	EVP_CIPHER_CTX_free(c->cipher);
	EVP_MAC_CTX_free(c->mac);
	EVP_MAC_free(c->mac_algorithm);
	sodium_free(c->key);
	free(c->scratch);
	free(c);
}

static int libcrypto_create(void **ret)
{
	struct libcrypto *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->key = sodium_malloc(AEAD_KEY_SIZE);
	c->scratch = malloc(BLOCK + AEAD_TEXT_MAX + BLOCK);
	c->cipher = EVP_CIPHER_CTX_new();
	c->mac_algorithm = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	if (c->mac_algorithm)
		c->mac = EVP_MAC_CTX_new(c->mac_algorithm);
	if (!c->key || !c->scratch) {
		libcrypto_destroy(c);
		return -ENOMEM;
	}
	if (!c->cipher || !c->mac || EVP_EncryptInit_ex(c->cipher, EVP_chacha20(), NULL, NULL, NULL) != 1) {
		libcrypto_destroy(c);
		return -EIO;
	}
	*ret = c;
	return 0;
}

static void put_le64(uint8_t *to, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(v >> (8 * i));
}

/* In constant time, and in less than sodium_memcmp takes for each batch. */
static bool same_key(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[AEAD_KEY_SIZE / 8], y[AEAD_KEY_SIZE / 8];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

static void libcrypto_key(struct libcrypto *c, const uint8_t *key)
{
	if (c->has_key && same_key(c->key, key))
		return;
	must(EVP_EncryptInit_ex(c->cipher, NULL, NULL, key, NULL) == 1);
	memcpy(c->key, key, AEAD_KEY_SIZE);
	c->has_key = true;
}

static size_t whole_blocks(size_t len)
{
	return (len + BLOCK - 1) / BLOCK * BLOCK;
}

/* from -> to, both preceded by BLOCK bytes; those before `from` are zero, those before `to` become the one-time key. Whole blocks are
 * read and written. */
static void libcrypto_stream(struct libcrypto *c, const uint8_t *from, uint8_t *to, size_t len, uint64_t counter)
{
	uint8_t iv[16] = { 0 }; /* block counter 0, 32 zero bits, the packet's counter */
	const int all = (int)(BLOCK + whole_blocks(len));
	int n;

	put_le64(iv + 8, counter);
	must(EVP_EncryptInit_ex(c->cipher, NULL, NULL, NULL, iv) == 1 &&
		EVP_EncryptUpdate(c->cipher, to - BLOCK, &n, from - BLOCK, all) == 1 && n == all);
}

/* Over the ciphertext, zeroes to the next 16 bytes, and the lengths of additional data (0) and ciphertext. tail is room for 16
 * bytes behind the ciphertext, so that a length that needs no zeroes takes one call. */
static void libcrypto_mac(struct libcrypto *c, const uint8_t *one_time_key, uint8_t *text, size_t len, uint8_t *ret_tag)
{
	uint8_t ending[2 * MAC_BLOCK] = { 0 };
	size_t n;

	must(EVP_MAC_init(c->mac, one_time_key, AEAD_KEY_SIZE, NULL) == 1);
	if (len % MAC_BLOCK == 0) {
		put_le64(text + len, 0);
		put_le64(text + len + 8, len);
		must(EVP_MAC_update(c->mac, text, len + MAC_BLOCK) == 1);
	} else {
		const size_t zeroes = MAC_BLOCK - len % MAC_BLOCK;

		put_le64(ending + zeroes + 8, len);
		must(EVP_MAC_update(c->mac, text, len) == 1 && EVP_MAC_update(c->mac, ending, zeroes + MAC_BLOCK) == 1);
	}
	must(EVP_MAC_final(c->mac, ret_tag, &n, AEAD_TAG_SIZE) == 1 && n == AEAD_TAG_SIZE);
}

static void libcrypto_seal(void *state, const uint8_t *key, struct aead_packet *packets, size_t n)
{
	struct libcrypto *c = state;
	uint8_t before[BLOCK], behind[BLOCK], one_time[AEAD_KEY_SIZE];

	libcrypto_key(c, key);
	for (size_t i = 0; i < n; i++) {
		uint8_t *const text = packets[i].text, *const end = text + packets[i].len;

		memcpy(before, text - BLOCK, BLOCK);
		memcpy(behind, end, BLOCK);
		memset(text - BLOCK, 0, BLOCK);
		libcrypto_stream(c, text, text, packets[i].len, packets[i].counter);
		memcpy(one_time, text - BLOCK, sizeof(one_time));
		memcpy(text - BLOCK, before, BLOCK);
		memcpy(end, behind, BLOCK);
		libcrypto_mac(c, one_time, text, packets[i].len, end);
	}
	OPENSSL_cleanse(one_time, sizeof(one_time));
}

static void libcrypto_open(void *state, const uint8_t *key, struct aead_packet *packets, size_t n)
{
	struct libcrypto *c = state;
	uint8_t before[BLOCK], sent[AEAD_TAG_SIZE], tag[AEAD_TAG_SIZE];

	libcrypto_key(c, key);
	for (size_t i = 0; i < n; i++) {
		uint8_t *const text = packets[i].text;
		const size_t len = packets[i].len;

		memcpy(before, text - BLOCK, BLOCK);
		memset(text - BLOCK, 0, BLOCK);
		libcrypto_stream(c, text, c->scratch + BLOCK, len, packets[i].counter);
		memcpy(text - BLOCK, before, BLOCK);
		memcpy(sent, text + len, AEAD_TAG_SIZE);
		libcrypto_mac(c, c->scratch, text, len, tag);
		packets[i].ok = sodium_memcmp(sent, tag, AEAD_TAG_SIZE) == 0;
		if (packets[i].ok)
			memcpy(text, c->scratch + BLOCK, len);
	}
	OPENSSL_cleanse(c->scratch, AEAD_KEY_SIZE);
}

static void libcrypto_forget(void *state, const uint8_t *key)
{
	static const uint8_t zero[AEAD_KEY_SIZE];
	struct libcrypto *c = state;

	if (!c->has_key || sodium_memcmp(c->key, key, AEAD_KEY_SIZE) != 0)
		return;
	c->has_key = false;
	sodium_memzero(c->key, AEAD_KEY_SIZE);
	/* In place of the old ones: the key, and the one-time key of the last packet. */
	must(EVP_EncryptInit_ex(c->cipher, NULL, NULL, zero, NULL) == 1);
	must(EVP_MAC_init(c->mac, zero, AEAD_KEY_SIZE, NULL) == 1);
}

const struct aead_impl aead_libcrypto = {
	.name = "libcrypto",
	.create = libcrypto_create,
	.destroy = libcrypto_destroy,
	.seal = libcrypto_seal,
	.open = libcrypto_open,
	.forget = libcrypto_forget,
};
