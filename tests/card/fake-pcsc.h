/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of PC/SC, in the test's own process: one reader with an emulator in it, and another program that does as it is told. */
#pragma once

#include "tests/card/emulator.h"
#include "token/card/pcsc.h"

struct fake_pcsc {
	struct pcsc pcsc;
	struct emulator *card; /* NULL: none in the reader */
	bool connected, in_transaction, stale;
	bool busy;		   /* another program has it for itself alone */
	int transmit_error;	   /* the next transmit fails so; 0: not */
	int begin_error;
	int fail_after;		   /* so many commands later the card is gone; -1: never */
	unsigned int n_connects, n_resets, n_leaves;
	/* watch(): the states to be seen, in turn; then watch_error */
	const struct pcsc_readers *states;
	unsigned int n_states;
	int watch_error;
};

void fake_pcsc_init(struct fake_pcsc *f, struct emulator *card);
/* Another program resets the card: what was verified is gone, and our connection is told. */
void fake_pcsc_reset_by_other(struct fake_pcsc *f);
