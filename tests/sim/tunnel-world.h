/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WireGuard devices in one simulated world: a clock that goes where it is set, a network that delays, loses, doubles and
 * reorders, static keys that take their time. What a device's packet threads do is done here, in turn and with the same
 * calls; packets are really encrypted. Deterministic: chance comes from a seed.
 */
#pragma once

#include "tests/unit/unit.h"

#include <netinet/in.h>

#include "common/clock.h"
#include "tunnel/control.h"
#include "tunnel/handshake.h"

#define WORLD_NODES 8
#define MS US_PER_MS
#define SEC US_PER_SEC

struct world;
struct packet;

/* A static key that answers after delay_us, or never while it hangs. */
struct slow_key {
	struct static_key key;
	struct node *node;
	struct secret *private_key;
	uint64_t delay_us;
	bool closed; /* nothing is approved */
	int error;   /* what every call answers with; 0: the result */
	unsigned int n_calls[3]; /* by role */
	struct static_call *calls;
};

struct node {
	struct world *world;
	struct device device;
	struct control control;
	uint8_t private_key[KEY_SIZE], public_key[KEY_SIZE];
	struct endpoint address;
	struct slow_key *slow; /* NULL: a software key */
	/* What was seen. */
	unsigned int n_sent[5], n_bytes_sent; /* datagrams by type */
	unsigned int n_received_data, n_keepalives, n_bad, n_replayed;
	unsigned int n_dropped_staged, n_refused; /* and of them those whose senders were told */
	uint8_t last_message[4][148]; /* the last one sent of each type, for replaying */
	bool deaf;	  /* nothing reaches it */
	bool alive;
};

struct world {
	struct clock_fake clock;
	struct node nodes[WORLD_NODES];
	unsigned int n_nodes;
	struct packet *packets;
	uint64_t seed;
	unsigned int loss_percent, double_percent;
	uint64_t delay_us, jitter_us;
};

void world_init(struct world *w, uint64_t seed);
void world_clear(struct world *w);
/* delay_us UINT64_MAX: a software key, else a slow one. The interface is up. */
struct node *world_node(struct world *w, uint64_t delay_us);
/* Of a restart: all state is gone, the keys are the same, and nobody is a peer. */
void node_restart(struct node *n);
/* a knows b, and where b is if endpoint. Allowed-ips are not used here. */
struct peer *node_add_peer(struct node *a, const struct node *b, bool endpoint);
void world_join(struct node *a, struct node *b);
struct peer *node_peer(const struct node *a, const struct node *b);
/* n packets come out of a's TUN for b. */
void node_send(struct node *a, const struct node *b, unsigned int n);
/* A datagram of anybody's arrives. */
void node_receive(struct node *n, const void *bytes, size_t len, const struct endpoint *from);
/* Lets the world go on for so long. */
void world_run(struct world *w, uint64_t us);
uint64_t world_now(const struct world *w);
unsigned int world_random(struct world *w, unsigned int below);

/* Both have a session that the other one knows, and each can send to the other. */
void assert_open(struct node *a, struct node *b);
