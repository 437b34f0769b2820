/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker on the message bus: thin vtables over the core. Only the files named bus-*, polkit and logind know sd-bus.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "daemon/broker.h"
#include "daemon/bus-leases.h"

struct bus_call;
struct dh_client;
struct polkit;
struct logind;

struct bus {
	sd_event *event;
	sd_bus *bus;
	struct broker *broker;
	uid_t agent_uid;
	struct bus_leases leases;
	struct polkit *polkit;
	struct logind *logind;
	TAILQ_HEAD(, bus_call) calls;
	TAILQ_HEAD(, dh_client) dh_clients;
	void (*lost)(void *userdata, const char *why);
	void *userdata;
};

/* Connects. lost: the bus or our name on it is gone; the program has to end. */
int bus_new(struct bus **ret, sd_event *event, uid_t agent_uid, void (*lost)(void *userdata, const char *why),
	void *userdata);
extern const struct broker_callbacks bus_broker_callbacks; /* their userdata: the struct bus */
/* Puts the objects up; then takes the name. */
int bus_serve(struct bus *b, struct broker *broker);
int bus_take_name(struct bus *b);
/* Ends the approvals, and answers all who wait. While the event loop runs, since its end closes the bus. */
void bus_stop(struct bus *b);
/* The broker is the caller's to free, before this. */
struct bus *bus_free(struct bus *b);

/* Paths, malloc'ed. */
int bus_tunnel_path(char **ret, const struct tunnel *t);
int bus_peer_path(char **ret, const struct tunnel *t, const struct config_peer *peer);
int bus_token_path(char **ret, const struct token *t);

/* The vtables; each adds itself. */
int bus_manager_add(struct bus *b);
int bus_token_add(struct bus *b);
int bus_tunnel_add(struct bus *b);
int bus_peer_add(struct bus *b);

/*
 * sd-bus takes a signal from any unique name for one of a well-known name, since the daemon does not say who owns that; and a
 * signal that somebody sends straight to us is not filtered by our matches. Handlers of signals have to look at the sender.
 */
bool bus_is_from_daemon(sd_bus_message *m);

/* Names of the properties to tell of, NULL-terminated; at most 24. */
void bus_tunnel_properties(const char *names[static 24], unsigned int what);

/* Sets org.wgfido1.Error.*, and returns what a method handler returns. outcome: or a negative errno. */
int bus_error(sd_bus_error *error, int outcome, const char *detail);
/* Only the agent's uid, whoever else asks, root too. */
int bus_check_agent(struct bus *b, sd_bus_message *m, sd_bus_error *error);
