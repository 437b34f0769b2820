/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/resident-slot.h"

#include "common/handle.h"

static const struct wire_x_key *key_in(const struct wire_result *list, const struct wire_x_slot *slot)
{
	for (size_t i = 0; i < list->n_x_keys; i++)
		if (resident_slot_equal(&list->x_keys[i].slot, slot))
			return &list->x_keys[i];
	return NULL;
}

static const struct wire_x_key *key_of_handle(const struct request_options *o, const struct wire_result *list)
{
	struct handle handle;

	if (handle_parse(&handle, o->handle) < 0)
		return NULL;
	for (size_t i = 0; i < list->n_x_keys; i++)
		if ((uint8_t)list->x_keys[i].slot.kind == handle.kind && list->x_keys[i].slot.number == handle.slot &&
			handle_matches(o->handle, list->x_keys[i].public_key))
			return &list->x_keys[i];
	return NULL;
}

static void adopt(struct resident_slot *ret, const struct wire_x_key *k)
{
	ret->slot = k->slot;
	ret->key = k;
}

/* No slot was named: the first empty one; of a card, which is filled with its own tools, the only key that no tunnel has. */
static bool choose_any(struct resident_slot *ret, struct broker *b, const struct token *t, const struct wire_result *list)
{
	const struct wire_x_key *only = NULL;
	unsigned int n = 0;

	if (t->info.capabilities & WIRE_CAP_X25519) {
		for (unsigned int i = 0; i < list->x_slots && i < WIRE_X_KEYS_MAX; i++) {
			ret->slot = (struct wire_x_slot){.kind = WIRE_X_CTAPHID, .number = (uint8_t)i};
			if (!key_in(list, &ret->slot))
				return true;
		}
		ret->full = true;
		return false;
	}
	for (size_t i = 0; i < list->n_x_keys; i++)
		if (!broker_find_key(b, list->x_keys[i].public_key)) {
			only = &list->x_keys[i];
			n++;
		}
	if (n == 1)
		adopt(ret, only);
	else
		ret->full = true;
	return n == 1;
}

bool resident_slot_choose(struct resident_slot *ret, struct broker *b, const struct request_options *o, const struct token *t,
	const struct wire_result *list)
{
	const struct wire_x_key *k;

	*ret = (struct resident_slot){0};
	if (o->has_handle) {
		k = key_of_handle(o, list);
		if (!k)
			return false;
		/* Of a card nothing can be bound: its session is what keeps others away. */
		ret->open = k->slot.kind == WIRE_X_CTAPHID && !k->bound;
		if (!ret->open)
			adopt(ret, k);
		return !ret->open;
	}
	if (!o->has_x_slot)
		return choose_any(ret, b, t, list);
	k = key_in(list, &o->x_slot);
	if (k && o->x_slot.kind == WIRE_X_CTAPHID) {
		ret->taken = true;
		return false;
	}
	if (!k && o->x_slot.kind == WIRE_X_CTAPHID && o->x_slot.number >= list->x_slots)
		return false;
	ret->slot = o->x_slot;
	if (k)
		adopt(ret, k);
	return true;
}
