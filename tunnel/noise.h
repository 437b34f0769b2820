/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, the handshake of WireGuard (whitepaper section 5.4), both roles. Pure but for random
 * numbers. X25519 with the static private key is not done here: its results are arguments, and so are there whenever
 * they come. Each step leaves the state as it was unless it succeeds; macs are cookie.h's business.
 *
 *   initiator   ss -> noise_initiation_write ... the response, se -> noise_response_read -> noise_session_keys
 *   responder   the initiation, es -> noise_initiation_read_static, who it is, ss -> noise_initiation_read_timestamp
 *               -> noise_response_write -> noise_session_keys
 *
 * The secrets of a handshake lie in guarded memory, temporary ones too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/secret.h"
#include "tunnel/message.h"

struct noise {
	uint8_t hash[32];
	struct secret *secrets; /* 64 bytes: chaining key, our ephemeral private key (initiator); NULL: no handshake */
};

/* Once; blake2s_init is called too. 0 or a negative errno. */
int noise_init(void);
void noise_exit(void);

/* Makes the next handshake's ephemeral key ahead of time, if there is none yet: true when it did. */
bool noise_prepare(void);
/* Its X25519 with the peer's static key, which both roles need, ahead of time too: true when it did. Of the last peer that was asked
 * for; with another the handshake does without. */
bool noise_prepare_for(const uint8_t remote_public[static KEY_SIZE]);

/* Wipes; harmless when there is nothing. */
void noise_wipe(struct noise *n);

/* The low-order points that libsodium refuses, and tags that are wrong, are -EBADMSG everywhere below. */

/* ss: X25519(our static, remote_public). All of m but its macs is written. -ENOMEM, -EBADMSG. */
int noise_initiation_write(struct noise *n, struct message_initiation *m, uint32_t sender,
	const uint8_t local_public[static KEY_SIZE], const uint8_t remote_public[static KEY_SIZE], const struct secret *ss,
	const uint8_t timestamp[static MESSAGE_TIMESTAMP_SIZE]);

/* se: X25519(our static, m->ephemeral). psk NULL: none, which is 32 zeros. */
int noise_response_read(struct noise *n, const struct message_response *m, const struct secret *se, const struct secret *psk);

/* es: X25519(our static, m->ephemeral). n is new or wiped. Who wrote the message says ret_remote_public: so far anyone who knows
 * our public key may have. */
int noise_initiation_read_static(struct noise *n, const struct message_initiation *m,
	const uint8_t local_public[static KEY_SIZE], const struct secret *es, uint8_t ret_remote_public[static KEY_SIZE]);

/* ss: X25519(our static, remote_public). 0: it is that peer, then or now: the timestamp must be greater than all before. */
int noise_initiation_read_timestamp(struct noise *n, const struct message_initiation *m, const struct secret *ss,
	uint8_t ret_timestamp[static MESSAGE_TIMESTAMP_SIZE]);

/* remote_ephemeral: of the initiation. */
int noise_response_write(struct noise *n, struct message_response *m, uint32_t sender, uint32_t receiver,
	const uint8_t remote_public[static KEY_SIZE], const uint8_t remote_ephemeral[static KEY_SIZE],
	const struct secret *psk);

/* After the response: 64 bytes, to send with and to receive with. NULL: no memory. n is wiped in any case. */
struct secret *noise_session_keys(struct noise *n, bool initiator);

/* TAI64N of a real time in us, its nanoseconds rounded down to 2^24 so that it tells no more of the clock than it must. */
void noise_timestamp(uint8_t ret[static MESSAGE_TIMESTAMP_SIZE], uint64_t real_us);
