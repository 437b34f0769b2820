/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/schedule.h"
#include "tests/sim/sim.h"

#define START UINT64_C(1700000000)
#define REKEY_AFTER_US (120 * US_PER_SEC)
#define REJECT_AFTER_US (180 * US_PER_SEC)
#define RETRY_US (5 * US_PER_SEC)

static const struct schedule schedule = { .slot_seconds = SIM_SLOT };

static uint32_t sim_random(struct sim *s)
{
	s->random = s->random * 1664525u + 1013904223u;
	return s->random >> 8;
}

/* As the token's side has it: from G[w] alone, where there are windows. */
static struct secret *sim_root(const struct sim *s, int64_t slot)
{
	const struct schedule_window w = s->windows ? window_at(s->windows, (uint64_t)slot * SIM_SLOT) : (struct schedule_window){ 0 };
	struct secret *shared = NULL, *root = NULL, *g = NULL;
	uint8_t point[KEY_SIZE];

	memcpy(point, s->parties.server_public, KEY_SIZE);
	if (s->windows) {
		assert_int_equal(schedule_window_private(&g, s->gateway, &w), 0);
		schedule_public(point, g);
	}
	assert_int_equal(schedule_shared(&shared, s->token, point), 0);
	if (s->windows)
		assert_int_equal(schedule_window_root(&root, shared, &s->parties, &w, NULL), 0);
	else
		assert_int_equal(schedule_root(&root, shared, &s->parties, NULL), 0);
	secret_free(g);
	secret_free(shared);
	return root;
}

static const struct secret *sim_psk(struct sim *s, int64_t slot)
{
	struct secret *epoch = NULL, *root;
	struct schedule_chain chain;
	const int64_t i = slot - s->first_slot;

	assert_true(i >= 0 && i < SIM_PSKS);
	if (s->psks[i])
		return s->psks[i];
	root = sim_root(s, slot);
	assert_int_equal(schedule_epoch_key(&epoch, root, schedule_slot_epoch(&schedule, (uint64_t)slot)), 0);
	assert_int_equal(schedule_chain_start(&chain, epoch, schedule_slot_epoch(&schedule, (uint64_t)slot)), 0);
	assert_int_equal(schedule_chain_advance(&chain, schedule_slot_index(&schedule, (uint64_t)slot)), 0);
	assert_int_equal(schedule_chain_psk(&s->psks[i], &chain, chain.index), 0);
	schedule_chain_clear(&chain);
	secret_free(epoch);
	secret_free(root);
	return s->psks[i];
}

static int64_t gateway_own_slot(const struct sim *s)
{
	return (int64_t)(s->clock.now.real_us / US_PER_SEC / SIM_SLOT);
}

/* Slots of a clock that only runs. */
static int64_t steady_slot(const struct sim *s)
{
	return (int64_t)((s->clock.now.boot_us + START * US_PER_SEC - US_PER_SEC) / US_PER_SEC / SIM_SLOT);
}

int64_t sim_slot(const struct sim *s)
{
	return ((int64_t)s->clock.now.real_us + s->true_us) / (int64_t)US_PER_SEC / SIM_SLOT;
}

/* Which slot's PSK does the gateway hold? -1: none near. */
static int64_t gateway_slot(struct sim *s)
{
	const struct fake_peer *p = fake_wg_peer(s->wg, s->client_public);
	const int64_t own = gateway_own_slot(s);

	for (int64_t slot = own - 30; slot <= own + 30; slot++)
		if (psk_equal(p->psk, sim_psk(s, slot)))
			return slot;
	return -1;
}

/* The design's word on what may be tried. */
static void on_change(struct fake_wg *wg)
{
	struct sim *s = wg->userdata;
	const int64_t slot = gateway_slot(s), own = gateway_own_slot(s);

	s->changed_us = s->clock.now.boot_us;
	if (slot < 0)
		return;
	assert_true(slot >= own - 5 && slot <= own + 5);
	if (s->has_furthest)
		assert_true(slot >= s->furthest + (steady_slot(s) - s->furthest_at) - 1);
	s->n_tried += slot != own;
}

static int sim_choose(struct guard_world *w, const char *ifname, struct device_backend **ret)
{
	struct sim *s = w->userdata;

	(void)ifname;
	*ret = &s->wg->backend;
	return 0;
}

static void sim_write_config(const struct sim *s, const uint8_t gateway[static KEY_SIZE], const uint8_t client[static KEY_SIZE],
	const uint8_t token[static KEY_SIZE])
{
	char plan[WINDOW_PLAN_TEXT_MAX], path[256], g[KEY_BASE64_SIZE], c[KEY_BASE64_SIZE], t[KEY_BASE64_SIZE];
	FILE *f;

	key_to_base64(g, gateway);
	key_to_base64(c, client);
	key_to_base64(t, token);
	assert_true(snprintf(path, sizeof(path), "%s/wg0.conf", s->dir) < (int)sizeof(path));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fprintf(f, "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\nTokenPublicKey = %s\n", g, c, t) > 0);
	if (s->windows)
		assert_true(fprintf(f, "WindowKeys = %s\n", window_plan_format(plan, s->windows)) > 0);
	assert_int_equal(fclose(f), 0);
}

void sim_begin(struct sim *s)
{
	sim_begin_windows(s, NULL);
}

void sim_begin_windows(struct sim *s, const struct window_plan *plan)
{
	struct secret *client = psk_random(), *placeholder = psk_random();
	struct schedule_parties *const parties = &s->parties;
	char template[] = "/tmp/wgfido-sim-XXXXXX";

	memset(s, 0, sizeof(*s));
	s->random = 1;
	clock_fake_init(&s->clock, US_PER_SEC, START * US_PER_SEC);
	s->first_slot = (int64_t)(START / SIM_SLOT) - SIM_PSKS / 2;
	s->windows = plan;
	s->token = psk_random();
	s->gateway = psk_random();
	schedule_public(parties->server_public, s->gateway);
	schedule_public(parties->client_public, client);
	schedule_public(parties->token_public, s->token);
	memcpy(s->client_public, parties->client_public, KEY_SIZE);
	s->dir = strdup(mkdtemp(template));
	assert_non_null(s->dir);
	sim_write_config(s, parties->server_public, parties->client_public, parties->token_public);

	s->wg = fake_wg_new(&s->clock);
	fake_wg_create(s->wg, s->gateway);
	fake_wg_add_peer(s->wg, s->client_public, placeholder, 0);
	s->wg->changed = on_change;
	s->wg->userdata = s;
	s->world = (struct guard_world){
		.config_dir = s->dir, .gateway = true, .clock = &s->clock.clock, .choose = sim_choose, .userdata = s
	};
	assert_int_equal(guard_new(&s->guard, &s->world, "wg0"), 0);
	assert_int_equal(guard_load(s->guard), 0);
	assert_true(guard_run(s->guard));
	secret_free(client);
	secret_free(placeholder);
}

void sim_end(struct sim *s)
{
	char path[256];

	guard_free(s->guard);
	fake_wg_free(s->wg);
	for (size_t i = 0; i < SIM_PSKS; i++)
		secret_free(s->psks[i]);
	secret_free(s->token);
	secret_free(s->gateway);
	assert_true(snprintf(path, sizeof(path), "%s/wg0.conf", s->dir) < (int)sizeof(path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(s->dir), 0);
	free(s->dir);
}

static int64_t client_slot(const struct sim *s, const struct sim_client *c)
{
	if (c->frozen_slot >= 0)
		return c->frozen_slot;
	return ((int64_t)s->clock.now.real_us + s->true_us + c->clock_us) / (int64_t)US_PER_SEC / SIM_SLOT;
}

static void sim_handshake(struct sim *s, struct sim_client *c)
{
	const int64_t slot = client_slot(s, c);
	const bool lost = sim_random(s) % 100 < c->loss;
	bool done;

	/* The initiation may arrive and its answer get lost: then the gateway has counted it, and nobody has a session. */
	if (lost && sim_random(s) % 2) {
		fake_wg_peer(s->wg, s->client_public)->rx_bytes += 148;
		return;
	}
	done = !lost && fake_wg_initiation(s->wg, s->client_public, sim_psk(s, slot));
	if (!done)
		return;
	c->session_us = s->clock.now.boot_us;
	c->n_handshakes++;
	c->last_slot = slot;
	/* So soon after a change the gateway cannot know with which PSK this was. */
	if (s->clock.now.boot_us - s->changed_us < 2 * US_PER_SEC)
		return;
	if (!s->has_furthest || slot - s->furthest > steady_slot(s) - s->furthest_at) {
		s->furthest = slot;
		s->furthest_at = steady_slot(s);
		s->has_furthest = true;
	}
}

static void client_step(struct sim *s, struct sim_client *c)
{
	const uint64_t now = s->clock.now.boot_us;
	const bool alive = c->session_us && now - c->session_us < REJECT_AFTER_US;

	if (!c->on)
		return;
	if (alive) {
		c->gap_since_us = now;
		fake_wg_peer(s->wg, s->client_public)->rx_bytes += 100;
	} else if (now - c->gap_since_us > c->longest_gap_us) {
		c->longest_gap_us = now - c->gap_since_us;
	}
	if ((!c->session_us || now - c->session_us >= REKEY_AFTER_US) && now >= c->next_try_us) {
		sim_handshake(s, c);
		c->next_try_us = now + RETRY_US + sim_random(s) % 2 * US_PER_SEC;
	}
}

void sim_forget_gaps(struct sim *s, struct sim_client *clients, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		clients[i].gap_since_us = s->clock.now.boot_us;
		clients[i].longest_gap_us = 0;
	}
}

void sim_run(struct sim *s, struct sim_client *clients, size_t n_clients, unsigned int seconds)
{
	for (unsigned int i = 0; i < seconds; i++) {
		clock_fake_advance(&s->clock, US_PER_SEC);
		(void)guard_run(s->guard);
		for (size_t k = 0; k < n_clients; k++)
			client_step(s, &clients[k]);
	}
}

struct status_peer sim_status(const struct sim *s)
{
	struct status_peer p = { 0 };

	gateway_status_peer(s->guard->gateway, 0, &p);
	return p;
}
