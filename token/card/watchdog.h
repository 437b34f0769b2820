/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who keeps the deadline while PC/SC blocks. SCardTransmit comes back when the card answers, which may wait for a touch or for ever, and
 * nothing makes it return: so a timer's signal looks, twenty times a second while an operation runs, whether the deadline has
 * come, the broker has cancelled, or has gone. Then it sends the result that was made for this, and the process ends at once, in
 * the middle of the call: pcscd resets the card for a client that goes, and the broker starts a new worker for the next operation.
 *
 * The broker, for its part, kills a worker that is five seconds late (daemon/worker.c).
 */
#pragma once

#include <stdint.h>

#include "token/card/card.h"

/* One at a time in a process. fd: to the broker. clock: boot_us of clock_system. -EINVAL for a serial of 0. */
int watchdog_arm(int fd, uint32_t serial, uint64_t deadline_us);
void watchdog_phase(enum card_phase phase);
void watchdog_disarm(void);
