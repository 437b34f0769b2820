/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key files of resident keys, and the names of tokens' slots. */
#include "daemon/keystore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/keystore-text.h"

static const char ctaphid_prefix[] = "ctaphid:", piv_prefix[] = "piv:", openpgp_name[] = "openpgp";

void keyfile_x_slot_format(char ret[static KEYFILE_X_SLOT_MAX], const struct wire_x_slot *slot)
{
	switch (slot->kind) {
	case WIRE_X_CTAPHID:
		(void)snprintf(ret, KEYFILE_X_SLOT_MAX, "%s%u", ctaphid_prefix, slot->number);
		return;
	case WIRE_X_OPENPGP:
		(void)snprintf(ret, KEYFILE_X_SLOT_MAX, "%s", openpgp_name);
		return;
	case WIRE_X_PIV:
		(void)snprintf(ret, KEYFILE_X_SLOT_MAX, "%s%02x", piv_prefix, slot->number);
		return;
	}
	ret[0] = 0;
}

/* One spelling for each: what is parsed is what would be written. */
int keyfile_x_slot_parse(struct wire_x_slot *ret, const char *text)
{
	struct wire_x_slot slot = { .kind = WIRE_X_OPENPGP };
	char again[KEYFILE_X_SLOT_MAX];
	unsigned long number = 0;

	if (strncmp(text, ctaphid_prefix, sizeof(ctaphid_prefix) - 1) == 0) {
		slot.kind = WIRE_X_CTAPHID;
		number = strtoul(text + sizeof(ctaphid_prefix) - 1, NULL, 10);
	} else if (strncmp(text, piv_prefix, sizeof(piv_prefix) - 1) == 0) {
		slot.kind = WIRE_X_PIV;
		number = strtoul(text + sizeof(piv_prefix) - 1, NULL, 16);
	}
	if (number > UINT8_MAX)
		return -EINVAL;
	slot.number = (uint8_t)number;
	keyfile_x_slot_format(again, &slot);
	if (!wire_x_slot_valid(&slot) || strcmp(again, text) != 0)
		return -EINVAL;
	*ret = slot;
	return 0;
}

const char *keyfile_x_touch_name(enum wire_x_touch touch)
{
	switch (touch) {
	case WIRE_X_TOUCH_UNKNOWN:
		return "unknown";
	case WIRE_X_TOUCH_NEVER:
		return "never";
	case WIRE_X_TOUCH_CACHED:
		return "cached";
	case WIRE_X_TOUCH_ALWAYS:
		return "always";
	}
	return "unknown";
}

bool keyfile_resident_valid(const struct keyfile_resident *key)
{
	const size_t serial = strnlen(key->serial, sizeof(key->serial));

	if (!wire_x_slot_valid(&key->slot) || key_is_zero(key->public_key))
		return false;
	if (key->cached_seconds != 0 && key->touch != WIRE_X_TOUCH_CACHED)
		return false;
	/* Only that protocol has pairings. */
	if (key->paired ? key->slot.kind != WIRE_X_CTAPHID || key_is_zero(key->token_public) : !key_is_zero(key->token_public))
		return false;
	if (serial == sizeof(key->serial))
		return false;
	for (size_t i = 0; i < serial; i++)
		if (key->serial[i] < ' ' || key->serial[i] > '~')
			return false;
	return strnlen(key->label, sizeof(key->label)) < sizeof(key->label) && keyslot_label_valid(key->label);
}

/* Field by field, so that no padding, and nothing behind the end of a text, is taken along. */
static void copy(struct keyfile_resident *to, const struct keyfile_resident *from)
{
	memset(to, 0, sizeof(*to));
	memcpy(to->public_key, from->public_key, sizeof(to->public_key));
	to->slot.kind = from->slot.kind;
	to->slot.number = from->slot.number;
	to->touch = from->touch;
	to->cached_seconds = from->cached_seconds;
	to->needs_pin = from->needs_pin;
	to->paired = from->paired;
	memcpy(to->token_public, from->token_public, sizeof(to->token_public));
	strcpy(to->serial, from->serial); /* keyfile_resident_valid: they fit */
	strcpy(to->label, from->label);
	to->created = from->created;
}

int keyfile_new_resident(struct keyfile **ret, const char *ifname, enum config_mode mode, const struct keyfile_resident *key)
{
	struct keyfile *k;

	if (!ifname_valid(ifname) || !keyfile_resident_valid(key))
		return OUTCOME_INVALID_ARGUMENT;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	strcpy(k->ifname, ifname); /* ifname_valid: it fits */
	k->mode = mode;
	k->held = KEYFILE_RESIDENT;
	memcpy(k->public_key, key->public_key, sizeof(k->public_key));
	copy(&k->resident, key);
	*ret = k;
	return 0;
}

int keyfile_set_next(struct keyfile *k, const struct keyfile_resident *next)
{
	if (k->held != KEYFILE_RESIDENT)
		return OUTCOME_UNSUPPORTED;
	if (next && (!keyfile_resident_valid(next) || key_equal(next->public_key, k->public_key)))
		return OUTCOME_INVALID_ARGUMENT;
	memset(&k->next, 0, sizeof(k->next));
	k->has_next = next != NULL;
	if (next)
		copy(&k->next, next);
	return 0;
}

int keyfile_commit_next(struct keyfile *k)
{
	if (k->held != KEYFILE_RESIDENT || !k->has_next)
		return OUTCOME_NOT_ENROLLED;
	copy(&k->resident, &k->next);
	memcpy(k->public_key, k->resident.public_key, sizeof(k->public_key));
	memset(&k->next, 0, sizeof(k->next));
	k->has_next = false;
	return 0;
}
