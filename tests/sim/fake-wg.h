/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A WireGuard interface in memory behind struct device_backend, with what of WireGuard matters to an agent: keys, sessions that
 * outlive a new PSK and die with the peer, the handshake that needs equal PSKs, counters.
 */
#pragma once

#include "agent/device.h"
#include "common/clock.h"

struct fake_peer {
	uint8_t public_key[KEY_SIZE];
	struct secret *psk;
	uint16_t keepalive;
	union device_endpoint endpoint;
	struct device_allowed_ip allowed_ip;
	uint64_t rx_bytes, last_handshake_us;
	uint64_t session_boot_us; /* of the newest session; 0: none */
};

struct fake_wg {
	struct device_backend backend;
	struct clock_fake *clock;
	bool present;
	uint32_t ifindex;
	struct secret *private_key;
	uint8_t public_of[KEY_SIZE], public_key[KEY_SIZE]; /* one private key and its public one */
	size_t n_peers;
	struct fake_peer *peers;
	/* For tests to look at, or to set: what set() shall do next. */
	unsigned int n_gets, n_sets;
	int get_error, set_error;
	bool ignore_sets;
	/* Called after every change. */
	void (*changed)(struct fake_wg *w);
	void *userdata;
};

struct fake_wg *fake_wg_new(struct clock_fake *clock);
void fake_wg_free(struct fake_wg *w);
/* Made anew: another index, no peers. */
void fake_wg_create(struct fake_wg *w, const struct secret *private_key);
void fake_wg_delete(struct fake_wg *w);
struct fake_peer *fake_wg_add_peer(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE], const struct secret *psk,
	uint16_t keepalive);
void fake_wg_remove_peer(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE]);
struct fake_peer *fake_wg_peer(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE]);
void fake_wg_set_psk(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE], const struct secret *psk);

/* An initiation of this peer arrives with this PSK behind it: counted; a handshake when the PSKs agree. */
bool fake_wg_initiation(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE], const struct secret *psk);
/* Is there a session that still passes packets? */
bool fake_wg_session(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE]);
