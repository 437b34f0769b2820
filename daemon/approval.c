/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * THREAT MODEL. Whoever gets an approval that nobody gave has the tunnel, so:
 *
 *  1. An approval MUST be granted only with t in hand: the caller unwrapped it with a touch a moment ago. T is computed from t
 *     again here, and a t that is not the tunnel's is refused. Where t never leaves its token, that token MUST have used it a
 *     moment ago: what a psk approval holds can be made of its answers only, and an identity approval opens nothing by itself,
 *     since each use goes to the token again.
 *  2. It MUST end at the earliest of its limits. CLOCK_BOOTTIME counts, and runs on in suspend; nobody but the kernel can set it.
 *     CLOCK_REALTIME, which root, NTP and the firmware may set, MUST only ever shorten: a clock put back adds nothing.
 *  3. Anything odd MUST end it: boot time before the grant, real time that leaves the window, real time that steps back by more
 *     than one slot. (One slot is borne: time services step by seconds after a boot or a resume, and a touch that such a step
 *     throws away would teach people to touch without looking. The chain holds the PSK of exactly one earlier slot, so a larger
 *     step leaves nothing that could be served anyway, and "approved" would be a lie for as long as the step was. A step forward
 *     within the window is borne as well: it only wipes what it jumps over, and moves the mark from which steps back are counted.)
 *  4. It is bound to its tunnel, peer, asking uid, session and token; the end of the session (where so configured) or the removal
 *     of that token MUST end it. Another token does not carry it on, not even one with a keyslot of the same key.
 *  5. Ending MUST wipe the key material before anyone is told, so that no callback can be late for it.
 *  6. What an approval holds MUST NOT reach further than its window: in psk mode no t, shared secret or root, but the epoch keys;
 *     those of epochs gone by are wiped, and within an epoch only a forward chain is kept. Where peers have window keys it MUST end
 *     with the earliest of their windows, on both clocks, and nothing of it says anything about another window.
 *  7. Revoking a peer MUST close it, also where the approval that covers it is the whole tunnel's: that one ends then.
 *  8. The cache MUST be bounded. A full one refuses new approvals; it never drops a live one for another's sake.
 *  9. A failure (memory, arithmetic) MUST leave less approved than before, never more.
 *
 * Not defended against: root and this process's own uid, who can read its memory; whoever may set the real time can end approvals.
 */
#include "daemon/approval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/names.h"
#include "common/outcome.h"
#include "daemon/approval-keys.h"

/* Real time beyond year 10000 is odd, and keeps all sums below far from overflow. */
#define REAL_US_MAX (UINT64_C(253402300800) * US_PER_SEC)
#define BOOT_US_MAX (UINT64_MAX / 2)

struct approval {
	struct approval *next;
	struct approval_request request;
	struct instant granted;
	struct instant until;
	struct approval_keys keys;
	enum approval_end end; /* set when it is taken off the list */
};

struct approvals {
	struct approval *list;
	size_t n, max;
	approval_ended_t ended;
	void *userdata;
};

const char *approval_end_name(enum approval_end e)
{
	switch (e) {
	case APPROVAL_END_NONE:
		return "";
	case APPROVAL_END_EXPIRED:
		return "expired";
	case APPROVAL_END_TOKEN_REMOVED:
		return "token-removed";
	case APPROVAL_END_REVOKED:
		return "revoked";
	case APPROVAL_END_SUSPEND:
		return "suspend";
	case APPROVAL_END_LOCK:
		return "lock";
	case APPROVAL_END_LOGOUT:
		return "logout";
	case APPROVAL_END_CLOCK:
		return "clock";
	case APPROVAL_END_REPLACED:
		return "replaced";
	case APPROVAL_END_RECONFIGURED:
		return "reconfigured";
	case APPROVAL_END_STOPPED:
		return "stopped";
	case APPROVAL_END_UNWATCHED:
		return "unwatched";
	case APPROVAL_END_SESSION_LOST:
		return "session-lost";
	}
	return "";
}

int approvals_new(struct approvals **ret, size_t max, approval_ended_t ended, void *userdata)
{
	struct approvals *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->max = max;
	all->ended = ended;
	all->userdata = userdata;
	*ret = all;
	return 0;
}

static uint64_t slot_of(const struct approval *a, uint64_t real_us)
{
	return schedule_slot(&a->keys.schedule, real_us / US_PER_SEC);
}

/* The one place that says whether an approval is alive. */
static enum approval_end end_at(const struct approval *a, const struct instant *now)
{
	if (now->boot_us >= a->until.boot_us)
		return APPROVAL_END_EXPIRED;
	if (now->boot_us < a->granted.boot_us)
		return APPROVAL_END_CLOCK;
	if (now->real_us >= a->until.real_us) {
		/* Boot time has not run as long as real time says: by little, it drifted; by more, it was set. */
		uint64_t ahead = (now->real_us - a->granted.real_us) - (now->boot_us - a->granted.boot_us);

		return ahead > a->request.slot_seconds * US_PER_SEC ? APPROVAL_END_CLOCK : APPROVAL_END_EXPIRED;
	}
	if (slot_of(a, now->real_us) + 1 < a->keys.slot)
		return APPROVAL_END_CLOCK;
	return APPROVAL_END_NONE;
}

/*
 * Ending goes in three steps, so that a callback may look at the cache, and even end more, whatever is going on: take all that
 * match off the list, wipe all of them, then tell.
 */
struct ending {
	struct approval *list, **tail;
	size_t n;
};

static void ending_init(struct ending *e)
{
	e->list = NULL;
	e->tail = &e->list;
	e->n = 0;
}

/* *at is taken off the list; the next one is then at *at. */
static void ending_take(struct ending *e, struct approvals *all, struct approval **at, enum approval_end why)
{
	struct approval *a = *at;

	*at = a->next;
	all->n--;
	approval_keys_clear(&a->keys);
	a->end = why;
	a->next = NULL;
	*e->tail = a;
	e->tail = &a->next;
	e->n++;
}

static size_t ending_tell(struct ending *e, struct approvals *all)
{
	struct approval *a, *next;

	for (a = e->list; a; a = next) {
		next = a->next;
		if (all->ended)
			all->ended(all->userdata, a, a->end);
		free(a);
	}
	return e->n;
}

struct approvals *approvals_free(struct approvals *all)
{
	struct ending e;

	if (!all)
		return NULL;
	ending_init(&e);
	while (all->list)
		ending_take(&e, all, &all->list, APPROVAL_END_STOPPED);
	ending_tell(&e, all);
	free(all);
	return NULL;
}

static bool is_of(const struct approval *a, const char *ifname)
{
	return strcmp(a->request.ifname, ifname) == 0;
}

static bool covers(const struct approval *a, const uint8_t *peer)
{
	return !peer || a->request.whole_tunnel || key_equal(a->request.peer, peer);
}

/* A whole tunnel's takes the place of all that the tunnel has; a peer's only that of the same peer's. */
static bool replaces(const struct approval_request *request, const struct approval *old)
{
	if (!is_of(old, request->ifname))
		return false;
	return request->whole_tunnel || (!old->request.whole_tunnel && key_equal(old->request.peer, request->peer));
}

static bool text_is_terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool request_valid(const struct approval_request *q, const struct config *config)
{
	if (!text_is_terminated(q->ifname, sizeof(q->ifname)) || !text_is_terminated(q->session, sizeof(q->session)) ||
	    !text_is_terminated(q->token_id, sizeof(q->token_id)))
		return false;
	if (!ifname_valid(q->ifname) || strcmp(q->ifname, config->ifname) != 0 || q->token_id[0] == '\0')
		return false;
	if (q->lifetime_seconds < 1 || q->lifetime_seconds > WGFIDO_LIFETIME_MAX_SECONDS)
		return false;
	if (!schedule_slot_seconds_valid(q->slot_seconds))
		return false;
	/* The interface's own key has no parts. */
	return q->whole_tunnel || config->mode == CONFIG_MODE_PSK;
}

/* What the request may ask for at most: the end of the earliest window of those that it covers. 0: one is over, or not there yet. */
static uint64_t cap_lifetime(uint64_t lifetime_us, const struct approval_request *request, const struct config *config,
	const struct window_point *points, const struct instant *now)
{
	for (size_t i = 0; points && i < config->n_peers; i++) {
		const struct schedule_window *w = &points[i].window;

		if (!points[i].windowed || (!request->whole_tunnel && !key_equal(request->peer, config->peers[i].public_key)))
			continue;
		if (now->real_us < w->start * US_PER_SEC || now->real_us >= w->end * US_PER_SEC)
			return 0;
		if (lifetime_us > w->end * US_PER_SEC - now->real_us)
			lifetime_us = w->end * US_PER_SEC - now->real_us;
	}
	return lifetime_us;
}

/* t NULL: resident */
static int grant(struct approvals *all, const struct approval **ret, const struct approval_request *request,
	const struct config *config, const struct secret *t, struct secret *const *shared, const struct window_point *points,
	const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared, const struct instant *now)
{
	struct schedule schedule = { .slot_seconds = request->slot_seconds };
	uint64_t lifetime_us = request->lifetime_seconds * US_PER_SEC, first, last;
	const uint8_t *peer = request->whole_tunnel ? NULL : request->peer;
	uint8_t public_key[KEY_SIZE];
	struct approval *a, **at;
	size_t n_replaced = 0;
	struct ending e;
	int r;

	*ret = NULL;
	if (!request_valid(request, config) || (t && secret_len(t) != SECRET_KEY_SIZE))
		return OUTCOME_INVALID_ARGUMENT;
	if (now->real_us > REAL_US_MAX || now->boot_us > BOOT_US_MAX)
		return -ERANGE;
	lifetime_us = cap_lifetime(lifetime_us, request, config, points, now);
	if (lifetime_us == 0)
		return OUTCOME_CANCELLED;
	if (t) {
		schedule_public(public_key, t);
		if (!key_equal(public_key, token_public))
			return OUTCOME_INVALID_ARGUMENT;
	}

	for (a = all->list; a; a = a->next)
		n_replaced += replaces(request, a);
	if (all->n - n_replaced >= all->max)
		return OUTCOME_LIMIT_EXCEEDED;

	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->request = *request;
	a->granted = *now;
	a->until.boot_us = now->boot_us + lifetime_us;
	a->until.real_us = now->real_us + lifetime_us;
	first = schedule_slot(&schedule, now->real_us / US_PER_SEC);
	last = schedule_slot(&schedule, (a->until.real_us - 1) / US_PER_SEC);
	if (t)
		r = approval_keys_make(&a->keys, config, peer, t, token_public, preshared, request->slot_seconds, first, last);
	else
		r = approval_keys_make_resident(&a->keys, config, peer, shared, points, token_public, preshared, request->slot_seconds,
			first, last);
	if (r != 0) {
		free(a);
		return r;
	}

	/* The new one is in place when the end of the old is told: the callback sees that the tunnel stays open. */
	ending_init(&e);
	for (at = &all->list; *at;)
		if (replaces(request, *at))
			ending_take(&e, all, at, APPROVAL_END_REPLACED);
		else
			at = &(*at)->next;
	a->next = all->list;
	all->list = a;
	all->n++;
	ending_tell(&e, all);

	/* Unless that callback has ended it. */
	for (struct approval *i = all->list; i; i = i->next)
		if (i == a) {
			*ret = a;
			return 0;
		}
	return OUTCOME_NOT_APPROVED;
}

int approvals_grant(struct approvals *all, const struct approval **ret, const struct approval_request *request,
	const struct config *config, const struct secret *t, const uint8_t token_public[static KEY_SIZE],
	struct secret *const *preshared, const struct instant *now)
{
	return grant(all, ret, request, config, t, NULL, NULL, token_public, preshared, now);
}

int approvals_grant_resident(struct approvals *all, const struct approval **ret, const struct approval_request *request,
	const struct config *config, struct secret *const *shared, const struct window_point *points,
	const uint8_t token_public[static KEY_SIZE], struct secret *const *preshared, const struct instant *now)
{
	return grant(all, ret, request, config, NULL, shared, points, token_public, preshared, now);
}

/* Where several cover the peer, the one that lasts longest. */
static struct approval *find(const struct approvals *all, const char *ifname, const uint8_t *peer, const struct instant *now)
{
	struct approval *found = NULL;

	for (struct approval *a = all->list; a; a = a->next)
		if (is_of(a, ifname) && covers(a, peer) && end_at(a, now) == APPROVAL_END_NONE &&
		    (!found || a->until.boot_us > found->until.boot_us))
			found = a;
	return found;
}

const struct approval *approvals_find(const struct approvals *all, const char *ifname, const uint8_t *peer,
	const struct instant *now)
{
	return find(all, ifname, peer, now);
}

size_t approvals_end_token(struct approvals *all, const char *token_id)
{
	struct approval **at;
	struct ending e;

	ending_init(&e);
	for (at = &all->list; *at;)
		if (!token_id || strcmp((*at)->request.token_id, token_id) == 0)
			ending_take(&e, all, at, APPROVAL_END_TOKEN_REMOVED);
		else
			at = &(*at)->next;
	return ending_tell(&e, all);
}

size_t approvals_end(struct approvals *all, const char *ifname, const uint8_t *peer, enum approval_end why)
{
	struct approval **at;
	struct ending e;

	ending_init(&e);
	for (at = &all->list; *at;)
		if ((!ifname || is_of(*at, ifname)) && covers(*at, peer))
			ending_take(&e, all, at, why);
		else
			at = &(*at)->next;
	return ending_tell(&e, all);
}

size_t approvals_end_session(struct approvals *all, const char *session, enum approval_end why)
{
	struct approval **at;
	struct ending e;

	ending_init(&e);
	/* "" is no session: what was granted without one does not end with the first that says it has none. */
	for (at = &all->list; *at;)
		if (session[0] != '\0' && strcmp((*at)->request.session, session) == 0)
			ending_take(&e, all, at, why);
		else
			at = &(*at)->next;
	return ending_tell(&e, all);
}

size_t approvals_expire(struct approvals *all, const struct instant *now)
{
	struct approval **at;
	struct ending e;

	ending_init(&e);
	for (at = &all->list; *at;) {
		enum approval_end why = end_at(*at, now);

		/* Keys that cannot follow the time (out of memory) are not kept behind it. */
		if (why == APPROVAL_END_NONE && approval_keys_advance(&(*at)->keys, slot_of(*at, now->real_us)) < 0)
			why = APPROVAL_END_CLOCK;
		if (why != APPROVAL_END_NONE)
			ending_take(&e, all, at, why);
		else
			at = &(*at)->next;
	}
	return ending_tell(&e, all);
}

/* The boot time at which the next slot begins or the window ends on either clock, if nobody sets the real one meanwhile. */
static uint64_t next_of(const struct approval *a, const struct instant *now)
{
	uint64_t slot_end = schedule_slot_start(&a->keys.schedule, slot_of(a, now->real_us) + 1) * US_PER_SEC;
	uint64_t real = slot_end < a->until.real_us ? slot_end : a->until.real_us;
	uint64_t next;

	if (end_at(a, now) != APPROVAL_END_NONE)
		return now->boot_us;
	next = now->boot_us + (real - now->real_us);
	return next < a->until.boot_us ? next : a->until.boot_us;
}

uint64_t approvals_next(const struct approvals *all, const struct instant *now)
{
	uint64_t next = US_NEVER;

	for (const struct approval *a = all->list; a; a = a->next) {
		uint64_t one = next_of(a, now);

		if (one < next)
			next = one;
	}
	return next;
}

int approvals_psk(struct approvals *all, struct secret **ret, uint64_t *ret_start, uint64_t *ret_end, const char *ifname,
	const uint8_t peer[static KEY_SIZE], const struct instant *now)
{
	struct approval *a = find(all, ifname, peer, now);
	const struct approval_peer_key *key;
	uint64_t slot;
	int r;

	if (!a || a->keys.mode != CONFIG_MODE_PSK)
		return OUTCOME_NOT_APPROVED;
	slot = slot_of(a, now->real_us);
	r = approval_keys_advance(&a->keys, slot);
	if (r < 0)
		return r == -ERANGE ? OUTCOME_NOT_APPROVED : r;
	r = approval_keys_psk(ret, &a->keys, peer, slot);
	if (r != 0)
		return r;

	key = approval_keys_find(&a->keys, peer);
	*ret_start = key->schedule == CONFIG_SCHEDULE_STATIC ? 0 : schedule_slot_start(&a->keys.schedule, slot);
	*ret_end = key->schedule == CONFIG_SCHEDULE_STATIC ? UINT64_MAX : schedule_slot_start(&a->keys.schedule, slot + 1);
	return 0;
}

int approvals_psk_of_slot(struct approvals *all, struct secret **ret, uint64_t *ret_start, uint64_t *ret_end, const char *ifname,
	const uint8_t peer[static KEY_SIZE], uint64_t slot, const struct instant *now)
{
	struct approval *a = find(all, ifname, peer, now);
	const struct approval_peer_key *key;
	uint64_t own;
	int r;

	if (!a || a->keys.mode != CONFIG_MODE_PSK)
		return OUTCOME_NOT_APPROVED;
	own = slot_of(a, now->real_us);
	if (slot < own ? own - slot > 1 : slot - own > APPROVALS_SLOTS_AHEAD)
		return OUTCOME_NOT_APPROVED;
	key = approval_keys_find(&a->keys, peer);
	if (!key || key->schedule != CONFIG_SCHEDULE_TIME)
		return OUTCOME_NOT_APPROVED;
	/* To now's slot, as every look at the keys does, and not to the one that is asked for. */
	r = approval_keys_advance(&a->keys, own);
	if (r < 0)
		return r == -ERANGE ? OUTCOME_NOT_APPROVED : r;
	r = slot > a->keys.slot ? approval_keys_psk_ahead(ret, &a->keys, peer, slot) : approval_keys_psk(ret, &a->keys, peer, slot);
	if (r != 0)
		return r;
	*ret_start = schedule_slot_start(&a->keys.schedule, slot);
	*ret_end = schedule_slot_start(&a->keys.schedule, slot + 1);
	return 0;
}

int approvals_private_key(struct approvals *all, const struct secret **ret, const char *ifname, const struct instant *now)
{
	struct approval *a = find(all, ifname, NULL, now);

	if (!a || a->keys.mode != CONFIG_MODE_IDENTITY)
		return OUTCOME_NOT_APPROVED;
	if (!a->keys.private_key)
		return OUTCOME_UNSUPPORTED;
	*ret = a->keys.private_key;
	return 0;
}

const struct approval_request *approval_request(const struct approval *a)
{
	return &a->request;
}

uint64_t approval_until_boot_us(const struct approval *a)
{
	return a->until.boot_us;
}

const struct instant *approval_granted(const struct approval *a)
{
	return &a->granted;
}
