/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host of a wgfido-softtoken is libfido2: credentials made and asserted with its CBOR, PIN protocols and checks. */
#pragma once

#include <fido.h>
#include <fido/es256.h>
#include <stddef.h>

#include "tests/integration/softtoken.h"

#define HOST_RP "wgfido:v1"

extern const unsigned char host_client_data_hash[32];

struct host_credential {
	unsigned char id[512];
	size_t id_len;
	es256_pk_t *key; /* the test's to free */
};

/* For cmocka: *state is a struct softtoken that is not plugged in yet. */
int host_setup(void **state);
int host_teardown(void **state);

fido_cred_t *host_cred_new(int extensions, int protect);
/* What fido_dev_make_cred filled in, its signature checked. */
void host_take(struct host_credential *ret, fido_cred_t *c);
void host_make(struct host_credential *ret, fido_dev_t *dev, int extensions, int protect, const char *pin);

/* m NULL: no list. */
fido_assert_t *host_assert_new(const struct host_credential *m, fido_opt_t up);
/* n salts evaluated (0: none) into out; libfido2's code, and the signature checked. */
int host_evaluate(unsigned char *out, fido_dev_t *dev, const struct host_credential *m, const unsigned char *salts,
	size_t n, const char *pin);
