/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that wait for a session: a ring of bytes per peer, out of a pool that is as large as it will ever be from the start, but
 * takes memory only where it is used. The oldest packets give way to new ones. Under the out lock.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STAGE_PEERS 128u      /* that may have something staged at a time */
#define STAGE_PACKETS 128u    /* for one of them, as the kernel's WireGuard */
#define STAGE_BYTES (256u * 1024)

struct stages;
struct path_stage;

struct stages *stages_new(void);
/* Stages that were not dropped go with it. NULL is allowed. Always NULL. */
struct stages *stages_free(struct stages *s);

/* *stage is NULL before the first. When the pool is exhausted, or the packet is longer than a packet can be, it is lost. */
void stage_put(struct stages *s, struct path_stage **stage, const uint8_t *packet, size_t len);
/* The oldest, which is taken out; it stays where it is until the next call of this module. NULL: none, and *stage is NULL then. */
const uint8_t *stage_take(struct stages *s, struct path_stage **stage, size_t *ret_len);
/* Throws all away; *stage becomes NULL. */
void stage_drop(struct stages *s, struct path_stage **stage);
