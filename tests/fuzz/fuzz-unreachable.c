/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet that nobody is there for: an answer is well formed, quotes its beginning, goes back to whom it came from, and is never answered. */
#include <stdbool.h>
#include <stdlib.h>

#include "tests/unit/offload-packets.h"
#include "tunnel/unreachable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long as they are, for the sanitizer. */
	uint8_t *answer = malloc(UNREACHABLE_MAX), *packet = malloc(size ? size : 1), again[UNREACHABLE_MAX];
	size_t n;

	expect(answer && packet);
	if (size)
		memcpy(packet, data, size);
	n = unreachable_answer(answer, packet, size);
	expect(n <= UNREACHABLE_MAX);
	if (n && packet[0] >> 4 == 4) {
		expect(size >= 20 && n > 28 && n <= 576 && n - 28 <= size && answer[0] == 0x45 && answer[9] == 1);
		expect((size_t)(answer[2] << 8 | answer[3]) == n && ref_sum(answer, 20, 0) == 0xffff && ref_sum(answer + 20, n - 20, 0) == 0xffff);
		expect(memcmp(answer + 12, packet + 16, 4) == 0 && memcmp(answer + 16, packet + 12, 4) == 0);
		expect(memcmp(answer + 28, packet, n - 28) == 0 && (n == 576 || n - 28 == size));
	} else if (n) {
		expect(packet[0] >> 4 == 6 && size >= 40 && n > 48 && n - 48 <= size && answer[0] == 0x60 && answer[6] == 58);
		expect((size_t)(answer[4] << 8 | answer[5]) + 40 == n && ref_transport_sum(answer, 40, n, 58) == 0xffff);
		expect(memcmp(answer + 8, packet + 24, 16) == 0 && memcmp(answer + 24, packet + 8, 16) == 0);
		expect(memcmp(answer + 48, packet, n - 48) == 0 && (n == 1280 || n - 48 == size));
	}
	expect(unreachable_answer(again, answer, n) == 0);
	free(answer);
	free(packet);
	return 0;
}
