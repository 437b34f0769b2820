/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus/lease.h"

#include "common/names.h"

bool lease_ask(struct lease *l, uint64_t boot_us)
{
	/* The tick may come a little early. */
	const uint64_t interval_us = WGFIDO_LEASE_INTERVAL_SECONDS * US_PER_SEC - 50 * US_PER_MS;

	if (l->asked_us && boot_us >= l->asked_us && boot_us - l->asked_us < interval_us)
		return false;
	if (l->asked)
		lease_missed(l);
	l->asked = true;
	l->asked_us = boot_us;
	return true;
}

void lease_answered(struct lease *l)
{
	l->asked = false;
	l->missed = 0;
	l->held = true;
}

void lease_missed(struct lease *l)
{
	if (!l->asked)
		return;
	l->asked = false;
	if (++l->missed >= WGFIDO_LEASE_MISSED_MAX)
		l->held = false;
}

void lease_end(struct lease *l)
{
	*l = (struct lease){ 0 };
}
