/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage of wgX25519 in memory, which can be made to fail. */
#pragma once

#include "token/x25519/device.h"

struct x25519_memory {
	bool has_identity;
	uint8_t identity[X25519_KEY_SIZE];
	struct x25519_slot slots[X25519_DEVICE_SLOTS];
	struct x25519_host hosts[X25519_DEVICE_HOSTS];
	bool fail_reads;
	unsigned int writes_left; /* then they fail */
};

extern const struct x25519_storage x25519_memory_storage;
void x25519_memory_init(struct x25519_memory *m);
