/* SPDX-License-Identifier: GPL-2.0-or-later */
/* monitor: each change of a state as a line. What is shown is compared, so nothing is told twice. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/dirs.h"
#include "client/say.h"
#include "client/status.h"
#include "client/text.h"
#include "client/verb.h"
#include "client/watch.h"

/* One thing that has a state. */
struct fact {
	char *subject; /* "office (wg0)" */
	char *state;   /* what makes it another state when it differs */
	char *words;   /* how that is told */
	bool seen;
};

struct facts {
	size_t n;
	struct fact *facts;
	bool failed;
};

struct monitor {
	struct proxy *proxy;
	struct facts facts;
};

static void facts_clear(struct facts *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->facts[i].subject);
		free(f->facts[i].state);
		free(f->facts[i].words);
	}
	free(f->facts);
	*f = (struct facts){};
}

static struct fact *facts_find(const struct facts *f, const char *subject)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->facts[i].subject, subject))
			return &f->facts[i];
	return NULL;
}

static void facts_add(struct facts *f, const char *subject, const char *state, const char *words)
{
	struct fact *more = reallocarray(f->facts, f->n + 1, sizeof(*more));

	if (more)
		f->facts = more;
	if (!more) {
		f->failed = true;
		return;
	}
	more[f->n] = (struct fact){strdup(subject), strdup(state), strdup(words), false};
	f->failed |= !more[f->n].subject || !more[f->n].state || !more[f->n].words;
	f->n++;
}

static void add_tunnel(struct facts *f, const struct status *s, struct proxy_tunnel *t)
{
	char subject[256], name[128], peer_name[64], state[512], *words = NULL;
	size_t len;
	FILE *memory = open_memstream(&words, &len);

	if (!memory) {
		f->failed = true;
		return;
	}
	status_print_state(s, memory, t);
	if (fclose(memory)) {
		f->failed = true;
		return;
	}
	text_tunnel(name, sizeof(name), t);
	snprintf(state, sizeof(state), "%s %llu %s %s %s", t->state, (unsigned long long)t->approved_until, t->end_reason,
		t->prompt_token, t->prompt_requester);
	facts_add(f, name, state, words);
	free(words);
	if (strcmp(t->approval_scope, "peer"))
		return;
	for (struct proxy_peer *peer = NULL; (peer = proxy_next_peer(s->proxy, t, peer));) {
		snprintf(subject, sizeof(subject), "%s to %s", name, text_peer(peer_name, sizeof(peer_name), peer));
		facts_add(f, subject, peer->state, peer->state);
	}
}

static void add_agent(struct facts *f, const struct agent_status *a)
{
	char subject[256], words[256];

	snprintf(subject, sizeof(subject), "%s in WireGuard", a->interface);
	snprintf(words, sizeof(words), "%s%s%s%s", a->state, *a->reason ? " (" : "", a->reason, *a->reason ? ")" : "");
	facts_add(f, subject, words, words);
	for (size_t i = 0; i < a->n_peers; i++) {
		const struct agent_peer *peer = &a->peers[i];

		snprintf(subject, sizeof(subject), "%s in WireGuard, peer %.64s", a->interface,
			*peer->name ? peer->name : peer->public_key);
		facts_add(f, subject, peer->state, peer->state);
	}
}

static int facts_read(struct facts *ret, struct proxy *p)
{
	struct facts f = {};
	struct status s;
	char subject[256];
	int r = status_read(&s, p, dirs_agent_run());

	if (r < 0)
		return r;
	facts_add(&f, "broker", p->running ? "runs" : "does not run", p->running ? "runs" : "does not run");
	for (size_t i = 0; i < p->n_tokens; i++) {
		snprintf(subject, sizeof(subject), "%s (%s)", p->tokens[i].name, p->tokens[i].id);
		facts_add(&f, subject, "plugged in", "plugged in");
	}
	for (size_t i = 0; i < p->n_tunnels; i++)
		add_tunnel(&f, &s, &p->tunnels[i]);
	for (struct agent_status **a = s.agents; *a; a++)
		add_agent(&f, *a);
	status_clear(&s);
	if (f.failed) {
		facts_clear(&f);
		return -ENOMEM;
	}
	*ret = f;
	return 0;
}

static void line_print(const char *subject, const char *words)
{
	time_t now = time(NULL);
	char text[32] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(text, sizeof(text), "%F %T", &tm);
	printf("%s  %s: %s\n", text, subject, words);
}

static int update(void *userdata)
{
	struct monitor *m = userdata;
	struct facts now;
	int r = facts_read(&now, m->proxy);

	if (r < 0)
		return r;
	for (size_t i = 0; i < now.n; i++) {
		struct fact *before = facts_find(&m->facts, now.facts[i].subject);

		if (before)
			before->seen = true;
		if (!before || strcmp(before->state, now.facts[i].state))
			line_print(now.facts[i].subject, now.facts[i].words);
	}
	for (size_t i = 0; i < m->facts.n; i++)
		if (!m->facts.facts[i].seen)
			line_print(m->facts.facts[i].subject, "gone");
	fflush(stdout);
	facts_clear(&m->facts);
	m->facts = now;
	return ferror(stdout) ? -EPIPE : 0;
}

static int monitor_main(const struct verb *verb, int argc, char **argv)
{
	_cleanup_proxy_ struct proxy *p = NULL;
	struct monitor m = {};
	int r;

	r = verb_options_help_only(verb, argc, argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return verb_usage_error(verb, "monitor takes no argument");
	r = proxy_open_quiet(&p);
	if (r < 0)
		return say_errno(r, "There is no memory");
	m.proxy = p;
	r = watch_run(p, false, update, &m);
	facts_clear(&m.facts);
	return r < 0 ? say_errno(r, "The changes cannot be shown") : 0;
}

const struct verb verb_monitor = {
	"monitor",
	monitor_main,
	"",
	"Print a line at each change of a tunnel or security key",
	"Begins with how things are, and goes on until Ctrl-C.\n",
};
