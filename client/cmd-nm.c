/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nm: NetworkManager's profiles made to fit, and put back. */
#include <string.h>

#include "client/nm.h"
#include "client/recovery.h"
#include "client/verb.h"
#include "client/wrap.h"

static int nm_main(const struct verb *verb, int argc, char **argv)
{
	int ask = 0, identity = 0, psk = 0, r;
	const struct option options[] = {
		{"identity", no_argument, &identity, 1},
		{"psk", no_argument, &psk, 1},
		{"recovery", no_argument, &ask, 1},
		{"recovery-fd", required_argument, NULL, OPTION_RECOVERY_FD},
		CALL_KEY_OPTIONS,
		CALL_LONG_OPTIONS,
		{},
	};
	struct wrap w = {.options = CALL_OPTIONS_INIT};
	struct nm_options o = {.wrap = &w};
	bool setup;

	w.options.recovery = true;
	r = call_options_parse(&w.options, verb, argc, argv, options);
	if (r >= 0)
		return r;
	if (argc - optind < 1 || (strcmp(argv[optind], "setup") && strcmp(argv[optind], "undo")))
		return verb_usage_error(verb, "Say what to do: setup or undo");
	if (argc - optind != 2)
		return verb_usage_error(verb, "Say which connection");
	if (identity && psk)
		return verb_usage_error(verb, "It is either --identity or --psk");
	setup = !strcmp(argv[optind], "setup");
	o.mode = identity ? "identity" : psk ? "psk" : NULL;
	w.options.says_recovery = setup;
	r = ask ? recovery_ask(&w.options) : 0;
	if (!r)
		r = setup ? nm_setup(&o, argv[optind + 1]) : nm_undo(&o, argv[optind + 1]);
	call_options_clear(&w.options);
	secret_free(w.key);
	proxy_free(w.proxy);
	return r;
}

const struct verb verb_nm = {
	"nm",
	nm_main,
	"setup|undo CONNECTION [--identity | --psk]",
	"Lock a WireGuard connection of NetworkManager to the security key",
	"CONNECTION is its name, its UUID or its interface; of a user's own connection the UUID.\n\n"
	"  setup            take the key out of the connection, so that only the security key opens it\n"
	"  undo             put it back, with a fresh touch\n\n"
	"  --identity       setup: lock the private key; the other end needs nothing\n"
	"  --psk            setup: change preshared keys; the other end runs wgfido-rotate --gateway. `wgfido\n"
	"                   enroll` comes next\n"
	"  --no-recovery    setup: make no recovery code: if the security key is lost, so is the private key\n"
	"  --recovery       undo: type the recovery code instead of using a security key\n"
	"  --recovery-fd N  undo: read it from file descriptor N\n"
	"  --yes            ask nothing; the recovery code goes to stdout\n"
	"  --uv WHEN        pin, presence, or auto (a PIN where the security key has one; the default)\n"
	"  --label TEXT     what `wgfido keyslot list` calls this security key\n" CALL_OPTIONS_HELP,
};
