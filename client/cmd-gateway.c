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

static int gateway_main(const struct verb *verb, int argc, char **argv)
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
	"TUNNEL",
	"Print the lines that the other end adds",
	"Mode = psk: a [Peer] for the other end's /etc/wgfido/IFACE.conf, and a random PresharedKey for its\n"
	"WireGuard configuration, a new one at each call. Mode = identity: just the public key.\n",
};
