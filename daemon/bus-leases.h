/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has tunnels open by this broker's word, that is, who asks for a lease: the agent, and each wgfido-tunnel. What they are told
 * they handle in its order: when one answers the next message, it has closed what the one before ended.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define BUS_LEASES_MAX 64

struct bus_lease {
	char name[256]; /* unique; "": free */
	uint64_t asked_us;
};

struct bus_leases {
	struct bus_lease all[BUS_LEASES_MAX];
};

/* One asked. Where there is no place the one that has not asked for the longest goes. */
void bus_lease_note(struct bus_leases *l, const char *name, uint64_t now_us);

/*
 * Asks every one of them whether it has closed; done is called once, when the last one has answered, left or let timeout_us
 * pass (silent: how many did), or at once when there is none. Freed by bus_leases_wait_free, which ends the waiting.
 */
struct bus_leases_wait;
int bus_leases_wait(struct bus_leases_wait **ret, sd_bus *bus, const struct bus_leases *l, uint64_t timeout_us,
	void (*done)(void *userdata, size_t silent), void *userdata);
struct bus_leases_wait *bus_leases_wait_free(struct bus_leases_wait *w);
