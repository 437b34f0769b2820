/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nm undo: the private key, or the preshared keys, back into the profile. Their files go only after NetworkManager saved the profile, the
 * change was read back, and the disks have it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/dirs.h"
#include "client/nm.h"
#include "client/proxy.h"
#include "client/say.h"
#include "client/tunnelconf.h"
#include "client/wrap.h"
#include "common/file.h"
#include "common/names.h"

struct undo {
	struct nm_profile profile;
	struct nm_change change;
	struct wrap *wrap;
	sd_bus *bus;
	char again[160];
};

static int save(struct undo *u)
{
	int r = nm_save(u->bus, &u->profile, &u->change, u->again);

	if (r)
		return r;
	/* Whose files these are nobody needs to know: Linux waits until everything is written. */
	sync();
	return 0;
}

/* Our configuration goes; one that the admin wrote stays. */
static int unconfigure(struct undo *u, bool *ret_removed)
{
	int r = tunnelconf_remove_ours(u->profile.ifname, ret_removed);

	if (!r && *ret_removed && u->wrap->proxy->running)
		r = tunnelconf_reload(u->wrap->proxy);
	return r;
}

static void tell(const struct undo *u, bool removed)
{
	if (!removed)
		printf("wgfido still guards it: remove %s/%s.conf to end that.\n", dirs_config(), u->profile.ifname);
	printf("Next: `nmcli connection up %s` uses it.\n", u->profile.uuid);
}

/* --- identity --- */

static int undo_identity(struct undo *u, const struct proxy_tunnel *t)
{
	const struct nm_profile *p = &u->profile;
	_cleanup_secret_ struct secret *key = NULL;
	char public_key[KEY_BASE64_SIZE], *path;
	bool removed = false;
	int r;

	snprintf(public_key, sizeof(public_key), "%s", t->public_key);
	/* Before the touch. An earlier run may have come so far that the key is there again. */
	if (p->key && !secret_is_zero(p->key) && !wrap_is_key_of(p->key, public_key))
		return say_outcome(OUTCOME_EXISTS, "The connection %s has another private key already: remove that first", p->id);
	/* The tunnel's object may be replaced while we wait for the touch. */
	path = strdup(t->path);
	r = path ? wrap_export(&key, u->wrap->proxy, t, &u->wrap->options) : say_errno(-ENOMEM, "There is no memory");
	if (!r && !wrap_is_key_of(key, public_key))
		r = say_outcome(OUTCOME_FAILED, "The broker gave another key than %s's: nothing was changed", p->ifname);
	u->change.set_key = true;
	u->change.new_key = key;
	if (!r)
		r = save(u);
	if (!r)
		r = proxy_call_simple(u->wrap->proxy, path, WGFIDO_TUNNEL_INTERFACE, "ForgetKey", NULL);
	free(path);
	if (!r)
		r = unconfigure(u, &removed);
	if (r)
		return r;
	printf("The connection %s has its private key again, which works without the security key.\n", p->id);
	tell(u, removed);
	return 0;
}

/* --- psk --- */

/* The files that setup made, into the change. *ret: as many secrets as peers, NULL where there is none. */
static int psks_load(struct undo *u, struct secret **psks)
{
	for (size_t i = 0; i < u->profile.n_peers; i++) {
		char *path = nm_psk_path(&u->profile, &u->profile.peers[i]);
		int r = path ? config_load_preshared_key(&psks[i], path) : -ENOMEM;

		if (r < 0 && r != -ENOENT) {
			r = say_errno(r, "%s cannot be read; nothing was changed", path ? path : u->profile.ifname);
			free(path);
			return r;
		}
		free(path);
		if (!psks[i])
			continue;
		if (u->profile.peers[i].psk && !secret_equal(u->profile.peers[i].psk, psks[i])) {
			say_warning("Peer %s: the connection has another preshared key by now, which stays", u->profile.peers[i].public_key);
			continue;
		}
		u->change.psks[i].how = NM_PSK_SET;
		u->change.psks[i].psk = psks[i];
	}
	return 0;
}

static int psk_files_remove(const struct undo *u)
{
	for (size_t i = 0; i < u->profile.n_peers; i++) {
		char *path = u->change.psks[i].how == NM_PSK_SET ? nm_psk_path(&u->profile, &u->profile.peers[i]) : NULL;
		int r = path ? file_remove_synced(AT_FDCWD, path) : 0;

		if (r < 0)
			r = say_errno(r, "%s cannot be removed", path);
		free(path);
		if (r)
			return r;
	}
	return 0;
}

static int undo_psk(struct undo *u, const struct proxy_tunnel *t, bool configured)
{
	const bool enrolled = t && !strcmp(t->held, "wrapped");
	struct secret **psks = calloc(u->profile.n_peers + 1, sizeof(*psks));
	bool removed = false, nothing;
	int r = psks ? psks_load(u, psks) : say_errno(-ENOMEM, "There is no memory");

	nothing = !r && !configured && nm_change_is_empty(&u->change, &u->profile);
	if (!r && !nm_change_is_empty(&u->change, &u->profile))
		r = save(u);
	if (!r)
		r = unconfigure(u, &removed);
	/* One that is still named has to stay. */
	if (!r && (removed || !configured))
		r = psk_files_remove(u);
	for (size_t i = 0; psks && i < u->profile.n_peers; i++)
		secret_free(psks[i]);
	free(psks);
	if (r)
		return r;
	if (nothing) {
		printf("wgfido has nothing to do with the connection %s.\n", u->profile.id);
		return 0;
	}
	printf("The connection %s works without the security key again.\n", u->profile.id);
	if (enrolled)
		printf("Its token key is left in " WGFIDO_STATEDIR "/" WGFIDO_KEYS_SUBDIR "/%s.key: remove that when it is of no use any more.\n"
		       "The other end has to take out its [Peer] for this side as well.\n",
			u->profile.ifname);
	tell(u, removed || !configured);
	return 0;
}

/* The key file is gone: an earlier run came to its last step, or there never was one. */
static int undo_rest(struct undo *u)
{
	bool removed = false;
	int r;

	if (!u->profile.key || secret_is_zero(u->profile.key))
		return say_outcome(OUTCOME_NOT_ENROLLED, "wgfido holds no key of %s: there is nothing to put back", u->profile.ifname);
	r = unconfigure(u, &removed);
	if (r)
		return r;
	printf("The connection %s has its private key.\n", u->profile.id);
	tell(u, removed);
	return 0;
}

static int undo(struct undo *u)
{
	const struct nm_profile *p = &u->profile;
	const struct proxy_tunnel *t = proxy_find_tunnel(u->wrap->proxy, p->ifname);
	struct config *config = NULL;
	bool identity, configured;
	int r = tunnelconf_load(&config, p->ifname);

	if (r)
		return r;
	r = nm_record_check(p, config);
	/* Without a record nobody but the admin may be given anything. */
	if (!r && p->owner && (!config || !config->nm_uuid))
		r = say_outcome(OUTCOME_INVALID_ARGUMENT,
			"The connection %s is the user %s's own, and %s/%s.conf does not say NetworkManager = %s: it gets no keys", p->id, p->owner,
			dirs_config(), p->ifname, p->uuid);
	if (r) {
		config_free(config);
		return r;
	}
	configured = config != NULL;
	identity = config ? config->mode == CONFIG_MODE_IDENTITY : p->key && secret_is_zero(p->key);
	config_free(config);
	u->change.psks = calloc(p->n_peers + 1, sizeof(*u->change.psks));
	if (!u->change.psks)
		return say_errno(-ENOMEM, "There is no memory");
	if (identity && !u->wrap->proxy->running)
		return say_outcome(OUTCOME_FAILED, "The wgfido broker is not running: start wgfidod, as wgfidod(8) shows");
	if (!identity)
		return undo_psk(u, t, configured);
	return t && !strcmp(t->held, "wrapped") ? undo_identity(u, t) : undo_rest(u);
}

int nm_undo(struct nm_options *o, const char *name)
{
	struct undo u = {.wrap = o->wrap};
	int r = proxy_open_quiet(&o->wrap->proxy);

	if (r < 0)
		return say_errno(r, "Nothing can be done");
	u.bus = o->wrap->proxy->bus;
	if (!u.bus)
		return say_outcome(OUTCOME_FAILED, "The system bus cannot be reached: is it running? Start dbus");
	snprintf(u.again, sizeof(u.again), "wgfido nm undo %s", name);
	r = nm_open(&u.profile, u.bus, name);
	if (!r && (!u.profile.ifname || !ifname_valid(u.profile.ifname)))
		r = say_outcome(OUTCOME_INVALID_ARGUMENT, "The connection %s %s", u.profile.id, nm_problem_words(NM_NO_IFNAME));
	if (!r)
		r = undo(&u);
	nm_change_clear(&u.change);
	nm_profile_clear(&u.profile);
	return r;
}
