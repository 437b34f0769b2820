/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the desktop is told, and when a key may blink. Pure: it is given what the broker and the agent say, what was
 * clicked and what was answered, and it asks for things through struct prompt_ops.
 *
 * One card (a notification) per tunnel, by what is most urgent:
 *   a request that waits for a touch or a key, whoever made it;
 *   else the last news: it is up and closed, its approval ended, or what was asked for from here failed.
 * What is there already when a tunnel is first seen is no news. Approve() is called for a click on "Approve" and for nothing
 * else, and after it only for a PIN that the user typed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/proxy.h"
#include "common/outcome.h"
#include "common/secret.h"

enum prompt_kind {
	PROMPT_NOTHING,
	PROMPT_TOUCH,  /* a key blinks */
	PROMPT_PLUG,   /* a request waits for a key to be plugged in */
	PROMPT_CLOSED, /* the interface came up, and nobody has approved it */
	PROMPT_ENDED,  /* an approval ended */
	PROMPT_FAILED, /* what was clicked came to nothing */
};
enum prompt_action { PROMPT_ACTION_NONE, PROMPT_ACTION_APPROVE, PROMPT_ACTION_CANCEL };
enum prompt_urgency { PROMPT_LOW, PROMPT_NORMAL, PROMPT_CRITICAL }; /* as the notification's hint has them */

/* Plain text, valid UTF-8; names in it are shortened and printable. */
struct prompt_card {
	enum prompt_kind kind;
	enum prompt_urgency urgency;
	enum prompt_action action;
	char label[32]; /* of the action's button */
	char summary[320];
	char body[512];
	char instead[128]; /* said behind the body where there are no buttons; "" */
};

/* What is to be asked at the PIN dialog. */
struct prompt_question {
	bool confirm; /* few tries are left: that first */
	bool has_pin; /* the PIN of the last call stands, only the confirmation is wanted */
	char warning[512]; /* for confirm */
	char text[512];
};

/* One tunnel as it stands; borrowed for the call. */
struct prompt_facts {
	const struct proxy_tunnel *tunnel;
	const char *peer;  /* whom the pending request is for, where that is not the whole tunnel; "" */
	const char *token; /* the name of the key that is meant, where that is clear; "" */
	bool approvable;   /* one Approve() opens it: not with ApprovalScope = peer and several peers */
	const char *agent; /* "absent", "closed", "open", "error"; "": not guarded */
};

/* None of them may call back at once. */
struct prompt_ops {
	void (*show)(void *userdata, const char *ifname, const struct prompt_card *card);
	void (*close)(void *userdata, const char *ifname);
	/* pin is borrowed. NULL: the kept one with confirm_pin, else none. Answered by prompt_reply, unless drop_pin comes first. */
	void (*approve)(void *userdata, const char *ifname, const struct secret *pin, bool confirm_pin);
	void (*cancel)(void *userdata, const char *ifname);
	/* The answer comes as prompt_pin, unless drop_pin comes first. One dialog at a time. */
	void (*ask_pin)(void *userdata, const char *ifname, const struct prompt_question *question);
	/* Nothing of this tunnel is wanted any more: its dialog, its call, the PIN that was kept for it. */
	void (*drop_pin)(void *userdata, const char *ifname);
};

struct prompt;

/* uid: whose requests are "mine". -ENOMEM */
int prompt_new(struct prompt **ret, const struct prompt_ops *ops, void *userdata, uid_t uid);
struct prompt *prompt_free(struct prompt *p);

/* All tunnels there are, whenever something changed; running = false (and none) while there is no broker. -ENOMEM */
int prompt_update(struct prompt *p, bool running, const struct prompt_facts *facts, size_t n);
/* A button was clicked. */
void prompt_clicked(struct prompt *p, const char *ifname, enum prompt_action action);
/*
 * What Approve() was answered; text: the sentence for the user. true: the PIN of this call is to be kept, until it is confirmed
 * (prompt_pin, then approve without one) or dropped.
 */
bool prompt_reply(struct prompt *p, const char *ifname, enum outcome outcome, const char *text);
/* The dialog's end: OUTCOME_OK with a PIN (or the confirmation of the one there was: NULL), OUTCOME_CANCELLED, else text says it. */
void prompt_pin(struct prompt *p, const char *ifname, enum outcome outcome, const struct secret *pin, const char *text);

/* prompt-card.c: the words. A piece of a name, of at most 40 characters. */
const char *prompt_tunnel_name(char *buf, size_t size, const struct proxy_tunnel *t);
void prompt_card_pending(struct prompt_card *ret, const struct prompt_facts *f, uid_t uid);
void prompt_card_closed(struct prompt_card *ret, const struct prompt_facts *f);
void prompt_card_ended(struct prompt_card *ret, const struct prompt_facts *f);
/* retry: offer another try. */
void prompt_card_failed(struct prompt_card *ret, const struct prompt_facts *f, const char *text, bool retry);
/* The tunnel's last name, for news after the broker went. */
void prompt_card_broker_gone(struct prompt_card *ret, const char *name);
void prompt_question_text(struct prompt_question *ret, const struct prompt_facts *f);
bool prompt_card_equal(const struct prompt_card *a, const struct prompt_card *b);
