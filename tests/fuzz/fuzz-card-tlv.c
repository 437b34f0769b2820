/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a card may send, to every parser of it: the first byte says to which. Whatever comes: no read beyond it, keys of 32 bytes. */
#include <sodium.h>
#include <stdlib.h>

#include "token/card/openpgp.h"
#include "token/card/piv.h"
#include "token/card/tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *before = data;
	struct tlv t;

	while (tlv_next(&t, &p, data + size) > 0) {
		if (p <= before || t.value < data || t.value + t.len != p)
			abort();
		before = p;
	}
}

static void within(const uint8_t *shared, const uint8_t *data, size_t size)
{
	if (shared && (shared < data || shared + 32 > data + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct openpgp_info info;
	struct openpgp_kdf kdf;
	struct piv_key key;
	uint8_t public_key[32];
	char guid[33];

	if (size == 0)
		return 0;
	switch (*data++ % 8) {
	case 0:
		(void)openpgp_parse_application(&info, data, size - 1);
		break;
	case 1:
		(void)openpgp_offers_x25519(data, size - 1);
		break;
	case 2:
		(void)openpgp_parse_public(public_key, data, size - 1);
		within(openpgp_shared(data, size - 1), data, size - 1);
		break;
	case 3:
		(void)openpgp_parse_kdf(&kdf, data, size - 1);
		break;
	case 4:
		(void)piv_parse_metadata(&key, data, size - 1);
		break;
	case 5:
		(void)piv_parse_certificate(&key, data, size - 1);
		break;
	case 6:
		(void)piv_parse_chuid(guid, data, size - 1);
		within(piv_shared(data, size - 1), data, size - 1);
		break;
	default:
		walk(data, size - 1);
		break;
	}
	return 0;
}
