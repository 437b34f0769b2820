/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Window keys (DESIGN section 3): what one approval opens ends with a window of time, whoever looked on.
 *
 * The side without a token makes public keys G[w], one per window, from its WireGuard private key (common/schedule.h) and hands
 * them over in a file that is not secret. A resident token key meets G[w] instead of the peer's public key, so what came out
 * of the token at one touch is of no use for another window. The other side needs no file: it makes g[w] when it needs it.
 *
 * The file, lines in this order, '#' and blank lines anywhere:
 *
 *   wgfido-window-keys 1
 *   PublicKey = aGVsbG8...=            the WireGuard public key of the side that made it
 *   Window = 24h at 04:00
 *   First = 1795665600                 where the first window begins, unix seconds
 *   Count = 90
 *   aGVsbG8...=                        Count public keys in base64, one a line, one window after the other
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/encoding.h"
#include "common/schedule.h"
#include "common/secret.h"
#include "common/window-plan.h"

#define WINDOW_COUNT_MAX 4096
#define WINDOW_FILE_MAX (256u << 10)
#define WINDOW_WARN_SECONDS (7 * 86400) /* before the last window ends people are told */

struct window_keys {
	uint8_t public_key[KEY_SIZE]; /* S */
	struct window_plan plan;
	uint64_t first; /* unix seconds; a window begins there */
	size_t n;
	uint8_t (*keys)[KEY_SIZE]; /* G[w] */
};

/* n windows, the first of them the one that from (unix seconds) is in. -ERANGE: too many or too late. */
int window_keys_make(struct window_keys **ret, const struct secret *private_key, const struct window_plan *plan, uint64_t from,
	size_t n);
struct window_keys *window_keys_free(struct window_keys *k);
/* unix seconds at which the last window ends */
uint64_t window_keys_end(const struct window_keys *k);

/* note: one line for people, without its '#'; NULL: none. */
int window_keys_format(char **ret, size_t *ret_len, const struct window_keys *k, const char *note);
/* -EINVAL with *ret_error a malloc'ed "path:line: what is wrong", -ENOMEM. Never reads past text + len. */
int window_keys_parse(struct window_keys **ret, char **ret_error, const char *path, const char *text, size_t len);
/* -ENOENT and other errors of reading it come with a message too. */
int window_keys_load(struct window_keys **ret, char **ret_error, const char *path);

/* What a token's key meets for one peer of a configuration, at one time. */
struct window_point {
	bool wanted;   /* of a peer that was asked for */
	bool windowed; /* point is G[w] and the window bounds what may come of it; else it is the peer's public key */
	uint8_t point[KEY_SIZE];
	struct schedule_window window;
};

/*
 * One entry per config->peers, to be freed with free(); peer NULL: all are wanted. Reads the files that the wanted peers name.
 * 0; -ENOMEM; OUTCOME_FAILED with *ret_error a malloc'ed sentence that says what to do.
 */
int window_points(struct window_point **ret, char **ret_error, const struct config *config, const uint8_t *peer,
	uint64_t unix_seconds);
/* The earliest end of those wanted, unix seconds; UINT64_MAX where none has window keys. */
uint64_t window_points_end(const struct window_point *points, size_t n);
