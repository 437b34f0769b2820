/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recovery code on its way to paper: shown once, and its last group typed back. */
#pragma once

#include <stdbool.h>

#include "client/call.h"
#include "common/secret.h"

/* What Enroll, Rekey, ImportKey and AddKeyslot answer. */
struct recovery_result {
	char *public_key;      /* "" where there was none, as the next two */
	char *handle, *x_slot; /* of a key that never leaves its token */
	struct secret *code;   /* NULL: none was made */
	uint32_t slot;
};

/* One of those calls: 0, or says the error and returns the exit status. */
int recovery_call(struct proxy *p, const struct call *c, struct recovery_result *ret);
void recovery_result_clear(struct recovery_result *r);

/*
 * Shows the code: on the terminal with the last group typed back until it is right, or with yes as a line
 * "recovery code: ..." on stdout. 0, or says the error (Ctrl-C: Cancelled) and returns the exit status.
 */
int recovery_show(const struct secret *code, const char *tunnel, bool yes);

/* Before a call that may make a code: is there a way to show it? 0, or says the error and returns the exit status. */
int recovery_check(const struct call_options *o);
/* After a key was made: its code, if there is one, is shown, or it is said how to get another one. */
int recovery_hand_over(const struct recovery_result *r, const char *tunnel, const char *ifname, const struct call_options *o);

/* Asks for the code at the terminal, into o->recovery_code. 0, or the exit status. */
int recovery_ask(struct call_options *o);
