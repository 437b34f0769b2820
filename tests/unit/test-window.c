/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Window keys: how time is divided, the file, and what a token's key meets when. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <unistd.h>

#include "common/outcome.h"
#include "common/window.h"

#define DAY 86400
#define NOON UINT64_C(1795694400) /* 2026-11-26 12:00 UTC */
#define OWN "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8="

static void test_plans(void **state)
{
	static const struct {
		const char *text;
		uint32_t seconds, offset;
		const char *formatted;
	} good[] = {
		{ "24h", DAY, 0, "24h" },
		{ "1d", DAY, 0, "24h" },
		{ "86400", DAY, 0, "24h" },
		{ "1h", 3600, 0, "1h" },
		{ "7d", 7 * DAY, 0, "168h" },
		{ "24h at 04:00", DAY, 4 * 3600, "24h at 04:00" },
		{ "24h  AT\t4:00", DAY, 4 * 3600, "24h at 04:00" },
		{ "12h at 16:00", DAY / 2, 4 * 3600, "12h at 04:00" },
		{ "24h at 23:00", DAY, 23 * 3600, "24h at 23:00" },
	};
	static const char *const bad[] = {
		"", "0", "30m", "90m", "8d", "x", "24h at", "24h at 24:00", "24h at 4", "24h at 04:30", "24h at 04:00x", "24h 04:00",
		"24hat04:00", "24h at :00", "24h at 004:00", "99999999999999999999h", "24h at 04:00 UTC",
	};
	char text[WINDOW_PLAN_TEXT_MAX];
	struct window_plan plan;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(window_plan_parse(&plan, good[i].text), 0);
		assert_int_equal(plan.seconds, good[i].seconds);
		assert_int_equal(plan.offset, good[i].offset);
		assert_string_equal(window_plan_format(text, &plan), good[i].formatted);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(window_plan_parse(&plan, bad[i]), -EINVAL);
}

static void test_window_at(void **state)
{
	const struct window_plan at_four = { .seconds = DAY, .offset = 4 * 3600 }, half = { .seconds = DAY / 2 };
	const uint64_t midnight = NOON - DAY / 2;
	struct schedule_window w;

	(void)state;
	w = window_at(&at_four, NOON);
	assert_int_equal(w.start, midnight + 4 * 3600);
	assert_int_equal(w.end, w.start + DAY);
	assert_int_equal(window_at(&at_four, w.start).start, w.start);
	assert_int_equal(window_at(&at_four, w.start - 1).end, w.start);
	assert_int_equal(window_at(&at_four, w.end).start, w.end);
	assert_int_equal(window_at(&half, NOON).start, NOON);
	assert_int_equal(window_at(&half, NOON - 1).start, midnight);
	assert_int_equal(window_at(&at_four, 0).start, 4 * 3600);
}

static struct window_keys *make(const struct window_plan *plan, uint64_t from, size_t n, struct secret *s)
{
	struct window_keys *k = NULL;

	assert_int_equal(window_keys_make(&k, s, plan, from, n), 0);
	return k;
}

static struct secret *filled(uint8_t with)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	assert_non_null(s);
	memset(secret_borrow_mut(s), with, SECRET_KEY_SIZE);
	return s;
}

static void test_make(void **state)
{
	const struct window_plan plan = { .seconds = DAY, .offset = 4 * 3600 };
	_cleanup_secret_ struct secret *s = filled(7);
	struct window_keys *k = make(&plan, NOON, 3, s), *none = NULL;

	(void)state;
	assert_int_equal(k->first, NOON - 8 * 3600);
	assert_int_equal(window_keys_end(k), k->first + 3 * DAY);
	for (size_t i = 0; i < k->n; i++) {
		const struct schedule_window w = window_at(&plan, NOON + i * DAY);
		_cleanup_secret_ struct secret *g = NULL;
		uint8_t point[KEY_SIZE];

		assert_int_equal(schedule_window_private(&g, s, &w), 0);
		schedule_public(point, g);
		assert_true(key_equal(point, k->keys[i]));
		assert_false(key_equal(point, k->public_key));
		assert_false(i > 0 && key_equal(point, k->keys[i - 1]));
	}
	assert_int_equal(window_keys_make(&none, s, &plan, NOON, 0), -ERANGE);
	assert_int_equal(window_keys_make(&none, s, &plan, NOON, WINDOW_COUNT_MAX + 1), -ERANGE);
	assert_int_equal(window_keys_make(&none, s, &plan, UINT64_MAX, 1), -ERANGE);
	window_keys_free(k);
}

static struct window_keys *parse(const char *text, size_t len)
{
	struct window_keys *k = NULL;
	char *error = NULL;

	if (window_keys_parse(&k, &error, "w", text, len) < 0)
		fail_msg("%s", error);
	return k;
}

/* The most that is allowed fits into the file. */
static void test_round_trip(void **state)
{
	const struct window_plan plan = { .seconds = 3600 };
	_cleanup_secret_ struct secret *s = filled(9);
	struct window_keys *k = make(&plan, NOON, 30, s), *back;
	char *text, *again;
	size_t len, len_again;

	(void)state;
	assert_int_equal(window_keys_format(&text, &len, k, "a note"), 0);
	assert_non_null(strstr(text, "\n# a note\n"));
	back = parse(text, len);
	assert_int_equal(back->n, 30);
	assert_int_equal(back->first, k->first);
	assert_int_equal(back->plan.seconds, 3600);
	assert_memory_equal(back->public_key, k->public_key, KEY_SIZE);
	assert_memory_equal(back->keys, k->keys, 30 * KEY_SIZE);
	assert_int_equal(window_keys_format(&again, &len_again, back, "a note"), 0);
	assert_string_equal(again, text);
	free(again);
	window_keys_free(back);
	/* cut anywhere before its last key it is refused, and nothing behind the cut is read */
	for (size_t cut = 0; cut < len - 1; cut++) {
		char *part = malloc(cut ? cut : 1), *error = NULL;

		assert_non_null(part);
		memcpy(part, text, cut);
		assert_int_equal(window_keys_parse(&back, &error, "w", part, cut), -EINVAL);
		assert_non_null(error);
		free(error);
		free(part);
	}
	free(text);
	window_keys_free(k);
	assert_true(WINDOW_COUNT_MAX * (KEY_BASE64_SIZE + 1) + 1024 <= WINDOW_FILE_MAX);
}

#define H "wgfido-window-keys 1\n"
#define P "PublicKey = " OWN "\n"
#define W "Window = 24h\n"
#define F "First = 1795651200\n"
#define C "Count = 1\n"

static const struct {
	const char *text, *error;
} refused[] = {
	{ "", "w:1: this is no file of window keys: it would begin with \"wgfido-window-keys 1\"" },
	{ "\n# x\n[Peer]\n", "w:3: this is no file of window keys: it would begin with \"wgfido-window-keys 1\"" },
	{ "wgfido-window-keys 2\n", "w:1: these window keys are of another version: this wgfido reads version 1" },
	{ H W, "w:2: here should be \"PublicKey = ...\": take the file as `wgfido gateway --windows` made it" },
	{ H "PublicKey = x\n", "w:2: PublicKey is not a key" },
	{ H "PublicKey = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "w:2: PublicKey is not a key" },
	{ H P "Window = 90m\n", "w:3: Window is not one: allowed are whole hours from 1h to 7d, such as 24h, 12h or \"24h at 04:00\" (UTC)" },
	{ H P W "First = 1795651201\n" C OWN, "w:4: First is not where one of these windows begins" },
	{ H P W "First = -1\n", "w:4: First is not a number that is allowed" },
	{ H P W "First = 99999999999999999999999999\n", "w:4: First is not a number that is allowed" },
	{ H P W "First = 253402300801\n", "w:4: First is not a number that is allowed" },
	{ H P W F "Count = 0\n", "w:5: Count is 0: there is no key" },
	{ H P W F "Count = 4097\n", "w:5: Count is not a number that is allowed" },
	{ H P W F "Count =\n" OWN, "w:5: here should be \"Count = ...\": take the file as `wgfido gateway --windows` made it" },
	{ H P W F C, "w:5: the file ends after 0 of 1 keys: copy it again" },
	{ H P W F C "nonsense\n", "w:6: this is not a key" },
	{ H P W F C "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "w:6: this is not a key" },
	{ H P W F C OWN "\n" OWN "\n", "w:7: there is more than the 1 keys that Count says" },
};

static void test_refused(void **state)
{
	struct window_keys *k = NULL;
	char *error = NULL, *large, *end;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(window_keys_parse(&k, &error, "w", refused[i].text, strlen(refused[i].text)), -EINVAL);
		assert_string_equal(error, refused[i].error);
		free(error);
	}
	assert_int_equal(window_keys_parse(&k, &error, "w", H "\0", sizeof(H)), -EINVAL);
	free(error);
	large = malloc(WINDOW_FILE_MAX + 1);
	assert_non_null(large);
	memset(large, '#', WINDOW_FILE_MAX + 1);
	assert_int_equal(window_keys_parse(&k, &error, "w", large, WINDOW_FILE_MAX + 1), -EINVAL);
	free(error);
	end = stpcpy(large, H);
	memset(end, 'x', 300);
	assert_int_equal(window_keys_parse(&k, &error, "w", large, sizeof(H) + 300), -EINVAL);
	assert_string_equal(error, "w:2: the line is too long");
	free(error);
	free(large);
	assert_null(k);
	k = parse("\r\n # as an editor saves it\r\n " H "\r\n" P W F C "\t" OWN, strlen("\r\n # as an editor saves it\r\n " H "\r\n" P W F C "\t" OWN));
	assert_int_equal(k->n, 1);
	window_keys_free(k);
}

/* --- points --- */

struct fixture {
	char dir[64], path[96];
	struct config_peer peers[2];
	struct config config;
	struct secret *s;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/wgfido-window-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/keys", f->dir);
	f->s = filled(3);
	schedule_public(f->peers[0].public_key, f->s);
	f->peers[0].window_keys_file = f->path;
	f->peers[1].public_key[0] = 9;
	f->config.peers = f->peers;
	f->config.n_peers = 2;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	secret_free(f->s);
	(void)unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void save(struct fixture *f, uint64_t from, size_t n)
{
	const struct window_plan plan = { .seconds = DAY, .offset = 4 * 3600 };
	struct window_keys *k = make(&plan, from, n, f->s);
	FILE *file = fopen(f->path, "we");
	char *text;
	size_t len;

	assert_non_null(file);
	assert_int_equal(window_keys_format(&text, &len, k, NULL), 0);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	free(text);
	window_keys_free(k);
}

static void test_points(void **state)
{
	const struct window_plan plan = { .seconds = DAY, .offset = 4 * 3600 };
	const struct schedule_window second = window_at(&plan, NOON + DAY);
	struct fixture *f = *state;
	_cleanup_secret_ struct secret *g = NULL;
	struct window_point *points;
	uint8_t point[KEY_SIZE];
	char *error;

	save(f, NOON, 2);
	assert_int_equal(schedule_window_private(&g, f->s, &second), 0);
	schedule_public(point, g);
	assert_int_equal(window_points(&points, &error, &f->config, NULL, second.end - 1), 0);
	assert_true(points[0].wanted && points[0].windowed);
	assert_true(key_equal(points[0].point, point));
	assert_int_equal(points[0].window.start, second.start);
	assert_int_equal(points[0].window.end, second.end);
	assert_true(points[1].wanted && !points[1].windowed);
	assert_true(key_equal(points[1].point, f->peers[1].public_key));
	assert_int_equal(window_points_end(points, 2), second.end);
	free(points);
	assert_int_equal(window_points(&points, &error, &f->config, f->peers[1].public_key, NOON), 0);
	assert_false(points[0].wanted);
	assert_true(points[1].wanted);
	assert_int_equal(window_points_end(points, 2), UINT64_MAX);
	free(points);
}

static void assert_no_points(struct fixture *f, uint64_t when, const char *words)
{
	struct window_point *points = NULL;
	char *error = NULL;

	assert_int_equal(window_points(&points, &error, &f->config, NULL, when), OUTCOME_FAILED);
	assert_null(points);
	assert_non_null(error);
	if (!strstr(error, words))
		fail_msg("\"%s\" has no \"%s\"", error, words);
	assert_memory_equal(error, f->path, strlen(f->path));
	free(error);
}

/* Closed, and said why and what to do; a peer whose keys nobody asks for does not count. */
static void test_no_points(void **state)
{
	struct fixture *f = *state;
	struct window_point *points;
	char *error;
	FILE *file;

	assert_no_points(f, NOON, "there is no such file: bring the window keys here");
	assert_int_equal(window_points(&points, &error, &f->config, f->peers[1].public_key, NOON), 0);
	free(points);
	save(f, NOON, 2);
	assert_no_points(f, NOON + 2 * DAY, "ended on 2026-11-28 04:00 UTC: make new ones");
	assert_no_points(f, NOON - DAY, "begin on 2026-11-26 04:00 UTC: is this computer's clock right?");
	f->peers[0].public_key[5] ^= 1;
	assert_no_points(f, NOON, "not of this peer");
	f->peers[0].public_key[5] ^= 1;
	file = fopen(f->path, "we");
	assert_non_null(file);
	fputs(H "x\n", file);
	assert_int_equal(fclose(file), 0);
	assert_no_points(f, NOON, ":2: here should be");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plans),
		cmocka_unit_test(test_window_at),
		cmocka_unit_test(test_make),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test_setup_teardown(test_points, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_points, setup, teardown),
	};

	if (secret_init() < 0)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
