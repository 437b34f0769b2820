/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/prompt-facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "client/text.h"

static bool is_pending(const struct proxy_peer *peer)
{
	return !strcmp(peer->state, "touch-needed") || !strcmp(peer->state, "waiting");
}

/* The one peer that a request is for, where others are not meant. */
static const struct proxy_peer *wanted_peer(struct proxy *p, const struct proxy_tunnel *t)
{
	const struct proxy_peer *found = NULL;

	if (strcmp(t->approval_scope, "peer") || proxy_count_peers(p, t) < 2)
		return NULL;
	for (struct proxy_peer *peer = NULL; (peer = proxy_next_peer(p, t, peer));)
		if (is_pending(peer)) {
			if (found)
				return NULL;
			found = peer;
		}
	return found;
}

int prompt_facts_read(struct prompt_facts_list *ret, struct proxy *p, const char *run_dir)
{
	struct prompt_facts_list l = {.n = p->n_tunnels};

	l.facts = calloc(l.n + 1, sizeof(*l.facts));
	l.names = calloc(l.n + 1, sizeof(*l.names));
	if (!l.facts || !l.names) {
		l.n = 0;
		prompt_facts_clear(&l);
		return -ENOMEM;
	}
	for (size_t i = 0; i < l.n; i++) {
		const struct proxy_tunnel *t = &p->tunnels[i];
		const struct proxy_peer *peer = wanted_peer(p, t);
		struct prompt_names *names = &l.names[i];

		if (peer)
			text_peer(names->peer, sizeof(names->peer), peer);
		/* No file, or one of a time that is over: not guarded. */
		if (agent_status_load(&names->agent, run_dir, t->interface) < 0)
			names->agent = NULL;
		l.facts[i] = (struct prompt_facts){
			.tunnel = t,
			.peer = names->peer,
			.token = *t->prompt_token ? t->prompt_token : p->n_tokens == 1 ? p->tokens[0].name : "",
			.approvable = strcmp(t->approval_scope, "peer") || proxy_count_peers(p, t) < 2,
			.agent = names->agent ? names->agent->state : "",
		};
	}
	*ret = l;
	return 0;
}

void prompt_facts_clear(struct prompt_facts_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		agent_status_free(l->names[i].agent);
	free(l->facts);
	free(l->names);
	*l = (struct prompt_facts_list){};
}

struct agent_watch {
	sd_event *event;
	char *dir;    /* "/run/wgfido-net" */
	char *parent; /* "/run" */
	char *name;   /* "wgfido-net" */
	/* libsystemd 252 leaks an inotify source that floats */
	sd_event_source *in_dir, *in_parent;
	void (*changed)(void *userdata);
	void *userdata;
};

static int on_file(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct agent_watch *w = userdata;

	(void)source;
	/* The agent writes aside and renames: only whole files count. */
	if ((event->len && *event->name != '.' && strstr(event->name, ".json")) || (event->mask & (IN_Q_OVERFLOW | IN_IGNORED)))
		w->changed(w->userdata);
	return 0;
}

/* The directory goes and comes with the agent, as its RuntimeDirectory=. */
static void watch_dir(struct agent_watch *w)
{
	w->in_dir = sd_event_source_disable_unref(w->in_dir);
	(void)sd_event_add_inotify(w->event, &w->in_dir, w->dir, IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE | IN_ONLYDIR, on_file, w);
}

static int on_parent(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct agent_watch *w = userdata;

	(void)source;
	if (event->mask & IN_Q_OVERFLOW || (event->len && !strcmp(event->name, w->name))) {
		watch_dir(w);
		w->changed(w->userdata);
	}
	return 0;
}

int agent_watch_new(struct agent_watch **ret, sd_event *event, const char *run_dir, void (*changed)(void *userdata), void *userdata)
{
	struct agent_watch *w = calloc(1, sizeof(*w));
	char *slash;
	int r = -ENOMEM;

	if (!w)
		return -ENOMEM;
	w->event = sd_event_ref(event);
	w->changed = changed;
	w->userdata = userdata;
	w->dir = strdup(run_dir);
	w->parent = strdup(run_dir);
	if (!w->dir || !w->parent)
		goto fail;
	slash = strrchr(w->parent, '/');
	r = -EINVAL;
	if (!slash || !slash[1])
		goto fail;
	w->name = strdup(slash + 1);
	slash[slash == w->parent] = '\0';
	r = -ENOMEM;
	if (!w->name)
		goto fail;
	/* The parent first: what comes between the two is seen there. */
	r = sd_event_add_inotify(event, &w->in_parent, w->parent, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR,
		on_parent, w);
	if (r < 0)
		goto fail;
	watch_dir(w);
	*ret = w;
	return 0;
fail:
	agent_watch_free(w);
	return r;
}

struct agent_watch *agent_watch_free(struct agent_watch *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->in_dir);
	sd_event_source_disable_unref(w->in_parent);
	sd_event_unref(w->event);
	free(w->dir);
	free(w->parent);
	free(w->name);
	free(w);
	return NULL;
}
