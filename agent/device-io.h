/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time limit of one exchange with a WireGuard, for the backends. */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* Two seconds. A variable for the tests of what happens then, which would have to wait for it. */
extern unsigned int device_io_timeout_ms;

/*
 * Who let an exchange time out has to answer sooner the next times, so that a WireGuard that hangs does not keep the agent from
 * the others each time it looks; but now and then gets all the time there is, for it may only be slow.
 */
#define DEVICE_IO_SLOW_MAX 8
#define DEVICE_IO_SLOW_DIVISOR 8
#define DEVICE_IO_SLOW_EVERY 8u

struct device_io_patience {
	struct {
		char ifname[IF_NAMESIZE]; /* "": free */
		unsigned int tries;
	} slow[DEVICE_IO_SLOW_MAX];
};
unsigned int device_io_patience_ms(const struct device_io_patience *p, const char *ifname);
void device_io_patience_learn(struct device_io_patience *p, const char *ifname, bool timed_out);

/* Of CLOCK_MONOTONIC: an exchange that begins now must be over by then. */
uint64_t device_io_deadline_us(unsigned int timeout_ms);

/* Until fd has one of the poll events (or is broken: what is done next will say how). 0, -ETIMEDOUT or another errno. */
int device_io_wait(int fd, short events, uint64_t deadline_us);
