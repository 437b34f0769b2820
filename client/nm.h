/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NetworkManager's WireGuard profiles (docs/networkmanager.md): read, judged and changed over its Settings interface. Every other
 * setting of a profile is handed back as it came.
 *
 * A profile fits psk mode when the guarded peers have no preshared key and preshared-key-flags = 4 (not required), and
 * identity mode when its private key is thirty-two zero bytes, which is a key to NetworkManager and none to the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "common/config.h"
#include "common/encoding.h"
#include "common/secret.h"

/* NMSettingSecretFlags */
#define NM_SECRET_AGENT_OWNED 1u
#define NM_SECRET_NOT_SAVED 2u
#define NM_SECRET_NOT_REQUIRED 4u

struct nm_peer {
	char *public_key; /* as NetworkManager writes it */
	uint8_t key[KEY_SIZE];
	bool has_flags;
	uint32_t flags;
	struct secret *psk; /* NULL: none, or not readable */
};

struct nm_profile {
	char *path; /* of the object */
	char *id, *uuid, *type, *ifname;
	char *owner; /* connection.permissions: "mallory", or several with commas; NULL: everybody's, and so the admin's */
	bool has_secrets; /* they were asked for */
	uint32_t key_flags;
	struct secret *key; /* NULL: none is stored */
	size_t n_peers;
	struct nm_peer *peers;
};

void nm_profile_clear(struct nm_profile *p);
struct nm_peer *nm_find_peer(const struct nm_profile *p, const uint8_t key[static KEY_SIZE]);
/* The same settings and secrets, as far as they concern us? */
bool nm_profile_equal(const struct nm_profile *a, const struct nm_profile *b);

/* --- nm-plan.c: pure --- */
enum nm_problem {
	NM_FINE,
	NM_NO_IFNAME,	   /* or none that we take */
	NM_NO_PEERS,
	NM_KEY_NOT_STORED, /* a secret agent has it, or nobody */
	NM_KEY_TAKEN,	   /* psk mode, and the profile's key went to identity mode */
	NM_KEY_UNREADABLE,
	NM_KEY_HANDLE,
};
/* "office has no ...": to be put behind the connection's name. */
const char *nm_problem_words(enum nm_problem p);

/* What becomes of the profile's secrets. */
struct nm_change {
	bool set_key;		  /* to new_key; NULL: the zero key */
	const struct secret *new_key;
	struct nm_psk_change {
		enum { NM_PSK_KEEP, NM_PSK_REMOVE, NM_PSK_SET } how;
		const struct secret *psk; /* SET; borrowed */
	} *psks;		  /* one per peer */
};
void nm_change_clear(struct nm_change *c);

/* config NULL: every peer will be guarded. *ret is empty where the profile fits already (nm_change_is_empty). -ENOMEM. */
int nm_plan_setup(struct nm_change *ret, enum nm_problem *ret_problem, const struct nm_profile *p, enum config_mode mode,
	const struct config *config);
bool nm_change_is_empty(const struct nm_change *c, const struct nm_profile *p);

/* What `wgfido doctor` finds without the secrets: bits. */
enum nm_finding {
	NM_FINDING_PSK_FLAGS = 1, /* a guarded peer whose preshared key is NetworkManager's to give */
	NM_FINDING_PSK_STORED = 2,
	NM_FINDING_KEY_STORED = 4,
	NM_FINDING_KEY_FLAGS = 8, /* identity: a secret agent is asked for the key */
};
unsigned int nm_findings(const struct nm_profile *p, const struct config *config);

/* --- nm-settings.c --- */
/* All of NetworkManager's profiles that we may see, without secrets; malloc'ed. Negative errno. */
int nm_list(struct nm_profile **ret, size_t *ret_n, sd_bus *bus, sd_bus_error *error);
void nm_list_free(struct nm_profile *all, size_t n);
/* Settings, and with secrets those as well. Negative errno. */
int nm_read(struct nm_profile *ret, sd_bus *bus, const char *path, bool secrets, sd_bus_error *error);
/*
 * The profile as it is now with this change, saved and read back. -ESTALE: it is not what it was when p was read; -EBADMSG: NetworkManager
 * says that it saved it, but has something else.
 */
int nm_update(sd_bus *bus, const struct nm_profile *p, const struct nm_change *c, sd_bus_error *error);
bool nm_is_absent(const sd_bus_error *error);

/* --- nm.c: what people read. Each: 0, or says the error and returns the exit status. --- */
/*
 * By UUID; or by name or interface, if that means one alone and no user's own: any user may add a profile of their own with a name and an
 * interface that they choose.
 */
int nm_choose(struct nm_profile *ret, sd_bus *bus, const char *name);
/* With its secrets; warns where they are a user's own. */
int nm_open(struct nm_profile *ret, sd_bus *bus, const char *name);
/* what: "office cannot be changed". */
int nm_say_error(const sd_bus_error *error, int r, const char *what, const char *id);
/* The interface's configuration is for this profile, or does not say. */
int nm_record_check(const struct nm_profile *p, const struct config *config);
/* nm_update, and what went wrong with it. again: the command to be run again. */
int nm_save(sd_bus *bus, const struct nm_profile *p, const struct nm_change *c, const char *again);

/* /etc/wgfido/IFACE-XXXXXXXX.psk, malloc'ed: where the preshared key of a peer goes. NULL: no memory. */
char *nm_psk_path(const struct nm_profile *p, const struct nm_peer *peer);

struct nm_options {
	struct wrap *wrap; /* proxy and call options */
	const char *mode;  /* "psk", "identity"; NULL: not said */
};
int nm_setup(struct nm_options *o, const char *name);
int nm_undo(struct nm_options *o, const char *name);
