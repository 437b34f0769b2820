/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A handle names a key that lives on a token, in the shape of a WireGuard key: 32 bytes whose base64 begins with
 * "wgfido/resident/", so that it can stand as the PrivateKey of a wg-quick file. It is made of public things only.
 *
 *   12 bytes  C2 07 E2 76 8F EB 7A C8 9D 7A 7B 7F: "wgfido/resident/", decoded
 *    1 byte   kind of the token: enum wire_x_kind (1 CTAPHID, 2 OpenPGP card, 3 PIV)
 *    1 byte   the slot there
 *   14 bytes  the first of generichash-256("wgfido handle v1" || T), T being the key's public key
 *    4 bytes  the first of generichash-256 of the 28 bytes before them
 *
 * Whoever takes a private key refuses one, also after WireGuard has clamped it: as a private key it would be one that everybody
 * who knows T can compute.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/encoding.h"
#include "common/secret.h"

#define HANDLE_TEXT_PREFIX "wgfido/resident/"
#define HANDLE_DIGEST_SIZE 14

/* To be put behind what it is about and a colon. */
#define HANDLE_NOT_A_KEY                                                                                                   \
	"that is the handle of a key on a security key (wgfido genkey --resident) and no private key; only wgfido-tunnel can " \
	"bring an interface up with it"

/* Where WireGuard has one for a private key. */
#define HANDLE_AS_KEY "the interface's PrivateKey: " HANDLE_NOT_A_KEY

struct handle {
	uint8_t kind; /* enum wire_x_kind: 1 to 3 */
	uint8_t slot;
	uint8_t digest[HANDLE_DIGEST_SIZE];
};

/* kind: 1 to 3, else the handle does not parse. */
void handle_make(uint8_t ret[static KEY_SIZE], uint8_t kind, uint8_t slot, const uint8_t public_key[static KEY_SIZE]);
/* -EINVAL: it does not begin as a handle does, so it may be a private key. -EBADMSG: it does, and is damaged. */
int handle_parse(struct handle *ret, const uint8_t bytes[static KEY_SIZE]);
/* Is it a whole handle, of the key with this public key? */
bool handle_matches(const uint8_t bytes[static KEY_SIZE], const uint8_t public_key[static KEY_SIZE]);

/* Does it begin as a handle does, whole or damaged, clamped (RFC 7748, section 5) or not? Constant time. */
bool handle_is(const uint8_t bytes[static KEY_SIZE]);
bool handle_is_secret(const struct secret *key); /* the same of a would-be private key; NULL and other lengths: no */
