/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words for people, and the agent's status file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "client/agent-status.h"
#include "client/text.h"

#define UNUSED (void)state

static void test_printable(void **state)
{
	char text[] = "a\x1b[2J\x7f\nb\xc2\x9b"
		      "31m \xc3\xa9 \xe2\x82\xac";

	UNUSED;
	text_make_printable(text);
	assert_string_equal(text, "a?[2J??b??31m \xc3\xa9 \xe2\x82\xac");
	/* Cut off in the middle of a character: nothing behind the end is read. */
	text[0] = (char)0xc2;
	text[1] = '\0';
	text_make_printable(text);
	assert_int_equal((unsigned char)text[0], 0xc2);
}

static void check_shortened(const char *text, size_t max, const char *expected)
{
	char buf[64];

	snprintf(buf, sizeof(buf), "%s", text);
	text_shorten(buf, max);
	assert_string_equal(buf, expected);
}

static void test_shorten(void **state)
{
	UNUSED;
	check_shortened("", 5, "");
	check_shortened("abcde", 5, "abcde");
	check_shortened("abcdef", 5, "ab...");
	check_shortened("abcdef", 3, "...");
	check_shortened("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 4, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f");
	check_shortened("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f!", 4, "\xc3\xa4...");
	/* Half a character at the end. */
	check_shortened("ab\xe2\x82", 5, "ab");
	check_shortened("abcd\xf0\x9f\x94", 5, "abcd");
}

static void check_character(uint32_t code, bool unruly)
{
	char text[8] = {'a'}, before[8];
	size_t n = 1;

	if (code < 0x800) {
		text[n++] = (char)(0xc0 | code >> 6);
	} else {
		text[n++] = (char)(0xe0 | code >> 12);
		text[n++] = (char)(0x80 | (code >> 6 & 0x3f));
	}
	text[n++] = (char)(0x80 | (code & 0x3f));
	text[n] = 'b';
	memcpy(before, text, sizeof(before));
	text_make_printable(text);
	assert_string_equal(text, !unruly ? before : n == 3 ? "a??b" : "a???b");
}

/* What turns the direction of writing, breaks the line, or is not seen; and of the characters around it none. */
static void test_unruly(void **state)
{
	static const struct {
		uint32_t first, last;
	} unruly[] = {{0x61c, 0x61c}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}};
	static const char *const cut[] = {"\xd8", "\xe2", "\xe2\x80", "\xe2\x81", "\xef", "\xef\xbb"};
	char text[8];
	uint32_t code;
	size_t i;

	UNUSED;
	for (code = 0xa0; code < 0x10000; code++) {
		bool is = false;

		for (i = 0; i < sizeof(unruly) / sizeof(unruly[0]); i++)
			is |= code >= unruly[i].first && code <= unruly[i].last;
		check_character(code, is);
	}
	/* Cut off in the middle. */
	for (i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
		memset(text, 0x9c, sizeof(text));
		snprintf(text, sizeof(text), "%s", cut[i]);
		text_make_printable(text);
		assert_string_equal(text, cut[i]);
	}
}

static struct proxy_tunnel tunnel(char *prompt, char *token)
{
	return (struct proxy_tunnel){
		.interface = (char[]){"wg0"}, .name = (char[]){"office"}, .prompt = prompt, .prompt_token = token};
}

static void check_prompt(const char *prompt, const char *token, unsigned int step, unsigned int steps, const char *expected)
{
	char kind[32], name[32], buf[256];
	struct proxy_tunnel t;

	snprintf(kind, sizeof(kind), "%s", prompt);
	snprintf(name, sizeof(name), "%s", token);
	t = tunnel(kind, name);
	t.interface = (char[]){"wg0"};
	t.prompt_step = step;
	t.prompt_steps = steps;
	assert_string_equal(text_prompt(buf, sizeof(buf), &t, "to open office"), expected);
}

static void test_prompts(void **state)
{
	UNUSED;
	check_prompt("", "", 0, 0, "");
	check_prompt("touch", "YubiKey", 1, 1, "Touch YubiKey to open office");
	check_prompt("touch", "", 2, 3, "Touch the security key to open office, touch 2 of 3");
	check_prompt("touch-new", "Solo", 1, 3, "Touch the new key, Solo, to open office, touch 1 of 3");
	check_prompt("token", "", 1, 1, "Plug in a security key to open office");
	check_prompt("token-with-key", "", 1, 1, "Plug in a security key that opens wg0, to open office");
	check_prompt("busy", "Solo", 1, 1, "Waiting for Solo");
	check_prompt("pin", "Solo", 1, 1, "");
	check_prompt("from the future", "Solo", 1, 1, "");
}

static void test_seconds_left(void **state)
{
	struct proxy_tunnel t = {};

	UNUSED;
	assert_int_equal(text_prompt_left(&t, 5), -1);
	t.prompt_deadline = 30 * US_PER_SEC;
	assert_int_equal(text_prompt_left(&t, 0), 30);
	assert_int_equal(text_prompt_left(&t, 1), 30);
	assert_int_equal(text_prompt_left(&t, US_PER_SEC), 29);
	assert_int_equal(text_prompt_left(&t, 31 * US_PER_SEC), 0);
	t.prompt_deadline = UINT64_MAX;
	assert_int_equal(text_prompt_left(&t, 0), -1);
}

static void test_times(void **state)
{
	/* 2024-02-28 (a Wednesday) 22:00:00 UTC */
	const uint64_t now = 1709157600;
	char buf[96];

	UNUSED;
	assert_string_equal(text_time(buf, sizeof(buf), now + 3600, now), "23:00");
	assert_string_equal(text_time(buf, sizeof(buf), now + 3 * 3600, now), "Thu 01:00");
	assert_string_equal(text_time(buf, sizeof(buf), now + 7 * 86400, now), "2024-03-06 22:00");
	assert_string_equal(text_time(buf, sizeof(buf), now - 86400, now), "2024-02-27 22:00");
	assert_string_equal(text_time(buf, sizeof(buf), UINT64_MAX / 2, now), "?");
	assert_string_equal(text_span(buf, sizeof(buf), 8 * 3600 - 1), "8 h");
	assert_string_equal(text_span(buf, sizeof(buf), 8 * 3600 - 31), "7 h 59 min");
	assert_string_equal(text_span(buf, sizeof(buf), 90), "1 min 30 s");
	assert_string_equal(text_until(buf, sizeof(buf), 3700 * US_PER_SEC,
				    (struct instant){100 * US_PER_SEC, now * US_PER_SEC}),
		"23:00 (1 h left)");
	assert_string_equal(
		text_until(buf, sizeof(buf), 1, (struct instant){100 * US_PER_SEC, now * US_PER_SEC}), "22:00 (0 s left)");
}

static struct agent_status *parse(const char *text, int expected)
{
	struct agent_status *s = NULL;

	assert_int_equal(agent_status_parse(&s, text, strlen(text)), expected);
	return s;
}

static void test_agent_status(void **state)
{
	static const char good[] =
		"{\"interface\":\"wg0\",\"mode\":\"psk\",\"role\":\"client\",\"backend\":\"kernel\",\"state\":\"open\","
		"\"reason\":\"\\u001b[2J\",\"changed_boottime_us\":5000000,\"problem\":\"\",\"peers\":[{\"public_key\":\"K\","
		"\"name\":\"gw\",\"state\":\"rotated\",\"reason\":\"why\",\"slot\":7,\"slot_end\":1000,\"offset\":-2,\"last_handshake\":990,"
		"\"drift_repaired\":1,\"new\":[]}],\"more\":{}}";
	struct agent_status *s;

	UNUSED;
	parse("", -EBADMSG);
	parse("[]", -EBADMSG);
	parse("{}", -EBADMSG);
	parse("{\"state\":\"open\",\"peers\":[7]}", -EBADMSG);
	parse("{\"state\":\"open\",\"state\":\"closed\"}", -EBADMSG);
	agent_status_free(parse("{\"state\":\"open\",\"peers\":\"none\"}", 0));

	s = parse(good, 0);
	assert_string_equal(s->reason, "?[2J");
	assert_int_equal(s->n_peers, 1);
	assert_string_equal(agent_status_find_peer(s, "K")->name, "gw");
	assert_null(agent_status_find_peer(s, "L"));
	assert_null(agent_status_find_peer(NULL, "K"));
	assert_string_equal(s->peers[0].reason, "why");
	assert_int_equal(s->peers[0].offset, -2);
	assert_false(agent_status_is_stale(s, (struct instant){6 * US_PER_SEC, 1030 * US_PER_SEC}));
	assert_true(agent_status_is_stale(s, (struct instant){6 * US_PER_SEC, 1031 * US_PER_SEC}));
	/* Of before the machine was started. */
	assert_true(agent_status_is_stale(s, (struct instant){4 * US_PER_SEC, 900 * US_PER_SEC}));
	agent_status_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_shorten),
		cmocka_unit_test(test_unruly),
		cmocka_unit_test(test_prompts),
		cmocka_unit_test(test_seconds_left),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_agent_status),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
