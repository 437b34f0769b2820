/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "tunnel/blake2s.h"
#include "tunnel/cookie.h"

#define LABEL_MAC1 "mac1----"
#define LABEL_COOKIE "cookie--"
#define LABEL_LEN 8

_Static_assert(MESSAGE_MAC_SIZE == BLAKE2S_MAC_SIZE && MESSAGE_COOKIE_SIZE == BLAKE2S_MAC_SIZE, "MAC()");

static void derive_keys(uint8_t mac1_key[static 32], uint8_t cookie_key[static 32], const uint8_t public_key[static KEY_SIZE])
{
	blake2s_hash(mac1_key, LABEL_MAC1, LABEL_LEN, public_key, KEY_SIZE);
	blake2s_hash(cookie_key, LABEL_COOKIE, LABEL_LEN, public_key, KEY_SIZE);
}

int cookie_checker_init(struct cookie_checker *c, const uint8_t public_key[static KEY_SIZE])
{
	if (!c->secret)
		c->secret = secret_new(SECRET_KEY_SIZE);
	if (!c->secret)
		return -ENOMEM;
	c->secret_born_us = 0;
	secret_fill_random(c->secret);
	derive_keys(c->mac1_key, c->cookie_key, public_key);
	return 0;
}

void cookie_checker_clear(struct cookie_checker *c)
{
	secret_free(c->secret);
	sodium_memzero(c, sizeof(*c));
}

static struct message_macs *macs_of(void *m, size_t len)
{
	return (struct message_macs *)((uint8_t *)m + len - sizeof(struct message_macs));
}

bool cookie_mac1_valid(const struct cookie_checker *c, const void *m, size_t len)
{
	const size_t covered = len - sizeof(struct message_macs);
	uint8_t mac[MESSAGE_MAC_SIZE];

	blake2s_mac(mac, c->mac1_key, sizeof(c->mac1_key), m, covered);
	return sodium_memcmp(mac, (const uint8_t *)m + covered, sizeof(mac)) == 0;
}

/* From the secret of this two minutes and the sender's address and port. */
static void make_cookie(struct cookie_checker *c, uint8_t ret[static MESSAGE_COOKIE_SIZE], const struct endpoint *from, uint64_t now_us)
{
	uint8_t address[18];
	size_t len;

	if (c->secret_born_us == 0 || now_us - c->secret_born_us >= COOKIE_SECRET_US) {
		secret_fill_random(c->secret);
		c->secret_born_us = now_us;
	}
	if (from->to.sa.sa_family == AF_INET) {
		len = 4;
		memcpy(address, &from->to.in.sin_addr, len);
		memcpy(address + len, &from->to.in.sin_port, 2);
	} else {
		len = 16;
		memcpy(address, &from->to.in6.sin6_addr, len);
		memcpy(address + len, &from->to.in6.sin6_port, 2);
	}
	blake2s_mac(ret, secret_key(c->secret), SECRET_KEY_SIZE, address, len + 2);
}

bool cookie_mac2_valid(struct cookie_checker *c, const void *m, size_t len, const struct endpoint *from, uint64_t now_us)
{
	const size_t covered = len - MESSAGE_MAC_SIZE;
	uint8_t cookie[MESSAGE_COOKIE_SIZE], mac[MESSAGE_MAC_SIZE];

	make_cookie(c, cookie, from, now_us);
	blake2s_mac(mac, cookie, sizeof(cookie), m, covered);
	return sodium_memcmp(mac, (const uint8_t *)m + covered, sizeof(mac)) == 0;
}

void cookie_reply_write(struct cookie_checker *c, struct message_cookie *ret, const void *m, size_t len,
	const struct endpoint *from, uint64_t now_us)
{
	uint8_t cookie[MESSAGE_COOKIE_SIZE];

	memset(ret, 0, sizeof(*ret));
	ret->type[0] = MESSAGE_COOKIE;
	/* The sender's index stands in the same place in both messages. */
	memcpy(ret->receiver, (const uint8_t *)m + offsetof(struct message_initiation, sender), sizeof(ret->receiver));
	randombytes_buf(ret->nonce, sizeof(ret->nonce));
	make_cookie(c, cookie, from, now_us);
	crypto_aead_xchacha20poly1305_ietf_encrypt(ret->cookie, NULL, cookie, sizeof(cookie),
		(const uint8_t *)m + len - sizeof(struct message_macs), MESSAGE_MAC_SIZE, NULL, ret->nonce, c->cookie_key);
}

void cookie_jar_init(struct cookie_jar *j, const uint8_t public_key[static KEY_SIZE])
{
	memset(j, 0, sizeof(*j));
	derive_keys(j->mac1_key, j->cookie_key, public_key);
}

void cookie_add_macs(struct cookie_jar *j, void *m, size_t len, uint64_t now_us)
{
	struct message_macs *macs = macs_of(m, len);

	blake2s_mac(macs->mac1, j->mac1_key, sizeof(j->mac1_key), m, len - sizeof(*macs));
	memcpy(j->last_mac1, macs->mac1, sizeof(j->last_mac1));
	j->has_last_mac1 = true;
	if (j->has_cookie && now_us - j->cookie_us < COOKIE_USE_US)
		blake2s_mac(macs->mac2, j->cookie, sizeof(j->cookie), m, len - sizeof(macs->mac2));
	else
		memset(macs->mac2, 0, sizeof(macs->mac2));
}

int cookie_reply_read(struct cookie_jar *j, const struct message_cookie *m, uint64_t now_us)
{
	uint8_t cookie[MESSAGE_COOKIE_SIZE];

	if (!j->has_last_mac1 ||
		crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL, m->cookie, sizeof(m->cookie), j->last_mac1,
			sizeof(j->last_mac1), m->nonce, j->cookie_key) != 0)
		return -EBADMSG;
	memcpy(j->cookie, cookie, sizeof(cookie));
	j->cookie_us = now_us;
	j->has_cookie = true;
	j->has_last_mac1 = false;
	return 0;
}
