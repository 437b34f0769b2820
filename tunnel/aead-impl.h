/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the implementations of tunnel/aead.h have in common. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tunnel/aead.h"

struct aead_impl {
	const char *name;
	/* 0 or a negative errno; -ENOSYS where it is not to be had. */
	int (*create)(void **ret);
	void (*destroy)(void *state);
	void (*seal)(void *state, const uint8_t *key, struct aead_packet *packets, size_t n);
	/* Sets ok; the text of a packet that is not is the caller's to zero. */
	void (*open)(void *state, const uint8_t *key, struct aead_packet *packets, size_t n);
	void (*forget)(void *state, const uint8_t *key); /* may be NULL */
};

extern const struct aead_impl aead_libcrypto;
extern const struct aead_impl aead_ipsec_mb;
