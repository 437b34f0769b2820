/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interface's static private key, which may live where we cannot read it: X25519 with it is asked for, and answered at
 * once (a software key) or later (a token). The control thread's alone; never waits.
 *
 * Implementations: static_key_software_new (here), static_key_broker_new (a resident key behind the broker).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/encoding.h"
#include "common/secret.h"

/* What a DH is for: the broker holds each use to its own rule (dbus/org.wgfido1.Tunnel.xml, DiffieHellman). */
enum static_role {
	STATIC_PEER,	  /* ss; point: an approved peer's static public key */
	STATIC_INITIATOR, /* se; point: the responder's ephemeral, in the response (92 bytes) of peer */
	STATIC_RESPONDER, /* es; point: the initiator's ephemeral, in the initiation (148 bytes); the peer is not known yet */
};

struct static_request {
	enum static_role role;
	uint8_t point[KEY_SIZE];
	uint8_t peer[KEY_SIZE]; /* STATIC_PEER, STATIC_INITIATOR */
	uint8_t message[148];	/* STATIC_INITIATOR, STATIC_RESPONDER: whole, as received, macs and all */
	size_t message_len;
};

/* error 0: shared is the caller's (32 bytes, never all zero). Else a negative errno and NULL: -EACCES not approved, -EAGAIN the
 * token's bucket is empty, -ENODEV token or broker gone, -ETIMEDOUT, -EINVAL a low-order point, -EIO. */
typedef void (*static_done)(void *userdata, int error, struct secret *shared);

struct static_key;
struct static_call; /* one that waits for its answer */

struct static_key_ops {
	/*
	 * 1: *ret_shared is there, done is not called. 0: done is called later, once, from the event loop and never from in here,
	 * unless *ret_call is cancelled first. A negative errno as above: refused, done is not called. The request is
	 * copied.
	 */
	int (*dh)(struct static_key *k, const struct static_request *request, static_done done, void *userdata,
		struct static_call **ret_call, struct secret **ret_shared);
	/* done is not called any more; what the token is doing may go on unseen. */
	void (*cancel)(struct static_key *k, struct static_call *call);
	/* May handshakes with this peer be made, sessions with it live, its ss be kept? False without the broker, the token,
	 * or an approval. Cheap: called for every handshake. */
	bool (*approved)(struct static_key *k, const uint8_t peer[static KEY_SIZE]);
	/* Cancels what is open, without calling done; wipes. */
	void (*free)(struct static_key *k);
};

/* The first member of each implementation's struct. */
struct static_key {
	const struct static_key_ops *ops;
	uint8_t public_key[KEY_SIZE];
	uint8_t shown[KEY_SIZE]; /* resident: the handle, which get=1 shows as private_key; software: unused */
	bool resident;
	/*
	 * Initiations that may be answered without proof of address: so many at once, and then one in rate_us. Beyond that
	 * the sender must show by a cookie that it is where it says (whitepaper section 5.3). A token's are its bucket's, and
	 * rate_us follows how long it takes. No more than waiting_max of them wait for it at a time, so that there is room for others.
	 */
	uint32_t burst, waiting_max;
	uint64_t rate_us;
	/*
	 * Set by the device. The implementation calls it from the event loop when what approved() says may have changed for
	 * any peer; the device then wipes what is no longer approved before it returns.
	 */
	void (*changed)(void *userdata);
	void *changed_userdata;
};

/* private_key: 32 bytes, taken over, clamped in place. NULL on error (then it is freed). Its get=1 text: static_key_software_private. */
struct static_key *static_key_software_new(struct secret *private_key);
/* Of a software key; NULL for any other. Borrowed. */
const struct secret *static_key_software_private(const struct static_key *k);

static inline struct static_key *static_key_free(struct static_key *k)
{
	if (k)
		k->ops->free(k);
	return NULL;
}
