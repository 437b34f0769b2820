/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
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

uint64_t device_io_deadline_us(void)
{
	return monotonic_us() + device_io_timeout_ms * US_PER_MS;
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
