/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the security keys that are plugged in can do, as far as they were asked already: no key is asked for this. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/doctor.h"
#include "common/names.h"

static bool has(char **list, const char *what)
{
	for (char **s = list; s && *s; s++)
		if (!strcmp(*s, what))
			return true;
	return false;
}

static void check_card(struct doctor *d, const struct proxy_token *t)
{
	if (!strcmp(t->pin_state, "blocked"))
		doctor_wrong(d, "unblock it with gpg --card-edit (\"passwd\") or ykman piv access unblock-pin",
			"A PIN of the smart card %s is blocked", t->name);
	else if (t->pin_tries > 0 && t->pin_tries < 3)
		doctor_note(d, "The smart card %s (%s): %u PIN %s left", t->name, t->serial, t->pin_tries,
			t->pin_tries == 1 ? "try is" : "tries are");
	else
		doctor_ok(d, "The smart card %s (%s) can open tunnels with a key that never leaves it (`wgfido enroll --resident`)", t->name,
			t->serial);
}

static void check_token(struct doctor *d, const struct proxy_token *t)
{
	if (!t->capabilities || !*t->capabilities) {
		doctor_note(d, "%s was not asked yet what it can do", t->name);
	} else if (has(t->capabilities, "openpgp") || has(t->capabilities, "piv")) {
		check_card(d, t);
	} else if (!has(t->capabilities, "hmac-secret") && has(t->capabilities, "wgX25519")) {
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

/* Where pcscd is, its polkit must let the broker in. The directory of rules is often root's and polkit's to read. */
static void check_pcscd(struct doctor *d)
{
	char path[512];
	bool asks;

	if (d->gateway)
		return;
	snprintf(path, sizeof(path), "%s%s", d->root, WGFIDO_PCSCD_SOCKET);
	if (access(path, F_OK) < 0) {
		doctor_note(d, "Smart cards are not seen: pcscd is not there; FIDO2 keys do not need it");
		return;
	}
	/* Some distributions build pcscd without polkit: it then asks nobody. */
	snprintf(path, sizeof(path), "%s" WGFIDO_POLKIT_ACTIONSDIR "/org.debian.pcsc-lite.policy", d->root);
	asks = access(path, F_OK) == 0;
	snprintf(path, sizeof(path), "%s" WGFIDO_POLKIT_RULESDIR "/50-wgfido-cards.rules", d->root);
	if (asks && access(path, F_OK) < 0 && errno == ENOENT)
		doctor_wrong(d, "install wgfido anew; polkit reads " WGFIDO_POLKIT_RULESDIR "/50-wgfido-cards.rules",
			"pcscd lets the broker at no smart card: the rule for it is missing");
	else
		doctor_ok(d, "pcscd is there for smart cards");
}

void doctor_check_tokens(struct doctor *d)
{
	const struct proxy *p = d->status->proxy;

	check_pcscd(d);

	for (size_t i = 0; i < p->n_tokens; i++)
		check_token(d, &p->tokens[i]);
	for (size_t i = 0; i < p->n_tunnels; i++)
		check_pins(d, &p->tunnels[i]);
	if (p->running && !p->n_tokens)
		doctor_note(d, "No security key is plugged in; plug one in to have it checked");
}
