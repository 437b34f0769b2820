/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status for people. */
#include <string.h>

#include "client/status.h"
#include "client/term.h"
#include "client/text.h"
#include "client/windows.h"

/* More peers than this are counted instead of listed, but for those that are not as they should be. */
#define PEERS_LISTED_MAX 20

struct printer {
	FILE *f;
	const struct status *s;
};

static void warn_print(void *userdata, const char *text)
{
	struct printer *p = userdata;

	fprintf(p->f, "  %s! %s%s\n", term_colour(p->f, TERM_YELLOW), text, term_colour(p->f, TERM_PLAIN));
}

void status_print_state(const struct status *s, FILE *f, const struct proxy_tunnel *t)
{
	const char *plain = term_colour(f, TERM_PLAIN);
	char until[96];

	if (!strcmp(t->state, "approved")) {
		fprintf(f, "%sapproved%s until %s", term_colour(f, TERM_GREEN), plain,
			text_until(until, sizeof(until), t->approved_until, s->now));
		return;
	}
	if (!strcmp(t->state, "waiting"))
		fputs("locked, waiting for a security key to be plugged in", f);
	else if (!strcmp(t->state, "touch-needed"))
		fprintf(f, "%swaiting for a touch%s of %s", term_colour(f, TERM_BOLD), plain,
			*t->prompt_token ? t->prompt_token : "the security key");
	else if (!strcmp(t->state, "unenrolled"))
		fprintf(f, "no security key yet: `wgfido %s %s` adds one",
			text_making_verb(t), t->interface);
	else if (!strcmp(t->state, "misconfigured"))
		fprintf(f, "%smisconfigured%s", term_colour(f, TERM_RED), plain);
	else
		fputs(t->state, f);
	if (!strcmp(t->state, "locked") && *t->end_reason)
		fprintf(f, ", since %s", text_end_reason(t->end_reason));
	if (*t->prompt && *t->prompt_requester)
		fprintf(f, ", asked for by %s", t->prompt_requester);
}

static void handshake_print(const struct printer *p, const struct agent_peer *a)
{
	uint64_t now = p->s->now.real_us / US_PER_SEC;
	char span[64];

	if (a->last_handshake)
		fprintf(p->f, ", last handshake %s ago",
			text_span(span, sizeof(span), now > a->last_handshake ? now - a->last_handshake : 0));
}

static void agent_peer_print(const struct printer *p, const struct agent_peer *a)
{
	if (!strcmp(a->state, "rotated"))
		fprintf(p->f, "%sopen%s, confirmed by a handshake", term_colour(p->f, TERM_GREEN), term_colour(p->f, TERM_PLAIN));
	else if (!strcmp(a->state, "open"))
		fprintf(p->f, "%sopen%s, %s", term_colour(p->f, TERM_GREEN), term_colour(p->f, TERM_PLAIN),
			*a->reason ? a->reason : a->last_handshake ? "not yet confirmed by a handshake" : "no handshake yet");
	else if (!strcmp(a->state, "hunting"))
		fputs("looking for the slot of its clock", p->f);
	else if (!strcmp(a->state, "refused"))
		fprintf(p->f, "%srefused%s", term_colour(p->f, TERM_RED), term_colour(p->f, TERM_PLAIN));
	else
		fputs(a->state, p->f);
	if (*a->reason && strcmp(a->state, "open") != 0)
		fprintf(p->f, " (%s)", a->reason);
	if (a->slot)
		fprintf(p->f, ", slot %llu", (unsigned long long)a->slot);
	if (a->offset)
		fprintf(p->f, " (%+lld)", (long long)a->offset);
	handshake_print(p, a);
}

static void peer_print(const struct printer *p, const struct proxy_tunnel *t, const struct proxy_peer *peer,
	const struct agent_status *agent)
{
	const struct agent_peer *a = agent_status_find_peer(agent, peer->public_key);
	char name[64], until[96];

	fprintf(p->f, "  peer   %s: ", text_peer(name, sizeof(name), peer));
	/* With one approval for the whole tunnel the peers say nothing new. */
	if (!strcmp(t->approval_scope, "peer")) {
		if (!strcmp(peer->state, "approved"))
			fprintf(p->f, "approved until %s", text_until(until, sizeof(until), peer->approved_until, p->s->now));
		else
			fputs(peer->state, p->f);
		fputs(a ? ", " : "", p->f);
	}
	if (a)
		agent_peer_print(p, a);
	else if (strcmp(t->approval_scope, "peer"))
		fputs(agent ? "not in WireGuard" : "unknown to wgfido-rotate", p->f);
	fputc('\n', p->f);
}

static void agent_print(const struct printer *p, const struct agent_status *a)
{
	fprintf(p->f, "  agent  %s", !strcmp(a->state, "absent") ? "the interface does not exist" : a->state);
	if (*a->backend && strcmp(a->backend, "none"))
		fprintf(p->f, ", %s WireGuard", a->backend);
	if (*a->reason)
		fprintf(p->f, " (%s)", a->reason);
	fputc('\n', p->f);
}

/* Broken at blanks, and aligned behind what stands before it. */
static void print_wrapped(FILE *f, const char *before, const char *text)
{
	int columns = term_columns(f), indent = (int)strlen(before);
	int width = columns > indent + 20 ? columns - indent : 20;

	fputs(before, f);
	while ((int)strlen(text) > width) {
		int len = width;

		while (len && text[len] != ' ')
			len--;
		if (!len)
			break;
		fprintf(f, "%.*s\n%*s", len, text, indent, "");
		text += len + 1;
	}
	fprintf(f, "%s\n", text);
}

static const char *touch_words(const struct proxy_tunnel *t)
{
	if (!strcmp(t->touch_policy, "never"))
		return ", which asks for no touch";
	if (!strcmp(t->touch_policy, "cached"))
		return ", which asks for a touch now and then";
	return !strcmp(t->touch_policy, "always") ? ", which asks for a touch each time" : "";
}

static void windows_print(const struct printer *p, const struct proxy_tunnel *t)
{
	const uint64_t now = p->s->now.real_us / US_PER_SEC;
	char window[32], keys[32];
	struct windows w;

	if (!windows_of(&w, t->interface, now) || w.error || !w.window_end) {
		windows_clear(&w);
		return;
	}
	fprintf(p->f, "  window an approval ends at %s at the latest; window keys until %s\n", text_time(window, sizeof(window), w.window_end, now),
		text_time(keys, sizeof(keys), w.keys_end, now));
	windows_clear(&w);
}

static void tunnel_print(struct printer *p, const struct proxy_tunnel *t)
{
	const struct agent_status *agent = status_find_agent(p->s, t->interface);
	char name[128];

	fprintf(p->f, "%s%s%s: ", term_colour(p->f, TERM_BOLD), text_tunnel(name, sizeof(name), t),
		term_colour(p->f, TERM_PLAIN));
	status_print_state(p->s, p->f, t);
	fputc('\n', p->f);
	if (*t->mode)
		fprintf(p->f, "  mode   %s, %s", t->mode, !strcmp(t->held, "none") ? "not enrolled" : t->held);
	if (*t->mode && *t->slot)
		fprintf(p->f, ", in slot %s%s", t->slot, touch_words(t));
	if (*t->mode)
		fputc('\n', p->f);
	if (*t->next_public_key)
		fprintf(p->f, "  next   %s, when the other end has it (`wgfido rekey %s`)\n", t->next_public_key, t->interface);
	windows_print(p, t);
	if (*t->guarantee)
		print_wrapped(p->f, "  gives  ", t->guarantee);
	if (agent)
		agent_print(p, agent);
	for (struct proxy_peer *peer = NULL; (peer = proxy_next_peer(p->s->proxy, t, peer));)
		peer_print(p, t, peer, agent);
	status_warn(p->s, t, agent, warn_print, p);
	status_warn_windows(p->s, t, warn_print, p);
}

static void foreign_print(struct printer *p, const struct agent_status *a)
{
	bool few = a->n_peers <= PEERS_LISTED_MAX;
	size_t good = 0, listed = 0;

	fprintf(p->f, "%s%s%s: %s%s%s\n", term_colour(p->f, TERM_BOLD), a->interface, term_colour(p->f, TERM_PLAIN),
		*a->role ? a->role : "guarded", *a->mode ? ", " : "", a->mode);
	agent_print(p, a);
	for (size_t i = 0; i < a->n_peers; i++) {
		const struct agent_peer *peer = &a->peers[i];
		bool is_good = !strcmp(peer->state, "rotated") || !strcmp(peer->state, "open");

		good += is_good;
		if (!few && (is_good || listed >= PEERS_LISTED_MAX))
			continue;
		listed++;
		fprintf(p->f, "  peer   %.*s%s: ", *peer->name ? 64 : 10, *peer->name ? peer->name : peer->public_key,
			*peer->name ? "" : "...");
		agent_peer_print(p, peer);
		fputc('\n', p->f);
	}
	if (!few)
		fprintf(p->f, "  peers  %zu, %zu of them open\n", a->n_peers, good);
	status_warn(p->s, NULL, a, warn_print, p);
}

void status_print(const struct status *s, FILE *f)
{
	struct printer p = {f, s};
	bool first = true;

	for (size_t i = 0; i < s->proxy->n_tunnels; i++) {
		fputs(first ? "" : "\n", f);
		first = false;
		tunnel_print(&p, &s->proxy->tunnels[i]);
	}
	for (struct agent_status **a = s->agents; *a; a++) {
		if (!status_is_foreign(s, *a))
			continue;
		fputs(first ? "" : "\n", f);
		first = false;
		foreign_print(&p, *a);
	}
	if (first)
		fputs("No tunnel is configured: `wgfido protect TUNNEL` or `wgfido enroll TUNNEL` sets one up.\n", f);
}
