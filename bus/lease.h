/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is the broker alive? Pure. Who has tunnels open asks every second; an answer that is not there when the next one is due is
 * missed, and two missed in a row end the lease. A broker that never answered has no lease.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

struct lease {
	bool held;
	bool asked;
	unsigned int missed;
	uint64_t asked_us; /* CLOCK_BOOTTIME */
};

/* True when a call is to be sent now; it counts as sent. An earlier one without an answer counts as missed. */
bool lease_ask(struct lease *l, uint64_t boot_us);
void lease_answered(struct lease *l);
/* An error reply, a time-out: counted once for each lease_ask. */
void lease_missed(struct lease *l);
/* The broker left the bus, or a new one came. */
void lease_end(struct lease *l);
