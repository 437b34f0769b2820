/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/dirs.h"
#include "client/doctor.h"
#include "client/keyslot.h"
#include "client/wgconf.h"
#include "common/config.h"
#include "common/file.h"
#include "common/handle.h"
#include "common/schedule.h"

bool doctor_is_gateway(const struct doctor *d)
{
	if (d->status->proxy->running)
		return false;
	for (struct agent_status **a = d->status->agents; *a; a++)
		if (strcmp((*a)->role, "gateway"))
			return false;
	/* The agent may not have started yet; then the absence of a broker to run tells, where nothing wants one. */
	return *d->status->agents || (!d->wants.token_side && access(WGFIDO_LIBEXECDIR "/wgfidod", X_OK) < 0);
}

void doctor_wants_add(struct doctor_wants *w, const struct config *c)
{
	w->end_on |= c->end_on;
	w->token_side |= c->mode == CONFIG_MODE_IDENTITY;
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct config_peer *peer = &c->peers[i];

		if (peer->has_token_public_key)
			w->gateway_side = true;
		else
			w->token_side = true;
		w->clock |= c->mode == CONFIG_MODE_PSK && peer->schedule == CONFIG_SCHEDULE_TIME;
	}
}

void doctor_check_broker(struct doctor *d)
{
	const struct proxy *p = d->status->proxy;

	if (p->running && *p->version && strcmp(p->version, PACKAGE_VERSION))
		doctor_wrong(d, "restart wgfidod, as wgfidod(8) shows", "The broker is of version %s, this is %s", p->version,
			PACKAGE_VERSION);
	else if (p->running)
		doctor_ok(d, "The broker runs, version %s", *p->version ? p->version : "unknown");
	else if (d->gateway)
		doctor_ok(d, "No broker runs, and a gateway needs none");
	else if (!p->bus)
		doctor_wrong(d, "systemctl start dbus, or apt-get install dbus", "The system bus cannot be reached, and so no broker");
	else if (!doctor_check_policy_absent(d) && !doctor_check_unit(d, "wgfidod", false))
		doctor_wrong(d, "start wgfidod, as wgfidod(8) shows", "The broker is not running");
}

static void check_key(struct doctor *d, const struct proxy_tunnel *t)
{
	const char *verb = !strcmp(t->mode, "identity") ? "protect" : "enroll";
	char mend[128];

	if (!strcmp(t->held, "damaged")) {
		snprintf(mend, sizeof(mend), "restore " WGFIDO_STATEDIR "/keys from a backup, or wgfido %s %s anew", verb,
			t->interface);
		doctor_wrong(d, mend, "%s: the key file is damaged: %s", t->interface, t->problem);
	} else if (!strcmp(t->held, "none")) {
		snprintf(mend, sizeof(mend), "wgfido %s %s", verb, t->interface);
		doctor_wrong(d, mend, "%s has no key yet", t->interface);
	} else if (!strcmp(t->held, "resident")) {
		doctor_ok(d, "%s has a key that never leaves its security key", t->interface);
	} else if (t->keyslots.n == 1) {
		/* No finding: --no-recovery was somebody's choice. */
		doctor_note(d, "%s has a single keyslot, and losing it loses the key: `wgfido keyslot add %s` makes another",
			t->interface, t->interface);
	} else {
		doctor_ok(d, "%s has a key that %zu keyslots open", t->interface, t->keyslots.n);
	}
}

static void warn_wrong(void *userdata, const char *text)
{
	doctor_wrong(userdata, "the log of wgfido-rotate tells more", "%s", text);
}

static void warn_windows(void *userdata, const char *text)
{
	doctor_wrong(userdata, "at the gateway: wgfido gateway IFACE --windows 90d; then its file here in place of the old one", "%s", text);
}

static void check_agent(struct doctor *d, const struct proxy_tunnel *t, const char *ifname)
{
	const struct agent_status *a = status_find_agent(d->status, ifname);
	unsigned int before = d->n_wrong;

	if (!a) {
		doctor_wrong(d, "start wgfido-rotate anew, as wgfido-rotate(8) shows", "%s is not guarded: nothing opens or closes it", ifname);
		return;
	}
	status_warn(d->status, t && !*t->problem ? t : NULL, a, warn_wrong, d);
	if (before == d->n_wrong)
		doctor_ok(d, "%s is guarded: %s", ifname,
			!strcmp(a->state, "absent") ? "the interface does not exist at the moment" : a->state);
}

static void check_preshared_files(struct doctor *d, const struct config *c)
{
	char mend[512];

	for (size_t i = 0; i < c->n_peers; i++) {
		_cleanup_secret_ struct secret *psk = NULL;
		const char *path = c->peers[i].preshared_key_file;
		int r = path ? config_load_preshared_key(&psk, path) : 0;

		/* Its group may be the broker's, or the agent's. */
		if (r == -EPERM) {
			snprintf(mend, sizeof(mend), "chmod o= %s", path);
			doctor_wrong(d, mend, "%s: others may read %s", c->ifname, path);
		} else if (r == -EACCES) {
			doctor_note(d, "%s: %s was not checked; run this as root", c->ifname, path);
		} else if (r < 0) {
			snprintf(mend, sizeof(mend), "wg genpsk >%s", path);
			doctor_wrong(d, mend, "%s: %s is no preshared key: %s", c->ifname, path, strerror(-r));
		}
	}
}

/* The handle of the tunnel's own key is where it belongs. */
static bool check_handle(struct doctor *d, const struct config *c, const struct wgconf *w, const char *text)
{
	const struct proxy_tunnel *t = proxy_find_tunnel(d->status->proxy, c->ifname);
	uint8_t handle[KEY_SIZE], public_key[KEY_SIZE];
	char mend[160];

	if (!wgconf_handle(handle, w, text))
		return false;
	if (!t || strcmp(t->held, "resident")) {
		snprintf(mend, sizeof(mend), "wgfido enroll %s --resident", c->ifname);
		doctor_wrong(d, mend, "%s: its wg-quick file has the handle of a key that no tunnel has yet", c->ifname);
	} else if (key_from_base64(public_key, t->public_key) == 0 && !handle_matches(handle, public_key)) {
		snprintf(mend, sizeof(mend), "make it PrivateKey = %s", t->handle);
		doctor_wrong(d, mend, "%s: its wg-quick file has the handle of another key", c->ifname);
	}
	return true;
}

static void check_wg_key(struct doctor *d, const struct config *c, const struct wgconf *w, const char *text)
{
	_cleanup_secret_ struct secret *key = NULL;
	uint8_t public_key[KEY_SIZE];
	char mend[128];

	if (c->mode == CONFIG_MODE_IDENTITY) {
		if (check_handle(d, c, w, text))
			return;
		snprintf(mend, sizeof(mend), "wgfido protect %s", c->ifname);
		if (w->n_keys)
			doctor_wrong(d, mend, "%s: its wg-quick file still has the PrivateKey", c->ifname);
		return;
	}
	if (w->n_keys != 1 || wgconf_key(&key, w, text) < 0)
		return;
	schedule_public(public_key, key);
	if (c->has_public_key && !key_equal(public_key, c->public_key)) {
		snprintf(mend, sizeof(mend), "set PublicKey in %s/%s.conf to that of the PrivateKey", d->config_dir, c->ifname);
		doctor_wrong(d, mend, "%s: PublicKey is not the one of its wg-quick file", c->ifname);
	}
}

static void check_wg_peers(struct doctor *d, const struct config *c, const struct wgconf *w)
{
	char mend[128], base64[KEY_BASE64_SIZE];

	for (size_t i = 0; i < w->n_peers; i++) {
		const struct wgconf_peer *peer = &w->peers[i];
		const struct config_peer *guarded = peer->has_public_key ? config_find_peer(c, peer->public_key) : NULL;

		if (c->mode != CONFIG_MODE_PSK || !guarded)
			continue;
		key_to_base64(base64, peer->public_key);
		/* At a gateway the file must hold a PSK that nobody knows. */
		if (peer->preshared_key_is_zero || (guarded->has_token_public_key && !peer->has_preshared_key)) {
			snprintf(mend, sizeof(mend), "put into that [Peer] a line `PresharedKey = ` and what `wg genpsk` prints");
			doctor_wrong(d, mend,
				"%s: peer %s has no PresharedKey in the wg-quick file, so it opens without one at start",
				c->ifname, base64);
		}
	}
}

static void check_wg_file(struct doctor *d, const struct config *c)
{
	char *path = dirs_file(dirs_wireguard(), c->ifname, ".conf"), *text = NULL, mend[512];
	unsigned int before = d->n_wrong;
	struct wgconf w = {};
	struct stat st;
	size_t len;
	int r;

	if (!path)
		return;
	r = file_read_guarded(&text, &len, AT_FDCWD, path, WGCONF_SIZE_MAX, &st);
	if (r >= 0)
		r = wgconf_scan(&w, text, len);
	if (r == -EACCES)
		doctor_note(d, "%s was not checked; run this as root", path);
	if (r < 0)
		goto out;
	if (w.save_config) {
		snprintf(mend, sizeof(mend), "remove line %u of %s", w.save_config_line, path);
		doctor_wrong(d, mend, "%s: SaveConfig writes the live preshared keys to disk", c->ifname);
	}
	if (st.st_mode & 0007) {
		snprintf(mend, sizeof(mend), "chmod o= %s", path);
		doctor_wrong(d, mend, "%s: everybody may read %s", c->ifname, path);
	}
	check_wg_key(d, c, &w, text);
	check_wg_peers(d, c, &w);
	if (before == d->n_wrong)
		doctor_ok(d, "%s goes with it", path);
out:
	wgconf_clear(&w);
	sodium_free(text);
	free(path);
}

void doctor_check_tunnel(struct doctor *d, const char *ifname)
{
	const struct proxy *p = d->status->proxy;
	const struct proxy_tunnel *t = proxy_find_tunnel(d->status->proxy, ifname);
	struct config *c = NULL;
	char *error = NULL, mend[128];
	int r;

	r = config_load(&c, &error, d->config_dir, ifname);
	if (r < 0) {
		snprintf(mend, sizeof(mend), "mend that line; wgfido.conf(5) describes the file");
		doctor_wrong(d, mend, "%s", error ? error : strerror(-r));
		free(error);
		return;
	}
	if (p->running && !t)
		doctor_wrong(d, "pkill -HUP -x wgfidod", "The broker does not know %s", ifname);
	else if (t && !strcmp(t->state, "misconfigured"))
		doctor_wrong(d, "mend that; pkill -HUP -x wgfidod if it is mended already", "The broker cannot use %s: %s", ifname, t->problem);
	else if (t)
		check_key(d, t);
	if (t)
		status_warn_windows(d->status, t, warn_windows, d);
	check_agent(d, t, ifname);
	check_preshared_files(d, c);
	check_wg_file(d, c);
	config_free(c);
}
