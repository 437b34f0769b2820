/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NetworkManager's profiles of guarded interfaces, and the dispatcher script. Without NetworkManager nothing is said. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/doctor.h"
#include "client/nm.h"

#define SCRIPT "90-wgfido"
/* One of the same name here takes its place. */
#define ADMIN_DIR "/etc/NetworkManager/dispatcher.d"

static void tell_findings(struct doctor *d, const struct nm_profile *p, const struct config *c, unsigned int found)
{
	const unsigned int seen = found;
	char mend[128];

	snprintf(mend, sizeof(mend), "wgfido nm setup %s", p->uuid);
	if (found & NM_FINDING_KEY_STORED)
		doctor_wrong(d, mend, "%s: NetworkManager's connection %s still has the private key", c->ifname, p->id);
	if (found & NM_FINDING_PSK_STORED)
		doctor_wrong(d, mend, "%s: NetworkManager's connection %s has a preshared key, and a reapply sets it", c->ifname, p->id);
	if (found & NM_FINDING_PSK_FLAGS)
		doctor_wrong(d, mend, "%s: NetworkManager's connection %s asks for a preshared key when it comes up", c->ifname, p->id);
	if (found & NM_FINDING_KEY_FLAGS)
		doctor_wrong(d, "nmcli connection modify UUID wireguard.private-key-flags 0, and then wgfido nm setup",
			"%s: NetworkManager's connection %s asks for the private key when it comes up", c->ifname, p->id);
	if (!seen)
		doctor_ok(d, "%s goes with NetworkManager's connection %s", c->ifname, p->id);
}

/* Is it one that goes with the interface? */
static bool check_profile(struct doctor *d, const struct nm_profile *listed, const struct config *c)
{
	struct nm_profile p = {};
	/* Others would be asked for a password. */
	const bool secrets = !geteuid();

	/* Any user may add such ones, with this interface and any name. Their keys are their own, and no command is for root to run on them. */
	if (listed->owner) {
		doctor_note(d, "%s: the user %s has a connection of their own for this interface, \"%s\" (%s), which was not looked at", c->ifname,
			listed->owner, listed->id, listed->uuid);
		return c->nm_uuid && !strcasecmp(c->nm_uuid, listed->uuid);
	}
	if (c->nm_uuid && strcasecmp(c->nm_uuid, listed->uuid)) {
		doctor_note(d, "%s: NetworkManager's connection %s (%s) is for this interface too, and not the one that was set up", c->ifname,
			listed->id, listed->uuid);
		return false;
	}
	if (nm_read(&p, d->status->proxy->bus, listed->path, secrets, NULL) < 0) {
		doctor_note(d, "%s: NetworkManager's connection %s cannot be read; run this as root", c->ifname, listed->id);
		return true;
	}
	tell_findings(d, &p, c, nm_findings(&p, c));
	if (!secrets)
		doctor_note(d, "%s: what NetworkManager's connection %s stores was not checked; run this as root", c->ifname, p.id);
	nm_profile_clear(&p);
	return true;
}

enum doctor_script doctor_script_judge(const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || !(st->st_mode & S_IXUSR))
		return DOCTOR_SCRIPT_NOT_EXECUTABLE;
	/* NetworkManager refuses such ones. */
	if (st->st_uid != 0 || st->st_mode & (S_IWGRP | S_IWOTH | S_ISUID))
		return DOCTOR_SCRIPT_UNSAFE;
	return DOCTOR_SCRIPT_FINE;
}

static void check_script(struct doctor *d)
{
	static const char *const dirs[] = {ADMIN_DIR, WGFIDO_NMDISPATCHERDIR};
	char path[512], mend[1100];
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s%s/" SCRIPT, d->root, dirs[i]);
		if (stat(path, &st) >= 0)
			break;
	}
	if (i == sizeof(dirs) / sizeof(dirs[0])) {
		doctor_wrong(d, "install wgfido anew", "NetworkManager's dispatcher script " WGFIDO_NMDISPATCHERDIR "/" SCRIPT
			     " is not there: what a reapply changes is found half a second later");
		return;
	}
	switch (doctor_script_judge(&st)) {
	case DOCTOR_SCRIPT_FINE:
		doctor_ok(d, "NetworkManager runs %s", path);
		break;
	case DOCTOR_SCRIPT_NOT_EXECUTABLE:
		snprintf(mend, sizeof(mend), i ? "chmod 755 %s" : "rm %s, if that is not what you want", path);
		doctor_wrong(d, mend, "NetworkManager does not run %s: it is no executable file", path);
		break;
	case DOCTOR_SCRIPT_UNSAFE:
		snprintf(mend, sizeof(mend), "chown root: %s && chmod 755 %s", path, path);
		doctor_wrong(d, mend, "NetworkManager does not run %s: others than root may change it", path);
		break;
	}
}

void doctor_check_nm(struct doctor *d, char **names)
{
	struct nm_profile *all = NULL;
	bool owns = false;
	size_t n = 0;

	if (!d->status->proxy->bus || !names || nm_list(&all, &n, d->status->proxy->bus, NULL) < 0)
		return;
	for (char **name = names; *name; name++) {
		struct config *c = NULL;
		char *error = NULL;

		/* What cannot be read is told of with its tunnel. */
		if (config_load(&c, &error, d->config_dir, *name) < 0) {
			free(error);
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			if (strcmp(all[i].type, "wireguard") || !all[i].ifname || strcmp(all[i].ifname, *name))
				continue;
			owns |= check_profile(d, &all[i], c);
		}
		config_free(c);
	}
	if (owns)
		check_script(d);
	nm_list_free(all, n);
}
