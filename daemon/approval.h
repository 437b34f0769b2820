/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cache of user presence. Pure: time is an argument, key material comes and goes as struct secret.
 * approval.c opens with the threat model in MUSTs.
 *
 * An approval opens one tunnel, or one peer of it, for a window of time, and holds what the window needs: in psk mode the
 * epoch keys K[e] of each peer for the window's epochs; in identity mode t itself, or nothing where t never leaves its token.
 * Ending it wipes that first and then tells the owner. "All" (scope global) is one approval per tunnel.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/schedule.h"
#include "common/window.h"
#include "common/wire.h"

enum approval_end {
	APPROVAL_END_NONE,
	APPROVAL_END_EXPIRED,
	APPROVAL_END_TOKEN_REMOVED,
	APPROVAL_END_REVOKED,
	APPROVAL_END_SUSPEND,
	APPROVAL_END_LOCK,
	APPROVAL_END_LOGOUT,
	APPROVAL_END_CLOCK,	   /* real time left the window */
	APPROVAL_END_REPLACED,	   /* by a newer approval of the same thing */
	APPROVAL_END_RECONFIGURED, /* its config or key file changed */
	APPROVAL_END_STOPPED,	   /* the broker stops */
	APPROVAL_END_UNWATCHED,	   /* nobody tells any more of what would end it */
	APPROVAL_END_SESSION_LOST, /* its card has forgotten that the PIN was given */
};
const char *approval_end_name(enum approval_end e); /* "expired", "token-removed", ... "" for none */

struct approval_request {
	char ifname[IF_NAMESIZE];
	bool whole_tunnel;
	uint8_t peer[KEY_SIZE];		/* unless whole_tunnel */
	uid_t uid;			/* who asked */
	char session[32];		/* logind's id, "" if none */
	char token_id[64];		/* which token was touched; "" for none is not allowed */
	enum wire_uv uv;
	uint32_t lifetime_seconds;	/* as asked, capped by the caller to the config's lifetime */
	uint32_t slot_seconds;
};

struct approvals; /* the cache */
struct approval;

typedef void (*approval_ended_t)(void *userdata, const struct approval *a, enum approval_end why);

/*
 * ended is called after the key material is wiped, just before a is freed. It may look at the cache and end more of it; in
 * APPROVAL_END_REPLACED it finds the new approval in place already.
 */
int approvals_new(struct approvals **ret, size_t max, approval_ended_t ended, void *userdata);
struct approvals *approvals_free(struct approvals *all); /* ends all with APPROVAL_END_STOPPED */

/*
 * t is borrowed: what the window needs is made from it here (approval holds no t in psk mode). parties' peers come
 * from config: every peer of the tunnel, or the one. preshared[i] (may be NULL) belongs to config->peers[i].
 * Replaces an earlier approval of the same peer, or, for a whole tunnel, all that the tunnel has (END_REPLACED).
 * OUTCOME_LIMIT_EXCEEDED; OUTCOME_INVALID_ARGUMENT: t does not give token_public, the peer is not in config, a peer's key is a
 * low-order point, lifetime or slots out of range, a peer asked for in identity mode. On failure all is as it was.
 */
int approvals_grant(struct approvals *all, const struct approval **ret, const struct approval_request *request,
	const struct config *config, const struct secret *t, const uint8_t token_public[static KEY_SIZE],
	struct secret *const *preshared, const struct instant *now);

/*
 * The same where t never leaves its token: the caller has just had it used, with a touch where it wants one. shared: what the token
 * made of t and the point of config->peers[i], NULL for peers that are not asked for; in identity mode NULL, and the caller has seen
 * the proof that the token has the key of token_public. points: of window_points(), at which the token was asked; NULL: no peer has
 * window keys, and the points are the peers' public keys. The approval then ends with the earliest of their windows at the latest;
 * OUTCOME_CANCELLED: that one is over already. OUTCOME_UNSUPPORTED: a peer has window keys, and its point is none of them (approvals_grant
 * refuses such a peer always: who has t has every window).
 */
int approvals_grant_resident(struct approvals *all, const struct approval **ret, const struct approval_request *request,
	const struct config *config, struct secret *const *shared, const struct window_point *points,
	const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared, const struct instant *now);

/* The approval that covers this peer (peer NULL: any of the tunnel), the longest lasting, or NULL. Never one that is over at now. */
const struct approval *approvals_find(const struct approvals *all, const char *ifname, const uint8_t *peer,
	const struct instant *now);

/*
 * Ends what matches. NULL token/ifname/peer = any. A peer's end takes with it the whole tunnel's approval that covers the peer.
 * An empty session matches none. Returns how many.
 */
size_t approvals_end_token(struct approvals *all, const char *token_id);
size_t approvals_end(struct approvals *all, const char *ifname, const uint8_t *peer, enum approval_end why);
size_t approvals_end_session(struct approvals *all, const char *session, enum approval_end why);

/*
 * Ends what is over at now: boot time at the deadline, or real time at it (END_EXPIRED; END_CLOCK when it was set ahead by more
 * than a slot); real time back by more than one slot from the latest seen, boot time back at all (END_CLOCK). Moves the keys of the others forward to now's slot, so
 * that earlier PSKs can no longer be computed. approvals_next returns the boot_us at which to call it again, US_NEVER if nothing is
 * alive; call it too whenever the clock was set (TFD_TIMER_CANCEL_ON_SET) and after a resume.
 */
size_t approvals_expire(struct approvals *all, const struct instant *now);
uint64_t approvals_next(const struct approvals *all, const struct instant *now);

/*
 * The PSK of the slot at now for this peer, and that slot's bounds in unix seconds (static: 0 and UINT64_MAX).
 * OUTCOME_NOT_APPROVED, also for a slot outside the window.
 */
int approvals_psk(struct approvals *all, struct secret **ret, uint64_t *ret_start, uint64_t *ret_end, const char *ifname,
	const uint8_t peer[static KEY_SIZE], const struct instant *now);
/*
 * The same of a slot that the caller names, for the side that hunts where both ends have a token: at most one behind now's and
 * APPROVALS_SLOTS_AHEAD ahead of it, and of the window. OUTCOME_NOT_APPROVED for any other, and for Schedule = static. What can
 * be had later stays as if nobody had asked.
 */
#define APPROVALS_SLOTS_AHEAD 5
int approvals_psk_of_slot(struct approvals *all, struct secret **ret, uint64_t *ret_start, uint64_t *ret_end, const char *ifname,
	const uint8_t peer[static KEY_SIZE], uint64_t slot, const struct instant *now);
/* Identity mode: the private key, borrowed. OUTCOME_NOT_APPROVED. OUTCOME_UNSUPPORTED: it never leaves its token. */
int approvals_private_key(struct approvals *all, const struct secret **ret, const char *ifname, const struct instant *now);

const struct approval_request *approval_request(const struct approval *a);
uint64_t approval_until_boot_us(const struct approval *a);
const struct instant *approval_granted(const struct approval *a);
