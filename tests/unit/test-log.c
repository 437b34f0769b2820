/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#include "common/log.h"

static int kept, from;

/* stderr is a pipe that nobody reads but read_all(). */
static int setup(void **state)
{
	int ends[2];

	(void)state;
	kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (kept < 0 || pipe2(ends, O_CLOEXEC) < 0 || dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	close(ends[1]);
	from = ends[0];
	log_open("test", LOG_LEVEL_INFO);
	return fcntl(from, F_SETFL, O_NONBLOCK);
}

static int teardown(void **state)
{
	(void)state;
	if (from >= 0)
		close(from);
	return dup2(kept, STDERR_FILENO) < 0 || close(kept) < 0;
}

static size_t read_all(char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(from, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

static void test_line(void **state)
{
	char text[200];

	(void)state;
	log_info("one %d", 1);
	log_debug("too fine");
	log_warning("a forged\nline \x1b[31m");
	read_all(text, sizeof(text));
	assert_string_equal(text, "test: one 1\ntest: a forged?line ?[31m\n");
}

static void test_long_line(void **state)
{
	char word[2000], text[3000];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	log_info("%s", word);
	assert_int_equal(read_all(text, sizeof(text)), strlen("test: ") + 1023 + 1);
}

static void test_nobody_reads(void **state)
{
	static char text[1 << 20];
	unsigned int written = 0, lost;

	(void)state;
	/* More than any pipe holds: the test would hang if a line waited. */
	for (int i = 0; i < 10000; i++)
		log_info("line %04d, with some words to make it longer than it would have to be, and these as well", i);
	read_all(text, sizeof(text));
	for (const char *p = text; (p = strstr(p, "test: line ")); p++)
		assert_int_equal(atoi(p + strlen("test: line ")), written++);
	assert_true(written > 100 && written < 10000);
	assert_int_equal(text[strlen(text) - 1], '\n');
	log_info("after it");
	read_all(text, sizeof(text));
	assert_int_equal(sscanf(text, "test: %u lines before this one were lost: the log was not read\n", &lost), 1);
	assert_int_equal(written + lost, 10000);
	assert_non_null(strstr(text, "\ntest: after it\n"));
	log_info("said once");
	read_all(text, sizeof(text));
	assert_string_equal(text, "test: said once\n");
}

static void test_reader_gone(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_DFL);
	close(from);
	from = -1;
	log_error("nobody will know"); /* and nobody is killed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
