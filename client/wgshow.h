/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What wg(8) says of a running interface; public keys only, the private one is never asked for. */
#pragma once

#include <stddef.h>

/* `wg show IFNAME FIELD`, FIELD "public-key" or "peers": the output, malloc'ed. -ENODEV: wg says no; -ENOENT: there is no wg. */
int wgshow(char **ret, const char *ifname, const char *field);
