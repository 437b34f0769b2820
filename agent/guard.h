/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One guarded interface, that is one CONFIG-DIR/IFACE.conf: its configuration, its rotator or gateway, its WireGuard, its status file.
 * This is where plans are carried out: look, change, look again, until there is nothing left to change.
 */
#pragma once

#include "agent/gateway.h"
#include "agent/rotator.h"
#include "common/log.h"

/* What all guards share. */
struct guard_world {
	const char *config_dir, *run_dir; /* run_dir NULL: no files */
	bool gateway;
	struct clock *clock;
	/* -ENODEV: there is no such interface. The backend stays the world's. */
	int (*choose)(struct guard_world *w, const char *ifname, struct device_backend **ret);
	/* What the interface of this index is called now; negative errno: there is none. NULL: nothing is ever renamed. */
	int (*name)(struct guard_world *w, uint32_t ifindex, char ret[static IF_NAMESIZE]);
	void (*notice)(struct guard_world *w, enum log_level level, const char *text);
	/* An interface with OnClose = deactivate was open and is closed now, for want of an approval. NULL: nobody is told. */
	void (*closed)(struct guard_world *w, const char *ifname);
	void *userdata;
};

struct guard {
	struct guard *next;
	struct guard_world *world;
	char ifname[IF_NAMESIZE];
	struct config *config;
	struct secret **preshared;
	size_t n_preshared;
	char *config_error; /* file:line: what; NULL: the file is fine */
	bool gone;	    /* there is no such file any more */
	struct rotator *rotator;
	struct gateway *gateway; /* gateways, once they have a config */
	const char *stop;	 /* closed until the agent's end; why */
	bool renamed;		 /* what is looked at goes by another name now, and is to be closed */
	const char *broker;	 /* why the broker lets nothing open; NULL: it may */
	char broker_reason[96];
	const char *backend;
	char device_error[96];
	enum status_state state;
	uint64_t changed_us, closed_us, next_us, status_due_us, status_hash;
	uint64_t drift;
	char reason[192], problem[320];
	bool was_open; /* and nobody was told yet that it is not any more */
	bool kicked;
	bool slow; /* its WireGuard let the last exchange time out: the others come first */
};

int guard_new(struct guard **ret, struct guard_world *w, const char *ifname);
struct guard *guard_free(struct guard *g);

/* Reads the file again. What is wrong with it closes the interface and is told in its status. -ENOMEM. */
int guard_load(struct guard *g);
/* Nothing opens until released with NULL; reasons are static strings. */
void guard_hold_for_broker(struct guard *g, const char *reason);
void guard_stop(struct guard *g, const char *reason);

/* Something happened: the next guard_run looks. */
void guard_kick(struct guard *g);
/* True when the interface is as it should be, or not there. Looks only when it is time to. */
bool guard_run(struct guard *g);
/* CLOCK_BOOTTIME of the next guard_run that has something to do. */
uint64_t guard_next(const struct guard *g);
/* Its last plan was carried out whole, and seen. */
bool guard_is_closed(const struct guard *g);

/* Between the files of the guard: state, reason, problem, the status file. */
void guard_tell(struct guard *g, const struct device *d, const struct instant *now);
