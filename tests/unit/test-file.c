/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/file.h"

/* Each of these calls can be made to fail; short_write makes write take only half of what it is given. */
enum fault { FAULT_NONE, FAULT_WRITE, FAULT_FSYNC_FILE, FAULT_FSYNC_DIR, FAULT_RENAME, FAULT_FCHMOD, FAULT_FCHOWN };
static enum fault fault;
static bool short_write;
static bool interrupt_write;

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	if (fault == FAULT_WRITE) {
		/* a full disk takes a part first */
		if (len > 2)
			return __real_write(fd, data, 2);
		errno = ENOSPC;
		return -1;
	}
	if (interrupt_write) {
		interrupt_write = false;
		errno = EINTR;
		return -1;
	}
	return __real_write(fd, data, short_write && len > 1 ? len / 2 : len);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if ((fault == FAULT_FSYNC_FILE && S_ISREG(st.st_mode)) || (fault == FAULT_FSYNC_DIR && S_ISDIR(st.st_mode))) {
		errno = EIO;
		return -1;
	}
	return __real_fsync(fd);
}

int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (fault == FAULT_RENAME) {
		errno = EACCES;
		return -1;
	}
	return __real_renameat(from_dir, from, to_dir, to);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
	if (fault == FAULT_FCHMOD) {
		errno = EPERM;
		return -1;
	}
	return __real_fchmod(fd, mode);
}

int __real_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid)
{
	if (fault == FAULT_FCHOWN) {
		errno = EPERM;
		return -1;
	}
	return __real_fchown(fd, uid, gid);
}

struct fixture {
	char path[64];
	int dir;
};

static const struct file_attributes private_file = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->path, "/tmp/wgfido-test-file.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dir >= 0);
	fault = FAULT_NONE;
	short_write = false;
	*state = f;
	return 0;
}

/* Calls back for each name in the directory; returns how many there are. */
static unsigned int for_each(const struct fixture *f, void (*call)(const struct fixture *f, const char *name))
{
	unsigned int n = 0;
	struct dirent *d;
	DIR *dir = opendir(f->path);

	assert_non_null(dir);
	while ((d = readdir(dir))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		n++;
		if (call)
			call(f, d->d_name);
	}
	closedir(dir);
	return n;
}

static void remove_name(const struct fixture *f, const char *name)
{
	if (unlinkat(f->dir, name, 0) < 0)
		assert_int_equal(unlinkat(f->dir, name, AT_REMOVEDIR), 0);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for_each(f, remove_name);
	close(f->dir);
	assert_int_equal(rmdir(f->path), 0);
	free(f);
	return 0;
}

static void assert_content(const struct fixture *f, const char *name, const char *expected)
{
	char *text;
	size_t len;

	assert_int_equal(file_read(&text, &len, f->dir, name, 1 << 20), 0);
	assert_int_equal(len, strlen(expected));
	assert_string_equal(text, expected);
	free(text);
}

static int write_text(const struct fixture *f, const char *name, const char *text)
{
	return file_write_atomic(f->dir, name, text, strlen(text), &private_file);
}

static void test_write(void **state)
{
	const struct fixture *f = *state;
	const struct file_attributes readable = { .mode = 0644, .uid = getuid(), .gid = getgid() };
	struct stat st;

	assert_int_equal(write_text(f, "a", "one"), 0);
	assert_content(f, "a", "one");
	assert_int_equal(fstatat(f->dir, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_write_atomic(f->dir, "a", "two", 3, &readable), 0);
	assert_content(f, "a", "two");
	assert_int_equal(fstatat(f->dir, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(write_text(f, "a", ""), 0);
	assert_content(f, "a", "");
	assert_int_equal(for_each(f, NULL), 1);
}

static void test_write_by_path(void **state)
{
	const struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/b", f->path);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, "x", 1, &private_file), 0);
	assert_content(f, "b", "x");
	snprintf(path, sizeof(path), "%s/", f->path);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, "x", 1, &private_file), -EISDIR);
	snprintf(path, sizeof(path), "%s/none/b", f->path);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, "x", 1, &private_file), -ENOENT);
	assert_int_equal(for_each(f, NULL), 1);
}

static void test_write_in_pieces(void **state)
{
	const struct fixture *f = *state;

	short_write = true;
	interrupt_write = true;
	assert_int_equal(write_text(f, "a", "written in several pieces"), 0);
	assert_content(f, "a", "written in several pieces");
}

/* Whatever fails, the old file stands and nothing else is left; without an old file, nothing at all. */
static void test_write_fails(void **state)
{
	static const struct {
		enum fault fault;
		int r;
	} cases[] = {
		{ FAULT_WRITE, -ENOSPC },
		{ FAULT_FSYNC_FILE, -EIO },
		{ FAULT_RENAME, -EACCES },
		{ FAULT_FCHMOD, -EPERM },
		{ FAULT_FCHOWN, -EPERM },
	};
	const struct fixture *f = *state;
	const struct file_attributes owned = { .mode = 0600, .uid = getuid(), .gid = getgid() };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fault = cases[i].fault;
		assert_int_equal(file_write_atomic(f->dir, "key", "new content", 11, &owned), cases[i].r);
		fault = FAULT_NONE;
		assert_int_equal(for_each(f, NULL), 0);
	}
	assert_int_equal(write_text(f, "key", "old"), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fault = cases[i].fault;
		assert_int_equal(file_write_atomic(f->dir, "key", "new content", 11, &owned), cases[i].r);
		fault = FAULT_NONE;
		assert_content(f, "key", "old");
		assert_int_equal(for_each(f, NULL), 1);
	}
}

/* Too late to take back: the new file is there, whole, and the caller is told that it may not survive a power cut. */
static void test_directory_not_synced(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(write_text(f, "key", "old"), 0);
	fault = FAULT_FSYNC_DIR;
	assert_int_equal(write_text(f, "key", "new"), -EIO);
	assert_int_equal(file_remove_synced(f->dir, "none"), -ENOENT);
	fault = FAULT_NONE;
	assert_content(f, "key", "new");
	assert_int_equal(for_each(f, NULL), 1);
}

static void make(const struct fixture *f, const char *name)
{
	int fd = openat(f->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool there(const struct fixture *f, const char *name)
{
	return faccessat(f->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What is not exactly a temporary file of ours, of nobody who lives, stays. */
static void test_is_temp(void **state)
{
	(void)state;
	assert_true(file_is_temp(".wg0.conf.tmp-0123abcd", NULL));
	assert_true(file_is_temp(".wg0.key.tmp-deadbeef", NULL));
	/* as it names them; and what it makes of a name like that */
	assert_false(file_is_temp(".wg0.key.tmp-DEADBEEF", NULL));
	assert_true(file_is_temp("..a.tmp-0123abcd.tmp-4567cdef", ".a.tmp-0123abcd"));
	assert_false(file_is_temp("wg0.conf.tmp-0123abcd", NULL));
	assert_false(file_is_temp(".wg0.conf.tmp-0123abc", NULL));
	assert_false(file_is_temp(".wg0.conf.tmp-0123abcd0", NULL));
	assert_false(file_is_temp(".wg0.conf.tmp-0123abcg", NULL));
	assert_false(file_is_temp(".tmp-0123abcd", NULL));
	assert_false(file_is_temp(".", NULL));
	assert_false(file_is_temp("", NULL));
	assert_true(file_is_temp(".wg0.conf.tmp-0123abcd", "wg0.conf"));
	assert_false(file_is_temp(".wg0.conf.tmp-0123abcd", "wg0"));
	assert_false(file_is_temp(".wg0.conf.tmp-0123abcd", "wg1.conf"));
}

static void test_sweep(void **state)
{
	const struct fixture *f = *state;
	static const char *const keys[] = {"wg0.key", ".tmp-01234567", ".wg0.key.tmp-0123456", ".wg0.key.tmp-0123456X",
		".wg0.key.tmp-012345678", "wg0.key.tmp-01234567", ".wg0.key.temp-01234567", ".wg0.key"};
	int held;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		make(f, keys[i]);
	make(f, ".wg0.key.tmp-01234567");
	make(f, ".wg1.key.tmp-89abcdef");
	make(f, ".wg2.key.tmp-00000000");
	assert_int_equal(symlinkat("wg0.key", f->dir, ".wg3.key.tmp-00000000"), 0);
	assert_int_equal(mkdirat(f->dir, ".wg4.key.tmp-00000000", 0700), 0);
	held = openat(f->dir, ".wg2.key.tmp-00000000", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX), 0);

	/* a writer sweeps only what is of its own name */
	assert_int_equal(write_text(f, "wg0.key", "new"), 0);
	assert_false(there(f, ".wg0.key.tmp-01234567"));
	assert_true(there(f, ".wg1.key.tmp-89abcdef"));

	assert_int_equal(file_sweep(f->dir), 0);
	assert_false(there(f, ".wg1.key.tmp-89abcdef"));
	assert_true(there(f, ".wg2.key.tmp-00000000"));
	assert_true(there(f, ".wg3.key.tmp-00000000"));
	assert_true(there(f, ".wg4.key.tmp-00000000"));
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_true(there(f, keys[i]));
	assert_content(f, "wg0.key", "new");

	close(held);
	assert_int_equal(file_sweep(f->dir), 0);
	assert_false(there(f, ".wg2.key.tmp-00000000"));
}

static void test_name_too_long(void **state)
{
	const struct fixture *f = *state;
	char name[300];

	memset(name, 'a', sizeof(name));
	name[250] = '\0';
	assert_int_equal(write_text(f, name, "x"), -ENAMETOOLONG);
	assert_int_equal(for_each(f, NULL), 0);
}

static void test_symlink(void **state)
{
	const struct fixture *f = *state;
	char path[128], *resolved = NULL, target[128];
	struct stat st;

	assert_int_equal(write_text(f, "target", "old"), 0);
	assert_int_equal(symlinkat("target", f->dir, "link"), 0);
	snprintf(path, sizeof(path), "%s/link", f->path);
	snprintf(target, sizeof(target), "%s/target", f->path);
	assert_int_equal(file_resolve(&resolved, path), 0);
	assert_string_equal(resolved, target);
	/* behind the link: the link stays */
	assert_int_equal(file_write_atomic(AT_FDCWD, resolved, "new", 3, &private_file), 0);
	free(resolved);
	assert_content(f, "link", "new");
	assert_int_equal(fstatat(f->dir, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	/* at the link: the link is replaced, not its target */
	assert_int_equal(write_text(f, "link", "own"), 0);
	assert_content(f, "target", "new");
	assert_int_equal(fstatat(f->dir, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(symlinkat("nowhere", f->dir, "dangling"), 0);
	snprintf(path, sizeof(path), "%s/dangling", f->path);
	assert_int_equal(file_resolve(&resolved, path), -ENOENT);
}

static void test_read(void **state)
{
	const struct fixture *f = *state;
	char *text = NULL;
	size_t len;

	assert_int_equal(write_text(f, "a", "12345678"), 0);
	assert_int_equal(file_read(&text, &len, f->dir, "a", 8), 0);
	assert_int_equal(len, 8);
	assert_string_equal(text, "12345678");
	free(text);
	text = NULL;
	assert_int_equal(file_read(&text, &len, f->dir, "a", 7), -EFBIG);
	assert_int_equal(file_read(&text, &len, f->dir, "a", 0), -EFBIG);
	assert_int_equal(file_read(&text, &len, f->dir, "none", 8), -ENOENT);
	assert_int_equal(file_read(&text, &len, AT_FDCWD, f->path, 8), -EISDIR);
	/* a FIFO does not hold us up */
	assert_int_equal(mkfifoat(f->dir, "fifo", 0600), 0);
	assert_int_equal(file_read(&text, &len, f->dir, "fifo", 8), -EINVAL);
	assert_int_equal(file_read(&text, &len, AT_FDCWD, "/dev/zero", 8), -EINVAL);
	assert_null(text);
	/* files that do not know their size */
	assert_int_equal(file_read(&text, &len, AT_FDCWD, "/proc/self/maps", 1 << 24), 0);
	assert_true(len > 100);
	free(text);
	text = NULL;
	assert_int_equal(file_read(&text, &len, AT_FDCWD, "/proc/self/maps", 100), -EFBIG);
	assert_null(text);
}

static void test_read_guarded(void **state)
{
	const struct fixture *f = *state;
	struct stat st;
	char *text;
	size_t len;

	assert_int_equal(write_text(f, "a", "secret"), 0);
	assert_int_equal(file_read_guarded(&text, &len, f->dir, "a", 100, &st), 0);
	assert_int_equal(len, 6);
	assert_string_equal(text, "secret");
	assert_int_equal(st.st_mode & 07777, 0600);
	sodium_free(text);
	assert_int_equal(file_read_guarded(&text, &len, f->dir, "a", 5, &st), -EFBIG);
	assert_int_equal(file_read_guarded(&text, &len, AT_FDCWD, "/proc/self/maps", 1 << 24, NULL), 0);
	sodium_free(text);
}

static void test_remove(void **state)
{
	const struct fixture *f = *state;
	char path[128];

	assert_int_equal(write_text(f, "a", "x"), 0);
	assert_int_equal(write_text(f, "b", "x"), 0);
	assert_int_equal(file_remove_synced(f->dir, "a"), 0);
	assert_int_equal(file_remove_synced(f->dir, "a"), -ENOENT);
	snprintf(path, sizeof(path), "%s/b", f->path);
	assert_int_equal(file_remove_synced(AT_FDCWD, path), 0);
	assert_int_equal(for_each(f, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_write_by_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_write_in_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_write_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_directory_not_synced, set_up, tear_down),
		cmocka_unit_test(test_is_temp),
		cmocka_unit_test_setup_teardown(test_sweep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_name_too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_symlink, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_read_guarded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_remove, set_up, tear_down),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
