/* SPDX-License-Identifier: GPL-2.0-or-later */
/* polkit, which says who may: without its answer the broker lets only root do anything. */
#include <pwd.h>
#include <string.h>

#include "client/doctor.h"
#include "client/text.h"
#include "common/names.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define OWNER "org.freedesktop.policykit.owner"

static const char *const actions[] = {WGFIDO_ACTION_APPROVE, WGFIDO_ACTION_REVOKE, WGFIDO_ACTION_ENROLL, WGFIDO_ACTION_IMPORT,
	WGFIDO_ACTION_EXPORT, WGFIDO_ACTION_REKEY, WGFIDO_ACTION_KEYSLOTS};
#define N_ACTIONS (sizeof(actions) / sizeof(*actions))

struct found {
	bool known[N_ACTIONS];
	bool owned[N_ACTIONS];
};

/* "unix-user:wgfido unix-user:0": a name or a number. The broker's own user, and root, which need not be listed. */
static bool is_owner(const char *owner, const char *user)
{
	static const char prefix[] = "unix-user:";
	size_t len = strlen(user);

	for (const char *s = owner; (s = strstr(s, prefix)); s++)
		if (!strncmp(s + strlen(prefix), user, len) && strchr(" ", s[strlen(prefix) + len]))
			return true;
	return false;
}

static int read_annotations(sd_bus_message *m, const char *user, bool *ret_owned)
{
	const char *key, *value;
	int r = sd_bus_message_enter_container(m, 'a', "{ss}");

	while (r >= 0 && (r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0)
		if (!strcmp(key, OWNER) && is_owner(value, user))
			*ret_owned = true;
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_actions(sd_bus_message *m, const char *user, struct found *found)
{
	const char *id, *text;
	uint32_t implicit;
	int r = sd_bus_message_enter_container(m, 'a', "(ssssssuuua{ss})");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "ssssssuuua{ss}")) > 0) {
		bool owned = false;

		r = sd_bus_message_read(m, "ssssssuuu", &id, &text, &text, &text, &text, &text, &implicit, &implicit, &implicit);
		if (r >= 0)
			r = read_annotations(m, user, &owned);
		for (size_t i = 0; r >= 0 && i < N_ACTIONS; i++)
			if (!strcmp(id, actions[i])) {
				found->known[i] = true;
				found->owned[i] = owned;
			}
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* The user that the broker runs as. */
static void find_user(const struct doctor *d, char *ret, size_t size)
{
	sd_bus_creds *creds = NULL;
	struct passwd *pw = NULL;
	uid_t uid;

	if (d->status->proxy->running &&
		sd_bus_get_name_creds(d->status->proxy->bus, WGFIDO_BUS_NAME, SD_BUS_CREDS_EUID, &creds) >= 0 &&
		sd_bus_creds_get_euid(creds, &uid) >= 0)
		pw = getpwuid(uid);
	snprintf(ret, size, "%s", pw ? pw->pw_name : "wgfido");
	sd_bus_creds_unref(creds);
}

static void say_absent(struct doctor *d, const sd_bus_error *error)
{
	const char *sentence = "polkit cannot be asked, so only root may open and close tunnels";
	char why[256];

	if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) || sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
		doctor_wrong(d, "apt-get install polkitd", "%s: it is not installed", sentence);
	} else if (!doctor_check_unit(d, "polkit", false)) {
		snprintf(why, sizeof(why), "%s", error->message ? error->message : "no answer");
		text_make_printable(why);
		doctor_wrong(d, "journalctl -b -u polkit tells why", "%s: %s", sentence, why);
	} else {
		doctor_note(d, "%s", sentence);
	}
}

static void say_actions(struct doctor *d, const struct found *found, const char *user)
{
	for (size_t i = 0; i < N_ACTIONS; i++) {
		if (!found->known[i]) {
			doctor_wrong(d, "install wgfido anew; polkit reads " WGFIDO_POLKIT_ACTIONSDIR "/org.wgfido1.policy",
				"polkit does not know the action %s", actions[i]);
			return;
		}
		if (!found->owned[i] && strcmp(user, "root")) {
			doctor_wrong(d, "install wgfido anew; polkit reads " WGFIDO_POLKIT_ACTIONSDIR "/org.wgfido1.policy",
				"polkit does not let the user %s ask about %s: the action has no annotation " OWNER " for it", user,
				actions[i]);
			return;
		}
	}
	doctor_ok(d, "polkit knows who may open and close tunnels");
}

void doctor_check_polkit(struct doctor *d)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	struct found found = {};
	char user[64];
	int r;

	if (d->gateway || !d->status->proxy->bus)
		return;
	find_user(d, user, sizeof(user));
	r = sd_bus_call_method(d->status->proxy->bus, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE, "EnumerateActions", &error, &reply,
		"s", "");
	if (r < 0)
		say_absent(d, &error);
	else if (read_actions(reply, user, &found) < 0)
		doctor_wrong(d, "journalctl -b -u polkit may tell why", "polkit's list of actions cannot be read");
	else
		say_actions(d, &found, user);
	sd_bus_error_free(&error);
	sd_bus_message_unref(reply);
}
