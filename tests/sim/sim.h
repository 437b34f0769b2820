/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway's agent (the real one, on a fake WireGuard) and its clients, in simulated time: a second a step. A client has a
 * clock of its own, WireGuard's retry timers and a link that loses packets. Its PSKs come straight from common/schedule.
 */
#pragma once

#include "agent/guard.h"
#include "tests/sim/fake-wg.h"

#define SIM_SLOT 120
#define SIM_PSKS 4096

struct sim_client {
	bool on;		 /* has traffic to send, always */
	int64_t clock_us;	 /* ahead of true time */
	int64_t frozen_slot;	 /* >= 0: goes on with this slot's PSK, as a stopped agent or a copy of the machine does */
	unsigned int loss;	 /* per cent of handshakes that do not make it */
	uint64_t next_try_us;	 /* CLOCK_BOOTTIME */
	uint64_t session_us;	 /* its newest session began; 0: none */
	uint64_t n_handshakes;
	uint64_t longest_gap_us; /* without a session, since sim_forget_gaps */
	uint64_t gap_since_us;
	int64_t last_slot; /* of its last handshake */
};

struct sim {
	struct clock_fake clock; /* the gateway's */
	int64_t true_us;	 /* true time minus the gateway's CLOCK_REALTIME */
	struct fake_wg *wg;
	struct guard_world world;
	struct guard *guard;
	char *dir;
	uint8_t client_public[KEY_SIZE];
	struct secret *psks[SIM_PSKS]; /* by slot, from first_slot on */
	int64_t first_slot;
	struct secret *token, *gateway;
	struct schedule_parties parties;
	const struct window_plan *windows; /* NULL: none */
	uint32_t random;
	/* What the gateway had set, for the invariants. */
	int64_t furthest, furthest_at; /* slot that a handshake confirmed, and the steady slot then */
	bool has_furthest;
	uint64_t changed_us; /* CLOCK_BOOTTIME of its last change */
	unsigned int n_tried; /* PSKs of other slots than its own and the peer's last */
};

void sim_begin(struct sim *s);
/* With window keys. plan outlives s. */
void sim_begin_windows(struct sim *s, const struct window_plan *plan);
void sim_end(struct sim *s);
/* n seconds; all clients are the same peer. Asserts at every PSK the gateway sets that it was one it may try. */
void sim_run(struct sim *s, struct sim_client *clients, size_t n_clients, unsigned int seconds);
void sim_forget_gaps(struct sim *s, struct sim_client *clients, size_t n);
/* The slot by true time. */
int64_t sim_slot(const struct sim *s);
struct status_peer sim_status(const struct sim *s);
