/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker's name on the message bus, and the policy for it. Who asks need not be root: the bus itself is asked, by calls that
 * the policy lets through and that do nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/doctor.h"
#include "common/names.h"

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
/* There is no such object, and no member takes the argument: what the policy lets through is refused by the broker. */
#define NO_OBJECT WGFIDO_PATH "/doctor"
#define NO_ARGUMENT "nothing is asked for"

/* What dbus/org.wgfido1.conf lets everybody send; test-client-doctor holds the two equal. */
static const struct allowed {
	const char *interface, *member;
} allowed[] = {
	{"org.freedesktop.DBus.Introspectable", "Introspect"},
	{"org.freedesktop.DBus.ObjectManager", "GetManagedObjects"},
	{"org.freedesktop.DBus.Properties", "Get"},
	{WGFIDO_MANAGER_INTERFACE, "LockAll"},
	{WGFIDO_MANAGER_INTERFACE, "ImportKey"},
	{WGFIDO_MANAGER_INTERFACE, "GenerateKey"},
	{WGFIDO_MANAGER_INTERFACE, "FindKey"},
	{WGFIDO_TOKEN_INTERFACE, "ListKeys"},
	{WGFIDO_TUNNEL_INTERFACE, "Approve"},
	{WGFIDO_TUNNEL_INTERFACE, "Cancel"},
	{WGFIDO_TUNNEL_INTERFACE, "Revoke"},
	{WGFIDO_TUNNEL_INTERFACE, "Enroll"},
	{WGFIDO_TUNNEL_INTERFACE, "Rekey"},
	{WGFIDO_TUNNEL_INTERFACE, "CommitRekey"},
	{WGFIDO_TUNNEL_INTERFACE, "AddKeyslot"},
	{WGFIDO_TUNNEL_INTERFACE, "RemoveKeyslot"},
	{WGFIDO_TUNNEL_INTERFACE, "ExportKey"},
	{WGFIDO_TUNNEL_INTERFACE, "ForgetKey"},
	{WGFIDO_PEER_INTERFACE, "Approve"},
	{WGFIDO_PEER_INTERFACE, "Cancel"},
	{WGFIDO_PEER_INTERFACE, "Revoke"},
};

bool doctor_bus_has_owner(const struct doctor *d, const char *name)
{
	sd_bus *bus = d->status->proxy->bus;
	sd_bus_message *reply = NULL;
	int owned = 0;

	if (bus && sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_NAME, "NameHasOwner", NULL, &reply, "s", name) >= 0)
		(void)sd_bus_message_read(reply, "b", &owned);
	sd_bus_message_unref(reply);
	return owned;
}

bool doctor_bus_can_start(const struct doctor *d, const char *name)
{
	char **names = NULL;
	bool found = false;

	if (!d->status->proxy->bus || sd_bus_list_names(d->status->proxy->bus, NULL, &names) < 0)
		return false;
	for (char **n = names; n && *n; n++) {
		found |= !strcmp(*n, name);
		free(*n);
	}
	free(names);
	return found;
}

static const char *mend(const struct doctor *d, const char *file, const char *missing)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s", d->root, file);
	return access(path, F_OK) < 0 ? missing : "systemctl reload dbus";
}

static const char *mend_policy(const struct doctor *d)
{
	return mend(d, WGFIDO_DBUS_POLICYDIR "/" WGFIDO_BUS_NAME ".conf",
		"install wgfido anew, " WGFIDO_DBUS_POLICYDIR "/" WGFIDO_BUS_NAME ".conf is missing; then systemctl reload dbus");
}

/* 0, or 1: the policy refuses it. Anything else that goes wrong is not the policy's doing. */
static int is_refused(sd_bus *bus, const char *path, const struct allowed *a, const char *argument)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(bus, &m, WGFIDO_BUS_NAME, path, a->interface, a->member);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, 0);
	if (r >= 0 && argument)
		r = sd_bus_message_append(m, "s", argument);
	if (r >= 0)
		r = sd_bus_call(bus, m, 0, &error, NULL);
	r = sd_bus_error_has_name(&error, SD_BUS_ERROR_ACCESS_DENIED);
	sd_bus_error_free(&error);
	sd_bus_message_unref(m);
	return r;
}

bool doctor_check_policy_absent(struct doctor *d)
{
	static const struct allowed harmless = {"org.freedesktop.DBus.Introspectable", "Introspect"};
	sd_bus_error error = SD_BUS_ERROR_NULL;
	bool refused;

	if (!d->status->proxy->bus)
		return false;
	/* With auto-start: the bus looks at the policy before it starts anything, and only then. */
	(void)sd_bus_call_method(d->status->proxy->bus, WGFIDO_BUS_NAME, WGFIDO_PATH, harmless.interface, harmless.member,
		&error, NULL, "");
	refused = sd_bus_error_has_name(&error, SD_BUS_ERROR_ACCESS_DENIED);
	sd_bus_error_free(&error);
	if (refused)
		doctor_wrong(d, mend_policy(d), "The message bus has no policy for " WGFIDO_BUS_NAME ": nobody can talk to the broker");
	return refused;
}

void doctor_check_policy(struct doctor *d)
{
	sd_bus *bus = d->status->proxy->bus;
	unsigned int before = d->n_wrong;

	if (d->gateway || !bus)
		return;
	for (size_t i = 0; d->status->proxy->running && i < sizeof(allowed) / sizeof(*allowed); i++)
		if (is_refused(bus, NO_OBJECT, &allowed[i], NO_ARGUMENT)) {
			doctor_wrong(d, mend_policy(d), "The bus policy is not of this version: it refuses %s.%s",
				allowed[i].interface, allowed[i].member);
			break;
		}
	/* Where there is no systemd, whatever runs the broker is not the bus. */
	if (doctor_bus_has_owner(d, "org.freedesktop.systemd1") && !doctor_bus_can_start(d, WGFIDO_BUS_NAME))
		doctor_wrong(d,
			mend(d, WGFIDO_DBUS_SERVICEDIR "/" WGFIDO_BUS_NAME ".service",
				"install wgfido anew, " WGFIDO_DBUS_SERVICEDIR "/" WGFIDO_BUS_NAME
				".service is missing; then systemctl reload dbus"),
			"The message bus cannot start the broker when it is needed");
	if (before == d->n_wrong && d->status->proxy->running)
		doctor_ok(d, "The bus policy is that of this version");
}
