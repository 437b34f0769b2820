/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tunnel/aead.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tunnel/aead-impl.h"

#define IMPLS 2
/* What is measured stands for what is shorter; the last stands for what is longer too. */
static const uint32_t class_len[] = { 64, 320, 704, 1424 };
#define CLASSES (sizeof(class_len) / sizeof(class_len[0]))
#define MEASURE_ROUNDS 40
#define MEASURE_PACKETS 4
#define MEASURE_STRIDE 1536

struct aead_worker {
	const struct aead_impl *impl[IMPLS];
	void *state[IMPLS]; /* NULL: not to be had, or not wanted */
	uint8_t chosen[CLASSES];
	char description[96];
};

static unsigned int class_of(uint32_t len)
{
	unsigned int c = 0;

	while (c < CLASSES - 1 && len > class_len[c])
		c++;
	return c;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

struct measure {
	uint8_t *buf; /* AEAD_HEADROOM, MEASURE_PACKETS * MEASURE_STRIDE, AEAD_TAILROOM */
	struct aead_packet packets[MEASURE_PACKETS];
};

static void measure_fill(struct measure *m, uint32_t len)
{
	for (unsigned int i = 0; i < MEASURE_PACKETS; i++)
		m->packets[i] = (struct aead_packet){ .text = m->buf + AEAD_HEADROOM + i * MEASURE_STRIDE, .len = len, .counter = i };
}

static uint64_t measure_once(struct aead_worker *w, unsigned int which, struct measure *m, const uint8_t *key)
{
	const uint64_t start = now_ns();

	w->impl[which]->seal(w->state[which], key, m->packets, MEASURE_PACKETS);
	w->impl[which]->open(w->state[which], key, m->packets, MEASURE_PACKETS);
	return now_ns() - start;
}

/* Does the second open what the first has sealed, and seal to the same bytes? For every class, and lengths around blocks. */
static bool agree(struct aead_worker *w, struct measure *m, const uint8_t *key)
{
	static const uint32_t lens[] = { 0, 1, 15, 16, 17, 63, 64, 65, 448, 512, 513, 1023, 1424, 1437 };
	uint8_t sealed[MEASURE_STRIDE];

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct aead_packet p = { .text = m->buf + AEAD_HEADROOM, .len = lens[i], .counter = 0x0807060504030201 + i };

		memset(p.text, (int)i, lens[i]);
		w->impl[1]->seal(w->state[1], key, &p, 1);
		memcpy(sealed, p.text, lens[i] + AEAD_TAG_SIZE);
		memset(p.text, (int)i, lens[i]);
		w->impl[0]->seal(w->state[0], key, &p, 1);
		if (memcmp(sealed, p.text, lens[i] + AEAD_TAG_SIZE) != 0)
			return false;
		w->impl[1]->open(w->state[1], key, &p, 1);
		if (!p.ok || (lens[i] && (p.text[0] != (uint8_t)i || p.text[lens[i] - 1] != (uint8_t)i)))
			return false;
		p.text[lens[i]] ^= 0x80;
		w->impl[1]->open(w->state[1], key, &p, 1);
		if (p.ok)
			return false;
	}
	return true;
}

/* A disturbance only ever lengthens, so each is judged by its best round, and the rounds alternate. */
static void measure(struct aead_worker *w, struct measure *m, const uint8_t *key)
{
	for (unsigned int c = 0; c < CLASSES; c++) {
		uint64_t best[IMPLS] = { UINT64_MAX, UINT64_MAX };

		measure_fill(m, class_len[c]);
		for (unsigned int round = 0; round < MEASURE_ROUNDS; round++)
			for (unsigned int i = 0; i < IMPLS; i++) {
				const uint64_t t = measure_once(w, i, m, key);

				if (t < best[i])
					best[i] = t;
			}
		w->chosen[c] = best[1] < best[0];
	}
}

static void describe(struct aead_worker *w)
{
	size_t used = 0;

	for (unsigned int c = 0; c < CLASSES; c++) {
		if (c + 1 < CLASSES && w->chosen[c + 1] == w->chosen[c])
			continue;
		const int n = c + 1 < CLASSES ? snprintf(w->description + used, sizeof(w->description) - used, "%s up to %u bytes, ",
							w->impl[w->chosen[c]]->name, class_len[c]) :
						snprintf(w->description + used, sizeof(w->description) - used, "%s%s",
							w->impl[w->chosen[c]]->name, used ? " above" : "");

		if (n < 0 || used + (size_t)n >= sizeof(w->description))
			return;
		used += (size_t)n;
	}
}

/* With both there: which for what. */
static int choose(struct aead_worker *w)
{
	static const uint8_t key[AEAD_KEY_SIZE] = { 1, 2, 3 }; /* nothing secret is under it */
	struct measure m = { .buf = calloc(1, AEAD_HEADROOM + MEASURE_PACKETS * MEASURE_STRIDE + AEAD_TAILROOM) };

	if (!m.buf)
		return -ENOMEM;
	if (agree(w, &m, key)) {
		measure(w, &m, key);
	} else {
		w->impl[1]->destroy(w->state[1]);
		w->state[1] = NULL;
	}
	free(m.buf);
	return 0;
}

int aead_worker_new(struct aead_worker **ret, enum aead_kind kind)
{
	struct aead_worker *w = calloc(1, sizeof(*w));
	int r = 0;

	if (!w)
		return -ENOMEM;
	w->impl[0] = &aead_libcrypto;
	w->impl[1] = &aead_ipsec_mb;
	if (kind != AEAD_IPSEC_MB)
		r = w->impl[0]->create(&w->state[0]);
	if (r == 0 && kind != AEAD_LIBCRYPTO) {
		r = w->impl[1]->create(&w->state[1]);
		if (r == -ENOSYS && kind == AEAD_FASTEST)
			r = 0;
	}
	if (r == 0 && w->state[0] && w->state[1])
		r = choose(w);
	if (r < 0) {
		aead_worker_free(w);
		return r;
	}
	if (kind == AEAD_IPSEC_MB)
		memset(w->chosen, 1, sizeof(w->chosen));
	describe(w);
	*ret = w;
	return 0;
}

struct aead_worker *aead_worker_free(struct aead_worker *w)
{
	if (!w)
		return NULL;
	for (unsigned int i = 0; i < IMPLS; i++)
		if (w->state[i])
			w->impl[i]->destroy(w->state[i]);
	free(w);
	return NULL;
}

const char *aead_worker_describe(const struct aead_worker *w)
{
	return w->description;
}

/* How many from packets on are one implementation's. */
static size_t run_length(const struct aead_worker *w, const struct aead_packet *packets, size_t n, uint8_t *ret_which)
{
	const uint8_t which = w->chosen[class_of(packets[0].len)];
	size_t run = 1;

	while (run < n && w->chosen[class_of(packets[run].len)] == which)
		run++;
	*ret_which = which;
	return run;
}

void aead_seal(struct aead_worker *w, const uint8_t key[static AEAD_KEY_SIZE], struct aead_packet *packets, size_t n)
{
	uint8_t which;

	for (size_t run; n > 0; packets += run, n -= run) {
		run = run_length(w, packets, n, &which);
		w->impl[which]->seal(w->state[which], key, packets, run);
	}
}

size_t aead_open(struct aead_worker *w, const uint8_t key[static AEAD_KEY_SIZE], struct aead_packet *packets, size_t n)
{
	size_t ok = 0;
	uint8_t which;

	for (size_t run; n > 0; packets += run, n -= run) {
		run = run_length(w, packets, n, &which);
		w->impl[which]->open(w->state[which], key, packets, run);
		for (size_t i = 0; i < run; i++) {
			if (packets[i].ok)
				ok++;
			else
				memset(packets[i].text, 0, packets[i].len);
		}
	}
	return ok;
}

void aead_forget(struct aead_worker *w, const uint8_t key[static AEAD_KEY_SIZE])
{
	for (unsigned int i = 0; i < IMPLS; i++)
		if (w->state[i] && w->impl[i]->forget)
			w->impl[i]->forget(w->state[i], key);
}
