/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/logind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/broker.h"
#include "daemon/bus.h"

#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER "org.freedesktop.login1.Manager"
#define LOGIND_SESSION "org.freedesktop.login1.Session"
#define LOGIND_SESSION_PREFIX "/org/freedesktop/login1/session"

struct logind {
	struct bus *served;
	sd_bus *bus;
	struct broker *broker;
	sd_login_monitor *monitor;
	sd_event_source *monitor_source;
	int inhibitor; /* -1: none held */
	bool told_absent;
	char owner[256]; /* the name's unique one; "": nobody */
	sd_bus_slot *taking, *asking, *resolving, *slots[5];
	struct bus_leases_wait *closing;
};

static void release(struct logind *l)
{
	if (l->inhibitor >= 0)
		(void)close(l->inhibitor);
	l->inhibitor = -1;
}

static int on_inhibited(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct logind *l = userdata;
	int fd;

	(void)error;
	l->taking = sd_bus_slot_unref(l->taking);
	if (sd_bus_message_is_method_error(m, NULL)) {
		const char *why = sd_bus_message_get_error(m)->message;

		if (!l->told_absent)
			log_info("logind: not there, nothing tells of suspend, lock and logout: %s", why ? why : "");
		l->told_absent = true;
		return 0;
	}
	if (sd_bus_message_read(m, "h", &fd) < 0)
		return 0;
	release(l);
	l->inhibitor = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	l->told_absent = false;
	log_info("logind: suspend is held back until approvals have ended");
	return 0;
}

static void inhibit(struct logind *l)
{
	int r;

	if (l->inhibitor >= 0 || l->taking)
		return;
	r = sd_bus_call_method_async(l->bus, &l->taking, LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "Inhibit", on_inhibited,
		l, "ssss", "sleep", "wgfido", "Closing WireGuard tunnels", "delay");
	if (r < 0)
		log_warning("logind: cannot hold suspend back: %s", strerror(-r));
}

static void on_closed(void *userdata, size_t silent)
{
	struct logind *l = userdata;

	l->closing = bus_leases_wait_free(l->closing);
	if (silent)
		log_warning("%zu of those that have tunnels open did not answer before suspend", silent);
	release(l);
}

/*
 * The keys are wiped here; the tunnels are closed when the agent, and each wgfido-tunnel, has handled what it was told.
 */
static void release_when_closed(struct logind *l)
{
	if (l->closing)
		return;
	if (bus_leases_wait(&l->closing, l->bus, &l->served->leases, l->broker->options.closing_timeout_ms * US_PER_MS, on_closed, l) < 0)
		release(l);
}

/*
 * systemd 252 does not say what kind of sleep it is, and hibernation writes memory to disk. Where the machine can hibernate, it
 * is taken for that. An unreadable answer is no reason to keep keys.
 */
static int on_can_hibernate(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct logind *l = userdata;
	const char *answer = "yes";

	(void)error;
	l->asking = sd_bus_slot_unref(l->asking);
	if (!sd_bus_message_is_method_error(m, NULL))
		(void)sd_bus_message_read(m, "s", &answer);
	if (strcmp(answer, "na") != 0 && strcmp(answer, "no") != 0)
		(void)broker_end_on(l->broker, CONFIG_END_SUSPEND, NULL, true);
	release_when_closed(l);
	return 0;
}

/* Anybody may send us a signal of that name; see bus_is_from_daemon. */
static bool from_logind(const struct logind *l, sd_bus_message *m)
{
	const char *sender = sd_bus_message_get_sender(m);

	return l->owner[0] && sender && strcmp(sender, l->owner) == 0;
}

static int on_sleep(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct logind *l = userdata;
	int begins;

	(void)error;
	if (!from_logind(l, m) || sd_bus_message_read(m, "b", &begins) < 0)
		return 0;
	/* Until it is over, so that no touch comes between what we give back and the sleep. */
	broker_set_sleeping(l->broker, begins);
	/* At the end as well, in case we did not hear of the beginning. */
	(void)broker_end_on(l->broker, CONFIG_END_SUSPEND, NULL, !begins && l->asking);
	l->asking = sd_bus_slot_unref(l->asking);
	if (!begins) {
		l->closing = bus_leases_wait_free(l->closing);
		release(l);
		inhibit(l);
		return 0;
	}
	if (sd_bus_call_method_async(l->bus, &l->asking, LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "CanHibernate",
		    on_can_hibernate, l, NULL) < 0) {
		(void)broker_end_on(l->broker, CONFIG_END_SUSPEND, NULL, true);
		release_when_closed(l);
	}
	return 0;
}

static int on_session_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct logind *l = userdata;
	const char *session;

	(void)error;
	if (from_logind(l, m) && sd_bus_message_read(m, "s", &session) >= 0)
		(void)broker_end_on(l->broker, CONFIG_END_LOGOUT, session, false);
	return 0;
}

static int on_lock(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct logind *l = userdata;
	char *session = NULL;

	(void)error;
	if (from_logind(l, m) && sd_bus_path_decode(sd_bus_message_get_path(m), LOGIND_SESSION_PREFIX, &session) > 0)
		(void)broker_end_on(l->broker, CONFIG_END_LOCK, session, false);
	free(session);
	return 0;
}

/* A desktop that locks by itself does not send Lock: it says that it has. */
static int on_session_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct logind *l = userdata;
	const char *interface, *name;
	char *session = NULL;
	int locked = 0, r;

	(void)error;
	if (!from_logind(l, m) || sd_bus_message_read(m, "s", &interface) < 0 || strcmp(interface, LOGIND_SESSION) != 0 ||
		sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
		return 0;
	while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = sd_bus_message_read(m, "s", &name);
		if (r >= 0)
			r = strcmp(name, "LockedHint") == 0 ? sd_bus_message_read(m, "v", "b", &locked) :
							       sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r < 0)
			break;
	}
	if (locked && sd_bus_path_decode(sd_bus_message_get_path(m), LOGIND_SESSION_PREFIX, &session) > 0)
		(void)broker_end_on(l->broker, CONFIG_END_LOCK, session, false);
	free(session);
	return 0;
}

/* Somebody who has logged out but left a program running: SessionRemoved comes only when that has ended. */
static int on_sessions(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct logind *l = userdata;
	char **sessions = NULL, *state;
	int i, n;

	(void)s, (void)fd, (void)revents;
	(void)sd_login_monitor_flush(l->monitor);
	n = sd_get_sessions(&sessions);
	for (i = 0; i < n; i++) {
		state = NULL;
		if (sd_session_get_state(sessions[i], &state) >= 0 && strcmp(state, "closing") == 0)
			(void)broker_end_on(l->broker, CONFIG_END_LOGOUT, sessions[i], false);
		free(state);
		free(sessions[i]);
	}
	free(sessions);
	return 0;
}

static void watch_sessions(struct logind *l)
{
	int r;

	if (l->monitor)
		return;
	r = sd_login_monitor_new("session", &l->monitor);
	if (r >= 0)
		r = sd_event_add_io(l->served->event, &l->monitor_source, sd_login_monitor_get_fd(l->monitor),
			(uint32_t)sd_login_monitor_get_events(l->monitor), on_sessions, l);
	if (r < 0)
		l->monitor = sd_login_monitor_unref(l->monitor);
}

/* What we shall hear of: only of the owner of the name do we believe it. */
static void told_of(struct logind *l)
{
	broker_set_told_of(l->broker, l->owner[0] ? CONFIG_END_LOCK | CONFIG_END_LOGOUT : 0);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct logind *l = userdata;
	const char *name, *before, *after;

	(void)error;
	if (!bus_is_from_daemon(m) || sd_bus_message_read(m, "sss", &name, &before, &after) < 0 ||
		strcmp(name, LOGIND_NAME) != 0)
		return 0;
	(void)snprintf(l->owner, sizeof(l->owner), "%s", after);
	/* The answer that was awaited will not come; the sleep may. And nobody tells of its end any more. */
	if (l->asking)
		(void)broker_end_on(l->broker, CONFIG_END_SUSPEND, NULL, true);
	broker_set_sleeping(l->broker, false);
	/* What was asked of the one before tells nothing about what the new one gives. */
	l->asking = sd_bus_slot_unref(l->asking);
	l->closing = bus_leases_wait_free(l->closing);
	l->taking = sd_bus_slot_unref(l->taking);
	release(l);
	told_of(l);
	if (after[0]) {
		watch_sessions(l);
		inhibit(l);
	}
	return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct logind *l = userdata;
	const char *owner;

	(void)error;
	l->resolving = sd_bus_slot_unref(l->resolving);
	/* No owner yet: NameOwnerChanged will tell. */
	if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "s", &owner) >= 0)
		(void)snprintf(l->owner, sizeof(l->owner), "%s", owner);
	told_of(l);
	return 0;
}

int logind_new(struct logind **ret, struct bus *served)
{
	struct logind *l = calloc(1, sizeof(*l));
	sd_bus *bus = served->bus;
	int r;

	if (!l)
		return -ENOMEM;
	l->served = served;
	l->bus = sd_bus_ref(bus);
	l->broker = served->broker;
	l->inhibitor = -1;
	r = sd_bus_match_signal_async(bus, &l->slots[0], LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "PrepareForSleep",
		on_sleep, NULL, l);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus, &l->slots[1], LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "SessionRemoved",
			on_session_removed, NULL, l);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus, &l->slots[2], LOGIND_NAME, NULL, LOGIND_SESSION, "Lock", on_lock, NULL, l);
	if (r >= 0)
		r = sd_bus_add_match_async(bus, &l->slots[4],
			"type='signal',sender='" LOGIND_NAME "',interface='org.freedesktop.DBus.Properties',"
			"member='PropertiesChanged',path_namespace='" LOGIND_SESSION_PREFIX "',arg0='" LOGIND_SESSION "'",
			on_session_changed, NULL, l);
	if (r >= 0)
		r = sd_bus_add_match_async(bus, &l->slots[3],
			"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
			"member='NameOwnerChanged',arg0='" LOGIND_NAME "'",
			on_owner_changed, NULL, l);
	/* Behind the matches, so that a change while it is under way is seen too, and in its order. */
	if (r >= 0)
		r = sd_bus_call_method_async(bus, &l->resolving, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			"org.freedesktop.DBus", "GetNameOwner", on_owner, l, "s", LOGIND_NAME);
	if (r < 0) {
		logind_free(l);
		return r;
	}
	watch_sessions(l);
	inhibit(l);
	*ret = l;
	return 0;
}

struct logind *logind_free(struct logind *l)
{
	size_t i;

	if (!l)
		return NULL;
	release(l);
	sd_bus_slot_unref(l->taking);
	sd_bus_slot_unref(l->asking);
	bus_leases_wait_free(l->closing);
	sd_bus_slot_unref(l->resolving);
	for (i = 0; i < sizeof(l->slots) / sizeof(l->slots[0]); i++)
		sd_bus_slot_unref(l->slots[i]);
	sd_event_source_unref(l->monitor_source);
	sd_login_monitor_unref(l->monitor);
	sd_bus_unref(l->bus);
	free(l);
	return NULL;
}
