/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent tells: RUN-DIR/IFACE.json, read by `wgfido status` and by whoever watches; nothing secret. And what it must
 * remember of a closed interface across its own restart: RUN-DIR/IFACE.state, the keepalive that each peer had.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

enum status_state { STATUS_ABSENT, STATUS_CLOSED, STATUS_OPEN, STATUS_ERROR };
enum status_peer_state {
	STATUS_PEER_CLOSED,
	STATUS_PEER_OPEN,    /* the PSK (or key) is in WireGuard and was read back */
	STATUS_PEER_ROTATED, /* a handshake with it, or with the slot's before it, confirmed it */
	STATUS_PEER_HUNTING, /* handshakes fail; other slots are tried */
	STATUS_PEER_REFUSED, /* a gateway's peer that came with the zero PSK */
};
const char *status_state_name(enum status_state s);
const char *status_peer_state_name(enum status_peer_state s);

struct status_peer {
	uint8_t public_key[KEY_SIZE];
	const char *name;   /* borrowed; NULL: none */
	const char *reason; /* borrowed; NULL: none */
	enum status_peer_state state;
	uint64_t slot, slot_end; /* slot_end in unix seconds; both 0 while closed */
	int64_t offset;		 /* a gateway's: the slots by which the peer's clock is ahead */
	uint64_t last_handshake_us;
	uint64_t drift_repaired;
};

struct status {
	char ifname[IF_NAMESIZE];
	bool has_mode;
	enum config_mode mode;
	bool gateway;
	const char *backend; /* "kernel", "userspace"; NULL: none */
	enum status_state state;
	char reason[192], problem[320];
	uint64_t changed_us, closed_us; /* CLOCK_BOOTTIME; 0: not since the agent started */
	size_t n_unguarded;		/* peers of the interface that have no [Peer] */
	size_t n_peers;
	/* Fills one at a time: a gateway has thousands. */
	void (*peer)(const void *userdata, size_t i, struct status_peer *ret);
	const void *userdata;
};

/* The file's text, malloc'ed, NUL-terminated behind len. -ENOMEM. */
int status_format(char **ret, size_t *ret_len, const struct status *s);
int status_write(const char *run_dir, const char *ifname, const char *text, size_t len);
/* Of an interface that is guarded no longer, with what was remembered of its peers. */
void status_remove(const char *run_dir, const char *ifname);

struct keepalive {
	uint8_t public_key[KEY_SIZE];
	uint16_t seconds;
};
/*
 * For the interface with this index in this network namespace: a new one of the same name has its own settings. A file that is not
 * there, is of another interface or cannot be read right gives none.
 */
int keepalive_load(struct keepalive **ret, size_t *ret_n, const char *run_dir, const char *ifname, uint32_t ifindex);
int keepalive_save(const char *run_dir, const char *ifname, uint32_t ifindex, const struct keepalive *all, size_t n);
