/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nm setup: the order is that of `protect`. What goes out of the profile is somewhere else before: the private key in its key file, synced
 * and proved, its recovery code on paper; a preshared key in a file beside the configuration. NetworkManager saves the profile whole
 * or not at all, and the change is read back. Run again after an interruption, it goes on where it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirs.h"
#include "client/nm.h"
#include "client/proxy.h"
#include "client/say.h"
#include "client/tunnelconf.h"
#include "client/wrap.h"
#include "common/file.h"
#include "common/names.h"
#include "common/schedule.h"

struct setup {
	struct nm_profile profile;
	struct nm_change change;
	struct config *config; /* NULL: there is none yet */
	enum config_mode mode;
	char again[160];
	struct wrap *wrap;
	sd_bus *bus; /* the proxy's */
	size_t n_psks;
};

static int choose_mode(struct setup *s, const char *wanted)
{
	const struct nm_profile *p = &s->profile;
	int r = tunnelconf_load(&s->config, p->ifname);

	if (r)
		return r;
	r = nm_record_check(p, s->config);
	if (r)
		return r;
	if (wanted)
		s->mode = strcmp(wanted, "psk") ? CONFIG_MODE_IDENTITY : CONFIG_MODE_PSK;
	if (!s->config && !wanted)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"Say how %s is to be locked: --identity (the other end needs nothing) or --psk (it runs wgfido-rotate --gateway)",
			p->id);
	if (s->config && wanted && s->config->mode != s->mode)
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s/%s.conf has Mode = %s: leave that out, or `wgfido nm undo` first",
			dirs_config(), p->ifname, config_mode_name(s->config->mode));
	if (s->config)
		s->mode = s->config->mode;
	return 0;
}

/* A configuration that is there, and says of no connection that it is for it: once this one is as good as set up, so that one that
 * failed keeps no other from it. */
static int record(const struct setup *s)
{
	return s->config && !s->config->nm_uuid ? tunnelconf_record(s->profile.ifname, s->profile.uuid) : 0;
}

/* --- identity --- */

static void tell_copies(void)
{
	puts("Copies made before remain: the file it was imported from, backups of /etc/NetworkManager/system-connections,\n"
	     "snapshots, other machines.");
}

static int setup_identity(struct setup *s)
{
	const struct nm_profile *p = &s->profile;
	struct wrap *w = s->wrap;
	char place[160];
	int r;

	w->ifname = p->ifname;
	w->nm_uuid = p->uuid;
	w->again = s->again;
	w->instead = "`wgfido nm undo` of the other connection gives it back, or remove its key file if nothing needs it any more";
	if (!s->change.set_key) {
		r = wrap_already(w);
		return r ? r : record(s);
	}
	snprintf(place, sizeof(place), "The connection %s", p->id);
	w->place = place;
	w->key = secret_dup(p->key);
	if (!w->key)
		return say_errno(-ENOMEM, "There is no memory");
	wrap_set_key(w);
	r = wrap_run(w);
	if (!r)
		r = record(s);
	if (!r)
		r = nm_save(s->bus, p, &s->change, s->again);
	w->place = NULL;
	if (r)
		return r;
	printf("The connection %s is set up: its private key opens only with the security key.\n", p->id);
	tell_copies();
	printf("`wgfido rekey %s` makes a new key, which no copy knows.\n"
	       "Next: `nmcli connection up %s` brings it up closed, `wgfido approve %s` opens it with a touch.\n",
		p->ifname, p->uuid, p->ifname);
	return 0;
}

/* --- psk --- */

static int public_key_check(const struct setup *s, uint8_t ret[static KEY_SIZE])
{
	schedule_public(ret, s->profile.key);
	if (s->config && s->config->has_public_key && !key_equal(ret, s->config->public_key))
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"PublicKey in %s/%s.conf is not that of the connection %s: mend it, or remove the file", dirs_config(),
			s->profile.ifname, s->profile.id);
	return 0;
}

static int psk_write(const char *path, const struct secret *psk)
{
	const struct group *group = getgrnam("wgfido");
	/* The broker mixes it in; where there is no such group it runs as root. */
	const struct file_attributes attributes = {group ? 0640 : 0600, (uid_t)-1, group ? group->gr_gid : (gid_t)-1};
	_cleanup_secret_ struct secret *text = secret_new(KEY_BASE64_SIZE), *old = NULL;
	int r;

	if (!text)
		return say_errno(-ENOMEM, "There is no memory");
	r = config_load_preshared_key(&old, path);
	if (r >= 0 && secret_equal(old, psk))
		return 0;
	if (r != -ENOENT)
		return say_outcome(OUTCOME_EXISTS, "%s holds another preshared key, or cannot be read: move it away first", path);
	secret_to_base64((char *)secret_borrow_mut(text), psk);
	secret_borrow_mut(text)[KEY_BASE64_SIZE - 1] = '\n';
	r = file_write_atomic(AT_FDCWD, path, secret_borrow(text), KEY_BASE64_SIZE, &attributes);
	return r < 0 ? say_errno(r, "%s cannot be written; the connection is as it was", path) : 0;
}

/* A preshared key that the admin gave goes into a file, and is mixed in where the file is named. */
static int psks_keep(struct setup *s, struct tunnelconf_peer *peers, char **paths)
{
	for (size_t i = 0; i < s->profile.n_peers; i++) {
		const struct nm_peer *peer = &s->profile.peers[i];
		const struct config_peer *named = s->config ? config_find_peer(s->config, peer->key) : NULL;
		int r;

		memcpy(peers[i].public_key, peer->key, KEY_SIZE);
		if (s->change.psks[i].how != NM_PSK_REMOVE)
			continue;
		if (!peer->psk) {
			say_warning("Peer %s: its preshared key was not stored in the connection and is not asked for any more", peer->public_key);
			continue;
		}
		paths[i] = nm_psk_path(&s->profile, peer);
		r = paths[i] ? psk_write(paths[i], peer->psk) : say_errno(-ENOMEM, "There is no memory");
		if (r)
			return r;
		peers[i].preshared_key_file = paths[i];
		s->n_psks++;
		printf("The preshared key of peer %s is in %s now. It is mixed in:\n"
		       "the other end's [Peer] for this side needs a PresharedKeyFile with the same key.\n",
			peer->public_key, paths[i]);
		if (named && !named->preshared_key_file)
			say_warning("%s/%s.conf is yours: add PresharedKeyFile = %s to that [Peer]", dirs_config(), s->profile.ifname, paths[i]);
	}
	return 0;
}

static int psk_files(struct setup *s, const uint8_t public_key[static KEY_SIZE])
{
	const size_t n = s->profile.n_peers;
	struct tunnelconf_peer *peers = calloc(n, sizeof(*peers));
	char **paths = calloc(n, sizeof(*paths));
	int r = peers && paths ? psks_keep(s, peers, paths) : say_errno(-ENOMEM, "There is no memory");

	if (!r && !s->config)
		r = tunnelconf_write_psk(s->profile.ifname, s->profile.uuid, public_key, peers, n);
	for (size_t i = 0; paths && i < n; i++)
		free(paths[i]);
	free(paths);
	free(peers);
	return r;
}

static int setup_psk(struct setup *s)
{
	const struct nm_profile *p = &s->profile;
	const bool fits = nm_change_is_empty(&s->change, p);
	const struct proxy_tunnel *t;
	uint8_t public_key[KEY_SIZE];
	int r;

	r = public_key_check(s, public_key);
	if (!r)
		r = psk_files(s, public_key);
	if (!r)
		r = record(s);
	/* Without a broker the files wait for it. */
	if (!r && s->wrap->proxy->running)
		r = tunnelconf_reload(s->wrap->proxy);
	if (!r && !fits)
		r = nm_save(s->bus, p, &s->change, s->again);
	if (r)
		return r;
	for (size_t i = 0; s->config && i < p->n_peers; i++)
		if (!config_find_peer(s->config, p->peers[i].key))
			say_warning("Peer %s has no [Peer] in %s/%s.conf and is not guarded", p->peers[i].public_key, dirs_config(), p->ifname);
	printf("The connection %s %s.\n", p->id, fits ? "fits" : "is set up: its preshared keys are wgfido's from now on");
	if (s->n_psks)
		tell_copies();
	t = proxy_find_tunnel(s->wrap->proxy, p->ifname);
	if (t && !strcmp(t->held, "wrapped"))
		printf("Next: `nmcli connection up %s` brings it up closed, `wgfido approve %s` opens it with a touch.\n", p->uuid, p->ifname);
	else
		printf("Next: `wgfido enroll %s` makes a token key; until then nothing guards it.\n", p->ifname);
	return 0;
}

int nm_setup(struct nm_options *o, const char *name)
{
	struct setup s = {.wrap = o->wrap};
	enum nm_problem problem;
	int r = proxy_open_quiet(&o->wrap->proxy);

	if (r < 0)
		return say_errno(r, "Nothing can be done");
	s.bus = o->wrap->proxy->bus;
	if (!s.bus)
		return say_outcome(OUTCOME_FAILED, "The system bus cannot be reached: is it running? Start dbus");
	snprintf(s.again, sizeof(s.again), "wgfido nm setup %s", name);
	r = nm_open(&s.profile, s.bus, name);
	if (!r && (!s.profile.ifname || !ifname_valid(s.profile.ifname)))
		r = say_outcome(OUTCOME_INVALID_ARGUMENT, "The connection %s %s", s.profile.id, nm_problem_words(NM_NO_IFNAME));
	if (!r)
		r = choose_mode(&s, o->mode);
	if (!r && nm_plan_setup(&s.change, &problem, &s.profile, s.mode, s.config) < 0)
		r = say_errno(-ENOMEM, "There is no memory");
	if (!r && problem != NM_FINE)
		r = say_outcome(OUTCOME_INVALID_ARGUMENT, "The connection %s %s", s.profile.id, nm_problem_words(problem));
	if (!r)
		r = s.mode == CONFIG_MODE_PSK ? setup_psk(&s) : setup_identity(&s);
	nm_change_clear(&s.change);
	nm_profile_clear(&s.profile);
	config_free(s.config);
	return r;
}
