/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an interface's state is called, and who is told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard.h"
#include "common/handle.h"

#define STATUS_US_PER_PEER (6 * US_PER_MS) /* between two status files: they grow with the peers */

static void guard_notice(const struct guard *g, enum log_level level, const char *text)
{
	char line[640];

	if (!g->world->notice)
		return;
	(void)snprintf(line, sizeof(line), "%s: %s", g->ifname, text);
	g->world->notice(g->world, level, line);
}

static void problem_add(struct guard *g, const char *text)
{
	const size_t len = strlen(g->problem);

	(void)snprintf(g->problem + len, sizeof(g->problem) - len, "%s%s", len ? "; " : "", text);
}

static void problem_peers(struct guard *g, size_t n, const uint8_t *public_key, const char *what)
{
	char key[KEY_BASE64_SIZE], text[160];

	if (n == 0)
		return;
	if (public_key)
		key_to_base64(key, public_key);
	if (n == 1 && public_key)
		(void)snprintf(text, sizeof(text), "peer %s %s", key, what);
	else
		(void)snprintf(text, sizeof(text), "%zu peer%s: %s", n, n == 1 ? "" : "s", what);
	problem_add(g, text);
}

static void guard_find_problems(struct guard *g, const struct device *d)
{
	const struct rotator *r = g->rotator;
	const struct gateway *w = g->gateway;

	g->problem[0] = '\0';
	if (g->config_error)
		problem_add(g, g->config_error);
	if (g->device_error[0])
		problem_add(g, g->device_error);
	if (!d)
		return;
	if (w) {
		if (!w->has_private_key)
			problem_add(g, "the interface has no private key");
		if (w->handle_key)
			problem_add(g, HANDLE_AS_KEY);
		if (w->wrong_public_key)
			problem_add(g, "PublicKey in the configuration is not the interface's");
		problem_peers(g, w->n_missing, NULL, "in the configuration, but the interface does not have them");
		problem_peers(g, w->n_refused, NULL, "refused without a preshared key in WireGuard: add the PresharedKey line of `wgfido gateway`");
		problem_peers(g, w->n_unusable, NULL, "their TokenPublicKey is not a usable key");
		return;
	}
	if (!g->config)
		return;
	if (!r->identity && g->config->has_public_key && d->private_key && !key_equal(d->public_key, g->config->public_key))
		problem_add(g, "PublicKey in the configuration is not the interface's");
	problem_peers(g, r->n_missing, r->missing_key, "of the configuration, but the interface does not have it");
	problem_peers(g, r->n_unguarded, r->unguarded_key, "has no [Peer] in the configuration and is not guarded");
}

static const char *guard_why_closed(const struct guard *g)
{
	if (g->stop)
		return g->stop;
	if (g->config_error)
		return "the configuration cannot be used";
	if (g->gateway)
		return g->gateway->n_refused ? "its peers are refused" : "no peer with a TokenPublicKey is there";
	if (g->broker)
		return g->broker;
	if (g->rotator->hold)
		return g->rotator->hold;
	if (g->rotator->reason)
		return g->rotator->reason;
	for (size_t i = 0; i < g->rotator->n_peers; i++)
		if (g->rotator->peers[i].reason)
			return g->rotator->peers[i].reason;
	return g->broker_reason[0] ? g->broker_reason : "not approved";
}

static bool guard_is_settled(const struct guard *g)
{
	return !g->device_error[0] && (g->gateway || rotator_is_settled(g->rotator));
}

static enum status_state guard_state(const struct guard *g, const struct device *d)
{
	if (g->device_error[0])
		return STATUS_ERROR;
	if (!d)
		return STATUS_ABSENT;
	if (!guard_is_settled(g))
		return STATUS_ERROR;
	/* Closed, as it must be, and in need of a hand. */
	if (g->config_error && !g->stop)
		return STATUS_ERROR;
	if (g->gateway)
		return g->gateway->n_open ? STATUS_OPEN : STATUS_CLOSED;
	return rotator_is_open(g->rotator) ? STATUS_OPEN : STATUS_CLOSED;
}

bool guard_is_closed(const struct guard *g)
{
	if (!guard_is_settled(g))
		return false;
	if (!g->gateway && g->rotator->stands_back)
		return true;
	return g->gateway ? g->gateway->n_open == 0 : !rotator_is_open(g->rotator);
}

static uint64_t text_hash(const char *text, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
	return h;
}

static void status_peer_of_gateway(const void *userdata, size_t i, struct status_peer *ret)
{
	gateway_status_peer(userdata, i, ret);
}

static void status_peer_of_rotator(const void *userdata, size_t i, struct status_peer *ret)
{
	rotator_status_peer(userdata, i, ret);
}

static void guard_write(struct guard *g)
{
	struct status s = {
		.has_mode = g->config != NULL,
		.mode = g->config ? g->config->mode : CONFIG_MODE_PSK,
		.gateway = g->world->gateway,
		.backend = g->backend,
		.state = g->state,
		.changed_us = g->changed_us,
		.closed_us = g->closed_us,
		.n_unguarded = g->gateway ? g->gateway->n_unguarded : g->rotator->n_unguarded,
		.n_peers = g->gateway ? g->gateway->n_peers : g->rotator->n_peers,
		.peer = g->gateway ? status_peer_of_gateway : status_peer_of_rotator,
		.userdata = g->gateway ? (const void *)g->gateway : (const void *)g->rotator,
	};
	char *text = NULL, line[160];
	uint64_t hash;
	size_t len;
	int r;

	memcpy(s.ifname, g->ifname, sizeof(s.ifname));
	memcpy(s.reason, g->reason, sizeof(s.reason));
	memcpy(s.problem, g->problem, sizeof(s.problem));
	r = status_format(&text, &len, &s);
	hash = r == 0 ? text_hash(text, len) : 0;
	if (r == 0 && hash == g->status_hash) {
		free(text);
		return;
	}
	if (r == 0)
		r = status_write(g->world->run_dir, g->ifname, text, len);
	free(text);
	if (r == 0) {
		g->status_hash = hash;
		return;
	}
	/* Said once; the interface's own state does not depend on it. */
	if (g->status_hash != UINT64_MAX) {
		(void)snprintf(line, sizeof(line), "cannot write its status file: %s", strerror(-r));
		guard_notice(g, LOG_LEVEL_WARNING, line);
	}
	g->status_hash = UINT64_MAX;
}

static void guard_tell_drift(struct guard *g)
{
	const uint64_t drift = g->gateway ? gateway_drift(g->gateway) : rotator_drift(g->rotator);
	char line[160];

	if (drift > g->drift) {
		(void)snprintf(line, sizeof(line), "somebody else changed a key of it; set back (%llu times so far)",
			(unsigned long long)drift);
		guard_notice(g, LOG_LEVEL_WARNING, line);
	}
	g->drift = drift;
}

static bool guard_is_approved(const struct guard *g, const struct instant *now)
{
	const struct rotator *r = g->rotator;

	if (r->hold)
		return false;
	if (r->identity)
		return r->approved_until_us > now->boot_us;
	for (size_t i = 0; i < r->n_peers; i++)
		if (r->peers[i].approved_until_us > now->boot_us)
			return true;
	return false;
}

/* What closes only until a foreign key is out again is no end: telling NetworkManager would make it one. */
static void guard_tell_closed(struct guard *g, const struct instant *now)
{
	if (g->state == STATUS_OPEN)
		g->was_open = !g->gateway;
	if (g->state == STATUS_ABSENT)
		g->was_open = false;
	if (g->state != STATUS_CLOSED || !g->was_open || guard_is_approved(g, now))
		return;
	g->was_open = false;
	if (!g->stop && !g->renamed && g->world->closed && g->config && g->config->on_close == CONFIG_ON_CLOSE_DEACTIVATE)
		g->world->closed(g->world, g->ifname);
}

void guard_tell(struct guard *g, const struct device *d, const struct instant *now)
{
	const enum status_state state = guard_state(g, d), before = g->state;
	const size_t n = g->gateway ? g->gateway->n_peers : g->rotator->n_peers;
	char problem[sizeof(g->problem)], reason[sizeof(g->reason)], line[560];
	bool changed;

	memcpy(problem, g->problem, sizeof(problem));
	memcpy(reason, g->reason, sizeof(reason));
	guard_find_problems(g, d);
	(void)snprintf(g->reason, sizeof(g->reason), "%s",
		state == STATUS_OPEN ? "" : state == STATUS_ABSENT ? "there is no such interface" : guard_why_closed(g));
	changed = state != before || strcmp(reason, g->reason) != 0 || strcmp(problem, g->problem) != 0 || g->changed_us == 0;
	if (state != before || g->changed_us == 0) {
		g->changed_us = now->boot_us;
		if (state == STATUS_CLOSED)
			g->closed_us = now->boot_us;
	}
	g->state = state;
	if (changed) {
		(void)snprintf(line, sizeof(line), "%s%s%s%s%s%s", status_state_name(state), g->reason[0] ? " (" : "", g->reason,
			g->reason[0] ? ")" : "", g->problem[0] ? "; " : "", g->problem);
		guard_notice(g, state == STATUS_ERROR || g->problem[0] ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, line);
	}
	guard_tell_drift(g);
	guard_tell_closed(g, now);
	/* It goes on without us: what was written last was true. */
	if (g->stop && !g->gateway && g->rotator->stands_back)
		return;
	if (!g->world->run_dir || (!changed && now->boot_us < g->status_due_us))
		return;
	g->status_due_us = now->boot_us + n * STATUS_US_PER_PEER;
	guard_write(g);
}
