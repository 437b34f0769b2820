/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the notifications. Names come from configuration files and tokens: they are kept short, so that what matters is not
 * pushed out of sight. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "client/prompt.h"
#include "client/text.h"

#define NAME_CHARACTERS 40

const char *prompt_tunnel_name(char *buf, size_t size, const struct proxy_tunnel *t)
{
	char name[256];

	snprintf(name, sizeof(name), "%s", t->name);
	text_shorten(name, NAME_CHARACTERS);
	if (*name)
		snprintf(buf, size, "%s (%s)", name, t->interface);
	else
		snprintf(buf, size, "%s", t->interface);
	return buf;
}

static void card_start(struct prompt_card *ret, enum prompt_kind kind, enum prompt_urgency urgency)
{
	*ret = (struct prompt_card){.kind = kind, .urgency = urgency};
}

static void card_button(struct prompt_card *ret, const struct prompt_facts *f, const char *label)
{
	if (!f->approvable) {
		snprintf(ret->instead, sizeof(ret->instead), "Open a peer of it with: wgfido approve %s/PEER", f->tunnel->interface);
		return;
	}
	ret->action = PROMPT_ACTION_APPROVE;
	snprintf(ret->label, sizeof(ret->label), "%s", label);
	snprintf(ret->instead, sizeof(ret->instead), "Open it with: wgfido approve %s", f->tunnel->interface);
}

/* "to open office (wg0) to gw for 8 h" */
static void purpose(char *buf, size_t size, const struct prompt_facts *f, uint64_t seconds)
{
	char name[256], peer[128], span[64];

	snprintf(peer, sizeof(peer), "%s", f->peer);
	text_shorten(peer, NAME_CHARACTERS);
	snprintf(buf, size, "to open %s%s%s for %s", prompt_tunnel_name(name, sizeof(name), f->tunnel), *peer ? " to " : "", peer,
		text_span(span, sizeof(span), seconds));
}

static void append(char *buf, size_t size, const char *sentence)
{
	size_t len = strlen(buf);

	snprintf(buf + len, size - len, "%s%s", len ? " " : "", sentence);
}

void prompt_card_pending(struct prompt_card *ret, const struct prompt_facts *f, uid_t uid)
{
	const struct proxy_tunnel *t = f->tunnel;
	bool touch = !strcmp(t->prompt, "touch"), mine;
	char what[288], token[160], sentence[256];
	unsigned int asker;

	card_start(ret, touch ? PROMPT_TOUCH : PROMPT_PLUG, PROMPT_CRITICAL);
	purpose(what, sizeof(what), f, t->prompt_for);
	snprintf(ret->summary, sizeof(ret->summary), "%s your key %s", touch ? "Touch" : "Plug in", what);
	text_shorten(ret->summary, sizeof(ret->summary)); /* no half character */
	snprintf(token, sizeof(token), "%s", t->prompt_token);
	text_shorten(token, NAME_CHARACTERS);
	if (touch) {
		snprintf(ret->body, sizeof(ret->body), "%s is waiting for it.", *token ? token : "The security key");
		if (t->prompt_steps > 1) {
			snprintf(sentence, sizeof(sentence), "This is touch %u of %u.", t->prompt_step, t->prompt_steps);
			append(ret->body, sizeof(ret->body), sentence);
		}
	} else {
		snprintf(ret->body, sizeof(ret->body), "It then waits for your touch.");
	}
	/* Who wants it, where it is not this user: the words are the broker's own, "uid 0 (root)". */
	mine = sscanf(t->prompt_requester, "uid %u", &asker) == 1 && asker == uid;
	if (mine) {
		ret->action = PROMPT_ACTION_CANCEL;
		snprintf(ret->label, sizeof(ret->label), "Cancel");
	} else if (*t->prompt_requester) {
		snprintf(token, sizeof(token), "%s", t->prompt_requester);
		text_shorten(token, NAME_CHARACTERS);
		snprintf(sentence, sizeof(sentence), "Asked for by %s.", token);
		append(ret->body, sizeof(ret->body), sentence);
	}
}

void prompt_card_closed(struct prompt_card *ret, const struct prompt_facts *f)
{
	char name[256];

	card_start(ret, PROMPT_CLOSED, PROMPT_NORMAL);
	snprintf(ret->summary, sizeof(ret->summary), "%s is closed", prompt_tunnel_name(name, sizeof(name), f->tunnel));
	snprintf(ret->body, sizeof(ret->body), "No traffic passes until you approve it with your security key.");
	card_button(ret, f, "Approve");
}

void prompt_card_ended(struct prompt_card *ret, const struct prompt_facts *f)
{
	const char *reason = f->tunnel->end_reason;
	char name[256];

	/* Whoever revoked it does not need to be offered the opposite. */
	bool on_purpose = !strcmp(reason, "revoked");

	card_start(ret, PROMPT_ENDED, on_purpose ? PROMPT_LOW : PROMPT_NORMAL);
	snprintf(ret->summary, sizeof(ret->summary), "%s was closed", prompt_tunnel_name(name, sizeof(name), f->tunnel));
	snprintf(ret->body, sizeof(ret->body), "%.200s%s", text_end_reason(reason), *reason ? "." : "");
	ret->body[0] = (char)toupper((unsigned char)ret->body[0]);
	if (!on_purpose)
		card_button(ret, f, "Approve");
}

void prompt_card_failed(struct prompt_card *ret, const struct prompt_facts *f, const char *text, bool retry)
{
	char name[256];

	card_start(ret, PROMPT_FAILED, PROMPT_NORMAL);
	snprintf(ret->summary, sizeof(ret->summary), "%s stays closed", prompt_tunnel_name(name, sizeof(name), f->tunnel));
	snprintf(ret->body, sizeof(ret->body), "%s", text);
	text_shorten(ret->body, sizeof(ret->body));
	if (retry)
		card_button(ret, f, "Try again");
}

void prompt_card_broker_gone(struct prompt_card *ret, const char *name)
{
	card_start(ret, PROMPT_ENDED, PROMPT_NORMAL);
	snprintf(ret->summary, sizeof(ret->summary), "%s was closed", name);
	snprintf(ret->body, sizeof(ret->body), "The wgfido broker was stopped.");
}

void prompt_question_text(struct prompt_question *ret, const struct prompt_facts *f)
{
	char token[160], what[288];

	snprintf(token, sizeof(token), "%s", f->token);
	text_shorten(token, NAME_CHARACTERS);
	purpose(what, sizeof(what), f, f->tunnel->approval_lifetime);
	snprintf(ret->text, sizeof(ret->text), "Type the PIN of %s %s%s.", *token ? token : "your security key", what,
		strcmp(f->tunnel->touch_policy, "never") ? ", then touch it" : "");
}

bool prompt_card_equal(const struct prompt_card *a, const struct prompt_card *b)
{
	return a->kind == b->kind && a->action == b->action && !strcmp(a->label, b->label) && !strcmp(a->summary, b->summary) &&
		!strcmp(a->body, b->body) && !strcmp(a->instead, b->instead);
}
