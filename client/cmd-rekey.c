/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rekey: a new key in place of the one there is, in every mode. */
#include <string.h>

#include "client/call.h"
#include "client/keyslot.h"
#include "client/proxy.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/target.h"
#include "client/term.h"
#include "client/text.h"
#include "client/verb.h"
#include "common/names.h"

static int rekey(struct proxy *p, const char *name, struct call_options *o, bool yes)
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
			strcmp(t->mode, "identity") ? "enroll" : "protect", t->interface);
	if (o->recovery && !yes && !term_can_ask())
		return say_outcome(OUTCOME_FAILED,
			"There is no terminal to show the recovery code on: use --yes (it is printed) or --no-recovery");
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
	if (result.code)
		r = recovery_show(result.code, tunnel, yes);
	if (r)
		say_warning("Without its recovery code noted, make another one: `wgfido keyslot add %s --recovery`", ifname);
	if (others)
		printf("Backup keys were of the old one: add them again with `wgfido keyslot add %s`.\n", ifname);
	recovery_result_clear(&result);
	return r;
}

static int rekey_main(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"no-recovery", no_argument, NULL, OPTION_NO_RECOVERY},
		{"yes", no_argument, NULL, OPTION_YES},
		{"uv", required_argument, NULL, OPTION_UV},
		{"label", required_argument, NULL, OPTION_LABEL},
		CALL_LONG_OPTIONS,
		{},
	};
	struct call_options o = CALL_OPTIONS_INIT;
	_cleanup_proxy_ struct proxy *p = NULL;
	bool yes = false;
	int c, r;

	o.says_recovery = o.recovery = true;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == OPTION_HELP) {
			verb_print_help(verb, stdout);
			return 0;
		}
		if (c == '?')
			return verb_usage(verb);
		if (c == OPTION_NO_RECOVERY)
			o.recovery = false;
		else if (c == OPTION_YES)
			yes = true;
		else if (call_option(&o, verb, c, optarg) < 0)
			return EXIT_USAGE;
	}
	if (argc - optind != 1)
		return verb_usage_error(verb, "Say which tunnel");
	r = proxy_open(&p);
	if (!r)
		r = rekey(p, argv[optind], &o, yes);
	call_options_clear(&o);
	return r;
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
