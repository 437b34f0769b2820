/* SPDX-License-Identifier: GPL-2.0-or-later */
/* enroll: a new token key for a tunnel. */
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/call.h"
#include "client/dirs.h"
#include "client/proxy.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/target.h"
#include "client/text.h"
#include "client/tunnelconf.h"
#include "client/verb.h"
#include "client/wgfile.h"
#include "common/file.h"
#include "common/names.h"

/* The tunnel, with a configuration made for it where there is none (*ret_made). *ret_new: the broker had not known it. */
static int find_or_make(struct proxy *p, const char *name, enum config_mode mode, bool yes, struct proxy_tunnel **ret, bool *ret_new,
	bool *ret_made)
{
	struct config *config;
	int r;

	/* Known already, or a name that only the broker can resolve. */
	if (proxy_find_tunnel(p, name) || !ifname_valid(name))
		return target_resolve_tunnel(ret, p, name);
	for (size_t i = 0; i < p->n_tunnels; i++)
		if (!strcmp(p->tunnels[i].name, name))
			return target_resolve_tunnel(ret, p, name);
	r = tunnelconf_load(&config, name);
	if (!r && !config) {
		r = tunnelconf_make(name, mode, yes);
		*ret_made = !r;
	}
	config_free(config);
	if (!r)
		r = tunnelconf_reload(p);
	*ret_new = true;
	return r ? r : target_resolve_tunnel(ret, p, name);
}

/* Who may not read the file is not told. */
static void warn_of_save_config(const char *ifname)
{
	char *path = dirs_file(dirs_wireguard(), ifname, ".conf"), *text = NULL;
	struct wgconf conf = {};
	struct stat st;
	size_t len;

	if (path && file_read_guarded(&text, &len, AT_FDCWD, path, WGCONF_SIZE_MAX, &st) >= 0 &&
		wgconf_scan(&conf, text, len) >= 0 && conf.save_config)
		say_warning("SaveConfig = true in line %u of %s writes the live preshared keys to disk: remove it", conf.save_config_line,
			path);
	wgconf_clear(&conf);
	sodium_free(text);
	free(path);
}

/* What the wg-quick file has to say: the key to adopt, which fits the mode. */
static int choose_key(struct call_options *o, const struct proxy_tunnel *t, bool has_handle, const uint8_t *handle, const char *ifname)
{
	const bool identity = !strcmp(t->mode, "identity");

	if (!has_handle || (!o->resident && !identity))
		return 0;
	if (!o->resident)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"%s/%s.conf has the handle of a key on a security key for its PrivateKey: add --resident", dirs_wireguard(), ifname);
	if (!identity)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"%s/%s.conf has the handle of a key on a security key for its PrivateKey, and %s/%s.conf has Mode = psk: make it Mode = identity",
			dirs_wireguard(), ifname, dirs_config(), ifname);
	if (o->x_slot)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s/%s.conf has the handle of the key already: leave --slot away", dirs_wireguard(),
			ifname);
	o->handle = handle;
	return 0;
}

static void tell_resident(const struct recovery_result *result, const char *ifname, bool psk, bool adopted)
{
	printf("Its secret half is on the security key%s%s, and never leaves it: if that is lost, enroll with another one and change the\n"
	       "public key at the other end. There is no backup of it and no recovery code.\n",
		*result->x_slot ? ", " : "", result->x_slot);
	if (psk) {
		printf("Next: `wgfido gateway %s` prints what the other end adds, `wgfido approve %s` opens it.\n", ifname, ifname);
		return;
	}
	if (!adopted)
		printf("Put its handle into %s/%s.conf:\nPrivateKey = %s\n", dirs_wireguard(), ifname, result->handle);
	printf("Next: the other end changes this side's PublicKey. `systemctl enable --now wgfido-tunnel@%s` brings the interface up (the\n"
	       "kernel's WireGuard cannot use this key), `wgfido approve %s` opens it.\n",
		ifname, ifname);
}

static int enroll(struct proxy *p, const char *name, struct call_options *o)
{
	struct recovery_result result = {};
	char purpose[192], tunnel[128], ifname[IF_NAMESIZE];
	uint8_t handle[KEY_SIZE];
	struct proxy_tunnel *t;
	bool psk, new = false, made = false, has_handle, adopted;
	int r;

	r = o->resident ? 0 : recovery_check(o);
	has_handle = !r && ifname_valid(name) && wgfile_peek_handle(handle, name);
	if (!r)
		r = find_or_make(p, name, o->resident && has_handle ? CONFIG_MODE_IDENTITY : CONFIG_MODE_PSK, o->yes, &t, &new, &made);
	if (r)
		return r;
	/* It may have been named by its Name. */
	if (!new && strcmp(t->interface, name))
		has_handle = wgfile_peek_handle(handle, t->interface);
	psk = !strcmp(t->mode, "psk");
	snprintf(ifname, sizeof(ifname), "%s", t->interface);
	snprintf(purpose, sizeof(purpose), "to make a key for %s", text_tunnel(tunnel, sizeof(tunnel), t));
	r = choose_key(o, t, has_handle, handle, ifname);
	if (!r)
		r = recovery_call(p,
			&(struct call){
				.path = t->path,
				.interface = WGFIDO_TUNNEL_INTERFACE,
				.method = "Enroll",
				.tunnel_path = t->path,
				.purpose = purpose,
				.options = o,
			},
			&result);
	/* It points to what goes with this function. */
	adopted = o->handle;
	o->handle = NULL;
	if (r) {
		if (adopted && r == outcome_exit_status(OUTCOME_WRONG_TOKEN))
			say_warning("The handle in %s/%s.conf is of a key that none of them has; `wgfido genkey --resident` makes another one",
				dirs_wireguard(), ifname);
		if (made)
			tunnelconf_undo(p, ifname);
		return r;
	}
	printf("%s is enrolled. Its %spublic key:\n%s\n", tunnel, psk ? "token " : "", result.public_key);
	if (o->resident) {
		tell_resident(&result, ifname, psk, adopted);
	} else {
		r = recovery_hand_over(&result, tunnel, ifname, o);
		printf("Next: `wgfido gateway %s` prints what the other end adds, `wgfido approve %s` opens it.\n", ifname, ifname);
	}
	if (psk)
		warn_of_save_config(ifname);
	recovery_result_clear(&result);
	return r;
}

static int enroll_main(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		CALL_KEY_OPTIONS,
		CALL_RESIDENT_OPTIONS,
		CALL_LONG_OPTIONS,
		{},
	};

	return call_key_main(verb, argc, argv, options, enroll);
}

const struct verb verb_enroll = {
	"enroll",
	enroll_main,
	"TUNNEL [--resident [--slot SLOT] [--touch WHEN]] [--no-recovery] [--yes]",
	"Make a token key for a tunnel on the security key",
	"For a tunnel whose other end runs `wgfido-rotate --gateway` (Mode = psk). Where the other end cannot\n"
	"run anything, `wgfido protect` locks the interface's own private key instead. A tunnel without\n"
	"/etc/wgfido/TUNNEL.conf gets one, made from its wg-quick file or the running interface.\n"
	"With --resident the key is made on the token and stays there. Where the wg-quick file has the handle that\n"
	"`wgfido genkey --resident` printed for its PrivateKey, that key is taken, as the interface's own (Mode = identity).\n\n"
	CALL_RESIDENT_HELP
	"  --no-recovery      make no recovery code: a lost security key then means a new enrolment\n"
	"  --yes              ask nothing; the recovery code goes to stdout\n"
	"  --uv WHEN          pin, presence, or auto (a PIN where the security key has one; the default)\n"
	"  --label TEXT       what `wgfido keyslot list` calls this security key\n"
	CALL_OPTIONS_HELP,
};
