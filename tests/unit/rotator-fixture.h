/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the tests of the token's side: an agent with one interface wg0 on a WireGuard in memory, its configuration in a temporary
 * directory, and a broker that is the test itself.
 */
#pragma once

#include "tests/unit/unit.h"

#include "agent/agent.h"
#include "tests/sim/fake-wg.h"

#define NOW UINT64_C(1700000080) /* in the middle of a slot of 120 s */
#define HOUR_US (3600 * US_PER_SEC)

struct fixture {
	struct agent agent;
	struct clock_fake clock;
	struct fake_wg *wg;
	struct secret *own_key, *other_key, *static_psk;
	uint8_t own[KEY_SIZE], other[KEY_SIZE], second[KEY_SIZE], token[KEY_SIZE];
	char dir[64], run[80], conf[96];
	unsigned int n_psk_asked, n_key_asked;
	bool refuse;
	const char *renamed; /* what wg0 is called now; NULL: wg0 */
	struct secret *given; /* the PSK of the last answer */
	uint64_t answered_slot, asked_slot; /* the latter ROTATOR_NO_SLOT: the one at hand */
};

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

void write_conf(struct fixture *f, const char *text);
void write_psk_conf(struct fixture *f, bool both_tokens);
void make_wg(struct fixture *f);
int setup(void **state);
int teardown(void **state);
struct fake_peer *peer(struct fixture *f);
struct guard *guard(struct fixture *f);
struct status_peer status(struct fixture *f);
void start(struct fixture *f);
void broker(struct fixture *f);
void give_psk(struct fixture *f);
void approve(struct fixture *f);
void second(struct fixture *f, unsigned int n);
bool is_closed(struct fixture *f);
