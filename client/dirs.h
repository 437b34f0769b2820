/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where things lie: the defaults, or what tests and the demo set in the environment. */
#pragma once

const char *dirs_config(void);	  /* /etc/wgfido */
const char *dirs_agent_run(void); /* /run/wgfido-net */
const char *dirs_wireguard(void); /* /etc/wireguard */
const char *dirs_root(void);	  /* before the system's own paths, for tests of doctor: "" */

/* DIR/IFACE SUFFIX, malloc'ed; NULL: no memory. */
char *dirs_file(const char *dir, const char *ifname, const char *suffix);
