/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/wgconf.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/handle.h"

#define MARK "#wgfido# "
#define PLACEHOLDER "(held by wgfido)"
#define KEY_TEXT_LEN (KEY_BASE64_SIZE - 1)

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Where text goes on behind word (lower case), case and blanks not minded; NULL: it does not begin so. */
static const char *skip_word(const char *text, const char *end, const char *word)
{
	while (*word) {
		while (text < end && is_blank(*text))
			text++;
		if (text == end || lower(*text) != *word)
			return NULL;
		text++;
		word++;
	}
	return text;
}

static bool is_all_blank(const char *text, const char *end)
{
	while (text < end && is_blank(*text))
		text++;
	return text == end;
}

static bool is_section(const char *text, const char *end, const char *name)
{
	text = skip_word(text, end, name);
	return text && is_all_blank(text, end);
}

/* The blanks around a value away. */
static void trim(const char **start, const char **end)
{
	while (*start < *end && is_blank(**start))
		(*start)++;
	while (*start < *end && is_blank((*end)[-1]))
		(*end)--;
}

enum section { SECTION_NONE, SECTION_INTERFACE, SECTION_PEER, SECTION_OTHER };

struct scanner {
	struct wgconf *c;
	const char *text;
	enum section section;
	unsigned int line;
};

static int scan_section(struct scanner *s, const char *start, const char *end, const char *line_end)
{
	struct wgconf *c = s->c;

	s->section = SECTION_OTHER;
	if (is_section(start, end, "[interface]")) {
		s->section = SECTION_INTERFACE;
		if (!c->n_interfaces++) {
			c->interface_end = (size_t)(line_end - s->text);
			c->interface_end_is_bare = line_end[-1] != '\n';
			c->crlf = line_end - start >= 2 && !c->interface_end_is_bare && line_end[-2] == '\r';
		}
	} else if (is_section(start, end, "[peer]")) {
		struct wgconf_peer *more = reallocarray(c->peers, c->n_peers + 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->section = SECTION_PEER;
		c->peers = more;
		c->peers[c->n_peers++] = (struct wgconf_peer){.line = s->line};
	}
	return 0;
}

static void scan_private_key(struct scanner *s, const char *line_start, const char *value, const char *end)
{
	struct wgconf *c = s->c;

	trim(&value, &end);
	c->n_keys++;
	c->key_misplaced |= s->section != SECTION_INTERFACE;
	c->key_line = s->line;
	c->key_line_start = (size_t)(line_start - s->text);
	c->key_start = (size_t)(value - s->text);
	c->key_end = (size_t)(end - s->text);
}

static void scan_public_key(struct wgconf_peer *peer, const char *value, const char *end)
{
	char text[KEY_BASE64_SIZE];

	trim(&value, &end);
	if (end - value != KEY_TEXT_LEN)
		return;
	memcpy(text, value, KEY_TEXT_LEN);
	text[KEY_TEXT_LEN] = '\0';
	peer->has_public_key = key_from_base64(peer->public_key, text) >= 0;
}

static void scan_preshared_key(struct wgconf_peer *peer, const char *value, const char *end)
{
	static const char zero[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

	trim(&value, &end);
	peer->has_preshared_key = true;
	peer->preshared_key_is_zero = end - value == KEY_TEXT_LEN && !sodium_memcmp(value, zero, KEY_TEXT_LEN);
}

/* A comment of ours: the mark, the key's name as it was written, the placeholder, and what followed. */
static void scan_held(struct scanner *s, const char *start, const char *line_end)
{
	const char *behind = start + strlen(MARK), *key;

	if ((size_t)(line_end - start) < strlen(MARK) || memcmp(start, MARK, strlen(MARK)))
		return;
	key = skip_word(behind, line_end, "privatekey=");
	while (key && key < line_end && is_blank(*key))
		key++;
	if (!key || (size_t)(line_end - key) < strlen(PLACEHOLDER) || memcmp(key, PLACEHOLDER, strlen(PLACEHOLDER)))
		return;
	if (s->c->n_held++)
		return;
	s->c->held_line = s->line;
	s->c->held_mark = (size_t)(start - s->text);
	s->c->held_start = (size_t)(behind - s->text);
	s->c->held_key = (size_t)(key - s->text);
}

static int scan_line(struct scanner *s, const char *start, const char *line_end)
{
	const char *end = memchr(start, '#', (size_t)(line_end - start)), *value;
	const char *content = start;
	struct wgconf *c = s->c;

	scan_held(s, start, line_end);
	if (!end)
		end = line_end;
	while (content < end && is_blank(*content))
		content++;
	if (content < end && *content == '[')
		return scan_section(s, start, end, line_end);
	if ((value = skip_word(start, end, "privatekey="))) {
		scan_private_key(s, start, value, end);
	} else if (s->section == SECTION_INTERFACE && (value = skip_word(start, end, "saveconfig="))) {
		/* What is not "false" makes wg-quick save, or die. */
		if (!is_section(value, end, "false")) {
			c->save_config = true;
			c->save_config_line = s->line;
		}
	} else if (s->section == SECTION_PEER && (value = skip_word(start, end, "publickey="))) {
		scan_public_key(&c->peers[c->n_peers - 1], value, end);
	} else if (s->section == SECTION_PEER && (value = skip_word(start, end, "presharedkey="))) {
		scan_preshared_key(&c->peers[c->n_peers - 1], value, end);
	}
	return 0;
}

int wgconf_scan(struct wgconf *ret, const char *text, size_t len)
{
	struct wgconf c = {};
	struct scanner s = {&c, text, SECTION_NONE, 0};
	const char *end = text + len;

	c.has_nul = memchr(text, '\0', len);
	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *next = newline ? newline + 1 : end;

		s.line++;
		if (scan_line(&s, line, next) < 0) {
			wgconf_clear(&c);
			return -ENOMEM;
		}
		line = next;
	}
	*ret = c;
	return 0;
}

void wgconf_clear(struct wgconf *c)
{
	free(c->peers);
	*c = (struct wgconf){};
}

enum wgconf_problem wgconf_may_take(const struct wgconf *c, unsigned int *ret_line)
{
	*ret_line = 0;
	if (c->has_nul)
		return WGCONF_BINARY;
	if (!c->n_interfaces)
		return WGCONF_NO_INTERFACE;
	if (c->save_config) {
		*ret_line = c->save_config_line;
		return WGCONF_SAVES;
	}
	if (!c->n_keys)
		return WGCONF_NO_KEY;
	*ret_line = c->key_line;
	if (c->n_keys > 1)
		return WGCONF_SEVERAL_KEYS;
	if (c->key_misplaced)
		return WGCONF_KEY_MISPLACED;
	*ret_line = 0;
	return WGCONF_FINE;
}

const char *wgconf_problem_words(enum wgconf_problem p)
{
	switch (p) {
	case WGCONF_FINE:
		return "is fine";
	case WGCONF_BINARY:
		return "is no text: restore it from a backup";
	case WGCONF_NO_INTERFACE:
		return "has no [Interface]: is it a wg-quick file?";
	case WGCONF_NO_KEY:
		return "has no PrivateKey line: put the key there first, or make a new one with `wgfido enroll`";
	case WGCONF_SEVERAL_KEYS:
		return "has more than one PrivateKey line: remove those that are not in use";
	case WGCONF_KEY_MISPLACED:
		return "has a PrivateKey line outside of [Interface]: move it there";
	case WGCONF_SAVES:
		return "has SaveConfig = true, which would write the key back: remove that line first";
	}
	return "";
}

int wgconf_key(struct secret **ret, const struct wgconf *c, const char *text)
{
	return secret_from_base64(ret, text + c->key_start, c->key_end - c->key_start);
}

bool wgconf_handle(uint8_t ret[static KEY_SIZE], const struct wgconf *c, const char *text)
{
	_cleanup_secret_ struct secret *key = NULL;

	if (c->n_keys != 1 || c->key_misplaced || wgconf_key(&key, c, text) < 0 || !handle_is_secret(key))
		return false;
	memcpy(ret, secret_key(key), KEY_SIZE); /* it says nothing secret */
	return true;
}

/* One growing end in a buffer of known size. */
static char *add(char *at, const void *data, size_t len)
{
	if (len)
		memcpy(at, data, len);
	return at + len;
}

/* sodium_malloc(0) is fine, but a NUL behind the text keeps the mistakes of others harmless. */
static char *buffer_new(size_t len)
{
	char *buf = sodium_malloc(len + 1);

	if (buf)
		buf[len] = '\0';
	return buf;
}

int wgconf_take(char **ret, size_t *ret_len, const struct wgconf *c, const char *text, size_t len)
{
	size_t total = len - (c->key_end - c->key_start) + strlen(MARK) + strlen(PLACEHOLDER);
	char *buf = buffer_new(total), *at = buf;

	if (!buf)
		return -ENOMEM;
	at = add(at, text, c->key_line_start);
	at = add(at, MARK, strlen(MARK));
	at = add(at, text + c->key_line_start, c->key_start - c->key_line_start);
	at = add(at, PLACEHOLDER, strlen(PLACEHOLDER));
	add(at, text + c->key_end, len - c->key_end);
	*ret = buf;
	*ret_len = total;
	return 0;
}

/* In place of the placeholder, the mark away. */
static char *put_back(size_t *ret_len, const struct wgconf *c, const char *text, size_t len, const struct secret *key)
{
	size_t total = len - strlen(MARK) - strlen(PLACEHOLDER) + KEY_TEXT_LEN;
	size_t behind = c->held_key + strlen(PLACEHOLDER);
	char *buf = buffer_new(total), *at = buf;

	if (!buf)
		return NULL;
	at = add(at, text, c->held_mark);
	at = add(at, text + c->held_start, c->held_key - c->held_start);
	secret_to_base64(at, key);
	add(at + KEY_TEXT_LEN, text + behind, len - behind);
	*ret_len = total;
	return buf;
}

/* A line of its own behind [Interface]: somebody removed ours. */
static char *put_new(size_t *ret_len, const struct wgconf *c, const char *text, size_t len, const struct secret *key)
{
	const char *before = c->interface_end_is_bare ? "\nPrivateKey = " : "PrivateKey = ";
	const char *after = c->crlf ? "\r\n" : "\n";
	size_t total = len + strlen(before) + KEY_TEXT_LEN + strlen(after);
	char *buf = buffer_new(total), *at = buf;

	if (!buf)
		return NULL;
	at = add(at, text, c->interface_end);
	at = add(at, before, strlen(before));
	secret_to_base64(at, key);
	at = add(at + KEY_TEXT_LEN, after, strlen(after));
	add(at, text + c->interface_end, len - c->interface_end);
	*ret_len = total;
	return buf;
}

/* Would wg(8) read this key from it? */
static int gives_key(const char *text, size_t len, const struct secret *key)
{
	_cleanup_secret_ struct secret *found = NULL;
	struct wgconf c;
	bool right;
	int r;

	r = wgconf_scan(&c, text, len);
	if (r < 0)
		return r;
	right = c.n_keys == 1 && !c.key_misplaced && wgconf_key(&found, &c, text) >= 0 && secret_equal(found, key);
	wgconf_clear(&c);
	return right ? 0 : -EBADMSG;
}

int wgconf_put(char **ret, size_t *ret_len, const struct wgconf *c, const char *text, size_t len, const struct secret *key)
{
	char *buf;
	int r;

	if (c->n_keys)
		return -EEXIST;
	if (!c->n_held && !c->n_interfaces)
		return -EBADMSG;
	buf = c->n_held ? put_back(ret_len, c, text, len, key) : put_new(ret_len, c, text, len, key);
	if (!buf)
		return -ENOMEM;
	r = gives_key(buf, *ret_len, key);
	if (r < 0) {
		sodium_free(buf);
		return r;
	}
	*ret = buf;
	return 0;
}
