/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef UNIT_ASAN
#include <sanitizer/asan_interface.h>
#endif

#include "common/secret.h"

static int n_slabs;
static int sodium_malloc_fails;

void *__real_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size);
void *__wrap_sodium_malloc(size_t size)
{
	if (sodium_malloc_fails)
		return NULL;
	n_slabs++;
	return __real_sodium_malloc(size);
}

void __real_sodium_free(void *p);
void __wrap_sodium_free(void *p);
void __wrap_sodium_free(void *p)
{
	n_slabs--;
	__real_sodium_free(p);
}

static bool mlock_fails;

int __real_mlock(const void *p, size_t size);
int __wrap_mlock(const void *p, size_t size);
int __wrap_mlock(const void *p, size_t size)
{
	if (mlock_fails) {
		errno = ENOMEM;
		return -1;
	}
	return __real_mlock(p, size);
}

static struct secret *from_text(const char *text)
{
	struct secret *s = secret_new(strlen(text));

	assert_non_null(s);
	memcpy(secret_borrow_mut(s), text, strlen(text));
	return s;
}

static void assert_text(const struct secret *s, const char *text)
{
	assert_non_null(s);
	assert_int_equal(secret_len(s), strlen(text));
	assert_memory_equal(secret_borrow(s), text, strlen(text));
}

static void test_lengths(void **state)
{
	(void)state;
	assert_null(secret_new(0));
	assert_null(secret_new(SECRET_MAX + 1));
	assert_null(secret_new(SIZE_MAX));
	assert_null(secret_free(NULL));
	for (size_t len = 1; len <= SECRET_MAX; len++) {
		_cleanup_secret_ struct secret *s = secret_new(len);

		assert_non_null(s);
		assert_int_equal(secret_len(s), len);
		assert_true(secret_is_zero(s));
		secret_borrow_mut(s)[len - 1] = 1;
		assert_false(secret_is_zero(s));
	}
}

static void test_equal_dup_take(void **state)
{
	_cleanup_secret_ struct secret *a = from_text("abcd"), *b = from_text("abce"), *shorter = from_text("abc");
	_cleanup_secret_ struct secret *copy = secret_dup(a), *taken = NULL;

	(void)state;
	assert_true(secret_equal(a, a));
	assert_false(secret_equal(a, b));
	assert_false(secret_equal(a, shorter));
	assert_true(secret_equal(a, copy));
	secret_borrow_mut(copy)[0] = 'x';
	assert_text(a, "abcd");
	taken = secret_take(&copy);
	assert_null(copy);
	assert_text(taken, "xbcd");
}

static void test_random(void **state)
{
	_cleanup_secret_ struct secret *a = secret_new(SECRET_KEY_SIZE), *b = secret_new(SECRET_KEY_SIZE);

	(void)state;
	secret_fill_random(a);
	secret_fill_random(b);
	assert_false(secret_is_zero(a));
	assert_false(secret_equal(a, b));
	assert_ptr_equal(secret_key(a), secret_borrow(a));
}

static void test_truncate(void **state)
{
	_cleanup_secret_ struct secret *s = from_text("a long enough PIN");
	const uint8_t *p = secret_borrow(s);

	(void)state;
	secret_truncate(s, 6);
	assert_text(s, "a long");
#ifdef UNIT_ASAN
	assert_true(__asan_address_is_poisoned(p + 6));
	ASAN_UNPOISON_MEMORY_REGION(p + 6, 11);
#endif
	assert_true(sodium_is_zero(p + 6, 11));
	secret_truncate(s, 0);
	assert_int_equal(secret_len(s), 0);
}

static void borrow_short_key(struct secret *s)
{
	(void)secret_key(s);
}

static void lengthen(struct secret *s)
{
	secret_truncate(s, 17);
}

/* Behind a secret of the wrong length lies somebody else's: such a mistake ends the process. */
static void test_wrong_length_aborts(void **state)
{
	void (*const mistakes[])(struct secret *s) = { borrow_short_key, lengthen };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		_cleanup_secret_ struct secret *s = secret_new(16);
		int status, null;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			signal(SIGABRT, SIG_DFL); /* cmocka's handler and the message are not wanted */
			null = open("/dev/null", O_WRONLY | O_CLOEXEC);
			dup2(null, STDERR_FILENO);
			mistakes[i](s);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static void test_freed_is_wiped(void **state)
{
	/* keeps the slab that the other one lies in */
	_cleanup_secret_ struct secret *neighbour = from_text("still here"), *s = from_text("gone"), *reused = NULL;
	const uint8_t *p = secret_borrow(s);

	(void)state;
	s = secret_free(s);
#ifdef UNIT_ASAN
	assert_true(__asan_address_is_poisoned(p));
	ASAN_UNPOISON_MEMORY_REGION(p, 4);
#endif
	assert_true(sodium_is_zero(p, 4));
	assert_text(neighbour, "still here");
	/* the slot is used again, and zeroed */
	reused = secret_new(4);
	assert_ptr_equal(secret_borrow(reused), p);
	assert_true(secret_is_zero(reused));
}

/* Lines of /proc/self/maps, and resident bytes. */
static void memory_use(size_t *ret_mappings, size_t *ret_resident)
{
	char line[4096];
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long size, resident;

	*ret_mappings = 0;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		*ret_mappings += 1;
	fclose(f);
	f = fopen("/proc/self/statm", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
	fclose(f);
	*ret_resident = resident * (size_t)sysconf(_SC_PAGESIZE);
}

#define N_MANY 30000

static void test_many(void **state)
{
	struct secret **many = calloc(N_MANY, sizeof(*many));
	const int before_slabs = n_slabs;
	size_t mappings_before, mappings, resident_before, resident;

	(void)state;
	assert_non_null(many);
	memset(many, 1, N_MANY * sizeof(*many)); /* resident now */
	memory_use(&mappings_before, &resident_before);
	for (uint32_t i = 0; i < N_MANY; i++) {
		many[i] = secret_new(SECRET_KEY_SIZE);
		assert_non_null(many[i]);
		memcpy(secret_borrow_mut(many[i]), &i, sizeof(i));
	}
	memory_use(&mappings, &resident);
	assert_true(mappings - mappings_before < 300);
#ifndef UNIT_ASAN /* whose own malloc costs more than the secrets */
	assert_true(resident - resident_before <= 3 << 20);
#endif
	for (uint32_t i = 0; i < N_MANY; i++)
		assert_memory_equal(secret_borrow(many[i]), &i, sizeof(i));
	/* every other one goes and comes back */
	for (uint32_t i = 0; i < N_MANY; i += 2)
		many[i] = secret_free(many[i]);
	for (uint32_t i = 0; i < N_MANY; i += 2) {
		many[i] = secret_new(SECRET_KEY_SIZE);
		assert_true(secret_is_zero(many[i]));
	}
	for (uint32_t i = 1; i < N_MANY; i += 2)
		assert_memory_equal(secret_borrow(many[i]), &i, sizeof(i));
	for (uint32_t i = 0; i < N_MANY; i++)
		many[i] = secret_free(many[i]);
	/* all but one of the empty slabs were given back */
	assert_true(n_slabs <= before_slabs + 1);
	free(many);
}

static void test_no_guarded_memory(void **state)
{
	struct secret *many[1000] = { NULL };
	size_t n = 0;

	(void)state;
	sodium_malloc_fails = 1;
	while (n < 1000 && (many[n] = secret_new(SECRET_MAX)))
		n++;
	sodium_malloc_fails = 0;
	assert_true(n < 1000);
	/* and it works again once there is some */
	many[n] = secret_new(SECRET_MAX);
	assert_non_null(many[n]);
	for (size_t i = 0; i <= n; i++)
		secret_free(many[i]);
}

static void test_init(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(secret_init(), 0); /* a second time does no harm */
	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 0);
	assert_int_equal(limit.rlim_max, 0);
#ifdef UNIT_ASAN
	assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
#elif !defined(WGFIDO_DEBUGGABLE)
	assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
#endif
}

/* The last of all: it is never forgotten. */
static void test_unlocked_memory_is_told(void **state)
{
	struct secret *many[2000];

	(void)state;
	assert_true(secret_memory_locked());
	mlock_fails = true;
	for (size_t i = 0; i < 2000; i++) /* more than one slab has */
		many[i] = secret_new(SECRET_KEY_SIZE);
	mlock_fails = false;
	for (size_t i = 0; i < 2000; i++)
		secret_free(many[i]);
	assert_false(secret_memory_locked());
	assert_int_equal(secret_init(), 0);
	assert_false(secret_memory_locked());
}

static void test_pipe(void **state)
{
	_cleanup_secret_ struct secret *s = from_text("through the pipe"), *got = NULL;
	char byte;
	int fd = -1;

	(void)state;
	assert_int_equal(secret_to_pipe(s, &fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(secret_from_pipe(&got, fd, SECRET_MAX), 0);
	assert_text(got, "through the pipe");
	/* nobody else can write to it, and it is empty now */
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
}

static void test_pipe_exact(void **state)
{
	_cleanup_secret_ struct secret *s = secret_new(SECRET_MAX), *got = NULL, *none = NULL;
	int fd = -1;

	(void)state;
	secret_fill_random(s);
	assert_int_equal(secret_to_pipe(s, &fd), 0);
	assert_int_equal(secret_from_pipe(&got, fd, SECRET_MAX), 0);
	assert_true(secret_equal(s, got));
	close(fd);
	assert_int_equal(secret_to_pipe(s, &fd), 0);
	assert_int_equal(secret_from_pipe(&none, fd, SECRET_MAX - 1), -EMSGSIZE);
	close(fd);
	assert_int_equal(secret_from_pipe(&none, fd, SECRET_MAX + 1), -EINVAL);
	assert_int_equal(secret_from_pipe(&none, fd, 0), -EINVAL);
	assert_int_equal(secret_from_pipe(&none, -1, 1), -EBADF);
	assert_null(none);
}

/* A blocking pipe whose write end stays open must not hold us up. */
static void test_pipe_open(void **state)
{
	_cleanup_secret_ struct secret *none = NULL;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(secret_from_pipe(&none, fds[0], SECRET_MAX), -EAGAIN);
	assert_int_equal(write(fds[1], "half", 4), 4);
	assert_int_equal(secret_from_pipe(&none, fds[0], SECRET_MAX), -EAGAIN);
	close(fds[1]);
	assert_int_equal(secret_from_pipe(&none, fds[0], SECRET_MAX), -ENODATA);
	close(fds[0]);
	assert_null(none);
}

static void test_not_a_pipe(void **state)
{
	_cleanup_secret_ struct secret *none = NULL;
	int fds[2], fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(secret_from_pipe(&none, fd, SECRET_MAX), -EBADF);
	close(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(secret_from_pipe(&none, fds[0], SECRET_MAX), -EBADF);
	close(fds[0]);
	close(fds[1]);
	assert_null(none);
}

static int from_fd(struct secret **ret, const char *text, size_t max)
{
	int fds[2], r;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	close(fds[1]);
	r = secret_from_fd(ret, fds[0], max);
	close(fds[0]);
	return r;
}

static void test_from_fd(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		int r;
		const char *expected;
	} cases[] = {
		{ "1234", 8, 0, "1234" },
		{ "1234\n", 8, 0, "1234" },
		{ "1234\n", 4, 0, "1234" },
		{ "1234", 4, 0, "1234" },
		{ "1234\n\n", 8, 0, "1234\n" },
		{ "12\n4\n", 4, 0, "12\n4" },
		{ "12345", 4, -EMSGSIZE, NULL },
		{ "1234\n\n", 4, -EMSGSIZE, NULL },
		{ "1234\n5", 4, -EMSGSIZE, NULL },
		{ "", 4, -ENODATA, NULL },
		{ "\n", 4, -ENODATA, NULL },
		{ "1", 0, -EINVAL, NULL },
		{ "1", SECRET_MAX + 1, -EINVAL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_secret_ struct secret *s = NULL;

		assert_int_equal(from_fd(&s, cases[i].text, cases[i].max), cases[i].r);
		if (cases[i].expected)
			assert_text(s, cases[i].expected);
		else
			assert_null(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_equal_dup_take),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_truncate),
		cmocka_unit_test(test_wrong_length_aborts),
		cmocka_unit_test(test_freed_is_wiped),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_guarded_memory),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_pipe_exact),
		cmocka_unit_test(test_pipe_open),
		cmocka_unit_test(test_not_a_pipe),
		cmocka_unit_test(test_from_fd),
		cmocka_unit_test(test_unlocked_memory_is_told),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
