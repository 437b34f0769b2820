/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This computer, and its X25519 keys on a software token. */
#pragma once

#include "tests/integration/soft-worker.h"

/* This computer, as far as the token knows it. */
struct self {
	uint8_t key[32];
	uint8_t index, token_public[32];
};

extern struct self self;

int setup(void **state);
/* What is no other on hidraw, and slow where that is emulated. */
void on_a_socket_only(void);

struct secret *make_key(const uint8_t bytes[static 32]);
/* The request, not sent yet. */
void ask(struct fixture *f, enum wire_type type, uint8_t slot);
void ask_generate(struct fixture *f, uint8_t slot, enum wire_x_touch touch);
/* What must come out, from the other side: a fresh key's, with the slot's public key. */
void ask_dh(struct fixture *f, uint8_t slot, const uint8_t public_key[static 32], uint8_t expected[static 32]);

void pair(struct fixture *f);
void generate(struct fixture *f, uint8_t slot, enum wire_x_touch touch, uint8_t public_key[static 32]);
void assert_dh(struct fixture *f, uint8_t slot, const uint8_t public_key[static 32], unsigned int touches);
/* Until the answer is there. */
void finish(struct fixture *f);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, soft_worker_teardown)
