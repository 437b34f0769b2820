/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/x25519/channel.h"

#include "token/x25519/mem.h"

#define KEY X25519_KEY_SIZE
#define HASH X25519_HASH_SIZE
#define HMAC_BLOCK 64

#define PROLOGUE_NAME "wgX25519 channel"
#define PROLOGUE_SIZE (16 + 10)

/* As long as a hash, and so the first hash itself: Noise section 5.2, InitializeSymmetric. */
static const uint8_t protocol_name[] = "Noise_KK_25519_ChaChaPoly_SHA256";

_Static_assert(sizeof(protocol_name) - 1 == HASH, "the name is the hash");
_Static_assert(KEY + X25519_TAG_SIZE == X25519_HANDSHAKE_SIZE, "a key and an empty payload");

/* Noise's SymmetricState and, after the first MixKey, its CipherState; n is 0 in every use here. */
struct symmetric {
	uint8_t hash[HASH], chaining_key[HASH], key[KEY];
};

static void mix_hash(struct symmetric *s, const struct x25519_crypto *crypto, const uint8_t *data, size_t len)
{
	uint8_t both[HASH + X25519_HANDSHAKE_SIZE];

	memcpy(both, s->hash, HASH);
	memcpy(both + HASH, data, len);
	crypto->sha256(s->hash, both, HASH + len);
}

/* HMAC-SHA256 (RFC 2104) with a key of 32 bytes, of a || b. */
static void hmac(uint8_t ret[static HASH], const struct x25519_crypto *crypto, const uint8_t key[static HASH],
	const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	uint8_t block[HMAC_BLOCK + HASH + 1], inner[HASH];

	memset(block, 0x36, HMAC_BLOCK);
	for (size_t i = 0; i < HASH; i++)
		block[i] ^= key[i];
	memcpy(block + HMAC_BLOCK, a, a_len);
	memcpy(block + HMAC_BLOCK + a_len, b, b_len);
	crypto->sha256(inner, block, HMAC_BLOCK + a_len + b_len);
	memset(block, 0x5c, HMAC_BLOCK);
	for (size_t i = 0; i < HASH; i++)
		block[i] ^= key[i];
	memcpy(block + HMAC_BLOCK, inner, HASH);
	crypto->sha256(ret, block, HMAC_BLOCK + HASH);
	crypto->wipe(block, sizeof(block));
	crypto->wipe(inner, sizeof(inner));
}

/* Noise section 4.3, HKDF with two outputs. first may be chaining_key. */
static void hkdf(uint8_t first[static HASH], uint8_t second[static HASH], const struct x25519_crypto *crypto,
	const uint8_t chaining_key[static HASH], const uint8_t *input, size_t len)
{
	static const uint8_t one = 1, two = 2;
	uint8_t temp[HASH];

	hmac(temp, crypto, chaining_key, input, len, &one, 0);
	hmac(first, crypto, temp, &one, 1, &one, 0);
	hmac(second, crypto, temp, first, HASH, &two, 1);
	crypto->wipe(temp, sizeof(temp));
}

/* False: the point is of low order. Noise leaves that to the application; no honest end has such a key. */
static bool mix_dh(struct symmetric *s, const struct x25519_crypto *crypto, const uint8_t *private_key, const uint8_t *point)
{
	uint8_t shared[KEY];
	bool good;

	crypto->x25519(shared, private_key, point);
	good = !x25519_is_zero(shared);
	if (good)
		hkdf(s->chaining_key, s->key, crypto, s->chaining_key, shared, KEY);
	crypto->wipe(shared, sizeof(shared));
	return good;
}

static void nonce_of(uint8_t ret[static X25519_NONCE_SIZE], uint32_t counter)
{
	memset(ret, 0, X25519_NONCE_SIZE);
	for (int i = 0; i < 4; i++)
		ret[4 + i] = (uint8_t)(counter >> (8 * i));
}

/* EncryptAndHash and DecryptAndHash of an empty payload: a tag. */
static void write_tag(struct symmetric *s, const struct x25519_crypto *crypto, uint8_t tag[static X25519_TAG_SIZE])
{
	uint8_t nonce[X25519_NONCE_SIZE];

	nonce_of(nonce, 0);
	crypto->seal(tag, s->key, nonce, s->hash, HASH, nonce, 0);
	mix_hash(s, crypto, tag, X25519_TAG_SIZE);
}

static bool read_tag(struct symmetric *s, const struct x25519_crypto *crypto, const uint8_t tag[static X25519_TAG_SIZE])
{
	uint8_t nonce[X25519_NONCE_SIZE], nothing[1];

	nonce_of(nonce, 0);
	if (crypto->open(nothing, s->key, nonce, s->hash, HASH, tag, X25519_TAG_SIZE) != 0)
		return false;
	mix_hash(s, crypto, tag, X25519_TAG_SIZE);
	return true;
}

static void begin(struct symmetric *s, const struct x25519_crypto *crypto, const struct x25519_terms *terms,
	const uint8_t *host_public, const uint8_t *token_public)
{
	const struct x25519_hello *hello = terms->hello;
	uint8_t prologue[PROLOGUE_SIZE];

	memcpy(prologue, PROLOGUE_NAME, 16);
	prologue[16] = terms->version;
	prologue[17] = terms->host;
	prologue[18] = hello->oldest;
	prologue[19] = hello->newest;
	for (int i = 0; i < 4; i++)
		prologue[20 + i] = (uint8_t)(hello->features >> (8 * i));
	prologue[24] = hello->slots;
	prologue[25] = hello->hosts;
	memcpy(s->hash, protocol_name, HASH);
	memcpy(s->chaining_key, protocol_name, HASH);
	mix_hash(s, crypto, prologue, sizeof(prologue));
	mix_hash(s, crypto, host_public, KEY);
	mix_hash(s, crypto, token_public, KEY);
}

void x25519_public(uint8_t ret[static X25519_KEY_SIZE], const struct x25519_crypto *crypto,
	const uint8_t private_key[static X25519_KEY_SIZE])
{
	static const uint8_t base[KEY] = {9};

	crypto->x25519(ret, private_key, base);
}

static bool make_ephemeral(uint8_t private_key[static KEY], uint8_t public_key[static KEY], const struct x25519_crypto *crypto)
{
	if (crypto->random(private_key, KEY) != 0)
		return false;
	x25519_public(public_key, crypto, private_key);
	return true;
}

/* Split: the host's key first. */
static void split(struct x25519_channel *ret, const struct symmetric *s, const struct x25519_crypto *crypto, bool host)
{
	static const uint8_t nothing;
	uint8_t *first = host ? ret->send_key : ret->receive_key, *second = host ? ret->receive_key : ret->send_key;

	hkdf(first, second, crypto, s->chaining_key, &nothing, 0);
	ret->sent = ret->received = 0;
	ret->open = true;
}

bool x25519_channel_begin(struct x25519_handshake *ret, const struct x25519_crypto *crypto,
	const struct x25519_ends *ends, const struct x25519_terms *terms, uint8_t message[static X25519_HANDSHAKE_SIZE])
{
	struct symmetric s;
	bool good;

	begin(&s, crypto, terms, ends->own_public, ends->other_public);
	good = make_ephemeral(ret->ephemeral, message, crypto);
	if (good) {
		mix_hash(&s, crypto, message, KEY);
		good = mix_dh(&s, crypto, ret->ephemeral, ends->other_public) &&  /* es */
		       mix_dh(&s, crypto, ends->own_private, ends->other_public); /* ss */
	}
	if (good) {
		write_tag(&s, crypto, message + KEY);
		memcpy(ret->hash, s.hash, HASH);
		memcpy(ret->chaining_key, s.chaining_key, HASH);
	} else {
		crypto->wipe(ret, sizeof(*ret));
		memset(message, 0, X25519_HANDSHAKE_SIZE);
	}
	crypto->wipe(&s, sizeof(s));
	return good;
}

bool x25519_channel_finish(struct x25519_channel *ret, struct x25519_handshake *h, const struct x25519_crypto *crypto,
	const struct x25519_ends *ends, const uint8_t message[static X25519_HANDSHAKE_SIZE])
{
	struct symmetric s;
	bool good;

	memcpy(s.hash, h->hash, HASH);
	memcpy(s.chaining_key, h->chaining_key, HASH);
	mix_hash(&s, crypto, message, KEY);
	good = mix_dh(&s, crypto, h->ephemeral, message) &&	 /* ee */
	       mix_dh(&s, crypto, ends->own_private, message) && /* se */
	       read_tag(&s, crypto, message + KEY);
	memset(ret, 0, sizeof(*ret));
	if (good)
		split(ret, &s, crypto, true);
	crypto->wipe(&s, sizeof(s));
	crypto->wipe(h, sizeof(*h));
	return good;
}

bool x25519_channel_accept(struct x25519_channel *ret, const struct x25519_crypto *crypto,
	const struct x25519_ends *ends, const struct x25519_terms *terms, const uint8_t message[static X25519_HANDSHAKE_SIZE],
	uint8_t answer[static X25519_HANDSHAKE_SIZE])
{
	struct symmetric s;
	uint8_t ephemeral[KEY];
	bool good;

	begin(&s, crypto, terms, ends->other_public, ends->own_public);
	mix_hash(&s, crypto, message, KEY);
	good = mix_dh(&s, crypto, ends->own_private, message) &&	    /* es */
	       mix_dh(&s, crypto, ends->own_private, ends->other_public) && /* ss */
	       read_tag(&s, crypto, message + KEY) && make_ephemeral(ephemeral, answer, crypto);
	if (good) {
		mix_hash(&s, crypto, answer, KEY);
		good = mix_dh(&s, crypto, ephemeral, message) &&	  /* ee */
		       mix_dh(&s, crypto, ephemeral, ends->other_public); /* se */
	}
	crypto->wipe(ret, sizeof(*ret));
	if (good) {
		write_tag(&s, crypto, answer + KEY);
		split(ret, &s, crypto, false);
	} else {
		memset(answer, 0, X25519_HANDSHAKE_SIZE);
	}
	crypto->wipe(&s, sizeof(s));
	crypto->wipe(ephemeral, sizeof(ephemeral));
	return good;
}

size_t x25519_channel_seal(struct x25519_channel *c, const struct x25519_crypto *crypto, uint8_t *ret, const uint8_t *plain, size_t len)
{
	uint8_t nonce[X25519_NONCE_SIZE];

	if (!c->open || c->sent == X25519_CHANNEL_MESSAGES_MAX) {
		x25519_channel_end(c, crypto);
		return 0;
	}
	nonce_of(nonce, c->sent++);
	crypto->seal(ret, c->send_key, nonce, NULL, 0, plain, len);
	return len + X25519_TAG_SIZE;
}

bool x25519_channel_open(struct x25519_channel *c, const struct x25519_crypto *crypto, uint8_t *ret, const uint8_t *sealed, size_t len)
{
	uint8_t nonce[X25519_NONCE_SIZE];

	nonce_of(nonce, c->received);
	if (!c->open || c->received == X25519_CHANNEL_MESSAGES_MAX || len < X25519_TAG_SIZE ||
		crypto->open(ret, c->receive_key, nonce, NULL, 0, sealed, len) != 0) {
		x25519_channel_end(c, crypto);
		return false;
	}
	c->received++;
	return true;
}

void x25519_channel_end(struct x25519_channel *c, const struct x25519_crypto *crypto)
{
	crypto->wipe(c, sizeof(*c));
}
