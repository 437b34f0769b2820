/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both ends have a token, and this one's public key is the greater, or not: which slots it asks the broker for. */
#include "tests/unit/rotator-fixture.h"

#include <string.h>

#define SLOT 120

/* Greater than any that is drawn. */
static const uint8_t greatest[KEY_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t least[KEY_SIZE];

static uint64_t own_slot(const struct fixture *f)
{
	return f->clock.now.real_us / US_PER_SEC / SLOT;
}

/* As the broker does, with a PSK that is the slot's alone. */
static void answer(struct fixture *f, uint64_t slot)
{
	struct secret *psk = secret_new(KEY_SIZE);

	assert_non_null(psk);
	memcpy(secret_borrow_mut(psk), &slot, sizeof(slot));
	f->asked_slot = ROTATOR_NO_SLOT;
	f->answered_slot = slot;
	agent_got_psk(&f->agent, "wg0", f->other, psk, slot * SLOT, (slot + 1) * SLOT, NULL);
	(void)agent_run(&f->agent);
}

static void approved(struct fixture *f, const uint8_t ours[static KEY_SIZE])
{
	write_psk_conf(f, true);
	start(f);
	broker(f);
	agent_tunnel(&f->agent, "wg0", ours, 0, "locked", "");
	f->asked_slot = 0;
	agent_peer(&f->agent, "wg0", f->other, f->clock.now.boot_us + HOUR_US);
	(void)agent_run(&f->agent);
	assert_int_equal(f->n_psk_asked, 1);
}

/* The other end's initiations, with a PSK that this one may hold or not. */
static void initiate(struct fixture *f, unsigned int seconds)
{
	struct secret *foreign = psk_random();

	for (unsigned int i = 0; i < seconds; i++) {
		if (i % 5 == 0)
			(void)fake_wg_initiation(f->wg, f->other, foreign);
		second(f, 1);
		if (f->asked_slot != ROTATOR_NO_SLOT)
			answer(f, f->asked_slot);
	}
	secret_free(foreign);
}

static void test_the_greater_hunts(void **state)
{
	struct fixture *f = *state;
	uint64_t least_tried = UINT64_MAX, most_tried = 0, own;
	struct secret *held;
	unsigned int hunting = 0;

	approved(f, greatest);
	assert_true(f->asked_slot == own_slot(f));
	answer(f, f->asked_slot);
	assert_int_equal(status(f).state, STATUS_PEER_OPEN);
	assert_int_equal(status(f).offset, 0);

	/* A round of tries, all of them slots that the broker serves. */
	for (unsigned int i = 0; i < 100; i++) {
		initiate(f, 1);
		(void)fake_wg_initiation(f->wg, f->other, NULL);
		own = own_slot(f);
		hunting += status(f).state == STATUS_PEER_HUNTING;
		assert_true(f->answered_slot + 1 >= own && f->answered_slot <= own + 5);
		assert_true(status(f).slot == f->answered_slot);
		assert_int_equal(status(f).offset, (int64_t)(f->answered_slot - own));
		least_tried = f->answered_slot - own + 1 < least_tried ? f->answered_slot - own + 1 : least_tried;
		most_tried = f->answered_slot - own + 1 > most_tried ? f->answered_slot - own + 1 : most_tried;
	}
	assert_true(hunting > 60);
	assert_int_equal(least_tried, 0);
	assert_int_equal(most_tried, 6);

	/* Until one is right: that offset stays, without another try. */
	for (unsigned int i = 0; i < 300 && f->answered_slot != own_slot(f) + 2; i++)
		initiate(f, 1);
	assert_true(f->answered_slot == own_slot(f) + 2);
	second(f, 3);
	held = secret_dup(peer(f)->psk);
	assert_true(fake_wg_initiation(f->wg, f->other, held));
	secret_free(held);
	second(f, 1);
	assert_int_equal(status(f).state, STATUS_PEER_ROTATED);
	assert_int_equal(status(f).offset, 2);
	for (unsigned int i = 0; i < 3 * SLOT; i++) {
		second(f, 1);
		if (f->asked_slot != ROTATOR_NO_SLOT)
			answer(f, f->asked_slot);
		assert_true(f->answered_slot == own_slot(f) + 2);
		assert_int_equal(status(f).offset, 2);
	}
}

static void test_the_lesser_never_does(void **state)
{
	struct fixture *f = *state;
	uint64_t slot;

	approved(f, least);
	assert_true(f->asked_slot == ROTATOR_NO_SLOT);
	answer(f, own_slot(f));
	for (unsigned int i = 0; i < 2 * SLOT; i++) {
		slot = f->answered_slot;
		f->n_psk_asked = 0;
		(void)fake_wg_initiation(f->wg, f->other, NULL);
		second(f, 1);
		assert_true(f->asked_slot == ROTATOR_NO_SLOT);
		assert_int_equal(f->n_psk_asked, own_slot(f) != slot);
		if (f->n_psk_asked)
			answer(f, own_slot(f));
		assert_int_not_equal(status(f).state, STATUS_PEER_HUNTING);
		assert_int_equal(status(f).offset, 0);
	}
}

static void test_a_gateway_is_not_hunted(void **state)
{
	struct fixture *f = *state;

	start(f);
	broker(f);
	agent_tunnel(&f->agent, "wg0", greatest, 0, "locked", "");
	f->asked_slot = 0;
	approve(f);
	assert_true(f->asked_slot == ROTATOR_NO_SLOT);
}

static void test_refused_slots(void **state)
{
	struct fixture *f = *state;
	struct secret *before;
	uint64_t slot;

	approved(f, greatest);
	answer(f, f->asked_slot);
	slot = f->answered_slot;
	before = secret_dup(peer(f)->psk);
	/* Slots other than its own, refused again and again: it holds what it has, and does not give up. */
	for (unsigned int i = 0; i < 35; i++) {
		(void)fake_wg_initiation(f->wg, f->other, NULL);
		second(f, 1);
		if (f->asked_slot == ROTATOR_NO_SLOT)
			continue;
		assert_true(f->asked_slot != slot);
		f->asked_slot = ROTATOR_NO_SLOT;
		agent_got_psk(&f->agent, "wg0", f->other, NULL, 0, 0, "not approved");
		(void)agent_run(&f->agent);
		assert_true(psk_equal(peer(f)->psk, before));
	}
	assert_int_equal(guard(f)->state, STATUS_OPEN);
	secret_free(before);
}

static void test_another_slots_answer(void **state)
{
	struct fixture *f = *state;

	approved(f, greatest);
	for (unsigned int i = 0; i < 5; i++) {
		assert_true(f->asked_slot == own_slot(f));
		/* With a PSK in it, but of a slot that nobody asked for. */
		answer(f, own_slot(f) + 1);
		assert_int_equal(guard(f)->state, STATUS_CLOSED);
		second(f, 1);
	}
	assert_true(f->asked_slot == ROTATOR_NO_SLOT);
	assert_non_null(strstr(guard(f)->reason, "gives no preshared key"));
	assert_true(is_closed(f));
}

static void test_closing_ends_the_hunt(void **state)
{
	struct fixture *f = *state;

	approved(f, greatest);
	answer(f, f->asked_slot);
	initiate(f, 30);
	assert_int_equal(status(f).state, STATUS_PEER_HUNTING);
	agent_peer(&f->agent, "wg0", f->other, 0);
	(void)agent_run(&f->agent);
	assert_int_equal(status(f).state, STATUS_PEER_CLOSED);
	f->asked_slot = ROTATOR_NO_SLOT;
	f->n_psk_asked = 0;
	for (unsigned int i = 0; i < 60; i++) {
		(void)fake_wg_initiation(f->wg, f->other, NULL);
		second(f, 1);
	}
	assert_int_equal(f->n_psk_asked, 0);
	/* Opened again, it begins where its own clock is. */
	agent_peer(&f->agent, "wg0", f->other, f->clock.now.boot_us + HOUR_US);
	(void)agent_run(&f->agent);
	assert_true(f->asked_slot == own_slot(f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_greater_hunts),
		TEST(test_the_lesser_never_does),
		TEST(test_a_gateway_is_not_hunted),
		TEST(test_refused_slots),
		TEST(test_another_slots_answer),
		TEST(test_closing_ends_the_hunt),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
