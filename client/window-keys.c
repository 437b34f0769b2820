/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/window-keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/dirs.h"
#include "client/say.h"
#include "client/verb.h"
#include "client/wgfile.h"
#include "client/wgshow.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/handle.h"
#include "common/window.h"

#define FILE_SUFFIX ".windows"

static const char *date(char *buf, size_t size, uint64_t unix_seconds)
{
	const time_t t = (time_t)unix_seconds;
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&t, &tm))
		(void)strftime(buf, size, "%Y-%m-%d %H:%M", &tm);
	return buf;
}

/* "2026-12-01", midnight UTC. */
static int parse_date(uint64_t *ret, const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	time_t t;

	if (!end || *end)
		return -EINVAL;
	t = timegm(&tm);
	if (t < 0)
		return -EINVAL;
	*ret = (uint64_t)t;
	return 0;
}

/* Of the running interface, as the agent takes it; else of its wg-quick file. Public key not looked at yet. */
static int read_private_key(struct secret **ret, const char *ifname)
{
	struct wgfile file = {};
	int r;

	r = wgshow_private_key(ret, ifname);
	if (r == 0)
		return 0;
	r = wgfile_open(&file, ifname);
	if (r == -ENOENT)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"Neither a running %s nor %s/%s.conf gives its private key, from which window keys are made: is this the gateway, and are you root?",
			ifname, dirs_wireguard(), ifname);
	if (r)
		return r;
	if (file.conf.n_keys != 1)
		r = say_outcome(OUTCOME_INVALID_ARGUMENT,
			"%s has %s PrivateKey line, and no %s runs that could be asked: bring the interface up first", file.path,
			file.conf.n_keys ? "more than one" : "no", ifname);
	else if (wgconf_key(ret, &file.conf, file.text) < 0)
		r = say_outcome(OUTCOME_INVALID_ARGUMENT, "%s:%u: the PrivateKey is no WireGuard key: mend it first", file.path,
			file.conf.key_line);
	wgfile_close(&file);
	return r;
}

static int private_key(struct secret **ret, const char *ifname)
{
	int r = read_private_key(ret, ifname);

	if (!r && handle_is_secret(*ret))
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s: " HANDLE_AS_KEY, ifname);
	if (!r && secret_is_zero(*ret))
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "%s has no private key", ifname);
	return r;
}

/* What was asked for, or else what /etc/wgfido/IFACE.conf has for its peers; and a word where the two differ. */
static int choose_plan(struct window_plan *ret, const char *ifname, const char *text)
{
	char key[KEY_BASE64_SIZE], ours[WINDOW_PLAN_TEXT_MAX], *error = NULL;
	struct config *config = NULL;
	bool chosen = text != NULL;

	/* That it cannot be read is the agent's to say. */
	(void)config_load(&config, &error, dirs_config(), ifname);
	free(error);
	*ret = WINDOW_PLAN_DEFAULT;
	if (text && window_plan_parse(ret, text) < 0) {
		config_free(config);
		return say_outcome(OUTCOME_INVALID_ARGUMENT, "--window %s is not allowed: %s", text, WINDOW_PLAN_ALLOWED);
	}
	for (size_t i = 0; config && i < config->n_peers; i++) {
		const struct config_peer *peer = &config->peers[i];

		if (!peer->has_window_keys)
			continue;
		if (!chosen)
			*ret = peer->window_keys;
		chosen = true;
		if (peer->window_keys.seconds == ret->seconds && peer->window_keys.offset == ret->offset)
			continue;
		key_to_base64(key, peer->public_key);
		say_warning("the [Peer] %s in %s/%s.conf has WindowKeys = %s: these are not for it", peer->name ? peer->name : key, dirs_config(),
			ifname, window_plan_format(ours, &peer->window_keys));
	}
	config_free(config);
	return 0;
}

static int write_keys(const struct window_keys *k, const char *ifname, const char *path, bool *ret_stdout)
{
	const struct file_attributes attributes = { 0644, (uid_t)-1, (gid_t)-1 };
	char note[160], first[24], last[24], *text;
	size_t len;
	int r;

	(void)snprintf(note, sizeof(note), "Window keys of %s, made by `wgfido gateway --windows`; public. From %s to %s UTC.", ifname,
		date(first, sizeof(first), k->first), date(last, sizeof(last), window_keys_end(k)));
	r = window_keys_format(&text, &len, k, note);
	if (r < 0)
		return say_errno(r, "The window keys cannot be written");
	*ret_stdout = !strcmp(path, "-");
	if (*ret_stdout)
		r = fwrite(text, 1, len, stdout) == len ? 0 : -EIO;
	else
		r = file_write_atomic(AT_FDCWD, path, text, len, &attributes);
	free(text);
	return r < 0 ? say_errno(r, "%s cannot be written", path) : 0;
}

static void tell(const struct window_keys *k, const char *ifname, const char *path)
{
	char first[24], last[24], plan[WINDOW_PLAN_TEXT_MAX];

	window_plan_format(plan, &k->plan);
	printf("%s has %zu window key%s (%s), from %s to %s UTC.\n"
	       "\n"
	       "# At the other end, in the [Peer] of /etc/wgfido/IFACE.conf that is this side. Bring the file there as it is: nothing\n"
	       "# in it is secret. The key there must be one that never leaves its token (`wgfido enroll --resident --touch always`).\n"
	       "WindowKeysFile = /etc/wgfido/IFACE.windows\n"
	       "\n"
	       "# Here, in its [Peer] of %s/%s.conf, and then `systemctl reload wgfido-rotate-gateway`. The tunnel works\n"
	       "# again when both ends have their line; to renew the file later, only the file is to be brought there.\n"
	       "WindowKeys = %s\n",
		path, k->n, k->n == 1 ? "" : "s", plan, date(first, sizeof(first), k->first), date(last, sizeof(last), window_keys_end(k)), dirs_config(), ifname,
		plan);
}

int window_keys_main(const struct verb *verb, const char *ifname, const struct window_options *o)
{
	const struct instant now = clock_now(&clock_system);
	_cleanup_secret_ struct secret *key = NULL;
	uint64_t span, from = now.real_us / US_PER_SEC;
	struct window_keys *k = NULL;
	struct window_plan plan;
	char *path = NULL;
	bool to_stdout = false;
	int r;

	if (!ifname_valid(ifname))
		return verb_usage_error(verb, "\"%s\" is no name of an interface", ifname);
	if (o->from && parse_date(&from, o->from) < 0)
		return verb_usage_error(verb, "--from wants a date such as 2026-12-01");
	r = choose_plan(&plan, ifname, o->window);
	if (r)
		return r;
	if (duration_parse(&span, o->windows) < 0 || span < 3600 || span > (uint64_t)(WINDOW_COUNT_MAX - 1) * plan.seconds)
		return say_outcome(OUTCOME_INVALID_ARGUMENT,
			"--windows %s is not allowed: a time such as 90d, from an hour to at most %d windows", o->windows, WINDOW_COUNT_MAX - 1);
	r = private_key(&key, ifname);
	if (r)
		return r;
	/* From the window at hand on, and to the end of that in which the time is over. */
	span += from - window_at(&plan, from).start;
	r = window_keys_make(&k, key, &plan, from, (size_t)((span + plan.seconds - 1) / plan.seconds));
	if (r < 0)
		return say_errno(r, "The window keys cannot be made");
	path = o->output ? strdup(o->output) : dirs_file(dirs_config(), ifname, FILE_SUFFIX);
	r = path ? write_keys(k, ifname, path, &to_stdout) : say_errno(-ENOMEM, "There is no memory");
	if (!r && !to_stdout)
		tell(k, ifname, path);
	window_keys_free(k);
	free(path);
	return r;
}
