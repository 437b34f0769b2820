/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery codes: 160 random bits as 32 characters of Crockford's base32, then 3 characters (15 bits) of checksum, in seven
 * groups of five:
 *
 *   XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX
 *
 * The checksum is the first 15 bits of generichash-256("wgfido recovery v1" || bits): it finds a slip of the pen (all but one in
 * 32768), and says nothing useful about 160 bits. Text and bits are in guarded memory only; characters are made and read
 * without tables indexed by secret values.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "daemon/keystore.h"

#define CODE_BITS_SIZE 20
#define CODE_GROUP 5
#define CODE_CHARS 35
#define CODE_TEXT_SIZE (CODE_CHARS + CODE_CHARS / CODE_GROUP - 1)
#define CHECK_BITS 15

_Static_assert(CODE_CHARS * 5 == CODE_BITS_SIZE * 8 + CHECK_BITS, "code length");
_Static_assert(CODE_TEXT_SIZE <= SECRET_MAX, "the text fits a secret");

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Touches every character of the alphabet, whichever it returns. */
static char digit_to_char(unsigned int digit)
{
	unsigned int c = 0;

	for (unsigned int i = 0; i < 32; i++) {
		unsigned int differs = i ^ digit;
		unsigned int mask = (differs - 1u) >> 31 ? 0xffu : 0; /* all ones where equal */

		c |= mask & (unsigned char)alphabet[i];
	}
	return (char)c;
}

/* -1 when it is none. */
static int char_to_digit(char c)
{
	int digit = -1;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	for (int i = 0; i < 32; i++)
		if (alphabet[i] == c)
			digit = i;
	return digit;
}

static int checksum(struct secret **ret, const struct secret *bits)
{
	static const char domain[] = "wgfido recovery v1";
	_cleanup_secret_ struct secret *input = secret_new(sizeof(domain) - 1 + CODE_BITS_SIZE);
	_cleanup_secret_ struct secret *hash = secret_new(32);

	if (!input || !hash)
		return -ENOMEM;
	memcpy(secret_borrow_mut(input), domain, sizeof(domain) - 1);
	memcpy(secret_borrow_mut(input) + sizeof(domain) - 1, secret_borrow(bits), CODE_BITS_SIZE);
	if (crypto_generichash(secret_borrow_mut(hash), 32, secret_borrow(input), secret_len(input), NULL, 0) < 0)
		return -EIO;
	secret_truncate(hash, 2);
	secret_borrow_mut(hash)[1] &= 0xfe; /* 15 of the 16 bits */
	*ret = secret_take(&hash);
	return 0;
}

/* Digit n of bits || checksum, most significant bit first. */
static unsigned int code_digit(const struct secret *bits, const struct secret *check, size_t n)
{
	unsigned int digit = 0;

	for (size_t bit = n * 5; bit < n * 5 + 5; bit++) {
		size_t byte = bit / 8;
		unsigned int b = byte < CODE_BITS_SIZE ? secret_borrow(bits)[byte] : secret_borrow(check)[byte - CODE_BITS_SIZE];

		digit = digit << 1 | (b >> (7 - bit % 8) & 1);
	}
	return digit;
}

int recovery_new(struct secret **ret_bits, struct secret **ret_text)
{
	_cleanup_secret_ struct secret *bits = secret_new(CODE_BITS_SIZE);
	_cleanup_secret_ struct secret *text = secret_new(CODE_TEXT_SIZE);
	_cleanup_secret_ struct secret *check = NULL;
	char *out;
	int r;

	if (!bits || !text)
		return -ENOMEM;
	secret_fill_random(bits);
	r = checksum(&check, bits);
	if (r < 0)
		return r;

	out = (char *)secret_borrow_mut(text);
	for (size_t n = 0; n < CODE_CHARS; n++) {
		if (n > 0 && n % CODE_GROUP == 0)
			*out++ = '-';
		*out++ = digit_to_char(code_digit(bits, check, n));
	}

	*ret_bits = secret_take(&bits);
	*ret_text = secret_take(&text);
	return 0;
}

int recovery_parse(struct secret **ret_bits, const struct secret *text)
{
	_cleanup_secret_ struct secret *all = secret_new(CODE_BITS_SIZE + 2);
	_cleanup_secret_ struct secret *check = NULL;
	const char *in = (const char *)secret_borrow(text);
	size_t bit = 0;
	uint8_t *bytes;
	int r;

	if (!all)
		return -ENOMEM;
	bytes = secret_borrow_mut(all);
	for (size_t i = 0; i < secret_len(text); i++) {
		int digit;

		if (in[i] == '-' || in[i] == ' ' || in[i] == '\t' || in[i] == '\r' || in[i] == '\n')
			continue;
		digit = char_to_digit(in[i]);
		if (digit < 0 || bit >= CODE_CHARS * 5)
			return OUTCOME_INVALID_ARGUMENT;
		for (int b = 4; b >= 0; b--, bit++)
			bytes[bit / 8] = (uint8_t)(bytes[bit / 8] | ((unsigned int)digit >> b & 1u) << (7 - bit % 8));
	}
	if (bit != CODE_CHARS * 5)
		return OUTCOME_INVALID_ARGUMENT;

	r = checksum(&check, all); /* of its first CODE_BITS_SIZE bytes */
	if (r < 0)
		return r;
	if (sodium_memcmp(secret_borrow(check), bytes + CODE_BITS_SIZE, 2) != 0)
		return OUTCOME_INVALID_ARGUMENT;

	secret_truncate(all, CODE_BITS_SIZE);
	*ret_bits = secret_take(&all);
	return 0;
}
