/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/wgfido/TUNNEL.conf, where the command line makes it itself; a marker in its first line tells which ones those are. */
#pragma once

#include <stdbool.h>

#include "client/proxy.h"
#include "common/config.h"

/* Each: 0, or says the error and returns the exit status. */

/* *ret is NULL where there is no such file. */
int tunnelconf_load(struct config **ret, const char *ifname);
/* Mode = identity. nm_uuid: of NetworkManager's connection that the key is from; NULL: none. */
int tunnelconf_write_identity(const char *ifname, const char *nm_uuid);
/*
 * Mode = psk, with this side's key and the peers of its wg-quick file, or of the running interface; or Mode = identity with the
 * peers of the wg-quick file, for a key on a token that the file has the handle of. Asks first, unless yes.
 */
int tunnelconf_make(const char *ifname, enum config_mode mode, bool yes);

struct tunnelconf_peer {
	uint8_t public_key[KEY_SIZE];
	const char *preshared_key_file; /* NULL: none */
};
/* Mode = psk, with this side's key and these peers. */
int tunnelconf_write_psk(const char *ifname, const char *nm_uuid, const uint8_t public_key[static KEY_SIZE],
	const struct tunnelconf_peer *peers, size_t n);
/* Adds nm_uuid to a configuration of ours that has none; says what to add to one that is not ours. */
int tunnelconf_record(const char *ifname, const char *nm_uuid);
/* Removes it if it is one of ours and unedited in its first line; *ret_removed says so (NULL: who cares). */
int tunnelconf_remove_ours(const char *ifname, bool *ret_removed);

/* The broker reads the configuration again, and so do we. */
int tunnelconf_reload(struct proxy *p);
/* After an enrolment that came to nothing: no trace of the file, unless there is a key after all. Says errors only. */
void tunnelconf_undo(struct proxy *p, const char *ifname);
