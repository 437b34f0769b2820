/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/watch.h"

#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <systemd/sd-event.h>

#include "client/dirs.h"
#include "common/clock.h"

struct watch {
	bool done;
	bool dirty;
};

static void on_change(struct proxy *p, void *userdata)
{
	struct watch *w = userdata;

	(void)p;
	w->dirty = true;
}

static int on_file(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct watch *w = userdata;

	(void)source;
	/* The agent writes aside and renames: only whole files count. */
	if (event->len && *event->name != '.' && strstr(event->name, ".json"))
		w->dirty = true;
	return 0;
}

static int on_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct watch *w = userdata;

	w->dirty = true;
	return sd_event_source_set_time(source, usec + US_PER_SEC);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct watch *w = userdata;

	(void)source;
	(void)info;
	w->done = true;
	return 0;
}

int watch_run(struct proxy *p, bool ticks, int (*update)(void *userdata), void *userdata)
{
	struct watch w = {.dirty = true};
	sd_event_source *tick = NULL, *files = NULL; /* libsystemd 252 leaks an inotify source that floats */
	sd_event *event = NULL;
	sigset_t mask, old;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, &old);
	r = sd_event_new(&event);
	if (r >= 0 && p->bus)
		r = sd_bus_attach_event(p->bus, event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0 && p->bus)
		r = proxy_watch(p, on_change, &w);
	/* What changed between the first reading and the watch. */
	if (r >= 0 && p->bus)
		proxy_refresh(p);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, on_signal, &w);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, &w);
	/* No directory: the agent never ran, and what it says then is nothing. */
	if (r >= 0)
		sd_event_add_inotify(event, &files, dirs_agent_run(), IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE, on_file, &w);
	if (r >= 0 && ticks)
		r = sd_event_add_time_relative(event, &tick, CLOCK_BOOTTIME, US_PER_SEC, US_PER_MS, on_second, &w);
	/* A repeating timer needs SD_EVENT_ON: sources of time are one-shot by default. */
	if (r >= 0 && tick)
		r = sd_event_source_set_enabled(tick, SD_EVENT_ON);
	while (r >= 0 && !w.done) {
		r = sd_event_run(event, w.dirty ? 0 : UINT64_MAX);
		if (r == 0 && w.dirty) {
			w.dirty = false;
			r = update(userdata);
		}
	}
	p->changed = NULL;
	sd_event_source_unref(tick);
	sd_event_source_unref(files);
	if (p->bus)
		sd_bus_detach_event(p->bus);
	sd_event_unref(event);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? r : 0;
}
