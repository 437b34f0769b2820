/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of key files. */
#include "daemon/keystore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"

#define FILE_NAME_SIZE (IF_NAMESIZE + sizeof(".key"))

static int open_directory(const char *dir, const char *ifname, char name[static FILE_NAME_SIZE])
{
	int fd;

	/* Valid also means: no slash, hence no way out of the directory. */
	if (!ifname_valid(ifname))
		return -EINVAL;
	snprintf(name, FILE_NAME_SIZE, "%s.key", ifname);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int too_large(char **ret_error)
{
	*ret_error = strdup("key file: it is larger than any key file");
	return *ret_error ? OUTCOME_KEYFILE_DAMAGED : -ENOMEM;
}

int keystore_load(struct keyfile **ret, char **ret_error, const char *dir, const char *ifname)
{
	char name[FILE_NAME_SIZE];
	struct keyfile *k = NULL;
	char *text = NULL;
	size_t len;
	int dirfd, r;

	*ret_error = NULL;
	dirfd = open_directory(dir, ifname, name);
	if (dirfd < 0)
		return dirfd == -ENOENT ? OUTCOME_NOT_ENROLLED : dirfd;

	r = file_read(&text, &len, dirfd, name, KEYFILE_SIZE_MAX);
	if (r == -ENOENT)
		r = OUTCOME_NOT_ENROLLED;
	else if (r == -EFBIG)
		r = too_large(ret_error);
	if (r != 0)
		goto out;

	r = keyfile_parse(&k, ret_error, text, len);
	if (r != 0)
		goto out;
	if (strcmp(k->ifname, ifname) != 0) {
		r = asprintf(ret_error, "key file: it is named %s but holds the key of %s", name, k->ifname);
		if (r < 0)
			*ret_error = NULL;
		r = r < 0 ? -ENOMEM : OUTCOME_KEYFILE_DAMAGED;
		goto out;
	}

	*ret = k;
	k = NULL;
	r = 0;
out:
	keyfile_free(k);
	free(text);
	close(dirfd);
	return r;
}

/* What we are about to replace the old file with reads back as what it was made from: else nothing is written. */
static int check_reads_back(const char *text)
{
	struct keyfile *k = NULL;
	char *again = NULL, *error = NULL;
	int r;

	r = keyfile_parse(&k, &error, text, strlen(text));
	if (r == 0)
		r = keyfile_format(&again, k);
	if (r > 0 || (r == 0 && strcmp(text, again) != 0))
		r = -EINVAL;
	free(error);
	free(again);
	keyfile_free(k);
	return r;
}

int keystore_save(const char *dir, const struct keyfile *k)
{
	static const struct file_attributes attributes = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char name[FILE_NAME_SIZE];
	char *text = NULL;
	int dirfd, r;

	dirfd = open_directory(dir, k->ifname, name);
	if (dirfd < 0)
		return dirfd;
	r = keyfile_format(&text, k);
	if (r == 0)
		r = check_reads_back(text);
	if (r == 0)
		r = file_write_atomic(dirfd, name, text, strlen(text), &attributes);
	free(text);
	close(dirfd);
	return r;
}

int keystore_remove(const char *dir, const char *ifname)
{
	char name[FILE_NAME_SIZE];
	int dirfd, r;

	dirfd = open_directory(dir, ifname, name);
	if (dirfd < 0)
		return dirfd == -ENOENT ? OUTCOME_NOT_ENROLLED : dirfd;
	r = file_remove_synced(dirfd, name);
	close(dirfd);
	return r == -ENOENT ? OUTCOME_NOT_ENROLLED : r;
}
