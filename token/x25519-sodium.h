/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The primitives of wgX25519 from libsodium: for the host, and for the software token. */
#pragma once

#include "token/x25519/crypto.h"

extern const struct x25519_crypto x25519_sodium;
