/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A WireGuard private key on its way into a key file, and out of one: what `protect` and `nm setup` share, and `unprotect` and
 * `nm undo`. Where the key comes from, and when it goes out of there, is the verb's.
 */
#pragma once

#include "client/call.h"
#include "client/proxy.h"
#include "common/encoding.h"
#include "common/secret.h"

struct wrap {
	const char *ifname;
	const char *place; /* what has the key until now: "/etc/wireguard/wg0.conf" */
	const char *again; /* the command that goes on after an interruption: "wgfido protect wg0" */
	const char *instead; /* what else can be done where another key is held already */
	const char *nm_uuid; /* of NetworkManager's connection that has the key; NULL: none */
	bool rekey;	   /* not this key but a new one */
	struct proxy *proxy; /* NULL: wrap_run opens it; proxy_free is the caller's */
	struct call_options options;
	struct secret *key;		       /* owned by the caller */
	char public_key[KEY_BASE64_SIZE];      /* of that key */
	char held_public_key[KEY_BASE64_SIZE]; /* of the key in the key file: the same, but for rekey */
};

/* The public key of w->key, into w->public_key. */
void wrap_set_key(struct wrap *w);
/*
 * The tunnel is configured, its key is in the key file and was proved, and the recovery code is on paper: from now on it may go out of
 * its old place. 0, or says the error and returns the exit status.
 */
int wrap_run(struct wrap *w);
/* Nothing is left to be wrapped: is it there? Says so; 0, or the exit status. */
int wrap_already(struct wrap *w);

bool wrap_is_key_of(const struct secret *key, const char *public_key);
/* The key out of the broker, with a touch; the key file stays, and ForgetKey may follow. 0, or the exit status. */
int wrap_export(struct secret **ret, struct proxy *p, const struct proxy_tunnel *t, struct call_options *o);
