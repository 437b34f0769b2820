/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pubkey: the public key that enrolment made, alone on a line, as `wg pubkey` prints one. */
#include "client/proxy.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verb.h"

static int pubkey_main(const struct verb *verb, int argc, char **argv)
{
	_cleanup_proxy_ struct proxy *p = NULL;
	struct proxy_tunnel *t;
	int r;

	r = target_parse_tunnel(&t, &p, verb, argc, argv);
	if (r >= 0)
		return r;
	if (!*t->public_key)
		return say_outcome(OUTCOME_NOT_ENROLLED, "%s has no token key yet: `wgfido %s %s` makes one",
			t->interface, text_making_verb(t), t->interface);
	puts(t->public_key);
	return 0;
}

const struct verb verb_pubkey = {
	"pubkey",
	pubkey_main,
	"TUNNEL",
	"Print a tunnel's public key",
	"Mode = psk: the token's public key, which the other end adds as TokenPublicKey (see `wgfido gateway`).\n"
	"Mode = identity: the interface's own WireGuard public key.\n",
};
