/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include "token/soft/reader.h"
#include "token/soft/writer.h"

static int check(const char *hex, struct reader *ret)
{
	static uint8_t bytes[64];
	size_t n = strlen(hex) / 2;
	struct reader r;

	for (size_t i = 0; i < n; i++) {
		unsigned int v;

		sscanf(hex + 2 * i, "%2x", &v);
		bytes[i] = (uint8_t)v;
	}
	return reader_init(ret ? ret : &r, bytes, n);
}

static void test_canonical(void **state)
{
	static const char *const good[] = {"00", "17", "1818", "190100", "1a00010000", "1b0000000100000000",
		"20", "40", "43010203", "60", "6161", "80", "8101", "a0", "a10102", "a201020304",
		"a3010220036161f4", "a2616100626161f5", "f4", "f5", "f6", "81818180"};
	static const char *const bad[] = {
		"",
		"18",
		"1817",
		"1900ff",
		"1a0000ffff",
		"1b00000000ffffffff", /* cut off, not the shortest */
		"5f4101ff",
		"7f6161ff",
		"9fff",
		"bfff", /* indefinite */
		"1c",
		"5c",
		"c000",
		"f7",
		"f90000",
		"fb0000000000000000",
		"f8ff",
		"ff", /* reserved, tag, undefined, floats, break */
		"41",
		"62c3",
		"8201",
		"a101",
		"a1",
		"0000", /* too short, too long */
		"a203040102",
		"a201020102",
		"a2616100016100",
		"a2626161006161f5", /* order, duplicates */
		"a18001",
		"a1f401", /* odd keys */
		"8181818180",
		"a101a101a101a101a0",
		"81a101a1018180", /* five deep */
		"5affffffff",
		"5bffffffffffffffff",
		"9affffffff",
		"9bffffffffffffffff",
		"bbffffffffffffffff",
		"9b0000000100000000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(check(good[i], NULL), CTAP2_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(check(bad[i], NULL), CTAP2_INVALID_CBOR);
}

static void test_types(void **state)
{
	struct reader r;
	struct slice s;
	uint64_t u = 7;
	int64_t i = 0;
	bool b = false;
	size_t n = 0;

	(void)state;
	/* {1: 'ab', 2: [true, -25], "k": "text"} */
	assert_int_equal(check("a3014261620282f53818616b6474657874", &r), CTAP2_OK);
	assert_int_equal(reader_peek(&r), 5);
	assert_int_equal(reader_array(&r, &n), CTAP2_CBOR_UNEXPECTED_TYPE);
	assert_int_equal(reader_map(&r, &n), CTAP2_OK);
	assert_int_equal(n, 3);
	assert_int_equal(reader_bytes(&r, &s), CTAP2_CBOR_UNEXPECTED_TYPE); /* and nothing is lost */
	assert_int_equal(reader_uint(&r, &u), CTAP2_OK);
	assert_int_equal(u, 1);
	assert_int_equal(reader_text(&r, &s), CTAP2_CBOR_UNEXPECTED_TYPE);
	assert_int_equal(reader_bytes(&r, &s), CTAP2_OK);
	assert_true(slice_is(&s, "ab"));
	assert_false(slice_is(&s, "a"));
	assert_int_equal(reader_int(&r, &i), CTAP2_OK);
	assert_int_equal(i, 2);
	assert_int_equal(reader_array(&r, &n), CTAP2_OK);
	assert_int_equal(reader_uint(&r, &u), CTAP2_CBOR_UNEXPECTED_TYPE);
	assert_int_equal(reader_bool(&r, &b), CTAP2_OK);
	assert_true(b);
	assert_int_equal(reader_int(&r, &i), CTAP2_OK);
	assert_int_equal(i, -25);
	assert_int_equal(reader_skip(&r), CTAP2_OK);
	assert_int_equal(reader_text(&r, &s), CTAP2_OK);
	assert_true(slice_is(&s, "text"));
	assert_int_equal(reader_peek(&r), -1);
	assert_int_equal(reader_uint(&r, &u), CTAP2_INVALID_CBOR);
	/* more than an int64_t */
	assert_int_equal(check("1bffffffffffffffff", &r), CTAP2_OK);
	assert_int_equal(reader_int(&r, &i), CTAP2_INVALID_CBOR);
	assert_int_equal(check("3bffffffffffffffff", &r), CTAP2_OK);
	assert_int_equal(reader_int(&r, &i), CTAP2_INVALID_CBOR);
	assert_int_equal(check("3b7fffffffffffffff", &r), CTAP2_OK);
	assert_int_equal(reader_int(&r, &i), CTAP2_OK);
	assert_true(i == INT64_MIN);
}

static void test_writer(void **state)
{
	uint8_t buf[32];
	struct writer w;
	struct reader r;

	(void)state;
	writer_init(&w, buf, sizeof(buf));
	writer_map(&w, 2);
	writer_int(&w, -1);
	writer_bytes(&w, "xy", 2);
	writer_text(&w, "k");
	writer_array(&w, 2);
	writer_bool(&w, true);
	writer_int(&w, 1000);
	assert_false(w.full);
	assert_int_equal(reader_init(&r, buf, w.len), CTAP2_OK);
	assert_int_equal(w.len, 1 + 1 + 3 + 2 + 1 + 1 + 3);
	/* too much says so, and stays within */
	writer_bytes(&w, buf, sizeof(buf));
	assert_true(w.full);
	assert_true(w.len <= sizeof(buf));
	for (size_t size = 0; size < 12; size++) {
		writer_init(&w, buf, size);
		writer_map(&w, 1);
		writer_text(&w, "name");
		writer_bytes(&w, "12345", 5);
		assert_int_equal(w.full, true);
		assert_true(w.len <= size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
