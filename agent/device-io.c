/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/device-io.h"
#include "common/clock.h"

unsigned int device_io_timeout_ms = 2000;

static uint64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * US_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

uint64_t device_io_deadline_us(unsigned int timeout_ms)
{
	return monotonic_us() + timeout_ms * US_PER_MS;
}

unsigned int device_io_patience_ms(const struct device_io_patience *p, const char *ifname)
{
	for (size_t i = 0; i < DEVICE_IO_SLOW_MAX; i++)
		if (strcmp(p->slow[i].ifname, ifname) == 0 && p->slow[i].tries % DEVICE_IO_SLOW_EVERY != 0)
			return device_io_timeout_ms / DEVICE_IO_SLOW_DIVISOR;
	return device_io_timeout_ms;
}

void device_io_patience_learn(struct device_io_patience *p, const char *ifname, bool timed_out)
{
	size_t at = DEVICE_IO_SLOW_MAX;

	for (size_t i = 0; i < DEVICE_IO_SLOW_MAX; i++) {
		if (strcmp(p->slow[i].ifname, ifname) == 0) {
			at = i;
			break;
		}
		if (!p->slow[i].ifname[0] && at == DEVICE_IO_SLOW_MAX)
			at = i;
	}
	/* More than have room here wait as if they were seen for the first time. */
	if (at == DEVICE_IO_SLOW_MAX)
		return;
	if (!timed_out) {
		if (p->slow[at].ifname[0])
			memset(&p->slow[at], 0, sizeof(p->slow[at]));
		return;
	}
	(void)snprintf(p->slow[at].ifname, sizeof(p->slow[at].ifname), "%s", ifname);
	p->slow[at].tries++;
}

int device_io_wait(int fd, short events, uint64_t deadline_us)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now;
	int n;

	do {
		now = monotonic_us();
		/* Rounded up, so that the last millisecond is not spent spinning. */
		n = poll(&p, 1, now < deadline_us ? (int)((deadline_us - now + US_PER_MS - 1) / US_PER_MS) : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}
