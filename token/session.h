/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One operation's hold on a token: the transport opened, a CTAPHID channel of our own, libfido2 on top of it. libfido2 blocks and
 * flattens every failure of the wire to one code; the engine underneath keeps the deadline, sees the interrupt and
 * remembers what went wrong. After any failure of the wire nothing more is sent: the session is over.
 */
#pragma once

#include <fido.h>
#include <stdbool.h>

#include "common/outcome.h"
#include "common/wire.h"
#include "token/ctaphid.h"

struct session {
	struct ctaphid hid;
	struct transport *transport;
	uint64_t deadline_us;
	fido_dev_t *dev;
	fido_cbor_info_t *info; /* NULL: a U2F-only key */
	int error;		/* the engine's first negative errno; 0: none */
	uint8_t request_command;
	size_t request_len;
	uint8_t request[CTAPHID_PAYLOAD_MAX];
};

/*
 * Opens all three layers. OUTCOME_OK, or an outcome with detail set; session_close is needed in any case.
 * status may be NULL; see ctaphid.h.
 */
enum outcome session_open(struct session *s, struct transport *t, uint64_t deadline_us,
	void (*status)(void *userdata, uint8_t status), void *userdata, char detail[static WIRE_TEXT_MAX]);
/* The channel of an operation before, at the same token if that is still plugged in. */
struct session_channel {
	uint32_t cid; /* 0: none */
	uint64_t incarnation; /* of the transport */
};

/*
 * The same in two steps, for what needs no libfido2 once the token is known: transport and channel, then libfido2 with getInfo.
 * before may be NULL.
 */
enum outcome session_connect(struct session *s, struct transport *t, uint64_t deadline_us, const struct session_channel *before,
	void (*status)(void *userdata, uint8_t status), void *userdata, char detail[static WIRE_TEXT_MAX]);
enum outcome session_identify(struct session *s, char detail[static WIRE_TEXT_MAX]);
void session_close(struct session *s);

/*
 * What a libfido2 result means, the wire's own failures first. detail: printable ASCII, "" where the outcome says it all.
 */
enum outcome session_outcome(const struct session *s, int fido_error, char detail[static WIRE_TEXT_MAX]);

bool session_has_extension(const struct session *s, const char *name);
/* False when the option is absent. */
bool session_has_option(const struct session *s, const char *name, bool *ret_value);
