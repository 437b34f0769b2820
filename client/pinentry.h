/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PIN dialog: one run of a pinentry program. Its own client of the protocol and not libassuan, since that reads the PIN into
 * ordinary memory; here it goes from the pipe into guarded memory and a struct secret.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/outcome.h"
#include "common/secret.h"

struct pinentry;

struct pinentry_question {
	const char *program; /* checked by pinentry_check */
	const char *text;    /* above the entry */
	const char *warning; /* to be confirmed first; NULL: nothing */
	bool want_pin;
	unsigned int timeout_seconds;
};

/*
 * OUTCOME_OK with the PIN (or NULL where none was wanted), OUTCOME_CANCELLED by the user, else text is the sentence for the user.
 * pinentry_free is allowed in it.
 */
typedef void (*pinentry_done_t)(void *userdata, enum outcome outcome, const struct secret *pin, const char *text);

/* Is this a program that a PIN may be typed into: -EINVAL no absolute path, -EPERM others could have changed it, or stat's errno. */
int pinentry_check(const char *program);

/* SIGCHLD must be blocked. done comes from the loop, once. 0 or negative errno. */
int pinentry_start(struct pinentry **ret, sd_event *event, const struct pinentry_question *q, pinentry_done_t done, void *userdata);
/* Takes the dialog away, if it is still there; done is not called any more. */
struct pinentry *pinentry_free(struct pinentry *p);
