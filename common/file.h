/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files are written whole or not at all: temporary file in the same directory, fsync, rename, fsync of the directory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct file_attributes {
	mode_t mode;
	uid_t uid; /* (uid_t)-1: leave */
	gid_t gid;
};

/*
 * Writes len bytes to name in the directory dirfd (AT_FDCWD and a path with slashes are fine; a symlink at name is
 * replaced, see file_resolve). On any failure the old file stands and no temporary file is left; what an earlier writer of
 * the same name left when it was killed goes as well. Only when the last step fails, the fsync of the directory, is the new
 * file in its place already, and may not outlive a power cut.
 * 0 or a negative errno (-ENOSPC, -EACCES...).
 */
int file_write_atomic(int dirfd, const char *name, const void *data, size_t len,
	const struct file_attributes *attributes);

/* Whether name is that of a temporary file of ours, ".BASE.tmp-" and eight digits; base NULL: any. */
bool file_is_temp(const char *name, const char *base);

/* Removes from a directory what writers left there when they were killed: temporary files of ours that no living one holds. */
int file_sweep(int dirfd);

/* Reads a whole regular file of at most max bytes; NUL-terminated behind len. The buffer is malloc'ed.
 * -EFBIG when larger, -EISDIR/-EINVAL when not a regular file. */
int file_read(char **ret, size_t *ret_len, int dirfd, const char *name, size_t max);

/* The same into guarded memory (sodium_malloc; free with sodium_free), for files that hold a private key. */
int file_read_guarded(char **ret, size_t *ret_len, int dirfd, const char *name, size_t max, struct stat *ret_stat);

/* The path behind any symlinks, malloc'ed, so that a replacement keeps the link. */
int file_resolve(char **ret, const char *path);

/* unlink and fsync of the directory. */
int file_remove_synced(int dirfd, const char *name);
