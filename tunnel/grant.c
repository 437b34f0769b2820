/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/handle.h"

void grant_init(struct grant *g)
{
	*g = (struct grant){ 0 };
}

void grant_forget(struct grant *g)
{
	free(g->peers);
	g->peers = NULL;
	g->n_peers = 0;
	g->until_us = 0;
	g->why[0] = '\0';
}

void grant_clear(struct grant *g)
{
	grant_forget(g);
}

void grant_broker(struct grant *g, bool here)
{
	grant_forget(g);
	lease_end(&g->lease);
	g->here = here;
	g->known = g->resident = false;
	g->present = g->next = (struct grant_key){ 0 };
}

static struct grant_peer *find(const struct grant *g, const uint8_t public_key[static KEY_SIZE])
{
	for (size_t i = 0; i < g->n_peers; i++)
		if (key_equal(g->peers[i].public_key, public_key))
			return &g->peers[i];
	return NULL;
}

int grant_peer(struct grant *g, const uint8_t public_key[static KEY_SIZE], uint64_t until_us)
{
	struct grant_peer *p = find(g, public_key), *more;

	if (!p && until_us == 0)
		return 0;
	if (!p) {
		more = reallocarray(g->peers, g->n_peers + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		g->peers = more;
		p = &more[g->n_peers++];
		memcpy(p->public_key, public_key, KEY_SIZE);
	}
	p->until_us = until_us;
	return 0;
}

bool grant_is_mismatch(const struct grant *g)
{
	return g->wants_handle && g->present.known && !handle_matches(g->wanted_handle, g->present.public_key);
}

static const char *why_closed(const struct grant *g, uint64_t now_us)
{
	if (!g->here)
		return "the broker (wgfidod) is not running";
	if (!g->lease.held)
		return "the broker (wgfidod) does not answer";
	if (!g->known)
		return "the broker knows no such tunnel";
	if (!g->resident || !g->present.known)
		return "its key is not in a security key";
	if (grant_is_mismatch(g))
		return "its PrivateKey names another key than the broker has for it";
	if (g->until_us <= now_us)
		return g->why[0] ? g->why : "not approved";
	return NULL;
}

bool grant_is_open(const struct grant *g, uint64_t now_us, const char **ret_why)
{
	const char *why = why_closed(g, now_us);

	if (why && ret_why)
		*ret_why = why;
	return !why;
}

bool grant_is_open_for(const struct grant *g, const uint8_t public_key[static KEY_SIZE], uint64_t now_us)
{
	const struct grant_peer *p = find(g, public_key);

	return p && p->until_us > now_us && grant_is_open(g, now_us, NULL);
}

uint64_t grant_next(const struct grant *g, uint64_t now_us)
{
	uint64_t next = g->until_us > now_us ? g->until_us : US_NEVER;

	for (size_t i = 0; i < g->n_peers; i++)
		if (g->peers[i].until_us > now_us && g->peers[i].until_us < next)
			next = g->peers[i].until_us;
	return next;
}
