/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Window keys: an approval ends with its window, and what it holds says nothing of another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/outcome.h"
#include "daemon/approval-keys.h"
#include "tests/unit/approval-fixture.h"

#define HOUR 3600
#define WINDOW (4 * HOUR)
/* The window that the fixture's now is in: three hours of it are gone. */
#define START (EPOCH_START - 3 * HOUR)

/* Its peers are the gateways: their private keys, and what they would have a token meet. */
struct windows {
	struct fixture *f;
	struct secret *gateway[3], *shared[3];
	struct window_point points[3];
};

static struct schedule_window window_of(uint64_t start, uint64_t seconds)
{
	return (struct schedule_window){ .start = start, .end = start + seconds };
}

static void windows_clear(struct windows *w)
{
	for (size_t i = 0; i < 3; i++) {
		w->gateway[i] = secret_free(w->gateway[i]);
		w->shared[i] = secret_free(w->shared[i]);
	}
}

/* Peers 0 and 1 have window keys, 2 none. */
static void windows_init(struct windows *w, struct fixture *f)
{
	*w = (struct windows){ .f = f };
	for (size_t i = 0; i < 3; i++) {
		w->gateway[i] = secret_new(SECRET_KEY_SIZE);
		assert_non_null(w->gateway[i]);
		secret_fill_random(w->gateway[i]);
		schedule_public(f->peers[i].public_key, w->gateway[i]);
		f->peers[i].window_keys_file = i < 2 ? (char *)(uintptr_t)"/w" : NULL;
	}
}

/* What the token answers in the window that begins at start; peer 1's may have another length. */
static void windows_ask(struct windows *w, uint64_t start, uint64_t seconds_of_1)
{
	for (size_t i = 0; i < 3; i++) {
		struct window_point *p = &w->points[i];
		struct secret *g = NULL;

		*p = (struct window_point){ .wanted = true, .windowed = i < 2 };
		memcpy(p->point, w->f->peers[i].public_key, KEY_SIZE);
		if (i < 2) {
			p->window = window_of(start, i == 1 ? seconds_of_1 : WINDOW);
			assert_int_equal(schedule_window_private(&g, w->gateway[i], &p->window), 0);
			schedule_public(p->point, g);
			secret_free(g);
		}
		w->shared[i] = secret_free(w->shared[i]);
		assert_int_equal(schedule_shared(&w->shared[i], w->f->t, p->point), 0);
	}
}

static int try_grant(struct windows *w, const struct approval **ret)
{
	struct fixture *f = w->f;

	return approvals_grant_resident(f->all, ret, &f->request, &f->config, w->shared, w->points, f->token_public, NULL, &f->now);
}

/* As the gateway has it: from its own private key and T. */
static struct secret *gateway_psk(struct windows *w, size_t i, uint64_t start, uint64_t unix_seconds)
{
	const struct schedule s = { .slot_seconds = 120 };
	const struct schedule_window window = window_of(start, WINDOW);
	const uint64_t slot = schedule_slot(&s, unix_seconds);
	struct secret *g = NULL, *shared = NULL, *root = NULL, *key = NULL, *psk = NULL;
	struct schedule_parties parties;
	struct schedule_chain chain;

	memcpy(parties.token_public, w->f->token_public, KEY_SIZE);
	memcpy(parties.client_public, w->f->config.public_key, KEY_SIZE);
	memcpy(parties.server_public, w->f->peers[i].public_key, KEY_SIZE);
	assert_int_equal(schedule_window_private(&g, w->gateway[i], &window), 0);
	assert_int_equal(schedule_shared(&shared, g, w->f->token_public), 0);
	assert_int_equal(schedule_window_root(&root, shared, &parties, &window, NULL), 0);
	assert_int_equal(schedule_epoch_key(&key, root, schedule_slot_epoch(&s, slot)), 0);
	assert_int_equal(schedule_chain_start(&chain, key, schedule_slot_epoch(&s, slot)), 0);
	assert_int_equal(schedule_chain_advance(&chain, schedule_slot_index(&s, slot)), 0);
	assert_int_equal(schedule_chain_psk(&psk, &chain, schedule_slot_index(&s, slot)), 0);
	schedule_chain_clear(&chain);
	secret_free(g);
	secret_free(shared);
	secret_free(root);
	secret_free(key);
	return psk;
}

static bool agrees(struct windows *w, size_t i, uint64_t start)
{
	struct secret *psk = NULL, *want = gateway_psk(w, i, start, w->f->now.real_us / US_PER_SEC);
	const int r = try_psk(w->f, i, &psk);
	const bool same = r == 0 && secret_equal(psk, want);

	secret_free(psk);
	secret_free(want);
	return same;
}

/* Eight hours were asked for; the window has less than one left. The next window wants a new approval, which has its keys. */
static void test_ends_with_its_window(void **state)
{
	struct fixture *f = *state;
	const struct approval *a = NULL;
	struct windows w;

	windows_init(&w, f);
	windows_ask(&w, START, WINDOW);
	assert_int_equal(try_grant(&w, &a), 0);
	assert_int_equal(approval_until_boot_us(a) - f->now.boot_us, (START + WINDOW) * US_PER_SEC - f->now.real_us);
	for (unsigned int slot = 20; slot < 30; slot++) {
		assert_true(agrees(&w, 0, START));
		assert_true(agrees(&w, 1, START));
		assert_psk_right(f, 2);
		advance(f, SLOT_US);
		approvals_expire(f->all, &f->now);
		assert_int_equal(approved(f), slot < 29);
	}
	assert_int_equal(f->last_end, APPROVAL_END_EXPIRED);
	assert_no_psk(f, 0);

	windows_ask(&w, START + WINDOW, WINDOW);
	assert_int_equal(try_grant(&w, &a), 0);
	assert_true(agrees(&w, 0, START + WINDOW));
	assert_int_equal(approval_until_boot_us(a) - f->now.boot_us, (START + 2 * WINDOW) * US_PER_SEC - f->now.real_us);
	windows_clear(&w);
}

static void test_earliest_of_several(void **state)
{
	struct fixture *f = *state;
	const struct approval *a = NULL;
	struct windows w;

	windows_init(&w, f);
	f->now.real_us -= 2 * HOUR_US;
	windows_ask(&w, START, 2 * HOUR);
	assert_int_equal(try_grant(&w, &a), 0);
	assert_int_equal(approval_until_boot_us(a) - f->now.boot_us, (START + 2 * HOUR) * US_PER_SEC - f->now.real_us);
	/* Of one peer alone the others do not count. */
	f->request.whole_tunnel = false;
	memcpy(f->request.peer, f->peers[0].public_key, KEY_SIZE);
	approvals_end(f->all, NULL, NULL, APPROVAL_END_REVOKED);
	assert_int_equal(try_grant(&w, &a), 0);
	assert_int_equal(approval_until_boot_us(a) - f->now.boot_us, (START + WINDOW) * US_PER_SEC - f->now.real_us);
	f->request.lifetime_seconds = 60;
	assert_int_equal(try_grant(&w, &a), 0);
	assert_int_equal(approval_until_boot_us(a) - f->now.boot_us, 60 * US_PER_SEC);
	windows_clear(&w);
}

/* Is it, or anything that the schedule makes of it, the PSK of the next window's first slot? */
static bool leads_to(const struct secret *held, const struct secret *psk, uint64_t epoch)
{
	struct secret *as_root = NULL, *made[3] = { NULL };
	struct schedule_chain chain;
	bool found = secret_equal(held, psk);

	assert_int_equal(schedule_epoch_key(&as_root, held, epoch), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(schedule_chain_start(&chain, i ? as_root : held, epoch), 0);
		assert_int_equal(schedule_chain_psk(&made[i], &chain, 0), 0);
		found |= secret_equal(made[i], psk);
		schedule_chain_clear(&chain);
	}
	assert_int_equal(schedule_static_psk(&made[2], held), 0);
	found |= secret_equal(made[2], psk);
	secret_free(as_root);
	for (size_t i = 0; i < 3; i++)
		secret_free(made[i]);
	return found;
}

static void test_holds_nothing_of_another_window(void **state)
{
	const struct schedule s = { .slot_seconds = 120 };
	const uint64_t first = schedule_slot(&s, EPOCH_START - 2 * HOUR), last = schedule_slot(&s, START + WINDOW) - 1;
	const uint64_t next_epoch = (START + WINDOW) / HOUR, first_epoch = START / HOUR;
	struct secret *next = NULL, *before = NULL, *own = NULL, *root = NULL;
	struct fixture *f = *state;
	struct schedule_parties parties;
	struct approval_keys keys;
	struct windows w;

	windows_init(&w, f);
	windows_ask(&w, START, WINDOW);
	next = gateway_psk(&w, 0, START + WINDOW, START + WINDOW);
	before = gateway_psk(&w, 0, START - WINDOW, START - 1);
	assert_int_equal(approval_keys_make_resident(&keys, &f->config, f->peers[0].public_key, w.shared, w.points, f->token_public, NULL, 120,
				 first, last), 0);
	assert_int_equal(keys.n_peers, 1);
	assert_null(keys.private_key);
	for (size_t i = 0; i < keys.peers[0].n_epochs; i++) {
		assert_in_range(keys.peers[0].first_epoch + i, first_epoch, next_epoch - 1);
		if (keys.peers[0].epoch_keys[i])
			assert_false(leads_to(keys.peers[0].epoch_keys[i], next, next_epoch));
	}
	assert_false(leads_to(keys.peers[0].chain.link, next, next_epoch));
	assert_false(leads_to(keys.peers[0].chain.link, before, first_epoch - 1));
	assert_int_equal(approval_keys_advance(&keys, last), 0);
	assert_int_equal(approval_keys_psk_ahead(&own, &keys, f->peers[0].public_key, last + 1), OUTCOME_NOT_APPROVED);
	assert_int_equal(approval_keys_advance(&keys, last + 1), -ERANGE);
	/* Not even what came out of the token leads there, had anybody kept it: this is what root would see at the touch. */
	memcpy(parties.token_public, f->token_public, KEY_SIZE);
	memcpy(parties.client_public, f->config.public_key, KEY_SIZE);
	memcpy(parties.server_public, f->peers[0].public_key, KEY_SIZE);
	for (size_t i = 0; i < 2; i++) {
		const struct schedule_window as = window_of(START + i * WINDOW, WINDOW);

		assert_int_equal(schedule_window_root(&root, w.shared[0], &parties, &as, NULL), 0);
		assert_false(leads_to(root, next, next_epoch));
		root = secret_free(root);
	}
	/* The check itself can see. */
	windows_ask(&w, START + WINDOW, WINDOW);
	assert_int_equal(schedule_window_root(&root, w.shared[0], &parties, &w.points[0].window, NULL), 0);
	assert_true(leads_to(root, next, next_epoch));
	secret_free(root);
	secret_free(next);
	secret_free(before);
	approval_keys_clear(&keys);
	windows_clear(&w);
}

/* The slot before the first is of another root. */
static void test_first_slot_of_a_window(void **state)
{
	struct fixture *f = *state;
	const struct approval *a = NULL;
	struct windows w;

	windows_init(&w, f);
	windows_ask(&w, START, WINDOW);
	f->now.real_us = START * US_PER_SEC;
	assert_int_equal(try_grant(&w, &a), 0);
	assert_true(agrees(&w, 0, START));
	f->now.boot_us += US_PER_SEC;
	f->now.real_us -= US_PER_SEC;
	assert_no_psk(f, 0);
	f->now.real_us += 2 * US_PER_SEC;
	assert_true(agrees(&w, 0, START));
	windows_clear(&w);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	const struct approval *a = NULL;
	struct instant now = f->now;
	struct windows w;

	windows_init(&w, f);
	windows_ask(&w, START, WINDOW);
	/* The window was over when the key was touched at last, or the clock was set back before it. */
	f->now.real_us = (START + WINDOW) * US_PER_SEC;
	assert_int_equal(try_grant(&w, &a), OUTCOME_CANCELLED);
	f->now.real_us = START * US_PER_SEC - 1;
	assert_int_equal(try_grant(&w, &a), OUTCOME_CANCELLED);
	f->now = now;
	/* A point that is not of the window keys that the configuration wants. */
	w.points[0].windowed = false;
	assert_int_equal(try_grant(&w, &a), OUTCOME_UNSUPPORTED);
	w.points[0].windowed = true;
	assert_int_equal(approvals_grant_resident(f->all, &a, &f->request, &f->config, w.shared, NULL, f->token_public, NULL, &f->now),
		OUTCOME_UNSUPPORTED);
	/* With t at hand. */
	assert_int_equal(approvals_grant(f->all, &a, &f->request, &f->config, f->t, f->token_public, NULL, &f->now), OUTCOME_UNSUPPORTED);
	/* What a hostile token says. */
	memset(secret_borrow_mut(w.shared[0]), 0, SECRET_KEY_SIZE);
	assert_int_equal(try_grant(&w, &a), OUTCOME_INVALID_ARGUMENT);
	assert_null(a);
	assert_false(approved(f));
	windows_clear(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ends_with_its_window),
		TEST(test_earliest_of_several),
		TEST(test_holds_nothing_of_another_window),
		TEST(test_first_slot_of_a_window),
		TEST(test_refused),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
