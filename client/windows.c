/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirs.h"
#include "client/text.h"
#include "common/window.h"

/* window_points says what is wrong, but not how long a file still lasts. */
static uint64_t keys_end(const struct config *config)
{
	uint64_t end = UINT64_MAX;

	for (size_t i = 0; i < config->n_peers; i++) {
		struct window_keys *k = NULL;
		char *error = NULL;

		if (!config->peers[i].window_keys_file || window_keys_load(&k, &error, config->peers[i].window_keys_file) < 0) {
			free(error);
			continue;
		}
		if (window_keys_end(k) < end)
			end = window_keys_end(k);
		window_keys_free(k);
	}
	return end == UINT64_MAX ? 0 : end;
}

bool windows_of(struct windows *ret, const char *ifname, uint64_t now_unix_seconds)
{
	struct window_point *points = NULL;
	struct config *config = NULL;
	char *error = NULL;
	bool any = false;

	*ret = (struct windows){};
	if (config_load(&config, &error, dirs_config(), ifname) < 0) {
		free(error);
		return false;
	}
	for (size_t i = 0; i < config->n_peers; i++)
		any |= config->peers[i].window_keys_file != NULL;
	if (any && window_points(&points, &ret->error, config, NULL, now_unix_seconds) == 0)
		ret->window_end = window_points_end(points, config->n_peers);
	if (ret->error)
		text_make_printable(ret->error);
	if (any)
		ret->keys_end = keys_end(config);
	free(points);
	config_free(config);
	return any;
}

void windows_clear(struct windows *w)
{
	free(w->error);
	*w = (struct windows){};
}

bool windows_problem(char *buf, size_t size, const struct windows *w, uint64_t now_unix_seconds)
{
	char span[64];

	if (w->error) {
		snprintf(buf, size, "%s", w->error);
		return true;
	}
	if (!w->keys_end || w->keys_end > now_unix_seconds + WINDOW_WARN_SECONDS)
		return false;
	snprintf(buf, size, "Its window keys end in %s: bring new ones of `wgfido gateway IFACE --windows 90d` from the other end",
		text_span(span, sizeof(span), w->keys_end > now_unix_seconds ? w->keys_end - now_unix_seconds : 0));
	return true;
}
