/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status --watch and monitor: called again at each change of the broker's objects or the agent's files. */
#pragma once

#include "client/proxy.h"

/*
 * Calls update at once, after each change (several at once count as one), and with ticks every second; until SIGINT or
 * SIGTERM (0) or update fails (its negative errno). proxy->bus may be NULL: then only the agent's files are watched.
 */
int watch_run(struct proxy *p, bool ticks, int (*update)(void *userdata), void *userdata);
