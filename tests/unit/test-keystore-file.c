/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of key files: full disks and crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/keystore-fixture.h"

/* The n-th system call that a save makes fails with save_errno, or is the last thing that happens before a crash. */
static long save_after = -1;
static int save_errno;
static bool save_crash;

static int save_fails(void)
{
	if (save_after < 0 || save_after-- != 0)
		return 0;
	if (save_crash)
		_exit(42);
	errno = save_errno;
	return -1;
}

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	if (save_fails() < 0) {
		/* As a full disk does: some of it is there. */
		return -1;
	}
	/* In pieces, so that a crash may come between them. */
	return __real_write(fd, buf, save_after >= 0 && n > 100 ? 100 : n);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	return save_fails() < 0 ? -1 : __real_fsync(fd);
}

int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b)
{
	return save_fails() < 0 ? -1 : __real_renameat(from, a, to, b);
}

static int load(const struct fixture *f, const char *ifname, struct keyfile **ret, char **ret_error)
{
	*ret = NULL;
	*ret_error = NULL;
	return keystore_load(ret, ret_error, f->dir, ifname);
}

static void assert_stored(const struct fixture *f, const struct keyfile *want)
{
	struct keyfile *k;
	char *error;

	assert_int_equal(load(f, "wg0", &k, &error), 0);
	assert_memory_equal(k, want, sizeof(*k));
	keyfile_free(k);
}

static void write_file(const struct fixture *f, const char *name, const char *text, size_t len)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static unsigned int count_files(const struct fixture *f)
{
	char command[128];
	unsigned int n = 0;
	FILE *p;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", f->dir);
	p = popen(command, "re");
	assert_int_equal(fscanf(p, "%u", &n), 1);
	pclose(p);
	return n;
}

static void test_store(void **state)
{
	struct fixture *f = *state;
	struct keyfile *k;
	struct stat st;
	char path[128], *error;

	assert_int_equal(load(f, "wg0", &k, &error), OUTCOME_NOT_ENROLLED);
	assert_int_equal(load(f, "../wg0", &k, &error), -EINVAL);
	assert_int_equal(keystore_remove(f->dir, "wg0"), OUTCOME_NOT_ENROLLED);
	assert_int_equal(keystore_save(f->dir, f->k), 0);
	assert_stored(f, f->k);
	snprintf(path, sizeof(path), "%s/wg0.key", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(count_files(f), 1);

	/* Under another name. */
	write_file(f, "wg1.key", f->text, f->len);
	assert_int_equal(load(f, "wg1", &k, &error), OUTCOME_KEYFILE_DAMAGED);
	assert_non_null(strstr(error, "wg1.key but holds the key of wg0"));
	free(error);
	write_file(f, "wg1.key", f->text, f->len / 2);
	assert_int_equal(load(f, "wg1", &k, &error), OUTCOME_KEYFILE_DAMAGED);
	assert_non_null(error);
	free(error);

	assert_int_equal(keystore_remove(f->dir, "wg0"), 0);
	assert_int_equal(load(f, "wg0", &k, &error), OUTCOME_NOT_ENROLLED);
}

static void test_too_large_a_file(void **state)
{
	struct fixture *f = *state;
	struct keyfile *k;
	char path[128], *error;

	write_file(f, "wg0.key", f->text, f->len);
	snprintf(path, sizeof(path), "%s/wg0.key", f->dir);
	assert_int_equal(truncate(path, KEYFILE_SIZE_MAX + 1), 0);
	assert_int_equal(load(f, "wg0", &k, &error), OUTCOME_KEYFILE_DAMAGED);
	assert_non_null(strstr(error, "larger"));
	free(error);
}

/* What is not a sound key file is not saved in place of one that is. */
static void test_unsound_is_not_saved(void **state)
{
	struct fixture *f = *state;
	struct keyfile *bad = malloc(sizeof(*bad));

	assert_int_equal(keystore_save(f->dir, f->k), 0);
	*bad = *f->k;
	bad->slots[1].id = 1;
	assert_int_equal(keystore_save(f->dir, bad), -EINVAL);
	assert_stored(f, f->k);
	free(bad);
}

static void test_failed_save_leaves_the_old(void **state)
{
	static const int errors[] = { ENOSPC, EIO };
	struct fixture *f = *state;
	struct keyfile *next = malloc(sizeof(*next));
	unsigned int failed = 0;

	*next = *f->k;
	assert_int_equal(keyfile_remove_slot(next, 2, f->t), 0);
	for (size_t e = 0; e < 2; e++) {
		int r = -1;

		for (long n = 0; r != 0; n++) {
			assert_int_equal(keystore_save(f->dir, f->k), 0);
			save_after = n;
			save_errno = errors[e];
			r = keystore_save(f->dir, next);
			/* Only the directory's fsync comes after the rename: the new file stands then, though not surely on disk. */
			if (r < 0 && save_after < 0) {
				struct keyfile *k;
				char *error;

				failed++;
				assert_int_equal(r, -errors[e]);
				assert_int_equal(load(f, "wg0", &k, &error), 0);
				assert_true(memcmp(k, f->k, sizeof(*k)) == 0 || memcmp(k, next, sizeof(*k)) == 0);
				keyfile_free(k);
			}
			save_after = -1;
			assert_int_equal(count_files(f), 1);
			assert_true(n < 1000);
		}
		assert_stored(f, next);
	}
	assert_true(failed >= 6); /* write, fsync, rename at least */
	free(next);
}

static void test_enospc_leaves_the_old(void **state)
{
	struct fixture *f = *state;
	struct keyfile *next = malloc(sizeof(*next));

	*next = *f->k;
	assert_int_equal(keyfile_remove_slot(next, 2, f->t), 0);
	assert_int_equal(keystore_save(f->dir, f->k), 0);
	for (long n = 0; n < 2; n++) { /* the first write, and one in the middle */
		save_after = n;
		save_errno = ENOSPC;
		assert_int_equal(keystore_save(f->dir, next), -ENOSPC);
		save_after = -1;
		assert_stored(f, f->k);
		assert_int_equal(count_files(f), 1);
	}
	free(next);
}

static void test_crash_leaves_one_of_the_two(void **state)
{
	struct fixture *f = *state;
	struct keyfile *next = malloc(sizeof(*next));
	bool saw_old = false, saw_new = false;
	int status = -1;

	*next = *f->k;
	assert_int_equal(keyfile_remove_slot(next, 2, f->t), 0);
	for (long n = 0; status != 0; n++) {
		struct keyfile *k;
		char *error;
		pid_t pid;

		assert_int_equal(keystore_save(f->dir, f->k), 0);
		pid = fork();
		if (pid == 0) {
			save_after = n;
			save_crash = true;
			_exit(keystore_save(f->dir, next) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 42 || WEXITSTATUS(status) == 0));
		assert_int_equal(load(f, "wg0", &k, &error), 0);
		if (memcmp(k, f->k, sizeof(*k)) == 0) {
			saw_old = true;
		} else {
			assert_memory_equal(k, next, sizeof(*k));
			saw_new = true;
		}
		keyfile_free(k);
		assert_true(n < 1000);
	}
	assert_true(saw_old && saw_new);
	free(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_store),
		TEST(test_too_large_a_file),
		TEST(test_unsound_is_not_saved),
		TEST(test_failed_save_leaves_the_old),
		TEST(test_enospc_leaves_the_old),
		TEST(test_crash_leaves_one_of_the_two),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
