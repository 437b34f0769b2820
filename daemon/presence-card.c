/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Smart cards. PC/SC blocks and parses what readers say, so that it has no place here: a process of its own (wgfido-token --cards)
 * tells of cards that come and go, and for each card that came a worker is asked what it is. Only one that can do X25519 becomes
 * a token; what a card sends is read by that worker alone, so that no card hides the removal of another.
 *
 * A card goes through these states:
 *
 *   CARD_PROBED    its worker was asked; a failure is tried again a few times
 *   CARD_BUSY      another program has it for itself alone (scdaemon does): asked again when that lets go
 *   CARD_TOKEN     a token: on the list of presence.c
 *   CARD_IGNORED   not for us
 *
 * When the monitor ends, pcscd has gone, and every card with it. The monitor is started again, later each time that it ended at once; it waits
 * for pcscd without a timer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/wire-card.h"
#include "daemon/presence-internal.h"
#include "daemon/worker-spawn.h"
#include "daemon/worker.h"

#define CARDS_MAX 16
#define PROBE_TIMEOUT_MS 5000u
#define PROBE_TRIES 3
#define PROBE_AGAIN_US US_PER_SEC
#define RESTART_MIN_US US_PER_SEC
#define RESTART_MAX_US (60 * US_PER_SEC)
#define LIVED_US (30 * US_PER_SEC) /* so long, and the next start waits no longer than the first */

enum card_state { CARD_PROBED, CARD_BUSY, CARD_TOKEN, CARD_IGNORED };

struct known_card {
	TAILQ_ENTRY(known_card) link;
	struct presence_card *all;
	enum card_state state;
	struct token_node node;
	struct worker *worker; /* CARD_PROBED */
	sd_event_source *again;
	unsigned int tries;
};

struct presence_card {
	struct presence *presence;
	char *exe, *pcscd;
	struct worker_process monitor; /* pid -1: none */
	sd_event_source *source, *restart;
	uint64_t started_us, wait_us;
	TAILQ_HEAD(, known_card) cards;
	unsigned int n_cards;
};

static void probe(struct known_card *k);

static struct presence_entry *find_entry(struct presence *p, const char *reader)
{
	struct presence_entry *e;

	for (e = presence_first(p); e; e = e->next)
		if (e->node.kind == TOKEN_CARD && strcmp(e->node.path, reader) == 0)
			return e;
	return NULL;
}

static struct known_card *find(struct presence_card *c, const char *reader)
{
	struct known_card *k;

	TAILQ_FOREACH(k, &c->cards, link)
		if (strcmp(k->node.path, reader) == 0)
			return k;
	return NULL;
}

static void forget(struct known_card *k)
{
	struct presence_entry *e = k->state == CARD_TOKEN ? find_entry(k->all->presence, k->node.path) : NULL;
	struct presence *p = k->all->presence;

	TAILQ_REMOVE(&k->all->cards, k, link);
	k->all->n_cards--;
	worker_free(k->worker);
	sd_event_source_disable_unref(k->again);
	free(k);
	if (e)
		presence_remove(p, e);
}

static void become_token(struct known_card *k)
{
	struct presence_entry *e = presence_entry_new(k->all->presence, TOKEN_CARD);

	k->state = CARD_IGNORED;
	if (!e)
		return;
	e->node = k->node;
	k->state = CARD_TOKEN;
	presence_add(k->all->presence, e);
}

static int on_again(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct known_card *k = userdata;

	(void)s;
	(void)usec;
	k->again = sd_event_source_disable_unref(k->again);
	probe(k);
	return 0;
}

static void try_later(struct known_card *k)
{
	if (++k->tries >= PROBE_TRIES ||
		sd_event_add_time_relative(presence_event(k->all->presence), &k->again, CLOCK_MONOTONIC, PROBE_AGAIN_US, 0, on_again, k) < 0)
		k->state = CARD_IGNORED;
}

static void on_result(void *userdata, struct worker *w, struct wire_result *result)
{
	struct known_card *k = userdata;

	(void)w;
	k->worker = worker_free(k->worker);
	if (result->outcome == OUTCOME_OK)
		become_token(k);
	else if (result->outcome == OUTCOME_TOKEN_BUSY)
		k->state = CARD_BUSY;
	else if (result->outcome == OUTCOME_UNSUPPORTED)
		k->state = CARD_IGNORED;
	else
		try_later(k);
}

static void on_status(void *userdata, struct worker *w, const struct wire_status_message *status)
{
	(void)userdata;
	(void)w;
	(void)status;
}

static void on_gone(void *userdata, struct worker *w)
{
	struct known_card *k = userdata;

	(void)w;
	k->worker = worker_free(k->worker);
}

static void probe(struct known_card *k)
{
	static const struct worker_callbacks callbacks = {on_status, on_result, on_gone};
	struct wire_request request = {.type = WIRE_INFO, .timeout_ms = PROBE_TIMEOUT_MS};
	int r;

	k->state = CARD_PROBED;
	r = worker_new(&k->worker, presence_event(k->all->presence), k->all->exe, &k->node, &callbacks, k);
	if (r == 0)
		r = worker_submit(k->worker, &request);
	if (r < 0) {
		k->worker = worker_free(k->worker);
		try_later(k);
	}
}

/* "card-" and the reader's name, as far as it is letters and digits. */
static void name_card(struct token_node *node, const char *reader)
{
	size_t n;

	presence_copy_printable(node->name, sizeof(node->name), reader);
	snprintf(node->path, sizeof(node->path), "%s", reader);
	snprintf(node->id, sizeof(node->id), "card-%.50s", node->name);
	for (n = 0; node->id[n]; n++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.", node->id[n]))
			node->id[n] = '-';
}

static void on_added(struct presence_card *c, const char *reader)
{
	struct known_card *k = find(c, reader);

	if (k)
		forget(k); /* a removal that was lost */
	if (c->n_cards >= CARDS_MAX)
		return;
	k = calloc(1, sizeof(*k));
	if (!k)
		return;
	k->all = c;
	k->node.kind = TOKEN_CARD;
	snprintf(k->node.pcscd, sizeof(k->node.pcscd), "%s", c->pcscd ? c->pcscd : "");
	name_card(&k->node, reader);
	TAILQ_INSERT_TAIL(&c->cards, k, link);
	c->n_cards++;
	probe(k);
}

static void on_message(struct presence_card *c, const struct wire_card_message *m)
{
	struct known_card *k = find(c, m->reader);

	switch (m->event) {
	case WIRE_CARD_CONNECTED:
		presence_tell_cards(c->presence, PRESENCE_CARDS_WATCHED);
		break;
	case WIRE_CARD_DENIED:
		presence_tell_cards(c->presence, PRESENCE_CARDS_DENIED);
		break;
	case WIRE_CARD_ADDED:
		on_added(c, m->reader);
		break;
	case WIRE_CARD_REMOVED:
		if (k)
			forget(k);
		break;
	case WIRE_CARD_FREED:
		if (k && k->state == CARD_BUSY) {
			k->tries = 0;
			probe(k);
		}
		break;
	}
}

static int start(struct presence_card *c);

static int on_restart(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct presence_card *c = userdata;

	(void)s;
	(void)usec;
	c->restart = sd_event_source_disable_unref(c->restart);
	(void)start(c);
	return 0;
}

static void start_later(struct presence_card *c)
{
	if (clock_now(&clock_system).boot_us - c->started_us >= LIVED_US)
		c->wait_us = RESTART_MIN_US;
	/* If there is no memory for it, cards stay unseen. */
	(void)sd_event_add_time_relative(presence_event(c->presence), &c->restart, CLOCK_MONOTONIC, c->wait_us, 0, on_restart, c);
	c->wait_us = c->wait_us * 2 < RESTART_MAX_US ? c->wait_us * 2 : RESTART_MAX_US;
}

static void stop(struct presence_card *c)
{
	struct known_card *k;

	c->source = sd_event_source_disable_unref(c->source);
	if (c->monitor.pid > 0) {
		worker_process_kill(&c->monitor);
		worker_process_bury(&c->monitor, presence_event(c->presence), 0);
	}
	c->monitor = (struct worker_process){.pid = -1, .pidfd = -1, .socket = -1};
	while ((k = TAILQ_FIRST(&c->cards)))
		forget(k);
}

static int on_monitor(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct presence_card *c = userdata;
	uint8_t bytes[WIRE_CARD_MESSAGE_MAX + 1];
	struct wire_card_message message;
	ssize_t n;

	(void)s;
	(void)events;
	n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && (size_t)n < sizeof(bytes) && wire_card_decode(&message, bytes, (size_t)n) == 0) {
		on_message(c, &message);
		return 0;
	}
	/* Its end, or nonsense: nobody knows any more what is plugged in. */
	stop(c);
	start_later(c);
	return 0;
}

static int start(struct presence_card *c)
{
	char *argv[] = {c->exe, (char *)"--fd", (char *)"3", (char *)"--cards", c->pcscd ? (char *)"--pcscd" : NULL, c->pcscd, NULL};
	int r;

	c->started_us = clock_now(&clock_system).boot_us;
	r = worker_spawn(&c->monitor, argv);
	if (r < 0) {
		c->monitor = (struct worker_process){.pid = -1, .pidfd = -1, .socket = -1};
		return r;
	}
	r = sd_event_add_io(presence_event(c->presence), &c->source, c->monitor.socket, EPOLLIN, on_monitor, c);
	/* As with every other token: pulling it comes before whatever else waits. */
	if (r >= 0)
		r = sd_event_source_set_priority(c->source, SD_EVENT_PRIORITY_IMPORTANT);
	if (r < 0)
		stop(c);
	return r;
}

int presence_card_new(struct presence_card **ret, struct presence *p, const char *worker_exe, const char *pcscd)
{
	struct presence_card *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return -ENOMEM;
	TAILQ_INIT(&c->cards);
	c->presence = p;
	c->monitor = (struct worker_process){.pid = -1, .pidfd = -1, .socket = -1};
	c->wait_us = RESTART_MIN_US;
	c->exe = strdup(worker_exe);
	c->pcscd = pcscd ? strdup(pcscd) : NULL;
	if (c->exe && (c->pcscd || !pcscd))
		r = start(c);
	if (r < 0) {
		presence_card_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct presence_card *presence_card_free(struct presence_card *c)
{
	if (!c)
		return NULL;
	/* The list's entries are presence.c's to free, and nobody is to be told. */
	for (struct known_card *k = TAILQ_FIRST(&c->cards); k; k = TAILQ_NEXT(k, link))
		k->state = CARD_IGNORED;
	stop(c);
	sd_event_source_disable_unref(c->restart);
	free(c->exe);
	free(c->pcscd);
	free(c);
	return NULL;
}
