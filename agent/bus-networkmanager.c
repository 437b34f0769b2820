/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interface to device, device to active connection, is it NetworkManager's own, deactivate: one call after the other. */
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "agent/bus-networkmanager.h"
#include "bus/question.h"
#include "common/clock.h"
#include "common/encoding.h"
#include "common/log.h"

#define NM "org.freedesktop.NetworkManager"
#define NM_PATH "/org/freedesktop/NetworkManager"
#define PROPERTIES "org.freedesktop.DBus.Properties"
/* polkit has a say in it. */
#define REPLY_US (25 * US_PER_SEC)
/* NM_ACTIVATION_STATE_FLAG_EXTERNAL: somebody else made the interface, and NetworkManager only shows it. */
#define FLAG_EXTERNAL 0x80u

struct question {
	sd_bus *bus;
	char ifname[IF_NAMESIZE];
	char *active;
};

static void question_free(void *userdata)
{
	struct question *q = userdata;

	free(q->active);
	free(q);
}

static int ask(sd_bus *bus, const char *ifname, const char *active, sd_bus_message_handler_t handler, const char *path,
	const char *interface, const char *member, const char *types, ...)
{
	struct question *q = calloc(1, sizeof(*q));
	sd_bus_message *m = NULL;
	va_list ap;
	int r;

	if (!q)
		return -ENOMEM;
	q->bus = bus;
	(void)snprintf(q->ifname, sizeof(q->ifname), "%s", ifname);
	q->active = active ? strdup(active) : NULL;
	r = active && !q->active ? -ENOMEM : sd_bus_message_new_method_call(bus, &m, NM, path, interface, member);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, 0);
	va_start(ap, types);
	if (r >= 0)
		r = sd_bus_message_appendv(m, types, ap);
	va_end(ap);
	if (r >= 0)
		r = question_send(bus, m, handler, q, question_free, REPLY_US);
	else
		question_free(q);
	sd_bus_message_unref(m);
	return r;
}

/* True when the answer is an error, which it tells. */
static bool failed(sd_bus_message *m, const struct question *q)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	char text[256];

	if (!e)
		return false;
	if (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) || sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
		log_info("%s: NetworkManager does not run, so there is nothing to deactivate", q->ifname);
		return true;
	}
	(void)snprintf(text, sizeof(text), "%s", e->message ? e->message : e->name);
	log_warning("%s: NetworkManager does not deactivate it: %s", q->ifname, text_valid(text) ? text : e->name);
	return true;
}

static int on_deactivated(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct question *q = userdata;

	(void)error;
	if (!failed(m, q))
		log_info("%s: deactivated in NetworkManager", q->ifname);
	return 0;
}

static int on_flags(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct question *q = userdata;
	uint32_t flags;
	int r;

	(void)error;
	if (failed(m, q))
		return 0;
	r = sd_bus_message_read(m, "v", "u", &flags);
	if (r >= 0 && (flags & FLAG_EXTERNAL)) {
		log_info("%s: not NetworkManager's own, so it is not deactivated", q->ifname);
		return 0;
	}
	if (r >= 0)
		r = ask(q->bus, q->ifname, NULL, on_deactivated, NM_PATH, NM, "DeactivateConnection", "o", q->active);
	if (r < 0)
		log_warning("%s: NetworkManager cannot be told: %s", q->ifname, strerror(-r));
	return 0;
}

static int on_active(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct question *q = userdata;
	const char *active;
	int r;

	(void)error;
	if (failed(m, q))
		return 0;
	r = sd_bus_message_read(m, "v", "o", &active);
	/* "/": not active, which is what was wanted. */
	if (r >= 0 && strcmp(active, "/") != 0)
		r = ask(q->bus, q->ifname, active, on_flags, active, PROPERTIES, "Get", "ss", NM ".Connection.Active", "StateFlags");
	if (r < 0)
		log_warning("%s: NetworkManager cannot be told: %s", q->ifname, strerror(-r));
	return 0;
}

static int on_device(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct question *q = userdata;
	const char *device;
	int r;

	(void)error;
	if (failed(m, q))
		return 0;
	r = sd_bus_message_read(m, "o", &device);
	if (r >= 0)
		r = ask(q->bus, q->ifname, NULL, on_active, device, PROPERTIES, "Get", "ss", NM ".Device", "ActiveConnection");
	if (r < 0)
		log_warning("%s: NetworkManager cannot be told: %s", q->ifname, strerror(-r));
	return 0;
}

int bus_networkmanager_deactivate(struct sd_bus *bus, const char *ifname)
{
	return ask(bus, ifname, NULL, on_device, NM_PATH, NM, "GetDeviceByIpIface", "s", ifname);
}
