/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keyslots: wrapping, unwrapping, and the authenticated list of slots. The text form is keystore-json.c's, the files are
 * keystore-file.c's.
 *
 * What is authenticated is never the text but an unambiguous encoding of the fields, each as its length (32 bits, little
 * endian) and its bytes, numbers as 8 bytes little endian, in this order:
 *
 *   header     "wgfido key file", version, interface, mode, held, public key, salt
 *   slot       id, type, label, created; then for hmac-secret uv, aaguid, credential id, credential public key
 *   AEAD's associated data of a slot     header || slot
 *   slots_mac's input                    header || next_slot_id || number of slots || (slot || nonce || wrapped) each
 *
 * next_slot_id is not in the header, since it grows while the slots that are there stay sealed.
 */
#include "daemon/keystore.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/schedule.h"
#include "daemon/keystore-text.h"

/* Every field at its largest is well below these (a test fills them). */
#define HEADER_MAX 256
#define SLOT_MAX (WIRE_CREDENTIAL_ID_MAX + 512)

_Static_assert(KEYFILE_WRAPPED_SIZE == SECRET_KEY_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES, "wrapped size");
_Static_assert(KEYFILE_NONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce size");
_Static_assert(SECRET_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "kek size");
_Static_assert(SECRET_KEY_SIZE == crypto_kdf_KEYBYTES, "kdf key size");

struct encoder {
	uint8_t *buf;
	size_t size, len;
	bool overflow;
};

static void encode_bytes(struct encoder *e, const void *data, size_t len)
{
	if (len > UINT32_MAX || e->size - e->len < 4 || e->size - e->len - 4 < len) {
		e->overflow = true;
		return;
	}
	for (unsigned int i = 0; i < 4; i++)
		e->buf[e->len++] = (uint8_t)(len >> (8 * i));
	if (len > 0)
		memcpy(e->buf + e->len, data, len);
	e->len += len;
}

static void encode_number(struct encoder *e, uint64_t n)
{
	uint8_t le[8];

	for (unsigned int i = 0; i < 8; i++)
		le[i] = (uint8_t)(n >> (8 * i));
	encode_bytes(e, le, sizeof(le));
}

static void encode_header(struct encoder *e, const struct keyfile *k)
{
	static const char domain[] = "wgfido key file";

	encode_bytes(e, domain, sizeof(domain) - 1);
	encode_number(e, KEYFILE_VERSION);
	encode_bytes(e, k->ifname, strnlen(k->ifname, sizeof(k->ifname)));
	encode_number(e, (uint64_t)k->mode);
	encode_number(e, (uint64_t)k->held);
	encode_bytes(e, k->public_key, sizeof(k->public_key));
	encode_bytes(e, k->salt, sizeof(k->salt));
}

static void encode_slot(struct encoder *e, const struct keyslot *s)
{
	encode_number(e, s->id);
	encode_number(e, (uint64_t)s->type);
	encode_bytes(e, s->label, strnlen(s->label, sizeof(s->label)));
	encode_number(e, s->created);
	switch (s->type) {
	case KEYSLOT_HMAC_SECRET:
		encode_number(e, (uint64_t)s->uv);
		encode_bytes(e, s->aaguid, sizeof(s->aaguid));
		encode_bytes(e, s->credential.id, s->credential.id_len);
		encode_bytes(e, s->credential.public_key, sizeof(s->credential.public_key));
		break;
	case KEYSLOT_RECOVERY:
		break;
	}
}

/* Nothing secret is in what slots_mac covers, so ordinary memory holds it. */
static int slots_mac(uint8_t ret[static 32], const struct keyfile *k, const struct secret *t)
{
	_cleanup_secret_ struct secret *key = secret_new(SECRET_KEY_SIZE);
	struct encoder e = { .size = HEADER_MAX + KEYFILE_SLOTS_MAX * (SLOT_MAX + 128) };
	int r = -ENOMEM;

	e.buf = malloc(e.size);
	if (!e.buf || !key)
		goto out;

	encode_header(&e, k);
	encode_number(&e, k->next_slot_id);
	encode_number(&e, k->n_slots);
	for (size_t i = 0; i < k->n_slots; i++) {
		encode_slot(&e, &k->slots[i]);
		encode_bytes(&e, k->slots[i].nonce, sizeof(k->slots[i].nonce));
		encode_bytes(&e, k->slots[i].wrapped, sizeof(k->slots[i].wrapped));
	}
	r = -EMSGSIZE;
	if (e.overflow)
		goto out;

	r = -EIO;
	if (crypto_kdf_derive_from_key(secret_borrow_mut(key), SECRET_KEY_SIZE, 1, "wgfSlots", secret_key(t)) < 0)
		goto out;
	if (crypto_generichash(ret, 32, e.buf, e.len, secret_key(key), SECRET_KEY_SIZE) < 0)
		goto out;
	r = 0;
out:
	free(e.buf);
	return r;
}

static int slots_mac_renew(struct keyfile *k, const struct secret *t)
{
	uint8_t mac[32];
	int r = slots_mac(mac, k, t);

	if (r < 0)
		return r;
	memcpy(k->slots_mac, mac, sizeof(mac));
	return 0;
}

static int slots_mac_check(const struct keyfile *k, const struct secret *t)
{
	uint8_t mac[32];
	int r = slots_mac(mac, k, t);

	if (r < 0)
		return r;
	return sodium_memcmp(mac, k->slots_mac, sizeof(mac)) == 0 ? 0 : OUTCOME_KEYFILE_DAMAGED;
}

static bool is_key_of(const struct keyfile *k, const struct secret *t)
{
	uint8_t public_key[KEY_SIZE];

	if (secret_len(t) != SECRET_KEY_SIZE)
		return false;
	schedule_public(public_key, t);
	return key_equal(public_key, k->public_key);
}

int keyfile_new(struct keyfile **ret, const char *ifname, enum config_mode mode, const struct secret *t)
{
	struct keyfile *k;
	int r;

	if (!ifname_valid(ifname) || secret_len(t) != SECRET_KEY_SIZE)
		return -EINVAL;

	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	strcpy(k->ifname, ifname); /* ifname_valid: it fits */
	k->mode = mode;
	k->held = KEYFILE_WRAPPED;
	schedule_public(k->public_key, t);
	randombytes_buf(k->salt, sizeof(k->salt));
	k->next_slot_id = 1;

	r = slots_mac_renew(k, t);
	if (r < 0) {
		keyfile_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

struct keyfile *keyfile_free(struct keyfile *k)
{
	free(k);
	return NULL;
}

int keyslot_kek(struct secret **ret, const struct secret *slot_secret, const uint8_t salt[static 32])
{
	static const char domain[] = "wgfido keyslot v1";
	uint8_t input[sizeof(domain) - 1 + 32];
	_cleanup_secret_ struct secret *kek = NULL;
	size_t len = secret_len(slot_secret);

	/* A recovery code has 20 bytes; less than 16 would be a bug upstream, as a token's empty answer is. */
	if (len < crypto_generichash_KEYBYTES_MIN || len > SECRET_KEY_SIZE || secret_is_zero(slot_secret))
		return -EINVAL;

	kek = secret_new(SECRET_KEY_SIZE);
	if (!kek)
		return -ENOMEM;
	memcpy(input, domain, sizeof(domain) - 1);
	memcpy(input + sizeof(domain) - 1, salt, 32);
	if (crypto_generichash(secret_borrow_mut(kek), SECRET_KEY_SIZE, input, sizeof(input), secret_borrow(slot_secret), len) < 0)
		return -EIO;

	*ret = secret_take(&kek);
	return 0;
}

static int slot_associated_data(struct encoder *e, const struct keyfile *k, const struct keyslot *s)
{
	encode_header(e, k);
	encode_slot(e, s);
	return e->overflow ? -EMSGSIZE : 0;
}

static int slot_fill(struct keyslot *s, uint32_t id, const struct keyslot_new *from)
{
	if (!from->kek || secret_len(from->kek) != SECRET_KEY_SIZE || !from->label || !keyslot_label_valid(from->label))
		return -EINVAL;

	s->id = id;
	s->type = from->type;
	strcpy(s->label, from->label); /* keyslot_label_valid: it fits */
	s->created = from->created;
	switch (from->type) {
	case KEYSLOT_HMAC_SECRET:
		if (!from->aaguid || !from->credential || from->credential->id_len < 1 ||
		    from->credential->id_len > WIRE_CREDENTIAL_ID_MAX)
			return -EINVAL;
		s->uv = from->uv;
		memcpy(s->aaguid, from->aaguid, sizeof(s->aaguid));
		s->credential.id_len = from->credential->id_len;
		memcpy(s->credential.id, from->credential->id, from->credential->id_len);
		memcpy(s->credential.public_key, from->credential->public_key, sizeof(s->credential.public_key));
		break;
	case KEYSLOT_RECOVERY:
		break;
	}
	return 0;
}

static int slot_seal(struct keyslot *s, const struct keyfile *k, const struct secret *kek, const struct secret *t)
{
	uint8_t ad[HEADER_MAX + SLOT_MAX];
	struct encoder e = { .buf = ad, .size = sizeof(ad) };
	int r = slot_associated_data(&e, k, s);

	if (r < 0)
		return r;
	randombytes_buf(s->nonce, sizeof(s->nonce));
	if (crypto_aead_xchacha20poly1305_ietf_encrypt(s->wrapped, NULL, secret_key(t), SECRET_KEY_SIZE, ad, e.len, NULL,
		s->nonce, secret_key(kek)) < 0)
		return -EIO;
	return 0;
}

int keyfile_add_slot(struct keyfile *k, uint32_t *ret_id, const struct keyslot_new *slot, const struct secret *t)
{
	struct keyfile *next;
	struct keyslot *s;
	int r;

	if (k->held != KEYFILE_WRAPPED)
		return OUTCOME_UNSUPPORTED;
	if (!is_key_of(k, t))
		return -EINVAL;
	/* Renewing the MAC over a list that someone altered would bless it. */
	r = slots_mac_check(k, t);
	if (r != 0)
		return r;
	if (k->n_slots >= KEYFILE_SLOTS_MAX || k->next_slot_id == KEYFILE_SLOT_ID_END)
		return OUTCOME_LIMIT_EXCEEDED;

	/* Worked on as a copy: k is as it was on any failure. */
	next = malloc(sizeof(*next));
	if (!next)
		return -ENOMEM;
	*next = *k;

	s = &next->slots[next->n_slots];
	memset(s, 0, sizeof(*s));
	r = slot_fill(s, next->next_slot_id, slot);
	if (r < 0)
		goto out;
	r = slot_seal(s, next, slot->kek, t);
	if (r < 0)
		goto out;
	next->n_slots++;
	next->next_slot_id++;
	r = slots_mac_renew(next, t);
	if (r < 0)
		goto out;

	*k = *next;
	if (ret_id)
		*ret_id = k->slots[k->n_slots - 1].id;
	r = 0;
out:
	free(next);
	return r;
}

int keyfile_remove_slot(struct keyfile *k, uint32_t id, const struct secret *t)
{
	struct keyfile *next;
	size_t i;
	int r;

	if (k->held != KEYFILE_WRAPPED)
		return OUTCOME_UNSUPPORTED;
	if (!is_key_of(k, t))
		return -EINVAL;
	r = slots_mac_check(k, t);
	if (r != 0)
		return r;
	for (i = 0; i < k->n_slots && k->slots[i].id != id; i++)
		;
	if (i == k->n_slots)
		return OUTCOME_NOT_ENROLLED;
	if (k->n_slots == 1)
		return OUTCOME_INVALID_ARGUMENT;

	next = malloc(sizeof(*next));
	if (!next)
		return -ENOMEM;
	*next = *k;
	next->n_slots--;
	memmove(&next->slots[i], &next->slots[i + 1], (next->n_slots - i) * sizeof(next->slots[0]));
	memset(&next->slots[next->n_slots], 0, sizeof(next->slots[0]));

	r = slots_mac_renew(next, t);
	if (r == 0)
		*k = *next;
	free(next);
	return r;
}

const struct keyslot *keyfile_find_slot(const struct keyfile *k, uint32_t id)
{
	for (size_t i = 0; i < k->n_slots; i++)
		if (k->slots[i].id == id)
			return &k->slots[i];
	return NULL;
}

int keyfile_unwrap(struct secret **ret_t, const struct keyfile *k, uint32_t slot_id, const struct secret *kek)
{
	const struct keyslot *s = keyfile_find_slot(k, slot_id);
	_cleanup_secret_ struct secret *t = NULL;
	uint8_t ad[HEADER_MAX + SLOT_MAX];
	struct encoder e = { .buf = ad, .size = sizeof(ad) };
	int r;

	if (!s)
		return OUTCOME_NOT_ENROLLED;
	if (secret_len(kek) != SECRET_KEY_SIZE)
		return -EINVAL;
	r = slot_associated_data(&e, k, s);
	if (r < 0)
		return r;

	t = secret_new(SECRET_KEY_SIZE);
	if (!t)
		return -ENOMEM;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(secret_borrow_mut(t), NULL, NULL, s->wrapped, sizeof(s->wrapped), ad, e.len,
		s->nonce, secret_key(kek)) < 0)
		return OUTCOME_WRONG_TOKEN;

	if (!is_key_of(k, t))
		return OUTCOME_KEYFILE_DAMAGED;
	r = slots_mac_check(k, t);
	if (r != 0)
		return r;

	*ret_t = secret_take(&t);
	return 0;
}
