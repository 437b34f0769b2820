/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A token with X25519 keys that may lie, this computer, and its requests to it. */
#pragma once

#include "tests/unit/unit.h"

#include "tests/unit/fake-vendor.h"
#include "token/x25519-ops.h"

#define DEADLINE_US (30 * US_PER_SEC)

/* What these give while it is said so is NULL. */
extern bool secret_new_fails, sodium_malloc_fails;

struct fixture {
	struct fake_vendor fake;
	struct x25519_known known;
	struct wire_request request;
	struct wire_result result;
	unsigned int n_statuses;
	enum wire_status last_status;
	uint8_t host_key[32];
	uint8_t host_index, token_public[32]; /* as PAIR answered */
	uint8_t slot_public[32];
	uint8_t forged[X25519_MESSAGE_MAX]; /* what the token says instead, and how long it is */
	size_t forged_len;
	enum x25519_op forge; /* in the answer to this */
	uint8_t recorded[CTAPHID_PAYLOAD_MAX]; /* an answer of before, played once more */
	size_t recorded_len;
};

int setup(void **state);
int teardown(void **state);
/* Paired, with a key in slot 2 that wants no touch. */
int setup_paired(void **state);

/* Its outcome, with what holds after all of them. */
enum outcome run(struct fixture *f);
struct secret *make_key(const uint8_t bytes[static 32]);

/* The request of this type from this computer, as it was paired last. */
void ask(struct fixture *f, enum wire_type type, uint8_t slot);
void ask_dh(struct fixture *f, uint8_t slot, const uint8_t private_key[static 32]);

void pair(struct fixture *f);
void generate(struct fixture *f, uint8_t slot, enum wire_x_touch touch);
/* The slot's key and another's agree on the same secret from both sides. */
void assert_dh(struct fixture *f, uint8_t slot, const uint8_t public_key[static 32]);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PAIRED(name) cmocka_unit_test_setup_teardown(name, setup_paired, teardown)
