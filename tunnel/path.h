/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two packet threads: out (TUN -> UDP) and in (UDP -> TUN). Each runs to completion: it takes what has arrived, under its
 * lock of tunnel/device.h, and when it lets go everything is sent or written. No queues but a peer's stage, no
 * allocation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tunnel/aead.h"
#include "tunnel/device.h"
#include "tunnel/tun.h"

struct path;

/* For device_init, with the struct path. */
extern const struct path_ops path_ops;

/*
 * t is borrowed and outlives it. Nothing runs yet, and there are no sockets before path_ops.rebind. 0, -ENOMEM, or what
 * aead_worker_new or the kernel say.
 */
int path_new(struct path **ret, struct device *d, const struct tun *t, uint32_t mtu, enum aead_kind cipher);
/* The threads must have ended. NULL is allowed. Always NULL. */
struct path *path_free(struct path *p);

/* The threads begin, with all signals blocked. 0 or a negative errno. */
int path_start(struct path *p);
/* Ends them and waits; harmless when none run. No lock is held. */
void path_stop(struct path *p);

/* Any thread. Of the TUN, for padding only: packets that are longer go out as they are. */
void path_set_mtu(struct path *p, uint32_t mtu);
/* Has the TUN gone away (its interface was deleted)? The device is kicked when it does. Any thread. */
bool path_ended(const struct path *p);

/* For the log: the ciphers (aead_worker_describe). */
const char *path_describe(const struct path *p);

/* The in thread's work on datagrams, for tests: as if they had arrived together from one place in packets of `segment` bytes. bytes
 * is written to and has AEAD_HEADROOM and AEAD_TAILROOM around it. Takes the in lock. */
void path_inject(struct path *p, uint8_t *bytes, uint32_t len, uint32_t segment, uint8_t ecn, const struct endpoint *from);
