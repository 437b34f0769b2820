/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/wrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirs.h"
#include "client/keyslot.h"
#include "client/recovery.h"
#include "client/say.h"
#include "client/term.h"
#include "client/text.h"
#include "client/tunnelconf.h"
#include "common/names.h"
#include "common/schedule.h"

void wrap_set_key(struct wrap *w)
{
	uint8_t public_key[KEY_SIZE];

	schedule_public(public_key, w->key);
	key_to_base64(w->public_key, public_key);
}

static int open_proxy(struct wrap *w)
{
	if (!w->proxy)
		return proxy_open(&w->proxy);
	return w->proxy->running ? 0 :
		say_outcome(OUTCOME_FAILED, "The wgfido broker is not running: start wgfidod, as wgfidod(8) shows");
}

int wrap_already(struct wrap *w)
{
	struct proxy_tunnel *t;
	int r = open_proxy(w);

	if (r)
		return r;
	t = proxy_find_tunnel(w->proxy, w->ifname);
	if (!t || strcmp(t->held, "wrapped"))
		return say_outcome(OUTCOME_NOT_ENROLLED,
			"%s was protected, but its key file is gone or damaged: restore it or the PrivateKey line from a backup",
			w->ifname);
	if (w->rekey)
		return say_outcome(OUTCOME_EXISTS, "%s is protected already, and still has its key: `wgfido rekey %s` makes a new one",
			w->ifname, w->ifname);
	printf("%s is protected already: `wgfido approve %s` opens it.\n", w->ifname, w->ifname);
	return 0;
}

/* /etc/wgfido/TUNNEL.conf with Mode = identity: there, or (*ret_made) made now. */
static int configure(struct wrap *w, bool *ret_made)
{
	struct config *config;
	enum config_mode mode;
	int r;

	r = tunnelconf_load(&config, w->ifname);
	if (r)
		return r;
	if (!config) {
		r = tunnelconf_write_identity(w->ifname, w->nm_uuid);
		*ret_made = !r;
		return r;
	}
	mode = config->mode;
	config_free(config);
	if (mode != CONFIG_MODE_IDENTITY)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"%s/%s.conf has Mode = %s: a key is protected only with Mode = identity; change it or remove the file",
			dirs_config(), w->ifname, config_mode_name(mode));
	return 0;
}

/* The key into the key file, or with --rekey a new one: touches. */
static int wrap_import(struct wrap *w, const struct proxy_tunnel *t)
{
	struct recovery_result result = {};
	char purpose[192];
	int r;

	snprintf(purpose, sizeof(purpose), "to %s %s", w->rekey ? "make a new key for" : "protect the key of", w->ifname);
	r = recovery_call(w->proxy,
		&(struct call){
			.path = w->rekey ? t->path : WGFIDO_PATH,
			.interface = w->rekey ? WGFIDO_TUNNEL_INTERFACE : WGFIDO_MANAGER_INTERFACE,
			.method = w->rekey ? "Enroll" : "ImportKey",
			.tunnel_path = t->path,
			.purpose = purpose,
			.iface = w->rekey ? NULL : w->ifname,
			.key = w->rekey ? NULL : w->key,
			.options = &w->options,
		},
		&result);
	if (r)
		return r;
	if (!w->rekey && strcmp(result.public_key, w->public_key))
		r = say_outcome(OUTCOME_FAILED, "The broker wrapped another key than it was given; %s stays as it is",
			w->place);
	else if (result.code)
		r = recovery_show(result.code, w->ifname, w->options.yes);
	snprintf(w->held_public_key, sizeof(w->held_public_key), "%s", result.public_key);
	recovery_result_clear(&result);
	return r;
}

/* An earlier run was interrupted behind the wrapping: is its recovery code on paper? Nobody but the user knows. */
static int resume(struct wrap *w, const struct proxy_tunnel *t)
{
	uint32_t old[16];
	size_t n_old = 0;
	int r;

	if (!w->rekey && strcmp(t->public_key, w->public_key))
		return say_outcome(OUTCOME_EXISTS,
			"Another key is held for %s already (%s): %s",
			w->ifname, t->public_key, w->instead);
	snprintf(w->held_public_key, sizeof(w->held_public_key), "%s", t->public_key);
	fprintf(stderr, "The key of %s is in its key file already; going on from there.\n", w->ifname);
	for (size_t i = 0; i < t->keyslots.n && n_old < 16; i++)
		if (!strcmp(t->keyslots.slots[i].type, "recovery"))
			old[n_old++] = t->keyslots.slots[i].id;
	if (!w->options.recovery || (!n_old && keyslot_count(t, NULL) > 1))
		return 0;
	if (n_old && !w->options.yes) {
		r = term_confirm("Did you write its recovery code down?");
		if (r == 1)
			return 0;
		if (r < 0)
			return say_outcome(r == -EINTR ? OUTCOME_CANCELLED : OUTCOME_FAILED, "%s",
				r == -EINTR ? "Cancelled" : "Whether the recovery code was written down is not known: use --yes to get a new one");
	}
	r = keyslot_add_recovery(w->proxy, w->ifname, &w->options, w->options.yes);
	for (size_t i = 0; !r && i < n_old; i++)
		r = keyslot_remove(w->proxy, w->ifname, old[i], &w->options);
	return r;
}

int wrap_run(struct wrap *w)
{
	const struct proxy_tunnel *t;
	bool made = false;
	int r;

	/* Before anything is asked of the broker, or written: is there a way to show the code? */
	r = recovery_check(&w->options);
	if (!r)
		r = open_proxy(w);
	if (!r)
		r = configure(w, &made);
	if (r)
		return r;
	r = tunnelconf_reload(w->proxy);
	t = r ? NULL : proxy_find_tunnel(w->proxy, w->ifname);
	if (!r && !t)
		r = say_outcome(OUTCOME_FAILED, "The broker does not know %s: does it read %s? See its log (wgfidod(8))",
			w->ifname, dirs_config());
	if (!r && !strcmp(t->state, "misconfigured"))
		r = say_outcome(OUTCOME_FAILED, "%s: %s", w->ifname, t->problem);
	if (!r)
		r = strcmp(t->held, "wrapped") ? wrap_import(w, t) : resume(w, t);
	if (!r)
		return 0;
	/* What was wrapped stays, and so does its configuration; else nothing is left of this run. What was there before it may have been edited. */
	if (made)
		tunnelconf_undo(w->proxy, w->ifname);
	if (*w->held_public_key)
		say_warning("%s still has its key: run `%s` again to go on", w->place, w->again);
	return r;
}

bool wrap_is_key_of(const struct secret *key, const char *public_key)
{
	char base64[KEY_BASE64_SIZE];
	uint8_t public[KEY_SIZE];

	schedule_public(public, key);
	key_to_base64(base64, public);
	return !strcmp(base64, public_key);
}

int wrap_export(struct secret **ret, struct proxy *p, const struct proxy_tunnel *t, struct call_options *o)
{
	char purpose[192], tunnel[128];
	sd_bus_message *reply = NULL;
	int fd, r;

	snprintf(purpose, sizeof(purpose), "to take the key of %s out of wgfido", text_tunnel(tunnel, sizeof(tunnel), t));
	o->forget = true;
	r = call_run(p,
		&(struct call){
			.path = t->path,
			.interface = WGFIDO_TUNNEL_INTERFACE,
			.method = "ExportKey",
			.tunnel_path = t->path,
			.purpose = purpose,
			.options = o,
		},
		&reply);
	if (r)
		return r;
	r = sd_bus_message_read(reply, "h", &fd);
	if (r >= 0)
		r = secret_from_pipe(ret, fd, SECRET_KEY_SIZE);
	sd_bus_message_unref(reply);
	if (r < 0)
		return say_errno(r, "The key cannot be taken from the broker");
	if (secret_len(*ret) != SECRET_KEY_SIZE)
		return say_outcome(OUTCOME_FAILED, "The broker gave no key: see its log (wgfidod(8))");
	return 0;
}
