/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker as plain structs: what GetManagedObjects says, kept up to date by its signals. Calls that may need a touch are
 * call.h's. Strings of the broker come with control characters replaced, since some of them are
 * a token's own words and end on a terminal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "common/outcome.h"

struct proxy_peer {
	char *path;
	char *public_key;
	char *name;
	char *state;
	uint64_t approved_until; /* CLOCK_BOOTTIME us */
	char *requester;
	char *end_reason;
};

struct proxy_keyslot {
	uint32_t id;
	char *type;
	char *label;
	char *uv;
	uint64_t created; /* unix seconds */
};

struct proxy_keyslots {
	size_t n;
	struct proxy_keyslot *slots;
};

struct proxy_tunnel {
	char *path;
	char *interface;
	char *name;
	char *mode;
	char *held;
	char *public_key;
	char *slot;		/* "ctaphid:3"; this and the next "" unless held is "resident" */
	char *touch_policy;
	char *handle;
	char *next_public_key;	/* made by Rekey, not in use yet; "": none */
	char *next_handle;
	char *state;
	char *guarantee;
	char *approval_scope;
	uint64_t approval_lifetime;
	uint64_t approved_until;
	char *end_reason;
	char *problem;
	char *prompt;
	char *prompt_token;
	uint64_t prompt_deadline;
	uint32_t prompt_step;
	uint32_t prompt_steps;
	uint64_t prompt_for; /* seconds; 0: no approval */
	char *prompt_requester;
	struct proxy_keyslots keyslots;
};

struct proxy_token {
	char *path;
	char *id;
	char *name;
	char *serial;
	char **capabilities;
	char *pin_state;
	uint32_t pin_tries; /* 0: not known, or none */
	bool busy;
};

struct proxy {
	sd_bus *bus;
	char owner[256]; /* unique name of the broker that answered; "": none did */
	bool running; /* the broker answered */
	char *version;
	struct proxy_tunnel generating; /* its prompt members alone: what a key waits for that belongs to no tunnel (GenerateKey) */
	size_t n_tunnels, n_peers, n_tokens;
	struct proxy_tunnel *tunnels; /* sorted by path, as the others */
	struct proxy_peer *peers;
	struct proxy_token *tokens;

	bool passive; /* a broker that does not run is not started for us */
	bool watching;
	void (*changed)(struct proxy *p, void *userdata); /* after something was updated */
	void *userdata;
};

/*
 * Connects and reads everything. On failure says why on stderr and returns an exit status (> 0); 0 is success.
 * proxy_open_quiet leaves it at running = false when there is no broker (or no bus) to talk to; only -ENOMEM is an error.
 */
int proxy_open(struct proxy **ret);
int proxy_open_quiet(struct proxy **ret);
/* The same without starting a broker, neither now nor later; without a system bus its negative errno. */
int proxy_open_passive(struct proxy **ret);
struct proxy *proxy_free(struct proxy *p);

/* Reads everything again: 0, negative errno, or an outcome. */
int proxy_refresh(struct proxy *p);
/* Keeps the structs up to date from now on, as the bus is processed; changed is called after each update, and may be NULL. */
int proxy_watch(struct proxy *p, void (*changed)(struct proxy *p, void *userdata), void *userdata);

/* By interface name; NULL. */
struct proxy_tunnel *proxy_find_tunnel(struct proxy *p, const char *interface);
/* The broker's own path: what has the prompt of GenerateKey. */
struct proxy_tunnel *proxy_find_tunnel_path(struct proxy *p, const char *path);
/* The peers of a tunnel: previous = NULL starts, NULL ends. */
struct proxy_peer *proxy_next_peer(struct proxy *p, const struct proxy_tunnel *tunnel, struct proxy_peer *previous);
size_t proxy_count_peers(struct proxy *p, const struct proxy_tunnel *tunnel);

/* An error of the bus or the broker as a sentence for the user, and its outcome. */
enum outcome proxy_error_text(char *buf, size_t size, const sd_bus_error *error, int r);
/* Says that on stderr, returns the exit status. */
int proxy_say_error(const sd_bus_error *error, int r);
enum outcome proxy_outcome(const sd_bus_error *error, int r);
/* No one owns the broker's name, or it went away in mid-call. */
bool proxy_error_no_broker(const sd_bus_error *error, int r);

/* A plain call without arguments that needs no touch (LockAll, Reload, Revoke, ForgetKey). Says errors; exit status. */
int proxy_call_simple(struct proxy *p, const char *path, const char *interface, const char *method, uint32_t *ret_count);

#define _cleanup_proxy_ __attribute__((cleanup(proxy_cleanup)))
static inline void proxy_cleanup(struct proxy **p)
{
	*p = proxy_free(*p);
}
