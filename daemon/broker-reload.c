/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tunnels there are: read from the directory of configurations, and again when asked to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"

static void add_tunnel(struct broker *b, struct tunnel *t)
{
	struct tunnel *behind;

	TAILQ_FOREACH(behind, &b->tunnels, link)
		if (strcmp(behind->ifname, t->ifname) > 0)
			break;
	if (behind)
		TAILQ_INSERT_BEFORE(behind, t, link);
	else
		TAILQ_INSERT_TAIL(&b->tunnels, t, link);
	b->callbacks->tunnel_added(b->userdata, t);
}

static void remove_tunnel(struct broker *b, struct tunnel *t, const char *why)
{
	broker_cancel_operations(b, NULL, t->ifname, why);
	broker_end_approvals(b, t->ifname, NULL, APPROVAL_END_RECONFIGURED);
	broker_settle(b);
	b->callbacks->tunnel_removed(b->userdata, t);
	TAILQ_REMOVE(&b->tunnels, t, link);
	tunnel_free(t);
}

static void note_problem(struct broker *b, const struct tunnel *t)
{
	const char *problem = tunnel_problem(t);

	if (problem[0])
		broker_note(b, LOG_LEVEL_WARNING, "%s: %s", t->ifname, problem);
}

/*
 * A changed configuration may have other peers, which are objects of their own: the tunnel is taken away and put up again. A
 * changed key file changes properties only.
 */
static int reload_tunnel(struct broker *b, const char *ifname)
{
	struct tunnel *t = broker_find_tunnel(b, ifname), *fresh;
	unsigned int changed;
	int r;

	r = tunnel_new(&fresh, b, ifname);
	if (r < 0)
		return r;
	r = tunnel_read(fresh, &changed);
	if (r < 0) {
		tunnel_free(fresh);
		return r;
	}
	if (t && t->config && memcmp(t->config_hash, fresh->config_hash, sizeof(t->config_hash)) == 0) {
		tunnel_free(fresh);
		r = tunnel_read(t, &changed);
		if (r < 0 || !changed)
			return r;
		broker_cancel_operations(b, NULL, ifname, "its key file changed");
		broker_end_approvals(b, ifname, NULL, APPROVAL_END_RECONFIGURED);
		tunnel_mark(t, TUNNEL_CHANGE_KEY, NULL);
		note_problem(b, t);
		return 0;
	}
	if (t)
		remove_tunnel(b, t, "its configuration changed");
	note_problem(b, fresh);
	add_tunnel(b, fresh);
	return 0;
}

static bool listed(char **names, const char *ifname)
{
	for (; *names; names++)
		if (strcmp(*names, ifname) == 0)
			return true;
	return false;
}

int broker_reload(struct broker *b)
{
	struct tunnel *t, *following;
	char **names = NULL, **n;
	int r;

	pairings_forget(b->pairings);
	r = config_list(&names, b->options.config_dir);
	if (r == -ENOENT)
		names = calloc(1, sizeof(*names));
	else if (r < 0)
		return r;
	if (!names)
		return -ENOMEM;
	r = 0;
	for (t = TAILQ_FIRST(&b->tunnels); t; t = following) {
		following = TAILQ_NEXT(t, link);
		if (!listed(names, t->ifname))
			remove_tunnel(b, t, "its configuration is gone");
	}
	for (n = names; *n && r == 0; n++)
		r = reload_tunnel(b, *n);
	config_list_free(names);
	broker_settle_soon(b);
	return r;
}
