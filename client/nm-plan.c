/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a profile's settings to what has to change in it. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/nm.h"
#include "common/handle.h"

void nm_profile_clear(struct nm_profile *p)
{
	free(p->path);
	free(p->id);
	free(p->uuid);
	free(p->type);
	free(p->ifname);
	free(p->owner);
	secret_free(p->key);
	for (size_t i = 0; i < p->n_peers; i++) {
		free(p->peers[i].public_key);
		secret_free(p->peers[i].psk);
	}
	free(p->peers);
	*p = (struct nm_profile){};
}

struct nm_peer *nm_find_peer(const struct nm_profile *p, const uint8_t key[static KEY_SIZE])
{
	for (size_t i = 0; i < p->n_peers; i++)
		if (key_equal(p->peers[i].key, key))
			return &p->peers[i];
	return NULL;
}

static bool secret_same(const struct secret *a, const struct secret *b)
{
	return a && b ? secret_equal(a, b) : a == b;
}

static bool text_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool nm_profile_equal(const struct nm_profile *a, const struct nm_profile *b)
{
	if (!text_same(a->uuid, b->uuid) || !text_same(a->type, b->type) || !text_same(a->ifname, b->ifname) ||
		!text_same(a->owner, b->owner) ||
		a->key_flags != b->key_flags || a->n_peers != b->n_peers || !secret_same(a->key, b->key))
		return false;
	for (size_t i = 0; i < a->n_peers; i++)
		if (!key_equal(a->peers[i].key, b->peers[i].key) || a->peers[i].flags != b->peers[i].flags ||
			!secret_same(a->peers[i].psk, b->peers[i].psk))
			return false;
	return true;
}

const char *nm_problem_words(enum nm_problem p)
{
	switch (p) {
	case NM_FINE:
		return "";
	case NM_NO_IFNAME:
		return "has no interface name that wgfido takes: `nmcli connection modify` sets connection.interface-name";
	case NM_NO_PEERS:
		return "has no peer yet: add it first";
	case NM_KEY_NOT_STORED:
		return "does not store its private key for all users (a desktop's keyring has it, or nobody): store it in the connection "
		       "first, with private-key-flags 0";
	case NM_KEY_TAKEN:
		return "has no private key any more, since wgfido holds it (Mode = identity): `wgfido nm undo` puts it back";
	case NM_KEY_UNREADABLE:
		return "has a private key that this user may not read: run this as root";
	case NM_KEY_HANDLE:
		return "has no private key that could be set up: " HANDLE_NOT_A_KEY;
	}
	return "";
}

void nm_change_clear(struct nm_change *c)
{
	free(c->psks);
	*c = (struct nm_change){};
}

static bool is_guarded(const struct nm_peer *peer, const struct config *config)
{
	return !config || config_find_peer(config, peer->key);
}

static bool psk_fits(const struct nm_peer *peer)
{
	return !peer->psk && (!peer->has_flags || peer->flags == NM_SECRET_NOT_REQUIRED);
}

static enum nm_problem find_problem(const struct nm_profile *p, enum config_mode mode)
{
	if (!p->ifname || !ifname_valid(p->ifname))
		return NM_NO_IFNAME;
	if (!p->n_peers)
		return NM_NO_PEERS;
	if (p->key_flags & (NM_SECRET_AGENT_OWNED | NM_SECRET_NOT_SAVED))
		return NM_KEY_NOT_STORED;
	if (!p->key)
		return p->has_secrets ? NM_KEY_NOT_STORED : NM_KEY_UNREADABLE;
	if (handle_is_secret(p->key))
		return NM_KEY_HANDLE;
	if (mode == CONFIG_MODE_PSK && secret_is_zero(p->key))
		return NM_KEY_TAKEN;
	return NM_FINE;
}

int nm_plan_setup(struct nm_change *ret, enum nm_problem *ret_problem, const struct nm_profile *p, enum config_mode mode,
	const struct config *config)
{
	struct nm_change c = {};

	*ret_problem = find_problem(p, mode);
	if (*ret_problem != NM_FINE)
		return 0;
	c.psks = calloc(p->n_peers, sizeof(*c.psks));
	if (!c.psks)
		return -ENOMEM;
	c.set_key = mode == CONFIG_MODE_IDENTITY && !secret_is_zero(p->key);
	for (size_t i = 0; i < p->n_peers; i++)
		if (mode == CONFIG_MODE_PSK && is_guarded(&p->peers[i], config) && !psk_fits(&p->peers[i]))
			c.psks[i].how = NM_PSK_REMOVE;
	*ret = c;
	return 0;
}

bool nm_change_is_empty(const struct nm_change *c, const struct nm_profile *p)
{
	if (c->set_key)
		return false;
	for (size_t i = 0; i < p->n_peers; i++)
		if (c->psks[i].how != NM_PSK_KEEP)
			return false;
	return true;
}

unsigned int nm_findings(const struct nm_profile *p, const struct config *config)
{
	unsigned int found = 0;

	if (config->mode == CONFIG_MODE_IDENTITY) {
		if (p->key_flags != 0)
			found |= NM_FINDING_KEY_FLAGS;
		if (p->key && !secret_is_zero(p->key))
			found |= NM_FINDING_KEY_STORED;
		return found;
	}
	for (size_t i = 0; i < p->n_peers; i++) {
		const struct nm_peer *peer = &p->peers[i];

		if (!config_find_peer(config, peer->key))
			continue;
		if (peer->psk)
			found |= NM_FINDING_PSK_STORED;
		else if (peer->has_flags && peer->flags != NM_SECRET_NOT_REQUIRED)
			found |= NM_FINDING_PSK_FLAGS;
	}
	return found;
}
