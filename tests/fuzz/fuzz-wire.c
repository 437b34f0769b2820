/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever decodes must encode to the very bytes it came from: one meaning, one form. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const uint8_t *encoded, size_t len, const uint8_t *data, size_t size)
{
	if (len != size || memcmp(encoded, data, size) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[WIRE_MESSAGE_MAX];
	static struct wire_request request;
	static struct wire_result result;
	struct wire_status_message status;
	enum wire_type type;
	size_t len = 0;

	if (sodium_init() < 0)
		abort();
	if (wire_decode_request(&request, data, size) == 0) {
		if (wire_encode_request(buf, &len, &request) < 0)
			abort();
		check_same(buf, len, data, size);
		wire_request_clear(&request);
	}
	if (wire_decode_reply(&type, &result, &status, data, size) == 0) {
		if ((type == WIRE_STATUS ? wire_encode_status(buf, &len, &status) :
					   wire_encode_result(buf, &len, &result)) < 0)
			abort();
		check_same(buf, len, data, size);
		wire_result_clear(&result);
	}
	return 0;
}
