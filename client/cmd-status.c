/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status: the tunnels, once or at each change. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <systemd/sd-event.h>

#include "client/dirs.h"
#include "client/say.h"
#include "client/status.h"
#include "client/term.h"
#include "client/verb.h"

struct show {
	struct proxy *proxy;
	sd_event *event;
	bool json;
	bool live;  /* redraw in place, with a clock that runs */
	bool watch;
	bool done;
	bool missing; /* the broker does not run where it should */
	bool dirty; /* something changed since it was shown */
	char *last; /* JSON: a line is printed only when it differs */
};

static int show_json(struct show *w, const struct status *s)
{
	json_t *root = status_json(s);
	char *text = root ? json_dumps(root, w->watch ? JSON_COMPACT : JSON_INDENT(2)) : NULL;

	json_decref(root);
	if (!text)
		return -ENOMEM;
	if (!w->last || strcmp(text, w->last))
		puts(text);
	free(w->last);
	w->last = text;
	return 0;
}

/* A gateway has no broker, and needs none. Elsewhere its absence is the news. */
static bool is_gateway(const struct status *s)
{
	for (struct agent_status **a = s->agents; *a; a++)
		if (strcmp((*a)->role, "gateway"))
			return false;
	return *s->agents;
}

static int show(struct show *w)
{
	struct status s;
	int r = status_read(&s, w->proxy, dirs_agent_run());

	if (r < 0)
		return r;
	w->dirty = false;
	w->missing = !w->proxy->running && !is_gateway(&s);
	if (w->json) {
		r = show_json(w, &s);
	} else {
		if (w->watch && w->live)
			fputs("\033[H\033[2J", stdout);
		else if (w->watch && w->last)
			fputs("\n", stdout);
		if (w->watch && !w->last)
			w->last = strdup("");
		if (w->missing)
			fputs("The wgfido broker is not running: systemctl start wgfidod\n\n", w->watch ? stdout : stderr);
		status_print(&s, stdout);
	}
	fflush(stdout);
	status_clear(&s);
	return r;
}

static void mark_dirty(struct show *w)
{
	w->dirty = true;
}

static void on_change(struct proxy *p, void *userdata)
{
	(void)p;
	mark_dirty(userdata);
}

static int on_file(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	(void)source;
	/* The agent writes aside and renames: only whole files count. */
	if (event->len && strstr(event->name, ".json"))
		mark_dirty(userdata);
	return 0;
}

static int on_second(sd_event_source *source, uint64_t usec, void *userdata)
{
	mark_dirty(userdata);
	return sd_event_source_set_time(source, usec + US_PER_SEC);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct show *w = userdata;

	(void)source;
	(void)info;
	w->done = true;
	return 0;
}

static int watch(struct show *w)
{
	sigset_t mask;
	int r;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	r = sd_event_new(&w->event);
	if (r >= 0 && w->proxy->bus)
		r = sd_bus_attach_event(w->proxy->bus, w->event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0 && w->proxy->bus)
		r = proxy_watch(w->proxy, on_change, w);
	if (r >= 0)
		r = sd_event_add_signal(w->event, NULL, SIGINT, on_signal, w);
	if (r >= 0)
		r = sd_event_add_signal(w->event, NULL, SIGTERM, on_signal, w);
	if (r >= 0)
		sd_event_add_inotify(w->event, NULL, dirs_agent_run(), IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE, on_file, w);
	if (r >= 0 && w->live)
		r = sd_event_add_time_relative(w->event, NULL, CLOCK_BOOTTIME, US_PER_SEC, US_PER_MS, on_second, w);
	if (r >= 0)
		r = show(w);
	/* Several signals tell of one change: it is shown once, when nothing else is there to be read. */
	while (r >= 0 && !w->done) {
		r = sd_event_run(w->event, w->dirty ? 0 : UINT64_MAX);
		if (r == 0 && w->dirty)
			r = show(w);
	}
	if (w->proxy->bus)
		sd_bus_detach_event(w->proxy->bus);
	w->event = sd_event_unref(w->event);
	return r;
}

static int status_main(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, OPTION_JSON},
		{"watch", no_argument, NULL, OPTION_WATCH},
		{"help", no_argument, NULL, OPTION_HELP},
		{},
	};
	_cleanup_proxy_ struct proxy *p = NULL;
	struct show w = {};
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case OPTION_JSON:
			w.json = true;
			break;
		case OPTION_WATCH:
			w.watch = true;
			break;
		case OPTION_HELP:
			verb_print_help(verb, stdout);
			return 0;
		default:
			return verb_usage(verb);
		}
	}
	if (optind < argc)
		return verb_usage_error(verb, "status takes no tunnel");
	r = proxy_open_quiet(&p);
	if (r < 0)
		return say_errno(r, "There is no memory");
	w.proxy = p;
	w.live = !w.json && term_is_live(stdout);
	r = w.watch ? watch(&w) : show(&w);
	free(w.last);
	if (r < 0)
		return say_errno(r, "The status cannot be shown");
	return w.missing ? outcome_exit_status(OUTCOME_FAILED) : 0;
}

const struct verb verb_status = {
	"status",
	status_main,
	"[--json] [--watch]",
	"Show the tunnels: approved until when, and what is in WireGuard",
	"  --json    for programs; wgfido(1) describes it\n"
	"  --watch   show it again at each change, until Ctrl-C\n",
};
