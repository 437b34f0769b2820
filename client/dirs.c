/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/dirs.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/names.h"

static const char *from_environment(const char *name, const char *fallback)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : fallback;
}

const char *dirs_config(void)
{
	return from_environment(WGFIDO_ENV_CONFIG_DIR, WGFIDO_SYSCONFDIR);
}

const char *dirs_agent_run(void)
{
	return from_environment(WGFIDO_ENV_AGENT_RUNDIR, WGFIDO_AGENT_RUNDIR);
}

const char *dirs_wireguard(void)
{
	return from_environment(WGFIDO_ENV_WIREGUARD_CONFDIR, WGFIDO_WIREGUARD_CONFDIR);
}

const char *dirs_root(void)
{
	return from_environment(WGFIDO_ENV_ROOT, "");
}

char *dirs_file(const char *dir, const char *ifname, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/%s%s", dir, ifname, suffix) < 0 ? NULL : path;
}
