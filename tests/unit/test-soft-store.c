/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "token/soft/store.h"

static char dir[32], path[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/wgfido-store-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/state", dir);
	return 0;
}

static int teardown(void **state)
{
	char lock[80];

	(void)state;
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(path);
	unlink(lock);
	return rmdir(dir);
}

static void test_round_trip(void **state)
{
	uint8_t buf[STORE_FILE_SIZE];
	struct store_data a = {0}, b = {0};

	(void)state;
	assert_int_equal(store_data_reset(&a), 0);
	a.sign_count = 0x01020304;
	a.pin_set = true;
	a.pin_retries = 3;
	secret_fill_random(a.pin_hash);
	assert_int_equal(store_encode(buf, &a), 0);
	assert_int_equal(store_decode(&b, buf, sizeof(buf)), 0);
	assert_true(secret_equal(a.master, b.master));
	assert_true(secret_equal(a.pin_hash, b.pin_hash));
	assert_memory_equal(a.serial, b.serial, STORE_SERIAL_SIZE);
	assert_int_equal(b.sign_count, 0x01020304);
	assert_int_equal(b.pin_retries, 3);
	assert_true(b.pin_set);
	store_data_clear(&b);

	/* no bit and no length can change unseen */
	for (size_t bit = 0; bit < 8 * sizeof(buf); bit++) {
		int r;

		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		r = store_decode(&b, buf, sizeof(buf));
		assert_int_equal(r, bit / 8 >= 8 && bit / 8 < 12 ? -EPROTONOSUPPORT : -EBADMSG);
		buf[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	for (size_t len = 0; len < sizeof(buf); len++)
		assert_int_equal(store_decode(&b, buf, len), -EBADMSG);
	store_data_clear(&a);
}

static void test_reset_keeps_serial(void **state)
{
	uint8_t serial[STORE_SERIAL_SIZE];
	struct store_data d = {0};
	struct secret *old;

	(void)state;
	assert_int_equal(store_data_reset(&d), 0);
	memcpy(serial, d.serial, sizeof(serial));
	old = secret_dup(d.master);
	d.pin_set = true;
	d.pin_retries = 0;
	assert_int_equal(store_data_reset(&d), 0);
	assert_memory_equal(serial, d.serial, sizeof(serial));
	assert_false(secret_equal(old, d.master));
	assert_false(d.pin_set);
	assert_int_equal(d.pin_retries, STORE_PIN_RETRIES);
	secret_free(old);
	store_data_clear(&d);
}

static void test_file(void **state)
{
	struct store a, b;
	struct stat st;
	FILE *f;

	(void)state;
	assert_int_equal(store_open(&a, path, false), -ENOENT);
	assert_int_equal(store_open(&a, path, true), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_open(&b, path, true), -EBUSY);
	a.data.sign_count = 77;
	assert_int_equal(store_save(&a), 0);
	assert_int_equal(store_open(&b, path, true), -EBUSY); /* the lock outlives the replaced file */
	assert_int_equal(store_peek(&b.data, path), 0);
	assert_int_equal(b.data.sign_count, 77);
	store_data_clear(&b.data);
	store_close(&a);
	assert_int_equal(store_open(&a, path, false), 0);
	assert_int_equal(a.data.sign_count, 77);
	store_close(&a);
	f = fopen(path, "w");
	fputs("something else", f);
	fclose(f);
	assert_int_equal(store_open(&a, path, true), -EBADMSG);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 14);
	assert_int_equal(store_open(&a, "/nonexistent/state", true), -ENOENT);
}

static int group_setup(void **state)
{
	(void)state;
	return secret_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_reset_keeps_serial),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
