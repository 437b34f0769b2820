/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One wgfido-token process per plugged token, as the broker sees it: spawned over a socketpair, spoken to in
 * common/wire.h messages, never waited for. A worker that breaks the contract, misses the deadline by five seconds or dies
 * is killed and its pending request ends with OUTCOME_TOKEN_FAILED.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/wire.h"
#include "daemon/presence.h"

struct worker;

/* The worker may be freed in any of these, and the next request submitted in result. */
struct worker_callbacks {
	/* Only when the status differs from the one before. */
	void (*status)(void *userdata, struct worker *w, const struct wire_status_message *status);
	/* result's secrets may be taken (secret_take); the rest is cleared after the call. */
	void (*result)(void *userdata, struct worker *w, struct wire_result *result);
	/* The process is gone; a pending request has had its result already. */
	void (*gone)(void *userdata, struct worker *w);
};

/* exe: path of wgfido-token. The child gets the socket as fd 3, an empty environment, /dev/null as stdin and stdout, and no other
 * descriptor but stderr. Negative errno also where it cannot be executed. */
int worker_new(struct worker **ret, sd_event *event, const char *exe, const struct token_node *node,
	const struct worker_callbacks *callbacks, void *userdata);
/* Closes the socket (which cancels at the token and ends the process), kills it if it lingers. No callbacks any more. */
struct worker *worker_free(struct worker *w);

/* -EBUSY while a request is pending, -EPIPE when the worker is on its way out (gone follows), -EINVAL. No result comes then. The serial is set here and returned in request->serial. The caller clears the request. */
int worker_submit(struct worker *w, struct wire_request *request);
void worker_cancel(struct worker *w); /* the pending request, if any; its result still comes, within five seconds */
const struct token_node *worker_node(const struct worker *w);
