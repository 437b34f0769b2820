/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A security key's hidraw node, through hidapi's hidraw backend. While it is open an exclusive flock is held on the node, as
 * libfido2 (ssh, systemd) does: hidapi takes none, and two programs on one node get each other's reports.
 */
#pragma once

#include "token/transport.h"

/* node is copied. Free with hid_free. Also loads what hidapi loads lazily, so call it before the sandbox closes. */
int hid_new(struct transport **ret, const char *node, struct clock *clock);
struct transport *hid_free(struct transport *t);
