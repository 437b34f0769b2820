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

#include "client/dirs.h"
#include "client/say.h"
#include "client/verb.h"
#include "client/wgfile.h"
#include "client/wrap.h"
#include "common/encoding.h"
#include "common/handle.h"

struct protect {
	struct wrap wrap;
	struct wgfile file;
	char again[64];
};

/* The file, if it is one that can be protected. *ret_done: nothing is left to do. */
static int file_check(struct protect *c, bool *ret_done)
{
	enum wgconf_problem problem;
	unsigned int line;
	int r;

	r = wgfile_open(&c->file, c->wrap.ifname);
	if (r == -ENOENT)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "There is no %s/%s.conf: protect takes the key of a wg-quick file (`wgfido nm setup` that of a NetworkManager connection)",
			dirs_wireguard(), c->wrap.ifname);
	if (r)
		return r;
	problem = wgconf_may_take(&c->file.conf, &line);
	if (problem == WGCONF_NO_KEY && c->file.conf.n_held) {
		*ret_done = true;
		return wrap_already(&c->wrap);
	}
	if (problem != WGCONF_FINE && line)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s:%u: it %s", c->file.path, line,
			wgconf_problem_words(problem));
	if (problem != WGCONF_FINE)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s %s", c->file.path, wgconf_problem_words(problem));
	r = wgconf_key(&c->wrap.key, &c->file.conf, c->file.text);
	if (r < 0)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s:%u: the PrivateKey is no WireGuard key: mend it first",
			c->file.path, c->file.conf.key_line);
	if (handle_is_secret(c->wrap.key))
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s:%u: " HANDLE_NOT_A_KEY, c->file.path, c->file.conf.key_line);
	wrap_set_key(&c->wrap);
	c->wrap.place = c->file.path;
	(void)snprintf(c->again, sizeof(c->again), "wgfido protect %s", c->wrap.ifname);
	c->wrap.again = c->again;
	c->wrap.instead = "get it back with `wgfido unprotect`, or give this one up with `wgfido protect --rekey`";
	return 0;
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
			"%s was changed meanwhile and still has its key: run `wgfido protect %s` again", c->file.path, c->wrap.ifname);
	return r < 0 ? say_errno(r, "%s cannot be replaced and still has its key", c->file.path) : 0;
}

static void tell(const struct protect *c)
{
	printf("%s is protected: its private key is in no file any more that opens without the security key.\n"
	       "Copies made before remain: look through backups, snapshots and other machines.%s\n",
		c->wrap.ifname, c->wrap.rekey ? " They hold the old key." : "");
	if (c->file.st.st_nlink > 1)
		say_warning("%s had other names (%lu hard links more), and what they name still has the key: remove them",
			c->file.path, (unsigned long)c->file.st.st_nlink - 1);
	if (c->wrap.rekey)
		printf("The other end must replace this side's public key:\nPublicKey = %s\n", c->wrap.held_public_key);
	else
		printf("`wgfido rekey %s` makes a new key, which no copy knows.\n", c->wrap.ifname);
	printf("Next: `wgfido approve %s` opens it with a touch.\n", c->wrap.ifname);
}

static int protect(struct protect *c)
{
	bool done = false;
	int r;

	r = file_check(c, &done);
	if (r || done)
		return r;
	r = wrap_run(&c->wrap);
	if (r)
		return r;
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
	struct protect c = {.wrap.options = CALL_OPTIONS_INIT};
	int r;

	c.wrap.options.says_recovery = c.wrap.options.recovery = true;
	r = call_options_parse(&c.wrap.options, verb, argc, argv, options);
	if (r >= 0)
		return r;
	c.wrap.rekey = rekey;
	if (argc - optind != 1)
		return verb_usage_error(verb, "Say which tunnel");
	if (!ifname_valid(argv[optind]))
		return verb_usage_error(verb, "\"%s\" is no interface name", argv[optind]);
	c.wrap.ifname = argv[optind];
	r = protect(&c);
	call_options_clear(&c.wrap.options);
	secret_free(c.wrap.key);
	wgfile_close(&c.file);
	proxy_free(c.wrap.proxy);
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
