/* SPDX-License-Identifier: GPL-2.0-or-later */
/* org.wgfido1.Manager */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/names.h"
#include "daemon/bus-call.h"

#define CREATE_OPTIONS \
	(BUS_OPTION_PIN | BUS_OPTION_TOKEN | BUS_OPTION_UV | BUS_OPTION_LABEL | BUS_OPTION_MAKE_RECOVERY | \
		BUS_OPTION_CONFIRM_PIN | BUS_OPTION_WAIT)

static int lock_all(struct bus_call *c, sd_bus_error *error)
{
	(void)error;
	return sd_bus_reply_method_return(c->message, "u", (uint32_t)broker_lock_all(c->bus->broker));
}

static int method_lock_all(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return bus_call_later(userdata, m, WGFIDO_ACTION_REVOKE, NULL, NULL, lock_all, error);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	int r;

	r = broker_reload(b->broker);
	return r < 0 ? bus_error(error, r, "the configuration cannot be read") : sd_bus_reply_method_return(m, NULL);
}

static int method_import_key(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_secret_ struct secret *key = NULL;
	struct bus *b = userdata;
	struct bus_request what = {
		.kind = REQUEST_IMPORT,
		.action = WGFIDO_ACTION_IMPORT,
		.known_options = CREATE_OPTIONS,
		.import_key = &key,
	};
	const char *ifname;
	int fd, r;

	r = sd_bus_message_read(m, "sh", &ifname, &fd);
	if (r < 0)
		return r;
	what.tunnel = broker_find_tunnel(b->broker, ifname);
	if (!what.tunnel)
		return bus_error(error, OUTCOME_INVALID_ARGUMENT, "no such tunnel is configured");
	r = secret_from_pipe(&key, fd, SECRET_KEY_SIZE);
	if (r < 0 || secret_len(key) != SECRET_KEY_SIZE)
		return bus_error(error, OUTCOME_INVALID_ARGUMENT, "the key must be 32 bytes in a filled and closed pipe");
	if (secret_is_zero(key))
		return bus_error(error, OUTCOME_INVALID_ARGUMENT, "the key is all zero");
	return bus_call_request(b, m, &what, error);
}

static int method_lease(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	int r;

	r = bus_check_agent(b, m, error);
	if (r >= 0)
		(void)snprintf(b->agent, sizeof(b->agent), "%s", sd_bus_message_get_sender(m));
	return r < 0 ? r : sd_bus_reply_method_return(m, "t", broker_now(b->broker).boot_us);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
	void *userdata, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
	return sd_bus_message_append(reply, "s", PACKAGE_VERSION);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_METHOD_WITH_ARGS("LockAll", SD_BUS_NO_ARGS, SD_BUS_RESULT("u", ended), method_lock_all,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload, 0),
	SD_BUS_METHOD_WITH_ARGS("ImportKey", SD_BUS_ARGS("s", iface, "h", key, "a{sv}", options),
		SD_BUS_RESULT("a{sv}", result), method_import_key, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Lease", SD_BUS_NO_ARGS, SD_BUS_RESULT("t", boottime), method_lease,
		SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int bus_manager_add(struct bus *b)
{
	return sd_bus_add_object_vtable(b->bus, NULL, WGFIDO_PATH, WGFIDO_MANAGER_INTERFACE, vtable, b);
}
