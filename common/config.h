/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/wgfido/IFACE.conf, in WireGuard's own style (DESIGN section 8). Pure: bytes in, struct or "file:line: what" out.
 * Unknown sections and keys, bad values, a duplicate key in one section and a duplicate peer are errors.
 * '#' and ';' start comments, also behind a value; CRLF, leading blanks and a missing final newline are fine.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/encoding.h"
#include "common/window-plan.h"

enum config_mode { CONFIG_MODE_PSK, CONFIG_MODE_IDENTITY };
enum config_scope { CONFIG_SCOPE_PEER, CONFIG_SCOPE_TUNNEL, CONFIG_SCOPE_GLOBAL };
enum config_schedule { CONFIG_SCHEDULE_TIME, CONFIG_SCHEDULE_STATIC }; /* handshake: a later one */
enum config_on_close { CONFIG_ON_CLOSE_KEEP, CONFIG_ON_CLOSE_DEACTIVATE };
enum config_end_on { CONFIG_END_SUSPEND = 1, CONFIG_END_LOCK = 2, CONFIG_END_LOGOUT = 4 };

#define CONFIG_NAME_MAX 48
#define CONFIG_SIZE_MAX (8u << 20) /* a gateway with tens of thousands of peers */

struct config_peer {
	uint8_t public_key[KEY_SIZE];
	bool has_token_public_key;
	uint8_t token_public_key[KEY_SIZE];
	enum config_schedule schedule;
	char *preshared_key_file;	/* NULL: none */
	char *window_keys_file;		/* WindowKeysFile = ...: the peer's window keys, for our token; NULL: none */
	bool has_window_keys;		/* WindowKeys = ...: the peer's token uses ours; needs TokenPublicKey */
	struct window_plan window_keys;
	char *name;			/* Name = ...: what prompts and the command line call it; NULL: none */
	unsigned int line;		/* of its [Peer] */
};

struct config {
	char ifname[IF_NAMESIZE];
	enum config_mode mode;		/* Mode = psk | identity; required */
	bool has_public_key;		/* PublicKey = ...; required in psk mode */
	uint8_t public_key[KEY_SIZE];
	char *name;			/* Name = ...: NULL: none */
	uint32_t lifetime_seconds;	/* ApprovalLifetime: default 8h, 1 s to 24h */
	enum config_scope scope;	/* ApprovalScope: default tunnel; peer only with Mode = psk */
	unsigned int end_on;		/* EndOn = suspend,lock,logout | none: default suspend */
	enum config_on_close on_close;	/* OnClose = keep|deactivate: default keep */
	char *nm_uuid;			/* NetworkManager = UUID: the connection whose keys `wgfido nm setup` took; NULL: none */
	uint32_t slot_seconds;		/* SlotSeconds: default 120 */
	size_t n_peers;
	struct config_peer *peers;	/* in the file's order */
	uint32_t *by_key;		/* config_find_peer's: indices of peers, by public key */
};

/*
 * text of len bytes (need not end in NUL). On error: -EINVAL with *ret_error a malloc'ed "path:line: what is wrong and what is
 * allowed", or -ENOMEM. path is only for that message. Names are checked for control characters.
 */
int config_parse(struct config **ret, char **ret_error, const char *path, const char *ifname, const char *text, size_t len);
/* Reads dir/IFACE.conf. -ENOENT where there is none (no message), else as above (I/O errors get a message as well). */
int config_load(struct config **ret, char **ret_error, const char *dir, const char *ifname);
/* The names of all IFACE.conf in dir with a valid interface name, sorted, NULL-terminated; free with config_list_free.
 * -ENOENT where there is no dir. */
int config_list(char ***ret, const char *dir);
void config_list_free(char **list);
struct config *config_free(struct config *c);

/* O(log n); NULL if there is none. */
const struct config_peer *config_find_peer(const struct config *c, const uint8_t public_key[static KEY_SIZE]);

const char *config_mode_name(enum config_mode m);
const char *config_scope_name(enum config_scope s);
const char *config_schedule_name(enum config_schedule s);
/* PresharedKeyFile: base64 as wg genpsk writes it. -EPERM when others may read or write it (its group may). */
int config_load_preshared_key(struct secret **ret, const char *path);
