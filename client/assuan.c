/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/assuan.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int assuan_find_line(const char *buf, size_t len, size_t *ret_line_len)
{
	const char *end = memchr(buf, '\n', len);

	if (!end)
		return len > ASSUAN_LINE_MAX ? -EMSGSIZE : -EAGAIN;
	if (end - buf > ASSUAN_LINE_MAX)
		return -EMSGSIZE;
	*ret_line_len = (size_t)(end - buf);
	return 0;
}

/* Is it this word, alone or with something behind a blank? */
static bool starts(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && !memcmp(line, word, n) && (len == n || line[n] == ' ');
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* In place; false for a '%' without two digits. */
static bool unescape(char *text, size_t *len)
{
	size_t to = 0;

	for (size_t from = 0; from < *len; from++) {
		char c = text[from];

		if (c == '%') {
			int high = from + 2 < *len ? digit(text[from + 1]) : -1;
			int low = from + 2 < *len ? digit(text[from + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			from += 2;
		}
		text[to++] = c;
	}
	*len = to;
	return true;
}

static bool parse_code(uint32_t *ret, const char *text, size_t len)
{
	uint64_t code = 0;
	size_t i;

	for (i = 0; i < len && text[i] != ' '; i++) {
		if (text[i] < '0' || text[i] > '9' || i > 9)
			return false;
		code = code * 10 + (uint64_t)(text[i] - '0');
	}
	/* The low half: who says so is in the high one. */
	*ret = (uint32_t)(code & 0xffff);
	return i > 0;
}

void assuan_parse(struct assuan_reply *ret, char *line, size_t len)
{
	*ret = (struct assuan_reply){.kind = ASSUAN_GARBAGE};
	if (len && line[len - 1] == '\r')
		len--;
	if (starts(line, len, "OK")) {
		ret->kind = ASSUAN_OK;
	} else if (starts(line, len, "ERR")) {
		if (len > 4 && parse_code(&ret->code, line + 4, len - 4))
			ret->kind = ASSUAN_ERROR;
	} else if (starts(line, len, "D")) {
		ret->text = line + (len > 2 ? 2 : len);
		ret->text_len = len > 2 ? len - 2 : 0;
		if (unescape(ret->text, &ret->text_len))
			ret->kind = ASSUAN_DATA;
	} else if (starts(line, len, "S") || (len && *line == '#')) {
		ret->kind = ASSUAN_STATUS;
	} else if (starts(line, len, "INQUIRE")) {
		ret->kind = ASSUAN_INQUIRE;
	}
}

int assuan_escape(char *buf, size_t size, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = c >= 0x20 && c != '%' && c != 0x7f;

		if (len + (plain ? 1 : 3) >= size)
			return -EMSGSIZE;
		if (!plain) {
			buf[len++] = '%';
			buf[len++] = digits[c >> 4];
			buf[len++] = digits[c & 15];
		} else {
			buf[len++] = (char)c;
		}
	}
	buf[len] = '\0';
	return 0;
}
