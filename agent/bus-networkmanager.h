/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OnClose = deactivate: NetworkManager hears that a tunnel is closed, so that the desktop shows it as down. */
#pragma once

struct sd_bus;

/*
 * Asks, and returns at once: the interface is closed already, and nothing here waits for an answer. What becomes of it is one line in
 * the log. Nothing happens where NetworkManager does not run, or has not made the interface itself. Negative errno: could not ask.
 */
int bus_networkmanager_deactivate(struct sd_bus *bus, const char *ifname);
