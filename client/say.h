/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the command line says when something went wrong: one sentence that says what to do next, and the exit status. */
#pragma once

#include "common/outcome.h"

/* Each prints "wgfido: SENTENCE" to stderr and returns the exit status. say_outcome: NULL = the outcome's own sentence. */
int say_outcome(enum outcome o, const char *format, ...) __attribute__((format(printf, 2, 3)));
int say_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
