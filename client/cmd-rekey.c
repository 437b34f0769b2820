/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rekey: a new key in place of the one there is, in every mode. */
#include <net/if.h>
#include <string.h>

#include "client/call.h"
#include "client/keyslot.h"
#include "client/proxy.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verb.h"
#include "common/encoding.h"
#include "common/names.h"

static void tell_line(bool psk, const char *public_key)
{
	printf("The other end must replace\n%s = %s\n", psk ? "TokenPublicKey" : "PublicKey", public_key);
}

static void tell_next(const char *ifname, bool psk, const char *public_key, const char *handle)
{
	tell_line(psk, public_key);
	/* wgfido-tunnel refuses the handle of another key. */
	if (!psk && *handle)
		printf("and once it has switched, the wg-quick file of this side has to have\nPrivateKey = %s\n", handle);
	printf("Until it has, the present key goes on working. %s`wgfido rekey %s --commit`\n"
	       "switches %s, `wgfido rekey %s --abandon` gives the next key up.\n",
		psk ? "Then " : "wgfido-tunnel switches by itself when the other end has it; ", ifname, psk ? "over" : "at once", ifname);
}

/* The next key takes the place of the present one, or is given up. */
static int commit(struct proxy *p, const struct proxy_tunnel *t, struct call_options *o, const char *purpose, const char *tunnel)
{
	char ifname[IF_NAMESIZE], next[KEY_BASE64_SIZE], handle[KEY_BASE64_SIZE];
	const bool identity = !strcmp(t->mode, "identity");
	sd_bus_message *reply = NULL;
	int r;

	snprintf(ifname, sizeof(ifname), "%s", t->interface);
	snprintf(next, sizeof(next), "%s", t->next_public_key);
	snprintf(handle, sizeof(handle), "%s", t->next_handle);
	if (strcmp(t->held, "resident") || !*next)
		return say_outcome(OUTCOME_NOT_ENROLLED, "%s has no next key: `wgfido rekey %s` makes one where the key never leaves its token",
			ifname, ifname);
	o->says_recovery = false;
	r = call_run(p,
		&(struct call){
			.path = t->path,
			.interface = WGFIDO_TUNNEL_INTERFACE,
			.method = "CommitRekey",
			.tunnel_path = t->path,
			.purpose = purpose,
			.options = o,
		},
		&reply);
	sd_bus_message_unref(reply);
	if (r)
		return r;
	if (o->abandon)
		printf("%s keeps its key; the next one, %s, stays unused in its slot on the security key.\n", tunnel, next);
	else
		printf("%s has its new key: %s\n", tunnel, next);
	if (!o->abandon && identity && *handle)
		printf("A handle in its wg-quick file has to be that key's now:\nPrivateKey = %s\n", handle);
	return 0;
}

/* A key that never leaves its token gets a successor beside it. *ret_done: there is one already. */
static int resident_check(const struct proxy_tunnel *t, struct call_options *o, const char *tunnel, bool *ret_done)
{
	const bool psk = !strcmp(t->mode, "psk");

	o->resident = true;
	o->says_recovery = o->recovery = false;
	*ret_done = *t->next_public_key;
	if (*ret_done) {
		printf("%s has a next key already, which is not in use yet.\n", tunnel);
		tell_next(t->interface, psk, t->next_public_key, t->next_handle);
	}
	return 0;
}

static int rekey(struct proxy *p, const char *name, struct call_options *o)
{
	struct recovery_result result = {};
	char purpose[192], tunnel[128], ifname[64];
	bool psk, others, next, done = false;
	struct proxy_tunnel *t;
	int r;

	r = target_resolve_tunnel(&t, p, name);
	if (r)
		return r;
	if (!strcmp(t->held, "none"))
		return say_outcome(OUTCOME_NOT_ENROLLED, "%s has no key to replace: `wgfido %s %s` makes one", t->interface,
			text_making_verb(t), t->interface);
	psk = !strcmp(t->mode, "psk");
	next = !strcmp(t->held, "resident");
	snprintf(ifname, sizeof(ifname), "%s", t->interface);
	snprintf(purpose, sizeof(purpose), "to make a new key for %s", text_tunnel(tunnel, sizeof(tunnel), t));
	if (o->commit || o->abandon) {
		snprintf(purpose, sizeof(purpose), "to open %s with its new key", tunnel);
		return commit(p, t, o, purpose, tunnel);
	}
	if (next)
		r = resident_check(t, o, tunnel, &done);
	else if (!o->resident)
		r = recovery_check(o);
	if (r || done)
		return r;
	others = keyslot_count(t, "hmac-secret") > 1;
	r = recovery_call(p,
		&(struct call){
			.path = t->path,
			.interface = WGFIDO_TUNNEL_INTERFACE,
			.method = "Rekey",
			.tunnel_path = t->path,
			.purpose = purpose,
			.options = o,
		},
		&result);
	if (r)
		return r;
	if (next) {
		printf("%s has a next key%s%s.\n", tunnel, *result.x_slot ? " in " : "", result.x_slot);
		tell_next(ifname, psk, result.public_key, result.handle);
		recovery_result_clear(&result);
		return 0;
	}
	/* The new key is in force: what the other end needs is said whatever becomes of the code. */
	printf("%s has a new key; the old one opens nothing here any more. ", tunnel);
	tell_line(psk, result.public_key);
	r = o->resident ? 0 : recovery_hand_over(&result, tunnel, ifname, o);
	if (o->resident)
		printf("It never leaves the security key%s%s: there is no recovery code and no backup key.\n%s%s%s", *result.x_slot ? ", " : "",
			result.x_slot, psk ? "" : "The interface's PrivateKey is to be its handle now:\nPrivateKey = ", psk ? "" : result.handle,
			psk ? "" : "\n");
	else if (others)
		printf("Backup keys were of the old one: add them again with `wgfido keyslot add %s`.\n", ifname);
	recovery_result_clear(&result);
	return r;
}

static int rekey_main(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"commit", no_argument, NULL, OPTION_COMMIT},
		{"abandon", no_argument, NULL, OPTION_ABANDON},
		CALL_KEY_OPTIONS,
		CALL_RESIDENT_OPTIONS,
		CALL_LONG_OPTIONS,
		{},
	};

	return call_key_main(verb, argc, argv, options, rekey);
}

const struct verb verb_rekey = {
	"rekey",
	rekey_main,
	"TUNNEL [--commit | --abandon] [--resident] [--no-recovery] [--yes]",
	"Make a new key in place of a tunnel's old one",
	"After a security key was lost, or a copy of the old key got away. All keyslots of the old key are gone with\n"
	"it, and the tunnel works again when the other end has the public key that this prints.\n"
	"A key that never leaves its token gets a next one beside it: the present one goes on working until the other end\n"
	"has the line that this prints.\n\n"
	"  --commit         the other end has the next key: switch to it\n"
	"  --abandon        give the next key up; it stays in its slot on the token\n"
	CALL_RESIDENT_HELP
	"  --no-recovery    make no recovery code\n"
	"  --yes            ask nothing; the recovery code goes to stdout\n"
	"  --uv WHEN        pin, presence, or auto (a PIN where the security key has one; the default)\n"
	"  --label TEXT     what `wgfido keyslot list` calls this security key\n" CALL_OPTIONS_HELP,
};
