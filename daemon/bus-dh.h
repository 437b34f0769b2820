/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tunnel.DiffieHellman on the bus. Its callers are few and call often, so who they are is asked once for each connection: a unique name
 * is never given to another one. When it leaves the bus, its calls go with it.
 */
#pragma once

#include "daemon/bus.h"

/* Returns what a method handler returns. */
int bus_dh(struct bus *b, sd_bus_message *m, struct tunnel *t, sd_bus_error *error);
void bus_dh_drop_all(struct bus *b);
