/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/status.h"

#define STOP_TRIES 3

#define NO_BROKER "the broker (wgfidod) is not running"
#define BROKER_SILENT "the broker (wgfidod) does not answer"

void agent_init(struct agent *a)
{
	a->broker_here = false;
	a->wants_objects = false;
	a->guards = NULL;
	lease_end(&a->lease);
}

void agent_clear(struct agent *a)
{
	while (a->guards) {
		struct guard *next = a->guards->next;

		guard_free(a->guards);
		a->guards = next;
	}
}

static const char *agent_broker_problem(const struct agent *a)
{
	if (a->world.gateway || (a->broker_here && a->lease.held))
		return NULL;
	return a->broker_here ? BROKER_SILENT : NO_BROKER;
}

struct guard *agent_find(const struct agent *a, const char *ifname)
{
	for (struct guard *g = a->guards; g; g = g->next)
		if (strcmp(g->ifname, ifname) == 0)
			return g;
	return NULL;
}

static int agent_add(struct agent *a, const char *ifname)
{
	struct guard *g = agent_find(a, ifname), **at = &a->guards;
	int r;

	if (g)
		return 0;
	r = guard_new(&g, &a->world, ifname);
	if (r < 0)
		return r;
	guard_hold_for_broker(g, agent_broker_problem(a));
	while (*at && strcmp((*at)->ifname, ifname) < 0)
		at = &(*at)->next;
	g->next = *at;
	*at = g;
	a->wants_objects = true;
	return 0;
}

/* Takes out those whose file is gone: never_only: of which nothing was ever known. */
static void agent_drop_gone(struct agent *a, bool never_only)
{
	struct guard **at = &a->guards;

	while (*at) {
		struct guard *g = *at;

		if (!g->gone || (g->config && (never_only || !guard_is_closed(g)))) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		if (a->world.run_dir)
			status_remove(a->world.run_dir, g->ifname);
		guard_free(g);
	}
}

int agent_reload(struct agent *a)
{
	char **names = NULL;
	int r, result = 0;

	r = config_list(&names, a->world.config_dir);
	/* Without the directory all are gone, which closes what was open. */
	if (r < 0 && r != -ENOENT)
		result = r;
	for (size_t i = 0; r == 0 && names[i]; i++) {
		const int n = agent_add(a, names[i]);

		if (n < 0)
			result = n;
	}
	if (r == 0)
		config_list_free(names);
	for (struct guard *g = a->guards; g; g = g->next) {
		const int n = guard_load(g);

		if (n < 0)
			result = n;
	}
	agent_drop_gone(a, true);
	return result;
}

/* Its file may be newer than this agent's last look at the directory. */
static struct guard *agent_learn(struct agent *a, const char *ifname)
{
	struct guard *g = agent_find(a, ifname);

	if (g || !ifname_valid(ifname) || agent_add(a, ifname) < 0)
		return g;
	(void)guard_load(agent_find(a, ifname));
	agent_drop_gone(a, true);
	return agent_find(a, ifname);
}

void agent_interface(struct agent *a, const char *ifname)
{
	struct guard *g;

	if (!ifname) {
		for (g = a->guards; g; g = g->next)
			guard_kick(g);
		return;
	}
	g = agent_learn(a, ifname);
	if (g)
		guard_kick(g);
}

static void agent_hold(struct agent *a)
{
	for (struct guard *g = a->guards; g; g = g->next)
		guard_hold_for_broker(g, agent_broker_problem(a));
}

void agent_broker(struct agent *a, bool here)
{
	a->broker_here = here;
	lease_end(&a->lease);
	agent_hold(a);
}

void agent_lease(struct agent *a, bool answered)
{
	const bool held = a->lease.held;

	if (answered)
		lease_answered(&a->lease);
	else
		lease_missed(&a->lease);
	if (a->lease.held && !held)
		a->wants_objects = true;
	agent_hold(a);
}

bool agent_lease_due(struct agent *a, const struct instant *now)
{
	bool due;

	if (!a->broker_here)
		return false;
	due = lease_ask(&a->lease, now->boot_us);
	/* Asking may count the answer before as missed. */
	agent_hold(a);
	return due;
}

void agent_objects_failed(struct agent *a)
{
	a->wants_objects = true;
}

bool agent_wants_objects(struct agent *a)
{
	const bool wants = a->wants_objects && a->broker_here && a->lease.held;

	if (wants)
		a->wants_objects = false;
	return wants;
}

/* True when something was asked for: its answer is what to look at the interface for. */
static bool agent_ask(struct agent *a, struct guard *g)
{
	const struct instant now = clock_now(a->world.clock);
	uint8_t public_key[KEY_SIZE];
	enum rotator_want want;
	uint64_t slot;
	bool asked = false;

	while ((want = rotator_next_want(g->rotator, &now, public_key, &slot)) != ROTATOR_WANT_NONE) {
		const bool psk = want == ROTATOR_WANT_PSK;
		const int r = psk ? a->ask_psk(a, g->ifname, public_key, slot) : a->ask_private_key(a, g->ifname);

		asked = asked || r >= 0;
		if (r >= 0)
			continue;
		if (psk)
			rotator_got_psk(g->rotator, public_key, NULL, 0, 0, &now);
		else
			rotator_got_key(g->rotator, NULL, &now);
	}
	return asked;
}

/* What closes is carried out now. What opens waits for the key, and does not read the interface before it has it. */
static void agent_approved(struct agent *a, struct guard *g, uint64_t until_us)
{
	if (until_us == 0 || !a->ask_psk || !agent_ask(a, g))
		guard_kick(g);
}

/* Why it is closed, as far as the broker says. True: it was another reason before. */
static bool agent_reason(struct guard *g, uint64_t until_us, const char *state, const char *end_reason)
{
	char before[sizeof(g->broker_reason)];

	memcpy(before, g->broker_reason, sizeof(before));
	if (until_us)
		(void)snprintf(g->broker_reason, sizeof(g->broker_reason), "approved, about to open");
	else if (*end_reason)
		(void)snprintf(g->broker_reason, sizeof(g->broker_reason), "the approval ended: %s", end_reason);
	else if (*state)
		(void)snprintf(g->broker_reason, sizeof(g->broker_reason), "not approved: %s", state);
	else
		(void)snprintf(g->broker_reason, sizeof(g->broker_reason), "the approval is over");
	return strcmp(before, g->broker_reason) != 0;
}

void agent_tunnel(struct agent *a, const char *ifname, const uint8_t *public_key, uint64_t until_us, const char *state,
	const char *end_reason)
{
	/* A tunnel that has just been configured is left as it is until it is enrolled: should that fail, nothing was closed. */
	struct guard *g = public_key ? agent_learn(a, ifname) : agent_find(a, ifname);
	bool news;

	if (!g || a->world.gateway)
		return;
	news = rotator_tunnel(g->rotator, public_key, until_us);
	news = agent_reason(g, until_us, state, end_reason) || news;
	/* In psk mode it is the peers that open. */
	if (until_us ? !g->rotator->identity : !news)
		return;
	agent_approved(a, g, until_us);
}

void agent_not_approved(struct agent *a, const char *ifname, const char *end_reason)
{
	struct guard *g = agent_find(a, ifname);

	if (!g || a->world.gateway || (!g->rotator->approved_until_us && !rotator_is_open(g->rotator)))
		return;
	/* Its key is still the tunnel's: only the approval goes. */
	(void)rotator_tunnel(g->rotator, g->rotator->has_public ? g->rotator->public_key : NULL, 0);
	(void)agent_reason(g, 0, "", end_reason);
	guard_kick(g);
}

void agent_resident(struct agent *a, const char *ifname, bool resident, const uint8_t *next_key)
{
	struct guard *g = agent_learn(a, ifname);

	if (g && !a->world.gateway && rotator_resident(g->rotator, resident, next_key))
		guard_kick(g);
}

void agent_peer(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t until_us)
{
	struct guard *g = agent_find(a, ifname);

	if (!g || a->world.gateway)
		return;
	if (rotator_approve(g->rotator, public_key, until_us) || until_us)
		agent_approved(a, g, until_us);
}

static void agent_note(struct agent *a, const char *ifname, const char *error)
{
	char line[256];

	if (!error || !a->world.notice)
		return;
	(void)snprintf(line, sizeof(line), "%s: the broker refuses: %s", ifname, error);
	a->world.notice(&a->world, LOG_LEVEL_WARNING, line);
}

void agent_got_psk(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE], struct secret *psk,
	uint64_t start, uint64_t end, const char *error)
{
	const struct instant now = clock_now(a->world.clock);
	struct guard *g = agent_find(a, ifname);

	agent_note(a, ifname, error);
	if (!g) {
		secret_free(psk);
		return;
	}
	rotator_got_psk(g->rotator, public_key, psk, start, end, &now);
	guard_kick(g);
}

void agent_got_private_key(struct agent *a, const char *ifname, struct secret *key, const char *error)
{
	const struct instant now = clock_now(a->world.clock);
	struct guard *g = agent_find(a, ifname);

	agent_note(a, ifname, error);
	if (!g) {
		secret_free(key);
		return;
	}
	rotator_got_key(g->rotator, key, &now);
	guard_kick(g);
}

/* True when this one, in this of the two rounds, is to be looked at: what hangs keeps the others waiting, and not the other way round. */
static bool agent_turn(const struct guard *g, bool slow_round)
{
	return g->slow == slow_round;
}

bool agent_run(struct agent *a)
{
	bool ok = true;

	for (int slow_round = 0; slow_round <= 1; slow_round++)
		for (struct guard *g = a->guards; g; g = g->next) {
			if (!agent_turn(g, slow_round))
				continue;
			if (!guard_run(g))
				ok = false;
			if (!a->world.gateway && a->ask_psk)
				(void)agent_ask(a, g);
		}
	agent_drop_gone(a, false);
	return ok;
}

uint64_t agent_next(const struct agent *a)
{
	uint64_t next = US_NEVER;

	for (const struct guard *g = a->guards; g; g = g->next) {
		const uint64_t n = guard_next(g);

		if (n < next)
			next = n;
	}
	return next;
}

bool agent_stop(struct agent *a, const char *reason)
{
	bool ok = false;

	for (unsigned int i = 0; i < STOP_TRIES && !ok; i++) {
		ok = true;
		for (int slow_round = 0; slow_round <= 1; slow_round++)
			for (struct guard *g = a->guards; g; g = g->next) {
				if (!agent_turn(g, slow_round))
					continue;
				guard_stop(g, reason);
				if (!guard_run(g) || !guard_is_closed(g))
					ok = false;
			}
	}
	return ok;
}
