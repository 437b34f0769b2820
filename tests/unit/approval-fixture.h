/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cache with one tunnel of three peers (the last with Schedule = static), a token key, and instants that only tests move. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/approval.h"
#include "tests/unit/fail-alloc.h"

#define HOUR_US (3600 * US_PER_SEC)
#define SLOT_US (120 * US_PER_SEC)
/* 2023-11-14 22:00:00 UTC: an epoch begins. */
#define EPOCH_START UINT64_C(1699999200)
#define BOOT_US (5000 * US_PER_SEC)

_Static_assert(EPOCH_START % SCHEDULE_EPOCH_SECONDS == 0, "start of an epoch");

struct fixture {
	struct approvals *all;
	struct secret *t;
	uint8_t token_public[KEY_SIZE];
	struct config config;
	struct config_peer peers[3];
	struct approval_request request;
	struct instant now;
	/* what ended() saw */
	size_t n_ended;
	enum approval_end last_end;
	bool found_in_callback;
	bool end_all_in_callback;
};

int setup(void **state);
int teardown(void **state);
const struct approval *grant(struct fixture *f);
void advance(struct fixture *f, uint64_t us);
bool approved(struct fixture *f);
/* The PSK as the other end computes it, straight from the formulas. */
struct secret *expected_psk(struct fixture *f, size_t peer, uint64_t unix_seconds, const struct secret *preshared);
int try_psk(struct fixture *f, size_t peer, struct secret **ret);
void assert_psk_right(struct fixture *f, size_t peer);
void assert_no_psk(struct fixture *f, size_t peer);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
