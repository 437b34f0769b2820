/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys as text. Public keys only, but for the *_secret functions, which stay in guarded memory; all constant time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"

#define KEY_SIZE 32
#define KEY_BASE64_SIZE 45 /* 44 characters and the NUL: the form of wg(8) */
#define KEY_HEX_SIZE 65	   /* 64 characters and the NUL */

void key_to_base64(char ret[static KEY_BASE64_SIZE], const uint8_t key[static KEY_SIZE]);
/* Exactly 44 characters of canonical base64 (the unused bits zero); else -EINVAL and *ret untouched. */
int key_from_base64(uint8_t ret[static KEY_SIZE], const char *text);

void key_to_hex(char ret[static KEY_HEX_SIZE], const uint8_t key[static KEY_SIZE]);
int key_from_hex(uint8_t ret[static KEY_SIZE], const char *text);

bool key_equal(const uint8_t a[static KEY_SIZE], const uint8_t b[static KEY_SIZE]);
bool key_is_zero(const uint8_t key[static KEY_SIZE]);

/* text of len characters need not end in NUL (it lies in a guarded buffer). */
int secret_from_base64(struct secret **ret, const char *text, size_t len);
int secret_from_hex(struct secret **ret, const char *text, size_t len);
/* buf is guarded memory of the caller's (a secret of 44, or of 64 bytes); no NUL is written. */
void secret_to_base64(char *buf, const struct secret *key);
void secret_to_hex(char *buf, const struct secret *key);

/* Durations as people write them: "8h", "90m", "1h30m", "45s", "2d", plain seconds. -EINVAL, -ERANGE. */
int duration_parse(uint64_t *ret_seconds, const char *text);
/* "8 h", "1 h 30 min", "45 s": into buf, which is returned. */
const char *duration_format(char *buf, size_t size, uint64_t seconds);

/* What is not well-formed UTF-8 becomes '?', a letter that snprintf cut in two for one. */
void text_mend_utf8(char *text);
/* Valid UTF-8 without control characters: fit for a terminal, a log line and a D-Bus string. "" is valid. */
bool text_valid(const char *text);

/* An interface name the kernel takes and that is safe as a file name: 1..15 of [A-Za-z0-9_=+.-], not "." or "..". */
bool ifname_valid(const char *name);
