/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The WireGuard device: peers, allowed-ips, sessions, and who of the three threads may touch them.
 *
 *   control  the main thread: event loop, handshakes, timers, configuration socket, static key
 *   out      TUN -> UDP                     in   UDP -> TUN
 *
 * The rules, all of them:
 *
 * 0. Control is whoever holds the control lock. The main thread does, but for where it waits for events. Then a path thread that has
 *    nothing else to do does itself what it would have woken the main thread for, in device_path_done: a handshake with a software key,
 *    which is most of the first packets' way, waits for no second thread to wake up. It never waits for the lock, does one peer's and one
 *    message's work, and leaves alone what belongs to the event loop. Whoever holds the control lock may take path locks, never the reverse.
 * 1. The device's state (allowed-ips, index table, a peer's sessions and endpoint, the list of peers) is written by control
 *    only, and only with BOTH path locks held: device_lock ... device_unlock. Control reads it without a lock.
 * 2. A path thread reads that state while it holds its own lock, which it takes per batch: device_path_lock(d, DEVICE_OUT) or DEVICE_IN,
 *    look-ups, crypto, send or write, device_path_unlock. Never across a call that waits for packets (poll, a blocking read): control
 *    must get both locks within 10 ms, since that is how fast a tunnel closes. No pointer into the state outlives the
 *    lock. One path thread never takes the other's lock.
 * 3. When control wants in, the path threads let it: device_path_lock goes through a gate that control holds meanwhile, so that a thread
 *    that unlocks and locks again at once under load does not keep it out. Idle, that is one relaxed load.
 *    Where a tunnel is closed, nothing waits for a thread that holds its lock and was preempted: what it has in hand when it goes on
 *    is not sent any more (device_closing). Others than those that are closed lose a batch by it. (What approvals close is tunnels with a
 *    key in a token: there no path thread is ever control, and so none keeps the main thread from closing.)
 * 4. What the path threads write: a session's send_counter (out) and replay (in), a peer's stage (out) and seen_endpoint (in), each
 *    under its own lock; the atomics of struct peer. Control touches stage and send_counter only through struct path_ops.
 * 5. From the path threads to control: the atomics, peer_raise (a lock-free list of peers that want attention), the inbox for
 *    handshake messages; when something becomes true one eventfd kick as the path lock is let go, or rule 0, and none while it stays true.
 * 6. From control to the path: struct path_ops. Its calls take the locks that they need, and are made with none held.
 * 7. A peer is freed by control with both locks held, after it was taken out of everything and off the attention list.
 * 8. Secrets come and go under the control lock alone (struct secret is not thread-safe); path threads borrow a session's keys
 *    under their lock.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/encoding.h"
#include "tunnel/allowedips.h"
#include "tunnel/inbox.h"
#include "tunnel/peer.h"
#include "tunnel/session.h"

#define DEVICE_MTU_DEFAULT 1420
#define DEVICE_PEERS_MAX 65536u

enum device_path {
	DEVICE_OUT,
	DEVICE_IN,
	_DEVICE_PATHS,
};

/* What the packet threads do for control. Called with no lock held. */
struct path_ops {
	/* One datagram (a handshake message, a cookie reply); to is known. 0 or a negative errno of sendmsg. When the kernel refuses
	 * to->from it is zeroed and the datagram sent again. */
	int (*send_message)(void *path, const void *bytes, size_t len, struct endpoint *to);
	/*
	 * Encrypts in peer_sending and sends what is staged; when nothing is, and always_one, a keepalive. Does nothing without a session
	 * that may be sent with. Tells traffic as the out thread does (peer_note_sent).
	 */
	void (*send_staged)(void *path, struct peer *peer, uint64_t now_us, bool always_one);
	/* Throws away what is staged; tell: their senders are told that they cannot be sent (tunnel/unreachable.h). The path allocates
	 * peer->stage, and here is where it ends. Both locks ARE held. */
	void (*drop_staged)(void *path, struct peer *peer, bool tell);
	/* New sockets. *port 0: any, which is then told. fwmark 0: none. The old ones stay when it fails. */
	int (*rebind)(void *path, uint16_t *port, uint32_t fwmark);
	/* The session is about to be freed: wipes what the ciphers keep of its keys. Both locks ARE held. May be NULL. */
	void (*forget_keys)(void *path, const struct session *s);
};

struct device {
	/* Read by the path threads under their lock. */
	struct allowedips allowed_ips;
	struct index_table indexes;

	pthread_mutex_t path_lock[_DEVICE_PATHS];
	pthread_mutex_t gate;
	_Atomic bool gate_closed;
	_Atomic bool closing;

	struct peer *_Atomic attention;
	int kick_fd; /* eventfd, non-blocking: control polls it */
	struct inbox *inbox;
	_Atomic bool told; /* something became true, and nobody was kicked yet */

	pthread_mutex_t control_lock;
	_Atomic bool control_wanted; /* the main thread waits for it: nobody comes in between */
	_Atomic bool serves;	     /* rule 0 holds: the key is a software key. Else a path thread does not even try the lock */

	/* Control's alone. */
	/* Rule 0: does one peer's and one message's work; true: there is more, or it is the main thread's. NULL: all is the main thread's. */
	bool (*serve)(void *userdata);
	void *serve_userdata;
	const struct path_ops *path_ops;
	void *path;
	struct peer *first_peer, *last_peer;
	struct peer **peer_buckets; /* by public key */
	uint32_t peer_mask, n_peers;
	uint8_t hash_key[16];	    /* of siphash: a public key is the other's choice */
};

/* 0 or a negative errno. ops may be set later, before the first peer is added. */
int device_init(struct device *d, const struct path_ops *ops, void *path);
/* The path threads must have ended. Wipes and frees everything. */
void device_clear(struct device *d);

static inline void device_path_lock(struct device *d, enum device_path which)
{
	if (atomic_load_explicit(&d->gate_closed, memory_order_relaxed)) {
		pthread_mutex_lock(&d->gate);
		pthread_mutex_unlock(&d->gate);
	}
	pthread_mutex_lock(&d->path_lock[which]);
}

/* Any thread. */
void device_kick(struct device *d);

/* Rule 0: a path thread, in the main thread's place. No lock is held. */
void device_serve(struct device *d);

/* A path thread, at the end of its turn. idle: it would now wait for packets. */
static inline void device_path_done(struct device *d, enum device_path which, bool idle)
{
	pthread_mutex_unlock(&d->path_lock[which]);
	if (!atomic_load_explicit(&d->told, memory_order_relaxed) || !atomic_exchange(&d->told, false))
		return;
	if (idle)
		device_serve(d);
	else
		device_kick(d);
}

static inline void device_path_unlock(struct device *d, enum device_path which)
{
	device_path_done(d, which, false);
}

/* The main thread, around where it waits. */
void device_control_enter(struct device *d);
void device_control_leave(struct device *d);

/* Control: both. Not recursive. */
void device_lock(struct device *d);
void device_unlock(struct device *d);
/* The same, when something is closed: from the call on, nothing more is sent or written by the path threads. */
void device_lock_closing(struct device *d);

/* A path thread, its lock held, before each send or write. True: throw away what is in hand, and unlock. */
static inline bool device_closing(const struct device *d)
{
	return atomic_load_explicit(&d->closing, memory_order_relaxed);
}

/* In thread, its lock held: a handshake message for control, who is told of it when the lock is let go. False: dropped. */
bool device_deliver(struct device *d, const void *bytes, size_t len, const struct endpoint *from);

/* Control. All but device_peer_find take the locks themselves. */
struct peer *device_peer_find(const struct device *d, const uint8_t public_key[static KEY_SIZE]);
/* -ENOMEM, -EEXIST, -ENOSPC (DEVICE_PEERS_MAX). */
int device_peer_add(struct device *d, const uint8_t public_key[static KEY_SIZE], struct peer **ret);
void device_peer_remove(struct peer *p);
/* Out of the table, wiped, freed; *s NULL is allowed and what it becomes. Both locks are held. */
void device_session_end(struct device *d, struct session **s);
/* The next of the peers that were raised since the list was last empty, and what they want; NULL: none. */
struct peer *device_attention(struct device *d, uint32_t *ret_flags);
