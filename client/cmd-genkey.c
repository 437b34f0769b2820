/* SPDX-License-Identifier: GPL-2.0-or-later */
/* genkey: as `wg genkey`, but the key is made on a security key and stays there; what is printed is its handle. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/call.h"
#include "client/proxy.h"
#include "client/say.h"
#include "client/text.h"
#include "client/verb.h"
#include "common/names.h"

static int generate(struct proxy *p, struct call_options *o)
{
	sd_bus_message *reply = NULL;
	const char *handle, *public_key;
	int r;

	r = call_run(p,
		&(struct call){
			.path = WGFIDO_PATH,
			.interface = WGFIDO_MANAGER_INTERFACE,
			.method = "GenerateKey",
			.tunnel_path = WGFIDO_PATH,
			.purpose = "to make a key on it",
			.options = o,
		},
		&reply);
	if (r)
		return r;
	r = sd_bus_message_read(reply, "ss", &handle, &public_key);
	if (r < 0) {
		sd_bus_message_unref(reply);
		return say_errno(r, "The broker's answer cannot be read");
	}
	puts(handle);
	/* Who reads along wants to know what to do with it; a file or a pipe gets the handle alone. */
	if (isatty(STDOUT_FILENO))
		fprintf(stderr,
			"This is no secret: it names the key that the security key keeps. Put it into the wg-quick file as PrivateKey,\n"
			"then `wgfido enroll TUNNEL --resident`. Its public key, for the other end:\n%s\n",
			public_key);
	sd_bus_message_unref(reply);
	return 0;
}

static int genkey_main(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"wait", no_argument, NULL, OPTION_WAIT},
		CALL_RESIDENT_OPTIONS,
		CALL_LONG_OPTIONS,
		{},
	};
	_cleanup_call_options_ struct call_options o = CALL_OPTIONS_INIT;
	_cleanup_proxy_ struct proxy *p = NULL;
	int r;

	r = call_options_parse(&o, verb, argc, argv, options);
	if (r >= 0)
		return r;
	if (optind < argc)
		return verb_usage_error(verb, "genkey takes no argument");
	if (!o.resident)
		return verb_usage_error(verb, "Say --resident: a key for a file is what `wg genkey` makes");
	/* It is the method's own meaning, and none of its options. */
	o.resident = false;
	r = proxy_open(&p);
	return r ? r : generate(p, &o);
}

const struct verb verb_genkey = {
	"genkey",
	genkey_main,
	"--resident [--slot SLOT] [--touch WHEN] [--wait]",
	"Make a key that never leaves its security key",
	"Prints a handle in the shape of a WireGuard key, which can stand as PrivateKey in a wg-quick file: it begins with\n"
	"\"wgfido/resident/\" and is no secret. `wgfido pubkey` makes the public key of it, `wgfido enroll --resident` takes\n"
	"the key for the tunnel of that file, and wgfido-tunnel brings the interface up.\n\n"
	CALL_RESIDENT_HELP
	"  --wait           wait for a security key to be plugged in\n"
	CALL_OPTIONS_HELP,
};
