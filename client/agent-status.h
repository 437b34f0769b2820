/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RUN-DIR/IFACE.json of wgfido-rotate: what is really in WireGuard. Parsing is pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

struct agent_peer {
	char *public_key;
	char *name;
	char *state;	      /* "closed", "open", "rotated", "hunting", "refused" */
	char *reason;
	uint64_t slot, slot_end; /* unix seconds */
	int64_t offset;
	uint64_t last_handshake; /* unix seconds; 0: never */
	uint64_t drift_repaired;
};

struct agent_status {
	char *interface;
	char *mode;
	char *role; /* "client", "gateway" */
	char *backend;
	char *state; /* "absent", "closed", "open", "error" */
	char *reason;
	char *problem;
	uint64_t changed_boottime_us;
	size_t n_peers;
	struct agent_peer *peers;
};

/* -EBADMSG for what is not such a file; strings come printable and never NULL. */
int agent_status_parse(struct agent_status **ret, const char *text, size_t len);
/* -ENOENT: the agent does not guard this interface (or does not run). */
int agent_status_load(struct agent_status **ret, const char *run_dir, const char *ifname);
struct agent_status *agent_status_free(struct agent_status *s);
/* Waits until the agent has closed the interface, or this peer of it (NULL: all): true when it has, or does not guard it. */
bool agent_status_wait_closed(const char *run_dir, const char *ifname, const char *public_key);

const struct agent_peer *agent_status_find_peer(const struct agent_status *s, const char *public_key);

/* The file tells of a time that is over: an open peer's slot ended long ago, or the machine was started since. */
bool agent_status_is_stale(const struct agent_status *s, struct instant now);
