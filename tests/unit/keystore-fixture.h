/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A key file with a token's slot and a recovery slot, its text, and an empty directory. */
#pragma once

#include <stddef.h>

#include "daemon/keystore.h"

struct fixture {
	struct secret *t, *kek[2];
	struct wire_credential credential;
	struct keyfile *k;
	char *text;
	size_t len;
	char dir[64];
};

struct keyslot_new hmac_slot(const struct fixture *f);
struct keyslot_new recovery_slot(const struct fixture *f);
void format(struct fixture *f);
int setup(void **state);
int teardown(void **state);
struct keyfile *parse(const char *text, size_t len);
int unwrap(const struct fixture *f, const struct keyfile *k, size_t slot);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
