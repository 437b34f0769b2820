/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which slot of a token a new resident key goes to, or which key that is there is taken. */
#pragma once

#include <stdbool.h>

#include "daemon/broker.h"

struct resident_slot {
	struct wire_x_slot slot;
	const struct wire_x_key *key; /* in list: to be adopted; NULL: the slot is to be filled */
	bool taken, full, open;	      /* when there is none: why */
};

static inline bool resident_slot_equal(const struct wire_x_slot *a, const struct wire_x_slot *b)
{
	return a->kind == b->kind && a->number == b->number;
}

/* list: WIRE_X_LIST's answer of t. False: none of this token will do. */
bool resident_slot_choose(struct resident_slot *ret, struct broker *b, const struct request_options *o, const struct token *t,
	const struct wire_result *list);
