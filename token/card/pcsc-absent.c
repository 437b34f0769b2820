/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of pcsc.c where the build found no libpcsclite: no program of ours then starts a worker for cards. */
#include "token/card/pcsc.h"

#include <errno.h>

static int absent_open(struct pcsc **ret, const char *socket)
{
	(void)ret;
	(void)socket;
	return -EOPNOTSUPP;
}

const struct pcsc_ops pcsc_system = {.open = absent_open};
