/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TUNNEL[/PEER] on the command line, as an object of the broker. */
#pragma once

#include "client/proxy.h"
#include "client/verb.h"

struct target {
	struct proxy_tunnel *tunnel; /* points into the proxy: holds until the next refresh */
	struct proxy_peer *peer;     /* NULL: the whole tunnel */
};

/*
 * TUNNEL is an interface name, or the Name of exactly one tunnel. PEER is a Name, or the beginning of a public key in base64
 * or hex; a whole name or key wins over a beginning, and what fits several is an error that lists them. 0, or says the error and
 * returns the exit status.
 */
int target_resolve(struct target *ret, struct proxy *p, const char *text);

/* Only TUNNEL. */
int target_resolve_tunnel(struct proxy_tunnel **ret, struct proxy *p, const char *text);

/*
 * The whole command line of a verb whose only argument is TUNNEL, with the broker asked: -1 = go on, else the exit status.
 * *ret_proxy is the caller's to free in any case.
 */
int target_parse_tunnel(struct proxy_tunnel **ret, struct proxy **ret_proxy, const struct verb *verb, int argc, char **argv);

/* "wg0, wg1": for errors that name what there is. */
const char *target_list(char *buf, size_t size, struct proxy *p);
