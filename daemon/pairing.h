/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This computer's channel key, and the tokens that know it (docs/ctaphid-x25519.md): a token answers for a resident key only
 * inside a channel with the host that it was paired with by a touch.
 *
 *   STATE/host.key              the private key as WireGuard writes one, mode 0600; made when it is first wanted
 *   STATE/pairings/HEX.json     one per token, HEX its channel key: which host it takes us for, and for which host key that is
 *
 * Each token knows this computer by another key, which comes from host.key and the token's own: a worker is given that one alone,
 * so that a token that has taken its worker over has nothing that another one would answer to, and no two tokens can tell that
 * they belong to one computer.
 *
 * A pairing for another host key than the present one counts as none. Whoever reads host.key, and has the token plugged in, can
 * use its keys; so it is as good as root's, and is kept in guarded memory here.
 */
#pragma once

#include <stdint.h>

#include "common/encoding.h"
#include "common/secret.h"

#define PAIRING_SIZE_MAX 4096
#define PAIRING_LABEL_MAX 64

struct pairing {
	uint8_t token_public[KEY_SIZE];
	uint8_t host_public[KEY_SIZE];
	uint8_t host_index;
	char label[PAIRING_LABEL_MAX]; /* of the token, printable UTF-8 */
	uint64_t created;	       /* unix seconds */
};

/* OUTCOME_KEYFILE_DAMAGED, -ENOMEM. */
int pairing_parse(struct pairing *ret, const char *text, size_t len);
/* -EINVAL: a label that is not printable. */
int pairing_format(char **ret_text, const struct pairing *p);

/* What was read of it, kept until pairings_forget. */
struct pairings;
int pairings_new(struct pairings **ret, const char *state_dir);
struct pairings *pairings_free(struct pairings *all);
/* The files are read again when they are next wanted. */
void pairings_forget(struct pairings *all);

/* Borrowed. Made where there is none, if make is set (else -ENOENT). Negative errno; a damaged file is never replaced (-EBADMSG). */
int pairings_host_key(struct pairings *all, const struct secret **ret, bool make);
/* The private key of our end of the channel with that token; owned. make and errors as above. */
int pairings_channel_key(struct pairings *all, struct secret **ret, const uint8_t token_public[static KEY_SIZE], bool make);
/* OUTCOME_NOT_ENROLLED: not paired with this host key. */
int pairings_find(struct pairings *all, uint8_t *ret_host_index, const uint8_t token_public[static KEY_SIZE]);
/* Written and synced; in place of an earlier one of the same token. host_public is set here. */
int pairings_add(struct pairings *all, struct pairing *p);
