/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to pcscd: what the worker and the monitor need of PC/SC (part 5, and pcsc-lite's winscard.h) and no more, so that
 * a fake can take its place. pcsc_system is the real one, where the build found libpcsclite.
 *
 * All functions: 0 or a negative errno. -ENODEV: no such reader, or no card in it. -ESTALE: another program has reset the card, and
 * with it what was verified. -EBUSY: another program has it for itself alone. -ECONNREFUSED: no pcscd; -ECONNRESET: it went
 * away. -EACCES: it does not let us. -EMSGSIZE, -EIO.
 *
 * connect, begin and transmit block for as long as reader, card and other programs like: see token/card/watchdog.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCSC_READERS_MAX 16
#define PCSC_READER_SIZE 128
#define PCSC_ATR_MAX 33

struct pcsc;

/* One reader as last seen. */
struct pcsc_reader {
	char name[PCSC_READER_SIZE];
	bool present;	 /* there is a card in it */
	bool exclusive;	 /* another program has it for itself alone */
	uint32_t events; /* pcscd's count of insertions and removals: a card that was swapped shows */
};

struct pcsc_readers {
	unsigned int n;
	struct pcsc_reader list[PCSC_READERS_MAX];
};

struct pcsc_connection {
	uint8_t atr[PCSC_ATR_MAX];
	size_t atr_len;
	bool t0;
};

struct pcsc_ops {
	/* socket: pcscd's; NULL: where it always is. After this no socket is made any more. */
	int (*open)(struct pcsc **ret, const char *socket);
	void (*close)(struct pcsc *p);

	/* To the card in a reader, shared with other programs. One at a time. */
	int (*connect)(struct pcsc *p, const char *reader, struct pcsc_connection *ret);
	/* After -ESTALE: goes on with the card as it is now. */
	int (*reconnect)(struct pcsc *p);
	/* reset: nothing that was verified stays. Also when not connected. */
	void (*disconnect)(struct pcsc *p, bool reset);
	/* Between the two nobody else's commands reach the card. */
	int (*begin)(struct pcsc *p);
	void (*end)(struct pcsc *p);
	int (*transmit)(struct pcsc *p, const uint8_t *command, size_t len, uint8_t *answer, size_t size, size_t *ret_len);

	/* Waits until readers and cards are no longer as *known says, and brings it up to date. At first with n = 0: at once. */
	int (*watch)(struct pcsc *p, struct pcsc_readers *known);
};

struct pcsc {
	const struct pcsc_ops *ops;
};

extern const struct pcsc_ops pcsc_system;
