/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/polkit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define ALLOW_INTERACTION 1u
/* Somebody may have to find and type a password. */
#define INTERACTIVE_TIMEOUT_US UINT64_C(180000000)
#define TIMEOUT_US UINT64_C(10000000)

struct polkit_check {
	sd_bus *bus;
	sd_bus_slot *slot;
	char id[32];
	void (*done)(void *userdata, enum outcome outcome, const char *why);
	void *userdata;
};

static void check_free(struct polkit_check *p)
{
	sd_bus_slot_unref(p->slot);
	sd_bus_unref(p->bus);
	free(p);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct polkit_check *p = userdata;
	int authorized = 0, challenge = 0, r;
	const char *why = "";

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL)) {
		const sd_bus_error *e = sd_bus_message_get_error(m);

		why = sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
				sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ?
			"polkit does not run" :
			sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ?
			"polkit ended or hung before it answered: try again" :
			(e->message ? e->message : e->name);
	} else {
		r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
		if (r >= 0)
			r = sd_bus_message_read(m, "bb", &authorized, &challenge);
		if (r < 0) {
			authorized = 0;
			why = "polkit's answer cannot be read";
		} else if (!authorized && challenge) {
			why = "it wants authentication, and there is no way to ask for it here";
		}
	}
	p->done(p->userdata, authorized ? OUTCOME_OK : OUTCOME_DENIED, why);
	check_free(p);
	return 0;
}

static int append_detail(sd_bus_message *m, const char *key, const char *value)
{
	return value && value[0] ? sd_bus_message_append(m, "{ss}", key, value) : 0;
}

static int build(sd_bus_message **ret, sd_bus_message *asked, const struct polkit_check *p, const char *action,
	const struct polkit_details *details, bool interactive)
{
	sd_bus_message *m;
	int r;

	r = sd_bus_message_new_method_call(p->bus, &m, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", sd_bus_message_get_sender(asked), action);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{ss}");
	if (r >= 0)
		r = append_detail(m, "polkit.message", details->message);
	if (r >= 0)
		r = append_detail(m, "polkit.gettext_domain", "wgfido");
	if (r >= 0)
		r = append_detail(m, "tunnel", details->tunnel);
	if (r >= 0)
		r = append_detail(m, "peer", details->peer);
	if (r >= 0)
		r = append_detail(m, "duration", details->duration);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r >= 0)
		r = sd_bus_message_append(m, "us", interactive ? ALLOW_INTERACTION : 0u, p->id);
	if (r < 0) {
		sd_bus_message_unref(m);
		return r;
	}
	*ret = m;
	return 0;
}

int polkit_ask(struct polkit_check **ret, sd_bus_message *m, const char *action, const struct polkit_details *details,
	void (*done)(void *userdata, enum outcome outcome, const char *why), void *userdata)
{
	static unsigned int serial;
	struct polkit_check *p;
	sd_bus_message *call = NULL;
	bool interactive;
	int r;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->bus = sd_bus_ref(sd_bus_message_get_bus(m));
	p->done = done;
	p->userdata = userdata;
	(void)snprintf(p->id, sizeof(p->id), "wgfido-%u", ++serial);
	interactive = sd_bus_message_get_allow_interactive_authorization(m) > 0;
	r = build(&call, m, p, action, details, interactive);
	if (r >= 0)
		r = sd_bus_call_async(p->bus, &p->slot, call, on_answer, p,
			interactive ? INTERACTIVE_TIMEOUT_US : TIMEOUT_US);
	sd_bus_message_unref(call);
	if (r < 0) {
		check_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

struct polkit_check *polkit_cancel(struct polkit_check *p)
{
	if (!p)
		return NULL;
	/* So that no password prompt stays for a call that is gone. Its answer is of no interest. */
	(void)sd_bus_call_method_async(p->bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
		"CancelCheckAuthorization", NULL, NULL, "s", p->id);
	check_free(p);
	return NULL;
}
