/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the monitor of smart cards says, to the broker: what decodes encodes to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "common/wire-card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[WIRE_CARD_MESSAGE_MAX];
	struct wire_card_message m;
	size_t len;

	if (wire_card_decode(&m, data, size) < 0)
		return 0;
	if (wire_card_encode(bytes, &len, &m) < 0 || len != size || memcmp(bytes, data, size) != 0)
		abort();
	return 0;
}
