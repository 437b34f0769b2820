/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int say_outcome(enum outcome o, const char *format, ...)
{
	fflush(stdout);
	fputs("wgfido: ", stderr);
	if (format) {
		va_list ap;

		va_start(ap, format);
		vfprintf(stderr, format, ap);
		va_end(ap);
	} else {
		fputs(outcome_sentence(o), stderr);
	}
	fputc('\n', stderr);
	return outcome_exit_status(o);
}

int say_errno(int error, const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("wgfido: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, ": %s%s\n", strerror(abs(error)),
		abs(error) == EACCES || abs(error) == EPERM ? " (run this as root)" : "");
	return outcome_exit_status(OUTCOME_FAILED);
}

void say_warning(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("wgfido: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}
