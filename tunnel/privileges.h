/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the process may do once interface and socket are made: started as root it becomes wgfido-net and keeps CAP_NET_ADMIN,
 * which a socket's fwmark asks for, and nothing else; started without privileges, or in a user namespace that has no such user
 * (tests, the demo), it stays who it is and gives up all other capabilities it may have there.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct privileges {
	bool is_root; /* there is something to drop */
	uid_t uid;    /* whom to become, as root */
	gid_t gid;    /* of the configuration socket; (gid_t)-1: leave it */
};

/* Before anything is made. -ESRCH: started as root, not in a user namespace, and there is no such user. */
int privileges_find(struct privileges *ret, const char *user);

/*
 * For good, of all threads that come after it: no programs, no processes, no others' memory, no namespaces, mounts, modules, keyrings, bpf,
 * io_uring, nor another user. The calls that remain are what packets, configuration and the message bus take, and more; the unit's
 * filter is narrower. After privileges_drop. 0 or a negative errno.
 */
int privileges_restrict(void);

/*
 * For good: supplementary groups, ids, bounding set and ambient set; no new privileges by exec; not dumpable (changing ids
 * switches that on again where the system says so). Of the whole process only as long as there is one thread.
 * *ret_dropped: it is another user now. 0, or a negative errno: do not go on.
 */
int privileges_drop(const struct privileges *p, bool *ret_dropped);
