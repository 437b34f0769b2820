/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

static const char *log_program = "wgfido";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_to_journal;

/* JOURNAL_STREAM names the device and inode of the journal's stream: only then are <N> prefixes understood. */
static bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == dev && st.st_ino == ino;
}

void log_open(const char *program, enum log_level max)
{
	log_program = program;
	log_max = max;
	log_reopen();
}

void log_reopen(void)
{
	log_to_journal = log_stderr_is_journal();
}

bool log_is_journal(void)
{
	return log_to_journal;
}

static int log_priority(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return 3;
	case LOG_LEVEL_WARNING:
		return 4;
	case LOG_LEVEL_INFO:
		return 6;
	case LOG_LEVEL_DEBUG:
		return 7;
	}
	return 3;
}

void log_msg(enum log_level level, const char *format, ...)
{
	char text[1024];
	va_list ap;
	int n;

	if (level > log_max)
		return;
	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0)
		return;
	/* Names of tokens and files end up here: none of them may forge a line or talk to the terminal. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (log_to_journal)
		fprintf(stderr, "<%d>%s\n", log_priority(level), text);
	else
		fprintf(stderr, "%s: %s\n", log_program, text);
}
