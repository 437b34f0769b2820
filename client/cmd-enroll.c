/* SPDX-License-Identifier: GPL-2.0-or-later */
/* enroll: a new token key for a tunnel. */
#include <string.h>

#include "client/call.h"
#include "client/proxy.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verb.h"
#include "common/names.h"

static int enroll(struct proxy *p, const char *ifname, struct call_options *o, bool yes)
{
	struct recovery_result result = {};
	struct proxy_tunnel *t;
	char purpose[192], tunnel[128];
	sd_bus_message *reply = NULL;
	int r;

	r = target_resolve_tunnel(&t, p, ifname);
	if (r)
		return r;
	snprintf(purpose, sizeof(purpose), "to make a key for %s", text_tunnel(tunnel, sizeof(tunnel), t));
	r = call_run(p,
		&(struct call){
			.path = t->path,
			.interface = WGFIDO_TUNNEL_INTERFACE,
			.method = "Enroll",
			.tunnel_path = t->path,
			.purpose = purpose,
			.options = o,
		},
		&reply);
	if (r)
		return r;
	r = recovery_result_read(&result, reply);
	sd_bus_message_unref(reply);
	if (r < 0)
		return say_errno(r, "The broker's answer cannot be read");
	r = result.code ? recovery_show(result.code, tunnel, yes) : 0;
	if (!r)
		printf("%s is enrolled. Its token public key:\n%s\n"
		       "Next: `wgfido gateway %s` prints what the other end adds, `wgfido approve %s` opens it.\n",
			tunnel, result.public_key, ifname, ifname);
	recovery_result_clear(&result);
	return r;
}

static int enroll_main(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"no-recovery", no_argument, NULL, OPTION_NO_RECOVERY},
		{"yes", no_argument, NULL, OPTION_YES},
		{"uv", required_argument, NULL, OPTION_UV},
		{"label", required_argument, NULL, OPTION_LABEL},
		{"token", required_argument, NULL, OPTION_TOKEN},
		{"pin-fd", required_argument, NULL, OPTION_PIN_FD},
		{"confirm-pin", no_argument, NULL, OPTION_CONFIRM_PIN},
		{"help", no_argument, NULL, OPTION_HELP},
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
		r = enroll(p, argv[optind], &o, yes);
	call_options_clear(&o);
	return r;
}

const struct verb verb_enroll = {
	"enroll",
	enroll_main,
	"TUNNEL [--no-recovery] [--yes]",
	"Make a token key for a tunnel on the security key",
	"For a tunnel whose other end runs `wgfido-rotate --gateway` (Mode = psk). Where the other end cannot\n"
	"run anything, `wgfido protect` locks the interface's own private key instead.\n\n"
	"  --no-recovery      make no recovery code: a lost security key then means a new enrolment\n"
	"  --yes              ask nothing; the recovery code goes to stdout\n"
	"  --uv WHEN          pin, presence, or auto (a PIN where the security key has one; the default)\n"
	"  --label TEXT       what `wgfido keyslot list` calls this security key\n"
	"  --token ID         use this security key (`wgfido tokens` lists them)\n"
	"  --pin-fd N         read the PIN from file descriptor N, when one is needed\n"
	"  --confirm-pin      use the PIN also when three or fewer tries are left\n",
};
