/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/window.h"

#define MAGIC "wgfido-window-keys"
#define FORMAT "1"
#define READER_LINE_MAX 128
#define FIRST_MAX UINT64_C(253402300800) /* year 10000 */

struct reader {
	const char *path, *text;
	size_t len, pos;
	unsigned int line;
	char buf[READER_LINE_MAX];
	char *error;
	int r;
};

__attribute__((format(printf, 2, 3))) static int reader_fail(struct reader *p, const char *format, ...)
{
	char *what = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&what, format, ap);
	va_end(ap);
	p->r = -EINVAL;
	if (n < 0 || asprintf(&p->error, "%s:%u: %s", p->path, p->line ? p->line : 1, what) < 0) {
		p->error = NULL;
		p->r = -ENOMEM;
	}
	if (n >= 0)
		free(what);
	return p->r;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next line that says something, without blanks around it. NULL: the file is over, or p->r < 0. */
static const char *reader_line(struct reader *p)
{
	while (p->r == 0 && p->pos < p->len) {
		const char *line = p->text + p->pos, *end = memchr(line, '\n', p->len - p->pos);
		size_t len = end ? (size_t)(end - line) : p->len - p->pos;

		p->pos += len + (end != NULL);
		p->line++;
		for (; len > 0 && is_blank(line[len - 1]); len--)
			;
		for (; len > 0 && is_blank(*line); line++)
			len--;
		if (len == 0 || *line == '#')
			continue;
		if (len >= sizeof(p->buf)) {
			reader_fail(p, "the line is too long");
			return NULL;
		}
		memcpy(p->buf, line, len);
		p->buf[len] = '\0';
		if (strlen(p->buf) != len) {
			reader_fail(p, "the line has a NUL");
			return NULL;
		}
		return p->buf;
	}
	return NULL;
}

/* The value of the line that must come now. */
static const char *reader_value(struct reader *p, const char *name)
{
	const char *line = reader_line(p), *at = line;

	if (p->r < 0)
		return NULL;
	if (line && strncmp(line, name, strlen(name)) == 0) {
		at = line + strlen(name);
		at += strspn(at, " \t");
		if (*at == '=' && at[1 + strspn(at + 1, " \t")])
			return at + 1 + strspn(at + 1, " \t");
	}
	reader_fail(p, "here should be \"%s = ...\": take the file as `wgfido gateway --windows` made it", name);
	return NULL;
}

static int reader_number(struct reader *p, const char *name, uint64_t max, uint64_t *ret)
{
	const char *value = reader_value(p, name);
	uint64_t n = 0;

	if (!value)
		return p->r;
	for (const char *c = value; *c; c++) {
		if (*c < '0' || *c > '9' || n > max)
			return reader_fail(p, "%s is not a number that is allowed", name);
		n = n * 10 + (uint64_t)(*c - '0');
	}
	if (n > max)
		return reader_fail(p, "%s is not a number that is allowed", name);
	*ret = n;
	return 0;
}

static int reader_header(struct reader *p, struct window_keys *k)
{
	const char *line = reader_line(p), *value;
	uint64_t n;

	if (p->r < 0)
		return p->r;
	if (!line || strncmp(line, MAGIC " ", strlen(MAGIC " ")) != 0)
		return reader_fail(p, "this is no file of window keys: it would begin with \"" MAGIC " " FORMAT "\"");
	if (strcmp(line + strlen(MAGIC " "), FORMAT) != 0)
		return reader_fail(p, "these window keys are of another version: this wgfido reads version " FORMAT);
	value = reader_value(p, "PublicKey");
	if (!value)
		return p->r;
	if (key_from_base64(k->public_key, value) < 0 || key_is_zero(k->public_key))
		return reader_fail(p, "PublicKey is not a key");
	value = reader_value(p, "Window");
	if (!value)
		return p->r;
	if (window_plan_parse(&k->plan, value) < 0)
		return reader_fail(p, "Window is not one: allowed are " WINDOW_PLAN_ALLOWED);
	if (reader_number(p, "First", FIRST_MAX, &k->first) < 0)
		return p->r;
	if (window_at(&k->plan, k->first).start != k->first)
		return reader_fail(p, "First is not where one of these windows begins");
	if (reader_number(p, "Count", WINDOW_COUNT_MAX, &n) < 0)
		return p->r;
	if (n < 1)
		return reader_fail(p, "Count is 0: there is no key");
	k->n = (size_t)n;
	return 0;
}

static int reader_keys(struct reader *p, struct window_keys *k)
{
	const char *line;

	k->keys = calloc(k->n, sizeof(*k->keys));
	if (!k->keys)
		return p->r = -ENOMEM;
	for (size_t i = 0; i < k->n; i++) {
		line = reader_line(p);
		if (p->r < 0)
			return p->r;
		if (!line)
			return reader_fail(p, "the file ends after %zu of %zu keys: copy it again", i, k->n);
		if (key_from_base64(k->keys[i], line) < 0 || key_is_zero(k->keys[i]))
			return reader_fail(p, "this is not a key");
	}
	line = reader_line(p);
	if (p->r == 0 && line)
		return reader_fail(p, "there is more than the %zu keys that Count says", k->n);
	return p->r;
}

int window_keys_parse(struct window_keys **ret, char **ret_error, const char *path, const char *text, size_t len)
{
	struct reader p = { .path = path, .text = text, .len = len };
	struct window_keys *k = calloc(1, sizeof(*k));

	*ret_error = NULL;
	if (!k)
		return -ENOMEM;
	if (len > WINDOW_FILE_MAX)
		reader_fail(&p, "the file is too large: allowed are %u bytes", WINDOW_FILE_MAX);
	else if (reader_header(&p, k) == 0)
		(void)reader_keys(&p, k);
	if (p.r < 0) {
		window_keys_free(k);
		*ret_error = p.error;
		return p.r;
	}
	*ret = k;
	return 0;
}

int window_keys_load(struct window_keys **ret, char **ret_error, const char *path)
{
	char *text = NULL;
	size_t len;
	int r = file_read(&text, &len, AT_FDCWD, path, WINDOW_FILE_MAX);

	*ret_error = NULL;
	if (r == 0)
		r = window_keys_parse(ret, ret_error, path, text, len);
	else if (r == -ENOENT &&
		 asprintf(ret_error, "%s: there is no such file: bring the window keys here that `wgfido gateway IFACE --windows 90d` makes at the other end",
			 path) < 0)
		r = -ENOMEM;
	else if (r != -ENOMEM && r != -ENOENT && asprintf(ret_error, "%s: the window keys cannot be read: %s", path, strerror(-r)) < 0)
		r = -ENOMEM;
	if (r == -ENOMEM)
		*ret_error = NULL;
	free(text);
	return r;
}

int window_keys_format(char **ret, size_t *ret_len, const struct window_keys *k, const char *note)
{
	char key[KEY_BASE64_SIZE], plan[WINDOW_PLAN_TEXT_MAX], *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return -ENOMEM;
	key_to_base64(key, k->public_key);
	fprintf(f, MAGIC " " FORMAT "\n");
	if (note)
		fprintf(f, "# %s\n", note);
	fprintf(f, "PublicKey = %s\nWindow = %s\nFirst = %" PRIu64 "\nCount = %zu\n", key, window_plan_format(plan, &k->plan), k->first,
		k->n);
	for (size_t i = 0; i < k->n; i++) {
		key_to_base64(key, k->keys[i]);
		fprintf(f, "%s\n", key);
	}
	if (fclose(f) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}
