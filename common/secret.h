/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one type for secrets: keys, PSKs, PINs, recovery codes, hmac-secret outputs.
 *
 * A secret lives in guarded memory (sodium_malloc slabs: guard pages around, mlock'd, left out of core dumps),
 * many to a slab so that a gateway can hold tens of thousands. It is never copied into ordinary memory, never
 * formatted, and wiped when freed. What one may do with it: derive from it, seal it to a pipe, borrow its bytes
 * for the length of one call.
 *
 * Not thread-safe: every wgfido program is single-threaded where it holds secrets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_KEY_SIZE 32 /* X25519 scalars, PSKs, derived keys */
#define SECRET_MAX 64      /* two hmac-secret outputs; the longest CTAP PIN is 63 bytes */

struct secret;

/* To be called once before anything else: sodium_init, no core dumps (RLIMIT_CORE 0, PR_SET_DUMPABLE 0).
 * WGFIDO_DEBUGGABLE builds (sanitizers) keep the process dumpable, since LeakSanitizer must ptrace it.
 * Returns 0 or a negative errno. */
int secret_init(void);

/* The last of it again: for a process that changes its ids, after which the kernel decides anew. 0 or a negative errno. */
int secret_not_dumpable(void);

/* False once guarded memory could not be locked (RLIMIT_MEMLOCK) and may be swapped out: to be told to the admin.
 * secret_init tries a first piece. */
bool secret_memory_locked(void);

/* A zeroed secret of len bytes, 1..SECRET_MAX. NULL when guarded memory cannot be had. */
struct secret *secret_new(size_t len);

/* Wipes and frees; NULL is allowed. Always returns NULL: s = secret_free(s). */
struct secret *secret_free(struct secret *s);

size_t secret_len(const struct secret *s);

/* Borrow: the pointer holds until the secret is freed; whoever borrows does not copy out of guarded memory. */
const uint8_t *secret_borrow(const struct secret *s);
uint8_t *secret_borrow_mut(struct secret *s);

/* For a 32-byte secret, as the typed argument of the libsodium calls. Asserts the length. */
const uint8_t *secret_key(const struct secret *s);

/* Shortens in place (a PIN read into a 63-byte secret); the cut-off tail is wiped. */
void secret_truncate(struct secret *s, size_t len);

void secret_fill_random(struct secret *s);

/* Constant time; false when the lengths differ. */
bool secret_equal(const struct secret *a, const struct secret *b);
bool secret_is_zero(const struct secret *s);

/* A copy in guarded memory, for the rare owner that outlives the other (both must be freed). */
struct secret *secret_dup(const struct secret *s);

/*
 * Seal to a pipe: the secret is written and the write end closed before the read end is handed out, so that
 * nothing of it can be swapped, changed or watched (a pipe's buffer is unswappable kernel memory).
 * *ret_fd (O_CLOEXEC) is the caller's to close. 0 or a negative errno.
 */
int secret_to_pipe(const struct secret *s, int *ret_fd);

/*
 * The other end: reads up to max bytes until EOF from a pipe, and nothing else than a pipe (-EBADF), without
 * waiting: what is not there yet, or a write end still open, is -EAGAIN; more than max is -EMSGSIZE; nothing
 * at all is -ENODATA. Does not close fd.
 */
int secret_from_pipe(struct secret **ret, int fd, size_t max);

/* From a regular file or terminal-independent stream, blocking, up to max bytes until EOF; a trailing newline is cut. */
int secret_from_fd(struct secret **ret, int fd, size_t max);

#define _cleanup_secret_ __attribute__((cleanup(secret_cleanup)))
static inline void secret_cleanup(struct secret **s)
{
	*s = secret_free(*s);
}

/* Hand a secret on out of a _cleanup_secret_ variable. */
static inline struct secret *secret_take(struct secret **s)
{
	struct secret *taken = *s;

	*s = NULL;
	return taken;
}
