/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key files: one token key t, wrapped in one keyslot per token (as LUKS does), and a recovery slot if wanted.
 * Pure but for keystore_load/save/remove. JSON (jansson), DIR/IFACE.key, mode 0600.
 *
 * kek          = generichash-256(key = secret of the slot, "wgfido keyslot v1" || salt)
 *                (the secret is the hmac-secret output, or the recovery code's bits)
 * wrapped      = XChaCha20-Poly1305-IETF(kek, random nonce, t, associated data = header || the slot's own fields)
 * slots_mac    = generichash-256(key = kdf(t, 1, "wgfSlots"), header || next_slot_id || every slot with its wrapped key)
 *
 * The header is version, interface, mode, held, the public key T and the salt. slots_mac is checked whenever t is
 * unwrapped, before t is used, and before a slot is added or removed. keystore.c has the exact encoding.
 *
 * Where t never left the token (held: resident) the file says only where it is, and has nothing to wrap, to recover or to
 * authenticate: whoever altered it brings about that another key is looked for, which then has to prove that it is T's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <net/if.h>

#include "common/config.h"
#include "common/encoding.h"
#include "common/secret.h"
#include "common/wire.h"

#define KEYFILE_SLOTS_MAX WIRE_CREDENTIALS_MAX
#define KEYFILE_LABEL_MAX 64
#define KEYFILE_SIZE_MAX (256u << 10)
#define KEYFILE_WRAPPED_SIZE (SECRET_KEY_SIZE + 16)
#define KEYFILE_NONCE_SIZE 24

enum keyslot_type { KEYSLOT_HMAC_SECRET, KEYSLOT_RECOVERY };
enum keyfile_held { KEYFILE_WRAPPED, KEYFILE_RESIDENT };

struct keyslot {
	uint32_t id;		       /* never used twice in one file */
	enum keyslot_type type;
	char label[KEYFILE_LABEL_MAX]; /* printable UTF-8 */
	uint64_t created;	       /* unix seconds */
	/* hmac-secret only */
	enum wire_uv uv;
	uint8_t aaguid[16];
	struct wire_credential credential;
	/* all */
	uint8_t nonce[KEYFILE_NONCE_SIZE];
	uint8_t wrapped[KEYFILE_WRAPPED_SIZE];
};

/* Where a resident key is, and what its token wants for it. */
struct keyfile_resident {
	uint8_t public_key[KEY_SIZE];
	struct wire_x_slot slot;
	enum wire_x_touch touch;
	uint16_t cached_seconds;	/* of WIRE_X_TOUCH_CACHED; else 0 */
	bool needs_pin;
	bool paired;			/* answers only in the channel of the pairing that token_public names; else that is zero */
	uint8_t token_public[KEY_SIZE]; /* the token's own channel key */
	char serial[WIRE_TEXT_MAX];	/* of the token, printable ASCII; "" if it has none */
	char label[KEYFILE_LABEL_MAX];	/* printable UTF-8 */
	uint64_t created;		/* unix seconds */
};

struct keyfile {
	char ifname[IF_NAMESIZE];
	enum config_mode mode;
	enum keyfile_held held;
	uint8_t public_key[KEY_SIZE]; /* T; in identity mode the interface's public key */
	/* resident: all below is zero */
	struct keyfile_resident resident; /* its public_key is the one above */
	bool has_next;
	struct keyfile_resident next;	  /* made, and not in use yet */
	/* wrapped: all above is zero */
	uint8_t salt[32];	      /* the hmac-secret salt, one for all slots */
	uint32_t next_slot_id;
	size_t n_slots;
	struct keyslot slots[KEYFILE_SLOTS_MAX];
	uint8_t slots_mac[32];
};

/* A key file without slots for the token key t: fresh salt, T computed. */
int keyfile_new(struct keyfile **ret, const char *ifname, enum config_mode mode, const struct secret *t);
struct keyfile *keyfile_free(struct keyfile *k);

/* OUTCOME_KEYFILE_DAMAGED with *ret_error a malloc'ed sentence (what, where); -ENOMEM. Never reads past text + len. */
int keyfile_parse(struct keyfile **ret, char **ret_error, const char *text, size_t len);
int keyfile_format(char **ret_text, const struct keyfile *k);

/* OUTCOME_INVALID_ARGUMENT: the record is not one that a file can hold. */
int keyfile_new_resident(struct keyfile **ret, const char *ifname, enum config_mode mode, const struct keyfile_resident *key);
/* next NULL: none any more. OUTCOME_INVALID_ARGUMENT: as above, or it is the present key; OUTCOME_UNSUPPORTED: k is not resident. */
int keyfile_set_next(struct keyfile *k, const struct keyfile_resident *next);
/* The next key becomes the present one. OUTCOME_NOT_ENROLLED: there is none. */
int keyfile_commit_next(struct keyfile *k);
bool keyfile_resident_valid(const struct keyfile_resident *key);

/* "ctaphid:0" to "ctaphid:31", "openpgp", "piv:9d", "piv:82" to "piv:95". -EINVAL */
#define KEYFILE_X_SLOT_MAX 16
int keyfile_x_slot_parse(struct wire_x_slot *ret, const char *text);
void keyfile_x_slot_format(char ret[static KEYFILE_X_SLOT_MAX], const struct wire_x_slot *slot);
const char *keyfile_x_touch_name(enum wire_x_touch touch); /* "unknown", "never", "cached", "always" */

struct keyslot_new {
	enum keyslot_type type;
	const char *label;
	uint64_t created;
	enum wire_uv uv;		       /* hmac-secret */
	const uint8_t *aaguid;		       /* 16 bytes; hmac-secret */
	const struct wire_credential *credential; /* hmac-secret */
	/* The slot's wrapping key: keyslot_kek() of the hmac output or the recovery code. */
	const struct secret *kek;
};

/* 32 bytes from hmac-secret, or 16..32 bytes of recovery code. */
int keyslot_kek(struct secret **ret, const struct secret *slot_secret, const uint8_t salt[static 32]);
/* Wraps t into a new slot and renews slots_mac. OUTCOME_LIMIT_EXCEEDED when full. OUTCOME_UNSUPPORTED: k is resident. -EINVAL: t is not this file's, or a bad slot.
 * k is unchanged on any failure, here and below. */
int keyfile_add_slot(struct keyfile *k, uint32_t *ret_id, const struct keyslot_new *slot, const struct secret *t);
/* OUTCOME_NOT_ENROLLED: no such slot. OUTCOME_INVALID_ARGUMENT: it is the last one. OUTCOME_UNSUPPORTED: k is resident. */
int keyfile_remove_slot(struct keyfile *k, uint32_t id, const struct secret *t);
const struct keyslot *keyfile_find_slot(const struct keyfile *k, uint32_t id);

/* Unwraps, then checks that t gives T and that slots_mac holds. OUTCOME_WRONG_TOKEN: this kek does not open this slot.
 * OUTCOME_KEYFILE_DAMAGED: it opens, but the file was altered. */
int keyfile_unwrap(struct secret **ret_t, const struct keyfile *k, uint32_t slot_id, const struct secret *kek);

/* Files. load: OUTCOME_NOT_ENROLLED if there is none. save: atomic and synced; the old one stands on any failure (but that of
 * the directory's own fsync, which comes last: the new one is in place then, and the disk is not sure of it). */
int keystore_load(struct keyfile **ret, char **ret_error, const char *dir, const char *ifname);
int keystore_save(const char *dir, const struct keyfile *k);
int keystore_remove(const char *dir, const char *ifname);

/*
 * Recovery codes: 160 random bits in Crockford base32 with a checksum, in groups of five, "XXXXX-XXXXX-...", shown once.
 * The text lives in guarded memory. Parsing forgives case, blanks, dashes and O/0, I/L/1; a wrong checksum is
 * OUTCOME_INVALID_ARGUMENT.
 */
int recovery_new(struct secret **ret_bits, struct secret **ret_text);
int recovery_parse(struct secret **ret_bits, const struct secret *text);
