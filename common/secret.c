/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sodium_malloc costs four mappings and two resident pages an allocation, so slots are cut from slabs of it. The handle
 * (struct secret) and the free lists are ordinary memory: they hold nothing secret, and leak checkers see them.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/secret.h"

#if defined(__SANITIZE_ADDRESS__)
#define SECRET_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SECRET_SANITIZED 1
#endif
#endif

/* Freed slots and the unused tails of slots are off limits under AddressSanitizer, as malloc'ed memory would be. */
#if defined(SECRET_SANITIZED)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define SLAB_PAGE 4096
#define SLAB_CANARY 16			       /* sodium_malloc keeps its canary in front, on the same pages */
#define SLAB_FIRST (SLAB_PAGE - SLAB_CANARY)   /* most programs hold a handful of secrets */
#define SLAB_NEXT (8 * SLAB_PAGE - SLAB_CANARY) /* a gateway holds tens of thousands */
#define SLOT_NONE UINT16_MAX

struct slab {
	struct slab *next, *prev; /* in the list of those with a free slot */
	struct slab_class *class;
	uint8_t *slots; /* guarded */
	uint16_t n_slots, n_used;
	uint16_t free_head;
	uint16_t free_next[]; /* the free list lives outside of the guarded slots */
};

struct slab_class {
	size_t slot_size;
	struct slab *with_free;
	unsigned int n_slabs, n_empty;
};

struct secret {
	struct slab *slab;
	uint16_t slot;
	uint8_t len;
};

static struct slab_class slab_classes[] = {
	{ .slot_size = SECRET_KEY_SIZE },
	{ .slot_size = SECRET_MAX },
};

static bool memory_locked = true;

int secret_not_dumpable(void)
{
#if !defined(WGFIDO_DEBUGGABLE) && !defined(SECRET_SANITIZED)
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
#endif
	return 0;
}

int secret_init(void)
{
	const struct rlimit none = { 0, 0 };
	int r;

	if (sodium_init() < 0)
		return -EIO;
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	r = secret_not_dumpable();
	if (r < 0)
		return r;
	secret_free(secret_new(SECRET_KEY_SIZE));
	return 0;
}

bool secret_memory_locked(void)
{
	return memory_locked;
}

static void slab_link(struct slab *slab)
{
	struct slab_class *class = slab->class;

	slab->prev = NULL;
	slab->next = class->with_free;
	if (slab->next)
		slab->next->prev = slab;
	class->with_free = slab;
}

static void slab_unlink(struct slab *slab)
{
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		slab->class->with_free = slab->next;
	if (slab->next)
		slab->next->prev = slab->prev;
}

static struct slab *slab_new(struct slab_class *class)
{
	const size_t size = class->n_slabs == 0 ? SLAB_FIRST : SLAB_NEXT;
	const uint16_t n = (uint16_t)(size / class->slot_size);
	struct slab *slab = calloc(1, sizeof(*slab) + n * sizeof(slab->free_next[0]));

	if (!slab)
		return NULL;
	/* Falls back to unlocked memory by itself where the limit on locked memory is reached. */
	slab->slots = sodium_malloc(n * class->slot_size);
	if (!slab->slots) {
		free(slab);
		return NULL;
	}
	/* sodium_malloc does not say. Once more does no harm, and counts once. */
	if (mlock(slab->slots, n * class->slot_size) < 0)
		memory_locked = false;
	slab->class = class;
	slab->n_slots = n;
	for (uint16_t i = 0; i < n; i++)
		slab->free_next[i] = i + 1 < n ? (uint16_t)(i + 1) : SLOT_NONE;
	ASAN_POISON_MEMORY_REGION(slab->slots, n * class->slot_size);
	slab_link(slab);
	class->n_slabs++;
	class->n_empty++;
	return slab;
}

static void slab_free(struct slab *slab)
{
	slab_unlink(slab);
	slab->class->n_slabs--;
	slab->class->n_empty--;
	ASAN_UNPOISON_MEMORY_REGION(slab->slots, slab->n_slots * slab->class->slot_size);
	sodium_free(slab->slots);
	free(slab);
}

static uint8_t *secret_slot(const struct secret *s)
{
	return s->slab->slots + s->slot * s->slab->class->slot_size;
}

struct secret *secret_new(size_t len)
{
	struct slab_class *class;
	struct secret *s;

	if (len < 1 || len > SECRET_MAX)
		return NULL;
	class = &slab_classes[len > SECRET_KEY_SIZE];
	s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	if (!class->with_free && !slab_new(class)) {
		free(s);
		return NULL;
	}
	s->slab = class->with_free;
	s->slot = s->slab->free_head;
	s->len = (uint8_t)len;
	s->slab->free_head = s->slab->free_next[s->slot];
	if (s->slab->n_used++ == 0)
		class->n_empty--;
	if (s->slab->free_head == SLOT_NONE)
		slab_unlink(s->slab);
	ASAN_UNPOISON_MEMORY_REGION(secret_slot(s), len);
	memset(secret_slot(s), 0, len);
	return s;
}

struct secret *secret_free(struct secret *s)
{
	struct slab *slab;
	struct slab_class *class;

	if (!s)
		return NULL;
	slab = s->slab;
	class = slab->class;
	sodium_memzero(secret_slot(s), s->len);
	ASAN_POISON_MEMORY_REGION(secret_slot(s), class->slot_size);
	if (slab->free_head == SLOT_NONE)
		slab_link(slab);
	slab->free_next[s->slot] = slab->free_head;
	slab->free_head = s->slot;
	if (--slab->n_used == 0) {
		class->n_empty++;
		/* One empty slab is kept, so that a single secret that comes and goes costs no mappings. */
		if (class->n_empty > 1)
			slab_free(slab);
	}
	free(s);
	return NULL;
}

size_t secret_len(const struct secret *s)
{
	return s->len;
}

const uint8_t *secret_borrow(const struct secret *s)
{
	return secret_slot(s);
}

uint8_t *secret_borrow_mut(struct secret *s)
{
	return secret_slot(s);
}

const uint8_t *secret_key(const struct secret *s)
{
	assert(s->len == SECRET_KEY_SIZE);
	return secret_slot(s);
}

void secret_truncate(struct secret *s, size_t len)
{
	assert(len <= s->len);
	sodium_memzero(secret_slot(s) + len, s->len - len);
	ASAN_POISON_MEMORY_REGION(secret_slot(s) + len, s->len - len);
	s->len = (uint8_t)len;
}

void secret_fill_random(struct secret *s)
{
	randombytes_buf(secret_slot(s), s->len);
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && sodium_memcmp(secret_slot(a), secret_slot(b), a->len) == 0;
}

bool secret_is_zero(const struct secret *s)
{
	return sodium_is_zero(secret_slot(s), s->len) != 0;
}

struct secret *secret_dup(const struct secret *s)
{
	struct secret *copy = secret_new(s->len);

	if (copy)
		memcpy(secret_slot(copy), secret_slot(s), s->len);
	return copy;
}

int secret_to_pipe(const struct secret *s, int *ret_fd)
{
	int fds[2], r = 0;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* At most PIPE_BUF bytes into an empty pipe: whole or not at all. */
	n = write(fds[1], secret_slot(s), s->len);
	if (n < 0)
		r = -errno;
	else if ((size_t)n != s->len)
		r = -EIO;
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		return r;
	}
	*ret_fd = fds[0];
	return 0;
}

/*
 * The read end's O_NONBLOCK belongs to whoever else holds a copy of it as well. RWF_NOWAIT is ours alone; kernels
 * before 6.4 do not know it for pipes, and get the flag.
 */
static ssize_t pipe_read_now(int fd, void *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	ssize_t n;
	int flags;

	do
		n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
		return n < 0 ? -errno : n;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t fd_read(int fd, void *buf, size_t len)
{
	ssize_t n;

	do
		n = read(fd, buf, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Up to max bytes until EOF. One byte more than that goes to *ret_extra, with *ret_has_extra set. */
static int secret_read(struct secret *s, size_t *ret_len, uint8_t *ret_extra, bool *ret_has_extra, int fd, size_t max,
	ssize_t (*read_some)(int fd, void *buf, size_t len))
{
	size_t len = 0;
	ssize_t n;

	*ret_has_extra = false;
	for (;;) {
		n = len < max ? read_some(fd, secret_slot(s) + len, max - len) : read_some(fd, ret_extra, 1);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		if (len == max) {
			*ret_has_extra = true;
			break;
		}
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

int secret_from_pipe(struct secret **ret, int fd, size_t max)
{
	_cleanup_secret_ struct secret *s = NULL;
	bool has_extra;
	uint8_t extra = 0;
	struct stat st;
	size_t len = 0;
	int r;

	if (max < 1 || max > SECRET_MAX)
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISFIFO(st.st_mode))
		return -EBADF;
	s = secret_new(max);
	if (!s)
		return -ENOMEM;
	r = secret_read(s, &len, &extra, &has_extra, fd, max, pipe_read_now);
	sodium_memzero(&extra, sizeof(extra));
	if (r < 0)
		return r;
	if (has_extra)
		return -EMSGSIZE;
	if (len == 0)
		return -ENODATA;
	secret_truncate(s, len);
	*ret = secret_take(&s);
	return 0;
}

int secret_from_fd(struct secret **ret, int fd, size_t max)
{
	_cleanup_secret_ struct secret *s = NULL;
	bool has_extra;
	uint8_t extra = 0;
	size_t len = 0;
	int r;

	if (max < 1 || max > SECRET_MAX)
		return -EINVAL;
	s = secret_new(max);
	if (!s)
		return -ENOMEM;
	r = secret_read(s, &len, &extra, &has_extra, fd, max, fd_read);
	if (r == 0 && has_extra) {
		/* A newline behind max bytes is no part of them, anything else is too long. */
		ssize_t n = extra == '\n' ? fd_read(fd, &extra, 1) : 1;

		if (n != 0)
			r = n < 0 ? (int)n : -EMSGSIZE;
	} else if (r == 0 && len > 0 && secret_slot(s)[len - 1] == '\n') {
		len--;
	}
	sodium_memzero(&extra, sizeof(extra));
	if (r < 0)
		return r;
	if (len == 0)
		return -ENODATA;
	secret_truncate(s, len);
	*ret = secret_take(&s);
	return 0;
}
