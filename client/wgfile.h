/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/wireguard/TUNNEL.conf on disk: read whole into guarded memory, replaced only while it is still what was read. */
#pragma once

#include <sys/stat.h>

#include "client/wgconf.h"

struct wgfile {
	char *path; /* behind any symlinks */
	char *text; /* guarded */
	size_t len;
	struct stat st;
	struct wgconf conf;
};

/* 0, -ENOENT (nothing said), or says the error and returns the exit status (> 0). */
int wgfile_open(struct wgfile *ret, const char *ifname);
/* Is its PrivateKey the handle of a key on a token? Says nothing; false too where the file cannot be read. */
bool wgfile_peek_handle(uint8_t ret[static KEY_SIZE], const char *ifname);
/* Keeps owner, mode and symlinks; atomic and synced. -ESTALE: somebody else changed the file meanwhile. */
int wgfile_replace(const struct wgfile *f, const char *text, size_t len);
void wgfile_close(struct wgfile *f);
