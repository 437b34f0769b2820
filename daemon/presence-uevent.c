/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/presence-uevent.h"

#include <errno.h>
#include <string.h>

/* The value if entry is "key=value". */
static const char *value_of(const char *entry, const char *key)
{
	size_t len = strlen(key);

	return strncmp(entry, key, len) == 0 && entry[len] == '=' ? entry + len + 1 : NULL;
}

static int take(const char **at, const char *entry, const char *key)
{
	const char *value = value_of(entry, key);

	if (!value)
		return 0;
	if (*at)
		return -EBADMSG;
	*at = value;
	return 1;
}

int uevent_parse(struct uevent *ret, const char *buf, size_t len)
{
	const char *end = buf + len, *at, *entry, *action = NULL;
	struct uevent u = { .action = UEVENT_OTHER };
	int r;

	if (len < 1 || len > UEVENT_MESSAGE_MAX || buf[len - 1] != '\0')
		return -EBADMSG;
	at = strchr(buf, '@');
	if (!at || at[1] != '/')
		return -EBADMSG;

	for (entry = buf + strlen(buf) + 1; entry < end; entry += strlen(entry) + 1) {
		r = take(&action, entry, "ACTION");
		if (r == 0)
			r = take(&u.devpath, entry, "DEVPATH");
		if (r == 0)
			r = take(&u.subsystem, entry, "SUBSYSTEM");
		if (r == 0)
			r = take(&u.devname, entry, "DEVNAME");
		if (r < 0)
			return r;
	}
	if (!action || !u.devpath || !u.subsystem || strcmp(u.devpath, at + 1) != 0 || strlen(action) != (size_t)(at - buf) ||
	    strncmp(action, buf, (size_t)(at - buf)) != 0)
		return -EBADMSG;

	if (strcmp(action, "add") == 0)
		u.action = UEVENT_ADD;
	else if (strcmp(action, "remove") == 0)
		u.action = UEVENT_REMOVE;
	*ret = u;
	return 0;
}

bool uevent_is_hidraw_removal(const struct uevent *u)
{
	return u->action == UEVENT_REMOVE && strcmp(u->subsystem, "hidraw") == 0;
}
