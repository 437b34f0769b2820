/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/handle.h"

#define PREFIX_SIZE 12
#define AT_KIND PREFIX_SIZE
#define AT_SLOT (AT_KIND + 1)
#define AT_DIGEST (AT_SLOT + 1)
#define AT_CHECKSUM (AT_DIGEST + HANDLE_DIGEST_SIZE)
#define CHECKSUM_SIZE (KEY_SIZE - AT_CHECKSUM)

_Static_assert(CHECKSUM_SIZE == 4, "the parts of a handle fill a key");

static const uint8_t prefix[PREFIX_SIZE] = { 0xc2, 0x07, 0xe2, 0x76, 0x8f, 0xeb, 0x7a, 0xc8, 0x9d, 0x7a, 0x7b, 0x7f };

static void handle_digest(uint8_t ret[static HANDLE_DIGEST_SIZE], const uint8_t public_key[static KEY_SIZE])
{
	static const uint8_t label[] = "wgfido handle v1";
	uint8_t hash[crypto_generichash_BYTES];
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	crypto_generichash_update(&state, label, sizeof(label) - 1);
	crypto_generichash_update(&state, public_key, KEY_SIZE);
	crypto_generichash_final(&state, hash, sizeof(hash));
	memcpy(ret, hash, HANDLE_DIGEST_SIZE);
}

static void handle_checksum(uint8_t ret[static CHECKSUM_SIZE], const uint8_t bytes[static AT_CHECKSUM])
{
	uint8_t hash[crypto_generichash_BYTES];

	crypto_generichash(hash, sizeof(hash), bytes, AT_CHECKSUM, NULL, 0);
	memcpy(ret, hash, CHECKSUM_SIZE);
}

void handle_make(uint8_t ret[static KEY_SIZE], uint8_t kind, uint8_t slot, const uint8_t public_key[static KEY_SIZE])
{
	uint8_t bytes[KEY_SIZE]; /* public_key may be ret */

	memcpy(bytes, prefix, PREFIX_SIZE);
	bytes[AT_KIND] = kind;
	bytes[AT_SLOT] = slot;
	handle_digest(bytes + AT_DIGEST, public_key);
	handle_checksum(bytes + AT_CHECKSUM, bytes);
	memcpy(ret, bytes, KEY_SIZE);
}

int handle_parse(struct handle *ret, const uint8_t bytes[static KEY_SIZE])
{
	uint8_t checksum[CHECKSUM_SIZE];

	if (sodium_memcmp(bytes, prefix, PREFIX_SIZE) != 0)
		return -EINVAL;
	handle_checksum(checksum, bytes);
	if (memcmp(checksum, bytes + AT_CHECKSUM, CHECKSUM_SIZE) != 0 || bytes[AT_KIND] < 1 || bytes[AT_KIND] > 3)
		return -EBADMSG;
	ret->kind = bytes[AT_KIND];
	ret->slot = bytes[AT_SLOT];
	memcpy(ret->digest, bytes + AT_DIGEST, HANDLE_DIGEST_SIZE);
	return 0;
}

bool handle_matches(const uint8_t bytes[static KEY_SIZE], const uint8_t public_key[static KEY_SIZE])
{
	uint8_t digest[HANDLE_DIGEST_SIZE];
	struct handle h;

	if (handle_parse(&h, bytes) < 0)
		return false;
	handle_digest(digest, public_key);
	return memcmp(digest, h.digest, HANDLE_DIGEST_SIZE) == 0;
}

bool handle_is(const uint8_t bytes[static KEY_SIZE])
{
	/* Clamping takes the lowest three bits of the first byte; the last byte is of the checksum. */
	const uint8_t first = (uint8_t)((bytes[0] ^ prefix[0]) & 0xf8);

	return (sodium_is_zero(&first, 1) & (sodium_memcmp(bytes + 1, prefix + 1, PREFIX_SIZE - 1) == 0)) != 0;
}

bool handle_is_secret(const struct secret *key)
{
	return key && secret_len(key) == KEY_SIZE && handle_is(secret_borrow(key));
}
