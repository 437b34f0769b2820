/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each cipher takes on one core for packets of some lengths: the best of many short rounds, so that other load does not count. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tunnel/aead.h"

#define ROUNDS 400
#define PACKETS 16
#define STRIDE 1536

static uint8_t buf[AEAD_HEADROOM + PACKETS * STRIDE + AEAD_TAILROOM], copy[sizeof(buf)];

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double best(struct aead_worker *w, uint32_t len, bool open)
{
	static const uint8_t key[AEAD_KEY_SIZE] = { 1 };
	struct aead_packet p[PACKETS];
	double least = 1e18;

	for (unsigned int i = 0; i < PACKETS; i++)
		p[i] = (struct aead_packet){ .text = buf + AEAD_HEADROOM + i * STRIDE, .len = len, .counter = i };
	aead_seal(w, key, p, PACKETS);
	memcpy(copy, buf, sizeof(buf));
	for (unsigned int i = 0; i < ROUNDS; i++) {
		double start;

		memcpy(buf, copy, sizeof(buf));
		start = now_ns();
		if (!open)
			aead_seal(w, key, p, PACKETS);
		else if (aead_open(w, key, p, PACKETS) != PACKETS)
			abort();
		start = now_ns() - start;
		least = start < least ? start : least;
	}
	return least / PACKETS;
}

int main(void)
{
	static const uint32_t lens[] = { 0, 64, 256, 512, 1024, 1420 };

	if (sodium_init() < 0)
		return 1;
	for (int kind = AEAD_LIBCRYPTO; kind >= AEAD_FASTEST; kind = kind == AEAD_LIBCRYPTO ? AEAD_IPSEC_MB : kind == AEAD_IPSEC_MB ? AEAD_FASTEST : -1) {
		struct aead_worker *w;
		double seal = 0, open = 0;

		if (aead_worker_new(&w, (enum aead_kind)kind) < 0) {
			printf("libipsec-mb is not to be had here\n");
			continue;
		}
		printf("%s%s: seal/open ns", kind == AEAD_FASTEST ? "chosen: " : "", aead_worker_describe(w));
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			seal = best(w, lens[i], false);
			open = best(w, lens[i], true);
			printf("  %u B %.0f/%.0f", lens[i], seal, open);
		}
		/* A tunnel's Gbit is sealed once and opened once. */
		printf("; %.3f CPU s per Gbit\n", (seal + open) * 1e9 / (1420 * 8) / 1e9);
		w = aead_worker_free(w);
	}
	return 0;
}
