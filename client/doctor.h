/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The checks of `wgfido doctor`: each says what it found, and what mends it. */
#pragma once

#include "client/status.h"

struct doctor {
	FILE *f;
	const struct status *status;
	const char *config_dir;
	unsigned int n_wrong;
};

void doctor_ok(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doctor_note(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* mend: a command, or what to do. */
void doctor_wrong(struct doctor *d, const char *mend, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* doctor-checks.c */
void doctor_check_broker(struct doctor *d);
void doctor_check_tokens(struct doctor *d);
void doctor_check_clock(struct doctor *d);
void doctor_check_tunnel(struct doctor *d, const char *ifname);
