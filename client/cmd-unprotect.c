/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unprotect: the private key back into its wg-quick file, with a fresh touch. The key file goes only after the wg-quick file
 * is synced with the key in it; interrupted, the key is in one place or in both.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "client/call.h"
#include "client/dirs.h"
#include "client/proxy.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/target.h"
#include "client/tunnelconf.h"
#include "client/verb.h"
#include "client/wgfile.h"
#include "client/wrap.h"
#include "common/encoding.h"
#include "common/names.h"

/* Before the touch: can the file take the key back? */
static int file_check(struct wgfile *f, const struct proxy_tunnel *t)
{
	_cleanup_secret_ struct secret *key = NULL;
	int r;

	r = wgfile_open(f, t->interface);
	if (r == -ENOENT)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"There is no %s/%s.conf to put the key back into: restore it from a backup, without a PrivateKey line",
			dirs_wireguard(), t->interface);
	if (r || !f->conf.n_keys)
		return r;
	/* An earlier run came this far. */
	if (f->conf.n_keys == 1 && !f->conf.key_misplaced && wgconf_key(&key, &f->conf, f->text) >= 0 &&
		wrap_is_key_of(key, t->public_key))
		return 0;
	return say_outcome(OUTCOME_EXISTS, "%s:%u: there is another PrivateKey already: remove that line first", f->path,
		f->conf.key_line);
}

static int put_back(const struct wgfile *f, const struct secret *key, const char *ifname)
{
	char *text = NULL;
	size_t len;
	int r;

	if (f->conf.n_keys)
		return 0;
	r = wgconf_put(&text, &len, &f->conf, f->text, f->len, key);
	if (r >= 0)
		r = wgfile_replace(f, text, len);
	sodium_free(text);
	if (r == -EBADMSG)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s has no place for the key: it needs an [Interface] line", f->path);
	if (r == -ESTALE)
		return say_outcome(OUTCOME_FAILED, "%s was changed meanwhile: run `wgfido unprotect %s` again", f->path, ifname);
	return r < 0 ? say_errno(r, "%s cannot be replaced; the key file still holds the key", f->path) : 0;
}

static int unprotect(struct proxy *p, const char *name, struct call_options *o, struct wgfile *f)
{
	_cleanup_secret_ struct secret *key = NULL;
	char ifname[IF_NAMESIZE], public_key[KEY_BASE64_SIZE], *path;
	struct proxy_tunnel *t;
	bool removed = false;
	int r;

	r = target_resolve_tunnel(&t, p, name);
	if (r)
		return r;
	if (strcmp(t->mode, "identity"))
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s has Mode = %s: only a protected key can be put back",
			t->interface, t->mode);
	if (!strcmp(t->held, "none"))
		return say_outcome(OUTCOME_NOT_ENROLLED, "%s is not protected: there is nothing to put back", t->interface);
	if (!strcmp(t->held, "resident"))
		return say_outcome(OUTCOME_UNSUPPORTED,
			"%s has a key that never leaves its security key, so there is none to put back: to give wgfido up, put a new private key "
			"(`wg genkey`) into %s/%s.conf, its public key at the other end, and remove %s/%s.conf and " WGFIDO_STATEDIR "/keys/%s.key; "
			"then `systemctl reload wgfidod wgfido-rotate`",
			t->interface, dirs_wireguard(), t->interface, dirs_config(), t->interface, t->interface);
	r = file_check(f, t);
	if (r)
		return r;
	/* The tunnel's object may be replaced while we wait for the touch. */
	snprintf(ifname, sizeof(ifname), "%s", t->interface);
	snprintf(public_key, sizeof(public_key), "%s", t->public_key);
	path = strdup(t->path);
	r = path ? wrap_export(&key, p, t, o) : say_errno(-ENOMEM, "There is no memory");
	if (!r && !wrap_is_key_of(key, public_key))
		r = say_outcome(OUTCOME_FAILED, "The broker gave another key than %s's: nothing was changed", ifname);
	if (!r)
		r = put_back(f, key, ifname);
	if (!r)
		r = proxy_call_simple(p, path, WGFIDO_TUNNEL_INTERFACE, "ForgetKey", NULL);
	free(path);
	if (!r)
		r = tunnelconf_remove_ours(ifname, &removed);
	if (!r && removed)
		r = tunnelconf_reload(p);
	if (r)
		return r;
	printf("%s has its PrivateKey again in %s, readable without the security key.\n", ifname, f->path);
	if (!removed)
		printf("wgfido still guards it: remove %s/%s.conf to end that.\n", dirs_config(), ifname);
	printf("Next: `wg-quick down %s; wg-quick up %s` uses it.\n", ifname, ifname);
	return 0;
}

static int unprotect_main(const struct verb *verb, int argc, char **argv)
{
	int ask = 0, r;
	const struct option options[] = {
		{"recovery", no_argument, &ask, 1},
		{"recovery-fd", required_argument, NULL, OPTION_RECOVERY_FD},
		CALL_LONG_OPTIONS,
		{},
	};
	_cleanup_call_options_ struct call_options o = CALL_OPTIONS_INIT;
	_cleanup_proxy_ struct proxy *p = NULL;
	struct wgfile f = {};

	r = call_options_parse(&o, verb, argc, argv, options);
	if (r >= 0)
		return r;
	if (argc - optind != 1)
		return verb_usage_error(verb, "Say which tunnel");
	r = proxy_open(&p);
	if (!r && ask)
		r = recovery_ask(&o);
	if (!r)
		r = unprotect(p, argv[optind], &o, &f);
	wgfile_close(&f);
	return r;
}

const struct verb verb_unprotect = {
	"unprotect",
	unprotect_main,
	"TUNNEL [--recovery]",
	"Put a protected private key back into its wg-quick file",
	"Takes a fresh touch. The file is then byte for byte what it was, but for what you changed meanwhile.\n\n"
	"  --recovery       type the recovery code instead of using a security key\n"
	"  --recovery-fd N  read it from file descriptor N\n" CALL_OPTIONS_HELP,
};
