/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard.h"
#include "common/handle.h"

#define GUARD_LOOKS 8			  /* before it is left for the next second */
#define GUARD_POLL_US US_PER_SEC	  /* drift of a client's interface */
#define GUARD_POLL_OPEN_US (US_PER_SEC / 2) /* of an open one: users wait until it is repaired */

int guard_new(struct guard **ret, struct guard_world *w, const char *ifname)
{
	struct guard *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	r = rotator_new(&g->rotator);
	if (r < 0) {
		free(g);
		return r;
	}
	g->world = w;
	(void)snprintf(g->ifname, sizeof(g->ifname), "%s", ifname);
	g->state = STATUS_ABSENT;
	*ret = g;
	return 0;
}

static void preshared_free(struct secret **all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		secret_free(all[i]);
	free(all);
}

struct guard *guard_free(struct guard *g)
{
	if (!g)
		return NULL;
	rotator_free(g->rotator);
	gateway_free(g->gateway);
	preshared_free(g->preshared, g->n_preshared);
	config_free(g->config);
	free(g->config_error);
	free(g);
	return NULL;
}

/* Hints that leave the broker its access: `nm setup` makes these files root:wgfido, 0640. */
static const char *preshared_words(int r, bool gateway)
{
	if (r == -EPERM)
		return "others may read it: chmod o=";
	if (r == -EACCES && gateway)
		return "the agent may not read it: chgrp wgfido-net, chmod g+r";
	if (r == -EACCES)
		return "the agent may not read it, and for a peer with TokenPublicKey it has to, as the broker has: chown wgfido:wgfido-net, chmod 440";
	return strerror(-r);
}

/* The static keys that the config's peers name. *ret_error: "file:line: what". */
static int preshared_load(struct secret ***ret, char **ret_error, const struct config *c, const char *dir, bool gateway)
{
	struct secret **all = calloc(c->n_peers + 1, sizeof(struct secret *));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct config_peer *p = &c->peers[i];
		/* Where the other end has no token the PSK comes whole from the broker, and the file may be for the broker alone. */
		const bool wanted = p->preshared_key_file && (gateway || p->has_token_public_key);
		int r = wanted ? config_load_preshared_key(&all[i], p->preshared_key_file) : 0;

		if (r == 0)
			continue;
		preshared_free(all, c->n_peers);
		if (r == -ENOMEM)
			return r;
		if (asprintf(ret_error, "%s/%s.conf:%u: PresharedKeyFile %s: %s", dir, c->ifname, p->line, p->preshared_key_file,
			    preshared_words(r, gateway)) < 0)
			*ret_error = NULL;
		return *ret_error ? -EINVAL : -ENOMEM;
	}
	*ret = all;
	return 0;
}

/* A gateway has no tokens of its own to lock a private key to. */
static int guard_check_role(const struct guard *g, char **ret_error, const struct config *c)
{
	if (!g->world->gateway || c->mode == CONFIG_MODE_PSK)
		return 0;
	if (asprintf(ret_error, "%s/%s.conf: Mode = identity is not for wgfido-rotate --gateway: it needs a token", g->world->config_dir,
		    g->ifname) < 0)
		return -ENOMEM;
	return -EINVAL;
}

static int guard_configure(struct guard *g, const struct config *config, const struct secret *const *preshared)
{
	int r;

	if (!g->world->gateway)
		return rotator_configure(g->rotator, config, preshared);
	if (!g->gateway && !config)
		return rotator_configure(g->rotator, NULL, NULL);
	if (!g->gateway) {
		r = gateway_new(&g->gateway, clock_now(g->world->clock));
		if (r < 0)
			return r;
		g->rotator->release = true;
	}
	return gateway_configure(g->gateway, config, preshared);
}

int guard_load(struct guard *g)
{
	struct config *config = NULL;
	struct secret **preshared = NULL;
	char *error = NULL;
	int r;

	r = config_load(&config, &error, g->world->config_dir, g->ifname);
	g->gone = r == -ENOENT && !error;
	if (r == 0)
		r = guard_check_role(g, &error, config);
	if (r == 0)
		r = preshared_load(&preshared, &error, config, g->world->config_dir, g->world->gateway);
	if (r == 0)
		r = guard_configure(g, config, (const struct secret *const *)preshared);
	free(g->config_error);
	g->config_error = NULL;
	guard_kick(g);
	if (r == 0) {
		preshared_free(g->preshared, g->n_preshared);
		config_free(g->config);
		g->config = config;
		g->preshared = preshared;
		g->n_preshared = config->n_peers;
		return 0;
	}
	if (preshared)
		preshared_free(preshared, config->n_peers);
	config_free(config);
	if (r == -ENOMEM) {
		free(error);
		error = strdup("out of memory while the configuration was read");
	}
	/* With the old config, where there was one: it says which peers and which mode. It opens nothing. */
	g->config_error = error ? error : strdup(g->gone ? "there is no configuration file any more" : "the configuration cannot be read");
	if (!g->config_error)
		return -ENOMEM;
	if (g->gateway)
		gateway_hold(g->gateway, "the configuration cannot be used");
	return g->config ? 0 : guard_configure(g, NULL, NULL);
}

void guard_hold_for_broker(struct guard *g, const char *reason)
{
	if (g->broker == reason)
		return;
	g->broker = reason;
	if (reason)
		rotator_forget_approvals(g->rotator);
	guard_kick(g);
}

void guard_stop(struct guard *g, const char *reason)
{
	g->stop = reason;
	guard_kick(g);
}

void guard_kick(struct guard *g)
{
	g->kicked = true;
}

static void guard_save_keepalives(struct guard *g)
{
	struct keepalive *all;
	size_t n;

	g->rotator->keepalive_changed = false;
	if (!g->world->run_dir || rotator_keepalives(g->rotator, &all, &n) < 0)
		return;
	/* Where this fails, a restarted agent opens without keepalive: a lesser evil than not closing now. */
	(void)keepalive_save(g->world->run_dir, g->ifname, g->rotator->ifindex, all, n);
	free(all);
}

static void guard_restore_keepalives(struct guard *g)
{
	struct keepalive *all;
	size_t n;

	if (!g->world->run_dir ||
		keepalive_load(&all, &n, g->world->run_dir, g->ifname, g->rotator->ifindex) < 0)
		return;
	rotator_restore(g->rotator, all, n);
	free(all);
}

static int guard_look(struct guard *g, const struct device *d, const struct instant *now, struct plan *plan)
{
	struct rotator *r = g->rotator;
	bool is_new, handle;
	int n;

	if (g->gateway && r->release) {
		n = rotator_look(r, d, now, plan);
		if (n < 0 || !plan_empty(plan))
			return n;
		r->release = false;
	}
	if (g->gateway) {
		if (g->stop)
			gateway_hold(g->gateway, g->stop);
		return gateway_look(g->gateway, d, now, plan);
	}
	handle = d && !r->identity && handle_is_secret(d->private_key);
	/* Our end is none of the end of one that guards itself. */
	rotator_hold(r, g->stop && !r->stands_back ? g->stop : g->config_error ? "the configuration cannot be used" :
		     g->renamed ? "the interface was renamed" : handle ? HANDLE_AS_KEY : g->broker);
	is_new = d && rotator_is_new(r, d);
	n = rotator_look(r, d, now, plan);
	if (n < 0)
		return n;
	if (is_new)
		guard_restore_keepalives(g);
	if (r->keepalive_changed)
		guard_save_keepalives(g);
	return 0;
}

static int guard_get(struct guard *g, const char *ifname, struct device_backend **ret_backend, struct device **ret)
{
	int r = g->world->choose(g->world, ifname, ret_backend);

	return r < 0 ? r : (*ret_backend)->ops->get(*ret_backend, ifname, ret);
}

/*
 * An interface that was renamed would stay as it is, open for good in mode identity: before it is forgotten it is closed under the
 * name that it has now. ifname is that name on return, or as it was.
 */
static int guard_find(struct guard *g, char ifname[static IF_NAMESIZE], struct device_backend **ret_backend, struct device **ret)
{
	const uint32_t known = g->rotator->ifindex;
	struct device_backend *backend = NULL;
	struct device *d = NULL;
	char now[IF_NAMESIZE];
	int r;

	r = guard_get(g, ifname, ret_backend, ret);
	g->renamed = false;
	if ((r < 0 && r != -ENODEV) || g->gateway || !known || (*ret && (*ret)->ifindex == known) || !g->world->name ||
		g->world->name(g->world, known, now) < 0 || strcmp(now, ifname) == 0)
		return r;
	if (guard_get(g, now, &backend, &d) < 0 || d->ifindex != known) {
		device_free(d);
		return r;
	}
	device_free(*ret);
	*ret = d;
	*ret_backend = backend;
	memcpy(ifname, now, IF_NAMESIZE);
	g->renamed = true;
	return 0;
}

/* One look and what it asks for. 1: something was changed, so look again. */
static int guard_step(struct guard *g, struct device **ret_device)
{
	char ifname[IF_NAMESIZE];
	struct device_backend *backend = NULL;
	struct instant now;
	struct plan plan = { 0 };
	struct device *d = NULL;
	int r;

	memcpy(ifname, g->ifname, sizeof(ifname));
	r = guard_find(g, ifname, &backend, &d);
	if (r < 0 && r != -ENODEV)
		return r;
	g->backend = d ? backend->ops->name : NULL;
	now = clock_now(g->world->clock);
	r = guard_look(g, d, &now, &plan);
	/* What was planned before memory ran out closes something: it is carried out in any case. */
	if (!plan_empty(&plan)) {
		const struct device_change change = plan_change(&plan);
		int s = backend->ops->set(backend, ifname, &change);

		if (r == 0)
			r = s < 0 && s != -ENODEV ? s : 1;
	}
	plan_clear(&plan);
	/* Nothing is left to close: now it is none of ours any more, and what has our name, if anything, is another one. */
	if (g->renamed && r == 0 && rotator_is_settled(g->rotator)) {
		d = device_free(d);
		r = rotator_look(g->rotator, NULL, &now, &plan) < 0 ? -ENOMEM : 1;
	}
	*ret_device = d;
	return r;
}

bool guard_run(struct guard *g)
{
	struct instant now = clock_now(g->world->clock);
	struct device *d = NULL;
	int r = 1;

	if (!g->kicked && now.boot_us < g->next_us && !(g->gateway && gateway_slot_over(g->gateway, &now)))
		return true;
	g->kicked = false;
	for (unsigned int i = 0; i < GUARD_LOOKS && r == 1; i++) {
		d = device_free(d);
		r = guard_step(g, &d);
		/* A gateway's next poll is its read-back; ten thousand peers are not read twice. */
		if (r == 1 && g->gateway && !g->rotator->release && !g->stop)
			r = 0;
	}
	g->slow = r == -ETIMEDOUT;
	g->device_error[0] = '\0';
	if (r < 0)
		(void)snprintf(g->device_error, sizeof(g->device_error), "WireGuard cannot be %s: %s", d ? "set" : "read", strerror(-r));
	now = clock_now(g->world->clock);
	guard_tell(g, d, &now);
	if (g->gateway)
		g->next_us = now.boot_us + gateway_poll_us(g->gateway);
	else
		g->next_us = now.boot_us + (g->state == STATUS_OPEN ? GUARD_POLL_OPEN_US : GUARD_POLL_US);
	device_free(d);
	return r == 0;
}

uint64_t guard_next(const struct guard *g)
{
	const struct instant now = clock_now(g->world->clock);
	uint64_t next = g->next_us, end;

	if (g->kicked)
		return 0;
	if (g->gateway) {
		/* The gateway's own slots are of CLOCK_REALTIME. */
		end = now.boot_us + g->gateway->clock.slot_us - now.real_us % g->gateway->clock.slot_us;
		return end < next ? end : next;
	}
	end = rotator_next(g->rotator, &now);
	return end < next ? end : next;
}
