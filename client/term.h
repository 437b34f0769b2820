/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal: colour and live lines where there is one, questions and PINs on /dev/tty. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "common/secret.h"

/* Colour and redrawing on this stream: a terminal that is not dumb; colour also only without NO_COLOR. */
bool term_is_live(FILE *f);
enum term_colour { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_RED, TERM_GREEN, TERM_YELLOW };
/* The escape sequence, or "" where there is no colour. */
const char *term_colour(FILE *f, enum term_colour c);

/* The width of the terminal; 100 elsewhere. */
int term_columns(FILE *f);

/* Replaces the live line on stderr ("": takes it away); a line longer than the terminal is cut. */
void term_live_line(const char *text);

/* Is there a terminal to ask at? */
bool term_can_ask(void);
/* A yes or no at /dev/tty; anything but a yes is a no: 1, 0, -ENXIO without a terminal, -EINTR after Ctrl-C. */
int term_confirm(const char *question);
/*
 * A line typed at /dev/tty into guarded memory, without echo unless echo is set. The terminal is put back in order on every
 * way out, signals included. 0, -ENXIO, -EINTR (Ctrl-C), -ENODATA (nothing typed), -EMSGSIZE (over SECRET_MAX).
 */
int term_ask_secret(struct secret **ret, const char *question, bool echo);
/* The first line of fd (--pin-fd), byte by byte, so that what follows stays in the stream. Same errors. */
int term_read_secret_line(struct secret **ret, int fd);
