/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TUN's interface as everybody else sees it (rtnetlink): up or down, its MTU, and its end, which is ours too: `ip link delete`
 * is how wg-quick takes a tunnel down.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct link_state {
	bool up;
	uint32_t mtu;
	char ifname[IF_NAMESIZE]; /* it may be renamed */
};

struct link_handlers {
	/* Something of it may have changed; the first call tells how it is. */
	void (*state)(void *userdata, const struct link_state *state);
	void (*gone)(void *userdata);
};

struct link;

/* 0 or a negative errno. */
int link_new(struct link **ret, uint32_t ifindex, const struct link_handlers *handlers, void *userdata);
struct link *link_free(struct link *l);
/* To poll. */
int link_fd(const struct link *l);
/* Without waiting: all that is there. After an overrun asks anew. 0 or a negative errno. */
int link_read(struct link *l);
