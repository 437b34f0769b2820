/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The authenticator data of a new credential (WebAuthn level 2, section 6.1), pure: whether the token signed up to what it was
 * asked for. libfido2 compares the extensions only together with an attestation signature, and not every key attests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct authdata_credential {
	uint8_t flags;
	uint8_t rp_id_hash[32];
	bool hmac_secret;
	uint64_t cred_protect; /* 0: absent */
};

/* -EBADMSG: not the authenticator data of a credential with extensions, whole and with nothing behind it. */
int authdata_parse_credential(struct authdata_credential *ret, const uint8_t *data, size_t len);
