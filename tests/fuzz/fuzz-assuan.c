/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a pinentry's, taken line by line as client/pinentry.c does; what is escaped comes back the same. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/assuan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void round_trip(const char *text, size_t len)
{
	char plain[256], line[2 + 3 * sizeof(plain)] = "D ";
	struct assuan_reply r;

	if (len >= sizeof(plain) || memchr(text, 0, len))
		return;
	memcpy(plain, text, len);
	plain[len] = '\0';
	check(assuan_escape(line + 2, sizeof(line) - 2, plain) == 0);
	check(!strpbrk(line, "\r\n"));
	assuan_parse(&r, line, strlen(line));
	check(r.kind == ASSUAN_DATA && r.text_len == len && !memcmp(r.text, plain, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;

	round_trip(at, size);
	while (size) {
		struct assuan_reply r;
		size_t len;
		char *line;

		if (assuan_find_line(at, size, &len) < 0)
			break;
		check(len < size && len <= ASSUAN_LINE_MAX);
		/* Exactly as long as it is, for the sanitizer. */
		line = malloc(len ? len : 1);
		check(line);
		memcpy(line, at, len);
		assuan_parse(&r, line, len);
		if (r.kind == ASSUAN_DATA)
			check(r.text >= line && r.text + r.text_len <= line + len);
		check(r.code <= 0xffff);
		free(line);
		at += len + 1;
		size -= len + 1;
	}
	return 0;
}
