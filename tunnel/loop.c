/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tunnel/loop.h"

/*
 * sd-event is the main thread's alone, and it may be waiting in it while a path thread is control (tunnel/device.h, rule 0). What
 * reschedule touches is therefore our own, under the control lock, and a timer of the kernel's, which any thread may set.
 */
struct loop {
	struct control *control;
	sd_event *event;
	sd_event_source *kick, *timer, *idle;
	pthread_t main_thread;
	int timer_fd;
	uint64_t armed_us; /* what the timer is set to; US_NEVER: to nothing */
	bool prepare;	   /* when moments are idle enough, the idle source shall run */
};

static uint64_t now_us(const struct loop *l)
{
	return clock_now(l->control->clock).boot_us;
}

static void reschedule(void *userdata)
{
	struct loop *l = userdata;
	const uint64_t deadline = control_deadline(l->control), prepare = l->prepare ? control_prepare_at(l->control) : US_NEVER;
	const uint64_t at = deadline < prepare ? deadline : prepare;
	struct itimerspec spec = { 0 };

	/* One that is set too early looks again. */
	if (at >= l->armed_us)
		return;
	l->armed_us = at;
	spec.it_value.tv_sec = (time_t)(at / US_PER_SEC);
	/* Zero would stop it. */
	spec.it_value.tv_nsec = (long)(at % US_PER_SEC * 1000) + 1;
	(void)timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* The main thread. */
static void prepare_soon(struct loop *l)
{
	if (!l->prepare || now_us(l) < control_prepare_at(l->control))
		return;
	l->prepare = false;
	(void)sd_event_source_set_enabled(l->idle, SD_EVENT_ON);
}

/* Something happened, perhaps something can be prepared. */
static void rescheduled(void *userdata)
{
	struct loop *l = userdata;

	l->prepare = true;
	/* Now, and not by way of the timer: the peer's first packet may come as soon as whoever added it hears so. */
	if (pthread_equal(pthread_self(), l->main_thread))
		prepare_soon(l);
	reschedule(l);
}

/* Runs when nothing else wants to, until there is nothing left to prepare. */
static int on_idle(sd_event_source *source, void *userdata)
{
	struct loop *l = userdata;
	struct device *d = l->control->device;

	/* Whoever was woken by what we did last, on this processor, goes first. */
	device_control_leave(d);
	sched_yield();
	device_control_enter(d);
	if (now_us(l) < control_prepare_at(l->control)) {
		l->prepare = true;
		reschedule(l);
	} else if (control_prepare(l->control)) {
		return 0;
	}
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

static int on_timer(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct loop *l = userdata;
	uint64_t n;

	(void)source;
	(void)revents;
	(void)!read(fd, &n, sizeof(n));
	l->armed_us = US_NEVER;
	control_run(l->control, clock_now(l->control->clock));
	prepare_soon(l);
	reschedule(l);
	return 0;
}

/* A path thread, in the main thread's place. */
static bool serve(void *userdata)
{
	const struct loop *l = userdata;

	return control_serve(l->control, clock_now(l->control->clock));
}

int loop_run(struct loop *l)
{
	struct device *d = l->control->device;
	int r = 0, code;

	while (r >= 0 && sd_event_get_state(l->event) != SD_EVENT_FINISHED) {
		r = sd_event_prepare(l->event);
		if (r == 0) {
			device_control_leave(d);
			r = sd_event_wait(l->event, UINT64_MAX);
			device_control_enter(d);
		}
		if (r > 0)
			r = sd_event_dispatch(l->event);
	}
	return r < 0 || sd_event_get_exit_code(l->event, &code) < 0 ? r : code;
}

int loop_new(struct loop **ret, sd_event *event, struct control *c)
{
	struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	device_control_enter(c->device);
	l->control = c;
	l->event = event;
	l->main_thread = pthread_self();
	l->armed_us = US_NEVER;
	l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	r = l->timer_fd < 0 ? -errno : 0;
	if (r >= 0)
		r = sd_event_add_io(event, &l->timer, l->timer_fd, EPOLLIN, on_timer, l);
	if (r >= 0)
		r = sd_event_add_io(event, &l->kick, c->device->kick_fd, EPOLLIN, on_kick, l);
	if (r >= 0)
		r = sd_event_add_defer(event, &l->idle, on_idle, l);
	if (r >= 0)
		r = sd_event_source_set_priority(l->idle, SD_EVENT_PRIORITY_IDLE);
	if (r < 0) {
		loop_free(l);
		return r;
	}
	c->rescheduled = rescheduled;
	c->userdata = l;
	c->device->serve = serve;
	c->device->serve_userdata = l;
	reschedule(l);
	*ret = l;
	return 0;
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	l->control->rescheduled = NULL;
	l->control->device->serve = NULL;
	sd_event_source_disable_unref(l->kick);
	sd_event_source_disable_unref(l->timer);
	sd_event_source_disable_unref(l->idle);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	device_control_leave(l->control->device);
	free(l);
	return NULL;
}
