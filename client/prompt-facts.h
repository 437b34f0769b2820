/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What prompt.h is told, from the broker's objects and the agent's files, and when these files change. */
#pragma once

#include <systemd/sd-event.h>

#include "client/agent-status.h"
#include "client/prompt.h"
#include "client/proxy.h"

struct prompt_facts_list {
	size_t n;
	struct prompt_facts *facts;
	struct prompt_names { /* what the facts borrow besides the proxy's strings */
		struct agent_status *agent;
		char peer[128];
	} *names;
};

/* Valid until the proxy changes. -ENOMEM */
int prompt_facts_read(struct prompt_facts_list *ret, struct proxy *p, const char *run_dir);
void prompt_facts_clear(struct prompt_facts_list *l);

/* Watches run_dir, also when it comes into being later. changed is called from the loop. */
struct agent_watch;
int agent_watch_new(struct agent_watch **ret, sd_event *event, const char *run_dir, void (*changed)(void *userdata), void *userdata);
struct agent_watch *agent_watch_free(struct agent_watch *w);
