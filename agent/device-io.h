/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time limit of one exchange with a WireGuard, for the backends. */
#pragma once

#include <stdint.h>

/* Two seconds. A variable for the tests of what happens then, which would have to wait for it. */
extern unsigned int device_io_timeout_ms;

/* Of CLOCK_MONOTONIC: an exchange that begins now must be over by then. */
uint64_t device_io_deadline_us(void);

/* Until fd has one of the poll events (or is broken: what is done next will say how). 0, -ETIMEDOUT or another errno. */
int device_io_wait(int fd, short events, uint64_t deadline_us);
