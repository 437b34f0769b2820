/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of common/wire.h on a smart card: X25519 with the decryption key of an OpenPGP card, and with key agreement keys of PIV.
 * Keys are used and listed, not made: making one takes the card's administrator (PW3, PIV's management key) and replaces
 * what gpg or ykman keep there (docs/cards.md).
 *
 * A card is shared with other programs. Each operation is one transaction: nobody's commands come between. It ends with a reset of the card
 * if a PIN was verified, so that no other program finds the card open, unless WIRE_X_DH said to keep: then the
 * connection stays, and the session lives in the card until WIRE_X_FORGET, the end of the worker (pcscd resets the card for a client that
 * goes), or until another program resets the card or takes another application: the PIN is wanted again then, never replayed.
 */
#pragma once

#include "common/clock.h"
#include "common/wire.h"
#include "token/card/apdu.h"
#include "token/card/openpgp.h"
#include "token/card/pcsc.h"
#include "token/card/piv.h"

/* What an operation waits for, told to whoever keeps the deadline while PC/SC blocks. */
enum card_phase {
	CARD_TALKS,
	CARD_WAITS_FOR_OTHERS, /* another program is in a transaction */
	CARD_MAY_WANT_TOUCH,   /* its policy is cached, or not known */
	CARD_WANTS_TOUCH,
};

struct card_watch {
	void (*phase)(struct card_watch *w, enum card_phase phase);
};

struct card;

/* pcsc and reader stay the caller's. -ENOMEM. */
int card_new(struct card **ret, struct pcsc *pcsc, const char *reader, struct clock *clock);
/* Ends a session that was kept. */
struct card *card_free(struct card *c);

/* Runs one request to its end and fills *ret. request's PIN is freed as soon as it is used. */
void card_operate(struct wire_result *ret, struct wire_request *request, struct card *c, uint64_t deadline_us, struct card_watch *watch);

/* pcscd is gone, and this worker with it: the next request wants a new one. */
bool card_is_lost(const struct card *c);
