/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/encoding.h"

#define BASE64_LEN (KEY_BASE64_SIZE - 1)
#define HEX_LEN (KEY_HEX_SIZE - 1)

/*
 * libsodium's encoders end what they write with a NUL, which has no place in a guarded buffer of the exact size; hence
 * our own. No branch and no table index depends on the key.
 */
static char base64_char(unsigned int v)
{
	const int x = (int)v; /* 0..63 */

	/* each term adds the step between two ranges once x has passed the first */
	return (char)(x + 'A' + (((25 - x) >> 8) & ('a' - 26 - 'A')) + (((51 - x) >> 8) & ('0' - 52 - ('a' - 26))) +
		      (((61 - x) >> 8) & ('+' - 62 - ('0' - 52))) + (((62 - x) >> 8) & ('/' - 63 - ('+' - 62))));
}

static char hex_char(unsigned int v)
{
	const int x = (int)v; /* 0..15 */

	return (char)(x + '0' + (((9 - x) >> 8) & ('a' - 10 - '0')));
}

static void base64_encode(char *ret, const uint8_t *key)
{
	for (size_t i = 0; i < KEY_SIZE; i += 3) {
		const unsigned int a = key[i], b = i + 1 < KEY_SIZE ? key[i + 1] : 0, c = i + 2 < KEY_SIZE ? key[i + 2] : 0;

		*ret++ = base64_char(a >> 2);
		*ret++ = base64_char((a << 4 | b >> 4) & 63);
		*ret++ = i + 1 < KEY_SIZE ? base64_char((b << 2 | c >> 6) & 63) : '=';
		*ret++ = i + 2 < KEY_SIZE ? base64_char(c & 63) : '=';
	}
}

static void hex_encode(char *ret, const uint8_t *key)
{
	for (size_t i = 0; i < KEY_SIZE; i++) {
		*ret++ = hex_char(key[i] >> 4);
		*ret++ = hex_char(key[i] & 15);
	}
}

/* ret is written even on failure. sodium_base642bin refuses set bits behind the last byte. */
static int base64_decode(uint8_t *ret, const char *text, size_t len)
{
	unsigned char high = 0;
	size_t n;

	/* libsodium 1.0.18 computes with a signed char, and takes some bytes of 0x80 and above for digits. */
	for (size_t i = 0; i < len; i++)
		high |= (unsigned char)text[i] & 0x80;
	if (len != BASE64_LEN || high ||
		sodium_base642bin(ret, KEY_SIZE, text, len, NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) < 0 ||
		n != KEY_SIZE)
		return -EINVAL;
	return 0;
}

static int hex_decode(uint8_t *ret, const char *text, size_t len)
{
	size_t n;

	if (len != HEX_LEN || sodium_hex2bin(ret, KEY_SIZE, text, len, NULL, &n, NULL) < 0 || n != KEY_SIZE)
		return -EINVAL;
	return 0;
}

void key_to_base64(char ret[static KEY_BASE64_SIZE], const uint8_t key[static KEY_SIZE])
{
	base64_encode(ret, key);
	ret[BASE64_LEN] = '\0';
}

int key_from_base64(uint8_t ret[static KEY_SIZE], const char *text)
{
	uint8_t key[KEY_SIZE];
	int r = base64_decode(key, text, strlen(text));

	if (r < 0)
		return r;
	memcpy(ret, key, KEY_SIZE);
	return 0;
}

void key_to_hex(char ret[static KEY_HEX_SIZE], const uint8_t key[static KEY_SIZE])
{
	hex_encode(ret, key);
	ret[HEX_LEN] = '\0';
}

int key_from_hex(uint8_t ret[static KEY_SIZE], const char *text)
{
	uint8_t key[KEY_SIZE];
	int r = hex_decode(key, text, strlen(text));

	if (r < 0)
		return r;
	memcpy(ret, key, KEY_SIZE);
	return 0;
}

bool key_equal(const uint8_t a[static KEY_SIZE], const uint8_t b[static KEY_SIZE])
{
	return sodium_memcmp(a, b, KEY_SIZE) == 0;
}

bool key_is_zero(const uint8_t key[static KEY_SIZE])
{
	return sodium_is_zero(key, KEY_SIZE) != 0;
}

static int secret_decode(struct secret **ret, const char *text, size_t len,
	int (*decode)(uint8_t *ret, const char *text, size_t len))
{
	_cleanup_secret_ struct secret *s = secret_new(KEY_SIZE);
	int r;

	if (!s)
		return -ENOMEM;
	r = decode(secret_borrow_mut(s), text, len);
	if (r < 0)
		return r;
	*ret = secret_take(&s);
	return 0;
}

int secret_from_base64(struct secret **ret, const char *text, size_t len)
{
	return secret_decode(ret, text, len, base64_decode);
}

int secret_from_hex(struct secret **ret, const char *text, size_t len)
{
	return secret_decode(ret, text, len, hex_decode);
}

void secret_to_base64(char *buf, const struct secret *key)
{
	base64_encode(buf, secret_key(key));
}

void secret_to_hex(char *buf, const struct secret *key)
{
	hex_encode(buf, secret_key(key));
}

static const struct duration_unit {
	char suffix;
	const char *name;
	uint64_t seconds;
} duration_units[] = {
	{ 'd', "d", 86400 },
	{ 'h', "h", 3600 },
	{ 'm', "min", 60 },
	{ 's', "s", 1 },
};
#define N_DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

int duration_parse(uint64_t *ret_seconds, const char *text)
{
	size_t unit = 0; /* each unit at most once, the larger first: "30m1h" is more likely a slip */
	uint64_t total = 0;
	const char *p = text;

	if (!*p)
		return -EINVAL;
	while (*p) {
		uint64_t n = 0;

		if (*p < '0' || *p > '9')
			return -EINVAL;
		for (; *p >= '0' && *p <= '9'; p++)
			if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
				return -ERANGE;
		if (!*p && total == 0 && unit == 0) {
			*ret_seconds = n;
			return 0;
		}
		while (unit < N_DURATION_UNITS && duration_units[unit].suffix != *p)
			unit++;
		if (unit == N_DURATION_UNITS)
			return -EINVAL;
		if (__builtin_mul_overflow(n, duration_units[unit].seconds, &n) ||
			__builtin_add_overflow(total, n, &total))
			return -ERANGE;
		unit++;
		p++;
	}
	*ret_seconds = total;
	return 0;
}

const char *duration_format(char *buf, size_t size, uint64_t seconds)
{
	size_t used = 0;

	if (size == 0)
		return buf;
	buf[0] = '\0';
	if (seconds == 0)
		snprintf(buf, size, "0 s");
	for (size_t i = 0; i < N_DURATION_UNITS && used < size; i++) {
		const uint64_t n = seconds / duration_units[i].seconds;

		seconds %= duration_units[i].seconds;
		if (n > 0)
			used += (size_t)snprintf(buf + used, size - used, "%s%llu %s", used ? " " : "",
				(unsigned long long)n, duration_units[i].name);
	}
	return buf;
}

/* The length of the well-formed UTF-8 sequence at p (Unicode, table 3-7), 0 if there is none. p ends in NUL. */
static size_t utf8_sequence(const unsigned char *p)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; /* else an overlong form */
	else if (p[0] == 0xed)
		high = 0x9f; /* else a surrogate */
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f; /* else behind U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

void text_mend_utf8(char *text)
{
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		const size_t n = utf8_sequence(p);

		if (n == 0)
			*p = '?';
		p += n ? n : 1;
	}
}

bool text_valid(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n;

	for (; *p; p += n) {
		n = utf8_sequence(p);
		if (n == 0 || *p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return false;
	}
	return true;
}

bool ifname_valid(const char *name)
{
	const size_t len = strnlen(name, 16);

	if (len < 1 || len > 15 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+.-") == len;
}
