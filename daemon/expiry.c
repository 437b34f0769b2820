/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/expiry.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/broker.h"

struct expiry {
	struct broker *broker;
	sd_event_source *timer, *steps;
};

static void look(struct expiry *e)
{
	struct instant now = broker_now(e->broker);

	(void)approvals_expire(e->broker->approvals, &now);
	broker_settle(e->broker);
	expiry_arm(e);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	look(userdata);
	return 0;
}

/* A timer that never comes, and that the kernel cancels when somebody sets the clock. */
static int watch_steps(int fd)
{
	struct itimerspec never = {.it_value.tv_sec = (time_t)INT64_C(0x7fffffff) * 64};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0 ? -errno : 0;
}

static int on_step(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	uint64_t ticks;

	(void)source;
	(void)revents;
	(void)!read(fd, &ticks, sizeof(ticks));
	(void)watch_steps(fd);
	look(userdata);
	return 0;
}

void expiry_arm(struct expiry *e)
{
	struct instant now = broker_now(e->broker);
	uint64_t next = approvals_next(e->broker->approvals, &now);

	if (next != US_NEVER)
		(void)sd_event_source_set_time(e->timer, next);
	(void)sd_event_source_set_enabled(e->timer, next == US_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int add_steps(struct expiry *e)
{
	int fd, r;

	fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = watch_steps(fd);
	if (r >= 0)
		r = sd_event_add_io(e->broker->event, &e->steps, fd, EPOLLIN, on_step, e);
	if (r >= 0)
		r = sd_event_source_set_io_fd_own(e->steps, 1);
	if (r < 0)
		(void)close(fd);
	return r;
}

int expiry_new(struct expiry **ret, struct broker *b)
{
	struct expiry *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->broker = b;
	r = sd_event_add_time(b->event, &e->timer, CLOCK_BOOTTIME, UINT64_MAX, US_PER_MS, on_timer, e);
	if (r >= 0)
		r = sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
	if (r >= 0)
		r = add_steps(e);
	if (r < 0) {
		expiry_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

struct expiry *expiry_free(struct expiry *e)
{
	if (!e)
		return NULL;
	e->timer = sd_event_source_disable_unref(e->timer);
	e->steps = sd_event_source_disable_unref(e->steps);
	free(e);
	return NULL;
}
