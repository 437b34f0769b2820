/* SPDX-License-Identifier: GPL-2.0-or-later */
/* revoke: ends approvals, now. */
#include <string.h>

#include "client/agent-status.h"
#include "client/dirs.h"
#include "client/proxy.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verb.h"
#include "common/names.h"

static int revoke_one(struct proxy *p, const struct target *t)
{
	char tunnel[128], peer[64] = "";
	int r;

	text_tunnel(tunnel, sizeof(tunnel), t->tunnel);
	if (t->peer)
		text_peer(peer, sizeof(peer), t->peer);
	r = proxy_call_simple(p, t->peer ? t->peer->path : t->tunnel->path,
		t->peer ? WGFIDO_PEER_INTERFACE : WGFIDO_TUNNEL_INTERFACE, "Revoke", NULL);
	if (r)
		return r;
	printf("%s%s%s is locked.\n", tunnel, *peer ? " to " : "", peer);
	if (!agent_status_wait_closed(dirs_agent_run(), t->tunnel->interface, t->peer ? t->peer->public_key : NULL))
		say_warning("%s is still open: restart wgfido-rotate, as wgfido-rotate(8) shows", t->tunnel->interface);
	return 0;
}

static int revoke_main(const struct verb *verb, int argc, char **argv)
{
	_cleanup_proxy_ struct proxy *p = NULL;
	struct target t = {};
	char list[512];
	int r;

	r = verb_options_help_only(verb, argc, argv);
	if (r >= 0)
		return r;
	if (argc - optind > 1)
		return verb_usage_error(verb, "Revoke one tunnel at a time, or all with `wgfido lock`");
	r = proxy_open(&p);
	if (r)
		return r;
	if (optind < argc)
		r = target_resolve(&t, p, argv[optind]);
	else if (p->n_tunnels == 1)
		t.tunnel = &p->tunnels[0];
	else
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"Say which tunnel to revoke (%s), or end every approval with `wgfido lock`",
			target_list(list, sizeof(list), p));
	return r ? r : revoke_one(p, &t);
}

const struct verb verb_revoke = {
	"revoke",
	revoke_main,
	"[TUNNEL[/PEER]]",
	"Close a tunnel: end its approval now",
	"The tunnel may be left out when there is only one. `wgfido lock` closes them all.\n",
};
