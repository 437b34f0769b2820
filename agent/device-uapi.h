/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/*
 * A connection to RUNDIR/IFACE.sock that may be trusted with keys. -ENODEV: no such socket, or nobody listens; -EPERM: somebody
 * who is neither root nor we could be, or is, behind it; -EACCES: it may well be right, but we are not let in.
 */
int device_uapi_connect(const char *rundir, const char *ifname);
