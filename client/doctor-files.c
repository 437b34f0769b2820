/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and directories: who owns them, who may write or read them, and what an interrupted change left behind. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/dirs.h"
#include "client/doctor.h"
#include "client/text.h"
#include "common/file.h"
#include "common/names.h"

#define LEFTOVER_SECONDS 60 /* a younger one may be in use */

/* Ready to be pasted into a shell. */
static const char *word(char *buf, size_t size, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=@:,";
	size_t n = 0;

	if (strspn(path, plain) == strlen(path)) {
		snprintf(buf, size, "%s", path);
		return buf;
	}
	buf[n++] = '\'';
	for (const char *s = path; *s && n + 6 < size; s++) {
		if (*s == '\'') {
			memcpy(buf + n, "'\\''", 4);
			n += 4;
		} else {
			buf[n++] = *s;
		}
	}
	buf[n++] = '\'';
	buf[n] = 0;
	text_make_printable(buf);
	return buf;
}

static void check_leftover(struct doctor *d, const char *path, const struct stat *st, const char *holds)
{
	char mend[1200], quoted[1100];

	if (d->status->now.real_us / US_PER_SEC < (uint64_t)st->st_mtime + LEFTOVER_SECONDS)
		return;
	snprintf(mend, sizeof(mend), "rm %s", word(quoted, sizeof(quoted), path));
	doctor_wrong(d, mend, "An interrupted change left %s%s", quoted, holds);
}

/*
 * Root gives something away in a directory that is the new owner's own already. What stands between may have become a link: so the
 * directory is entered and looked at first.
 */
void doctor_chown_words(char *buf, size_t size, const char *path, const char *owner_name)
{
	char dir[1024], quoted[1100], name[600];
	const char *slash = strrchr(path, '/');

	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	(void)word(quoted, sizeof(quoted), dir);
	(void)word(name, sizeof(name), slash + 1);
	snprintf(buf, size, "(cd -P %s && [ \"$PWD\" = %s ] && chown -h %s ./%s)", quoted, quoted, owner_name, name);
}

/* bits: those that must not be set, 0022 or 0077. owner (uid_t)-1: anybody. */
static void check_one(struct doctor *d, const char *path, const struct stat *st, mode_t bits, uid_t owner, const char *owner_name)
{
	char mend[2900], quoted[1100];
	const uid_t whose = owner == (uid_t)-1 ? st->st_uid : owner;
	const struct passwd *pw;

	(void)word(quoted, sizeof(quoted), path);
	if (owner != (uid_t)-1 && st->st_uid != owner) {
		if (owner)
			doctor_chown_words(mend, sizeof(mend), path, owner_name);
		else
			snprintf(mend, sizeof(mend), "chown -h %s %s", owner_name, quoted);
		doctor_wrong(d, mend, "%s does not belong to %s", quoted, owner_name);
	}
	if (st->st_mode & bits) {
		/* chmod follows a link, and whoever owns the file may have put one there by now: so it is theirs alone to do. */
		pw = whose && whose != geteuid() ? getpwuid(whose) : NULL;
		snprintf(mend, sizeof(mend), "%s%s%schmod %s %s", pw ? "runuser -u " : "", pw ? pw->pw_name : "", pw ? " -- " : "",
			bits == 0022 ? "go-w" : "go=", quoted);
		doctor_wrong(d, mend, "Others than its owner may %s %s", bits == 0022 ? "change" : "read or change", quoted);
	}
}

struct place {
	const char *dir;
	const char *suffix; /* of the files to look at */
	const char *holds;  /* what a leftover may hold */
	mode_t bits;
	uid_t owner;
	const char *owner_name;
};

static void check_place(struct doctor *d, const struct place *p)
{
	DIR *dir = opendir(p->dir);
	struct stat st;
	char path[1024];

	if (!dir)
		return;
	if (p->suffix && fstat(dirfd(dir), &st) == 0)
		check_one(d, p->dir, &st, p->bits, p->owner, p->owner_name);
	for (struct dirent *e; (e = readdir(dir));) {
		size_t len = strlen(e->d_name), suffix = p->suffix ? strlen(p->suffix) : 0;

		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		snprintf(path, sizeof(path), "%s/%s", p->dir, e->d_name);
		if (file_is_temp(e->d_name, NULL))
			check_leftover(d, path, &st, p->holds);
		else if (suffix && len > suffix && !strcmp(e->d_name + len - suffix, p->suffix))
			check_one(d, path, &st, p->bits, p->owner, p->owner_name);
	}
	closedir(dir);
}

void doctor_check_files(struct doctor *d)
{
	struct place place = {.suffix = ".conf", .holds = "", .bits = 0022, .owner = (uid_t)-1, .owner_name = "root"};
	struct passwd *pw = getpwnam("wgfido");
	unsigned int before = d->n_wrong;
	char keys[512];
	bool all = true;

	/* Who may write there says who may open what. */
	place.dir = d->config_dir;
	if (!strcmp(d->config_dir, WGFIDO_SYSCONFDIR))
		place.owner = 0;
	check_place(d, &place);

	place = (struct place){.dir = dirs_wireguard(), .holds = ", which may hold the private key"};
	check_place(d, &place);

	snprintf(keys, sizeof(keys), "%s" WGFIDO_STATEDIR "/" WGFIDO_KEYS_SUBDIR, d->root);
	place = (struct place){.dir = keys, .suffix = ".key", .holds = "", .bits = 0077, .owner = (uid_t)-1, .owner_name = "wgfido"};
	if (!*d->root && pw)
		place.owner = pw->pw_uid;
	if (!d->gateway) {
		all = access(keys, R_OK) == 0 || errno != EACCES;
		if (!all)
			doctor_note(d, "The key files were not looked at; run this as root");
		check_place(d, &place);
	}
	if (before == d->n_wrong && all)
		doctor_ok(d, "Owners and modes of the files are right");
}
