/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer: its sessions, its endpoint, and what the path threads tell the control thread about it. Who may touch what, and
 * under which lock, is written at the top of tunnel/device.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/encoding.h"
#include "tunnel/endpoint.h"
#include "tunnel/session.h"

struct allowedips_node;
struct device;
struct handshake; /* tunnel/handshake.h; the control thread's */
struct path_stage; /* the path's packets that wait for a session; under the out lock */

/* Things that a path thread wants of the control thread: peer_raise. */
#define PEER_NEED_HANDSHAKE 1u /* no session to send with, or it is time for the next */
#define PEER_CONFIRMED 2u      /* a first packet came in peer->next: it may be sent with */
#define PEER_ROAMED 4u	       /* an authenticated packet came from elsewhere: peer->seen_endpoint */
#define PEER_WOKE 8u	       /* active went from false to true: timers are wanted */

/* Times are CLOCK_BOOTTIME in us, taken once a batch; 0: never, or nothing waits. Bytes are those of the UDP payload. */
struct peer_traffic {
	_Atomic uint64_t last_sent_us;	       /* any authenticated packet, data or keepalive or handshake */
	_Atomic uint64_t last_received_us;
	_Atomic uint64_t unanswered_since_us;  /* the first data sent since something came back */
	_Atomic uint64_t unacknowledged_since_us; /* the first data received since something was sent */
	_Atomic uint64_t tx_bytes, rx_bytes;
};

struct peer {
	/* Constant. */
	struct device *device;
	uint8_t public_key[KEY_SIZE];

	/* Written by control with both path locks, read by the path threads each with its own. */
	struct session *current;  /* sent with */
	struct session *previous; /* still received with */
	struct session *next;	  /* a responder's, until a packet comes in it (whitepaper section 5.4.5) */
	struct endpoint endpoint;
	struct allowedips_node *allowed_ips, *last_allowed_ip; /* in the order they were added */

	/* Under the out lock. */
	struct path_stage *stage;
	/* Under the in lock: where the packet that raised PEER_ROAMED came from. */
	struct endpoint seen_endpoint;

	/* Any thread. */
	struct peer_traffic traffic;
	_Atomic uint32_t flags;
	_Atomic bool active; /* cleared by control with both locks held */
	struct peer *_Atomic attention_next;

	/* The control thread's alone. */
	struct peer *next_peer, *prev_peer; /* in the device, in the order they were added */
	struct peer *next_hashed;
	struct handshake *handshake;
};

/* Whoever holds a path lock. Puts the peer on the device's attention list; control is told when the lock is let go, once until it looks. */
void peer_raise(struct peer *p, uint32_t flags);

/*
 * Out thread, its lock held: the session to send with, or NULL. A responder's next counts from its first packet on, before control has put
 * it in current's place: the answer to that packet comes at once, and who began anew knows the old session no more.
 */
static inline struct session *peer_sending(const struct peer *p)
{
	return p->next && atomic_load(&p->next->confirmed) ? p->next : p->current;
}

/*
 * What a path thread calls per batch and peer.
 *
 * Out thread, its lock held: bytes were sent in s (peer_sending), n_data > 0 of the packets were data, the others keepalives.
 */
void peer_note_sent(struct peer *p, const struct session *s, uint64_t now_us, uint64_t bytes, uint64_t n_data);
/*
 * In thread, its lock held: bytes of packets authenticated in s came from `from`, data: not keepalives only. Must be called before the
 * inner packets are written out, so that an answer finds the session confirmed soon.
 */
void peer_note_received(struct peer *p, struct session *s, uint64_t now_us, uint64_t bytes, bool data,
	const struct endpoint *from);
