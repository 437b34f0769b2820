/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How far something that was clicked here has come. */
enum ours {
	OURS_NONE,
	OURS_CALL,     /* Approve() is not answered */
	OURS_PIN_NEXT, /* a PIN is wanted, and another tunnel's dialog is open */
	OURS_PIN,      /* the dialog is open */
};

struct entry {
	char ifname[64];
	char name[256];
	bool seen;     /* in the update at hand */
	bool approved; /* as last told, as the next */
	bool up;
	bool approvable;
	enum ours ours;
	bool called_with_pin;
	bool confirm_pin; /* the user has said yes to using one of the last tries */
	struct prompt_question question;
	struct prompt_card news; /* to be shown while nothing is more urgent */
	struct prompt_card card; /* what is shown, or was dismissed */
};

struct prompt {
	const struct prompt_ops *ops;
	void *userdata;
	uid_t uid;
	bool running;
	size_t n;
	struct entry *entries;
};

int prompt_new(struct prompt **ret, const struct prompt_ops *ops, void *userdata, uid_t uid)
{
	struct prompt *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->ops = ops;
	p->userdata = userdata;
	p->uid = uid;
	*ret = p;
	return 0;
}

struct prompt *prompt_free(struct prompt *p)
{
	if (p)
		free(p->entries);
	free(p);
	return NULL;
}

static struct entry *entry_find(struct prompt *p, const char *ifname)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->entries[i].ifname, ifname))
			return &p->entries[i];
	return NULL;
}

static struct entry *entry_add(struct prompt *p, const char *ifname)
{
	struct entry *more = reallocarray(p->entries, p->n + 1, sizeof(*more)), *e;

	if (!more)
		return NULL;
	p->entries = more;
	e = &more[p->n++];
	*e = (struct entry){};
	snprintf(e->ifname, sizeof(e->ifname), "%s", ifname);
	return e;
}

static void card_set(struct prompt *p, struct entry *e, const struct prompt_card *card)
{
	if (prompt_card_equal(&e->card, card))
		return;
	e->card = *card;
	if (card->kind == PROMPT_NOTHING)
		p->ops->close(p->userdata, e->ifname);
	else
		p->ops->show(p->userdata, e->ifname, card);
}

static void news_clear(struct entry *e)
{
	e->news = (struct prompt_card){};
}

static void pin_open(struct prompt *p, struct entry *e)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->entries[i].ours == OURS_PIN) {
			e->ours = OURS_PIN_NEXT;
			return;
		}
	e->ours = OURS_PIN;
	p->ops->ask_pin(p->userdata, e->ifname, &e->question);
}

static void pin_next(struct prompt *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->entries[i].ours == OURS_PIN_NEXT) {
			pin_open(p, &p->entries[i]);
			return;
		}
}

/* What was clicked is over, or has lost its point. */
static void ours_end(struct prompt *p, struct entry *e)
{
	enum ours was = e->ours;

	e->ours = OURS_NONE;
	e->confirm_pin = false;
	/* A PIN may be kept without a dialog too: for one that comes next, or under a call. */
	if (was != OURS_NONE)
		p->ops->drop_pin(p->userdata, e->ifname);
	if (was == OURS_PIN)
		pin_next(p);
}

static bool is_one_of(const char *s, const char *const *list)
{
	while (*list && strcmp(*list, s))
		list++;
	return *list;
}

/* An approval that needs the user's hand. Making keys is for the terminal that it was begun at. */
static bool is_pending(const struct proxy_tunnel *t)
{
	static const char *const waits[] = {"touch", "token", "token-with-key", NULL};

	return t->prompt_for && is_one_of(t->prompt, waits);
}

static void news_update(struct entry *e, const struct prompt_facts *f, bool fresh)
{
	static const char *const there[] = {"closed", "open", "error", NULL};
	const struct proxy_tunnel *t = f->tunnel;
	bool approved = !strcmp(t->state, "approved"), up = is_one_of(f->agent, there);
	bool usable = (!strcmp(t->held, "wrapped") || !strcmp(t->held, "resident")) && strcmp(t->state, "misconfigured") != 0;

	if (approved || !up)
		news_clear(e);
	if (!fresh && !approved && up) {
		if (e->approved)
			prompt_card_ended(&e->news, f);
		else if (!e->up && usable)
			prompt_card_closed(&e->news, f);
	}
	e->approved = approved;
	e->up = up;
}

static void entry_show(struct prompt *p, struct entry *e, const struct prompt_facts *f)
{
	static const struct prompt_card nothing = {};
	struct prompt_card card;

	if (f && is_pending(f->tunnel)) {
		prompt_card_pending(&card, f, p->uid);
		card_set(p, e, &card);
		/* Whatever comes of it, what was said before is old. */
		news_clear(e);
	} else if (f && f->tunnel->prompt_for && !strcmp(f->tunnel->prompt, "busy") &&
		(e->card.kind == PROMPT_TOUCH || e->card.kind == PROMPT_PLUG)) {
		/* Between two touches, or a key and its touch: what is there is replaced in a moment. */
	} else {
		card_set(p, e, e->ours == OURS_NONE ? &e->news : &nothing);
	}
}

static int entry_update(struct prompt *p, const struct prompt_facts *f)
{
	struct entry *e = entry_find(p, f->tunnel->interface);
	bool fresh = !e;

	if (!e)
		e = entry_add(p, f->tunnel->interface);
	if (!e)
		return -ENOMEM;
	e->seen = true;
	e->approvable = f->approvable;
	prompt_tunnel_name(e->name, sizeof(e->name), f->tunnel);
	if (e->ours == OURS_NONE || e->ours == OURS_CALL)
		prompt_question_text(&e->question, f);
	news_update(e, f, fresh);
	/* Somebody else has opened it meanwhile. */
	if (e->approved && e->ours != OURS_CALL)
		ours_end(p, e);
	entry_show(p, e, f);
	return 0;
}

/* Its configuration is gone, or the broker is. */
static void entry_lost(struct prompt *p, struct entry *e)
{
	bool was_open = e->approved && e->up;

	/* The broker's end answers a call too. */
	if (p->running || e->ours != OURS_CALL)
		ours_end(p, e);
	/* That it went away under a call stays said. */
	if (p->running || e->news.kind != PROMPT_FAILED || e->news.action != PROMPT_ACTION_NONE)
		news_clear(e);
	if (was_open && !p->running)
		prompt_card_broker_gone(&e->news, e->name);
	e->approved = false;
	entry_show(p, e, NULL);
}

int prompt_update(struct prompt *p, bool running, const struct prompt_facts *facts, size_t n)
{
	bool was_running = p->running;
	int r;

	p->running = running;
	for (size_t i = 0; i < p->n; i++)
		p->entries[i].seen = false;
	for (size_t i = 0; running && i < n; i++) {
		r = entry_update(p, &facts[i]);
		if (r < 0)
			return r;
	}
	for (size_t i = p->n; i-- > 0;) {
		struct entry *e = &p->entries[i];

		if (e->seen)
			continue;
		if (running) {
			entry_lost(p, e);
			*e = p->entries[--p->n];
		} else if (was_running) {
			/* It stays: what the broker says when it is back is compared with it. */
			entry_lost(p, e);
		}
	}
	return 0;
}

void prompt_clicked(struct prompt *p, const char *ifname, enum prompt_action action)
{
	struct entry *e = entry_find(p, ifname);

	/* A click on what was there a moment ago may come late. */
	if (!e || !p->running || e->card.action != action)
		return;
	switch (action) {
	case PROMPT_ACTION_NONE:
		break;
	case PROMPT_ACTION_APPROVE:
		if (e->ours != OURS_NONE || !e->approvable)
			break;
		e->ours = OURS_CALL;
		e->called_with_pin = false;
		news_clear(e);
		entry_show(p, e, NULL);
		p->ops->approve(p->userdata, ifname, NULL, false);
		break;
	case PROMPT_ACTION_CANCEL:
		p->ops->cancel(p->userdata, ifname);
		break;
	}
}

/* May another try end otherwise? */
static bool may_retry(enum outcome o)
{
	switch (o) {
	case OUTCOME_TOKEN_MISSING:
	case OUTCOME_TOUCH_TIMEOUT:
	case OUTCOME_PIN_REQUIRED:
	case OUTCOME_PIN_INVALID:
	case OUTCOME_PIN_BLOCKED: /* until it is plugged in anew, mostly */
	case OUTCOME_WRONG_TOKEN:
	case OUTCOME_TOKEN_BUSY:
	case OUTCOME_TOKEN_FAILED:
		return true;
	case OUTCOME_OK:
	case OUTCOME_CANCELLED:
	case OUTCOME_PIN_FEW_TRIES_LEFT:
	case OUTCOME_NOT_ENROLLED:
	case OUTCOME_NOT_APPROVED:
	case OUTCOME_UNSUPPORTED:
	case OUTCOME_DENIED:
	case OUTCOME_INVALID_ARGUMENT:
	case OUTCOME_LIMIT_EXCEEDED:
	case OUTCOME_KEYFILE_DAMAGED:
	case OUTCOME_EXISTS:
	case OUTCOME_FAILED:
	case OUTCOME_MAX_:
		break;
	}
	return false;
}

static void fail(struct prompt *p, struct entry *e, enum outcome outcome, const char *text)
{
	struct proxy_tunnel t = {.interface = e->ifname, .name = (char[]){""}};
	const struct prompt_facts f = {.tunnel = &t, .peer = "", .token = "", .approvable = e->approvable, .agent = ""};

	if (outcome != OUTCOME_OK && outcome != OUTCOME_CANCELLED && !e->approved) {
		prompt_card_failed(&e->news, &f, text, may_retry(outcome));
		snprintf(e->news.summary, sizeof(e->news.summary), "%.220s stays closed", e->name);
	}
	entry_show(p, e, NULL);
}

bool prompt_reply(struct prompt *p, const char *ifname, enum outcome outcome, const char *text)
{
	struct entry *e = entry_find(p, ifname);
	bool few;

	if (!e || e->ours != OURS_CALL)
		return false;
	few = outcome == OUTCOME_PIN_FEW_TRIES_LEFT && !e->confirm_pin;
	if (outcome == OUTCOME_PIN_REQUIRED || few) {
		e->question.confirm = few;
		e->question.has_pin = few && e->called_with_pin;
		snprintf(e->question.warning, sizeof(e->question.warning), "%s", text);
		pin_open(p, e);
		entry_show(p, e, NULL);
		return e->question.has_pin;
	}
	e->ours = OURS_NONE;
	e->confirm_pin = false;
	fail(p, e, outcome, text);
	return false;
}

void prompt_pin(struct prompt *p, const char *ifname, enum outcome outcome, const struct secret *pin, const char *text)
{
	struct entry *e = entry_find(p, ifname);

	if (!e || e->ours != OURS_PIN)
		return;
	if (outcome == OUTCOME_OK) {
		e->ours = OURS_CALL;
		e->called_with_pin = true;
		e->confirm_pin = e->question.confirm;
		p->ops->approve(p->userdata, ifname, pin, e->confirm_pin);
	} else {
		e->ours = OURS_NONE;
		e->confirm_pin = false;
		fail(p, e, outcome, text);
	}
	pin_next(p);
}
