/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the Assuan protocol that a client of pinentry needs: lines, replies, percent escapes. Pure. The lines may hold a
 * PIN, so everything is done in place, in the caller's guarded memory.
 * https://www.gnupg.org/documentation/manuals/assuan/
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ASSUAN_LINE_MAX 1000 /* without its newline, by the protocol */

enum assuan_kind {
	ASSUAN_OK,
	ASSUAN_ERROR,	/* code */
	ASSUAN_DATA,	/* text, unescaped */
	ASSUAN_STATUS,	/* "S ..." and comments: nothing that we need */
	ASSUAN_INQUIRE, /* it wants something of us */
	ASSUAN_GARBAGE,
};

struct assuan_reply {
	enum assuan_kind kind;
	uint32_t code; /* of libgpg-error, without the source */
	char *text;    /* ASSUAN_DATA: inside the line, not terminated */
	size_t text_len;
};

/* Of libgpg-error. */
#define ASSUAN_CODE_TIMEOUT 62
#define ASSUAN_CODE_CANCELED 99
#define ASSUAN_CODE_NOT_CONFIRMED 114
#define ASSUAN_CODE_FULLY_CANCELED 198

/* How long the first line of what was read is, without its newline: -EAGAIN as long as there is none, -EMSGSIZE if it is too long. */
int assuan_find_line(const char *buf, size_t len, size_t *ret_line_len);
/* Changes the line. */
void assuan_parse(struct assuan_reply *ret, char *line, size_t len);
/* A command's argument: '%' and control characters as %XX. -EMSGSIZE */
int assuan_escape(char *buf, size_t size, const char *text);
