/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker's core: tokens, tunnels, requests, approvals. It knows no message bus: what changes is told through
 * callbacks, and what is asked comes in as requests. Nothing here blocks but reads and writes of its own small files.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/approval.h"
#include "daemon/operation.h"
#include "daemon/pairing.h"
#include "daemon/presence.h"
#include "daemon/request.h"
#include "daemon/token.h"
#include "daemon/tunnel.h"

#define BROKER_WAIT_SECONDS 300 /* for a token to be plugged in */
#define BROKER_FORGET_SECONDS 60
#define BROKER_CLOSING_SECONDS 3 /* for the agent, before suspend; logind itself goes to sleep after InhibitDelayMaxSec=, 5 s by default */

struct broker_options {
	const char *config_dir;
	const char *state_dir;
	const char *token_worker;
	const char *soft_tokens; /* NULL: none */
	bool use_udev;
	bool use_cards;		 /* smart cards through pcscd */
	const char *pcscd;	 /* its socket; NULL: where it always is */
	uint32_t touch_timeout_ms;
	uint32_t wait_timeout_ms;
	uint32_t closing_timeout_ms;
	struct clock *clock;
};

/* Called from the event loop, never while a callback of the core runs further up. Objects are whole during the call. */
struct broker_callbacks {
	void (*token_added)(void *userdata, struct token *t);
	void (*token_changed)(void *userdata, struct token *t);
	void (*token_removed)(void *userdata, struct token *t); /* still listed */
	void (*tunnel_added)(void *userdata, struct tunnel *t);
	/* what: enum tunnel_change; peers with dirty set changed too */
	void (*tunnel_changed)(void *userdata, struct tunnel *t, unsigned int what);
	void (*tunnel_removed)(void *userdata, struct tunnel *t); /* still listed */
	void (*prompt_changed)(void *userdata); /* of what is about no tunnel; may be NULL */
	void (*note)(void *userdata, enum log_level level, const char *text);
};

struct broker {
	sd_event *event;
	struct broker_options options;
	const struct broker_callbacks *callbacks;
	void *userdata;
	char *keys_dir, *staging_dir;
	struct tokens tokens;
	struct tunnel_list tunnels; /* by name */
	struct request_list requests;
	struct operation_list operations, ended; /* oldest first */
	struct approvals *approvals;
	struct pairings *pairings;
	bool prompt_dirty; /* of operations that are about no tunnel */
	struct presence *presence;
	unsigned int told_of; /* enum config_end_on, of lock and logout: what somebody would tell us of */
	bool sleeping; /* the machine is going to, or does */
	struct expiry *expiry;
	sd_event_source *settle;
};

int broker_new(struct broker **ret, sd_event *event, const struct broker_options *options,
	const struct broker_callbacks *callbacks, void *userdata);
/* Ends all approvals (they are wiped and told first) and answers all requests. */
struct broker *broker_free(struct broker *b);
void broker_stop(struct broker *b);

/* Reads the directory of configurations, and the key files, again; what changed loses its approvals. */
int broker_reload(struct broker *b);

struct tunnel *broker_find_tunnel(struct broker *b, const char *ifname);
struct instant broker_now(const struct broker *b);
uint64_t broker_touch_deadline(const struct broker *b);
uint32_t broker_quick_timeout_ms(const struct broker *b); /* for what needs no touch */

/* These three end approvals, and what still waits for polkit or a touch to become one. */
size_t broker_lock_all(struct broker *b);
/* The oldest of those that are about no tunnel, and have a prompt. NULL: none. */
const struct operation *broker_prompt(const struct broker *b);
/* peer NULL: all of it */
size_t broker_revoke(struct broker *b, struct tunnel *t, const uint8_t *peer, const char *who);
/* The pending requests of this uid on this tunnel (peer). Returns how many. */
size_t broker_cancel(struct broker *b, const struct requester *who, const char *ifname, const uint8_t *peer);
/* OUTCOME_DENIED: not the exporter, or too late. */
int broker_forget_key(struct broker *b, struct tunnel *t, const char *sender);

/* reason: one flag of enum config_end_on; session NULL: any. Ends the approvals of tunnels that say so; of all with force. */
size_t broker_end_on(struct broker *b, enum config_end_on reason, const char *session, bool force);

/*
 * Which of lock and logout somebody watches from now on. An approval whose end would not be seen is not given, and does not
 * outlive the one who watched.
 */
void broker_set_told_of(struct broker *b, unsigned int flags);
/* From when sleep is announced until it is over, or nobody is left who would tell of that. No approval is given meanwhile. */
void broker_set_sleeping(struct broker *b, bool sleeping);
/* Whether an approval may be given now: 0, or OUTCOME_DENIED with the reason. */
int broker_check_grant(const struct broker *b, const struct config *c, const char **ret_detail);

/* Called by the parts of the core. */
void broker_note(struct broker *b, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void broker_settle_soon(struct broker *b);
void broker_mark_prompt(struct broker *b);
void broker_settle(struct broker *b);	  /* tells of what is marked, frees what has ended */
void broker_arm_expiry(struct broker *b);
void broker_end_approvals(struct broker *b, const char *ifname, const uint8_t *peer, enum approval_end why);
/* except NULL: none */
void broker_cancel_operations(struct broker *b, const struct operation *except, const char *ifname, const char *why);
/* The tunnel that has this resident key, as its present or its next one. NULL: none. */
struct tunnel *broker_find_key(struct broker *b, const uint8_t public_key[static KEY_SIZE]);
/* One operation that writes the key file at a time. */
bool broker_key_file_busy(const struct broker *b, const struct operation *except, const char *ifname);
