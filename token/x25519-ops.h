/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The X25519 operations of common/wire.h on tokens with the wgX25519 extension. The token is opened for the operation and closed
 * after it, however it ended; every use of a key has a channel of its own.
 */
#pragma once

#include "common/wire.h"
#include "token/fido.h"
#include "token/session.h"
#include "token/x25519/message.h"

/*
 * What is known of a token for as long as it stays plugged in, so that an operation need not ask again. Nothing in it is secret, and
 * nothing is believed: the channel's handshake fails where it does not hold.
 */
struct x25519_known {
	bool valid; /* the token has the extension, and said: */
	struct x25519_hello hello;
	/* Taken up again, since tokens know few channels, and few hosts at a time: what is left of the last operation ends with it. */
	struct session_channel channel;
};

/* As fido_operate, for the types of wire_type_is_x25519. The request's secrets are freed when it is over. */
void x25519_operate(struct wire_result *ret, struct wire_request *request, struct transport *t, uint64_t deadline_us,
	const struct fido_status_sink *sink, struct x25519_known *known);
