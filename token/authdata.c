/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/authdata.h"

#include <cbor.h>
#include <errno.h>
#include <string.h>

#define FIXED_SIZE 37 /* hash, flags, counter */
#define AAGUID_SIZE 16
#define FLAG_CREDENTIAL 0x40
#define FLAG_EXTENSIONS 0x80

static bool key_is(const cbor_item_t *key, const char *name)
{
	return cbor_isa_string(key) && cbor_string_is_definite(key) && cbor_string_length(key) == strlen(name) &&
		memcmp(cbor_string_handle(key), name, strlen(name)) == 0;
}

static void read_extensions(struct authdata_credential *ret, const cbor_item_t *map)
{
	const struct cbor_pair *pairs = cbor_map_handle(map);

	for (size_t i = 0; i < cbor_map_size(map); i++) {
		if (key_is(pairs[i].key, "hmac-secret") && cbor_is_bool(pairs[i].value))
			ret->hmac_secret = cbor_ctrl_value(pairs[i].value) == CBOR_CTRL_TRUE;
		if (key_is(pairs[i].key, "credProtect") && cbor_isa_uint(pairs[i].value))
			ret->cred_protect = cbor_get_int(pairs[i].value);
	}
}

int authdata_parse_credential(struct authdata_credential *ret, const uint8_t *data, size_t len)
{
	struct authdata_credential found = {0};
	struct cbor_load_result loaded;
	cbor_item_t *item;
	size_t at = FIXED_SIZE + AAGUID_SIZE, id_len;
	int r = -EBADMSG;

	if (len < at + 2)
		return -EBADMSG;
	memcpy(found.rp_id_hash, data, sizeof(found.rp_id_hash));
	found.flags = data[32];
	if ((found.flags & FLAG_CREDENTIAL) == 0 || (found.flags & FLAG_EXTENSIONS) == 0)
		return -EBADMSG;
	id_len = (size_t)data[at] << 8 | data[at + 1];
	at += 2;
	if (id_len == 0 || len - at < id_len)
		return -EBADMSG;
	at += id_len;

	/* The public key, which libfido2 has parsed: only its length matters. */
	item = cbor_load(data + at, len - at, &loaded);
	if (!item)
		return -EBADMSG;
	cbor_decref(&item);
	at += loaded.read;

	item = cbor_load(data + at, len - at, &loaded);
	if (!item)
		return -EBADMSG;
	if (cbor_isa_map(item) && loaded.read == len - at) {
		read_extensions(&found, item);
		*ret = found;
		r = 0;
	}
	cbor_decref(&item);
	return r;
}
