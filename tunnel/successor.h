/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The key that is to take the place of the interface's static key, tried beside it. Nobody tells us when the other end has it; so each
 * peer is sent an initiation with it from time to time, which an other end that does not have it ignores. From the first that
 * is answered on, that peer is spoken with under the next key, while the present one goes on serving all others. When no peer is left
 * that only knows the present key, the next may take its place: ready. No session ends by it.
 *
 * Approvals, closing and the broker's limits hold for it as for the present key. The control thread's.
 */
#pragma once

#include "tunnel/control.h"

#define SUCCESSOR_TRY_US (5 * US_PER_SEC) /* as often as WireGuard may */
#define SUCCESSOR_RENEW_US (110 * US_PER_SEC) /* before the present key would try in vain */

struct successor;
struct probe;

/* Takes key over. ready: successor_adopt may be called, not from within it. NULL: no memory; key is freed. */
struct successor *successor_new(struct control *c, struct static_key *key, void (*ready)(void *userdata), void *userdata);
/* What is under way is forgotten; sessions stay. Always NULL. */
struct successor *successor_free(struct successor *s);
struct static_key *successor_key(const struct successor *s);

/* Does what is due; to be called each second. */
void successor_tick(struct successor *s, struct instant now);
/* The next key becomes the interface's, and the successor is at its end: free it. 0 or -ENOMEM: nothing has changed. */
int successor_adopt(struct successor *s, struct instant now);

/* Between this and control: a datagram of type 1 or 2 whose mac1 is not the present key's. */
void successor_receive(struct successor *s, const void *bytes, size_t len, const struct endpoint *from, struct instant now);
/* A cookie reply to what stands in the table as e. False: that is not ours. */
bool successor_cookie(const struct index_entry *e, const struct message_cookie *m, struct instant now);
/* With both locks held: of a peer that is closed or goes. Always NULL. */
struct probe *successor_forget_locked(struct successor *s, struct peer *peer, struct probe *p);
