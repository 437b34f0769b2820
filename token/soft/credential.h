/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A credential has no place in the token: its id is the credential, sealed under the token's master key with
 * the relying party's id hash as associated data, so that it opens only here and only for that party.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/secret.h"
#include "token/soft/reader.h"

#define RP_ID_HASH_SIZE 32
#define CREDENTIAL_ID_SIZE 127

enum cred_protect {
	CRED_PROTECT_OPTIONAL = 1,
	CRED_PROTECT_OPTIONAL_WITH_LIST = 2,
	CRED_PROTECT_REQUIRED = 3
};

struct credential {
	struct secret *key;	    /* P-256 scalar */
	struct secret *random_uv;   /* CredRandomWithUV */
	struct secret *random_none; /* CredRandomWithoutUV */
	enum cred_protect protect;
	bool hmac_secret; /* made with the extension */
};

int credential_seal(uint8_t ret[static CREDENTIAL_ID_SIZE], const struct credential *c,
	const struct secret *master, const uint8_t rp_id_hash[static RP_ID_HASH_SIZE]);
/* -ENOENT: not ours, or not of this relying party. */
int credential_open(struct credential *ret, struct slice id, const struct secret *master,
	const uint8_t rp_id_hash[static RP_ID_HASH_SIZE]);
void credential_clear(struct credential *c);
