/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/clock.h"
#include "tunnel/blake2s.h"
#include "tunnel/noise.h"

#define CONSTRUCTION "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
#define IDENTIFIER "WireGuard v1 zx2c4 Jason@zx2c4.com"

#define TAI_OFFSET UINT64_C(0x400000000000000a) /* TAI64's label of 1970, and the 10 s that TAI was ahead of UTC then */
#define WHITEN_NS UINT32_C(0x1000000)

/* What a step works on, guarded: committed to the handshake's own state when the step has succeeded. */
static struct work {
	uint8_t chain[32];
	uint8_t more[64]; /* KDF outputs behind the chaining key, in this order */
	uint8_t ephemeral[KEY_SIZE];
	uint8_t dh[KEY_SIZE];
	bool ready; /* prepared_dh is X25519(ephemeral, prepared_peer) */
	uint8_t prepared_peer[KEY_SIZE], prepared_dh[KEY_SIZE];
} *work;

/* The next ephemeral key, made in an idle moment; used once. */
static struct prepared {
	bool there;
	bool for_peer; /* dh is, or cannot be, with peer */
	bool dh_there;
	uint8_t private_key[KEY_SIZE], public_key[KEY_SIZE];
	uint8_t peer[KEY_SIZE], dh[KEY_SIZE];
} *prepared;

static uint8_t initial_chain[32], initial_hash[32];

int noise_init(void)
{
	int r = blake2s_init();

	if (r < 0 || work)
		return r;
	work = sodium_malloc(sizeof(*work));
	prepared = sodium_malloc(sizeof(*prepared));
	if (!work || !prepared) {
		noise_exit();
		return -ENOMEM;
	}
	sodium_memzero(prepared, sizeof(*prepared));
	/* sodium_malloc fills with something else. */
	sodium_memzero(work, sizeof(*work));
	blake2s_hash(initial_chain, CONSTRUCTION, strlen(CONSTRUCTION), NULL, 0);
	blake2s_hash(initial_hash, initial_chain, sizeof(initial_chain), IDENTIFIER, strlen(IDENTIFIER));
	return 0;
}

void noise_exit(void)
{
	if (work)
		sodium_free(work);
	if (prepared)
		sodium_free(prepared);
	work = NULL;
	prepared = NULL;
	blake2s_exit();
}

void noise_wipe(struct noise *n)
{
	secret_free(n->secrets);
	sodium_memzero(n, sizeof(*n));
}

static int step_end(int r)
{
	sodium_memzero(work, sizeof(*work));
	return r;
}

static void mix_hash(uint8_t hash[static 32], const void *data, size_t len)
{
	blake2s_hash(hash, hash, 32, data, len);
}

/* n 1: the chaining key alone; 2: and more[0..31], the message key. */
static void mix_key(unsigned int n, const void *input, size_t len)
{
	blake2s_kdf(work->chain, n, work->chain, input, len);
}

_Static_assert(offsetof(struct work, more) == 32, "mix_key writes on behind the chaining key");

static int mix_dh(unsigned int n, const uint8_t private_key[static KEY_SIZE], const uint8_t point[static KEY_SIZE])
{
	if (crypto_scalarmult(work->dh, private_key, point) != 0)
		return -EBADMSG;
	mix_key(n, work->dh, sizeof(work->dh));
	return 0;
}

/* Of our ephemeral key with the other's static one. */
static int mix_dh_static(unsigned int n, const uint8_t remote_public[static KEY_SIZE])
{
	if (!work->ready || memcmp(work->prepared_peer, remote_public, KEY_SIZE) != 0)
		return mix_dh(n, work->ephemeral, remote_public);
	mix_key(n, work->prepared_dh, sizeof(work->prepared_dh));
	return 0;
}

static void seal(uint8_t *to, const void *plain, size_t len, uint8_t hash[static 32])
{
	static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	crypto_aead_chacha20poly1305_ietf_encrypt(to, NULL, plain, len, hash, 32, NULL, nonce, work->more);
	mix_hash(hash, to, len + MESSAGE_TAG_SIZE);
}

static int open_sealed(uint8_t *plain, const uint8_t *from, size_t len, uint8_t hash[static 32], const uint8_t *key)
{
	static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, from, len + MESSAGE_TAG_SIZE, hash, 32, nonce, key) != 0)
		return -EBADMSG;
	mix_hash(hash, from, len + MESSAGE_TAG_SIZE);
	return 0;
}

static void begin(uint8_t hash[static 32], const uint8_t responder_public[static KEY_SIZE])
{
	memcpy(work->chain, initial_chain, sizeof(work->chain));
	memcpy(hash, initial_hash, sizeof(initial_hash));
	mix_hash(hash, responder_public, KEY_SIZE);
}

static void mix_ephemeral(uint8_t hash[static 32], const uint8_t ephemeral[static KEY_SIZE])
{
	mix_key(1, ephemeral, KEY_SIZE);
	mix_hash(hash, ephemeral, KEY_SIZE);
}

bool noise_prepare(void)
{
	if (prepared->there)
		return false;
	randombytes_buf(prepared->private_key, sizeof(prepared->private_key));
	crypto_scalarmult_base(prepared->public_key, prepared->private_key);
	prepared->there = true;
	return true;
}

bool noise_prepare_for(const uint8_t remote_public[static KEY_SIZE])
{
	if (!prepared->there || (prepared->for_peer && memcmp(prepared->peer, remote_public, KEY_SIZE) == 0))
		return false;
	memcpy(prepared->peer, remote_public, KEY_SIZE);
	prepared->for_peer = true;
	prepared->dh_there = crypto_scalarmult(prepared->dh, prepared->private_key, remote_public) == 0;
	return true;
}

static void make_ephemeral(uint8_t ret_public[static KEY_SIZE])
{
	if (prepared->there) {
		memcpy(work->ephemeral, prepared->private_key, sizeof(work->ephemeral));
		memcpy(ret_public, prepared->public_key, KEY_SIZE);
		work->ready = prepared->dh_there;
		memcpy(work->prepared_peer, prepared->peer, sizeof(work->prepared_peer));
		memcpy(work->prepared_dh, prepared->dh, sizeof(work->prepared_dh));
		sodium_memzero(prepared, sizeof(*prepared));
		return;
	}
	randombytes_buf(work->ephemeral, sizeof(work->ephemeral));
	crypto_scalarmult_base(ret_public, work->ephemeral);
}

/* with_ephemeral: an initiator, who needs it for the response. */
static void commit(struct noise *n, const uint8_t hash[static 32], bool with_ephemeral)
{
	uint8_t *secrets = secret_borrow_mut(n->secrets);

	memcpy(n->hash, hash, sizeof(n->hash));
	memcpy(secrets, work->chain, sizeof(work->chain));
	if (with_ephemeral)
		memcpy(secrets + 32, work->ephemeral, sizeof(work->ephemeral));
}

int noise_initiation_write(struct noise *n, struct message_initiation *m, uint32_t sender,
	const uint8_t local_public[static KEY_SIZE], const uint8_t remote_public[static KEY_SIZE], const struct secret *ss,
	const uint8_t timestamp[static MESSAGE_TIMESTAMP_SIZE])
{
	uint8_t hash[32];

	if (!n->secrets)
		n->secrets = secret_new(64);
	if (!n->secrets)
		return -ENOMEM;
	memset(m, 0, sizeof(*m));
	m->type[0] = MESSAGE_INITIATION;
	message_put32(m->sender, sender);
	begin(hash, remote_public);
	make_ephemeral(m->ephemeral);
	mix_ephemeral(hash, m->ephemeral);
	if (mix_dh_static(2, remote_public) < 0)
		return step_end(-EBADMSG);
	seal(m->static_key, local_public, KEY_SIZE, hash);
	mix_key(2, secret_key(ss), KEY_SIZE);
	seal(m->timestamp, timestamp, MESSAGE_TIMESTAMP_SIZE, hash);
	commit(n, hash, true);
	return step_end(0);
}

int noise_initiation_read_static(struct noise *n, const struct message_initiation *m,
	const uint8_t local_public[static KEY_SIZE], const struct secret *es, uint8_t ret_remote_public[static KEY_SIZE])
{
	uint8_t hash[32], remote_public[KEY_SIZE];

	if (!n->secrets)
		n->secrets = secret_new(64);
	if (!n->secrets)
		return -ENOMEM;
	begin(hash, local_public);
	mix_ephemeral(hash, m->ephemeral);
	mix_key(2, secret_key(es), KEY_SIZE);
	if (open_sealed(remote_public, m->static_key, KEY_SIZE, hash, work->more) < 0)
		return step_end(-EBADMSG);
	memcpy(ret_remote_public, remote_public, KEY_SIZE);
	commit(n, hash, false);
	return step_end(0);
}

int noise_initiation_read_timestamp(struct noise *n, const struct message_initiation *m, const struct secret *ss,
	uint8_t ret_timestamp[static MESSAGE_TIMESTAMP_SIZE])
{
	uint8_t hash[32], timestamp[MESSAGE_TIMESTAMP_SIZE];

	memcpy(hash, n->hash, sizeof(hash));
	memcpy(work->chain, secret_borrow(n->secrets), sizeof(work->chain));
	mix_key(2, secret_key(ss), KEY_SIZE);
	if (open_sealed(timestamp, m->timestamp, sizeof(timestamp), hash, work->more) < 0)
		return step_end(-EBADMSG);
	memcpy(ret_timestamp, timestamp, sizeof(timestamp));
	commit(n, hash, false);
	return step_end(0);
}

/* The psk gives the chaining key, what goes into the hash, and the key of the empty message. */
static void mix_psk(uint8_t hash[static 32], const struct secret *psk)
{
	static const uint8_t none[SECRET_KEY_SIZE];

	blake2s_kdf(work->chain, 3, work->chain, psk ? secret_key(psk) : none, SECRET_KEY_SIZE);
	mix_hash(hash, work->more, 32);
	memmove(work->more, work->more + 32, 32);
}

int noise_response_write(struct noise *n, struct message_response *m, uint32_t sender, uint32_t receiver,
	const uint8_t remote_public[static KEY_SIZE], const uint8_t remote_ephemeral[static KEY_SIZE], const struct secret *psk)
{
	uint8_t hash[32];

	memcpy(hash, n->hash, sizeof(hash));
	memcpy(work->chain, secret_borrow(n->secrets), sizeof(work->chain));
	memset(m, 0, sizeof(*m));
	m->type[0] = MESSAGE_RESPONSE;
	message_put32(m->sender, sender);
	message_put32(m->receiver, receiver);
	make_ephemeral(m->ephemeral);
	mix_ephemeral(hash, m->ephemeral);
	if (mix_dh(1, work->ephemeral, remote_ephemeral) < 0 || mix_dh_static(1, remote_public) < 0)
		return step_end(-EBADMSG);
	mix_psk(hash, psk);
	seal(m->empty, NULL, 0, hash);
	commit(n, hash, false);
	return step_end(0);
}

int noise_response_read(struct noise *n, const struct message_response *m, const struct secret *se, const struct secret *psk)
{
	uint8_t hash[32];

	memcpy(hash, n->hash, sizeof(hash));
	memcpy(work->chain, secret_borrow(n->secrets), sizeof(work->chain));
	mix_ephemeral(hash, m->ephemeral);
	if (mix_dh(1, secret_borrow(n->secrets) + 32, m->ephemeral) < 0)
		return step_end(-EBADMSG);
	mix_key(1, secret_key(se), KEY_SIZE);
	mix_psk(hash, psk);
	if (open_sealed(NULL, m->empty, 0, hash, work->more) < 0)
		return step_end(-EBADMSG);
	commit(n, hash, false);
	return step_end(0);
}

struct secret *noise_session_keys(struct noise *n, bool initiator)
{
	struct secret *keys = secret_new(64);

	if (keys) {
		uint8_t *bytes = secret_borrow_mut(keys);

		blake2s_kdf(work->chain, 2, secret_borrow(n->secrets), "", 0);
		memcpy(bytes + (initiator ? 0 : 32), work->chain, 32);
		memcpy(bytes + (initiator ? 32 : 0), work->more, 32);
		step_end(0);
	}
	noise_wipe(n);
	return keys;
}

void noise_timestamp(uint8_t ret[static MESSAGE_TIMESTAMP_SIZE], uint64_t real_us)
{
	const uint64_t seconds = TAI_OFFSET + real_us / US_PER_SEC;
	const uint32_t ns = (uint32_t)(real_us % US_PER_SEC * 1000) & ~(WHITEN_NS - 1);

	for (int i = 0; i < 8; i++)
		ret[i] = (uint8_t)(seconds >> (56 - 8 * i));
	for (int i = 0; i < 4; i++)
		ret[8 + i] = (uint8_t)(ns >> (24 - 8 * i));
}
