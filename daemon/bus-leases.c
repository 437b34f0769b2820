/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-leases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bus_leases_wait {
	sd_bus_slot *slots[BUS_LEASES_MAX];
	size_t n, answered, silent;
	void (*done)(void *userdata, size_t silent);
	void *userdata;
};

void bus_lease_note(struct bus_leases *l, const char *name, uint64_t now_us)
{
	struct bus_lease *place = &l->all[0];

	for (size_t i = 0; i < BUS_LEASES_MAX; i++) {
		struct bus_lease *at = &l->all[i];

		if (strcmp(at->name, name) == 0) {
			at->asked_us = now_us;
			return;
		}
		if (place->name[0] && (!at->name[0] || at->asked_us < place->asked_us))
			place = at;
	}
	(void)snprintf(place->name, sizeof(place->name), "%s", name);
	place->asked_us = now_us;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus_leases_wait *w = userdata;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)error;
	/* One that is not there any more has nothing open: an interface of its own went with it, the agent's are closed after it. */
	if (e && !sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) && !sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		w->silent++;
	if (++w->answered == w->n)
		w->done(w->userdata, w->silent);
	return 0;
}

static int ask(struct bus_leases_wait *w, sd_bus *bus, const char *name, uint64_t timeout_us)
{
	sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(bus, &m, name, "/", "org.freedesktop.DBus.Peer", "Ping");
	if (r >= 0)
		r = sd_bus_call_async(bus, &w->slots[w->n], m, on_answer, w, timeout_us);
	sd_bus_message_unref(m);
	if (r >= 0)
		w->n++;
	return r;
}

int bus_leases_wait(struct bus_leases_wait **ret, sd_bus *bus, const struct bus_leases *l, uint64_t timeout_us,
	void (*done)(void *userdata, size_t silent), void *userdata)
{
	struct bus_leases_wait *w = calloc(1, sizeof(*w));
	int r = 0;

	if (!w)
		return -ENOMEM;
	w->done = done;
	w->userdata = userdata;
	for (size_t i = 0; r >= 0 && i < BUS_LEASES_MAX; i++)
		if (l->all[i].name[0])
			r = ask(w, bus, l->all[i].name, timeout_us);
	if (r < 0) {
		bus_leases_wait_free(w);
		return r;
	}
	*ret = w;
	if (w->n == 0)
		done(userdata, 0);
	return 0;
}

struct bus_leases_wait *bus_leases_wait_free(struct bus_leases_wait *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->n; i++)
		sd_bus_slot_unref(w->slots[i]);
	free(w);
	return NULL;
}
