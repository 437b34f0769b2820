/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to a token, one HID report at a time: hidraw (hid.h), a software token's socket (seqpacket.h), or a test's fake.
 * Opened per operation and closed after it, since an open node keeps other programs from the key.
 *
 * All functions: 0 or a negative errno. -ETIMEDOUT: the deadline (of the transport's clock, boot_us) has come.
 * -ECANCELED: the interrupt was raised. -ENODEV, -EIO and others: the token is gone or unusable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"

#define TRANSPORT_REPORT_MIN 8	/* a CTAPHID header and one byte */
#define TRANSPORT_REPORT_MAX 64 /* full-speed USB; no FIDO key has longer ones */
#define TRANSPORT_TEXT_MAX 128

struct transport;

/* The way an operation is stopped from outside while the token is waited for. */
struct interrupt {
	int fd; /* polled beside the token's; -1: none */
	/* Called when fd is readable or hung up: true ends the wait with -ECANCELED, and every later one. */
	bool (*raised)(struct interrupt *i);
};

struct transport_ops {
	/* Sets in_size, out_size, incarnation, product and serial. -EBUSY: somebody else had the token until the deadline. */
	int (*open)(struct transport *t, uint64_t deadline_us);
	/* Also after an open that failed. */
	void (*close)(struct transport *t);
	/* One report of exactly t->in_size bytes. */
	int (*read)(struct transport *t, uint8_t *report, uint64_t deadline_us);
	/* One report of exactly t->out_size bytes. */
	int (*write)(struct transport *t, const uint8_t *report, uint64_t deadline_us);
};

struct transport {
	const struct transport_ops *ops;
	struct clock *clock;
	struct interrupt *interrupt; /* NULL: not to be interrupted now */
	size_t in_size, out_size;
	uint64_t incarnation; /* set by open: another one when the token was unplugged in between */
	char product[TRANSPORT_TEXT_MAX]; /* printable ASCII */
	char serial[TRANSPORT_TEXT_MAX];
};

/* For the transports: waits until fd (-1: none) is ready for events. A hang-up counts as ready; the read or write says why. */
int transport_wait(struct transport *t, int fd, short events, uint64_t deadline_us);
/* Waits for us, but not beyond the deadline (then -ETIMEDOUT). */
int transport_pause(struct transport *t, uint64_t us, uint64_t deadline_us);
/* Copies what is printable ASCII, blanks for the rest. */
void transport_set_text(char ret[static TRANSPORT_TEXT_MAX], const char *text);
