/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus/bus.h"
#include "common/handle.h"
#include "common/log.h"
#include "tunnel/static-key-broker.h"
#include "tunnel/successor.h"

#define TICK_US US_PER_SEC
#define ACCURACY_US 500 /* of closing */
/* From another key to the handshake that confirms it: the agent has seen the key by then, and takes no earlier handshake for it. */
#define CONFIRM_TICKS 2

struct tunnel_bus {
	sd_event *event;
	const char *ifname;
	struct control *control;
	struct grant grant;
	struct bus *bus;
	struct successor *successor;
	bool wants_objects, told, open;
	bool ready, committing; /* the next key is to be, and is, the interface's; the broker does not say so yet */
	unsigned int confirm; /* ticks until the interface's new key is confirmed; 0: it needs none */
	char *why; /* it is not, as it was told last */
	sd_event_source *tick, *expiry, *post;
};

static uint64_t now_us(const struct tunnel_bus *b)
{
	return clock_now(b->control->clock).boot_us;
}

/* The interface's key, if it is a token's. */
static struct static_key *resident_key(const struct tunnel_bus *b)
{
	return b->control->key && b->control->key->resident ? b->control->key : NULL;
}

static int ask_dh(void *userdata, uint64_t id, const struct static_request *request, const uint8_t public_key[static KEY_SIZE])
{
	struct tunnel_bus *b = userdata;
	const struct grant *g = &b->grant;
	struct bus_dh dh = {
		.point = request->point,
		.peer = request->peer,
		.message = request->message,
		.message_len = request->message_len,
		.next = g->next.known && key_equal(public_key, g->next.public_key),
	};

	if (!dh.next && !(g->present.known && key_equal(public_key, g->present.public_key)))
		return -EACCES;
	switch (request->role) {
	case STATIC_PEER:
		dh.role = BUS_DH_STATIC;
		break;
	case STATIC_INITIATOR:
		dh.role = BUS_DH_INITIATOR;
		break;
	case STATIC_RESPONDER:
		dh.role = BUS_DH_RESPONDER;
		break;
	}
	return b->bus ? bus_ask_dh(b->bus, b->ifname, id, &dh) : -ENOTCONN;
}

static struct static_key *new_key(struct tunnel_bus *b, bool next)
{
	const struct static_key_broker_options options = {
		.grant = &b->grant,
		.clock = b->control->clock,
		.next = next,
		.ask = ask_dh,
		.userdata = b,
	};
	struct static_key *k = static_key_broker_new(&options);

	if (k && !next && b->grant.wants_handle)
		memcpy(k->shown, b->grant.wanted_handle, KEY_SIZE);
	return k;
}

/* The next key of this tunnel has taken its place here, and the broker is to follow. */
static bool is_ahead(const struct tunnel_bus *b, const struct static_key *k)
{
	return b->committing && b->grant.next.known && key_equal(k->public_key, b->grant.next.public_key);
}

/* The next key becomes the interface's. Sessions go on, and a handshake with each shows soon whether the other end has it. */
static bool adopt_next(struct tunnel_bus *b)
{
	if (!b->successor || successor_adopt(b->successor, clock_now(b->control->clock)) < 0)
		return false;
	b->successor = successor_free(b->successor);
	b->confirm = CONFIRM_TICKS;
	return true;
}

/* Whatever key the interface has: the token's is the one that counts, and none other is left beside it. */
static void settle_key(struct tunnel_bus *b)
{
	struct static_key *k = resident_key(b);

	if (!b->grant.resident || !b->grant.present.known || (k && key_equal(k->public_key, b->grant.present.public_key)) || (k && is_ahead(b, k)))
		return;
	b->committing = false;
	/* Somebody committed it, and did not wait for the other ends. */
	if (k && b->successor && key_equal(successor_key(b->successor)->public_key, b->grant.present.public_key) && adopt_next(b)) {
		log_info("%s: the next key was put in the present one's place", b->ifname);
		control_renew(b->control, clock_now(b->control->clock));
		return;
	}
	b->successor = successor_free(b->successor);
	if (b->control->key && !k)
		log_warning("%s: its key is in a security key: the private key that was set is thrown away", b->ifname);
	k = new_key(b, false);
	if (!k || control_set_key(b->control, k, clock_now(b->control->clock)) < 0)
		log_error("%s: out of memory for its key", b->ifname);
}

/* Every peer that can be heard of knows the next key. */
static void on_ready(void *userdata)
{
	struct tunnel_bus *b = userdata;

	b->ready = true;
}

static void commit(struct tunnel_bus *b)
{
	b->ready = false;
	if (!adopt_next(b))
		return;
	log_info("%s: the other end has the next key: it takes the present one's place", b->ifname);
	b->committing = true;
	if (bus_ask_commit(b->bus, b->ifname) < 0)
		b->committing = false;
}

/* The next key is tried beside the present one as long as there is one, and that is the interface's. */
static void settle_successor(struct tunnel_bus *b)
{
	const struct grant *g = &b->grant;
	const struct static_key *k = resident_key(b);
	const bool wanted = g->resident && g->next.known && k && key_equal(k->public_key, g->present.public_key);
	struct static_key *next;

	if (b->successor && (!wanted || !key_equal(successor_key(b->successor)->public_key, g->next.public_key)))
		b->successor = successor_free(b->successor);
	if (b->successor || !wanted)
		return;
	next = new_key(b, true);
	if (next)
		b->successor = successor_new(b->control, next, on_ready, b);
	if (b->successor)
		log_info("%s: there is a next key, which is tried from time to time", b->ifname);
}

static void tell(struct tunnel_bus *b)
{
	const char *why = NULL;
	const bool open = grant_is_open(&b->grant, now_us(b), &why);

	/* An interface that is none of the broker's is not spoken of. */
	if (!resident_key(b) || (b->told && open == b->open && (open || strcmp(why, b->why) == 0)))
		return;
	if (open)
		log_info("%s: open", b->ifname);
	else
		log_info("%s: closed: %s", b->ifname, why);
	b->told = true;
	b->open = open;
	free(b->why);
	b->why = strdup(why ? why : "");
	b->told = b->why != NULL;
}

/* What is not allowed any more is closed when this returns. */
static void close_now(struct tunnel_bus *b)
{
	if (resident_key(b))
		static_key_broker_changed(resident_key(b));
}

/* Something of the grant has changed, or its time is over. */
static void settle(struct tunnel_bus *b)
{
	const uint64_t next = grant_next(&b->grant, now_us(b));

	settle_key(b);
	settle_successor(b);
	close_now(b);
	tell(b);
	if (next != US_NEVER)
		(void)sd_event_source_set_time(b->expiry, next);
	(void)sd_event_source_set_enabled(b->expiry, next != US_NEVER ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_expiry(sd_event_source *s, uint64_t usec, void *userdata)
{
	(void)s;
	(void)usec;
	settle(userdata);
	return 0;
}

static void lease(struct tunnel_bus *b)
{
	const bool held = b->grant.lease.held;

	if (b->grant.here && lease_ask(&b->grant.lease, now_us(b)) && bus_ask_lease(b->bus) < 0)
		lease_missed(&b->grant.lease);
	if (held && !b->grant.lease.held) {
		grant_forget(&b->grant);
		settle(b);
	}
}

static void ask_objects(struct tunnel_bus *b)
{
	if (b->wants_objects && b->grant.here && b->grant.lease.held)
		b->wants_objects = bus_ask_objects(b->bus) < 0;
}

static void on_broker(void *userdata, bool here)
{
	struct tunnel_bus *b = userdata;

	grant_broker(&b->grant, here);
	b->wants_objects = here;
	settle(b);
	if (here)
		lease(b);
}

static void on_lease(void *userdata, bool answered)
{
	struct tunnel_bus *b = userdata;
	const bool held = b->grant.lease.held;

	if (answered)
		lease_answered(&b->grant.lease);
	else
		lease_missed(&b->grant.lease);
	if (held == b->grant.lease.held)
		return;
	/* What it allowed before it fell silent it has to say again. */
	if (held)
		grant_forget(&b->grant);
	else
		b->wants_objects = true;
	settle(b);
	ask_objects(b);
}

static struct grant_key key_of(const uint8_t *public_key, const uint8_t *handle)
{
	struct grant_key k = { .known = public_key != NULL };

	if (public_key)
		memcpy(k.public_key, public_key, KEY_SIZE);
	if (public_key && handle)
		memcpy(k.handle, handle, KEY_SIZE);
	return k;
}

/* The key that was to be the next took its place: a handle of the one before has done its duty. */
static void follow_handle(struct grant *g, const struct grant_key *before)
{
	if (!g->wants_handle || !before->known || !g->present.known || key_equal(before->public_key, g->present.public_key) ||
		!handle_matches(g->wanted_handle, before->public_key))
		return;
	g->wants_handle = handle_matches(g->present.handle, g->present.public_key);
	memcpy(g->wanted_handle, g->present.handle, KEY_SIZE);
}

/* Closed now; what else has changed, the whole of it will say. */
static void on_not_approved(void *userdata, const char *ifname, const char *end_reason)
{
	struct tunnel_bus *b = userdata;
	struct grant *g = &b->grant;

	if (strcmp(ifname, b->ifname) != 0)
		return;
	if (g->until_us)
		(void)snprintf(g->why, sizeof(g->why), "the approval %s%s", *end_reason ? "ended: " : "is over", end_reason);
	g->until_us = 0;
	close_now(b);
}

static void on_tunnel(void *userdata, const char *ifname, const struct bus_tunnel *t)
{
	struct tunnel_bus *b = userdata;
	struct grant *g = &b->grant;
	const struct grant_key before = g->present;

	if (strcmp(ifname, b->ifname) != 0)
		return;
	if (!t) {
		on_not_approved(b, ifname, "");
		return;
	}
	g->known = true;
	g->resident = strcmp(t->mode, "identity") == 0 && strcmp(t->held, "resident") == 0;
	g->present = key_of(t->public_key, t->handle);
	g->next = key_of(t->next_public_key, t->next_handle);
	if (b->committing && resident_key(b) && g->present.known && key_equal(resident_key(b)->public_key, g->present.public_key))
		b->committing = false;
	g->until_us = t->approved_until_us;
	if (*t->end_reason)
		(void)snprintf(g->why, sizeof(g->why), "the approval ended: %s", t->end_reason);
	else
		(void)snprintf(g->why, sizeof(g->why), "not approved%s%s", *t->state ? ": " : "", t->state);
	follow_handle(g, &before);
	settle(b);
}

static void on_peer(void *userdata, const char *ifname, const uint8_t public_key[static KEY_SIZE], uint64_t until_us)
{
	struct tunnel_bus *b = userdata;

	if (strcmp(ifname, b->ifname) != 0)
		return;
	if (grant_peer(&b->grant, public_key, until_us) < 0)
		log_error("%s: out of memory for a peer's approval", b->ifname);
	settle(b);
}

static void on_objects_failed(void *userdata)
{
	struct tunnel_bus *b = userdata;

	b->wants_objects = true;
}

static void on_changed(void *userdata)
{
	struct tunnel_bus *b = userdata;

	/* A tunnel object came or went. Ours is told of by its own signals. */
	b->wants_objects = true;
	ask_objects(b);
}

/* Strangers can bring these about as often as they like: by messages with points of low order, and by many of them. */
static bool is_everyday(enum outcome why)
{
	return why == OUTCOME_NOT_APPROVED || why == OUTCOME_INVALID_ARGUMENT || why == OUTCOME_LIMIT_EXCEEDED;
}

static void on_dh(void *userdata, uint64_t id, struct secret *shared, enum outcome why, const char *error)
{
	struct tunnel_bus *b = userdata;

	if (!shared)
		log_msg(is_everyday(why) ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "%s: the security key gave no answer: %s", b->ifname,
			error);
	if (b->successor && static_key_broker_asked(successor_key(b->successor), id))
		static_key_broker_answer(successor_key(b->successor), id, shared, why);
	else if (resident_key(b))
		static_key_broker_answer(resident_key(b), id, shared, why);
	else
		secret_free(shared);
}

static void on_committed(void *userdata, const char *ifname, const char *error)
{
	struct tunnel_bus *b = userdata;

	if (!error)
		return;
	/* Back to the one that the broker has: closed until the other end has that again, or somebody commits. */
	log_error("%s: the broker does not take the next key: %s", ifname, error);
	b->committing = false;
	settle(b);
}

static const struct bus_handlers handlers = {
	.broker = on_broker,
	.tunnel = on_tunnel,
	.not_approved = on_not_approved,
	.peer = on_peer,
	.objects_failed = on_objects_failed,
	.changed = on_changed,
	.lease = on_lease,
	.dh = on_dh,
	.committed = on_committed,
};

static void connect_bus(struct tunnel_bus *b)
{
	int r;

	if (b->bus && !bus_is_alive(b->bus)) {
		b->bus = bus_free(b->bus);
		grant_broker(&b->grant, false);
		settle(b);
	}
	if (b->bus)
		return;
	r = bus_new(&b->bus, b->event, &handlers, b);
	if (r < 0)
		log_debug("the message bus cannot be reached: %s", strerror(-r));
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct tunnel_bus *b = userdata;

	connect_bus(b);
	if (b->bus) {
		lease(b);
		ask_objects(b);
	}
	if (b->successor)
		successor_tick(b->successor, clock_now(b->control->clock));
	if (b->confirm && --b->confirm == 0)
		control_renew(b->control, clock_now(b->control->clock));
	(void)sd_event_source_set_time(s, usec + TICK_US > now_us(b) ? usec + TICK_US : now_us(b) + TICK_US);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

/* After whatever happened: the configuration socket may have set a private key, or taken it away. */
static int on_post(sd_event_source *s, void *userdata)
{
	struct tunnel_bus *b = userdata;

	(void)s;
	if (b->ready)
		commit(b);
	settle_key(b);
	settle_successor(b);
	tell(b);
	return 0;
}

static int resolve(void *userdata, const uint8_t handle[static KEY_SIZE], struct static_key **ret)
{
	struct tunnel_bus *b = userdata;
	struct grant *g = &b->grant;
	struct handle parsed;

	if (handle_parse(&parsed, handle) < 0) {
		log_error("%s: its PrivateKey is a handle that was damaged", b->ifname);
		return -EINVAL;
	}
	if (g->present.known && !handle_matches(handle, g->present.public_key)) {
		log_error("%s: its PrivateKey is the handle of another key than the one that is enrolled for it", b->ifname);
		return -EINVAL;
	}
	/* One that cannot be checked yet, since the broker is not here, is kept shut until it can. */
	g->wants_handle = true;
	memcpy(g->wanted_handle, handle, KEY_SIZE);
	*ret = new_key(b, false);
	return *ret ? 0 : -ENOMEM;
}

struct config_resident tunnel_bus_resident(struct tunnel_bus *b)
{
	return (struct config_resident){ .resolve = resolve, .userdata = b };
}

int tunnel_bus_new(struct tunnel_bus **ret, sd_event *event, const char *ifname, struct control *c)
{
	struct tunnel_bus *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->event = sd_event_ref(event);
	b->ifname = ifname;
	b->control = c;
	grant_init(&b->grant);
	r = sd_event_add_time(event, &b->expiry, CLOCK_BOOTTIME, 0, ACCURACY_US, on_expiry, b);
	if (r >= 0)
		r = sd_event_source_set_enabled(b->expiry, SD_EVENT_OFF);
	/* Before all else that waits: nothing is more urgent than closing. */
	if (r >= 0)
		r = sd_event_source_set_priority(b->expiry, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_add_post(event, &b->post, on_post, b);
	if (r >= 0)
		r = sd_event_add_time(event, &b->tick, CLOCK_BOOTTIME, 0, 1000, on_tick, b);
	if (r < 0) {
		tunnel_bus_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

struct tunnel_bus *tunnel_bus_free(struct tunnel_bus *b)
{
	if (!b)
		return NULL;
	/* The keys ask by us. */
	b->successor = successor_free(b->successor);
	if (resident_key(b))
		(void)control_set_key(b->control, NULL, clock_now(b->control->clock));
	sd_event_source_disable_unref(b->post);
	sd_event_source_disable_unref(b->expiry);
	sd_event_source_disable_unref(b->tick);
	bus_free(b->bus);
	grant_clear(&b->grant);
	free(b->why);
	sd_event_unref(b->event);
	free(b);
	return NULL;
}
