/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/status.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "client/windows.h"
#include "common/encoding.h"

static int agent_compare(const void *a, const void *b)
{
	const struct agent_status *const *x = a, *const *y = b;

	return strcmp((*x)->interface, (*y)->interface);
}

int status_read(struct status *ret, struct proxy *p, const char *run_dir)
{
	struct status s = {.proxy = p, .now = clock_now(&clock_system), .agents = calloc(1, sizeof(*s.agents))};
	DIR *dir = opendir(run_dir);
	size_t n = 0;
	int r = s.agents ? 0 : -ENOMEM;

	for (struct dirent *d; r >= 0 && dir && (d = readdir(dir));) {
		struct agent_status **more, *a;
		char name[64];
		size_t len = strlen(d->d_name);

		if (len <= 5 || len >= sizeof(name) || strcmp(d->d_name + len - 5, ".json"))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len - 5), d->d_name);
		/* What cannot be read is not told: its absence is what status warns of. */
		if (!ifname_valid(name) || agent_status_load(&a, run_dir, name) < 0)
			continue;
		more = reallocarray(s.agents, n + 2, sizeof(*more));
		if (!more) {
			agent_status_free(a);
			r = -ENOMEM;
			break;
		}
		s.agents = more;
		s.agents[n++] = a;
		s.agents[n] = NULL;
	}
	if (dir)
		closedir(dir);
	if (r < 0) {
		status_clear(&s);
		return r;
	}
	if (n)
		qsort(s.agents, n, sizeof(*s.agents), agent_compare);
	*ret = s;
	return 0;
}

void status_clear(struct status *s)
{
	for (struct agent_status **a = s->agents; a && *a; a++)
		agent_status_free(*a);
	free(s->agents);
	*s = (struct status){};
}

const struct agent_status *status_find_agent(const struct status *s, const char *ifname)
{
	for (struct agent_status **a = s->agents; *a; a++)
		if (!strcmp((*a)->interface, ifname))
			return *a;
	return NULL;
}

bool status_is_foreign(const struct status *s, const struct agent_status *a)
{
	return !proxy_find_tunnel(s->proxy, a->interface);
}

static bool approved(const struct status *s, const struct proxy_tunnel *t)
{
	if (!strcmp(t->state, "approved"))
		return true;
	for (struct proxy_peer *peer = NULL; (peer = proxy_next_peer(s->proxy, t, peer));)
		if (!strcmp(peer->state, "approved"))
			return true;
	return false;
}

static void warn_agent(const struct status *s, const struct agent_status *a, void (*warn)(void *userdata, const char *text),
	void *userdata)
{
	char text[512];

	if (agent_status_is_stale(a, s->now)) {
		snprintf(text, sizeof(text),
			"wgfido-rotate stopped telling about %s, this may be old: restart it, as wgfido-rotate(8) shows",
			a->interface);
		warn(userdata, text);
	}
	if (*a->problem)
		warn(userdata, a->problem);
	for (size_t i = 0; i < a->n_peers; i++) {
		const struct agent_peer *peer = &a->peers[i];
		const char *name = *peer->name ? peer->name : peer->public_key;

		if (peer->drift_repaired) {
			snprintf(text, sizeof(text),
				"Another program changed the preshared key of %s %llu times, each was repaired: "
				"`wgfido doctor` looks for the cause",
				name, (unsigned long long)peer->drift_repaired);
			warn(userdata, text);
		}
	}
}

void status_warn_windows(const struct status *s, const struct proxy_tunnel *t, void (*warn)(void *userdata, const char *text),
	void *userdata)
{
	struct windows w = {};
	char text[512];

	if (!strcmp(t->mode, "psk") && windows_of(&w, t->interface, s->now.real_us / US_PER_SEC) && windows_problem(text, sizeof(text), &w, s->now.real_us / US_PER_SEC))
		warn(userdata, text);
	windows_clear(&w);
}

void status_warn(const struct status *s, const struct proxy_tunnel *t, const struct agent_status *a,
	void (*warn)(void *userdata, const char *text), void *userdata)
{
	char text[512];

	if (t && *t->problem)
		warn(userdata, t->problem);
	if (t && !a && strcmp(t->state, "unenrolled") && strcmp(t->state, "misconfigured")) {
		snprintf(text, sizeof(text),
			"wgfido-rotate does not guard %s, so nothing opens or closes it: start it, as wgfido-rotate(8) shows",
			t->interface);
		warn(userdata, text);
	}
	if (t && a && !approved(s, t) && !strcmp(a->state, "open")) {
		snprintf(text, sizeof(text), "%s is open although it is not approved: restart wgfido-rotate, as wgfido-rotate(8) shows",
			t->interface);
		warn(userdata, text);
	}
	if (a)
		warn_agent(s, a, warn, userdata);
}
