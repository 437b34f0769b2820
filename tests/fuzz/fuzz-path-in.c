/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes from the network. First byte even: datagrams as they are, in packets of the length that the next two bytes say; four bytes
 * that are "INDX" become the session's index. Odd: inner packets, each after two bytes of length, as an authenticated but hostile peer
 * sends them. Whatever reaches the interface must be an IP packet of that peer's addresses, as long as it says.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/secret.h"
#include "tests/unit/path-fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY 7
#define PLACE_MAX 60000u

static struct path_fixture f;
static uint32_t session_index;
static uint64_t counter;

static void expect(bool ok)
{
	if (!ok)
		abort();
}

static void check_written(void)
{
	static uint8_t got[70000];

	for (size_t n; (n = path_fixture_read(&f, got, sizeof(got), 0)) > 0;) {
		const uint8_t *const p = got + TUN_HEADER;
		const size_t len = n - TUN_HEADER;

		expect(n > TUN_HEADER + 20 - 1);
		if (p[0] >> 4 == 4)
			expect((size_t)(p[2] << 8 | p[3]) == len && p[12] == 10);
		else
			expect(p[0] >> 4 == 6 && len >= 40 && (size_t)(p[4] << 8 | p[5]) + 40 == len && p[8] >= 0xfc);
	}
}

/* No longer than it must be, so that AddressSanitizer sees what lies beyond. */
static void inject(const uint8_t *bytes, size_t len, uint32_t segment)
{
	uint8_t *room = malloc(AEAD_HEADROOM + len + AEAD_TAILROOM);

	expect(room != NULL);
	memcpy(room + AEAD_HEADROOM, bytes, len);
	path_inject(f.path, room + AEAD_HEADROOM, (uint32_t)len, segment, (uint8_t)(segment & 3), &f.peer->endpoint);
	free(room);
	check_written();
}

static size_t seal(uint8_t *to, const uint8_t *inner, size_t len)
{
	uint8_t key[32], nonce[12] = { 0 };
	unsigned long long n;

	memset(key, KEY, sizeof(key));
	memset(to, 0, 16);
	to[0] = 4;
	memcpy(to + 4, &session_index, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = to[8 + i] = (uint8_t)(counter >> (8 * i));
	counter++;
	crypto_aead_chacha20poly1305_ietf_encrypt(to + 16, &n, inner, len, NULL, 0, NULL, nonce, key);
	return 16 + (size_t)n;
}

static void raw(const uint8_t *data, size_t size)
{
	static uint8_t bytes[PLACE_MAX];
	uint32_t segment;

	if (size < 2)
		return;
	segment = (uint32_t)data[0] << 8 | data[1];
	data += 2;
	size -= 2;
	memcpy(bytes, data, size);
	for (size_t i = 0; i + 4 <= size; i++)
		if (memcmp(bytes + i, "INDX", 4) == 0)
			memcpy(bytes + i, &session_index, 4);
	inject(bytes, size, segment);
}

/* All of one length arrive together. */
static void authentic(const uint8_t *data, size_t size)
{
	static uint8_t bytes[PLACE_MAX];
	size_t used = 0, segment = 0;

	while (size >= 2) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		if (used && (len + 32 != segment || used + len + 32 > sizeof(bytes))) {
			inject(bytes, used, (uint32_t)segment);
			used = 0;
		}
		if (len + 32 <= sizeof(bytes))
			used += seal(bytes + used, data, len);
		segment = len + 32;
		data += len;
		size -= len;
	}
	if (used)
		inject(bytes, used, (uint32_t)segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!f.path) {
		expect(secret_init() == 0);
		path_fixture_init(&f, AEAD_LIBCRYPTO);
		path_fixture_peer(&f, 9);
		session_index = path_fixture_session(&f, KEY);
	}
	if (size < 1 || size > PLACE_MAX / 2)
		return 0;
	/* Two minutes and more are a session's whole life. */
	f.peer->current->born_us = clock_now(&clock_system).boot_us;
	if (data[0] & 1)
		authentic(data + 1, size - 1);
	else
		raw(data + 1, size - 1);
	for (const struct inbox_message *m; (m = inbox_peek(f.device.inbox));) {
		expect(m->bytes[0] >= 1 && m->bytes[0] <= 3 && m->len >= 4);
		inbox_pop(f.device.inbox);
	}
	return 0;
}
