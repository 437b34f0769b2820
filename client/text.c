/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/encoding.h"

/*
 * What turns the order of what follows, breaks the line, or cannot be seen, so that two names look like one: U+061C, U+200B to
 * U+200F, U+2028 to U+202E, U+2060 to U+206F, U+FEFF. Their bytes; 0: none of them. A NUL matches nowhere.
 */
static size_t unruly_len(const unsigned char *c)
{
	if (c[0] == 0xd8)
		return c[1] == 0x9c ? 2 : 0;
	if (c[0] == 0xe2 && c[1] == 0x80)
		return (c[2] >= 0x8b && c[2] <= 0x8f) || (c[2] >= 0xa8 && c[2] <= 0xae) ? 3 : 0;
	if (c[0] == 0xe2 && c[1] == 0x81)
		return c[2] >= 0xa0 && c[2] <= 0xaf ? 3 : 0;
	if (c[0] == 0xef && c[1] == 0xbb)
		return c[2] == 0xbf ? 3 : 0;
	return 0;
}

void text_make_printable(char *s)
{
	for (unsigned char *c = (unsigned char *)s; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			*c = c[1] = '?';
		else
			memset(c, '?', unruly_len(c));
	}
}

void text_shorten(char *s, size_t max)
{
	size_t at = 0, characters = 0, cut = 0;

	while (s[at]) {
		size_t len = 1, have = 1;
		unsigned char c = (unsigned char)s[at];

		if (c >= 0xc0)
			len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
		while (have < len && ((unsigned char)s[at + have] & 0xc0) == 0x80)
			have++;
		/* A character that was cut in two. */
		if (have < len) {
			s[at] = '\0';
			break;
		}
		/* Room for the ellipsis, which is three bytes long: so are three characters at least. */
		if (characters + 3 <= max)
			cut = at;
		if (++characters > max) {
			memcpy(s + cut, "...", 4);
			break;
		}
		at += len;
	}
}

const char *text_tunnel(char *buf, size_t size, const struct proxy_tunnel *t)
{
	if (*t->name)
		snprintf(buf, size, "%s (%s)", t->name, t->interface);
	else
		snprintf(buf, size, "%s", t->interface);
	return buf;
}

const char *text_making_verb(const struct proxy_tunnel *t)
{
	return strcmp(t->mode, "identity") ? "enroll" : "protect";
}

const char *text_peer(char *buf, size_t size, const struct proxy_peer *peer)
{
	if (*peer->name)
		snprintf(buf, size, "%s", peer->name);
	else
		snprintf(buf, size, "%.10s...", peer->public_key);
	return buf;
}

const char *text_time(char *buf, size_t size, uint64_t unix_seconds, uint64_t now_unix_seconds)
{
	time_t then = (time_t)unix_seconds, now = (time_t)now_unix_seconds;
	struct tm tm, tm_now;

	if (!localtime_r(&then, &tm) || !localtime_r(&now, &tm_now)) {
		snprintf(buf, size, "?");
		return buf;
	}
	if (tm.tm_year == tm_now.tm_year && tm.tm_yday == tm_now.tm_yday)
		strftime(buf, size, "%H:%M", &tm);
	else if (then > now && then - now < 6 * 86400)
		strftime(buf, size, "%a %H:%M", &tm);
	else
		strftime(buf, size, "%Y-%m-%d %H:%M", &tm);
	return buf;
}

const char *text_span(char *buf, size_t size, uint64_t seconds)
{
	/* To two units, rounded: nobody reads the seconds of eight hours. */
	if (seconds >= 86400) {
		seconds += 1800;
		seconds -= seconds % 3600;
	} else if (seconds >= 3600) {
		seconds += 30;
		seconds -= seconds % 60;
	}
	return duration_format(buf, size, seconds);
}

const char *text_until(char *buf, size_t size, uint64_t until_boot_us, struct instant now)
{
	uint64_t left = until_boot_us > now.boot_us ? (until_boot_us - now.boot_us) / US_PER_SEC : 0;
	uint64_t now_s = now.real_us / US_PER_SEC;
	char span[64], clock[32];

	snprintf(buf, size, "%s (%s left)", text_time(clock, sizeof(clock), now_s + left, now_s),
		text_span(span, sizeof(span), left));
	return buf;
}

const char *text_prompt(char *buf, size_t size, const struct proxy_tunnel *t, const char *purpose)
{
	const char *token = *t->prompt_token ? t->prompt_token : "the security key";
	char step[48] = "";

	if (t->prompt_steps > 1)
		snprintf(step, sizeof(step), ", touch %u of %u", t->prompt_step, t->prompt_steps);

	if (!strcmp(t->prompt, "touch"))
		snprintf(buf, size, "Touch %s %s%s", token, purpose, step);
	else if (!strcmp(t->prompt, "touch-pair"))
		snprintf(buf, size, "Touch %s so that it works with this computer, %s%s", token, purpose, step);
	else if (!strcmp(t->prompt, "touch-new"))
		snprintf(buf, size, "Touch the new key, %s, %s%s", token, purpose, step);
	else if (!strcmp(t->prompt, "token"))
		snprintf(buf, size, "Plug in a security key %s", purpose);
	else if (!strcmp(t->prompt, "token-with-key"))
		snprintf(buf, size, "Plug in a security key that opens %s, %s", t->interface ? t->interface : "it", purpose);
	else if (!strcmp(t->prompt, "busy"))
		/* Being asked what it is, or used by somebody else: nothing to do for the user either way. */
		snprintf(buf, size, "Waiting for %s", token);
	else
		snprintf(buf, size, "%s", "");
	return buf;
}

int text_prompt_left(const struct proxy_tunnel *t, uint64_t now_boot_us)
{
	uint64_t left;

	if (!t->prompt_deadline)
		return -1;
	left = t->prompt_deadline > now_boot_us ? t->prompt_deadline - now_boot_us : 0;
	left = left / US_PER_SEC + (left % US_PER_SEC != 0);
	return left > 86400 ? -1 : (int)left;
}

const char *text_end_reason(const char *reason)
{
	static const struct {
		const char *reason, *words;
	} table[] = {
		{"expired", "its time was over"},
		{"unwatched", "logind, which tells of lock and logout, went away"},
		{"token-removed", "the security key was pulled out"},
		{"revoked", "it was revoked"},
		{"suspend", "the machine went to sleep"},
		{"lock", "the session was locked"},
		{"logout", "the session ended"},
		{"clock", "the clock was set to another time"},
		{"replaced", "another approval took its place"},
		{"reconfigured", "its configuration or key changed"},
		{"stopped", "the broker was stopped"},
		{"session-lost", "the card forgot that its PIN was given"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(reason, table[i].reason))
			return table[i].words;
	return reason;
}
