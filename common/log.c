/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

static const char *log_program = "wgfido";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_to_journal;
static atomic_uint log_lost;

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

/* In one piece, or not at all: what reads the log may be frozen, and then a tunnel still has to be closed in time. */
static bool log_write(enum log_level level, const char *text)
{
	char line[1100];
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	int n;

	if (log_to_journal)
		n = snprintf(line, sizeof(line), "<%d>%s\n", log_priority(level), text);
	else
		n = snprintf(line, sizeof(line), "%s: %s\n", log_program, text);
	if (n < 0 || (size_t)n >= sizeof(line) || poll(&out, 1, 0) != 1 || out.revents != POLLOUT)
		return false;
	return write(STDERR_FILENO, line, (size_t)n) == n;
}

void log_msg(enum log_level level, const char *format, ...)
{
	char text[1024], about[96];
	unsigned int lost;
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
	lost = atomic_exchange(&log_lost, 0);
	if (lost > 0) {
		(void)snprintf(about, sizeof(about), "%u lines before this one were lost: the log was not read", lost);
		if (!log_write(LOG_LEVEL_WARNING, about)) {
			atomic_fetch_add(&log_lost, lost + 1);
			return;
		}
	}
	if (!log_write(level, text))
		atomic_fetch_add(&log_lost, 1);
}
