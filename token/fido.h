/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations on a token (common/wire.h says what each is), through libfido2. Nothing that a token returns is taken on trust: the
 * relying party's hash, the user-present and user-verified flags, the extensions, the signature under the stored
 * public key, which credential answered, and the lengths are all checked before an output leaves.
 *
 * The token is opened for the operation and closed after it, however it ended.
 */
#pragma once

#include "common/wire.h"
#include "token/transport.h"

struct fido_status_sink {
	void (*status)(void *userdata, enum wire_status status); /* on each change */
	void *userdata;
};

/*
 * Runs one request (INFO, PROBE, CREATE, EVALUATE) to its end and fills *ret, whose secrets are then the caller's
 * (wire_result_clear). Not later than the deadline plus CTAPHID_CANCEL_GRACE_US. request's PIN is freed as soon as it is used.
 */
void fido_operate(struct wire_result *ret, struct wire_request *request, struct transport *t, uint64_t deadline_us,
	const struct fido_status_sink *sink);

/* To be called once, before the sandbox closes: libfido2's setup, and what libcrypto loads at first use. */
void fido_prepare(void);
