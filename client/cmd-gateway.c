/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gateway: the lines that the other end adds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/dirs.h"
#include "client/proxy.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/verb.h"
#include "client/window-keys.h"
#include "common/config.h"
#include "common/schedule.h"
#include "common/secret.h"

/* Straight from guarded memory to stdout's fd: stdio would keep a copy. */
static int psk_print(void)
{
	_cleanup_secret_ struct secret *psk = secret_new(SECRET_KEY_SIZE);
	_cleanup_secret_ struct secret *text = secret_new(KEY_BASE64_SIZE - 1);
	ssize_t n;

	if (!psk || !text)
		return -ENOMEM;
	secret_fill_random(psk);
	secret_to_base64((char *)secret_borrow_mut(text), psk);
	if (fflush(stdout))
		return -errno;
	n = write(STDOUT_FILENO, secret_borrow(text), secret_len(text));
	return n < 0 ? -errno : n == (ssize_t)secret_len(text) ? 0 : -EIO;
}

static int psk_gateway(const struct proxy_tunnel *t)
{
	char own[KEY_BASE64_SIZE], other[KEY_BASE64_SIZE] = "(the public key of that interface)", *error = NULL;
	struct config *config = NULL;
	int r;

	r = config_load(&config, &error, dirs_config(), t->interface);
	if (r < 0) {
		r = error ? say_outcome(OUTCOME_FAILED, "%s", error) :
			    say_errno(r, "%s/%s.conf cannot be read", dirs_config(), t->interface);
		free(error);
		return r;
	}
	if (!config->has_public_key) {
		config_free(config);
		return say_outcome(OUTCOME_FAILED, "%s/%s.conf has no PublicKey: add this side's WireGuard public key",
			dirs_config(), t->interface);
	}
	key_to_base64(own, config->public_key);
	if (config->n_peers == 1)
		key_to_base64(other, config->peers[0].public_key);

	printf("# At the other end, in /etc/wgfido/IFACE.conf: a wgfido-rotate --gateway there makes\n"
	       "# the same preshared keys as this side's security key. Nothing of this is secret.\n"
	       "# If that file is new, it begins with\n"
	       "#   [Interface]\n"
	       "#   Mode = psk\n"
	       "#   PublicKey = %s\n",
		other);
	if (config->slot_seconds != SCHEDULE_SLOT_SECONDS)
		printf("#   SlotSeconds = %u\n", (unsigned int)config->slot_seconds);
	config_free(config);
	printf("[Peer]\n"
	       "PublicKey = %s\n"
	       "TokenPublicKey = %s\n"
	       "\n"
	       "# At the other end, in the [Peer] of /etc/wireguard/IFACE.conf that has this PublicKey.\n"
	       "# It is random and known to nobody else, this side included: until wgfido-rotate runs there,\n"
	       "# and whenever it does not, the tunnel cannot shake hands. Keep no other copy of it.\n"
	       "PresharedKey = ",
		own, t->public_key);
	r = psk_print();
	if (r < 0)
		return say_errno(r, "The preshared key cannot be printed");
	putchar('\n');
	return 0;
}

/* -1 = go on with the argument at optind, else the exit status. */
static int parse_options(struct window_options *o, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		{"windows", required_argument, NULL, OPTION_WINDOWS},
		{"window", required_argument, NULL, OPTION_WINDOW},
		{"from", required_argument, NULL, OPTION_FROM},
		{"output", required_argument, NULL, OPTION_OUTPUT},
		{"help", no_argument, NULL, OPTION_HELP},
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == OPTION_WINDOWS) {
			o->windows = optarg;
		} else if (c == OPTION_WINDOW) {
			o->window = optarg;
		} else if (c == OPTION_FROM) {
			o->from = optarg;
		} else if (c == OPTION_OUTPUT) {
			o->output = optarg;
		} else if (c == OPTION_HELP) {
			verb_print_help(verb, stdout);
			return 0;
		} else {
			return verb_usage(verb);
		}
	}
	if (!o->windows && (o->window || o->from || o->output))
		return verb_usage_error(verb, "--window, --from and --output are of --windows");
	if (optind + 1 != argc)
		return verb_usage_error(verb, "Say which tunnel");
	return -1;
}

static int gateway_main(const struct verb *verb, int argc, char **argv)
{
	_cleanup_proxy_ struct proxy *p = NULL;
	struct window_options o = {};
	struct proxy_tunnel *t;
	int r;

	r = parse_options(&o, verb, argc, argv);
	if (r >= 0)
		return r;
	if (o.windows)
		return window_keys_main(verb, argv[optind], &o);
	r = proxy_open(&p);
	if (!r)
		r = target_resolve_tunnel(&t, p, argv[optind]);
	if (r)
		return r;
	if (!*t->public_key)
		return say_outcome(OUTCOME_NOT_ENROLLED, "%s has no token key yet: `wgfido %s %s` makes one",
			t->interface, text_making_verb(t), t->interface);
	if (!strcmp(t->mode, "psk"))
		return psk_gateway(t);
	printf("# The other end needs nothing of wgfido, only this side's public key, as ever:\n"
	       "[Peer]\n"
	       "PublicKey = %s\n",
		t->public_key);
	return 0;
}

const struct verb verb_gateway = {
	"gateway",
	gateway_main,
	"TUNNEL [--windows TIME]",
	"Print the lines that the other end adds",
	"Mode = psk: a [Peer] for the other end's /etc/wgfido/IFACE.conf, and a random PresharedKey for its\n"
	"WireGuard configuration, a new one at each call. Mode = identity: just the public key.\n\n"
	"With --windows, to be run at the gateway: makes its window keys for peers whose token key never leaves its\n"
	"token, a file of public keys that end with a window of time each. It is made from the private key of the\n"
	"running interface or of its wg-quick file.\n\n"
	"  --windows TIME     make window keys, for such a time from now on: 90d\n"
	"  --window PLAN      how long each lasts and when one begins: 24h (the default, at 00:00 UTC), \"24h at 04:00\"\n"
	"  --from DATE        begin with the window of that date instead of now's: 2026-12-01\n"
	"  --output FILE      write them there instead of " WGFIDO_SYSCONFDIR "/TUNNEL.windows; - is the standard output\n",
};
