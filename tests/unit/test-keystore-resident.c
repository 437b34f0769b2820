/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key files of resident keys: both ways, strict, and nothing in them to wrap, recover or take out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/schedule.h"
#include "tests/unit/keystore-fixture.h"

static struct keyfile_resident record(uint8_t byte)
{
	struct keyfile_resident r = {
		.slot = { .kind = WIRE_X_CTAPHID, .number = 3 },
		.touch = WIRE_X_TOUCH_CACHED,
		.cached_seconds = 15,
		.paired = true,
		.serial = "0001",
		.label = "the blu\xc3\xa9 one",
		.created = 1700000000,
	};

	memset(r.public_key, byte, sizeof(r.public_key));
	memset(r.token_public, 0x77, sizeof(r.token_public));
	return r;
}

static struct keyfile_resident card(uint8_t byte)
{
	struct keyfile_resident r = {
		.slot = { .kind = WIRE_X_PIV, .number = 0x9d }, .needs_pin = true, .serial = "D2760001", .label = "card" };

	memset(r.public_key, byte, sizeof(r.public_key));
	return r;
}

static struct keyfile *make(const struct keyfile_resident *key, const struct keyfile_resident *next)
{
	struct keyfile *k;

	assert_int_equal(keyfile_new_resident(&k, "wg0", CONFIG_MODE_IDENTITY, key), 0);
	if (next)
		assert_int_equal(keyfile_set_next(k, next), 0);
	return k;
}

static void assert_round_trip(const struct keyfile *k)
{
	struct keyfile *again;
	char *text;

	assert_int_equal(keyfile_format(&text, k), 0);
	again = parse(text, strlen(text));
	assert_non_null(again);
	assert_memory_equal(k, again, sizeof(*k));
	keyfile_free(again);
	free(text);
}

static void test_round_trip(void **state)
{
	struct keyfile_resident key = record(1), next = record(2), piv = card(3);
	struct fixture *f = *state;
	struct keyfile *k, *loaded;
	char *error;

	next.slot.number = 31;
	k = make(&key, NULL);
	assert_int_equal(k->held, KEYFILE_RESIDENT);
	assert_memory_equal(k->public_key, key.public_key, KEY_SIZE);
	assert_round_trip(k);
	keyfile_free(k);
	k = make(&key, &next);
	assert_round_trip(k);
	assert_int_equal(keystore_save(f->dir, k), 0);
	assert_int_equal(keystore_load(&loaded, &error, f->dir, "wg0"), 0);
	assert_memory_equal(loaded, k, sizeof(*k));
	keyfile_free(loaded);
	keyfile_free(k);
	k = make(&piv, NULL);
	assert_round_trip(k);
	keyfile_free(k);
}

static void test_next(void **state)
{
	struct keyfile_resident key = record(1), next = record(2);
	struct fixture *f = *state;
	struct keyfile *k = make(&key, NULL);

	assert_int_equal(keyfile_commit_next(k), OUTCOME_NOT_ENROLLED);
	assert_int_equal(keyfile_set_next(k, &key), OUTCOME_INVALID_ARGUMENT);
	assert_false(k->has_next);
	assert_int_equal(keyfile_set_next(k, &next), 0);
	assert_memory_equal(k->public_key, key.public_key, KEY_SIZE);
	assert_int_equal(keyfile_set_next(k, NULL), 0);
	assert_false(k->has_next);
	assert_int_equal(keyfile_set_next(k, &next), 0);
	assert_int_equal(keyfile_commit_next(k), 0);
	assert_memory_equal(k->public_key, next.public_key, KEY_SIZE);
	assert_memory_equal(k->resident.public_key, next.public_key, KEY_SIZE);
	assert_false(k->has_next);
	assert_round_trip(k);
	keyfile_free(k);
	/* A wrapped one has none. */
	assert_int_equal(keyfile_set_next(f->k, &next), OUTCOME_UNSUPPORTED);
	assert_int_equal(keyfile_commit_next(f->k), OUTCOME_NOT_ENROLLED);
}

/* What belongs to keyslots does nothing here. */
static void test_no_keyslots(void **state)
{
	struct keyfile_resident key = record(1);
	struct fixture *f = *state;
	struct keyslot_new slot = hmac_slot(f);
	struct keyfile *k = make(&key, NULL), *before = make(&key, NULL);
	struct secret *t = NULL;

	schedule_public(k->public_key, f->t);
	memcpy(before->public_key, k->public_key, KEY_SIZE);
	assert_int_equal(keyfile_add_slot(k, NULL, &slot, f->t), OUTCOME_UNSUPPORTED);
	assert_int_equal(keyfile_remove_slot(k, 1, f->t), OUTCOME_UNSUPPORTED);
	assert_int_equal(keyfile_unwrap(&t, k, 1, f->kek[0]), OUTCOME_NOT_ENROLLED);
	assert_null(t);
	assert_memory_equal(k, before, sizeof(*k));
	keyfile_free(before);
	keyfile_free(k);
}

static void test_slots(void **state)
{
	static const char *const good[] = { "ctaphid:0", "ctaphid:9", "ctaphid:31", "openpgp", "piv:9d", "piv:82", "piv:95" };
	static const char *const bad[] = { "", "auto", "ctaphid", "ctaphid:", "ctaphid:32", "ctaphid:-1", "ctaphid:01", "ctaphid: 1",
		"ctaphid:1 ", "ctaphid:99999999999999999999", "openpgp:0", "piv:9D", "piv:9c", "piv:81", "piv:96", "piv:0x9d",
		"piv:09d", "PIV:9d", "ctaphid:1x" };
	char text[KEYFILE_X_SLOT_MAX];
	struct wire_x_slot slot;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(keyfile_x_slot_parse(&slot, good[i]), 0);
		assert_true(wire_x_slot_valid(&slot));
		keyfile_x_slot_format(text, &slot);
		assert_string_equal(text, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(keyfile_x_slot_parse(&slot, bad[i]), -EINVAL);
}

static void test_records_that_make_no_sense(void **state)
{
	struct keyfile_resident good = record(1), r;
	struct keyfile *k = NULL;

	(void)state;
#define REFUSED(change) \
	do { \
		r = good; \
		change; \
		assert_int_equal(keyfile_new_resident(&k, "wg0", CONFIG_MODE_PSK, &r), OUTCOME_INVALID_ARGUMENT); \
		assert_null(k); \
	} while (0)
	REFUSED(memset(r.public_key, 0, KEY_SIZE));
	REFUSED(r.slot.number = 32);
	REFUSED(r.slot.kind = (enum wire_x_kind)9);
	REFUSED(r.touch = WIRE_X_TOUCH_NEVER); /* with cached_seconds */
	REFUSED(r.paired = false);	       /* with a token_public */
	REFUSED(memset(r.token_public, 0, KEY_SIZE));
	REFUSED(r.slot = ((struct wire_x_slot){ .kind = WIRE_X_OPENPGP })); /* paired */
	REFUSED(r.serial[1] = '\n');
	REFUSED(memset(r.serial, 'x', sizeof(r.serial)));
	REFUSED(r.label[0] = '\x1b');
	REFUSED(r.label[0] = 0);
	REFUSED(memset(r.label, 'x', sizeof(r.label)));
	r = good;
	assert_int_equal(keyfile_new_resident(&k, "wg/0", CONFIG_MODE_PSK, &r), OUTCOME_INVALID_ARGUMENT);
}

static void assert_edit_refused(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct keyfile *k;
	char *edited;

	assert_non_null(at);
	assert_true(asprintf(&edited, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	k = parse(edited, strlen(edited));
	if (k)
		print_error("taken: %s -> %s\n", from, to);
	assert_null(k);
	free(edited);
}

static void test_strict(void **state)
{
	static const char *const edits[][2] = {
		{ "\"version\": 2", "\"version\": 1" },
		{ "\"version\": 2", "\"version\": 3" },
		{ "\"version\": 2", "\"version\": 2, \"salt\": \"\"" },
		{ "\"held\": \"resident\"", "\"held\": \"wrapped\"" },
		{ "\"public_key\": \"AQ", "\"public_key\": \"AA" },
		{ "\"slot\": \"ctaphid:3\"", "\"slot\": \"ctaphid:03\"" },
		{ "\"slot\": \"ctaphid:3\"", "\"slot\": 3" },
		{ "\"slot\": \"ctaphid:3\"", "\"slot\": \"piv:9d\"" },
		{ "\"touch\": \"cached\"", "\"touch\": \"often\"" },
		{ "\"touch\": \"cached\"", "\"touch\": \"always\"" },
		{ "\"cached_seconds\": 15", "\"cached_seconds\": 65536" },
		{ "\"cached_seconds\": 15", "\"cached_seconds\": -1" },
		{ "\"pin\": false", "\"pin\": 0" },
		{ "\"pin\": false", "\"pin\": false, \"pin\": false" },
		{ "\"pin\": false,", "" },
		{ "\"serial\": \"0001\"", "\"serial\": \"00\\u000001\"" },
		{ "\"serial\": \"0001\"", "\"serial\": \"00\\u00e9\"" },
		{ "\"label\": \"", "\"label\": \"\\u001b" },
		{ "\"created\": 1700000000", "\"created\": 1.7e9" },
		{ "\"next\": {", "\"next\": 7, \"later\": {" },
		{ "\"token\": \"d3", "\"token\": \"" },
	};
	struct keyfile_resident key = record(1), next = record(2);
	struct keyfile *k = make(&key, &next);
	char *text;

	(void)state;
	assert_int_equal(keyfile_format(&text, k), 0);
	for (size_t i = 0; i < sizeof(edits) / sizeof(*edits); i++)
		assert_edit_refused(text, edits[i][0], edits[i][1]);
	for (size_t len = 0; len + 2 < strlen(text); len++)
		assert_null(parse(text, len));
	free(text);
	keyfile_free(k);

	/* The next key is another one. */
	k = make(&key, &next);
	memcpy(k->next.public_key, key.public_key, KEY_SIZE);
	assert_int_equal(keyfile_format(&text, k), 0);
	assert_null(parse(text, strlen(text)));
	free(text);
	keyfile_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_next, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_keyslots, setup, teardown),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_records_that_make_no_sense),
		cmocka_unit_test(test_strict),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
