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
		bus_lease_note(&b->leases, sd_bus_message_get_sender(m), broker_now(b->broker).boot_us);
	return r < 0 ? r : sd_bus_reply_method_return(m, "t", broker_now(b->broker).boot_us);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
	void *userdata, sd_bus_error *error)
{
	(void)bus, (void)path, (void)interface, (void)property, (void)userdata, (void)error;
	return sd_bus_message_append(reply, "s", PACKAGE_VERSION);
}

static int method_generate_key(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct bus_request what = {
		.kind = REQUEST_GENERATE,
		.action = WGFIDO_ACTION_ENROLL,
		.known_options = BUS_OPTION_X_SLOT | BUS_OPTION_TOUCH | BUS_OPTION_TOKEN | BUS_OPTION_PIN | BUS_OPTION_CONFIRM_PIN |
			BUS_OPTION_WAIT,
	};

	return bus_call_request(userdata, m, &what, error);
}

static int method_find_key(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus_request what = {.kind = REQUEST_FIND};
	const void *handle;
	size_t len;
	int r;

	r = sd_bus_message_read_array(m, 'y', &handle, &len);
	if (r < 0)
		return r;
	if (len != KEY_SIZE)
		return bus_error(error, OUTCOME_INVALID_ARGUMENT, "a handle has 32 bytes");
	what.handle = handle;
	return bus_call_request(userdata, m, &what, error);
}

#define GETTER(name, type, value, none) \
	static int get_##name(sd_bus *bus, const char *path, const char *interface, const char *property, \
		sd_bus_message *reply, void *userdata, sd_bus_error *error) \
	{ \
		const struct bus *b = userdata; \
		const struct operation *op = broker_prompt(b->broker); \
		(void)bus, (void)path, (void)interface, (void)property, (void)error; \
		return sd_bus_message_append(reply, type, op ? value : none); \
	}

GETTER(prompt, "s", operation_prompt(op), "")
GETTER(prompt_token, "s", op->token_name, "")
GETTER(prompt_deadline, "t", op->deadline_boot_us, UINT64_C(0))
GETTER(prompt_step, "u", op->step, 0u)
GETTER(prompt_steps, "u", op->steps, 0u)
GETTER(prompt_requester, "s", op->requester.text, "")

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Prompt", "s", get_prompt, 0, CHANGES),
	SD_BUS_PROPERTY("PromptToken", "s", get_prompt_token, 0, CHANGES),
	SD_BUS_PROPERTY("PromptDeadline", "t", get_prompt_deadline, 0, CHANGES),
	SD_BUS_PROPERTY("PromptStep", "u", get_prompt_step, 0, CHANGES),
	SD_BUS_PROPERTY("PromptSteps", "u", get_prompt_steps, 0, CHANGES),
	SD_BUS_PROPERTY("PromptRequester", "s", get_prompt_requester, 0, CHANGES),
	SD_BUS_METHOD_WITH_ARGS("GenerateKey", SD_BUS_ARGS("a{sv}", options),
		SD_BUS_RESULT("s", handle, "s", public_key), method_generate_key, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("FindKey", SD_BUS_ARGS("ay", handle), SD_BUS_RESULT("s", public_key), method_find_key,
		SD_BUS_VTABLE_UNPRIVILEGED),
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
