/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's channel key and its pairings: made once, kept, strict, and for this host key only. */
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
#include <unistd.h>

#include "common/outcome.h"
#include "daemon/pairing.h"

struct fixture {
	char dir[64];
	struct pairings *all;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/wgfido-pairing-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(pairings_new(&f->all, f->dir), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	pairings_free(f->all);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

static unsigned int mode_of(const struct fixture *f, const char *name)
{
	char path[256];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static struct pairing pairing_of(uint8_t byte)
{
	struct pairing p = {.host_index = byte, .label = "the blue one", .created = 1700000000};

	memset(p.token_public, byte, sizeof(p.token_public));
	return p;
}

static void test_host_key(void **state)
{
	const struct secret *key = NULL, *again = NULL;
	struct fixture *f = *state;
	struct secret *copy;

	assert_int_equal(pairings_host_key(f->all, &key, false), -ENOENT);
	assert_int_equal(pairings_host_key(f->all, &key, true), 0);
	assert_int_equal(secret_len(key), SECRET_KEY_SIZE);
	assert_false(secret_is_zero(key));
	assert_int_equal(mode_of(f, "host.key"), 0600);
	copy = secret_dup(key);
	pairings_forget(f->all);
	assert_int_equal(pairings_host_key(f->all, &again, true), 0);
	assert_true(secret_equal(copy, again));
	secret_free(copy);
}

static void test_damaged_host_key(void **state)
{
	static const char *const bad[] = {"", "x\n", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"};
	struct fixture *f = *state;
	const struct secret *key;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put(f, "host.key", bad[i]);
		assert_int_equal(pairings_host_key(f->all, &key, true), -EBADMSG);
	}
}

static void test_pairings(void **state)
{
	struct pairing p = pairing_of(7), other = pairing_of(9);
	struct fixture *f = *state;
	const struct secret *key;
	char name[128] = "pairings/";
	uint8_t index = 0;

	assert_int_equal(pairings_find(f->all, &index, p.token_public), OUTCOME_NOT_ENROLLED);
	assert_int_equal(pairings_add(f->all, &p), -ENOENT); /* without a key of ours there is nothing to be paired with */
	assert_int_equal(pairings_host_key(f->all, &key, true), 0);
	assert_int_equal(pairings_find(f->all, &index, p.token_public), OUTCOME_NOT_ENROLLED);
	assert_int_equal(pairings_add(f->all, &p), 0);
	assert_int_equal(pairings_find(f->all, &index, p.token_public), 0);
	assert_int_equal(index, 7);
	assert_int_equal(pairings_find(f->all, &index, other.token_public), OUTCOME_NOT_ENROLLED);
	pairings_forget(f->all);
	assert_int_equal(pairings_find(f->all, &index, p.token_public), 0);
	key_to_hex(name + strlen(name), p.token_public);
	strcat(name, ".json");
	assert_int_equal(mode_of(f, name), 0600);
	assert_int_equal(mode_of(f, "pairings"), 0700);
	/* The same token once more, under another number. */
	p.host_index = 8;
	assert_int_equal(pairings_add(f->all, &p), 0);
	assert_int_equal(pairings_find(f->all, &index, p.token_public), 0);
	assert_int_equal(index, 8);
	/* A file that is of another token, or is no pairing, is none. */
	put(f, name, "{}");
	pairings_forget(f->all);
	assert_int_equal(pairings_find(f->all, &index, p.token_public), OUTCOME_NOT_ENROLLED);
}

static void test_more_than_are_kept(void **state)
{
	struct fixture *f = *state;
	const struct secret *key;
	struct pairing p;
	uint8_t index;

	assert_int_equal(pairings_host_key(f->all, &key, true), 0);
	for (uint8_t i = 1; i < 40; i++) {
		p = pairing_of(i);
		assert_int_equal(pairings_add(f->all, &p), 0);
	}
	for (uint8_t i = 1; i < 40; i++) {
		p = pairing_of(i);
		assert_int_equal(pairings_find(f->all, &index, p.token_public), 0);
		assert_int_equal(index, i);
	}
}

static void test_of_another_host_key(void **state)
{
	struct pairing p = pairing_of(7);
	struct fixture *f = *state;
	const struct secret *key;
	char path[128];
	uint8_t index;

	assert_int_equal(pairings_host_key(f->all, &key, true), 0);
	assert_int_equal(pairings_add(f->all, &p), 0);
	(void)snprintf(path, sizeof(path), "%s/host.key", f->dir);
	assert_int_equal(unlink(path), 0);
	pairings_forget(f->all);
	assert_int_equal(pairings_find(f->all, &index, p.token_public), OUTCOME_NOT_ENROLLED);
	assert_int_equal(pairings_host_key(f->all, &key, true), 0);
	assert_int_equal(pairings_find(f->all, &index, p.token_public), OUTCOME_NOT_ENROLLED);
}

static void test_strict(void **state)
{
	struct pairing p = pairing_of(1), again;
	char *text = NULL;

	(void)state;
	memset(p.host_public, 2, sizeof(p.host_public));
	assert_int_equal(pairing_format(&text, &p), 0);
	assert_int_equal(pairing_parse(&again, text, strlen(text)), 0);
	assert_memory_equal(p.token_public, again.token_public, KEY_SIZE);
	assert_memory_equal(p.host_public, again.host_public, KEY_SIZE);
	assert_string_equal(p.label, again.label);
	for (size_t len = 0; len + 2 < strlen(text); len++)
		assert_int_equal(pairing_parse(&again, text, len), OUTCOME_KEYFILE_DAMAGED);
	free(text);
	p.label[0] = '\x1b';
	assert_int_equal(pairing_format(&text, &p), -EINVAL);
	memset(p.label, 'x', sizeof(p.label));
	assert_int_equal(pairing_format(&text, &p), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_host_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_host_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pairings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_than_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_another_host_key, setup, teardown),
		cmocka_unit_test(test_strict),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
