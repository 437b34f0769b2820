/* SPDX-License-Identifier: GPL-2.0-or-later */
/* approve: one touch, and the tunnel opens until its time is over, the key is pulled, or it is revoked. */
#include <errno.h>
#include <string.h>

#include "client/agent-status.h"
#include "client/call.h"
#include "client/dirs.h"
#include "client/proxy.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verb.h"
#include "client/windows.h"
#include "common/encoding.h"
#include "common/names.h"

/* "to open office (wg0) to gw for 8 h" */
static void purpose_format(char *buf, size_t size, struct proxy *p, const struct target *t, const struct call_options *o)
{
	char tunnel[128], peer[64] = "", span[64];
	uint64_t seconds = t->tunnel->approval_lifetime;
	struct proxy_peer *only = t->peer;

	if (!only && proxy_count_peers(p, t->tunnel) == 1)
		only = proxy_next_peer(p, t->tunnel, NULL);
	if (only)
		text_peer(peer, sizeof(peer), only);
	if (o->for_seconds && o->for_seconds < seconds)
		seconds = o->for_seconds;
	snprintf(buf, size, "to open %s%s%s for %s", text_tunnel(tunnel, sizeof(tunnel), t->tunnel),
		*peer ? " to " : "", peer, text_span(span, sizeof(span), seconds));
}

/* The approval stands, but who opens the tunnel? */
static void agent_check(const char *ifname, bool by_tunnel)
{
	struct agent_status *agent = NULL;

	if (agent_status_load(&agent, dirs_agent_run(), ifname) >= 0) {
		if (!strcmp(agent->state, "absent"))
			say_warning("There is no interface %s yet: it opens when it is there, for example by `%s%s`", ifname,
				by_tunnel ? "systemctl start wgfido-tunnel@" : "wg-quick up ", ifname);
		else if (!strcmp(agent->state, "error"))
			say_warning("wgfido-rotate could not open %s so far (%s): `wgfido doctor` tells more", ifname,
				*agent->problem ? agent->problem : agent->reason);
	} else {
		say_warning("wgfido-rotate does not guard %s, so nothing opens it: start it, as wgfido-rotate(8) shows", ifname);
	}
	agent_status_free(agent);
}

/* Shorter than was asked for, since the next window has another key. */
static void tell_window(const char *ifname, uint64_t until_boot_us, uint64_t asked_seconds)
{
	const struct instant now = clock_now(&clock_system);
	struct windows w;

	if (until_boot_us + 60 * US_PER_SEC < now.boot_us + asked_seconds * US_PER_SEC && windows_of(&w, ifname, now.real_us / US_PER_SEC)) {
		puts("It ends there with the window of its window keys; approve it again then.");
		windows_clear(&w);
	}
}

static int approve_one(struct proxy *p, const struct target *t, struct call_options *o)
{
	char purpose[256], tunnel[128], peer[64] = "", ifname[64], until_text[96];
	const uint64_t lifetime = t->tunnel->approval_lifetime;
	const uint64_t asked = o->for_seconds && o->for_seconds < lifetime ? o->for_seconds : lifetime;
	/* The kernel's WireGuard has no use for a key that is in a token. */
	const bool by_tunnel = !strcmp(t->tunnel->mode, "identity") && !strcmp(t->tunnel->held, "resident");
	sd_bus_message *reply = NULL;
	uint64_t until;
	int r;

	text_tunnel(tunnel, sizeof(tunnel), t->tunnel);
	if (t->peer)
		text_peer(peer, sizeof(peer), t->peer);
	snprintf(ifname, sizeof(ifname), "%s", t->tunnel->interface);
	purpose_format(purpose, sizeof(purpose), p, t, o);
	r = call_run(p,
		&(struct call){
			.path = t->peer ? t->peer->path : t->tunnel->path,
			.interface = t->peer ? WGFIDO_PEER_INTERFACE : WGFIDO_TUNNEL_INTERFACE,
			.method = "Approve",
			.tunnel_path = t->tunnel->path,
			.purpose = purpose,
			.options = o,
		},
		&reply);
	if (r)
		return r;
	r = sd_bus_message_read(reply, "t", &until);
	sd_bus_message_unref(reply);
	if (r < 0)
		return say_errno(r, "The broker's answer cannot be read");
	printf("%s%s%s is approved until %s.\n", tunnel, *peer ? " to " : "", peer,
		text_until(until_text, sizeof(until_text), until, clock_now(&clock_system)));
	tell_window(ifname, until, asked);
	agent_check(ifname, by_tunnel);
	return 0;
}

/* Neither argument: every tunnel with ApprovalScope = global, in turn; else the only one. */
static int approve_all(struct proxy *p, struct call_options *o)
{
	char list[512];
	bool global = false;
	int r = 0;

	for (size_t i = 0; i < p->n_tunnels; i++)
		global |= !strcmp(p->tunnels[i].approval_scope, "global");
	if (!p->n_tunnels)
		return say_outcome(OUTCOME_NOT_ENROLLED,
			"No tunnel is configured: `wgfido enroll TUNNEL` or `wgfido protect TUNNEL` sets one up");
	if (!global && p->n_tunnels > 1)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "There are several tunnels: say which one to approve, %s",
			target_list(list, sizeof(list), p));
	for (size_t i = 0; i < p->n_tunnels && !r; i++) {
		/* The one at this place: what is configured may change between two touches. */
		struct target t = {.tunnel = &p->tunnels[i]};

		if (!global || !strcmp(t.tunnel->approval_scope, "global"))
			r = approve_one(p, &t, o);
	}
	return r;
}

static int approve_main(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"for", required_argument, NULL, OPTION_FOR},
		{"wait", no_argument, NULL, OPTION_WAIT},
		CALL_LONG_OPTIONS,
		{},
	};
	_cleanup_call_options_ struct call_options o = CALL_OPTIONS_INIT;
	_cleanup_proxy_ struct proxy *p = NULL;
	struct target t;
	int r;

	r = call_options_parse(&o, verb, argc, argv, options);
	if (r >= 0)
		return r;
	if (argc - optind > 1)
		return verb_usage_error(verb, "Approve one tunnel at a time");
	r = proxy_open(&p);
	if (r)
		return r;
	if (optind == argc)
		return approve_all(p, &o);
	r = target_resolve(&t, p, argv[optind]);
	return r ? r : approve_one(p, &t, &o);
}

const struct verb verb_approve = {
	"approve",
	approve_main,
	"[TUNNEL[/PEER]] [--for TIME] [--wait]",
	"Open a tunnel with a touch of the security key",
	"Without a tunnel: every one with ApprovalScope = global, in turn, or the only one there is.\n"
	"PEER is a name, or the beginning of a public key in base64 or hex.\n"
	"While approved, the tunnel serves every user of this machine.\n\n"
	"  --for TIME      for this long (8h, 90m, 1h30m), at most the tunnel's ApprovalLifetime\n"
	"  --wait          wait for a security key to be plugged in\n"
	CALL_OPTIONS_HELP,
};
