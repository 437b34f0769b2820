/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The token's side of wgX25519 (docs/ctaphid-x25519.md) without I/O, clock or allocation: a request, the time and
 * the finger in, an answer out. Freestanding: the caller brings the primitives (token/x25519/crypto.h), a place
 * that keeps keys over an unplug, and CTAPHID.
 *
 * Keys come from storage for the length of a call and are wiped after it. What a CTAPHID channel has going on in
 * here ends with x25519_device_forget: to be called when that channel is initialised anew or given up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/x25519/channel.h"

/* Firmware may choose others, up to X25519_SLOTS_LIMIT and X25519_HOSTS_LIMIT. */
#ifndef X25519_DEVICE_SLOTS
#define X25519_DEVICE_SLOTS 8
#endif
#ifndef X25519_DEVICE_HOSTS
#define X25519_DEVICE_HOSTS 4
#endif
#ifndef X25519_DEVICE_CHANNELS
#define X25519_DEVICE_CHANNELS 4 /* at the same time; the one unused for longest ends when more are opened */
#endif

/* What storage keeps of a slot. Secret. */
struct x25519_slot {
	bool used; /* all below counts only then */
	bool imported;
	uint8_t owner; /* a host's index, or X25519_NO_HOST */
	enum x25519_touch touch;
	uint16_t cached_seconds;
	uint8_t private_key[X25519_KEY_SIZE], public_key[X25519_KEY_SIZE];
};

/* What storage keeps of a host that was paired. */
struct x25519_host {
	bool used;
	uint8_t public_key[X25519_KEY_SIZE];
};

/*
 * All return 0, or something else when it cannot be read or written: nothing is changed then. A write is on its
 * medium when it returns, and is whole or not there.
 */
struct x25519_storage {
	/* The token's channel key; *ret_used is false where there is none yet. */
	int (*read_identity)(void *userdata, uint8_t ret[static X25519_KEY_SIZE], bool *ret_used);
	int (*write_identity)(void *userdata, const uint8_t private_key[static X25519_KEY_SIZE]);
	int (*read_slot)(void *userdata, unsigned int slot, struct x25519_slot *ret);
	int (*write_slot)(void *userdata, unsigned int slot, const struct x25519_slot *s); /* used false: overwritten */
	int (*read_host)(void *userdata, unsigned int host, struct x25519_host *ret);
	int (*write_host)(void *userdata, unsigned int host, const struct x25519_host *h);
};

struct x25519_session {
	uint32_t cid; /* the CTAPHID channel */
	uint32_t used;
	uint8_t host;
	bool proven; /* a sealed request came: not somebody who plays a recorded CHANNEL */
	struct x25519_channel channel;
};

struct x25519_device {
	const struct x25519_crypto *crypto;
	const struct x25519_storage *storage;
	void *userdata;
	struct x25519_hello hello;
	struct x25519_session sessions[X25519_DEVICE_CHANNELS];
	uint32_t use_count;
	uint64_t touched_until_ms[X25519_DEVICE_SLOTS]; /* X25519_TOUCH_CACHED; 0: not touched */
};

/* What became of the touch that was asked for. */
enum x25519_finger {
	X25519_FINGER_NONE, /* not asked for yet */
	X25519_FINGER_GIVEN,
	X25519_FINGER_DENIED,
	X25519_FINGER_TIMEOUT,
	X25519_FINGER_CANCELLED,
};

struct x25519_call {
	uint32_t cid; /* the CTAPHID channel that it came on */
	const uint8_t *request;
	size_t len; /* 1..X25519_MESSAGE_MAX: everything else is CTAPHID's ERR_INVALID_LEN */
	uint64_t now_ms; /* since any moment before it was plugged in; only for X25519_TOUCH_CACHED */
	enum x25519_finger finger;
};

/*
 * X25519_TOUCH_WANTED: nothing was done. The caller tells the person and the host (KEEPALIVE), waits, and calls
 * again with the same request and what became of it, before any other request of the same CTAPHID channel.
 */
enum x25519_verdict { X25519_ANSWERED, X25519_TOUCH_WANTED };

/* features: of enum x25519_feature. Makes the channel key where there is none. False: no randomness, or no storage. */
bool x25519_device_init(struct x25519_device *d, const struct x25519_crypto *crypto,
	const struct x25519_storage *storage, void *userdata, uint32_t features);
/* After storage was emptied (authenticatorReset): all channels end, and there is a new channel key. False: there is none, and
 * nobody is paired or gets a channel. */
bool x25519_device_reset(struct x25519_device *d);
void x25519_device_forget(struct x25519_device *d, uint32_t cid);
/* Wipes it; storage stays. */
void x25519_device_clear(struct x25519_device *d);

enum x25519_verdict x25519_device_handle(struct x25519_device *d, const struct x25519_call *call,
	uint8_t answer[static X25519_MESSAGE_MAX], size_t *ret_len);
