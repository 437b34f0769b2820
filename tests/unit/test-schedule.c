/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/schedule.h"

/* Counts down to a failure; negative: never. */
static int secret_new_fails_in = -1;

struct secret *__real_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len);
struct secret *__wrap_secret_new(size_t len)
{
	if (secret_new_fails_in == 0)
		return NULL;
	if (secret_new_fails_in > 0)
		secret_new_fails_in--;
	return __real_secret_new(len);
}

static struct secret *from_hex(const char *hex)
{
	struct secret *s = NULL;

	assert_int_equal(secret_from_hex(&s, hex, strlen(hex)), 0);
	return s;
}

static void public_from_hex(uint8_t ret[static KEY_SIZE], const char *hex)
{
	assert_int_equal(key_from_hex(ret, hex), 0);
}

static void assert_secret_hex(const struct secret *s, const char *hex)
{
	char text[KEY_HEX_SIZE];

	assert_non_null(s);
	key_to_hex(text, secret_key(s));
	assert_string_equal(text, hex);
}

static struct secret *filled(uint8_t with)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	assert_non_null(s);
	memset(secret_borrow_mut(s), with, SECRET_KEY_SIZE);
	return s;
}

#define MAX_FIELDS 13
typedef char field[80];

static void check_public(field *f)
{
	_cleanup_secret_ struct secret *private_key = from_hex(f[1]);
	uint8_t key[KEY_SIZE];
	char hex[KEY_HEX_SIZE];

	schedule_public(key, private_key);
	key_to_hex(hex, key);
	assert_string_equal(hex, f[2]);
}

static void check_root(field *f)
{
	_cleanup_secret_ struct secret *t = from_hex(f[1]), *s = from_hex(f[2]), *preshared = NULL, *shared = NULL,
				       *other = NULL, *root = NULL, *psk = NULL;
	struct schedule_parties parties;

	public_from_hex(parties.token_public, f[3]);
	public_from_hex(parties.client_public, f[4]);
	public_from_hex(parties.server_public, f[5]);
	if (strcmp(f[6], "-") != 0)
		preshared = from_hex(f[6]);
	/* the token's side and the gateway's agree */
	assert_int_equal(schedule_shared(&shared, t, parties.server_public), 0);
	assert_int_equal(schedule_shared(&other, s, parties.token_public), 0);
	assert_true(secret_equal(shared, other));
	assert_secret_hex(shared, f[7]);
	assert_int_equal(schedule_root(&root, shared, &parties, preshared), 0);
	assert_secret_hex(root, f[8]);
	assert_int_equal(schedule_static_psk(&psk, root), 0);
	assert_secret_hex(psk, f[9]);
}

static void check_slot(field *f)
{
	_cleanup_secret_ struct secret *root = from_hex(f[1]), *epoch_key = NULL, *psk = NULL;
	const struct schedule s = { .slot_seconds = (uint32_t)strtoul(f[2], NULL, 10) };
	const uint64_t when = strtoull(f[3], NULL, 10), slot = schedule_slot(&s, when);
	struct schedule_chain chain;

	assert_true(schedule_slot_seconds_valid(s.slot_seconds));
	assert_int_equal(schedule_slot_epoch(&s, slot), strtoull(f[4], NULL, 10));
	assert_int_equal(schedule_slot_index(&s, slot), strtoul(f[5], NULL, 10));
	assert_true(schedule_slot_start(&s, slot) <= when && when < schedule_slot_start(&s, slot + 1));
	assert_int_equal(schedule_epoch_key(&epoch_key, root, schedule_slot_epoch(&s, slot)), 0);
	assert_int_equal(schedule_chain_start(&chain, epoch_key, schedule_slot_epoch(&s, slot)), 0);
	assert_int_equal(schedule_chain_advance(&chain, schedule_slot_index(&s, slot)), 0);
	assert_int_equal(schedule_chain_psk(&psk, &chain, chain.index), 0);
	assert_secret_hex(psk, f[6]);
	schedule_chain_clear(&chain);
}

static void check_both(field *f)
{
	_cleanup_secret_ struct secret *a = from_hex(f[1]), *b = from_hex(f[3]), *one = NULL, *other = NULL;
	uint8_t token_a[KEY_SIZE], token_b[KEY_SIZE];

	public_from_hex(token_a, f[2]);
	public_from_hex(token_b, f[4]);
	assert_int_equal(schedule_combine(&one, a, token_a, b, token_b), 0);
	assert_secret_hex(one, f[5]);
	/* whichever end asks */
	assert_int_equal(schedule_combine(&other, b, token_b, a, token_a), 0);
	assert_true(secret_equal(one, other));
}

static void check_low_order(field *f)
{
	_cleanup_secret_ struct secret *private_key = filled(0x55);
	struct secret *untouched = private_key;
	uint8_t point[KEY_SIZE];

	public_from_hex(point, f[1]);
	assert_int_equal(schedule_shared(&untouched, private_key, point), -EBADMSG);
	assert_ptr_equal(untouched, private_key);
}

static void check_window(field *f)
{
	_cleanup_secret_ struct secret *t = from_hex(f[1]), *s = from_hex(f[2]), *preshared = NULL, *g = NULL, *shared = NULL,
				       *other = NULL, *root = NULL, *clamped = secret_dup(s), *same = NULL;
	const struct schedule_window w = { strtoull(f[7], NULL, 10), strtoull(f[8], NULL, 10) };
	struct schedule_parties parties;
	uint8_t point[KEY_SIZE], *bytes = secret_borrow_mut(clamped);
	char hex[KEY_HEX_SIZE];

	public_from_hex(parties.token_public, f[3]);
	public_from_hex(parties.client_public, f[4]);
	public_from_hex(parties.server_public, f[5]);
	if (strcmp(f[6], "-") != 0)
		preshared = from_hex(f[6]);
	assert_int_equal(schedule_window_private(&g, s, &w), 0);
	assert_secret_hex(g, f[9]);
	/* as WireGuard hands the same key back */
	bytes[0] &= 248;
	bytes[31] = (uint8_t)((bytes[31] & 127) | 64);
	assert_int_equal(schedule_window_private(&same, clamped, &w), 0);
	assert_true(secret_equal(same, g));
	schedule_public(point, g);
	key_to_hex(hex, point);
	assert_string_equal(hex, f[10]);
	assert_int_equal(schedule_shared(&shared, t, point), 0);
	assert_int_equal(schedule_shared(&other, g, parties.token_public), 0);
	assert_true(secret_equal(shared, other));
	assert_secret_hex(shared, f[11]);
	assert_int_equal(schedule_window_root(&root, shared, &parties, &w, preshared), 0);
	assert_secret_hex(root, f[12]);
}

static const struct {
	const char *name;
	int n_fields;
	void (*check)(field *f);
} records[] = {
	{ "public", 3, check_public },
	{ "root", 10, check_root },
	{ "slot", 7, check_slot },
	{ "both", 6, check_both },
	{ "low-order", 2, check_low_order },
	{ "window", 13, check_window },
};
#define N_RECORDS (sizeof(records) / sizeof(records[0]))

static void test_vectors(void **state)
{
	unsigned int n_seen[N_RECORDS] = { 0 };
	char path[4096], line[1024];
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/vectors/schedule.txt", unit_top_srcdir());
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		field f[MAX_FIELDS];
		int n = 0;
		size_t i;

		if (line[0] == '#')
			continue;
		for (char *save = NULL, *word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
			assert_true(n < MAX_FIELDS && strlen(word) < sizeof(field));
			strcpy(f[n++], word);
		}
		for (i = 0; i < N_RECORDS && strcmp(records[i].name, f[0]) != 0; i++)
			;
		assert_true(i < N_RECORDS);
		assert_int_equal(n, records[i].n_fields);
		records[i].check(f);
		n_seen[i]++;
	}
	fclose(file);
	for (size_t i = 0; i < N_RECORDS; i++)
		assert_true(n_seen[i] > 0);
}

static void test_parties_matter(void **state)
{
	_cleanup_secret_ struct secret *shared = filled(1), *first = NULL, *zero = filled(0);
	struct schedule_parties parties = { .token_public = { 1 }, .client_public = { 2 }, .server_public = { 3 } };
	uint8_t *const each[] = { parties.token_public, parties.client_public, parties.server_public };

	(void)state;
	assert_int_equal(schedule_root(&first, shared, &parties, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		_cleanup_secret_ struct secret *root = NULL;

		each[i][31] ^= 1;
		assert_int_equal(schedule_root(&root, shared, &parties, NULL), 0);
		assert_false(secret_equal(root, first));
		each[i][31] ^= 1;
	}
	/* a static key of zeros is not the same as none */
	_cleanup_secret_ struct secret *root = NULL;
	assert_int_equal(schedule_root(&root, shared, &parties, zero), 0);
	assert_false(secret_equal(root, first));
}

static void test_chain_moves_forward_only(void **state)
{
	_cleanup_secret_ struct secret *epoch_key = filled(7), *psk_4 = NULL, *psk_5 = NULL, *again = NULL, *none = NULL;
	struct schedule_chain chain;
	const struct secret *link;

	(void)state;
	assert_int_equal(schedule_chain_start(&chain, epoch_key, 99), 0);
	assert_int_equal(chain.epoch, 99);
	assert_int_equal(chain.index, 0);
	assert_null(chain.previous_psk);
	assert_int_equal(schedule_chain_psk(&none, &chain, UINT32_MAX), -ERANGE);
	assert_int_equal(schedule_chain_psk(&none, &chain, 1), -ERANGE);

	assert_int_equal(schedule_chain_advance(&chain, 4), 0);
	assert_int_equal(schedule_chain_psk(&psk_4, &chain, 4), 0);
	assert_int_equal(schedule_chain_advance(&chain, 5), 0);
	assert_int_equal(schedule_chain_psk(&psk_5, &chain, 5), 0);
	assert_false(secret_equal(psk_4, psk_5));
	/* the one before is still there, and its own copy */
	assert_int_equal(schedule_chain_psk(&again, &chain, 4), 0);
	assert_true(secret_equal(again, psk_4));
	assert_ptr_not_equal(again, chain.previous_psk);

	assert_int_equal(schedule_chain_psk(&none, &chain, 3), -ERANGE);
	assert_int_equal(schedule_chain_psk(&none, &chain, 6), -ERANGE);
	link = chain.link;
	assert_int_equal(schedule_chain_advance(&chain, 4), -ERANGE);
	assert_int_equal(schedule_chain_advance(&chain, SCHEDULE_EPOCH_SECONDS), -ERANGE);
	assert_int_equal(schedule_chain_advance(&chain, 5), 0);
	assert_ptr_equal(chain.link, link);
	assert_int_equal(chain.index, 5);
	assert_null(none);
	schedule_chain_clear(&chain);
	assert_null(chain.link);
	schedule_chain_clear(&chain); /* and once more */
}

/* One step at a time or all at once: the same chain. */
static void test_chain_steps(void **state)
{
	_cleanup_secret_ struct secret *epoch_key = filled(8);
	struct schedule_chain steps, leap;

	(void)state;
	assert_int_equal(schedule_chain_start(&steps, epoch_key, 1), 0);
	for (uint32_t i = 1; i < 30; i++) {
		_cleanup_secret_ struct secret *a = NULL, *b = NULL;

		assert_int_equal(schedule_chain_advance(&steps, i), 0);
		assert_int_equal(schedule_chain_start(&leap, epoch_key, 1), 0);
		assert_int_equal(schedule_chain_advance(&leap, i), 0);
		assert_true(secret_equal(steps.link, leap.link));
		assert_true(secret_equal(steps.previous_psk, leap.previous_psk));
		assert_int_equal(schedule_chain_psk(&a, &steps, i - 1), 0);
		assert_int_equal(schedule_chain_psk(&b, &leap, i - 1), 0);
		assert_true(secret_equal(a, b));
		schedule_chain_clear(&leap);
	}
	schedule_chain_clear(&steps);
}

/* Whatever allocation fails, the chain stands as it was and works afterwards. */
static void test_chain_out_of_memory(void **state)
{
	_cleanup_secret_ struct secret *epoch_key = filled(9), *expected = NULL, *psk = NULL;
	struct schedule_chain chain;
	int r, n = 0;

	(void)state;
	secret_new_fails_in = 0;
	assert_int_equal(schedule_chain_start(&chain, epoch_key, 1), -ENOMEM);
	secret_new_fails_in = -1;
	assert_int_equal(schedule_chain_start(&chain, epoch_key, 1), 0);
	assert_int_equal(schedule_chain_psk(&expected, &chain, 0), 0);
	do {
		secret_new_fails_in = n++;
		r = schedule_chain_advance(&chain, 3);
		secret_new_fails_in = -1;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(chain.index, 0);
		assert_int_equal(schedule_chain_psk(&psk, &chain, 0), 0);
		assert_true(secret_equal(psk, expected));
		psk = secret_free(psk);
	} while (n < 100);
	assert_int_equal(r, 0);
	assert_true(n > 3);
	secret_new_fails_in = 0;
	assert_int_equal(schedule_chain_psk(&psk, &chain, 3), -ENOMEM);
	secret_new_fails_in = -1;
	schedule_chain_clear(&chain);
}

static void test_slot_seconds(void **state)
{
	(void)state;
	assert_true(schedule_slot_seconds_valid(2));
	assert_true(schedule_slot_seconds_valid(120));
	assert_false(schedule_slot_seconds_valid(0));
	assert_false(schedule_slot_seconds_valid(1));
	assert_false(schedule_slot_seconds_valid(7));
	assert_false(schedule_slot_seconds_valid(121));
	assert_false(schedule_slot_seconds_valid(3600));
	assert_false(schedule_slot_seconds_valid(UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_parties_matter),
		cmocka_unit_test(test_chain_moves_forward_only),
		cmocka_unit_test(test_chain_steps),
		cmocka_unit_test(test_chain_out_of_memory),
		cmocka_unit_test(test_slot_seconds),
	};

	if (secret_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
