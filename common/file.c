/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/file.h"

#define TEMP_TRIES 16
#define TEMP_INFIX ".tmp-"
#define TEMP_DIGITS 8

/* A name split at its last slash: the directory opened (it must be synced), the rest in *ret_base. */
static int file_open_parent(const char **ret_base, int dirfd, const char *name)
{
	const char *slash = strrchr(name, '/');
	char *dir = NULL;
	int fd;

	*ret_base = slash ? slash + 1 : name;
	if (!**ret_base)
		return -EISDIR;
	if (slash) {
		dir = slash == name ? strdup("/") : strndup(name, (size_t)(slash - name));
		if (!dir)
			return -ENOMEM;
	}
	fd = openat(dirfd, dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	free(dir);
	return fd;
}

static int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

bool file_is_temp(const char *name, const char *base)
{
	size_t len = strlen(name), tail = strlen(TEMP_INFIX) + TEMP_DIGITS;

	if (name[0] != '.' || len <= 1 + tail || strncmp(name + len - tail, TEMP_INFIX, strlen(TEMP_INFIX)) != 0 ||
		strspn(name + len - TEMP_DIGITS, "0123456789abcdef") != TEMP_DIGITS)
		return false;
	return !base || (len - 1 - tail == strlen(base) && strncmp(name + 1, base, len - 1 - tail) == 0);
}

/* Whoever writes it holds its lock; the lock of one who was killed is free. */
static void file_sweep_temp(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (geteuid() == 0 || st.st_uid == geteuid()) &&
		flock(fd, LOCK_EX | LOCK_NB) == 0)
		(void)unlinkat(dir, name, 0);
	close(fd);
}

static int file_sweep_base(int dirfd, const char *base)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((entry = readdir(dir)))
		if (file_is_temp(entry->d_name, base))
			file_sweep_temp(fd, entry->d_name);
	(void)closedir(dir);
	return 0;
}

int file_sweep(int dirfd)
{
	return file_sweep_base(dirfd, NULL);
}

/* False: swept between its making and its locking. Where there are no locks nothing is swept. */
static bool file_lock_temp(int fd)
{
	struct stat st;

	(void)flock(fd, LOCK_EX);
	return fstat(fd, &st) < 0 || st.st_nlink > 0;
}

/* In the same directory, so that rename is atomic; hidden, so that nobody who lists the directory takes it for a file. */
static int file_open_temp(char temp[static NAME_MAX + 1], int dir, const char *base)
{
	for (unsigned int i = 0; i < TEMP_TRIES; i++) {
		int fd, n;

		n = snprintf(temp, NAME_MAX + 1, ".%s" TEMP_INFIX "%08x", base, randombytes_random());
		if (n < 0 || n > NAME_MAX)
			return -ENAMETOOLONG;
		fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			return -errno;
		if (fd >= 0 && file_lock_temp(fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -EEXIST;
}

static int file_fill(int fd, const void *data, size_t len, const struct file_attributes *attributes)
{
	int r = file_write_all(fd, data, len);

	if (r < 0)
		return r;
	/* Owner before mode: chown clears set-id bits, and the file is 0600 until it belongs to whom it shall. */
	if ((attributes->uid != (uid_t)-1 || attributes->gid != (gid_t)-1) &&
		fchown(fd, attributes->uid, attributes->gid) < 0)
		return -errno;
	if (fchmod(fd, attributes->mode & 07777) < 0)
		return -errno;
	if (fsync(fd) < 0)
		return -errno;
	return 0;
}

int file_write_atomic(int dirfd, const char *name, const void *data, size_t len,
	const struct file_attributes *attributes)
{
	char temp[NAME_MAX + 1];
	const char *base;
	int dir, fd, lock, r;

	dir = file_open_parent(&base, dirfd, name);
	if (dir < 0)
		return dir;
	(void)file_sweep_base(dir, base);
	fd = file_open_temp(temp, dir, base);
	if (fd < 0) {
		close(dir);
		return fd;
	}
	lock = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	r = lock < 0 ? -errno : file_fill(fd, data, len, attributes);
	/* Network file systems report a full disk at close. The lock outlives it. */
	if (close(fd) < 0 && r == 0 && errno != EINTR)
		r = -errno;
	if (r == 0 && renameat(dir, temp, dir, base) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, temp, 0);
	else if (fsync(dir) < 0)
		r = -errno;
	if (lock >= 0)
		close(lock);
	close(dir);
	return r;
}

static void *plain_alloc(size_t size)
{
	return malloc(size);
}

static void plain_free(void *p)
{
	free(p);
}

/* How to hold what is read: never both, since a private key must not pass through ordinary memory. */
struct buffer_ops {
	void *(*alloc)(size_t size);
	void (*free)(void *p);
};
static const struct buffer_ops plain_ops = { plain_alloc, plain_free };
static const struct buffer_ops guarded_ops = { sodium_malloc, sodium_free };

/* All of fd into one buffer that ends in NUL. The size found first is only a hint: /proc says 0, and files grow. */
static int file_slurp(char **ret, size_t *ret_len, int fd, size_t hint, size_t max, const struct buffer_ops *ops)
{
	size_t size = hint < max ? hint + 2 : max + 2, len = 0; /* a byte to see the end by, and the NUL */
	char *buf = ops->alloc(size);
	int r = -ENOMEM;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n;

		if (len == size - 1) {
			const size_t larger = size < max / 2 ? size * 2 : max + 2;
			char *p;

			r = -EFBIG;
			if (len > max)
				goto fail;
			p = ops->alloc(larger);
			r = -ENOMEM;
			if (!p)
				goto fail;
			memcpy(p, buf, len);
			ops->free(buf);
			buf = p;
			size = larger;
		}
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			goto fail;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	r = -EFBIG;
	if (len > max)
		goto fail;
	buf[len] = '\0';
	*ret = buf;
	*ret_len = len;
	return 0;

fail:
	ops->free(buf);
	return r;
}

static int file_read_with(char **ret, size_t *ret_len, int dirfd, const char *name, size_t max, struct stat *ret_stat,
	const struct buffer_ops *ops)
{
	struct stat st;
	int fd, r;

	/* O_NONBLOCK: a FIFO put in the file's place must not hold us up before fstat sees it. */
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	else if ((uintmax_t)st.st_size > max)
		r = -EFBIG;
	else
		r = file_slurp(ret, ret_len, fd, (size_t)st.st_size, max, ops);
	if (r == 0 && ret_stat)
		*ret_stat = st;
	close(fd);
	return r;
}

int file_read(char **ret, size_t *ret_len, int dirfd, const char *name, size_t max)
{
	return file_read_with(ret, ret_len, dirfd, name, max, NULL, &plain_ops);
}

int file_read_guarded(char **ret, size_t *ret_len, int dirfd, const char *name, size_t max, struct stat *ret_stat)
{
	return file_read_with(ret, ret_len, dirfd, name, max, ret_stat, &guarded_ops);
}

int file_resolve(char **ret, const char *path)
{
	char *resolved = realpath(path, NULL);

	if (!resolved)
		return -errno;
	*ret = resolved;
	return 0;
}

int file_remove_synced(int dirfd, const char *name)
{
	const char *base;
	int dir, r = 0;

	dir = file_open_parent(&base, dirfd, name);
	if (dir < 0)
		return dir;
	if (unlinkat(dir, base, 0) < 0 || fsync(dir) < 0)
		r = -errno;
	close(dir);
	return r;
}
