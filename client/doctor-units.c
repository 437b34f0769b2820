/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The units, as systemd sees them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/doctor.h"
#include "client/text.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define SYSTEMD_UNIT "org.freedesktop.systemd1.Unit"
#define SYSTEMD_SERVICE "org.freedesktop.systemd1.Service"

#define UNIT_BROKER "wgfidod"
#define UNIT_AGENT "wgfido-rotate"
#define UNIT_GATEWAY "wgfido-rotate-gateway"

static void unit_clear(struct doctor_unit *u)
{
	free(u->load);
	free(u->active);
	free(u->sub);
	free(u->file);
	free(u->result);
	*u = (struct doctor_unit){};
}

static int get(sd_bus *bus, const char *path, const char *interface, const char *name, char **ret)
{
	int r = sd_bus_get_property_string(bus, SYSTEMD_NAME, path, interface, name, NULL, ret);

	if (r >= 0)
		text_make_printable(*ret);
	return r;
}

/* Negative errno: there is no systemd to ask. */
static int unit_read(struct doctor_unit *ret, const struct doctor *d, const char *name)
{
	sd_bus *bus = d->status->proxy->bus;
	sd_bus_message *reply = NULL;
	struct doctor_unit u = {};
	const char *path;
	char full[64];
	int r;

	/* Asking would start a service of that name, whose only purpose is to fail. */
	if (!doctor_bus_has_owner(d, SYSTEMD_NAME))
		return -ENOENT;
	snprintf(full, sizeof(full), "%s.service", name);
	r = sd_bus_call_method(bus, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_MANAGER, "LoadUnit", NULL, &reply, "s", full);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		r = get(bus, path, SYSTEMD_UNIT, "LoadState", &u.load);
	if (r >= 0)
		r = get(bus, path, SYSTEMD_UNIT, "ActiveState", &u.active);
	if (r >= 0)
		r = get(bus, path, SYSTEMD_UNIT, "SubState", &u.sub);
	if (r >= 0)
		r = get(bus, path, SYSTEMD_UNIT, "UnitFileState", &u.file);
	if (r >= 0)
		r = get(bus, path, SYSTEMD_SERVICE, "Result", &u.result);
	sd_bus_message_unref(reply);
	if (r < 0) {
		unit_clear(&u);
		return r;
	}
	*ret = u;
	return 0;
}

static bool is(const char *a, const char *b)
{
	return !strcmp(a, b);
}

enum doctor_unit_state doctor_unit_judge(const struct doctor_unit *u, bool at_boot)
{
	if (is(u->load, "not-found"))
		return DOCTOR_UNIT_ABSENT;
	if (is(u->load, "masked"))
		return DOCTOR_UNIT_MASKED;
	if (!is(u->load, "loaded"))
		return DOCTOR_UNIT_BROKEN;
	if (is(u->active, "failed"))
		return DOCTOR_UNIT_FAILED;
	if (is(u->active, "activating"))
		return DOCTOR_UNIT_RESTARTING;
	if (!is(u->active, "active") && !is(u->active, "reloading") && !is(u->active, "refreshing"))
		return DOCTOR_UNIT_STOPPED;
	if (at_boot && (is(u->file, "disabled") || is(u->file, "masked") || is(u->file, "masked-runtime")))
		return DOCTOR_UNIT_NOT_AT_BOOT;
	return DOCTOR_UNIT_OK;
}

static void say(struct doctor *d, const char *name, const struct doctor_unit *u, bool at_boot)
{
	char mend[256];

	switch (doctor_unit_judge(u, at_boot)) {
	case DOCTOR_UNIT_OK:
		return;
	case DOCTOR_UNIT_ABSENT:
		doctor_wrong(d, "install wgfido anew; then systemctl daemon-reload", "systemd knows no %s.service", name);
		return;
	case DOCTOR_UNIT_MASKED:
		snprintf(mend, sizeof(mend), "systemctl unmask %s && systemctl %s %s", name, at_boot ? "enable --now" : "start", name);
		doctor_wrong(d, mend, "%s.service is masked, so nothing can start it", name);
		return;
	case DOCTOR_UNIT_BROKEN:
		snprintf(mend, sizeof(mend), "systemctl status %s tells why", name);
		doctor_wrong(d, mend, "systemd cannot use %s.service (%s)", name, u->load);
		return;
	case DOCTOR_UNIT_FAILED:
		snprintf(mend, sizeof(mend), "journalctl -b -u %s tells why; then systemctl restart %s", name, name);
		doctor_wrong(d, mend, "%s.service has failed (%s)", name, u->result);
		return;
	case DOCTOR_UNIT_RESTARTING:
		snprintf(mend, sizeof(mend), "journalctl -b -u %s tells why", name);
		doctor_wrong(d, mend, "%s.service does not come up (%s, %s)", name, u->sub, u->result);
		return;
	case DOCTOR_UNIT_STOPPED:
		snprintf(mend, sizeof(mend), "systemctl %s %s", at_boot ? "enable --now" : "start", name);
		doctor_wrong(d, mend, "%s.service does not run", name);
		return;
	case DOCTOR_UNIT_NOT_AT_BOOT:
		snprintf(mend, sizeof(mend), "systemctl enable %s", name);
		doctor_wrong(d, mend, "%s.service runs, but does not start with the machine", name);
		return;
	}
}

bool doctor_check_unit(struct doctor *d, const char *name, bool at_boot)
{
	unsigned int before = d->n_wrong;
	struct doctor_unit u = {};

	if (unit_read(&u, d, name) < 0)
		return false;
	say(d, name, &u, at_boot);
	unit_clear(&u);
	return d->n_wrong > before;
}

static bool starts_at_boot(struct doctor *d, const char *name)
{
	struct doctor_unit u = {};
	bool enabled;

	if (unit_read(&u, d, name) < 0)
		return false;
	enabled = is(u.file, "enabled") || is(u.file, "enabled-runtime");
	unit_clear(&u);
	return enabled;
}

void doctor_check_units(struct doctor *d)
{
	const char *agent = d->gateway ? UNIT_GATEWAY : UNIT_AGENT, *other = d->gateway ? UNIT_AGENT : UNIT_GATEWAY;
	unsigned int before = d->n_wrong;
	char mend[128];

	if (!d->status->proxy->bus)
		return;
	if (!doctor_bus_has_owner(d, SYSTEMD_NAME)) {
		doctor_note(d, "No systemd answers on the message bus: docs/running.md says what has to stand in for its units");
		return;
	}
	/* D-Bus and the agent's unit start the broker; whether it is enabled does not matter. One that does not run was told of. */
	if (!d->gateway && d->status->proxy->running)
		(void)doctor_check_unit(d, UNIT_BROKER, false);
	(void)doctor_check_unit(d, agent, true);
	if (starts_at_boot(d, other)) {
		snprintf(mend, sizeof(mend), "systemctl disable --now %s && systemctl restart %s", other, agent);
		doctor_wrong(d, mend, "%s.service starts with the machine too, and each of them stops the other", other);
	}
	if (before == d->n_wrong)
		doctor_ok(d, "The units run, and start with the machine");
}
