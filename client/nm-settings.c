/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NetworkManager's Settings interface. Secrets are strings there: they are taken into guarded memory at once, and the messages
 * that bring them wipe their buffers when they go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/nm.h"
#include "client/text.h"
#include "common/clock.h"

#define NM "org.freedesktop.NetworkManager"
#define SETTINGS NM ".Settings"
#define SETTINGS_PATH "/org/freedesktop/NetworkManager/Settings"
#define CONNECTION SETTINGS ".Connection"
#define WIREGUARD "wireguard"
#define UPDATE_TO_DISK 1u
/* polkit may have to ask somebody for a password. */
#define REPLY_US (120 * US_PER_SEC)

bool nm_is_absent(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) || sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

static int new_call(sd_bus_message **ret, sd_bus *bus, const char *path, const char *interface, const char *member)
{
	int r = sd_bus_message_new_method_call(bus, ret, NM, path, interface, member);

	if (r >= 0)
		r = sd_bus_message_set_auto_start(*ret, 0);
	return r < 0 ? r : sd_bus_message_set_allow_interactive_authorization(*ret, 1);
}

/* Takes m over. */
static int call(sd_bus_message **ret, sd_bus *bus, sd_bus_message *m, sd_bus_error *error)
{
	int r = sd_bus_call(bus, m, REPLY_US, error, ret);

	sd_bus_message_unref(m);
	if (r >= 0)
		r = sd_bus_message_sensitive(*ret);
	return r;
}

static int get(sd_bus_message **ret, sd_bus *bus, const char *path, bool secrets, sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	int r = new_call(&m, bus, path, CONNECTION, secrets ? "GetSecrets" : "GetSettings");

	if (r >= 0 && secrets)
		r = sd_bus_message_append(m, "s", WIREGUARD);
	if (r < 0) {
		sd_bus_message_unref(m);
		return r;
	}
	return call(ret, bus, m, error);
}

/* The next variant's string. "" is none; what may hold control characters is for people only. */
static int read_text(sd_bus_message *m, char **ret)
{
	const char *text;
	int r = sd_bus_message_read(m, "v", "s", &text);

	if (r < 0)
		return r;
	free(*ret);
	*ret = strdup(text);
	if (!*ret)
		return -ENOMEM;
	text_make_printable(*ret);
	return 0;
}

static int read_secret(sd_bus_message *m, struct secret **ret)
{
	const char *text;
	int r = sd_bus_message_read(m, "v", "s", &text);

	if (r < 0 || !*text)
		return r < 0 ? r : 0;
	*ret = secret_free(*ret);
	return secret_from_base64(ret, text, strlen(text));
}

/* Walks an a{sv}: one(name) reads or skips the variant behind it. */
static int each_entry(sd_bus_message *m, int (*one)(sd_bus_message *m, const char *name, void *userdata), void *userdata)
{
	const char *name;
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &name);
		if (r >= 0)
			r = one(m, name, userdata);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int peer_entry(sd_bus_message *m, const char *name, void *userdata)
{
	struct nm_peer *peer = userdata;

	if (!strcmp(name, "public-key"))
		return read_text(m, &peer->public_key);
	if (!strcmp(name, "preshared-key"))
		return read_secret(m, &peer->psk);
	if (strcmp(name, "preshared-key-flags"))
		return sd_bus_message_skip(m, "v");
	peer->has_flags = true;
	return sd_bus_message_read(m, "v", "u", &peer->flags);
}

/* Of the settings: a new peer. Of the secrets: those of one that is there. */
static int peer_take(struct nm_profile *p, struct nm_peer *peer)
{
	struct nm_peer *known = NULL, *more;

	if (!peer->public_key || key_from_base64(peer->key, peer->public_key) < 0)
		return -EBADMSG;
	known = nm_find_peer(p, peer->key);
	if (known) {
		secret_free(known->psk);
		known->psk = secret_take(&peer->psk);
		return 0;
	}
	if (p->has_secrets)
		return -ESTALE;
	more = reallocarray(p->peers, p->n_peers + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->peers = more;
	more[p->n_peers++] = *peer;
	*peer = (struct nm_peer){};
	return 0;
}

static int read_peers(sd_bus_message *m, struct nm_profile *p)
{
	int r = sd_bus_message_enter_container(m, 'v', "aa{sv}");

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "a{sv}");
	while (r >= 0 && (r = sd_bus_message_at_end(m, false)) == 0) {
		struct nm_peer peer = {};

		r = each_entry(m, peer_entry, &peer);
		if (r >= 0)
			r = peer_take(p, &peer);
		free(peer.public_key);
		secret_free(peer.psk);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int wireguard_entry(sd_bus_message *m, const char *name, void *userdata)
{
	struct nm_profile *p = userdata;

	if (!strcmp(name, "private-key"))
		return read_secret(m, &p->key);
	if (!strcmp(name, "private-key-flags"))
		return sd_bus_message_read(m, "v", "u", &p->key_flags);
	return strcmp(name, "peers") ? sd_bus_message_skip(m, "v") : read_peers(m, p);
}

/* "user:NAME:", as NetworkManager has it; what is of another kind is somebody's as well. */
static int read_owner(sd_bus_message *m, char **ret)
{
	const char *who;
	int r = sd_bus_message_enter_container(m, 'v', "as");

	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &who)) > 0) {
		const char *name = strncmp(who, "user:", 5) ? who : who + 5;
		char *more;

		if (asprintf(&more, "%s%s%.*s", *ret ? *ret : "", *ret ? ", " : "", (int)strcspn(name, ":"), name) < 0)
			return -ENOMEM;
		free(*ret);
		*ret = more;
		text_make_printable(*ret);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int connection_entry(sd_bus_message *m, const char *name, void *userdata)
{
	struct nm_profile *p = userdata;

	if (!strcmp(name, "id"))
		return read_text(m, &p->id);
	if (!strcmp(name, "uuid"))
		return read_text(m, &p->uuid);
	if (!strcmp(name, "type"))
		return read_text(m, &p->type);
	if (!strcmp(name, "permissions"))
		return read_owner(m, &p->owner);
	return strcmp(name, "interface-name") ? sd_bus_message_skip(m, "v") : read_text(m, &p->ifname);
}

/* An a{sa{sv}} of settings or secrets into p. */
static int read_settings(sd_bus_message *m, struct nm_profile *p)
{
	const char *setting;
	int r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
		r = sd_bus_message_read_basic(m, 's', &setting);
		if (r >= 0 && !strcmp(setting, WIREGUARD))
			r = each_entry(m, wireguard_entry, p);
		else if (r >= 0 && !strcmp(setting, "connection") && !p->has_secrets)
			r = each_entry(m, connection_entry, p);
		else if (r >= 0)
			r = sd_bus_message_skip(m, "a{sv}");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* ret_settings NULL: not wanted; else the whole, to be handed back. */
static int read_profile(struct nm_profile *ret, sd_bus_message **ret_settings, sd_bus *bus, const char *path, bool secrets,
	sd_bus_error *error)
{
	struct nm_profile p = {.path = strdup(path)};
	sd_bus_message *settings = NULL, *m = NULL;
	int r = p.path ? get(&settings, bus, path, false, error) : -ENOMEM;

	if (r >= 0)
		r = read_settings(settings, &p);
	if (r >= 0 && (!p.id || !p.uuid || !p.type))
		r = -EBADMSG;
	if (r >= 0 && secrets && !strcmp(p.type, WIREGUARD)) {
		r = get(&m, bus, path, true, error);
		p.has_secrets = true;
		if (r >= 0)
			r = read_settings(m, &p);
		sd_bus_message_unref(m);
	}
	if (r >= 0 && ret_settings)
		r = sd_bus_message_rewind(settings, 1);
	if (r < 0) {
		sd_bus_message_unref(settings);
		nm_profile_clear(&p);
		return r;
	}
	if (ret_settings)
		*ret_settings = settings;
	else
		sd_bus_message_unref(settings);
	*ret = p;
	return 0;
}

int nm_read(struct nm_profile *ret, sd_bus *bus, const char *path, bool secrets, sd_bus_error *error)
{
	return read_profile(ret, NULL, bus, path, secrets, error);
}

void nm_list_free(struct nm_profile *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		nm_profile_clear(&all[i]);
	free(all);
}

int nm_list(struct nm_profile **ret, size_t *ret_n, sd_bus *bus, sd_bus_error *error)
{
	sd_bus_message *m = NULL, *reply = NULL;
	struct nm_profile *all = NULL;
	const char *path;
	size_t n = 0;
	int r;

	r = new_call(&m, bus, SETTINGS_PATH, SETTINGS, "ListConnections");
	if (r < 0)
		sd_bus_message_unref(m);
	else
		r = call(&reply, bus, m, error);
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "o");
	while (r >= 0 && (r = sd_bus_message_read_basic(reply, 'o', &path)) > 0) {
		struct nm_profile *more = reallocarray(all, n + 1, sizeof(*all));

		r = more ? 0 : -ENOMEM;
		all = more ? more : all;
		/* One that went meanwhile, or that is another user's, is none of ours. */
		if (more && nm_read(&all[n], bus, path, false, NULL) >= 0)
			n++;
	}
	sd_bus_message_unref(reply);
	if (r < 0) {
		nm_list_free(all, n);
		return r;
	}
	*ret = all;
	*ret_n = n;
	return 0;
}

/* --- back --- */

static int append_secret(sd_bus_message *m, const char *name, const struct secret *key)
{
	_cleanup_secret_ struct secret *text = secret_new(KEY_BASE64_SIZE);

	if (!text)
		return -ENOMEM;
	secret_to_base64((char *)secret_borrow_mut(text), key);
	return sd_bus_message_append(m, "{sv}", name, "s", (const char *)secret_borrow(text));
}

struct rewrite {
	sd_bus_message *out;
	const struct nm_profile *p;
	const struct nm_change *change;
	size_t peer;
	bool peers_only;
};

static int copy_entry(sd_bus_message *out, sd_bus_message *in, const char *name)
{
	int r = sd_bus_message_open_container(out, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append_basic(out, 's', name);
	if (r >= 0)
		r = sd_bus_message_copy(out, in, false);
	return r < 0 ? r : sd_bus_message_close_container(out);
}

static int rewrite_peer_entry(sd_bus_message *in, const char *name, void *userdata)
{
	const struct rewrite *w = userdata;
	const bool ours = !strcmp(name, "preshared-key") ||
		(w->change->psks[w->peer].how != NM_PSK_KEEP && !strcmp(name, "preshared-key-flags"));

	return ours ? sd_bus_message_skip(in, "v") : copy_entry(w->out, in, name);
}

static int rewrite_peer(sd_bus_message *in, struct rewrite *w)
{
	const struct nm_psk_change *change = &w->change->psks[w->peer];
	const struct secret *psk = w->p->peers[w->peer].psk;
	int r = sd_bus_message_open_container(w->out, 'a', "{sv}");

	if (r >= 0)
		r = each_entry(in, rewrite_peer_entry, w);
	if (r >= 0 && change->how != NM_PSK_KEEP)
		r = sd_bus_message_append(w->out, "{sv}", "preshared-key-flags", "u",
			change->how == NM_PSK_SET ? 0u : NM_SECRET_NOT_REQUIRED);
	if (change->how != NM_PSK_KEEP)
		psk = change->how == NM_PSK_SET ? change->psk : NULL;
	if (r >= 0 && psk)
		r = append_secret(w->out, "preshared-key", psk);
	return r < 0 ? r : sd_bus_message_close_container(w->out);
}

static int rewrite_peers(sd_bus_message *in, struct rewrite *w)
{
	int r = sd_bus_message_enter_container(in, 'v', "aa{sv}");

	if (r >= 0)
		r = sd_bus_message_enter_container(in, 'a', "a{sv}");
	if (r >= 0)
		r = sd_bus_message_open_container(w->out, 'e', "sv");
	if (r >= 0)
		r = sd_bus_message_append_basic(w->out, 's', "peers");
	if (r >= 0)
		r = sd_bus_message_open_container(w->out, 'v', "aa{sv}");
	if (r >= 0)
		r = sd_bus_message_open_container(w->out, 'a', "a{sv}");
	/* The same message that the peers were read from: as many, in this order. */
	for (w->peer = 0; r >= 0 && w->peer < w->p->n_peers; w->peer++)
		r = rewrite_peer(in, w);
	for (int i = 0; r >= 0 && i < 3; i++)
		r = sd_bus_message_close_container(w->out);
	if (r >= 0)
		r = sd_bus_message_exit_container(in);
	return r < 0 ? r : sd_bus_message_exit_container(in);
}

static int rewrite_wireguard_entry(sd_bus_message *in, const char *name, void *userdata)
{
	struct rewrite *w = userdata;

	if (w->peers_only)
		return strcmp(name, "peers") ? sd_bus_message_skip(in, "v") : rewrite_peers(in, w);
	if (!strcmp(name, "peers") || !strcmp(name, "private-key") || (w->change->set_key && !strcmp(name, "private-key-flags")))
		return sd_bus_message_skip(in, "v");
	return copy_entry(w->out, in, name);
}

/* Every secret goes along: NetworkManager takes those for deleted that an update leaves out. */
static int rewrite_wireguard(sd_bus_message *in, struct rewrite *w)
{
	_cleanup_secret_ struct secret *zero = secret_new(SECRET_KEY_SIZE);
	const struct secret *key = w->change->set_key ? (w->change->new_key ? w->change->new_key : zero) : w->p->key;
	const char *setting;
	int r = zero ? sd_bus_message_open_container(w->out, 'a', "{sv}") : -ENOMEM;

	w->peers_only = false;
	if (r >= 0)
		r = each_entry(in, rewrite_wireguard_entry, w);
	if (r >= 0)
		r = sd_bus_message_rewind(in, false);
	if (r >= 0)
		r = sd_bus_message_read_basic(in, 's', &setting);
	w->peers_only = true;
	if (r >= 0)
		r = each_entry(in, rewrite_wireguard_entry, w);
	if (r >= 0 && key)
		r = append_secret(w->out, "private-key", key);
	return r < 0 ? r : sd_bus_message_close_container(w->out);
}

static int rewrite_some(sd_bus_message *in, struct rewrite *w, bool wireguard)
{
	const char *setting;
	int r = 0;

	while (r >= 0 && (r = sd_bus_message_enter_container(in, 'e', "sa{sv}")) > 0) {
		bool wanted;

		r = sd_bus_message_read_basic(in, 's', &setting);
		wanted = r >= 0 && !strcmp(setting, WIREGUARD) == wireguard;
		if (r >= 0 && !wanted)
			r = sd_bus_message_skip(in, "a{sv}");
		if (r >= 0 && wanted)
			r = sd_bus_message_open_container(w->out, 'e', "sa{sv}");
		if (r >= 0 && wanted)
			r = sd_bus_message_append_basic(w->out, 's', setting);
		if (r >= 0 && wanted)
			r = wireguard ? rewrite_wireguard(in, w) : sd_bus_message_copy(w->out, in, false);
		if (r >= 0 && wanted)
			r = sd_bus_message_close_container(w->out);
		if (r >= 0)
			r = sd_bus_message_exit_container(in);
	}
	return r;
}

/* Secrets come last, the private key last of all: a message that grows behind them leaves copies of them in freed memory. */
static int rewrite(sd_bus_message *in, struct rewrite *w)
{
	int r = sd_bus_message_enter_container(in, 'a', "{sa{sv}}");

	if (r >= 0)
		r = sd_bus_message_open_container(w->out, 'a', "{sa{sv}}");
	if (r >= 0)
		r = rewrite_some(in, w, false);
	if (r >= 0)
		r = sd_bus_message_rewind(in, false);
	if (r >= 0)
		r = rewrite_some(in, w, true);
	return r < 0 ? r : sd_bus_message_close_container(w->out);
}

/* What was asked for is what is there now. */
static bool is_done(const struct nm_profile *now, const struct nm_profile *p, const struct nm_change *c)
{
	const struct secret *key = c->set_key ? c->new_key : p->key;

	if (now->n_peers != p->n_peers)
		return false;
	if (key ? !now->key || !secret_equal(now->key, key) : c->set_key ? !now->key || !secret_is_zero(now->key) : now->key != NULL)
		return false;
	for (size_t i = 0; i < p->n_peers; i++) {
		const struct secret *psk = p->peers[i].psk;

		if (c->psks[i].how != NM_PSK_KEEP)
			psk = c->psks[i].how == NM_PSK_SET ? c->psks[i].psk : NULL;
		if (!key_equal(now->peers[i].key, p->peers[i].key) || !psk != !now->peers[i].psk ||
			(psk && !secret_equal(psk, now->peers[i].psk)))
			return false;
	}
	return true;
}

int nm_update(sd_bus *bus, const struct nm_profile *p, const struct nm_change *c, sd_bus_error *error)
{
	sd_bus_message *settings = NULL, *m = NULL, *reply = NULL;
	struct nm_profile now = {};
	int r = read_profile(&now, &settings, bus, p->path, true, error);

	if (r >= 0 && !nm_profile_equal(&now, p))
		r = -ESTALE;
	if (r >= 0)
		r = new_call(&m, bus, p->path, CONNECTION, "Update2");
	if (r >= 0)
		r = sd_bus_message_sensitive(m);
	if (r >= 0)
		r = rewrite(settings, &(struct rewrite){.out = m, .p = p, .change = c});
	if (r >= 0)
		r = sd_bus_message_append(m, "ua{sv}", UPDATE_TO_DISK, 0);
	if (r >= 0) {
		r = call(&reply, bus, m, error);
		m = NULL;
	}
	nm_profile_clear(&now);
	if (r >= 0)
		r = read_profile(&now, NULL, bus, p->path, true, error);
	if (r >= 0 && !is_done(&now, p, c))
		r = -EBADMSG;
	nm_profile_clear(&now);
	sd_bus_message_unref(settings);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 0;
}
