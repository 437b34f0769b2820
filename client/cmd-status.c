/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status: the tunnels, once or at each change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirs.h"
#include "client/say.h"
#include "client/status.h"
#include "client/term.h"
#include "client/verb.h"
#include "client/watch.h"

struct show {
	struct proxy *proxy;
	bool json;
	bool live;  /* redraw in place, with a clock that runs */
	bool watch;
	bool missing; /* the broker does not run where it should */
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

static int show(void *userdata)
{
	struct show *w = userdata;
	struct status s;
	int r = status_read(&s, w->proxy, dirs_agent_run());

	if (r < 0)
		return r;
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
			fputs("The wgfido broker is not running: start wgfidod, as wgfidod(8) shows\n\n", w->watch ? stdout : stderr);
		status_print(&s, stdout);
	}
	fflush(stdout);
	status_clear(&s);
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
	r = w.watch ? watch_run(p, w.live, show, &w) : show(&w);
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
