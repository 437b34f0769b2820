/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding the profile that somebody means, and saying what NetworkManager says. */
#include "client/nm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirs.h"
#include "client/say.h"
#include "client/text.h"

int nm_say_error(const sd_bus_error *error, int r, const char *what, const char *id)
{
	char text[512];

	if (nm_is_absent(error))
		return say_outcome(OUTCOME_FAILED,
			"NetworkManager is not running: start it, or use `wgfido protect` and `wgfido enroll`, which do without");
	if (sd_bus_error_is_set(error) && (strstr(error->name, "PermissionDenied") || sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED)))
		return say_outcome(OUTCOME_DENIED, "%s %s: NetworkManager does not allow it; run this as root", id, what);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) || r == -ETIMEDOUT)
		return say_outcome(OUTCOME_FAILED, "%s %s: NetworkManager does not answer; see its log", id, what);
	snprintf(text, sizeof(text), "%s", sd_bus_error_is_set(error) && error->message ? error->message : strerror(r < 0 ? -r : EIO));
	text_make_printable(text);
	return say_outcome(OUTCOME_FAILED, "%s %s: NetworkManager says: %s", id, what, text);
}

static bool is_wireguard(const struct nm_profile *p)
{
	return !strcmp(p->type, "wireguard");
}

static bool has_uuid(const struct nm_profile *p, const char *name)
{
	return !strcasecmp(p->uuid, name);
}

static bool has_name(const struct nm_profile *p, const char *name)
{
	return !strcmp(p->id, name) || (p->ifname && !strcmp(p->ifname, name));
}

/* The WireGuard profiles that name means: how many, *ret the first. */
static size_t count(struct nm_profile *all, size_t n, const char *name, bool (*is)(const struct nm_profile *p, const char *name),
	struct nm_profile **ret)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		if (is_wireguard(&all[i]) && is(&all[i], name) && found++ == 0)
			*ret = &all[i];
	return found;
}

/* Its owner chose it, and shall not get a whole entry of the list into it. */
static const char *quote(char buf[static 64], const char *id)
{
	char *end;

	snprintf(buf, 62, "\"%s", id);
	text_shorten(buf, 60);
	for (char *c = buf + 1; *c; c++)
		if (*c == '"' || *c == ';')
			*c = '?';
	end = buf + strlen(buf);
	memcpy(end, "\"", 2);
	return buf;
}

static int say_several(const struct nm_profile *all, size_t n, const char *name)
{
	char list[1024] = "", id[64];
	size_t len = 0;

	for (size_t i = 0; i < n && len < sizeof(list); i++) {
		const struct nm_profile *p = &all[i];

		if (is_wireguard(p) && has_name(p, name))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s: %s%s, interface %s, named %s", len ? "; " : "", p->uuid,
				p->owner ? "of the user " : "for all users", p->owner ? p->owner : "", p->ifname && *p->ifname ? p->ifname : "none",
				quote(id, p->id));
	}
	return say_outcome(OUTCOME_INVALID_ARGUMENT, "Several connections have the name or the interface \"%s\": say which one by its UUID (%s)",
		name, list);
}

static int say_none(const struct nm_profile *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (has_uuid(&all[i], name) || has_name(&all[i], name))
			return say_outcome(OUTCOME_INVALID_ARGUMENT, "\"%s\" is no WireGuard connection, its type is %s", name, all[i].type);
	return say_outcome(OUTCOME_INVALID_ARGUMENT, "NetworkManager has no connection \"%s\": `nmcli connection` lists them", name);
}

int nm_choose(struct nm_profile *ret, sd_bus *bus, const char *name)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct nm_profile *all = NULL, *one = NULL;
	size_t n = 0, found = 0;
	int r;

	r = nm_list(&all, &n, bus, &error);
	if (r < 0) {
		r = nm_say_error(&error, r, "cannot be looked for", name);
		sd_bus_error_free(&error);
		return r;
	}
	r = 0;
	found = count(all, n, name, has_uuid, &one);
	if (!found) {
		found = count(all, n, name, has_name, &one);
		if (found > 1)
			r = say_several(all, n, name);
		else if (found && one->owner)
			r = say_outcome(OUTCOME_INVALID_ARGUMENT,
				"The connection \"%s\" (interface %s) is the user %s's own: only by its UUID %s is it meant", one->id,
				one->ifname && *one->ifname ? one->ifname : "none", one->owner, one->uuid);
	}
	if (!found)
		r = say_none(all, n, name);
	if (!r) {
		*ret = *one;
		*one = (struct nm_profile){};
	}
	nm_list_free(all, n);
	return r;
}

int nm_open(struct nm_profile *ret, sd_bus *bus, const char *name)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct nm_profile found = {};
	int r = nm_choose(&found, bus, name);

	if (r)
		return r;
	r = nm_read(ret, bus, found.path, true, &error);
	if (r < 0)
		r = nm_say_error(&error, r, "cannot be read", found.id);
	else if (ret->owner)
		say_warning("The connection %s is the user %s's own, who may read the keys in it", ret->id, ret->owner);
	sd_bus_error_free(&error);
	nm_profile_clear(&found);
	return r;
}

int nm_save(sd_bus *bus, const struct nm_profile *p, const struct nm_change *c, const char *again)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = nm_update(bus, p, c, &error);

	if (r == -ESTALE)
		r = say_outcome(OUTCOME_FAILED, "The connection %s was changed meanwhile and is left as it is: run `%s` again", p->id, again);
	else if (r == -EBADMSG)
		r = say_outcome(OUTCOME_FAILED, "NetworkManager did not save %s as it was told: look at the connection, then run `%s` again",
			p->id, again);
	else if (r < 0)
		r = nm_say_error(&error, r, "cannot be changed", p->id);
	sd_bus_error_free(&error);
	return r;
}

char *nm_psk_path(const struct nm_profile *p, const struct nm_peer *peer)
{
	char suffix[16];

	/* Enough to tell a tunnel's peers apart, and fit for a file's name. */
	snprintf(suffix, sizeof(suffix), "-%02x%02x%02x%02x.psk", peer->key[0], peer->key[1], peer->key[2], peer->key[3]);
	return dirs_file(dirs_config(), p->ifname, suffix);
}

int nm_record_check(const struct nm_profile *p, const struct config *config)
{
	if (!config || !config->nm_uuid || !strcasecmp(config->nm_uuid, p->uuid))
		return 0;
	return say_outcome(OUTCOME_INVALID_ARGUMENT,
		"%s/%s.conf is for the connection %s, and \"%s\" is %s: undo that one first, or take the line NetworkManager out of the file",
		dirs_config(), p->ifname, config->nm_uuid, p->id, p->uuid);
}
