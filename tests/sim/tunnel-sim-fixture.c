/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/tunnel-sim-fixture.h"

struct world w;
struct node *a, *b;

void setup_pair(uint64_t seed, uint64_t delay_a, uint64_t delay_b)
{
	world_init(&w, seed);
	a = world_node(&w, delay_a);
	b = world_node(&w, delay_b);
	world_join(a, b);
}

int teardown(void **state)
{
	(void)state;
	world_clear(&w);
	return 0;
}
