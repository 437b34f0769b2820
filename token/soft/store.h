/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the token keeps over an unplug, in one file of mode 0600: written whole or not at all, with a
 * checksum. A file that does not check is an error and stays as it is. FILE.lock is held while a token runs
 * on it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/secret.h"
#include "token/x25519/device.h"

#define STORE_SERIAL_SIZE 8
#define STORE_PIN_HASH_SIZE 16
#define STORE_PIN_RETRIES 8
#define STORE_FILE_SIZE 864
#define STORE_FILE_SIZE_1 108 /* of version 1, before there were X25519 keys; it is read, and written as the newer one */

/* The X25519 keys, in guarded memory: what wgX25519's storage keeps. */
struct store_x25519 {
	bool has_identity;
	uint8_t identity[X25519_KEY_SIZE];
	struct x25519_slot slots[X25519_DEVICE_SLOTS];
	struct x25519_host hosts[X25519_DEVICE_HOSTS];
};

struct store_data {
	uint8_t serial[STORE_SERIAL_SIZE]; /* stays over a reset */
	uint32_t sign_count;
	struct secret *master; /* seals the credential ids */
	bool pin_set;
	uint8_t pin_retries;	 /* 0..STORE_PIN_RETRIES */
	struct secret *pin_hash; /* LEFT(SHA-256(PIN), 16) */
	struct store_x25519 *x25519;
};

struct store {
	struct store_data data;
	char *path;
	int lock_fd;
};

/*
 * Reads and locks path; with create a missing file is made. -ENOENT; -EBUSY: another token runs on it;
 * -EBADMSG: damaged, or not ours; -EPROTONOSUPPORT: of another version; or an I/O error.
 */
int store_open(struct store *ret, const char *path, bool create);
/* The data alone, without the lock: for looking at the file of a token that runs. */
int store_peek(struct store_data *ret, const char *path);
int store_save(struct store *s);
void store_close(struct store *s);

/* A new token: no PIN, no X25519 keys and hosts, a new master key; serial stays, and is chosen when it is all zero. */
int store_data_reset(struct store_data *d);
void store_data_clear(struct store_data *d);

/* Pure: the file's bytes. buf is guarded memory. */
int store_encode(uint8_t buf[static STORE_FILE_SIZE], const struct store_data *d);
int store_decode(struct store_data *ret, const uint8_t *buf, size_t len);
/* Of the X25519 keys alone: STORE_X25519_SIZE bytes. False: not as store_encode_x25519 writes it. */
#define STORE_X25519_SIZE (36 + 72 * X25519_DEVICE_SLOTS + 36 * X25519_DEVICE_HOSTS)
void store_encode_x25519(uint8_t *buf, const struct store_x25519 *x);
bool store_decode_x25519(struct store_x25519 *ret, const uint8_t *buf);
