/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the security keys that are plugged in can do, as far as they were asked already: no key is asked for this. */
#include <string.h>

#include "client/doctor.h"

static bool has(char **list, const char *what)
{
	for (char **s = list; s && *s; s++)
		if (!strcmp(*s, what))
			return true;
	return false;
}

static void check_token(struct doctor *d, const struct proxy_token *t)
{
	if (!t->capabilities || !*t->capabilities) {
		doctor_note(d, "%s was not asked yet what it can do", t->name);
	} else if (!has(t->capabilities, "hmac-secret") &&
		   (has(t->capabilities, "wgX25519") || has(t->capabilities, "openpgp") || has(t->capabilities, "piv"))) {
		doctor_ok(d, "%s can open tunnels with a key that never leaves it (`wgfido enroll --resident`)", t->name);
	} else if (!has(t->capabilities, "hmac-secret")) {
		doctor_wrong(d, "use another security key", "%s lacks hmac-secret and cannot open tunnels", t->name);
	} else if (!strcmp(t->pin_state, "blocked")) {
		doctor_wrong(d, "plug it out and in; if that does not help, use a backup key and reset this one",
			"The PIN of %s is blocked", t->name);
	} else {
		doctor_ok(d, "%s can open tunnels", t->name);
		if (!strcmp(t->pin_state, "set") && !has(t->capabilities, "cred-protect"))
			doctor_note(d, "%s cannot bind a keyslot to its PIN (it lacks credProtect)", t->name);
	}
}

/* A keyslot made with a PIN gives another secret without one. */
static void check_pins(struct doctor *d, const struct proxy_tunnel *t)
{
	const struct proxy *p = d->status->proxy;

	for (size_t i = 0; i < t->keyslots.n; i++)
		if (strcmp(t->keyslots.slots[i].type, "hmac-secret") || strcmp(t->keyslots.slots[i].uv, "pin"))
			return;
	for (size_t i = 0; i < p->n_tokens; i++)
		if (strcmp(p->tokens[i].pin_state, "none") && strcmp(p->tokens[i].pin_state, "unsupported"))
			return;
	if (t->keyslots.n && p->n_tokens)
		doctor_note(d, "%s wants a PIN, and no security key that is plugged in has one", t->interface);
}

void doctor_check_tokens(struct doctor *d)
{
	const struct proxy *p = d->status->proxy;

	for (size_t i = 0; i < p->n_tokens; i++)
		check_token(d, &p->tokens[i]);
	for (size_t i = 0; i < p->n_tunnels; i++)
		check_pins(d, &p->tunnels[i]);
	if (p->running && !p->n_tokens)
		doctor_note(d, "No security key is plugged in; plug one in to have it checked");
}
