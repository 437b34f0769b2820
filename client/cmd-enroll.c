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
#include "client/wgconf.h"
#include "common/file.h"
#include "common/names.h"

/* The tunnel, with a configuration made for it where there is none. *ret_new: the broker had not known it. */
static int find_or_make(struct proxy *p, const char *name, bool yes, struct proxy_tunnel **ret, bool *ret_new)
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
	if (!r && !config)
		r = tunnelconf_make_psk(name, yes);
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

static int enroll(struct proxy *p, const char *name, struct call_options *o)
{
	struct recovery_result result = {};
	char purpose[192], tunnel[128], ifname[IF_NAMESIZE];
	struct proxy_tunnel *t;
	bool psk, new = false;
	int r;

	r = recovery_check(o);
	if (!r)
		r = find_or_make(p, name, o->yes, &t, &new);
	if (r)
		return r;
	psk = !strcmp(t->mode, "psk");
	snprintf(ifname, sizeof(ifname), "%s", t->interface);
	snprintf(purpose, sizeof(purpose), "to make a key for %s", text_tunnel(tunnel, sizeof(tunnel), t));
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
	if (r) {
		tunnelconf_undo(p, ifname);
		return r;
	}
	printf("%s is enrolled. Its %spublic key:\n%s\n", tunnel, psk ? "token " : "", result.public_key);
	r = recovery_hand_over(&result, tunnel, ifname, o);
	if (psk)
		warn_of_save_config(ifname);
	printf("Next: `wgfido gateway %s` prints what the other end adds, `wgfido approve %s` opens it.\n", ifname, ifname);
	recovery_result_clear(&result);
	return r;
}

static int enroll_main(const struct verb *verb, int argc, char **argv)
{
	return call_key_main(verb, argc, argv, enroll);
}

const struct verb verb_enroll = {
	"enroll",
	enroll_main,
	"TUNNEL [--no-recovery] [--yes]",
	"Make a token key for a tunnel on the security key",
	"For a tunnel whose other end runs `wgfido-rotate --gateway` (Mode = psk). Where the other end cannot\n"
	"run anything, `wgfido protect` locks the interface's own private key instead. A tunnel without\n"
	"/etc/wgfido/TUNNEL.conf gets one, made from its wg-quick file or the running interface.\n\n"
	"  --no-recovery      make no recovery code: a lost security key then means a new enrolment\n"
	"  --yes              ask nothing; the recovery code goes to stdout\n"
	"  --uv WHEN          pin, presence, or auto (a PIN where the security key has one; the default)\n"
	"  --label TEXT       what `wgfido keyslot list` calls this security key\n"
	CALL_OPTIONS_HELP,
};
