/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>

#include "token/card/openpgp.h"
#include "token/card/piv.h"

#define X25519_ATTRIBUTES "\x12\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01"

/* As cards send it; at [APPLICATION_TRIES] are the tries of PW1. */
static const uint8_t application[] =
	"\x6e\x4d\x4f\x10\xd2\x76\x00\x01\x24\x01\x03\x04\x00\x06\x12\x34\x56\x78\x00\x00"
	"\x5f\x52\x08\x00\x73\x00\x00\xe0\x05\x90\x00"
	"\x73\x2e\xc0\x0a\x7d\x00\x0b\xfe\x08\x00\x00\xff\x00\x00"
	"\xc1\x06\x01\x08\x00\x00\x20\x00\xc2\x0b" X25519_ATTRIBUTES
	"\xc4\x07\x00\x7f\x7f\x7f\x03\x00\x03\xd7\x02\x03\x20";
#define APPLICATION_SIZE (sizeof(application) - 1)
#define APPLICATION_TRIES 72

static void test_application(void **state)
{
	uint8_t copy[APPLICATION_SIZE];
	struct openpgp_info info;

	(void)state;
	assert_int_equal(openpgp_parse_application(&info, application, APPLICATION_SIZE), 0);
	assert_int_equal(info.manufacturer, 6);
	assert_int_equal(info.serial, 0x12345678);
	assert_true(info.x25519);
	assert_true(info.kdf);
	assert_int_equal(info.tries, 3);
	assert_true(info.touch_known);
	assert_int_equal(info.touch, WIRE_X_TOUCH_CACHED);
	/* some cards leave the outer tag out */
	assert_int_equal(openpgp_parse_application(&info, application + 2, APPLICATION_SIZE - 2), 0);
	assert_true(info.x25519);

	memcpy(copy, application, sizeof(copy));
	copy[APPLICATION_TRIES] = 0;
	assert_int_equal(openpgp_parse_application(&info, copy, sizeof(copy)), 0);
	assert_int_equal(info.tries, 0);
	copy[4] ^= 1; /* another application's identifier */
	assert_int_equal(openpgp_parse_application(&info, copy, sizeof(copy)), -EBADMSG);
	for (size_t i = 0; i < APPLICATION_SIZE; i++)
		assert_int_equal(openpgp_parse_application(&info, application, i), -EBADMSG);
}

static void test_algorithms(void **state)
{
	(void)state;
	assert_true(openpgp_is_x25519((const uint8_t *)X25519_ATTRIBUTES, 11));
	assert_true(openpgp_is_x25519((const uint8_t *)X25519_ATTRIBUTES "\xff", 12));
	assert_false(openpgp_is_x25519((const uint8_t *)X25519_ATTRIBUTES, 10));
	assert_false(openpgp_is_x25519((const uint8_t *)"\x01\x08\x00\x00\x20\x00", 6));
	assert_false(openpgp_is_x25519((const uint8_t *)"\x12\x2a\x86\x48\xce\x3d\x03\x01\x07", 9));
	assert_true(openpgp_offers_x25519((const uint8_t *)"\xfa\x15\xc2\x06\x01\x08\x00\x00\x20\x00\xc2\x0b" X25519_ATTRIBUTES, 23));
	assert_false(openpgp_offers_x25519((const uint8_t *)"\xfa\x0d\xc1\x0b" X25519_ATTRIBUTES, 15));
	assert_int_equal(openpgp_parse_touch((const uint8_t *)"\x00\x20", 2), WIRE_X_TOUCH_NEVER);
	assert_int_equal(openpgp_parse_touch((const uint8_t *)"\x01\x20", 2), WIRE_X_TOUCH_ALWAYS);
	assert_int_equal(openpgp_parse_touch((const uint8_t *)"\x02\x20", 2), WIRE_X_TOUCH_ALWAYS);
	assert_int_equal(openpgp_parse_touch((const uint8_t *)"\x04\x20", 2), WIRE_X_TOUCH_CACHED);
	assert_int_equal(openpgp_parse_touch((const uint8_t *)"\x05\x20", 2), WIRE_X_TOUCH_UNKNOWN);
	assert_int_equal(openpgp_parse_touch(NULL, 0), WIRE_X_TOUCH_UNKNOWN);
}

static void test_openpgp_keys(void **state)
{
	uint8_t bytes[64] = {0x7f, 0x49, 34, 0x86, 32}, key[32], point[32], command[OPENPGP_DECIPHER_SIZE];

	(void)state;
	for (uint8_t i = 0; i < 32; i++)
		point[i] = bytes[5 + i] = (uint8_t)(i + 1);
	assert_int_equal(openpgp_parse_public(key, bytes, 37), 0);
	assert_memory_equal(key, point, 32);
	assert_int_equal(openpgp_parse_public(key, bytes, 36), -EBADMSG);
	/* with the prefix of OpenPGP's packets; with another byte there it is no such key */
	bytes[2] = 35;
	bytes[4] = 33;
	bytes[5] = 0x40;
	memcpy(bytes + 6, point, 32);
	assert_int_equal(openpgp_parse_public(key, bytes, 38), 0);
	assert_memory_equal(key, point, 32);
	bytes[5] = 0x41;
	assert_int_equal(openpgp_parse_public(key, bytes, 38), -EBADMSG);

	openpgp_put_decipher(command, point);
	assert_memory_equal(command, "\xa6\x25\x7f\x49\x22\x86\x20", 7);
	assert_memory_equal(command + 7, point, 32);

	assert_ptr_equal(openpgp_shared(point, 32), point);
	bytes[5] = 0x40;
	assert_ptr_equal(openpgp_shared(bytes + 5, 33), bytes + 6);
	assert_null(openpgp_shared(point, 31));
	assert_null(openpgp_shared(bytes + 4, 33));
	assert_null(openpgp_shared(point, 0));
}

/* Vectors by Python's hashlib. */
static void test_derived_pin(void **state)
{
	static const uint8_t sha256[32] = "\x72\x8d\x32\x15\x73\x81\xc6\x62\x99\xd5\x90\xa4\x46\x3b\xf5\x0e\x54\x7a\x50\xd9"
					  "\xb4\xb8\x5e\xec\xdf\x0e\x94\xbd\x65\xa3\xf1\x4b";
	static const uint8_t sha512[8] = "\xa0\x62\x1f\x34\xa5\x0c\x23\x0d", once[8] = "\x66\x47\xd0\xb9\xd6\xa8\x1a\x7c";
	uint8_t kdf_do[] = {0x81, 1, 3, 0x82, 1, 8, 0x83, 4, 0, 1, 0x86, 0xa0, 0x84, 8, 0, 1, 2, 3, 4, 5, 6, 7};
	uint8_t pin[OPENPGP_PIN_MAX];
	struct openpgp_kdf kdf;

	(void)state;
	assert_int_equal(openpgp_parse_kdf(&kdf, kdf_do, sizeof(kdf_do)), 0);
	assert_true(kdf.used);
	assert_int_equal(kdf.count, 100000);
	assert_int_equal(openpgp_derive_pin(pin, &kdf, (const uint8_t *)"123456", 6), 32);
	assert_memory_equal(pin, sha256, 32);
	kdf.hash = 10;
	kdf.count = 1001;
	assert_int_equal(openpgp_derive_pin(pin, &kdf, (const uint8_t *)"123456", 6), 64);
	assert_memory_equal(pin, sha512, 8);
	kdf.hash = 8;
	kdf.count = 3; /* salt and PIN whole at the least */
	openpgp_derive_pin(pin, &kdf, (const uint8_t *)"123456", 6);
	assert_memory_equal(pin, once, 8);

	for (size_t i = 1; i < sizeof(kdf_do); i++)
		assert_int_equal(openpgp_parse_kdf(&kdf, kdf_do, i), -EBADMSG);
	kdf_do[5] = 9;
	assert_int_equal(openpgp_parse_kdf(&kdf, kdf_do, sizeof(kdf_do)), -EOPNOTSUPP);
	kdf_do[2] = 4;
	assert_int_equal(openpgp_parse_kdf(&kdf, kdf_do, sizeof(kdf_do)), -EOPNOTSUPP);
	kdf_do[2] = 3;
	kdf_do[5] = 8;
	kdf_do[8] = 0x7f; /* hours of hashing */
	assert_int_equal(openpgp_parse_kdf(&kdf, kdf_do, sizeof(kdf_do)), -EOPNOTSUPP);
	assert_int_equal(openpgp_parse_kdf(&kdf, (const uint8_t *)"\xf9\x03\x81\x01\x00", 5), 0);
	assert_false(kdf.used);
	assert_int_equal(openpgp_parse_kdf(&kdf, NULL, 0), 0);
	assert_int_equal(openpgp_derive_pin(pin, &kdf, (const uint8_t *)"123456", 6), 6);
	assert_memory_equal(pin, "123456", 6);
}

static void test_metadata(void **state)
{
	uint8_t bytes[64] = {0x01, 1, 0xe1, 0x02, 2, 0, 0, 0x03, 1, 1, 0x04, 34, 0x86, 32};
	struct piv_key key;

	(void)state;
	for (uint8_t i = 0; i < 32; i++)
		bytes[14 + i] = (uint8_t)(i + 1);
	assert_int_equal(piv_parse_metadata(&key, bytes, 46), 0);
	assert_true(key.x25519);
	assert_true(key.needs_pin);
	assert_int_equal(key.touch, WIRE_X_TOUCH_NEVER);
	assert_memory_equal(key.public_key, bytes + 14, 32);
	bytes[5] = 1;
	bytes[6] = 3;
	assert_int_equal(piv_parse_metadata(&key, bytes, 46), 0);
	assert_false(key.needs_pin);
	assert_int_equal(key.touch, WIRE_X_TOUCH_CACHED);
	bytes[6] = 2;
	assert_int_equal(piv_parse_metadata(&key, bytes, 46), 0);
	assert_int_equal(key.touch, WIRE_X_TOUCH_ALWAYS);
	bytes[6] = 9;
	assert_int_equal(piv_parse_metadata(&key, bytes, 46), 0);
	assert_int_equal(key.touch, WIRE_X_TOUCH_UNKNOWN);
	for (size_t i = 0; i < 46; i++)
		assert_int_equal(piv_parse_metadata(&key, bytes, i), -EBADMSG);
	bytes[2] = 0x11; /* P-256: no key of ours, and no error */
	assert_int_equal(piv_parse_metadata(&key, bytes, 46), 0);
	assert_false(key.x25519);
}

static const uint8_t certificate[] = {
	0x53, 0x81, 0xf3, 0x70, 0x81, 0xeb,
	0x30, 0x81, 0xe8, 0x30, 0x81, 0x90, 0x02, 0x14, 0x32, 0x0c, 0xc4, 0xd8, 0xc7, 0x0b, 0x7d, 0x23,
	0x2a, 0x11, 0x6d, 0x2e, 0x93, 0x58, 0x70, 0x8e, 0x08, 0x1e, 0x7f, 0xba, 0x30, 0x0a, 0x06, 0x08,
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x30, 0x0f, 0x31, 0x0d, 0x30, 0x0b, 0x06, 0x03,
	0x55, 0x04, 0x03, 0x0c, 0x04, 0x63, 0x61, 0x72, 0x64, 0x30, 0x1e, 0x17, 0x0d, 0x32, 0x36, 0x31,
	0x31, 0x32, 0x31, 0x30, 0x38, 0x30, 0x36, 0x30, 0x39, 0x5a, 0x17, 0x0d, 0x33, 0x36, 0x31, 0x31,
	0x31, 0x38, 0x30, 0x38, 0x30, 0x36, 0x30, 0x39, 0x5a, 0x30, 0x0f, 0x31, 0x0d, 0x30, 0x0b, 0x06,
	0x03, 0x55, 0x04, 0x03, 0x0c, 0x04, 0x63, 0x61, 0x72, 0x64, 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
	0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00, 0xda, 0xa6, 0x6e, 0x31, 0xf3, 0xed, 0xae, 0xcd, 0x72, 0x08,
	0x4a, 0x3e, 0x61, 0xcd, 0xbe, 0x8e, 0xe5, 0x83, 0xaf, 0x46, 0x00, 0x3b, 0xe7, 0xa1, 0xe0, 0xd9,
	0x9a, 0xe6, 0x90, 0x75, 0xdc, 0x6d, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04,
	0x03, 0x02, 0x03, 0x47, 0x00, 0x30, 0x44, 0x02, 0x20, 0x1e, 0xcc, 0x6f, 0x2f, 0x06, 0x48, 0xda,
	0xba, 0xf5, 0x6e, 0xaf, 0x94, 0x88, 0x4b, 0x9c, 0x3c, 0x0d, 0xf7, 0xc7, 0x0a, 0xdb, 0xa5, 0x0e,
	0x81, 0x3b, 0x61, 0x06, 0x49, 0x48, 0x58, 0x5a, 0xe5, 0x02, 0x20, 0x73, 0xe3, 0x3a, 0xdf, 0x9c,
	0x0e, 0x9d, 0x87, 0xd2, 0xd0, 0x49, 0x2c, 0xeb, 0x80, 0x68, 0x5d, 0xad, 0x80, 0xef, 0xf3, 0x59,
	0xcc, 0x76, 0x29, 0xaa, 0x36, 0x2a, 0x4d, 0x27, 0x7b, 0xb1, 0x44,
	0x71, 0x01, 0x00, 0xfe, 0x00,
};
#define CERTIFICATE_KEY (6 + 118)

static void test_certificate(void **state)
{
	uint8_t copy[sizeof(certificate)];
	struct piv_key key;

	(void)state;
	assert_int_equal(piv_parse_certificate(&key, certificate, sizeof(certificate)), 0);
	assert_true(key.x25519);
	assert_true(key.needs_pin);
	assert_int_equal(key.touch, WIRE_X_TOUCH_UNKNOWN);
	assert_memory_equal(key.public_key, "\xda\xa6\x6e\x31", 4);
	assert_memory_equal(key.public_key, certificate + CERTIFICATE_KEY, 32);
	for (size_t i = 0; i < sizeof(certificate); i++)
		assert_int_equal(piv_parse_certificate(&key, certificate, i), -EBADMSG);
	memcpy(copy, certificate, sizeof(copy));
	copy[CERTIFICATE_KEY - 4] = 0x70; /* Ed25519 */
	assert_int_equal(piv_parse_certificate(&key, copy, sizeof(copy)), 0);
	assert_false(key.x25519);
	copy[sizeof(copy) - 3] = 1; /* gzip */
	assert_int_equal(piv_parse_certificate(&key, copy, sizeof(copy)), -EOPNOTSUPP);
}

static void test_piv_commands(void **state)
{
	uint8_t point[32], command[PIV_AUTHENTICATE_SIZE], pin[PIV_PIN_SIZE], object[PIV_GET_DATA_SIZE], answer[36] = {0x7c, 34, 0x82, 32};
	char guid[33];

	(void)state;
	memset(point, 0x5a, sizeof(point));
	piv_put_authenticate(command, point);
	assert_memory_equal(command, "\x7c\x24\x82\x00\x85\x20", 6);
	assert_memory_equal(command + 6, point, 32);
	memcpy(answer + 4, point, 32);
	assert_ptr_equal(piv_shared(answer, 36), answer + 4);
	assert_null(piv_shared(answer, 35));
	answer[2] = 0x81;
	assert_null(piv_shared(answer, 36));

	assert_int_equal(piv_put_pin(pin, (const uint8_t *)"123456", 6), 0);
	assert_memory_equal(pin, "123456\xff\xff", 8);
	assert_int_equal(piv_put_pin(pin, (const uint8_t *)"12345678", 8), 0);
	assert_int_equal(piv_put_pin(pin, (const uint8_t *)"12345", 5), -EINVAL);
	assert_int_equal(piv_put_pin(pin, (const uint8_t *)"123456789", 9), -EINVAL);

	piv_put_get_data(object, piv_certificate_tag(0x9d));
	assert_memory_equal(object, "\x5c\x03\x5f\xc1\x0b", 5);
	assert_int_equal(piv_certificate_tag(0x82), 0x5fc10d);
	assert_int_equal(piv_certificate_tag(0x95), 0x5fc120);
	assert_int_equal(piv_slot(0), 0x9d);
	assert_int_equal(piv_slot(PIV_SLOTS - 1), 0x95);
	for (unsigned int i = 0, n = 0; i <= 255; i++) {
		n += piv_slot_valid((uint8_t)i);
		if (i == 255)
			assert_int_equal(n, PIV_SLOTS);
	}
	assert_int_equal(piv_parse_chuid(guid, (const uint8_t *)"\x53\x12\x34\x10" "0123456789abcdef", 20), 0);
	assert_string_equal(guid, "30313233343536373839616263646566");
	assert_int_equal(piv_parse_chuid(guid, (const uint8_t *)"\x53\x00", 2), -ENOENT);
	assert_int_equal(piv_parse_chuid(guid, (const uint8_t *)"\x53\x03\x34\x10\x00", 5), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_application),
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_openpgp_keys),
		cmocka_unit_test(test_derived_pin),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_piv_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
