/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A session: the transport keys that a handshake left (WireGuard whitepaper sections 5.4.5, 5.4.6, 6.2), and the table that
 * finds one by the index in a packet.
 *
 * Made, moved and freed by the control thread with both path locks held. In between the out thread owns send_counter, the in
 * thread replay, each under its own lock; everything else is constant.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/secret.h"
#include "tunnel/replay.h"

/* Whitepaper section 6.1. */
#define SESSION_REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define SESSION_REJECT_AFTER_MESSAGES (UINT64_MAX - (UINT64_C(1) << 13)) /* 2^64 - 2^13 - 1: the first counter not to be used */
/* A test's program has another. */
#ifndef SESSION_REKEY_AFTER_US
#define SESSION_REKEY_AFTER_US (120 * US_PER_SEC)
#endif
#define SESSION_REJECT_AFTER_US (180 * US_PER_SEC)
/* An initiator that only receives makes new keys this long after the session's birth: REJECT - KEEPALIVE - REKEY_TIMEOUT. */
#define SESSION_REKEY_RECEIVER_AFTER_US (165 * US_PER_SEC)

struct peer;
struct session;

/* In the table as long as the handshake, and then the session that it becomes, lives. */
struct index_entry {
	struct index_entry *next;
	uint32_t index;		 /* the receiver index of packets to us, host byte order */
	struct peer *peer;
	struct session *session; /* NULL: a handshake in progress, no data is taken */
};

/* 0-initialised is empty. Indexes are random, so a power of two of buckets needs no hash. */
struct index_table {
	struct index_entry **buckets;
	uint32_t mask;
	uint32_t n;
};

struct session {
	struct index_entry entry;  /* entry.index is ours */
	uint32_t remote_index;	   /* what goes into the packets we send, host byte order */
	bool initiator;		   /* we began the handshake: we are the one who makes new keys in time */
	uint64_t born_us;	   /* CLOCK_BOOTTIME */
	uint64_t rekey_us;	   /* when an initiator that sends makes new keys */
	struct secret *keys;	   /* 64 bytes: to send with, to receive with */
	const uint8_t *send_key;   /* 32 bytes in keys */
	const uint8_t *receive_key;
	uint64_t send_counter;	   /* of the next packet */
	_Atomic bool confirmed;	   /* a packet came in it: a responder's next is sent with from then on (tunnel/peer.h, peer_sending) */
	bool rekey_asked;	   /* the in thread has asked once (a receiver's early rekey) */
	struct replay replay;
};

/* Takes keys over in any case. Not in the table yet. NULL: no memory. */
struct session *session_new(struct peer *peer, struct secret *keys, bool initiator, uint32_t local_index,
	uint32_t remote_index, uint64_t now_us);
/* Wipes, the path threads' copies of the keys too. It must be out of the table; both locks are held. NULL is allowed. Always NULL. */
struct session *session_free(struct session *s);

/* May n more packets be sent with it? false: stage them and ask for a handshake (PEER_NEED_HANDSHAKE). s may be NULL. */
static inline bool session_may_send(const struct session *s, uint64_t now_us, uint64_t n)
{
	return s && now_us - s->born_us < SESSION_REJECT_AFTER_US && s->send_counter + n <= SESSION_REJECT_AFTER_MESSAGES;
}

/* For control, whom send_counter does not concern. */
static inline bool session_lives(const struct session *s, uint64_t now_us)
{
	return s && now_us - s->born_us < SESSION_REJECT_AFTER_US;
}

/* Before decrypting; the counter is the replay window's business. */
static inline bool session_may_receive(const struct session *s, uint64_t now_us)
{
	return session_lives(s, now_us);
}

/* index in host byte order. NULL: unknown. */
static inline struct index_entry *index_find(const struct index_table *t, uint32_t index)
{
	struct index_entry *e = t->buckets ? t->buckets[index & t->mask] : NULL;

	while (e && e->index != index)
		e = e->next;
	return e;
}

/* A random index that is not in use, which entry then has. 0 or -ENOMEM. */
int index_insert(struct index_table *t, struct index_entry *entry);
/* Puts `to` in `from`'s place under the same index (a handshake becomes a session); `from` is out of the table then. */
void index_replace(struct index_table *t, struct index_entry *from, struct index_entry *to);
/* Harmless when it is not in the table. */
void index_remove(struct index_table *t, struct index_entry *entry);
void index_clear(struct index_table *t);
