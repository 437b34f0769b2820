/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words for people: times, names, what a prompt waits for. Pure; the time is an argument. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/proxy.h"
#include "common/clock.h"

/* Control characters, also UTF-8's C1 and those that turn the direction of writing, become '?': what a token or another program says cannot steer a terminal. */
void text_make_printable(char *s);
/* To max characters (at least 3) of UTF-8, the last three of them "..." when there were more; half a character at the end goes. */
void text_shorten(char *s, size_t max);

/* "office (wg0)", or "wg0" where there is no name. */
const char *text_tunnel(char *buf, size_t size, const struct proxy_tunnel *t);
/* The verb that makes its key. */
const char *text_making_verb(const struct proxy_tunnel *t);
/* The name, or the first characters of the public key: "gw", "AbCdEfGh...". */
const char *text_peer(char *buf, size_t size, const struct proxy_peer *peer);
/* "17:05" today, "Tue 01:05" within six days, else "2024-03-01 17:05"; local time. */
const char *text_time(char *buf, size_t size, uint64_t unix_seconds, uint64_t now_unix_seconds);
/* A boot time as local time and what is left: "17:05 (7 h 59 min left)". */
const char *text_until(char *buf, size_t size, uint64_t until_boot_us, struct instant now);
/* Of two units at most: "7 h 59 min", "45 s". */
const char *text_span(char *buf, size_t size, uint64_t seconds);

/*
 * What a pending operation waits for, in one line: "Touch YubiKey 5 to open office (wg0) to gw for 8 h, touch 2 of 3".
 * purpose is "to open ..."; "" when there is nothing for the user to do. The seconds left are text_prompt_left's.
 */
const char *text_prompt(char *buf, size_t size, const struct proxy_tunnel *t, const char *purpose);
/* -1: no deadline */
int text_prompt_left(const struct proxy_tunnel *t, uint64_t now_boot_us);

/* Why an approval ended, as a person says it: "the security key was pulled out". "" for "". */
const char *text_end_reason(const char *reason);
