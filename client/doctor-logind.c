/* SPDX-License-Identifier: GPL-2.0-or-later */
/* logind, which tells of suspend, lock and logout. */
#include <string.h>

#include "client/doctor.h"

#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER "org.freedesktop.login1.Manager"

/* 1: the broker holds a delay inhibitor of suspend. */
static int is_held_back(sd_bus *bus)
{
	const char *what, *who, *why, *mode;
	sd_bus_message *reply = NULL;
	uint32_t uid, pid;
	int r, found = 0;

	r = sd_bus_call_method(bus, LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "ListInhibitors", NULL, &reply, "");
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ssssuu)");
	while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssuu)", &what, &who, &why, &mode, &uid, &pid)) > 0)
		if (!strcmp(who, "wgfido") && !strcmp(mode, "delay") && strstr(what, "sleep"))
			found = 1;
	sd_bus_message_unref(reply);
	return r < 0 ? r : found;
}

static void say_absent(struct doctor *d)
{
	static const unsigned int sessions = CONFIG_END_LOCK | CONFIG_END_LOGOUT;

	/* Masked or stopped: that is what is to be mended, if anything is. */
	if ((d->wants.end_on & sessions) && !doctor_check_unit(d, "systemd-logind", false))
		doctor_wrong(d, "install and start systemd-logind, or take lock and logout out of EndOn",
			"logind does not answer, which EndOn = lock and logout need");
	if (d->wants.end_on & sessions)
		doctor_note(d, "Without logind no tunnel with EndOn = lock or logout is opened");
	if (d->wants.end_on & CONFIG_END_SUSPEND)
		doctor_note(d, "Without logind nothing tells of suspend: `wgfido lock` before you suspend this machine");
}

void doctor_check_logind(struct doctor *d)
{
	sd_bus *bus = d->status->proxy->bus;
	int preparing, held;

	if (d->gateway || !bus || !d->wants.end_on)
		return;
	if (sd_bus_get_property_trivial(bus, LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER, "PreparingForSleep", NULL, 'b', &preparing) < 0) {
		say_absent(d);
		return;
	}
	held = d->status->proxy->running && !preparing && (d->wants.end_on & CONFIG_END_SUSPEND) ? is_held_back(bus) : 1;
	if (held == 0)
		doctor_wrong(d, "systemctl restart wgfidod", "The broker does not hold suspend back until the tunnels are closed");
	else
		doctor_ok(d, "logind tells of suspend, lock and logout");
}
