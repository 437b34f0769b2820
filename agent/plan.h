/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A struct device_change as it is being made: what the pure parts of the agent hand to the backend. */
#pragma once

#include "agent/device.h"

struct plan {
	enum device_private_key_how private_key_how;
	const struct secret *private_key; /* borrowed */
	size_t n_peers, size;
	struct device_peer_change *peers; /* what they point to is borrowed from the snapshot and the planner */
};

/* A new PSK on a peer that is there. -ENOMEM. */
int plan_update(struct plan *p, const uint8_t public_key[static KEY_SIZE], const struct secret *psk);
/* Remove and add again in one message, as the snapshot has it but for PSK (NULL: none) and keepalive. -ENOMEM. */
int plan_renew(struct plan *p, const struct device_peer *peer, const struct secret *psk, uint16_t keepalive);
bool plan_empty(const struct plan *p);
struct device_change plan_change(const struct plan *p);
void plan_clear(struct plan *p);

/* NULL is the zero PSK. */
bool psk_equal(const struct secret *a, const struct secret *b);
/* A PSK that nobody knows. NULL: no memory. */
struct secret *psk_random(void);
