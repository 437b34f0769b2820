/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What protect and the keyslot verb both do with keyslots. */
#pragma once

#include <stdbool.h>

#include "client/call.h"

/* How many slots of this type ("recovery", "hmac-secret"); NULL: any. */
size_t keyslot_count(const struct proxy_tunnel *t, const char *type);
/* AddKeyslot with type "recovery", and the new code shown. 0, or the exit status with the error said. */
int keyslot_add_recovery(struct proxy *p, const char *ifname, const struct call_options *o, bool yes);
/* Another security key; code: instead of a touch of an old one. */
int keyslot_add_token(struct proxy *p, const char *ifname, struct call_options *o, uint32_t *ret_slot);
int keyslot_remove(struct proxy *p, const char *ifname, uint32_t slot, const struct call_options *o);
