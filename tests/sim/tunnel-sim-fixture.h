/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two peers that know each other, in a world of their own. */
#pragma once

#include "tests/sim/tunnel-world.h"

extern struct world w;
extern struct node *a, *b;

/* delay_a, delay_b: how long their static keys take; US_NEVER: keys in memory. */
void setup_pair(uint64_t seed, uint64_t delay_a, uint64_t delay_b);
int teardown(void **state);

#define TEST(f) cmocka_unit_test_teardown(f, teardown)
