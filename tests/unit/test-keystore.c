/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keyslots and the text of key files: nothing that was altered opens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fail-alloc.h"
#include "tests/unit/keystore-fixture.h"

long fail_after = -1;

FAIL_SECRET_NEW
FAIL_MALLOC
FAIL_CALLOC

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct keyfile *k = parse(f->text, f->len);

	assert_non_null(k);
	assert_memory_equal(k, f->k, sizeof(*k));
	assert_int_equal(unwrap(f, k, 0), 0);
	assert_int_equal(unwrap(f, k, 1), 0);
	assert_string_equal(keyfile_find_slot(k, 2)->label, "recovery code");
	assert_null(keyfile_find_slot(k, 3));
	keyfile_free(k);
}

/* A file made by other code from the description alone (see the fixture's head) opens. */
static void test_vector(void **state)
{
	const char *top = getenv("top_srcdir");
	struct secret *bits = secret_new(20), *kek = NULL, *t = NULL;
	struct keyfile *k;
	char path[512], text[8192];
	uint8_t *b = secret_borrow_mut(bits);
	size_t len;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/vectors/keyfile.json", top ? top : TOP_SRCDIR);
	file = fopen(path, "re");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	k = parse(text, len);
	assert_non_null(k);
	for (size_t i = 0; i < 20; i++)
		b[i] = (uint8_t)(i + 1);
	assert_int_equal(keyslot_kek(&kek, bits, k->salt), 0);
	assert_int_equal(keyfile_unwrap(&t, k, 1, kek), OUTCOME_WRONG_TOKEN);
	assert_int_equal(keyfile_unwrap(&t, k, 3, kek), 0);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(secret_borrow(t)[i], 0x40 + i);
	secret_free(bits);
	secret_free(kek);
	secret_free(t);
	keyfile_free(k);
}

static void test_wrong_kek(void **state)
{
	struct fixture *f = *state;
	struct secret *t = NULL;

	assert_int_equal(keyfile_unwrap(&t, f->k, 1, f->kek[1]), OUTCOME_WRONG_TOKEN);
	assert_int_equal(keyfile_unwrap(&t, f->k, 2, f->kek[0]), OUTCOME_WRONG_TOKEN);
	assert_int_equal(keyfile_unwrap(&t, f->k, 3, f->kek[0]), OUTCOME_NOT_ENROLLED);
	assert_null(t);
}

static void test_every_bit_flip_is_found(void **state)
{
	struct fixture *f = *state;
	size_t parsed = 0;

	for (size_t i = 0; i < f->len; i++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			struct keyfile *k;

			f->text[i] = (char)((unsigned char)f->text[i] ^ (1u << bit));
			k = parse(f->text, f->len);
			for (size_t slot = 0; k && slot < 2; slot++) {
				int r = unwrap(f, k, slot);

				assert_true(r == OUTCOME_KEYFILE_DAMAGED || r == OUTCOME_WRONG_TOKEN || r == OUTCOME_NOT_ENROLLED);
			}
			parsed += k != NULL;
			keyfile_free(k);
			f->text[i] = (char)((unsigned char)f->text[i] ^ (1u << bit));
		}
	/* The authentication, not only the parser, has been at work. */
	assert_true(parsed > 500);
}

static void test_every_truncation_is_found(void **state)
{
	struct fixture *f = *state;

	/* The last byte is the newline; the text without it is whole. */
	for (size_t len = 0; len < f->len - 1; len++) {
		char *copy = malloc(len + 1); /* so that reading past it shows */

		memcpy(copy, f->text, len);
		copy = realloc(copy, len ? len : 1);
		assert_null(parse(copy, len));
		free(copy);
	}
}

static void test_transplanted_slot(void **state)
{
	struct fixture *f = *state;
	struct keyslot_new slot = hmac_slot(f);
	struct keyfile *other, *mixed = malloc(sizeof(*mixed));
	struct secret *t = NULL;

	/* Of the same t, the same name and token, but another file (salt): the slot does not open here. */
	assert_int_equal(keyfile_new(&other, "wg0", CONFIG_MODE_PSK, f->t), 0);
	assert_int_equal(keyfile_add_slot(other, NULL, &slot, f->t), 0);
	*mixed = *f->k;
	mixed->slots[0] = other->slots[0];
	assert_int_equal(keyfile_unwrap(&t, mixed, 1, f->kek[0]), OUTCOME_WRONG_TOKEN);
	/* And its neighbour, which opens, tells that the list was altered. */
	assert_int_equal(keyfile_unwrap(&t, mixed, 2, f->kek[1]), OUTCOME_KEYFILE_DAMAGED);
	/* The head of one with the body of the other. */
	*mixed = *f->k;
	memcpy(mixed->salt, other->salt, sizeof(mixed->salt));
	assert_int_equal(keyfile_unwrap(&t, mixed, 1, f->kek[0]), OUTCOME_WRONG_TOKEN);
	assert_null(t);
	keyfile_free(other);
	free(mixed);
}

static void test_altered_list(void **state)
{
	struct fixture *f = *state;
	struct keyslot_new slot = recovery_slot(f);
	struct keyfile *k = malloc(sizeof(*k));

	*k = *f->k;
	k->n_slots = 1;
	assert_int_equal(unwrap(f, k, 0), OUTCOME_KEYFILE_DAMAGED);
	/* Nor is it blessed by adding or removing one. */
	assert_int_equal(keyfile_add_slot(k, NULL, &slot, f->t), OUTCOME_KEYFILE_DAMAGED);
	assert_int_equal(keyfile_remove_slot(k, 1, f->t), OUTCOME_KEYFILE_DAMAGED);

	/* A slot that was removed, put back from an old copy of the file. */
	*k = *f->k;
	assert_int_equal(keyfile_remove_slot(k, 1, f->t), 0);
	assert_int_equal(unwrap(f, k, 0), OUTCOME_NOT_ENROLLED);
	assert_int_equal(unwrap(f, k, 1), 0);
	k->slots[1] = k->slots[0];
	k->slots[0] = f->k->slots[0];
	k->n_slots = 2;
	assert_int_equal(unwrap(f, k, 0), 0 + OUTCOME_KEYFILE_DAMAGED);

	/* Another order, and another next id. */
	*k = *f->k;
	k->slots[0] = f->k->slots[1];
	k->slots[1] = f->k->slots[0];
	assert_int_equal(unwrap(f, k, 0), OUTCOME_KEYFILE_DAMAGED);
	*k = *f->k;
	k->next_slot_id = 9;
	assert_int_equal(unwrap(f, k, 0), OUTCOME_KEYFILE_DAMAGED);
	free(k);
}

static void test_slots_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct keyslot_new slot = recovery_slot(f);
	uint32_t id;

	assert_int_equal(keyfile_remove_slot(f->k, 9, f->t), OUTCOME_NOT_ENROLLED);
	assert_int_equal(keyfile_remove_slot(f->k, 2, f->t), 0);
	assert_int_equal(keyfile_remove_slot(f->k, 1, f->t), OUTCOME_INVALID_ARGUMENT);
	assert_int_equal(f->k->n_slots, 1);
	for (uint32_t i = 1; i < KEYFILE_SLOTS_MAX; i++) {
		assert_int_equal(keyfile_add_slot(f->k, &id, &slot, f->t), 0);
		assert_int_equal(id, 2 + i); /* 2 is not used again */
	}
	assert_int_equal(keyfile_add_slot(f->k, &id, &slot, f->t), OUTCOME_LIMIT_EXCEEDED);
	assert_int_equal(unwrap(f, f->k, 0), 0);
	format(f);
	keyfile_free(parse(f->text, f->len));
}

static void test_largest_file(void **state)
{
	struct fixture *f = *state;
	struct keyslot_new slot = hmac_slot(f);
	char label[KEYFILE_LABEL_MAX];
	struct keyfile *k;

	keyfile_free(f->k);
	assert_int_equal(keyfile_new(&f->k, "wg0123456789abc", CONFIG_MODE_IDENTITY, f->t), 0);
	memset(label, '"', sizeof(label) - 1); /* the longest in JSON */
	label[sizeof(label) - 1] = '\0';
	slot.label = label;
	slot.created = UINT64_C(1) << 52;
	f->credential.id_len = WIRE_CREDENTIAL_ID_MAX;
	for (int i = 0; i < KEYFILE_SLOTS_MAX; i++)
		assert_int_equal(keyfile_add_slot(f->k, NULL, &slot, f->t), 0);
	format(f);
	assert_true(f->len < KEYFILE_SIZE_MAX);
	k = parse(f->text, f->len);
	assert_non_null(k);
	assert_int_equal(unwrap(f, k, 0), 0);
	keyfile_free(k);
}

static void test_bad_slots_are_not_added(void **state)
{
	static const char *const labels[] = { "", "a\nb", "\x1b[31m", "\xff", "\xc3", "\x7f", ("\xc2\x9b" "31m"),
		"1234567890123456789012345678901234567890123456789012345678901234" };
	struct fixture *f = *state;
	struct keyslot_new slot;
	struct keyfile *before = malloc(sizeof(*before));
	struct secret *wrong = secret_dup(f->t);

	*before = *f->k;
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		slot = hmac_slot(f);
		slot.label = labels[i];
		assert_int_equal(keyfile_add_slot(f->k, NULL, &slot, f->t), -EINVAL);
	}
	slot = hmac_slot(f);
	slot.aaguid = NULL;
	assert_int_equal(keyfile_add_slot(f->k, NULL, &slot, f->t), -EINVAL);
	slot = hmac_slot(f);
	f->credential.id_len = 0;
	assert_int_equal(keyfile_add_slot(f->k, NULL, &slot, f->t), -EINVAL);
	f->credential.id_len = WIRE_CREDENTIAL_ID_MAX + 1;
	assert_int_equal(keyfile_add_slot(f->k, NULL, &slot, f->t), -EINVAL);
	f->credential.id_len = 48;
	secret_borrow_mut(wrong)[9] ^= 1;
	assert_int_equal(keyfile_add_slot(f->k, NULL, &slot, wrong), -EINVAL);
	assert_int_equal(keyfile_remove_slot(f->k, 1, wrong), -EINVAL);
	assert_memory_equal(before, f->k, sizeof(*before));
	secret_free(wrong);
	free(before);
}

static void test_kek(void **state)
{
	uint8_t salt[32] = { 1 }, salt2[32] = { 2 };
	struct secret *s = secret_new(32), *zero = secret_new(32), *short_one = secret_new(15), *code = secret_new(20);
	struct secret *a = NULL, *b = NULL;

	(void)state;
	secret_fill_random(s);
	secret_fill_random(short_one);
	secret_fill_random(code);
	assert_int_equal(keyslot_kek(&a, zero, salt), -EINVAL); /* a token that answered nothing */
	assert_int_equal(keyslot_kek(&a, short_one, salt), -EINVAL);
	assert_null(a);
	assert_int_equal(keyslot_kek(&a, s, salt), 0);
	assert_int_equal(keyslot_kek(&b, s, salt2), 0);
	assert_false(secret_equal(a, b));
	b = secret_free(b);
	assert_int_equal(keyslot_kek(&b, code, salt), 0);
	secret_free(a);
	secret_free(b);
	secret_free(s);
	secret_free(zero);
	secret_free(short_one);
	secret_free(code);
}

/* The text with the first occurrence of from replaced. */
static struct keyfile *parse_replaced(const struct fixture *f, const char *from, const char *to, char **ret_error)
{
	const char *at = strstr(f->text, from);
	struct keyfile *k = NULL;
	char *text;
	int r;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - f->text), f->text, to, at + strlen(from)) > 0);
	r = keyfile_parse(&k, ret_error, text, strlen(text));
	assert_int_equal(r, *ret_error ? OUTCOME_KEYFILE_DAMAGED : 0);
	free(text);
	return k;
}

static void test_strict(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "\"version\": 1", "\"version\": 3", "newer wgfido" },
		{ "\"version\": 1", "\"version\": 2", "missing" },
		{ "\"version\": 1", "\"version\": 0", "version" },
		{ "\"version\": 1", "\"version\": \"1\"", "version" },
		{ "\"version\": 1", "\"version\": 1.0", "version" },
		{ "\"version\": 1", "\"version\": 1, \"version\": 1", "JSON" },
		{ "\"version\": 1,", "", "\"version\" is missing" },
		{ "\"version\": 1", "\"version\": 1, \"more\": 1", "does not know" },
		{ "\"wg0\"", "\"../x\"", "interface" },
		{ "\"wg0\"", "\"wg0123456789abcdef\"", "interface" },
		{ "\"wg0\"", "\"\"", "interface" },
		{ "\"wg0\"", "\"wg\\u0000\"", "JSON" },
		{ "\"psk\"", "\"PSK\"", "mode" },
		{ "\"wrapped\",", "\"resident\",", "held" },
		{ "\"salt\": \"", "\"salt\": \"AAAA", "salt" },
		{ "\"public_key\": \"", "\"public_key\": \"A", "public_key" },
		{ "\"next_slot_id\": 3", "\"next_slot_id\": 2", "slot number 2: \"id\"" },
		{ "\"next_slot_id\": 3", "\"next_slot_id\": 4294967296", "next_slot_id" },
		{ "\"id\": 1", "\"id\": 0", "slot number 1: \"id\"" },
		{ "\"id\": 2", "\"id\": 1", "slot number 2: \"id\"" },
		{ "\"id\": 1", "\"id\": -1", "id" },
		{ "\"hmac-secret\"", "\"recovery\"", "slot number 1" },
		{ "\"recovery\"", "\"password\"", "slot number 2: \"type\"" },
		{ "\"recovery code\"", "\"\"", "label" },
		{ "\"recovery code\"", "\"a\\u001bb\"", "label" },
		{ "\"recovery code\"", "\"a\\nb\"", "label" },
		{ "\"presence\"", "\"none\"", "uv" },
		{ "1700000000", "99999999999999999", "created" },
		{ "1700000000", "17e8", "created" },
		{ "\"nonce\": \"", "\"nonce\": \" ", "nonce" },
		{ "\"slots\": [", "\"slots\": [[],", "slot number 1" },
		{ "\"slots\": [", "\"slots\": [null,", "slot number 1" },
		{ "\"slots_mac\": \"", "\"slots_mac\": \"=", "slots_mac" },
		{ "}\n", "}\n}", "JSON" },
		{ "{\n", "[{\n", "JSON" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *error = NULL;
		struct keyfile *k = parse_replaced(f, cases[i].from, cases[i].to, &error);

		assert_null(k);
		if (!strstr(error, cases[i].says))
			fail_msg("%s -> %s: %s", cases[i].from, cases[i].to, error);
		free(error);
	}
	assert_null(parse("", 0));
	assert_null(parse("[]", 2));
	assert_null(parse("null", 4));
}

static void test_too_many_slots(void **state)
{
	struct fixture *f = *state;
	char many[64] = "\"slots\": [", *error = NULL;

	for (int i = 0; i <= KEYFILE_SLOTS_MAX; i++)
		strcat(many, "{},");
	assert_null(parse_replaced(f, "\"slots\": [", many, &error));
	assert_non_null(strstr(error, "more than 8"));
	free(error);
}

static void test_memory_runs_out(void **state)
{
	struct fixture *f = *state;
	struct keyslot_new slot = hmac_slot(f);
	struct keyfile *before = malloc(sizeof(*before)), *k = NULL;
	struct secret *t = NULL, *kek = NULL;
	char *text = NULL, *error = NULL;
	int r;

	*before = *f->k;
#define UNTIL_IT_WORKS(call, check)                                                                                                 \
	r = -ENOMEM;                                                                                                                \
	for (long n = 0; r != 0; n++) {                                                                                             \
		fail_after = n;                                                                                                     \
		r = (call);                                                                                                         \
		fail_after = -1;                                                                                                    \
		assert_true(r == 0 || (r == -ENOMEM && (check)));                                                                   \
		assert_true(n < 1000);                                                                                              \
	}
	UNTIL_IT_WORKS(keyfile_unwrap(&t, f->k, 1, f->kek[0]), !t);
	UNTIL_IT_WORKS(keyslot_kek(&kek, f->t, f->k->salt), !kek);
	UNTIL_IT_WORKS(keyfile_format(&text, f->k), !text);
	UNTIL_IT_WORKS(keyfile_parse(&k, &error, f->text, f->len), !k && !error);
	keyfile_free(k);
	k = NULL;
	UNTIL_IT_WORKS(keyfile_new(&k, "wg0", CONFIG_MODE_PSK, f->t), !k);
	UNTIL_IT_WORKS(keyfile_remove_slot(f->k, 2, f->t), memcmp(before, f->k, sizeof(*before)) == 0);
	*before = *f->k;
	UNTIL_IT_WORKS(keyfile_add_slot(f->k, NULL, &slot, f->t), memcmp(before, f->k, sizeof(*before)) == 0);
	keyfile_free(k);
	k = NULL;
	free(text);
	text = NULL;

	/* jansson's allocations too. It does not always say what it failed of, but fail it does. */
	json_set_alloc_funcs(__wrap_malloc, free);
	UNTIL_IT_WORKS(keyfile_format(&text, f->k), !text);
	r = -ENOMEM;
	for (long n = 0; r != 0; n++) {
		fail_after = n;
		r = keyfile_parse(&k, &error, f->text, f->len);
		fail_after = -1;
		assert_true(r == 0 || (!k && (r == -ENOMEM || r == OUTCOME_KEYFILE_DAMAGED)));
		free(error);
	}
	json_set_alloc_funcs(malloc, free);
	keyfile_free(k);
	free(before);
	free(text);
	secret_free(t);
	secret_free(kek);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_vector),
		TEST(test_wrong_kek),
		TEST(test_every_bit_flip_is_found),
		TEST(test_every_truncation_is_found),
		TEST(test_transplanted_slot),
		TEST(test_altered_list),
		TEST(test_slots_come_and_go),
		TEST(test_largest_file),
		TEST(test_bad_slots_are_not_added),
		TEST(test_kek),
		TEST(test_strict),
		TEST(test_too_many_slots),
		TEST(test_memory_runs_out),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
