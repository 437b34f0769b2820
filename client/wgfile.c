/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/wgfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirs.h"
#include "client/say.h"
#include "common/file.h"

int wgfile_open(struct wgfile *ret, const char *ifname)
{
	char *path = dirs_file(dirs_wireguard(), ifname, ".conf");
	struct wgfile f = {};
	int r = path ? file_resolve(&f.path, path) : -ENOMEM;

	if (r >= 0)
		r = file_read_guarded(&f.text, &f.len, AT_FDCWD, f.path, WGCONF_SIZE_MAX, &f.st);
	if (r >= 0)
		r = wgconf_scan(&f.conf, f.text, f.len);
	if (r < 0) {
		wgfile_close(&f);
		if (r != -ENOENT)
			r = say_errno(r, "%s cannot be read", path ? path : ifname);
		free(path);
		return r;
	}
	free(path);
	*ret = f;
	return 0;
}

bool wgfile_peek_handle(uint8_t ret[static KEY_SIZE], const char *ifname)
{
	char *path = dirs_file(dirs_wireguard(), ifname, ".conf"), *text = NULL;
	struct wgconf conf = {};
	bool found = false;
	struct stat st;
	size_t len;

	if (path && file_read_guarded(&text, &len, AT_FDCWD, path, WGCONF_SIZE_MAX, &st) >= 0 && wgconf_scan(&conf, text, len) >= 0)
		found = wgconf_handle(ret, &conf, text);
	wgconf_clear(&conf);
	sodium_free(text);
	free(path);
	return found;
}

/* The same file with the same bytes: an editor's save in the minute of the touches must not be lost. */
static int check_unchanged(const struct wgfile *f)
{
	char *text = NULL;
	struct stat st;
	size_t len;
	int r;

	r = file_read_guarded(&text, &len, AT_FDCWD, f->path, WGCONF_SIZE_MAX, &st);
	if (r < 0)
		return r == -ENOENT || r == -EFBIG ? -ESTALE : r;
	if (st.st_dev != f->st.st_dev || st.st_ino != f->st.st_ino || st.st_mode != f->st.st_mode ||
		st.st_uid != f->st.st_uid || st.st_gid != f->st.st_gid || len != f->len ||
		(len && sodium_memcmp(text, f->text, len)))
		r = -ESTALE;
	sodium_free(text);
	return r;
}

int wgfile_replace(const struct wgfile *f, const char *text, size_t len)
{
	struct file_attributes attributes = {f->st.st_mode & 07777, f->st.st_uid, f->st.st_gid};
	int r = check_unchanged(f);

	return r < 0 ? r : file_write_atomic(AT_FDCWD, f->path, text, len, &attributes);
}

void wgfile_close(struct wgfile *f)
{
	wgconf_clear(&f->conf);
	sodium_free(f->text);
	free(f->path);
	*f = (struct wgfile){};
}
