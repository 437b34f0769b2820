/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/tunnelconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/dirs.h"
#include "client/say.h"
#include "client/term.h"
#include "client/wgfile.h"
#include "client/wgshow.h"
#include "common/file.h"
#include "common/names.h"
#include "common/schedule.h"

#define MARKER "# Written by wgfido, which removes it again as long as this line comes first."

int tunnelconf_load(struct config **ret, const char *ifname)
{
	char *error = NULL;
	int r;

	*ret = NULL;
	r = config_load(ret, &error, dirs_config(), ifname);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		r = error ? say_outcome(OUTCOME_FAILED, "%s", error) :
			    say_errno(r, "%s/%s.conf cannot be read", dirs_config(), ifname);
	free(error);
	return r;
}

static int conf_write(const char *ifname, const char *text, size_t len)
{
	struct file_attributes attributes = {0644, (uid_t)-1, (gid_t)-1};
	char *path = dirs_file(dirs_config(), ifname, ".conf");
	int r = path ? 0 : -ENOMEM;

	if (r >= 0 && mkdir(dirs_config(), 0755) < 0 && errno != EEXIST)
		r = -errno;
	if (r >= 0)
		r = file_write_atomic(AT_FDCWD, path, text, len, &attributes);
	free(path);
	return r < 0 ? say_errno(r, "%s/%s.conf cannot be written", dirs_config(), ifname) : 0;
}

#define RECORD "NetworkManager = %s\n"

int tunnelconf_write_identity(const char *ifname, const char *nm_uuid)
{
	char *text = NULL;
	int r, n;

	n = asprintf(&text, MARKER "\n[Interface]\nMode = identity\n%s%s%s", nm_uuid ? "NetworkManager = " : "", nm_uuid ? nm_uuid : "",
		nm_uuid ? "\n" : "");
	if (n < 0)
		return say_errno(-ENOMEM, "There is no memory");
	r = conf_write(ifname, text, (size_t)n);
	free(text);
	return r;
}

int tunnelconf_record(const char *ifname, const char *nm_uuid)
{
	static const char head[] = MARKER "\n[Interface]\n";
	char *path = dirs_file(dirs_config(), ifname, ".conf"), *text = NULL, *out = NULL;
	size_t len;
	int n, r = path ? file_read(&text, &len, AT_FDCWD, path, CONFIG_SIZE_MAX) : -ENOMEM;

	if (r < 0) {
		r = say_errno(r, "%s/%s.conf cannot be read", dirs_config(), ifname);
	} else if (strncmp(text, head, strlen(head))) {
		say_warning("%s is yours: add NetworkManager = %s to its [Interface], so that nothing else gets its keys back", path, nm_uuid);
	} else {
		n = asprintf(&out, "%s" RECORD "%s", head, nm_uuid, text + strlen(head));
		r = n < 0 ? say_errno(-ENOMEM, "There is no memory") : conf_write(ifname, out, (size_t)n);
	}
	free(out);
	free(text);
	free(path);
	return r;
}

/* What a psk configuration is made of. */
struct psk_parts {
	bool has_public_key;
	uint8_t public_key[KEY_SIZE];
	size_t n_peers;
	struct tunnelconf_peer *peers;
};

static int add_peer(struct psk_parts *parts, const uint8_t key[static KEY_SIZE])
{
	struct tunnelconf_peer *more = reallocarray(parts->peers, parts->n_peers + 1, sizeof(*more));

	if (!more)
		return say_errno(-ENOMEM, "There is no memory");
	parts->peers = more;
	more[parts->n_peers] = (struct tunnelconf_peer){};
	memcpy(more[parts->n_peers++].public_key, key, KEY_SIZE);
	return 0;
}

/* With mode identity the file names the interface's key by its handle, and only its peers are wanted. */
static int parts_from_file(struct psk_parts *parts, const char *ifname, enum config_mode mode)
{
	_cleanup_secret_ struct secret *key = NULL;
	const bool resident = mode == CONFIG_MODE_IDENTITY;
	uint8_t handle[KEY_SIZE];
	struct wgfile f;
	int r;

	r = wgfile_open(&f, ifname);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (!resident && wgconf_handle(handle, &f.conf, f.text))
		r = say_outcome(OUTCOME_INVALID_ARGUMENT, "%s:%u: the PrivateKey is the handle of a key on a security key: add --resident",
			f.path, f.conf.key_line);
	else if (!resident && f.conf.n_keys == 1 && !f.conf.key_misplaced && wgconf_key(&key, &f.conf, f.text) >= 0) {
		schedule_public(parts->public_key, key);
		parts->has_public_key = true;
	}
	for (size_t i = 0; i < f.conf.n_peers && !r && (parts->has_public_key || resident); i++)
		if (f.conf.peers[i].has_public_key)
			r = add_peer(parts, f.conf.peers[i].public_key);
	wgfile_close(&f);
	return r;
}

static int parts_from_interface(struct psk_parts *parts, const char *ifname)
{
	char *text = NULL, *rest = NULL;
	int r = 0;

	if (wgshow(&text, ifname, "public-key") < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	parts->has_public_key = key_from_base64(parts->public_key, text) >= 0;
	free(text);
	text = NULL;
	if (!parts->has_public_key || wgshow(&text, ifname, "peers") < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &rest); line && !r; line = strtok_r(NULL, "\n", &rest)) {
		uint8_t key[KEY_SIZE];

		if (key_from_base64(key, line) >= 0)
			r = add_peer(parts, key);
	}
	free(text);
	return r;
}

/* public_key NULL: Mode = identity. */
static int write_peers(const char *ifname, const char *nm_uuid, const uint8_t *public_key, const struct tunnelconf_peer *peers, size_t n)
{
	char base64[KEY_BASE64_SIZE], *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int r;

	if (!f)
		return say_errno(-ENOMEM, "There is no memory");
	if (public_key)
		key_to_base64(base64, public_key);
	fprintf(f, MARKER "\n[Interface]\nMode = %s\n", public_key ? "psk" : "identity");
	if (public_key)
		fprintf(f, "PublicKey = %s\n", base64);
	if (nm_uuid)
		fprintf(f, RECORD, nm_uuid);
	for (size_t i = 0; i < n; i++) {
		key_to_base64(base64, peers[i].public_key);
		fprintf(f, "\n[Peer]\nPublicKey = %s\n", base64);
		if (peers[i].preshared_key_file)
			fprintf(f, "PresharedKeyFile = %s\n", peers[i].preshared_key_file);
	}
	r = fclose(f) ? say_errno(-ENOMEM, "There is no memory") : conf_write(ifname, text, len);
	free(text);
	return r;
}

int tunnelconf_write_psk(const char *ifname, const char *nm_uuid, const uint8_t public_key[static KEY_SIZE],
	const struct tunnelconf_peer *peers, size_t n)
{
	return write_peers(ifname, nm_uuid, public_key, peers, n);
}

int tunnelconf_make(const char *ifname, enum config_mode mode, bool yes)
{
	const bool psk = mode == CONFIG_MODE_PSK;
	struct psk_parts parts = {};
	char question[512];
	int answer = 1, r;

	r = parts_from_file(&parts, ifname, mode);
	if (!r && psk && !parts.has_public_key)
		r = parts_from_interface(&parts, ifname);
	if (!r && ((psk && !parts.has_public_key) || !parts.n_peers))
		r = say_outcome(OUTCOME_INVALID_ARGUMENT,
			"Neither %s/%s.conf nor a running %s tells the keys: write %s/%s.conf as wgfido.conf(5) shows", dirs_wireguard(),
			ifname, ifname, dirs_config(), ifname);
	if (!r && !yes) {
		snprintf(question, sizeof(question), "Write %s/%s.conf for its %zu peer%s (Mode = %s)?", dirs_config(),
			ifname, parts.n_peers, parts.n_peers == 1 ? "" : "s", config_mode_name(mode));
		answer = term_confirm(question);
	}
	if (!r && answer == -ENXIO)
		r = say_outcome(OUTCOME_INVALID_ARGUMENT,
			"There is no %s/%s.conf: write it as wgfido.conf(5) shows, or let --yes make it", dirs_config(), ifname);
	else if (!r && answer != 1)
		r = say_outcome(OUTCOME_CANCELLED, NULL);
	if (!r)
		r = write_peers(ifname, NULL, psk ? parts.public_key : NULL, parts.peers, parts.n_peers);
	free(parts.peers);
	return r;
}

int tunnelconf_remove_ours(const char *ifname, bool *ret_removed)
{
	char *path = dirs_file(dirs_config(), ifname, ".conf"), *text = NULL;
	bool ours = false;
	size_t len;
	int r = path ? file_read(&text, &len, AT_FDCWD, path, CONFIG_SIZE_MAX) : -ENOMEM;

	if (r >= 0) {
		ours = !strncmp(text, MARKER, strlen(MARKER));
		if (ours)
			r = file_remove_synced(AT_FDCWD, path);
	}
	if (r == -ENOENT)
		r = 0;
	free(text);
	free(path);
	if (ret_removed)
		*ret_removed = ours;
	return r < 0 ? say_errno(r, "%s/%s.conf cannot be removed", dirs_config(), ifname) : 0;
}

/* The agent hears from the broker's signals of a tunnel that was enrolled or went. */
int tunnelconf_reload(struct proxy *p)
{
	int r = proxy_call_simple(p, WGFIDO_PATH, WGFIDO_MANAGER_INTERFACE, "Reload", NULL);

	if (!r && proxy_refresh(p) < 0)
		r = say_outcome(OUTCOME_FAILED, "The wgfido broker went away: see its log (wgfidod(8))");
	return r;
}

void tunnelconf_undo(struct proxy *p, const char *ifname)
{
	const struct proxy_tunnel *t;

	if (proxy_refresh(p) < 0)
		return;
	t = proxy_find_tunnel(p, ifname);
	if (t && strcmp(t->held, "none"))
		return;
	if (!tunnelconf_remove_ours(ifname, NULL))
		tunnelconf_reload(p);
}
