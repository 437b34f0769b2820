/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys that a security key was made to keep for itself: what `wgfido tokens --keys` asks it. */
#pragma once

#include "client/proxy.h"

/* Asks this one, and prints what it has. 0, or an exit status: the line says what went wrong. */
int token_keys_print(struct proxy *p, const struct proxy_token *t);
