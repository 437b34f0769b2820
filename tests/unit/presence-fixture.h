/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What presence tells of, counted, and an empty directory for sockets. No test leaves a timer behind: presence needs none. */
#pragma once

#include "daemon/presence.h"

struct fixture {
	sd_event *event;
	struct presence *p;
	char dir[64];
	unsigned int n_added, n_removed;
	struct token_node added;
	char removed[64];
};

extern const struct presence_callbacks callbacks;

int setup(void **state);
int teardown(void **state);
/* Until nothing is left to do: what is to be seen has happened already. */
void turn(struct fixture *f);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
