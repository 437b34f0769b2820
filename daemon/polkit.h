/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks polkit, without waiting. */
#pragma once

#include <systemd/sd-bus.h>

#include "common/outcome.h"

struct polkit_check;

struct polkit_details {
	const char *message; /* with $(tunnel), $(duration) and so on, which the prompt expands */
	const char *tunnel, *peer, *duration; /* "" or NULL: none */
};

/*
 * May the sender of m do action? done is called once, from the event loop, with OUTCOME_OK, or OUTCOME_DENIED and why;
 * not after polkit_cancel. Root is not asked about: it could do anything anyhow; the caller knows that.
 */
int polkit_ask(struct polkit_check **ret, sd_bus_message *m, const char *action, const struct polkit_details *details,
	void (*done)(void *userdata, enum outcome outcome, const char *why), void *userdata);
struct polkit_check *polkit_cancel(struct polkit_check *p);
