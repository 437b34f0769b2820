/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the ctap2-*.c files only. */
#pragma once

#include "token/soft/ctap2.h"
#include "token/soft/reader.h"
#include "token/soft/writer.h"

/* What a command gives besides an enum ctap2_status. */
#define CTAP2_WAIT (-1)

#define AUTH_DATA_UP 0x01
#define AUTH_DATA_UV 0x04
#define AUTH_DATA_AT 0x40
#define AUTH_DATA_ED 0x80

/* pinUvAuthParam and pinUvAuthProtocol as they came with a request. */
struct ctap2_pin_param {
	bool has_param, has_protocol;
	struct slice param;
	uint64_t protocol;
};

/* The options map; what is absent keeps what the caller set. */
struct ctap2_options {
	bool has_rk, has_uv, has_up;
	bool rk, uv, up;
};

/* CTAP2_OK, CTAP2_WAIT, or what to answer. Effects come after it only. */
int ctap2_touch_check(const struct ctap2_call *call);
/* CTAP2_OTHER for any failure of libcrypto, of memory or of the file; CTAP2_OK for 0. */
int ctap2_internal(int r);

/* A map with numbers for keys: member gets each of them, and takes or skips the value that comes next in r. */
int ctap2_read_members(struct reader *r, int (*member)(struct reader *r, uint64_t key, void *userdata), void *userdata);
int ctap2_read_options(struct reader *r, struct ctap2_options *o);
/* rp id, and hash of it. */
int ctap2_hash_rp_id(uint8_t ret[static RP_ID_HASH_SIZE], const struct slice *rp_id);
/*
 * The common front part of makeCredential and getAssertion: *ret_uv is set when the PIN token verified
 * the user for this operation and relying party.
 */
int ctap2_check_pin_param(struct ctap2 *a, const struct ctap2_call *call, const struct ctap2_pin_param *p,
	struct slice client_data_hash, enum ctap2_permission permission,
	const uint8_t rp_id_hash[static RP_ID_HASH_SIZE], bool *ret_uv);
/* After the touch: the PIN token has served (section 6.1.2: permissions and flags are cleared). */
void ctap2_pin_token_spend(struct ctap2 *a);
void ctap2_pin_token_drop(struct ctap2 *a);
int ctap2_renew_agreement(struct ctap2 *a, enum pinauth_protocol protocol);
int ctap2_protocol(uint64_t value, enum pinauth_protocol *ret);

/* The next PublicKeyCredentialDescriptor; *ret is empty (len 0) for one of an unknown type. */
int ctap2_read_descriptor(struct reader *r, struct slice *ret);
/* A COSE_Key of P-256. */
int ctap2_read_cose(struct reader *r, uint8_t ret[static P256_POINT_SIZE]);
void ctap2_write_cose(struct writer *w, const uint8_t point[static P256_POINT_SIZE], int alg);
/* The 37 bytes before credential data and extensions; takes a new signature count and saves it. */
int ctap2_write_auth_head(struct ctap2 *a, struct writer *w, const uint8_t rp_id_hash[static RP_ID_HASH_SIZE],
	unsigned int flags);

struct ctap2_hmac_input {
	bool present;
	bool has_key, has_salt_enc, has_salt_auth;
	uint8_t key[P256_POINT_SIZE];
	struct slice salt_enc, salt_auth;
	uint64_t protocol;
};
int ctap2_read_hmac_input(struct reader *r, struct ctap2_hmac_input *ret);
/* Verified and decrypted: 32 or 64 bytes of salts, and the secret to answer under. */
int ctap2_open_salts(struct ctap2 *a, const struct ctap2_hmac_input *in, struct secret **ret_shared,
	struct secret **ret_salts);
int ctap2_hmac_outputs(uint8_t ret[static PINAUTH_CIPHERTEXT_MAX], size_t *ret_len,
	enum pinauth_protocol protocol, const struct secret *shared, const struct secret *salts,
	const struct secret *cred_random);

int ctap2_make_credential(struct ctap2 *a, const struct ctap2_call *call, struct reader *r, struct writer *w);
int ctap2_get_assertion(struct ctap2 *a, const struct ctap2_call *call, struct reader *r, struct writer *w);
int ctap2_client_pin(struct ctap2 *a, const struct ctap2_call *call, struct reader *r, struct writer *w);
