/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A token at both ends: two agents, each on a WireGuard in memory and with a broker's approvals, and clocks that differ. A second
 * a step; the brokers answer a step later.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "daemon/approval.h"
#include "tests/sim/fake-wg.h"

#define SLOT 120
#define SLOT_US ((int64_t)(SLOT * US_PER_SEC))
/* 2023-11-14 22:00:00 UTC: an epoch begins. */
#define START UINT64_C(1699999200)
#define MINUTE 60
#define HOUR 3600
#define REKEY_AFTER_US (120 * US_PER_SEC)
/* Seven tries, the pauses between them, and the polls and answers in between. */
#define ROUND_US (7 * 14 * US_PER_SEC + 5 * 9 * US_PER_SEC + 10 * US_PER_SEC)

struct end {
	struct clock_fake clock;
	struct agent agent;
	struct approvals *approvals;
	struct fake_wg *wg;
	struct secret *token, *key;
	uint8_t token_public[KEY_SIZE], public_key[KEY_SIZE];
	const struct end *other;
	char dir[64], conf[80];
	bool asked;
	uint64_t asked_slot, next_try_us;
	unsigned int n_hunting, n_refused;
};

struct both {
	struct end ends[2]; /* the hunter first: the one with the greater token public key */
	uint64_t n_handshakes, gap_since_us, longest_gap_us;
};

static int choose(struct guard_world *w, const char *ifname, struct device_backend **ret)
{
	struct end *e = w->userdata;

	(void)ifname;
	*ret = &e->wg->backend;
	return 0;
}

static int ask_psk(struct agent *a, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t slot)
{
	struct end *e = a->userdata;

	(void)ifname;
	assert_true(key_equal(public_key, e->other->public_key));
	assert_false(e->asked);
	e->asked = true;
	e->asked_slot = slot;
	return 0;
}

/* As the broker's GetPsk does. */
static void end_answer(struct end *e)
{
	const uint8_t *peer = e->other->public_key;
	struct secret *psk = NULL;
	uint64_t start = 0, end = 0;
	int r;

	if (!e->asked)
		return;
	e->asked = false;
	if (e->asked_slot == ROTATOR_NO_SLOT)
		r = approvals_psk(e->approvals, &psk, &start, &end, "wg0", peer, &e->clock.now);
	else
		r = approvals_psk_of_slot(e->approvals, &psk, &start, &end, "wg0", peer, e->asked_slot, &e->clock.now);
	e->n_refused += r != 0;
	agent_got_psk(&e->agent, "wg0", peer, psk, start, end, r ? "not approved" : NULL);
	(void)agent_run(&e->agent);
}

static struct status_peer end_status(const struct end *e)
{
	struct status_peer p = { 0 };

	rotator_status_peer(agent_find(&e->agent, "wg0")->rotator, 0, &p);
	return p;
}

static uint64_t end_own_slot(const struct end *e)
{
	return e->clock.now.real_us / US_PER_SEC / SLOT;
}

static void end_keys(struct end *e)
{
	e->token = psk_random();
	e->key = psk_random();
	schedule_public(e->token_public, e->token);
	schedule_public(e->public_key, e->key);
}

static void end_begin(struct end *e, const struct end *other, int64_t clock_us)
{
	char own[KEY_BASE64_SIZE], peer[KEY_BASE64_SIZE], token[KEY_BASE64_SIZE];
	FILE *f;

	e->other = other;
	clock_fake_init(&e->clock, HOUR * US_PER_SEC, (uint64_t)((int64_t)(START * US_PER_SEC) + clock_us));
	(void)snprintf(e->dir, sizeof(e->dir), "/tmp/wgfido-both-XXXXXX");
	assert_non_null(mkdtemp(e->dir));
	(void)snprintf(e->conf, sizeof(e->conf), "%s/wg0.conf", e->dir);
	key_to_base64(own, e->public_key);
	key_to_base64(peer, other->public_key);
	key_to_base64(token, other->token_public);
	f = fopen(e->conf, "w");
	assert_non_null(f);
	assert_true(fprintf(f, "[Interface]\nMode = psk\nPublicKey = %s\n[Peer]\nPublicKey = %s\nTokenPublicKey = %s\n", own, peer, token) > 0);
	assert_int_equal(fclose(f), 0);

	e->wg = fake_wg_new(&e->clock);
	fake_wg_create(e->wg, e->key);
	fake_wg_add_peer(e->wg, other->public_key, NULL, 0);
	e->agent = (struct agent){
		.world = { .config_dir = e->dir, .clock = &e->clock.clock, .choose = choose, .userdata = e },
		.ask_psk = ask_psk,
		.userdata = e,
	};
	agent_init(&e->agent);
	assert_int_equal(approvals_new(&e->approvals, 4, NULL, NULL), 0);
	assert_int_equal(agent_reload(&e->agent), 0);
	agent_broker(&e->agent, true);
	agent_lease(&e->agent, true);
	agent_tunnel(&e->agent, "wg0", e->token_public, 0, "locked", "");
	assert_true(agent_run(&e->agent));
}

static void end_approve(struct end *e, uint32_t seconds)
{
	const struct config *config = agent_find(&e->agent, "wg0")->config;
	struct approval_request request = {
		.ifname = "wg0", .whole_tunnel = true, .token_id = "soft", .lifetime_seconds = seconds, .slot_seconds = SLOT
	};
	const struct approval *a;

	assert_int_equal(approvals_grant(e->approvals, &a, &request, config, e->token, e->token_public, NULL, &e->clock.now), 0);
	agent_peer(&e->agent, "wg0", e->other->public_key, approval_until_boot_us(a));
}

static void both_begin(struct both *b, int64_t hunter_us, int64_t other_us)
{
	struct end *e = b->ends, swap;

	memset(b, 0, sizeof(*b));
	end_keys(&e[0]);
	end_keys(&e[1]);
	if (memcmp(e[0].token_public, e[1].token_public, KEY_SIZE) < 0) {
		swap = e[0];
		e[0] = e[1];
		e[1] = swap;
	}
	end_begin(&e[0], &e[1], hunter_us);
	end_begin(&e[1], &e[0], other_us);
	b->gap_since_us = e[0].clock.now.boot_us;
}

static void both_end(struct both *b)
{
	for (size_t i = 0; i < 2; i++) {
		struct end *e = &b->ends[i];

		agent_clear(&e->agent);
		approvals_free(e->approvals);
		fake_wg_free(e->wg);
		secret_free(e->token);
		secret_free(e->key);
		assert_int_equal(unlink(e->conf), 0);
		assert_int_equal(rmdir(e->dir), 0);
	}
}

/* One end's initiation: the other counts it in any case, and both have a session when the PSKs agree. */
static void initiate(struct both *b, struct end *from, struct end *to)
{
	struct fake_peer *p = fake_wg_peer(from->wg, to->public_key);

	if (!fake_wg_initiation(to->wg, from->public_key, p->psk))
		return;
	p->rx_bytes += 92;
	p->last_handshake_us = from->clock.now.real_us;
	p->session_boot_us = from->clock.now.boot_us;
	b->n_handshakes++;
}

static void traffic(struct both *b)
{
	const uint64_t now = b->ends[0].clock.now.boot_us;
	bool alive = true;

	for (size_t i = 0; i < 2; i++) {
		struct end *from = &b->ends[i], *to = &b->ends[!i];
		const struct fake_peer *p = fake_wg_peer(from->wg, to->public_key);
		const bool session = fake_wg_session(from->wg, to->public_key) && fake_wg_session(to->wg, from->public_key);

		alive = alive && session;
		if (session)
			fake_wg_peer(to->wg, from->public_key)->rx_bytes += 100;
		if ((!session || now - p->session_boot_us >= REKEY_AFTER_US) && now >= from->next_try_us) {
			initiate(b, from, to);
			from->next_try_us = now + (5 + i) * US_PER_SEC;
		}
	}
	if (alive)
		b->gap_since_us = now;
	else if (now - b->gap_since_us > b->longest_gap_us)
		b->longest_gap_us = now - b->gap_since_us;
}

/* What must hold at every moment. */
static void look(struct both *b)
{
	struct end *hunter = &b->ends[0], *other = &b->ends[1];
	const struct status_peer h = end_status(hunter), o = end_status(other);

	hunter->n_hunting += h.state == STATUS_PEER_HUNTING;
	assert_int_not_equal(o.state, STATUS_PEER_HUNTING);
	assert_int_equal(o.offset, 0);
	/* Its own slot, or the one before it for the step in which it asks. */
	if (o.slot)
		assert_true(o.slot + 1 >= end_own_slot(other) && o.slot <= end_own_slot(other));
	if (h.slot)
		assert_true(h.slot + 2 >= end_own_slot(hunter) && h.slot <= end_own_slot(hunter) + 5);
}

static void both_run(struct both *b, unsigned int seconds)
{
	for (unsigned int i = 0; i < seconds; i++) {
		for (size_t k = 0; k < 2; k++) {
			struct end *e = &b->ends[k];

			clock_fake_advance(&e->clock, US_PER_SEC);
			approvals_expire(e->approvals, &e->clock.now);
			end_answer(e);
			(void)agent_run(&e->agent);
		}
		traffic(b);
		look(b);
	}
}

static void offset_run(int64_t hunter_us, int64_t other_us, unsigned int hunting_least, unsigned int hunting_most, uint64_t first_us)
{
	struct both b;

	both_begin(&b, hunter_us, other_us);
	end_approve(&b.ends[0], 8 * HOUR);
	end_approve(&b.ends[1], 8 * HOUR);
	both_run(&b, 10 * MINUTE);
	assert_true(b.n_handshakes > 0);
	assert_true(b.longest_gap_us <= first_us);
	assert_in_range(b.ends[0].n_hunting, hunting_least, hunting_most);
	/* Found once, it stays, through the ends of epochs. */
	b.longest_gap_us = 0;
	both_run(&b, 90 * MINUTE);
	assert_int_equal(b.longest_gap_us, 0);
	assert_true(b.n_handshakes > 40);
	assert_int_equal(b.ends[0].n_refused + b.ends[1].n_refused, 0);
	both_end(&b);
}

static void test_in_step(void **state)
{
	(void)state;
	offset_run(0, 0, 0, 0, 10 * US_PER_SEC);
	/* Both off, and equal. */
	offset_run(7 * SLOT_US / 2, 7 * SLOT_US / 2, 0, 0, 10 * US_PER_SEC);
}

static void test_the_other_is_ahead(void **state)
{
	(void)state;
	for (int64_t tenths = 10; tenths <= 50; tenths += 8)
		offset_run(0, tenths * SLOT_US / 10, 1, 300, 2 * ROUND_US);
}

static void test_the_hunter_is_behind(void **state)
{
	(void)state;
	for (int64_t tenths = 10; tenths <= 50; tenths += 20)
		offset_run(-tenths * SLOT_US / 10, 0, 1, 300, 2 * ROUND_US);
}

static void test_the_other_is_a_slot_behind(void **state)
{
	(void)state;
	/* All that the broker serves on that side. */
	offset_run(0, -SLOT_US, 1, 300, ROUND_US);
	offset_run(SLOT_US, 0, 1, 300, ROUND_US);
}

static void test_out_of_reach(void **state)
{
	static const int64_t offsets[] = { -5, -3, 7, 9 };
	struct both b;

	(void)state;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		both_begin(&b, 0, offsets[i] * SLOT_US);
		end_approve(&b.ends[0], 8 * HOUR);
		end_approve(&b.ends[1], 8 * HOUR);
		both_run(&b, HOUR);
		assert_int_equal(b.n_handshakes, 0);
		assert_true(b.ends[0].n_hunting > 0);
		both_end(&b);
	}
}

static void test_one_touch_opens_nothing(void **state)
{
	struct both b;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		both_begin(&b, 0, 2 * SLOT_US);
		end_approve(&b.ends[i], 8 * HOUR);
		both_run(&b, HOUR);
		assert_int_equal(b.n_handshakes, 0);
		both_end(&b);
	}
}

/* Slots behind the window's end are not served: what is open lives on to that end, and not beyond. */
static void test_the_window_ends(void **state)
{
	struct both b;
	uint64_t before;

	(void)state;
	both_begin(&b, 0, 3 * SLOT_US);
	end_approve(&b.ends[0], HOUR);
	end_approve(&b.ends[1], 8 * HOUR);
	both_run(&b, HOUR - 1);
	assert_true(b.n_handshakes > 10);
	assert_true(b.ends[0].n_refused > 0);
	assert_int_not_equal(end_status(&b.ends[0]).state, STATUS_PEER_CLOSED);
	both_run(&b, 2);
	assert_int_equal(end_status(&b.ends[0]).state, STATUS_PEER_CLOSED);
	before = b.n_handshakes;
	both_run(&b, HOUR);
	assert_int_equal(b.n_handshakes, before);
	both_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_step),
		cmocka_unit_test(test_the_other_is_ahead),
		cmocka_unit_test(test_the_hunter_is_behind),
		cmocka_unit_test(test_the_other_is_a_slot_behind),
		cmocka_unit_test(test_out_of_reach),
		cmocka_unit_test(test_one_touch_opens_nothing),
		cmocka_unit_test(test_the_window_ends),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
