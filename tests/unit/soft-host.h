/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of the software token's core: a token, its time and its disk, and a host that can also ask
 * wrongly. */
#pragma once

#include "tests/unit/unit.h"

#include "common/clock.h"
#include "token/soft/ctap2.h"
#include "token/soft/reader.h"
#include "token/soft/writer.h"

#define RP "wgfido:v1"
#define PLUGGED (100 * US_PER_SEC)

enum { MAKE = 0x01, ASSERT = 0x02, INFO = 0x04, PIN = 0x06, RESET = 0x07, NEXT = 0x08, SELECTION = 0x0b };

extern struct host {
	struct ctap2 token;
	struct store_data data;
	unsigned int n_saves, saves_fail;
	uint8_t saved_retries; /* on disk, as of the last save */
	uint64_t now;
	uint8_t request[4096], response[CTAP2_MESSAGE_MAX];
	size_t response_len;
	struct writer w; /* into request, behind the command */

	/* the host's half of a PIN protocol */
	struct {
		EVP_PKEY *key;
		uint8_t point[P256_POINT_SIZE];
		struct secret *shared;
		enum pinauth_protocol protocol;
	} platform;
} host;

extern const uint8_t host_hash[32]; /* of the client data */

/* Setup and teardown of a cmocka test: a new token, plugged in one second ago. */
int host_setup(void **state);
int host_teardown(void **state);
void host_replug(void);
void host_begin(uint8_t command);
/* The status; or -1 when the token wants a touch. */
int host_call_len(size_t len, enum ctap2_touch touch);
int host_call(enum ctap2_touch touch);
void host_put_rp(bool entity);
/* makeCredential with `more` members to come; those of its four own that skip has a bit for are missing. */
void host_put_make(size_t more, unsigned int skip, int64_t alg);
void host_put_option(int key, const char *name, bool value);
void host_put_pin_param(int key, const void *param, size_t len, int protocol);
/* The credential id out of a makeCredential response; the flags of its authenticator data. */
uint8_t host_take_id(uint8_t id[static CREDENTIAL_ID_SIZE]);
void host_make_credential(uint8_t id[static CREDENTIAL_ID_SIZE], int protect);
void host_put_assert(size_t more, const uint8_t *id);
/* A key agreement with the token, for those that follow. */
void host_agree(enum pinauth_protocol protocol);
void host_forget(void);
void host_put_cose(void);
size_t host_seal(uint8_t ret[static PINAUTH_CIPHERTEXT_MAX], const void *plain, size_t len);
size_t host_authenticate(uint8_t ret[static 32], const struct secret *key, const void *a, size_t a_len,
	const void *b, size_t b_len);
int host_set_pin(const void *pin, size_t len);
/* permissions -1: getPinToken. *ret is the decrypted token; an older one there is freed. */
int host_get_token(struct secret **ret, enum pinauth_protocol protocol, const char *pin, int permissions,
	const char *rp);
int host_make_with_token(const struct secret *t);
