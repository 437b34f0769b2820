/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `wgfido status` says: the broker's tunnels and what the agent says is really in WireGuard. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "client/agent-status.h"
#include "client/proxy.h"

struct status {
	struct proxy *proxy;
	struct instant now;
	struct agent_status **agents; /* one per file of the agent, NULL-terminated, sorted by interface */
};

/* Reads the agent's files; the proxy is the caller's. */
int status_read(struct status *ret, struct proxy *p, const char *run_dir);
void status_clear(struct status *s);

const struct agent_status *status_find_agent(const struct status *s, const char *ifname);
/* An agent's interface that the broker has no tunnel for: a gateway's, or the broker does not run. */
bool status_is_foreign(const struct status *s, const struct agent_status *a);

/* What is wrong with a tunnel, each with what to do: warn is called for each. t or a may be NULL. */
void status_warn(const struct status *s, const struct proxy_tunnel *t, const struct agent_status *a,
	void (*warn)(void *userdata, const char *text), void *userdata);
/* The same of its window keys, which are not the agent's business. */
void status_warn_windows(const struct status *s, const struct proxy_tunnel *t, void (*warn)(void *userdata, const char *text),
	void *userdata);

/* "approved until 17:05 (8 h left)", "locked, since ...": no newline. */
void status_print_state(const struct status *s, FILE *f, const struct proxy_tunnel *t);
void status_print(const struct status *s, FILE *f);
json_t *status_json(const struct status *s); /* NULL: no memory */
