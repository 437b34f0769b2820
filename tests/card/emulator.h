/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A smart card for tests: the OpenPGP and PIV applications with X25519, as real cards have them, in memory. Written from the specifications
 * (OpenPGP card 3.4.1, SP 800-73-4), not from the code that it tests; X25519 is libcrypto's, not libsodium's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EMULATOR_ANSWER_MAX 66000
#define EMULATOR_PIV_SLOTS 21 /* 9d, 82..95 */

enum emulator_application { EMULATOR_NONE, EMULATOR_OPENPGP, EMULATOR_PIV };

struct emulator_pin {
	char text[65];	      /* what VERIFY must bring */
	size_t len;
	int tries, tries_max;
	bool verified;
};

struct emulator_key {
	bool set, x25519;
	uint8_t secret[32];
	uint8_t pin_policy, touch_policy; /* PIV: as in metadata */
};

struct emulator {
	/* What card it is. */
	bool openpgp, piv, yubikey, metadata, certificates, kdf;
	bool extended, chaining; /* as the OpenPGP historical bytes say */
	bool old_refusal;	 /* OpenPGP: 6982 for a wrong PIN, as before 3.4 */
	bool offers_x25519;	 /* OpenPGP: in the algorithm information */
	bool prefix;		 /* OpenPGP: 0x40 before public key and result */
	int uif;		 /* OpenPGP: -1: no such object */
	size_t part_max;	 /* longest part of an answer, the rest with 61xx; 0: 256 */
	struct emulator_pin pw1, pin;
	struct emulator_key decipher, slots[EMULATOR_PIV_SLOTS];
	/* What happens to it. */
	bool touched;
	uint8_t inject_ins; /* the next command with this INS is answered by inject_sw; 0: none */
	uint16_t inject_sw;
	bool zeros; /* what X25519 should give is zeros: a hostile one */
	/* Asked while a key that wants a touch is used; NULL: touched decides at once. */
	void (*wait_for_touch)(struct emulator *e);
	void (*before)(struct emulator *e, const uint8_t *command, size_t len); /* every command, may be NULL */
	void *userdata;
	/* What it is doing. */
	enum emulator_application selected;
	unsigned int n_verify, n_dh, n_commands, n_chained;
	uint8_t chain[4096];
	size_t chain_len;
	uint8_t rest[8192];
	size_t rest_len;
};

/* A card with both applications, a key in OpenPGP and in PIV 9d, PINs "123456", three tries. */
void emulator_init(struct emulator *e);
/* As after power on: nothing is selected or verified. */
void emulator_reset(struct emulator *e);
/* ret has room for EMULATOR_ANSWER_MAX. The length of the answer. */
size_t emulator_transmit(struct emulator *e, const uint8_t *command, size_t len, uint8_t *ret);
size_t emulator_atr(const struct emulator *e, uint8_t ret[static 33]);
/* The public key of a secret, by libcrypto; and X25519, by the same. */
void emulator_public(uint8_t ret[static 32], const uint8_t secret[static 32]);
bool emulator_x25519(uint8_t ret[static 32], const uint8_t secret[static 32], const uint8_t point[static 32]);
