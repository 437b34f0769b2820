/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ties a tunnel to the broker: its word becomes a grant, the grant a static key of the control thread's, and the end of either
 * the end of all sessions. The broker may come, go and come back; so may the bus.
 *
 * While the broker says that this tunnel's key is in a token, that key is the interface's, whether it has a PrivateKey, a handle or
 * nothing; a handle of another key keeps it shut. Otherwise whatever private key is set counts, as in any WireGuard.
 */
#pragma once

#include <systemd/sd-event.h>

#include "tunnel/config.h"
#include "tunnel/control.h"
#include "tunnel/grant.h"

struct tunnel_bus;

/* ifname and c outlive it. 0 or a negative errno; a bus that cannot be reached is tried again each second. */
int tunnel_bus_new(struct tunnel_bus **ret, sd_event *event, const char *ifname, struct control *c);
struct tunnel_bus *tunnel_bus_free(struct tunnel_bus *b);

/* For the configuration socket: a private key that is a handle. */
struct config_resident tunnel_bus_resident(struct tunnel_bus *b);
