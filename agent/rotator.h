/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guarded interface at the token's side: what WireGuard should hold, given what the broker allows and what the interface
 * was last seen to hold. Pure: a snapshot, the broker's word and the time go in, changes come out; guard.c carries them out and
 * looks again, and what was changed counts only when it was seen in the next snapshot.
 *
 * Everything starts closed and ends closed. A peer is open only while an approval that this side's own CLOCK_BOOTTIME has not seen
 * expire, a PSK of the slot at hand (identity: the private key) and nothing that holds the interface closed come together.
 */
#pragma once

#include "agent/derive.h"
#include "agent/hunt.h"
#include "agent/plan.h"
#include "agent/status.h"
#include "common/clock.h"

#define ROTATOR_NO_SLOT UINT64_MAX
#define ROTATOR_TRIES 3 /* to see in a snapshot what was set, before an opening is given up */

enum rotator_phase {
	ROTATOR_RENEW,	/* to be removed and added again: no session lives through opening or closing */
	ROTATOR_UPDATE, /* only the PSK is to change: the next slot, drift */
	ROTATOR_ISSUED, /* sent, not seen yet */
	ROTATOR_SETTLED,
};

struct rotator_peer {
	uint8_t public_key[KEY_SIZE];
	const struct config_peer *conf; /* NULL: only the interface has it */
	bool present, open, failed;
	enum rotator_phase phase;
	unsigned int tries;
	uint64_t approved_until_us; /* CLOCK_BOOTTIME; 0: not approved */
	struct secret *psk;	    /* what WireGuard shall hold; while closed one that nobody else knows */
	struct secret *own;	    /* from the broker, not in psk yet */
	struct secret *original;    /* the PSK before ours, where the mode was not known yet */
	bool has_original;
	struct derive other; /* both ends have a token: the other token's half */
	struct hunt hunt;    /* and which slot to hold, where it is ours to hunt */
	uint64_t slot_start, slot_end;
	uint64_t asked_start; /* of the slot that was asked for by number; ROTATOR_NO_SLOT: of none */
	bool asking;
	unsigned int failures;
	uint64_t ask_after_us;
	uint16_t keepalive; /* to be restored at opening */
	uint64_t set_real_us, previous_set_real_us; /* 0: the one before was the closing one */
	uint64_t last_handshake_us, drift;
	const char *reason;
};

struct rotator {
	const struct config *config; /* borrowed; NULL: none that is valid */
	bool identity;
	const char *hold; /* closed, whatever the broker says; NULL: not */
	bool release; /* give back what was taken while no config was known, and touch nothing else */
	bool has_public;
	uint8_t public_key[KEY_SIZE];	     /* the tunnel's: of its token key, or the identity's */
	uint64_t approved_until_us;	     /* identity */
	struct secret *key;		     /* identity: on its way to WireGuard */
	bool open, asking, failed;	     /* identity */
	bool resident;			     /* identity: its key is in a token, and there is none to be asked for */
	bool has_next;			     /* of such a one: the key that is to take its place */
	uint8_t next_key[KEY_SIZE];
	bool stands_back;		     /* identity: the interface is wgfido-tunnel's, which guards itself; open is what it is then */
	uint8_t open_key[KEY_SIZE];	     /* that it was open with last, */
	uint64_t open_until_us;		     /* in which approval, */
	bool switched;			     /* and not the one that this approval began with */
	enum rotator_phase phase;	     /* identity */
	unsigned int tries, failures;	     /* identity */
	uint64_t ask_after_us, set_real_us, drift; /* identity */
	const char *reason;		     /* why it is not open; NULL: nothing to add */
	uint32_t ifindex;		     /* 0: not there */
	bool unknown_interface;		     /* an interface that was not there at the last look: see rotator_restore */
	bool keepalive_changed;		     /* to be written before the plan is carried out */
	size_t n_unguarded, n_missing;
	uint8_t unguarded_key[KEY_SIZE], missing_key[KEY_SIZE]; /* the first of each */
	struct hunt_clock clock;	     /* slot_us 0: nothing was looked at yet */
	size_t n_peers;
	struct rotator_peer *peers;
	const struct secret *const *preshared; /* borrowed: those of the config's peers, in its order */
};

int rotator_new(struct rotator **ret);
struct rotator *rotator_free(struct rotator *r);

/* config NULL: no valid one is known; every peer of the interface is kept closed. -ENOMEM: nothing has changed. */
int rotator_configure(struct rotator *r, const struct config *config, const struct secret *const *preshared);
void rotator_hold(struct rotator *r, const char *reason);

/* The broker's word. public_key NULL: not enrolled. until_us: CLOCK_BOOTTIME, 0: not approved. True: it was another before. */
bool rotator_tunnel(struct rotator *r, const uint8_t *public_key, uint64_t until_us);
/* Is its key in a token, and which is to be the next (NULL: none)? Before rotator_tunnel. True: it was otherwise before. */
bool rotator_resident(struct rotator *r, bool resident, const uint8_t *next_key);
bool rotator_approve(struct rotator *r, const uint8_t public_key[static KEY_SIZE], uint64_t until_us);
void rotator_forget_approvals(struct rotator *r);

/* What to ask the broker for now. Each is told once and then awaited (rotator_got_*). */
enum rotator_want { ROTATOR_WANT_NONE, ROTATOR_WANT_PSK, ROTATOR_WANT_KEY };
/* *ret_slot: whose PSK; ROTATOR_NO_SLOT: that at hand. */
enum rotator_want rotator_next_want(struct rotator *r, const struct instant *now, uint8_t ret_peer[static KEY_SIZE],
	uint64_t *ret_slot);
/* NULL: there is none. Otherwise taken over. */
void rotator_got_psk(struct rotator *r, const uint8_t public_key[static KEY_SIZE], struct secret *psk, uint64_t slot_start,
	uint64_t slot_end, const struct instant *now);
void rotator_got_key(struct rotator *r, struct secret *key, const struct instant *now);

/* The keepalives of an interface that an earlier agent closed. */
void rotator_restore(struct rotator *r, const struct keepalive *all, size_t n);
/* Malloc'ed; what is to be remembered. */
int rotator_keepalives(const struct rotator *r, struct keepalive **ret, size_t *ret_n);

/* d NULL: there is no such interface. -ENOMEM. Until the plan comes out empty: carry it out and look again. */
int rotator_look(struct rotator *r, const struct device *d, const struct instant *now, struct plan *plan);
/* rotator_look's way to see that an interface is a new one, before it plans for it. */
bool rotator_is_new(const struct rotator *r, const struct device *d);

/* CLOCK_BOOTTIME of the next thing to do that no event announces. */
uint64_t rotator_next(const struct rotator *r, const struct instant *now);
bool rotator_is_open(const struct rotator *r);
bool rotator_is_settled(const struct rotator *r);
uint64_t rotator_drift(const struct rotator *r);
void rotator_status_peer(const struct rotator *r, size_t i, struct status_peer *ret);

/* Between the files of the rotator. */
int rotator_look_psk(struct rotator *r, struct rotator_peer *p, const struct device_peer *dp, const struct device *d,
	const struct instant *now, struct plan *plan);
int rotator_look_identity(struct rotator *r, const struct device *d, const struct instant *now, struct plan *plan);
struct rotator_peer *rotator_find(const struct rotator *r, const uint8_t public_key[static KEY_SIZE]);
/*
 * Both ends have a token: the side with the greater token public key holds the slot that the other one seems to be at, as a
 * gateway does; the other never leaves its own clock's.
 */
void rotator_set_clock(struct rotator *r, const struct instant *now);
bool rotator_hunts(const struct rotator *r, const struct rotator_peer *p);
/* False: none is permitted. */
bool rotator_hunted_slot(const struct rotator *r, const struct rotator_peer *p, const struct instant *now, uint64_t *ret_slot);
/* CLOCK_BOOTTIME at which it may be another. */
uint64_t rotator_hunted_slot_end(const struct rotator *r, const struct instant *now);
