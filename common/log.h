/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines of the programs to stderr, with the journal's <N> priority prefix when stderr is the journal
 * (JOURNAL_STREAM). Libraries (lib*.a) never log; they return. Nothing secret is ever an argument here.
 *
 * A line never waits for whoever reads it: when stderr takes no more, it is lost, and the next one that gets through is preceded by
 * how many were. From any thread.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_open(const char *program, enum log_level max);
/* stderr is another one now. */
void log_reopen(void);
bool log_is_journal(void);
void log_msg(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_msg(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)
