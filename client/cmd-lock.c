/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lock: ends every approval, now. */
#include "client/agent-status.h"
#include "client/dirs.h"
#include "client/proxy.h"
#include "client/say.h"
#include "client/verb.h"
#include "common/names.h"

static int lock_main(const struct verb *verb, int argc, char **argv)
{
	_cleanup_proxy_ struct proxy *p = NULL;
	uint32_t ended = 0;
	int r;

	r = verb_options_help_only(verb, argc, argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return verb_usage_error(verb, "lock closes every tunnel; for one of them use `wgfido revoke`");
	r = proxy_open(&p);
	if (!r)
		r = proxy_call_simple(p, WGFIDO_PATH, WGFIDO_MANAGER_INTERFACE, "LockAll", &ended);
	if (!r && ended)
		printf("Every tunnel is locked; %u approval%s ended.\n", ended, ended == 1 ? "" : "s");
	else if (!r)
		puts("Every tunnel is locked; none was approved.");
	for (size_t i = 0; !r && i < p->n_tunnels; i++)
		if (!agent_status_wait_closed(dirs_agent_run(), p->tunnels[i].interface, NULL))
			say_warning("%s is still open: restart wgfido-rotate, as wgfido-rotate(8) shows", p->tunnels[i].interface);
	return r;
}

const struct verb verb_lock = {
	"lock",
	lock_main,
	"",
	"Close every tunnel: end all approvals now",
	NULL,
};
