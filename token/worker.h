/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker's loop: a request from the broker, the operation at the token, its result. It holds no secret between two requests: the
 * message buffer is guarded and wiped after every message, PIN, keys and outputs are freed with the request.
 */
#pragma once

#include "token/transport.h"

struct token_worker;
struct card;

/* fd and transport stay the caller's. */
int token_worker_new(struct token_worker **ret, int fd, struct transport *t, struct clock *clock);
/* For a smart card instead: transport may be NULL then. The card stays the caller's. Cancelling, the deadline and the broker's end exit the
 * process (token/card/watchdog.h). */
void token_worker_use_card(struct token_worker *w, struct card *card);
struct token_worker *token_worker_free(struct token_worker *w);

/*
 * Waits for one message and does what it says. 1: go on; 0: the broker has closed its end; -EBADMSG: it broke the contract of
 * common/wire.h (also by a request while one was running); other negative errno of the socket.
 */
int token_worker_turn(struct token_worker *w);

/* For tests: whether the message buffer holds nothing but zeros, as it must between two turns. */
bool token_worker_is_clean(const struct token_worker *w);
