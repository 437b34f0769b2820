/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "token/hid-desc.h"

/* The one that FIDO keys have, as in CTAP 2.1, section 11.2.8.2. */
static const uint8_t fido[] = {0x06, 0xd0, 0xf1, 0x09, 0x01, 0xa1, 0x01, 0x09, 0x20, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08,
	0x95, 0x40, 0x81, 0x02, 0x09, 0x21, 0x15, 0x00, 0x26, 0xff, 0x00, 0x75, 0x08, 0x95, 0x40, 0x91, 0x02, 0xc0};

static const uint8_t keyboard[] = {0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x07, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02, 0xc0};

static void test_fido(void **state)
{
	struct hid_desc d;

	(void)state;
	assert_int_equal(hid_desc_parse(&d, fido, sizeof(fido)), 0);
	assert_int_equal(d.in_size, 64);
	assert_int_equal(d.out_size, 64);
}

static void test_sizes_are_read(void **state)
{
	uint8_t copy[sizeof(fido)];
	struct hid_desc d;

	(void)state;
	memcpy(copy, fido, sizeof(fido));
	copy[17] = 32;
	copy[30] = 8;
	assert_int_equal(hid_desc_parse(&d, copy, sizeof(copy)), 0);
	assert_int_equal(d.in_size, 32);
	assert_int_equal(d.out_size, 8);
	copy[17] = 65;
	assert_int_equal(hid_desc_parse(&d, copy, sizeof(copy)), -EBADMSG);
	copy[17] = 7;
	assert_int_equal(hid_desc_parse(&d, copy, sizeof(copy)), -EBADMSG);
	copy[17] = 64;
	copy[15] = 7; /* bits */
	assert_int_equal(hid_desc_parse(&d, copy, sizeof(copy)), 0);
	assert_int_equal(d.in_size, 56);
	copy[17] = 63; /* 441 bits */
	assert_int_equal(hid_desc_parse(&d, copy, sizeof(copy)), -EBADMSG);
}

static void test_not_fido(void **state)
{
	uint8_t copy[sizeof(fido)];
	struct hid_desc d = {1, 2};

	(void)state;
	assert_int_equal(hid_desc_parse(&d, keyboard, sizeof(keyboard)), -ENXIO);
	assert_int_equal(hid_desc_parse(&d, keyboard, 0), -ENXIO);
	memcpy(copy, fido, sizeof(fido));
	copy[4] = 2; /* another usage of the page */
	assert_int_equal(hid_desc_parse(&d, copy, sizeof(copy)), -ENXIO);
	memcpy(copy, fido, sizeof(fido));
	copy[6] = 0; /* a physical collection */
	assert_int_equal(hid_desc_parse(&d, copy, sizeof(copy)), -ENXIO);
	assert_int_equal(d.in_size, 1); /* untouched */
}

static void test_beside_another_collection(void **state)
{
	uint8_t both[sizeof(keyboard) + sizeof(fido)];
	struct hid_desc d;

	(void)state;
	memcpy(both, keyboard, sizeof(keyboard));
	memcpy(both + sizeof(keyboard), fido, sizeof(fido));
	assert_int_equal(hid_desc_parse(&d, both, sizeof(both)), 0);
	assert_int_equal(d.in_size, 64);
}

static void test_extended_usage_and_long_item(void **state)
{
	static const uint8_t desc[] = {0xfe, 0x02, 0x10, 0xaa, 0xbb, 0x0b, 0x01, 0x00, 0xd0, 0xf1, 0xa1, 0x01, 0x75, 0x08, 0x95,
		0x40, 0x81, 0x02, 0x91, 0x02, 0xc0};
	struct hid_desc d;

	(void)state;
	assert_int_equal(hid_desc_parse(&d, desc, sizeof(desc)), 0);
	assert_int_equal(d.out_size, 64);
	assert_int_equal(hid_desc_parse(&d, desc, 4), -EBADMSG);
}

static void test_numbered_reports_are_refused(void **state)
{
	uint8_t desc[sizeof(fido) + 2];
	struct hid_desc d;

	(void)state;
	memcpy(desc, fido, 7);
	desc[7] = 0x85;
	desc[8] = 1;
	memcpy(desc + 9, fido + 7, sizeof(fido) - 7);
	assert_int_equal(hid_desc_parse(&d, desc, sizeof(desc)), -EBADMSG);
}

static void test_huge_counts_do_not_wrap(void **state)
{
	static const uint8_t desc[] = {0x06, 0xd0, 0xf1, 0x09, 0x01, 0xa1, 0x01, 0x77, 0xff, 0xff, 0xff, 0xff, 0x97, 0xff, 0xff,
		0xff, 0xff, 0x81, 0x02, 0x81, 0x02, 0x91, 0x02, 0xc0};
	struct hid_desc d;

	(void)state;
	assert_int_equal(hid_desc_parse(&d, desc, sizeof(desc)), -EBADMSG);
}

/* Each cut and each flipped byte: no read beyond the end (the copies are exact for AddressSanitizer), sane sizes or an error. */
static void test_every_cut_and_flip(void **state)
{
	struct hid_desc d;

	(void)state;
	for (size_t len = 0; len <= sizeof(fido); len++) {
		uint8_t *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, fido, len);
		(void)hid_desc_parse(&d, copy, len);
		for (size_t i = 0; i < len; i++) {
			for (unsigned int v = 0; v < 256; v++) {
				copy[i] = (uint8_t)v;
				if (hid_desc_parse(&d, copy, len) == 0)
					assert_true(d.in_size >= 8 && d.in_size <= 64 && d.out_size >= 8 &&
						d.out_size <= 64);
			}
			copy[i] = fido[i];
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fido),
		cmocka_unit_test(test_sizes_are_read),
		cmocka_unit_test(test_not_fido),
		cmocka_unit_test(test_beside_another_collection),
		cmocka_unit_test(test_extended_usage_and_long_item),
		cmocka_unit_test(test_numbered_reports_are_refused),
		cmocka_unit_test(test_huge_counts_do_not_wrap),
		cmocka_unit_test(test_every_cut_and_flip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
