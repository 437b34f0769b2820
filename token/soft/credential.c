/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/credential.h"

#include <errno.h>
#include <openssl/rand.h>
#include <string.h>

#include "token/soft/evp.h"

#define FORMAT 1
#define FORMAT_SIZE 1
#define PLAIN_SIZE (3 * 32 + 2)

_Static_assert(FORMAT_SIZE + GCM_NONCE_SIZE + PLAIN_SIZE + GCM_TAG_SIZE == CREDENTIAL_ID_SIZE,
	"size of a credential id");

struct associated {
	uint8_t bytes[1 + RP_ID_HASH_SIZE];
};

static struct associated associate(const uint8_t rp_id_hash[static RP_ID_HASH_SIZE])
{
	struct associated ad = {{FORMAT}};

	memcpy(ad.bytes + 1, rp_id_hash, RP_ID_HASH_SIZE);
	return ad;
}

int credential_seal(uint8_t ret[static CREDENTIAL_ID_SIZE], const struct credential *c,
	const struct secret *master, const uint8_t rp_id_hash[static RP_ID_HASH_SIZE])
{
	uint8_t policy[2] = {(uint8_t)c->protect, c->hmac_secret};
	struct evp_piece pieces[] = {
		{secret_borrow_mut(c->key), 32},
		{secret_borrow_mut(c->random_uv), 32},
		{secret_borrow_mut(c->random_none), 32},
		{policy, sizeof(policy)},
	};
	struct associated ad = associate(rp_id_hash);
	uint8_t *nonce = ret + FORMAT_SIZE, *sealed = nonce + GCM_NONCE_SIZE;

	ret[0] = FORMAT;
	if (RAND_bytes(nonce, GCM_NONCE_SIZE) != 1)
		return -EIO;
	return evp_gcm_seal(sealed, sealed + PLAIN_SIZE, secret_key(master), nonce, ad.bytes,
		sizeof(ad.bytes), pieces, 4);
}

int credential_open(struct credential *ret, struct slice id, const struct secret *master,
	const uint8_t rp_id_hash[static RP_ID_HASH_SIZE])
{
	struct credential c = {0};
	uint8_t policy[2] = {0};
	struct associated ad = associate(rp_id_hash);
	int r = -ENOMEM;

	if (id.len != CREDENTIAL_ID_SIZE || id.data[0] != FORMAT)
		return -ENOENT;
	c.key = secret_new(32);
	c.random_uv = secret_new(32);
	c.random_none = secret_new(32);
	if (c.key && c.random_uv && c.random_none) {
		struct evp_piece pieces[] = {
			{secret_borrow_mut(c.key), 32},
			{secret_borrow_mut(c.random_uv), 32},
			{secret_borrow_mut(c.random_none), 32},
			{policy, sizeof(policy)},
		};
		const uint8_t *nonce = id.data + FORMAT_SIZE, *sealed = nonce + GCM_NONCE_SIZE;

		r = evp_gcm_open(pieces, 4, secret_key(master), nonce, ad.bytes, sizeof(ad.bytes), sealed,
			sealed + PLAIN_SIZE);
	}
	if (r == 0) {
		c.protect = (enum cred_protect)policy[0];
		c.hmac_secret = policy[1];
		*ret = c;
		return 0;
	}
	credential_clear(&c);
	return r == -EBADMSG ? -ENOENT : r;
}

void credential_clear(struct credential *c)
{
	c->key = secret_free(c->key);
	c->random_uv = secret_free(c->random_uv);
	c->random_none = secret_free(c->random_none);
}
