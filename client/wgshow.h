/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What wg(8) says of a running interface. */
#pragma once

#include <stddef.h>

#include "common/secret.h"

/* `wg show IFNAME FIELD`, FIELD "public-key" or "peers": the output, malloc'ed. -ENODEV: wg says no; -ENOENT: there is no wg. */
int wgshow(char **ret, const char *ifname, const char *field);

/* The private key, straight into guarded memory; for its admin at a gateway. -ENODEV, -ENOENT as above; -ENOKEY: it has none. */
int wgshow_private_key(struct secret **ret, const char *ifname);
