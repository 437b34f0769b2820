/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ChaCha20-Poly1305 (RFC 8439) of data packets, in place: no additional data, the nonce is 32 zero bits and the packet's
 * counter (WireGuard whitepaper section 5.4.6).
 *
 * There are two implementations behind it, which give the same bytes: libcrypto's, and that of libipsec-mb where the
 * library can be loaded and has shown that it agrees with the other. Which one is faster depends on the processor and on the
 * length of the packet, so each worker measures when it is made (about 2 ms).
 *
 * Keys are borrowed from guarded memory for each call. libcrypto keeps a copy of the last one in its own memory; aead_forget
 * wipes it, and must be called before a key's memory is freed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_SIZE 32
#define AEAD_TAG_SIZE 16
#define AEAD_TEXT_MAX 65536u
/* So many bytes before the text, and behind its tag, must be writable memory. They are as before when the call returns. */
#define AEAD_HEADROOM 64
#define AEAD_TAILROOM 64

enum aead_kind {
	AEAD_FASTEST, /* for each length the one that was measured to be */
	AEAD_LIBCRYPTO,
	AEAD_IPSEC_MB,
};

struct aead_packet {
	uint8_t *text; /* len bytes, and AEAD_TAG_SIZE more for the tag */
	uint32_t len;  /* without the tag, at most AEAD_TEXT_MAX */
	bool ok;       /* aead_open: authentic */
	uint64_t counter;
};

/* One per thread: contexts, scratch memory. */
struct aead_worker;

/* 0, -ENOMEM, -ENOSYS (AEAD_IPSEC_MB where it cannot be had), -EIO (libcrypto fails, or lacks the algorithms). */
int aead_worker_new(struct aead_worker **ret, enum aead_kind kind);
/* Wipes. NULL is allowed. Always NULL. */
struct aead_worker *aead_worker_free(struct aead_worker *w);

/* For the log: which is used for which lengths, as "libcrypto" or "libipsec-mb up to 512 bytes, libcrypto above". */
const char *aead_worker_describe(const struct aead_worker *w);

/* Never fails; what would (libcrypto out of its mind) ends the process before anything is sent that is not encrypted. */
void aead_seal(struct aead_worker *w, const uint8_t key[static AEAD_KEY_SIZE], struct aead_packet *packets, size_t n);

/* Sets each packet's ok, comparing tags in constant time; the text of one that is not ok is zeroed. How many are ok. */
size_t aead_open(struct aead_worker *w, const uint8_t key[static AEAD_KEY_SIZE], struct aead_packet *packets, size_t n);

/* Wipes the worker's copy, if it is of this key. The worker is not in a call: its path's lock is held. */
void aead_forget(struct aead_worker *w, const uint8_t key[static AEAD_KEY_SIZE]);
