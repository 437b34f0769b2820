/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of wg-quick(8), read and edited in place: every byte but the private key's stays as it was. Pure; the text holds
 * the private key, so it lies in guarded memory and so does what is made of it.
 *
 * Read as wg-quick and wg(8) read them: keys and sections in any case, blanks anywhere in a key's name, '#' starts a comment,
 * CRLF is a blank at the end, and the last line needs no newline.
 *
 * The taken line stays where it was, as a comment that holds everything of it but the key, so that putting the key back
 * gives the same bytes again:
 *
 *   PrivateKey = aGVsbG8...=  # mine
 *   #wgfido# PrivateKey = (held by wgfido)  # mine
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/encoding.h"
#include "common/secret.h"

#define WGCONF_SIZE_MAX (4u << 20)

struct wgconf_peer {
	unsigned int line;
	bool has_public_key;
	uint8_t public_key[KEY_SIZE];
	bool has_preshared_key;
	bool preshared_key_is_zero;
};

struct wgconf {
	unsigned int n_interfaces;
	size_t interface_end;	   /* offset behind the first [Interface] line */
	bool interface_end_is_bare; /* that line has no newline: it is the last */
	bool crlf;		   /* that line ends in CRLF */
	bool save_config;
	unsigned int save_config_line;
	bool has_nul;
	unsigned int n_keys; /* PrivateKey lines, wherever they are */
	bool key_misplaced;  /* one of them outside of [Interface] */
	unsigned int key_line;
	size_t key_line_start; /* of the last of them, as the next two */
	size_t key_start, key_end; /* the value without blanks around it */
	unsigned int n_held;
	unsigned int held_line;
	size_t held_start; /* of the first held line's text, behind the mark */
	size_t held_mark, held_key; /* where the mark and the placeholder begin */
	size_t n_peers;
	struct wgconf_peer *peers;
};

enum wgconf_problem {
	WGCONF_FINE,
	WGCONF_BINARY,
	WGCONF_NO_INTERFACE,
	WGCONF_NO_KEY,
	WGCONF_SEVERAL_KEYS,
	WGCONF_KEY_MISPLACED,
	WGCONF_SAVES, /* SaveConfig = true: wg-quick would write the key back at every down */
};

/* -ENOMEM is the only failure: any bytes are a file. Clear with wgconf_clear. */
int wgconf_scan(struct wgconf *ret, const char *text, size_t len);
void wgconf_clear(struct wgconf *c);

/* May the key be taken out? *ret_line is where the trouble is, 0: nowhere. */
enum wgconf_problem wgconf_may_take(const struct wgconf *c, unsigned int *ret_line);
/* "has no PrivateKey line": to be put behind the file's name. */
const char *wgconf_problem_words(enum wgconf_problem p);

/* The one private key. -EINVAL when the value is no key. */
int wgconf_key(struct secret **ret, const struct wgconf *c, const char *text);

/* Is the one private key the handle of a key on a token (common/handle.h)? Its 32 bytes then. */
bool wgconf_handle(uint8_t ret[static KEY_SIZE], const struct wgconf *c, const char *text);

/* New text in guarded memory (sodium_free). take: wgconf_may_take must have said WGCONF_FINE. put: no PrivateKey line may be there
 * (-EEXIST); without a held line a new one goes behind [Interface]; -EBADMSG when the result would not give this key. */
int wgconf_take(char **ret, size_t *ret_len, const struct wgconf *c, const char *text, size_t len);
int wgconf_put(char **ret, size_t *ret_len, const struct wgconf *c, const char *text, size_t len, const struct secret *key);
