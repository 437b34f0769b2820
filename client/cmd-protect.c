/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protect: the PrivateKey of a wg-quick file into a key file that a security key opens (DESIGN section 1).
 *
 * The order is what makes it safe to be interrupted: the key file is written, synced and proved by the broker first, the
 * recovery code is on paper, and only then the line goes out of the wg-quick file. Until that moment the wg-quick file has the
 * key; from then on the key file has it. Run again after an interruption, it goes on where it was.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "client/call.h"
#include "client/dirs.h"
#include "client/keyslot.h"
#include "client/proxy.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/term.h"
#include "client/text.h"
#include "client/tunnelconf.h"
#include "client/verb.h"
#include "client/wgfile.h"
#include "common/encoding.h"
#include "common/names.h"
#include "common/schedule.h"

struct protect {
	const char *ifname;
	struct proxy *proxy;
	struct call_options options;
	bool rekey;
	struct wgfile file;
	struct secret *key;		    /* of the wg-quick file */
	char public_key[KEY_BASE64_SIZE];   /* of that key */
	char held_public_key[KEY_BASE64_SIZE]; /* of the key in the key file: the same, but for --rekey */
};

static int already_protected(struct protect *c)
{
	struct proxy_tunnel *t;
	int r = proxy_open(&c->proxy);

	if (r)
		return r;
	t = proxy_find_tunnel(c->proxy, c->ifname);
	if (!t || strcmp(t->held, "wrapped"))
		return say_outcome(OUTCOME_NOT_ENROLLED,
			"%s was protected, but its key file is gone or damaged: restore it or the PrivateKey line from a backup",
			c->ifname);
	if (c->rekey)
		return say_outcome(OUTCOME_EXISTS, "%s is protected already, and still has its key: `wgfido rekey %s` makes a new one",
			c->ifname, c->ifname);
	printf("%s is protected already: `wgfido approve %s` opens it.\n", c->ifname, c->ifname);
	return 0;
}

/* The file, if it is one that can be protected. *ret_done: nothing is left to do. */
static int file_check(struct protect *c, bool *ret_done)
{
	enum wgconf_problem problem;
	uint8_t public_key[KEY_SIZE];
	unsigned int line;
	int r;

	r = wgfile_open(&c->file, c->ifname);
	if (r == -ENOENT)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "There is no %s/%s.conf: protect takes the key of a wg-quick file",
			dirs_wireguard(), c->ifname);
	if (r)
		return r;
	problem = wgconf_may_take(&c->file.conf, &line);
	if (problem == WGCONF_NO_KEY && c->file.conf.n_held) {
		*ret_done = true;
		return already_protected(c);
	}
	if (problem != WGCONF_FINE && line)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s:%u: it %s", c->file.path, line,
			wgconf_problem_words(problem));
	if (problem != WGCONF_FINE)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s %s", c->file.path, wgconf_problem_words(problem));
	r = wgconf_key(&c->key, &c->file.conf, c->file.text);
	if (r < 0)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s:%u: the PrivateKey is no WireGuard key: mend it first",
			c->file.path, c->file.conf.key_line);
	schedule_public(public_key, c->key);
	key_to_base64(c->public_key, public_key);
	return 0;
}

/* /etc/wgfido/TUNNEL.conf with Mode = identity: there, or made now. */
static int configure(struct protect *c)
{
	struct config *config;
	enum config_mode mode;
	int r;

	r = tunnelconf_load(&config, c->ifname);
	if (r)
		return r;
	if (!config)
		return tunnelconf_write_identity(c->ifname);
	mode = config->mode;
	config_free(config);
	if (mode != CONFIG_MODE_IDENTITY)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"%s/%s.conf has Mode = %s: a key is protected only with Mode = identity; change it or remove the file",
			dirs_config(), c->ifname, config_mode_name(mode));
	return 0;
}

/* The key into the key file, or with --rekey a new one: touches. */
static int wrap(struct protect *c, const struct proxy_tunnel *t)
{
	struct recovery_result result = {};
	char purpose[192];
	int r;

	snprintf(purpose, sizeof(purpose), "to %s %s", c->rekey ? "make a new key for" : "protect the key of", c->ifname);
	r = recovery_call(c->proxy,
		&(struct call){
			.path = c->rekey ? t->path : WGFIDO_PATH,
			.interface = c->rekey ? WGFIDO_TUNNEL_INTERFACE : WGFIDO_MANAGER_INTERFACE,
			.method = c->rekey ? "Enroll" : "ImportKey",
			.tunnel_path = t->path,
			.purpose = purpose,
			.iface = c->rekey ? NULL : c->ifname,
			.key = c->rekey ? NULL : c->key,
			.options = &c->options,
		},
		&result);
	if (r)
		return r;
	if (!c->rekey && strcmp(result.public_key, c->public_key))
		r = say_outcome(OUTCOME_FAILED, "The broker wrapped another key than it was given; %s stays as it is",
			c->file.path);
	else if (result.code)
		r = recovery_show(result.code, c->ifname, c->options.yes);
	snprintf(c->held_public_key, sizeof(c->held_public_key), "%s", result.public_key);
	recovery_result_clear(&result);
	return r;
}

/* An earlier run was interrupted behind the wrapping: is its recovery code on paper? Nobody but the user knows. */
static int resume(struct protect *c, const struct proxy_tunnel *t)
{
	uint32_t old[16];
	size_t n_old = 0;
	int r;

	if (!c->rekey && strcmp(t->public_key, c->public_key))
		return say_outcome(OUTCOME_EXISTS,
			"Another key is held for %s already (%s): get it back with `wgfido unprotect`, or give this one up "
			"with `wgfido protect --rekey`",
			c->ifname, t->public_key);
	snprintf(c->held_public_key, sizeof(c->held_public_key), "%s", t->public_key);
	fprintf(stderr, "The key of %s is in its key file already; going on from there.\n", c->ifname);
	for (size_t i = 0; i < t->keyslots.n && n_old < 16; i++)
		if (!strcmp(t->keyslots.slots[i].type, "recovery"))
			old[n_old++] = t->keyslots.slots[i].id;
	if (!c->options.recovery || (!n_old && keyslot_count(t, NULL) > 1))
		return 0;
	if (n_old && !c->options.yes) {
		r = term_confirm("Did you write its recovery code down?");
		if (r == 1)
			return 0;
		if (r < 0)
			return say_outcome(r == -EINTR ? OUTCOME_CANCELLED : OUTCOME_FAILED, "%s",
				r == -EINTR ? "Cancelled" : "Whether the recovery code was written down is not known: use --yes to get a new one");
	}
	r = keyslot_add_recovery(c->proxy, c->ifname, &c->options, c->options.yes);
	for (size_t i = 0; !r && i < n_old; i++)
		r = keyslot_remove(c->proxy, c->ifname, old[i], &c->options);
	return r;
}

static int take_out(struct protect *c)
{
	char *text = NULL;
	size_t len;
	int r;

	r = wgconf_take(&text, &len, &c->file.conf, c->file.text, c->file.len);
	if (r >= 0)
		r = wgfile_replace(&c->file, text, len);
	sodium_free(text);
	if (r == -ESTALE)
		return say_outcome(OUTCOME_FAILED,
			"%s was changed meanwhile and still has its key: run `wgfido protect %s` again", c->file.path, c->ifname);
	return r < 0 ? say_errno(r, "%s cannot be replaced and still has its key", c->file.path) : 0;
}

static void tell(const struct protect *c)
{
	printf("%s is protected: its private key is in no file any more that opens without the security key.\n"
	       "Copies made before remain: look through backups, snapshots and other machines.%s\n",
		c->ifname, c->rekey ? " They hold the old key." : "");
	if (c->file.st.st_nlink > 1)
		say_warning("%s had other names (%lu hard links more), and what they name still has the key: remove them",
			c->file.path, (unsigned long)c->file.st.st_nlink - 1);
	if (c->rekey)
		printf("The other end must replace this side's public key:\nPublicKey = %s\n", c->held_public_key);
	else
		printf("`wgfido rekey %s` makes a new key, which no copy knows.\n", c->ifname);
	printf("Next: `wgfido approve %s` opens it with a touch.\n", c->ifname);
}

static int protect(struct protect *c)
{
	const struct proxy_tunnel *t;
	bool done = false;
	int r;

	r = file_check(c, &done);
	if (r || done)
		return r;
	/* Before anything is asked of the broker, or written: is there a way to show the code? */
	r = recovery_check(&c->options);
	if (!r)
		r = proxy_open(&c->proxy);
	if (!r)
		r = configure(c);
	if (r)
		return r;
	r = tunnelconf_reload(c->proxy);
	t = r ? NULL : proxy_find_tunnel(c->proxy, c->ifname);
	if (!r && !t)
		r = say_outcome(OUTCOME_FAILED, "The broker does not know %s: does it read %s? See its log (wgfidod(8))",
			c->ifname, dirs_config());
	if (!r && !strcmp(t->state, "misconfigured"))
		r = say_outcome(OUTCOME_FAILED, "%s: %s", c->ifname, t->problem);
	if (!r)
		r = strcmp(t->held, "wrapped") ? wrap(c, t) : resume(c, t);
	if (r) {
		/* What was wrapped stays, and so does its configuration; else no trace is left. */
		tunnelconf_undo(c->proxy, c->ifname);
		if (*c->held_public_key)
			say_warning("%s still has its key: run `wgfido protect %s` again to go on", c->file.path, c->ifname);
		return r;
	}
	r = take_out(c);
	if (r)
		return r;
	tell(c);
	return 0;
}

static int protect_main(const struct verb *verb, int argc, char **argv)
{
	int rekey = 0;
	const struct option options[] = {
		CALL_KEY_OPTIONS,
		{"rekey", no_argument, &rekey, 1},
		CALL_LONG_OPTIONS,
		{},
	};
	struct protect c = {.options = CALL_OPTIONS_INIT};
	int r;

	c.options.says_recovery = c.options.recovery = true;
	r = call_options_parse(&c.options, verb, argc, argv, options);
	if (r >= 0)
		return r;
	c.rekey = rekey;
	if (argc - optind != 1)
		return verb_usage_error(verb, "Say which tunnel");
	if (!ifname_valid(argv[optind]))
		return verb_usage_error(verb, "\"%s\" is no interface name", argv[optind]);
	c.ifname = argv[optind];
	r = protect(&c);
	call_options_clear(&c.options);
	secret_free(c.key);
	wgfile_close(&c.file);
	proxy_free(c.proxy);
	return r;
}

const struct verb verb_protect = {
	"protect",
	protect_main,
	"TUNNEL [--rekey] [--no-recovery] [--yes]",
	"Lock the private key of a wg-quick file to the security key",
	"Takes the PrivateKey of /etc/wireguard/TUNNEL.conf into a key file that only the security key opens; the\n"
	"other end needs nothing. Interrupted at any point, the key is in one of the two places; run it again to\n"
	"go on. `wgfido unprotect` undoes it.\n\n"
	"  --rekey          make a new key instead, and print what the other end changes\n"
	"  --no-recovery    make no recovery code: if the security key is lost, so is the private key\n"
	"  --yes            ask nothing; the recovery code goes to stdout\n"
	"  --uv WHEN        pin, presence, or auto (a PIN where the security key has one; the default)\n"
	"  --label TEXT     what `wgfido keyslot list` calls this security key\n" CALL_OPTIONS_HELP,
};
