/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/outcome.h"
#include "common/window.h"

#define UNIX_SECONDS_MAX UINT64_C(253402300800) /* year 10000 */

struct window_keys *window_keys_free(struct window_keys *k)
{
	if (!k)
		return NULL;
	free(k->keys);
	free(k);
	return NULL;
}

uint64_t window_keys_end(const struct window_keys *k)
{
	return k->first + k->n * (uint64_t)k->plan.seconds;
}

int window_keys_make(struct window_keys **ret, const struct secret *private_key, const struct window_plan *plan, uint64_t from,
	size_t n)
{
	struct schedule_window w;
	struct window_keys *k;
	int r = 0;

	if (n < 1 || n > WINDOW_COUNT_MAX || from > UNIX_SECONDS_MAX)
		return -ERANGE;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	w = window_at(plan, from);
	k->plan = *plan;
	k->first = w.start;
	k->n = n;
	k->keys = calloc(n, sizeof(*k->keys));
	if (!k->keys)
		r = -ENOMEM;
	schedule_public(k->public_key, private_key);
	for (size_t i = 0; i < n && r == 0; i++) {
		_cleanup_secret_ struct secret *g = NULL;

		r = schedule_window_private(&g, private_key, &w);
		if (r == 0)
			schedule_public(k->keys[i], g);
		w = (struct schedule_window){ .start = w.end, .end = w.end + plan->seconds };
	}
	if (r < 0) {
		window_keys_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

static const char *date(char *buf, size_t size, uint64_t unix_seconds)
{
	const time_t t = (time_t)unix_seconds;
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&t, &tm))
		(void)strftime(buf, size, "%Y-%m-%d %H:%M UTC", &tm);
	return buf;
}

/* *ret_error is NULL for want of memory. */
static int point_from_file(struct window_point *p, char **ret_error, const struct config_peer *peer, uint64_t now)
{
	static const char more[] = "make new ones at the other end with `wgfido gateway IFACE --windows 90d` and bring them here";
	const char *path = peer->window_keys_file;
	struct window_keys *k = NULL;
	char when[40];
	int r = window_keys_load(&k, ret_error, path), n = 0;

	if (r < 0)
		return r == -ENOMEM ? r : OUTCOME_FAILED;
	if (!key_equal(k->public_key, peer->public_key)) {
		n = asprintf(ret_error, "%s: its window keys are not of this peer: its PublicKey is another", path);
		r = OUTCOME_FAILED;
	} else if (now >= window_keys_end(k)) {
		n = asprintf(ret_error, "%s: the last of its window keys ended on %s: %s", path, date(when, sizeof(when), window_keys_end(k)),
			more);
		r = OUTCOME_FAILED;
	} else if (now < k->first) {
		n = asprintf(ret_error, "%s: its window keys begin on %s: is this computer's clock right? If it is, %s", path,
			date(when, sizeof(when), k->first), more);
		r = OUTCOME_FAILED;
	} else {
		const uint64_t i = (now - k->first) / k->plan.seconds;

		p->windowed = true;
		memcpy(p->point, k->keys[i], KEY_SIZE);
		p->window.start = k->first + i * k->plan.seconds;
		p->window.end = p->window.start + k->plan.seconds;
	}
	window_keys_free(k);
	if (n < 0) {
		*ret_error = NULL;
		return -ENOMEM;
	}
	return r;
}

int window_points(struct window_point **ret, char **ret_error, const struct config *config, const uint8_t *peer,
	uint64_t unix_seconds)
{
	struct window_point *points = calloc(config->n_peers + 1, sizeof(*points));
	int r = 0;

	*ret_error = NULL;
	if (!points)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_peers && r == 0; i++) {
		const struct config_peer *c = &config->peers[i];

		if (peer && !key_equal(peer, c->public_key))
			continue;
		points[i].wanted = true;
		memcpy(points[i].point, c->public_key, KEY_SIZE);
		if (c->window_keys_file)
			r = point_from_file(&points[i], ret_error, c, unix_seconds);
	}
	if (r) {
		free(points);
		return r;
	}
	*ret = points;
	return 0;
}

uint64_t window_points_end(const struct window_point *points, size_t n)
{
	uint64_t end = UINT64_MAX;

	for (size_t i = 0; i < n; i++)
		if (points[i].wanted && points[i].windowed && points[i].window.end < end)
			end = points[i].window.end;
	return end;
}
