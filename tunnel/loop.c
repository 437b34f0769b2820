/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include "tunnel/loop.h"

#define ACCURACY_US 1000

struct loop {
	struct control *control;
	sd_event_source *kick, *timer, *idle, *quiet;
};

static void reschedule(void *userdata)
{
	struct loop *l = userdata;
	const uint64_t at = control_deadline(l->control);
	const bool quiet = clock_now(l->control->clock).boot_us >= control_prepare_at(l->control);

	if (at != US_NEVER)
		(void)sd_event_source_set_time(l->timer, at);
	(void)sd_event_source_set_enabled(l->timer, at != US_NEVER ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	if (!quiet)
		(void)sd_event_source_set_time(l->quiet, control_prepare_at(l->control));
	(void)sd_event_source_set_enabled(l->quiet, quiet ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
	(void)sd_event_source_set_enabled(l->idle, quiet ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_quiet(sd_event_source *source, uint64_t usec, void *userdata)
{
	const struct loop *l = userdata;

	(void)source;
	(void)usec;
	return sd_event_source_set_enabled(l->idle, SD_EVENT_ON);
}

/* Runs when nothing else wants to, until there is nothing left to prepare. */
static int on_idle(sd_event_source *source, void *userdata)
{
	const struct loop *l = userdata;

	if (!control_prepare(l->control))
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int on_kick(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct loop *l = userdata;

	(void)source;
	(void)fd;
	(void)revents;
	/* Others get their turn between two handfuls of messages. */
	if (control_kicked(l->control, clock_now(l->control->clock)))
		device_kick(l->control->device);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct loop *l = userdata;

	(void)source;
	(void)usec;
	control_run(l->control, clock_now(l->control->clock));
	reschedule(l);
	return 0;
}

int loop_new(struct loop **ret, sd_event *event, struct control *c)
{
	struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->control = c;
	r = sd_event_add_io(event, &l->kick, c->device->kick_fd, EPOLLIN, on_kick, l);
	if (r >= 0)
		r = sd_event_add_time(event, &l->timer, CLOCK_BOOTTIME, UINT64_MAX - 1, ACCURACY_US, on_timer, l);
	if (r >= 0)
		r = sd_event_add_time(event, &l->quiet, CLOCK_BOOTTIME, 0, ACCURACY_US, on_quiet, l);
	if (r >= 0)
		r = sd_event_add_defer(event, &l->idle, on_idle, l);
	if (r >= 0)
		r = sd_event_source_set_priority(l->idle, SD_EVENT_PRIORITY_IDLE);
	if (r < 0) {
		loop_free(l);
		return r;
	}
	c->rescheduled = reschedule;
	c->userdata = l;
	reschedule(l);
	*ret = l;
	return 0;
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	l->control->rescheduled = NULL;
	sd_event_source_disable_unref(l->kick);
	sd_event_source_disable_unref(l->timer);
	sd_event_source_disable_unref(l->idle);
	sd_event_source_disable_unref(l->quiet);
	free(l);
	return NULL;
}
