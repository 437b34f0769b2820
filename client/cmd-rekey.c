/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rekey: a new key in place of the one there is, in every mode. */
#include <string.h>

#include "client/call.h"
#include "client/keyslot.h"
#include "client/proxy.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verb.h"
#include "common/names.h"

static int rekey(struct proxy *p, const char *name, struct call_options *o)
{
	struct recovery_result result = {};
	char purpose[192], tunnel[128], ifname[64];
	struct proxy_tunnel *t;
	bool psk, others;
	int r;

	r = target_resolve_tunnel(&t, p, name);
	if (r)
		return r;
	if (!strcmp(t->held, "none"))
		return say_outcome(OUTCOME_NOT_ENROLLED, "%s has no key to replace: `wgfido %s %s` makes one", t->interface,
			text_making_verb(t), t->interface);
	r = recovery_check(o);
	if (r)
		return r;
	psk = !strcmp(t->mode, "psk");
	others = keyslot_count(t, "hmac-secret") > 1;
	snprintf(ifname, sizeof(ifname), "%s", t->interface);
	snprintf(purpose, sizeof(purpose), "to make a new key for %s", text_tunnel(tunnel, sizeof(tunnel), t));
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
	/* The new key is in force: what the other end needs is said whatever becomes of the code. */
	printf("%s has a new key; the old one opens nothing here any more. The other end must replace\n%s = %s\n", tunnel,
		psk ? "TokenPublicKey" : "PublicKey", result.public_key);
	r = recovery_hand_over(&result, tunnel, ifname, o);
	if (others)
		printf("Backup keys were of the old one: add them again with `wgfido keyslot add %s`.\n", ifname);
	recovery_result_clear(&result);
	return r;
}

static int rekey_main(const struct verb *verb, int argc, char **argv)
{
	return call_key_main(verb, argc, argv, rekey);
}

const struct verb verb_rekey = {
	"rekey",
	rekey_main,
	"TUNNEL [--no-recovery] [--yes]",
	"Make a new key in place of a tunnel's old one",
	"After a security key was lost, or a copy of the old key got away. All keyslots of the old key are gone with\n"
	"it, and the tunnel works again when the other end has the public key that this prints.\n\n"
	"  --no-recovery    make no recovery code\n"
	"  --yes            ask nothing; the recovery code goes to stdout\n"
	"  --uv WHEN        pin, presence, or auto (a PIN where the security key has one; the default)\n"
	"  --label TEXT     what `wgfido keyslot list` calls this security key\n" CALL_OPTIONS_HELP,
};
