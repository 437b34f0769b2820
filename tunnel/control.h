/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control thread does, without its event loop: handshakes in both roles, sessions, timers, the static key. The time is an
 * argument, packets go out through the device's path_ops, and calls of a slow static key come back whenever they do:
 * a test runs as many of these as it likes in one simulated world.
 *
 * tunnel/loop.h drives it; tunnel/config.h is what the configuration socket does to it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "tunnel/cookie.h"
#include "tunnel/deadlines.h"
#include "tunnel/device.h"
#include "tunnel/ratelimit.h"
#include "tunnel/static_key.h"

#define CONTROL_RESPONDERS_MAX 64 /* initiations that wait for the static key */

struct responder;

struct control {
	struct device *device;
	struct clock *clock; /* read when an answer of the static key comes by itself */
	struct static_key *key; /* NULL: none, and nothing goes */
	struct successor *successor; /* the key that is to be the next; NULL: none. The caller's */
	struct cookie_checker checker;
	struct ratelimit *ratelimit;
	struct bucket bucket; /* of initiations that are answered without proof of address */
	struct deadlines deadlines;
	struct responder *first_responder;
	unsigned int n_responders, n_unproven; /* of them: without proof of address */
	bool bound;	      /* there are sockets: since a port was set, or the interface came up */
	uint16_t listen_port;
	uint32_t fwmark;
	struct peer *prepare_next; /* from here on peers may lack their ss */
	uint64_t quiet_us; /* control_prepare_at */
	struct peer *likely; /* whose handshake may be the next: added or heard from last; NULL: unknown */
	bool up; /* the interface; while it is down nothing is begun */
	/* Called when the first deadline may have changed, or there is something to prepare, from within any of the calls here. NULL: the caller asks after each. */
	void (*rescheduled)(void *userdata);
	void *userdata;
};

/* d and clock are the caller's and outlive it. 0 or a negative errno. */
int control_init(struct control *c, struct device *d, struct clock *clock);
/* Removes all peers, frees the key, wipes. */
void control_clear(struct control *c);

/* Takes key over (NULL: none). What was made with another key is wiped; of sessions only what they are sent with, as the kernel
 * does, unless there is no new key: then all. A peer with our own public key is removed. 0 or -ENOMEM (no key then). */
int control_set_key(struct control *c, struct static_key *key, struct instant now);
/* Takes key over in place of the one there is. Sessions stand: their other ends know this key already, or go on with what they have. 0 or -ENOMEM: nothing has
 * changed, and key is the caller's. */
int control_adopt_key(struct control *c, struct static_key *key, struct instant now);
/* A handshake with each peer that is spoken with, whose session goes on meanwhile: what shows that its other end has a new key. */
void control_renew(struct control *c, struct instant now);
/* Of the interface. Up: binds (a negative errno when that fails: it stays down), and peers with a persistent keepalive begin. Down:
 * all sessions and handshakes are wiped. */
int control_set_up(struct control *c, bool up, struct instant now);

/* Both sides of the kick: the inbox and the peers that path threads raised. At most so many handshake messages that others get
 * their turn; true: there are more, call again. */
bool control_kicked(struct control *c, struct instant now);
/* The same by a path thread (tunnel/device.h, rule 0): one peer and one message, and nothing at all where the static key, or the next,
 * is asked for by way of the event loop. */
bool control_serve(struct control *c, struct instant now);
/* One datagram of types 1 to 3. */
void control_receive(struct control *c, const void *bytes, size_t len, const struct endpoint *from, struct instant now);

static inline void control_rescheduled(const struct control *c)
{
	if (c->rescheduled)
		c->rescheduled(c->userdata);
}

/* US_NEVER: nothing waits. */
uint64_t control_deadline(const struct control *c);
/* Does what is due. */
void control_run(struct control *c, struct instant now);

/*
 * For idle moments: one X25519 that the next handshake would have to wait for (an ephemeral key, a software key's ss with a
 * peer, the ephemeral key's with the peer that is likely to be the next). False: there was nothing to do.
 */
bool control_prepare(struct control *c);
/*
 * From when on moments are idle enough for that: not while a handshake goes to and fro, whose next message would find the processor taken,
 * here and, with few of them, at the packet threads. Those that come all the time do without.
 */
static inline uint64_t control_prepare_at(const struct control *c)
{
	return c->quiet_us;
}
/* A handshake message was sent, or led to a session. */
void control_busy(struct control *c, uint64_t now_us);

/* -ENOMEM, -EEXIST, -ENOSPC. */
int control_peer_add(struct control *c, const uint8_t public_key[static KEY_SIZE], struct peer **ret);
void control_peer_remove(struct peer *p);
