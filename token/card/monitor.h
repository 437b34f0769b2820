/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor of smart cards, a process of its own: what readers there are and whether a card is in them, told to the broker in
 * common/wire-card.h messages. It sends no command to any card, so that no card's answer can keep it from seeing another one go.
 */
#pragma once

#include "token/card/pcsc.h"

/*
 * Waits, without a timer, until pcscd's socket is there (inotify on the directories that lead to it). 0, also when it is there already; negative
 * errno. quit_fd: -ECANCELED when it hangs up.
 */
int monitor_await(const char *socket, int quit_fd);

/*
 * Tells fd of cards until pcscd goes (-ECONNRESET...) or the broker does (0). WIRE_CARD_CONNECTED comes first.
 */
int monitor_run(struct pcsc *pcsc, int fd);

/* Says that pcscd refuses us. */
void monitor_tell_denied(int fd);
