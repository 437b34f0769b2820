/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/target.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/say.h"
#include "client/text.h"
#include "common/encoding.h"

const char *target_list(char *buf, size_t size, struct proxy *p)
{
	size_t len = 0;

	*buf = '\0';
	for (size_t i = 0; i < p->n_tunnels && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "", p->tunnels[i].interface);
	return buf;
}

static int say_no_tunnel(struct proxy *p, const char *text)
{
	char list[512];

	if (!p->n_tunnels)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"No tunnel is configured: `wgfido enroll %s` or `wgfido protect %s` sets one up", text, text);
	return say_outcome(OUTCOME_INVALID_ARGUMENT, "There is no tunnel \"%s\": choose one of %s", text,
		target_list(list, sizeof(list), p));
}

int target_resolve_tunnel(struct proxy_tunnel **ret, struct proxy *p, const char *text)
{
	struct proxy_tunnel *found = proxy_find_tunnel(p, text);

	for (size_t i = 0; i < p->n_tunnels && !proxy_find_tunnel(p, text) && *text; i++) {
		if (strcmp(p->tunnels[i].name, text))
			continue;
		if (found)
			return say_outcome(OUTCOME_INVALID_ARGUMENT,
				"Several tunnels are named \"%s\": give the interface, %s or %s", text,
				found->interface, p->tunnels[i].interface);
		found = &p->tunnels[i];
	}
	if (!found)
		return say_no_tunnel(p, text);
	*ret = found;
	return 0;
}

int target_parse_tunnel(struct proxy_tunnel **ret, struct proxy **ret_proxy, const struct verb *verb, int argc, char **argv)
{
	int r = verb_options_help_only(verb, argc, argv);

	if (r >= 0)
		return r;
	if (argc - optind != 1)
		return verb_usage_error(verb, "Say which tunnel");
	r = proxy_open(ret_proxy);
	if (!r)
		r = target_resolve_tunnel(ret, *ret_proxy, argv[optind]);
	return r ? r : -1;
}

enum match { MATCH_NOT, MATCH_BEGINNING, MATCH_WHOLE };

static enum match peer_match(const struct proxy_peer *peer, const char *text)
{
	uint8_t key[KEY_SIZE];
	char hex[KEY_HEX_SIZE];
	size_t len = strlen(text);

	if (!strcmp(peer->name, text) || !strcmp(peer->public_key, text))
		return MATCH_WHOLE;
	if (!strncmp(peer->public_key, text, len))
		return MATCH_BEGINNING;
	if (key_from_base64(key, peer->public_key) < 0)
		return MATCH_NOT;
	key_to_hex(hex, key);
	if (strncasecmp(hex, text, len))
		return MATCH_NOT;
	return hex[len] ? MATCH_BEGINNING : MATCH_WHOLE;
}

static int say_peers(struct proxy *p, const struct proxy_tunnel *tunnel, const char *text, enum match least)
{
	char list[1024] = "";
	size_t len = 0;

	for (struct proxy_peer *peer = NULL; (peer = proxy_next_peer(p, tunnel, peer)) && len < sizeof(list);) {
		char hex_or_name[64];

		if (least != MATCH_NOT && peer_match(peer, text) < least)
			continue;
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s%s%s%s", len ? ", " : "",
			*peer->name ? text_peer(hex_or_name, sizeof(hex_or_name), peer) : "",
			*peer->name ? " (" : "", peer->public_key, *peer->name ? ")" : "");
	}
	if (least == MATCH_NOT)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s has no peer \"%s\": %s%s", tunnel->interface, text,
			*list ? "choose one of " : "it has none", list);
	return say_outcome(OUTCOME_INVALID_ARGUMENT, "\"%s\" fits several peers of %s, give more of the key: %s", text,
		tunnel->interface, list);
}

int target_resolve(struct target *ret, struct proxy *p, const char *text)
{
	const char *slash = strchr(text, '/');
	struct target t = {};
	enum match best = MATCH_NOT;
	size_t n = 0;
	char name[64];
	int r;

	/* Base64 has slashes of its own; an interface's name has none. */
	snprintf(name, sizeof(name), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	r = target_resolve_tunnel(&t.tunnel, p, name);
	if (r)
		return r;
	if (slash && !slash[1])
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "A peer's name or key is missing behind \"%s\"", text);
	for (struct proxy_peer *peer = NULL; slash && (peer = proxy_next_peer(p, t.tunnel, peer));) {
		enum match m = peer_match(peer, slash + 1);

		if (m == MATCH_NOT || m < best)
			continue;
		n = m > best ? 1 : n + 1;
		best = m;
		t.peer = peer;
	}
	if (slash && n != 1)
		return say_peers(p, t.tunnel, slash + 1, best);
	*ret = t;
	return 0;
}
