/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inih splits and trims the lines; the reader in front of it hands over lines it cannot misread (no comments, no leading
 * blanks: those would mean "continued" to it) and keeps count of them, since the distribution's inih tells its handler
 * neither the line nor that a section begins.
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config.h"
#include "common/names.h"
#include "common/schedule.h"

enum section { SECTION_NONE, SECTION_INTERFACE, SECTION_PEER };

#define N_KEYS_MAX 16
#define NAME_SHOWN_MAX 32

struct parser {
	const char *path;
	const char *text;
	size_t len, pos;
	unsigned int line;

	struct config *config;
	size_t peers_room;
	enum section section;
	unsigned int section_line, interface_line;
	unsigned int seen_line[N_KEYS_MAX];   /* of each key in this section; 0: not yet */
	unsigned int scope_line;	      /* where ApprovalScope = peer is, 0: nowhere */
	unsigned int windows_line;	      /* of this [Peer]'s window keys, 0: none */
	unsigned int psk_only_line;	      /* the first key that only psk mode knows */
	const char *psk_only_name;

	int r;
	char *error;
};

static const char *const mode_names[] = { [CONFIG_MODE_PSK] = "psk", [CONFIG_MODE_IDENTITY] = "identity" };
static const char *const scope_names[] = {
	[CONFIG_SCOPE_PEER] = "peer",
	[CONFIG_SCOPE_TUNNEL] = "tunnel",
	[CONFIG_SCOPE_GLOBAL] = "global",
};
static const char *const schedule_names[] = { [CONFIG_SCHEDULE_TIME] = "time", [CONFIG_SCHEDULE_STATIC] = "static" };
static const char *const on_close_names[] = { [CONFIG_ON_CLOSE_KEEP] = "keep", [CONFIG_ON_CLOSE_DEACTIVATE] = "deactivate" };
static const struct {
	const char *name;
	unsigned int flag;
} end_on_names[] = {
	{ "suspend", CONFIG_END_SUSPEND },
	{ "lock", CONFIG_END_LOCK },
	{ "logout", CONFIG_END_LOGOUT },
};
#define N_NAMES(names) (sizeof(names) / sizeof((names)[0]))

const char *config_mode_name(enum config_mode m)
{
	return mode_names[m];
}

const char *config_scope_name(enum config_scope s)
{
	return scope_names[s];
}

const char *config_schedule_name(enum config_schedule s)
{
	return schedule_names[s];
}

/* Only the first error counts. Values are not repeated in messages: somebody may have put a private key there. */
__attribute__((format(printf, 3, 4))) static int parser_fail(struct parser *p, unsigned int line, const char *format, ...)
{
	char *what = NULL;
	va_list ap;
	int n;

	if (p->r < 0)
		return p->r;
	va_start(ap, format);
	n = vasprintf(&what, format, ap);
	va_end(ap);
	if (n < 0 || asprintf(&p->error, "%s:%u: %s", p->path, line, what) < 0) {
		p->error = NULL;
		p->r = -ENOMEM;
	} else {
		p->r = -EINVAL;
	}
	if (n >= 0)
		free(what);
	return p->r;
}

static struct config_peer *parser_peer(struct parser *p)
{
	return &p->config->peers[p->config->n_peers - 1];
}

static int set_key(struct parser *p, const char *key, uint8_t ret[static KEY_SIZE], const char *value)
{
	if (key_from_base64(ret, value) < 0)
		return parser_fail(p, p->line, "%s is not a key: allowed are the 44 characters of base64 that wg(8) prints",
			key);
	if (key_is_zero(ret))
		return parser_fail(p, p->line, "%s is all zeros, which is nobody's key", key);
	return 0;
}

static int set_name(struct parser *p, const char *key, char **ret, const char *value)
{
	if (strlen(value) > CONFIG_NAME_MAX)
		return parser_fail(p, p->line, "%s is too long: allowed are %d bytes", key, CONFIG_NAME_MAX);
	*ret = strdup(value);
	if (!*ret)
		p->r = -ENOMEM;
	return p->r;
}

/* -1 when there is no such name */
static int find_name(const char *const *names, size_t n, const char *value)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(names[i], value) == 0)
			return (int)i;
	return -1;
}

static int set_mode(struct parser *p, const char *key, const char *value)
{
	const int i = find_name(mode_names, N_NAMES(mode_names), value);

	if (i < 0)
		return parser_fail(p, p->line, "%s = %s is unknown; allowed: psk, identity", key, value);
	p->config->mode = (enum config_mode)i;
	return 0;
}

static int set_interface_public_key(struct parser *p, const char *key, const char *value)
{
	p->config->has_public_key = true;
	return set_key(p, key, p->config->public_key, value);
}

static int set_interface_name(struct parser *p, const char *key, const char *value)
{
	return set_name(p, key, &p->config->name, value);
}

static int set_lifetime(struct parser *p, const char *key, const char *value)
{
	uint64_t seconds;

	if (duration_parse(&seconds, value) < 0 || seconds < 1 || seconds > WGFIDO_LIFETIME_MAX_SECONDS)
		return parser_fail(p, p->line, "%s is not a duration that is allowed: 1s to %dh, such as 8h, 90m or 1h30m",
			key, WGFIDO_LIFETIME_MAX_SECONDS / 3600);
	p->config->lifetime_seconds = (uint32_t)seconds;
	return 0;
}

static int set_scope(struct parser *p, const char *key, const char *value)
{
	const int i = find_name(scope_names, N_NAMES(scope_names), value);

	if (i < 0)
		return parser_fail(p, p->line, "%s = %s is unknown; allowed: peer, tunnel, global", key, value);
	p->config->scope = (enum config_scope)i;
	p->scope_line = i == CONFIG_SCOPE_PEER ? p->line : 0;
	return 0;
}

static int set_end_on(struct parser *p, const char *key, const char *value)
{
	unsigned int flags = 0;

	if (strcasecmp(value, "none") == 0) {
		p->config->end_on = 0;
		return 0;
	}
	for (const char *word = value;; word++) {
		const char *comma = strchrnul(word, ',');
		size_t len, i;

		word += strspn(word, " ");
		len = comma > word ? (size_t)(comma - word) : 0;
		while (len > 0 && word[len - 1] == ' ')
			len--;
		for (i = 0; i < N_NAMES(end_on_names); i++)
			if (strlen(end_on_names[i].name) == len && strncasecmp(end_on_names[i].name, word, len) == 0)
				break;
		if (i == N_NAMES(end_on_names))
			return parser_fail(p, p->line,
				"%s = %s is unknown; allowed: none, or a list of suspend, lock, logout with commas between", key,
				value);
		flags |= end_on_names[i].flag;
		if (!*comma)
			break;
		word = comma;
	}
	p->config->end_on = flags;
	return 0;
}

static int set_on_close(struct parser *p, const char *key, const char *value)
{
	const int i = find_name(on_close_names, N_NAMES(on_close_names), value);

	if (i < 0)
		return parser_fail(p, p->line, "%s = %s is unknown; allowed: keep, deactivate", key, value);
	p->config->on_close = (enum config_on_close)i;
	return 0;
}

/* Nothing opens by it: it says to the command line whose keys these are. */
static int set_nm_uuid(struct parser *p, const char *key, const char *value)
{
	const size_t len = strlen(value);

	if (len < 32 || len > 40 || strspn(value, "0123456789abcdefABCDEF-") != len)
		return parser_fail(p, p->line, "%s is no UUID of a connection: `nmcli connection` lists them", key);
	p->config->nm_uuid = strdup(value);
	if (!p->config->nm_uuid)
		p->r = -ENOMEM;
	return p->r;
}

static int set_slot_seconds(struct parser *p, const char *key, const char *value)
{
	uint64_t seconds;

	if (duration_parse(&seconds, value) < 0 || !schedule_slot_seconds_valid(seconds))
		return parser_fail(p, p->line, "%s is not allowed: a divisor of %d from %d to %d", key, SCHEDULE_EPOCH_SECONDS,
			SCHEDULE_SLOT_SECONDS_MIN, SCHEDULE_SLOT_SECONDS);
	p->config->slot_seconds = (uint32_t)seconds;
	return 0;
}

static int set_peer_public_key(struct parser *p, const char *key, const char *value)
{
	return set_key(p, key, parser_peer(p)->public_key, value);
}

static int set_peer_token_public_key(struct parser *p, const char *key, const char *value)
{
	parser_peer(p)->has_token_public_key = true;
	return set_key(p, key, parser_peer(p)->token_public_key, value);
}

static int set_peer_preshared_key_file(struct parser *p, const char *key, const char *value)
{
	if (value[0] != '/')
		return parser_fail(p, p->line, "%s must be an absolute path: the services have no working directory", key);
	parser_peer(p)->preshared_key_file = strdup(value);
	if (!parser_peer(p)->preshared_key_file)
		p->r = -ENOMEM;
	return p->r;
}

static int set_peer_window_keys_file(struct parser *p, const char *key, const char *value)
{
	p->windows_line = p->line;
	if (value[0] != '/')
		return parser_fail(p, p->line, "%s must be an absolute path: the services have no working directory", key);
	parser_peer(p)->window_keys_file = strdup(value);
	if (!parser_peer(p)->window_keys_file)
		p->r = -ENOMEM;
	return p->r;
}

static int set_peer_window_keys(struct parser *p, const char *key, const char *value)
{
	p->windows_line = p->line;
	if (window_plan_parse(&parser_peer(p)->window_keys, value) < 0)
		return parser_fail(p, p->line, "%s is not allowed: %s", key, WINDOW_PLAN_ALLOWED);
	parser_peer(p)->has_window_keys = true;
	return 0;
}

static int set_peer_schedule(struct parser *p, const char *key, const char *value)
{
	const int i = find_name(schedule_names, N_NAMES(schedule_names), value);

	if (i < 0)
		return parser_fail(p, p->line, "%s = %s is unknown; allowed: time, static", key, value);
	parser_peer(p)->schedule = (enum config_schedule)i;
	return 0;
}

static int set_peer_name(struct parser *p, const char *key, const char *value)
{
	return set_name(p, key, &parser_peer(p)->name, value);
}

/* A new key is a row here, a setter above, and a member in config.h. */
static const struct config_key {
	enum section section;
	const char *name;
	int (*set)(struct parser *p, const char *key, const char *value);
	bool psk_only;
} config_keys[] = {
	{ SECTION_INTERFACE, "Mode", set_mode },
	{ SECTION_INTERFACE, "PublicKey", set_interface_public_key },
	{ SECTION_INTERFACE, "Name", set_interface_name },
	{ SECTION_INTERFACE, "ApprovalLifetime", set_lifetime },
	{ SECTION_INTERFACE, "ApprovalScope", set_scope },
	{ SECTION_INTERFACE, "EndOn", set_end_on },
	{ SECTION_INTERFACE, "OnClose", set_on_close },
	{ SECTION_INTERFACE, "SlotSeconds", set_slot_seconds },
	{ SECTION_INTERFACE, "NetworkManager", set_nm_uuid },
	{ SECTION_PEER, "PublicKey", set_peer_public_key },
	{ SECTION_PEER, "Name", set_peer_name },
	{ SECTION_PEER, "TokenPublicKey", set_peer_token_public_key, .psk_only = true },
	{ SECTION_PEER, "PresharedKeyFile", set_peer_preshared_key_file, .psk_only = true },
	{ SECTION_PEER, "Schedule", set_peer_schedule, .psk_only = true },
	{ SECTION_PEER, "WindowKeys", set_peer_window_keys, .psk_only = true },
	{ SECTION_PEER, "WindowKeysFile", set_peer_window_keys_file, .psk_only = true },
};
_Static_assert(N_NAMES(config_keys) <= N_KEYS_MAX, "seen_line has a place for every key");

static const char *const section_names[] = {
	[SECTION_NONE] = "",
	[SECTION_INTERFACE] = "Interface",
	[SECTION_PEER] = "Peer",
};

static int parser_fail_unknown_key(struct parser *p, const char *name)
{
	char allowed[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < N_NAMES(config_keys) && used < sizeof(allowed); i++)
		if (config_keys[i].section == p->section)
			used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
				config_keys[i].name);
	/* A line that is nothing but a private key reads as "name =" as well, where its base64 has neither + nor /. */
	if (strlen(name) > NAME_SHOWN_MAX)
		return parser_fail(p, p->line, "unknown key in [%s]; allowed: %s", section_names[p->section], allowed);
	return parser_fail(p, p->line, "unknown key \"%s\" in [%s]; allowed: %s", name, section_names[p->section], allowed);
}

static bool parser_seen(const struct parser *p, int (*set)(struct parser *p, const char *key, const char *value))
{
	for (size_t i = 0; i < N_NAMES(config_keys); i++)
		if (config_keys[i].set == set)
			return p->seen_line[i] != 0;
	return false;
}

static int parser_end_section(struct parser *p)
{
	switch (p->section) {
	case SECTION_NONE:
		break;
	case SECTION_INTERFACE:
		if (!parser_seen(p, set_mode))
			return parser_fail(p, p->section_line,
				"[Interface] has no Mode; add \"Mode = psk\" or \"Mode = identity\"");
		if (p->config->mode == CONFIG_MODE_PSK && !p->config->has_public_key)
			return parser_fail(p, p->section_line,
				"[Interface] has no PublicKey; Mode = psk needs this side's WireGuard public key");
		break;
	case SECTION_PEER:
		if (!parser_seen(p, set_peer_public_key))
			return parser_fail(p, p->section_line, "[Peer] has no PublicKey; add the peer's WireGuard public key");
		if (parser_peer(p)->has_window_keys && !parser_peer(p)->has_token_public_key)
			return parser_fail(p, p->windows_line,
				"WindowKeys is of a peer with a token: add its TokenPublicKey (window keys that a peer made are a WindowKeysFile)");
		if (p->windows_line && parser_peer(p)->schedule != CONFIG_SCHEDULE_TIME)
			return parser_fail(p, p->windows_line, "window keys need Schedule = time");
		break;
	}
	return 0;
}

static int parser_add_peer(struct parser *p)
{
	struct config *c = p->config;

	if (c->n_peers == p->peers_room) {
		const size_t room = p->peers_room ? p->peers_room * 2 : 4;
		struct config_peer *peers = reallocarray(c->peers, room, sizeof(*peers));

		if (!peers)
			return p->r = -ENOMEM;
		c->peers = peers;
		p->peers_room = room;
	}
	c->peers[c->n_peers++] = (struct config_peer){ .line = p->line };
	return 0;
}

static int parser_begin_section(struct parser *p, const char *header)
{
	if (parser_end_section(p) < 0)
		return p->r;
	p->section_line = p->line;
	p->windows_line = 0;
	memset(p->seen_line, 0, sizeof(p->seen_line));
	if (strcasecmp(header, "[Peer]") == 0) {
		p->section = SECTION_PEER;
		return parser_add_peer(p);
	}
	if (strcasecmp(header, "[Interface]") != 0)
		return parser_fail(p, p->line, "unknown section \"%s\"; allowed: [Interface], [Peer]", header);
	if (p->interface_line)
		return parser_fail(p, p->line, "a second [Interface], the first is in line %u", p->interface_line);
	p->section = SECTION_INTERFACE;
	p->interface_line = p->line;
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Is it "Key = value" to inih as well? It would take a ':' for the '='. */
static bool is_assignment(const char *line)
{
	const char *p = line;

	while (isalnum((unsigned char)*p))
		p++;
	return p > line && p[strspn(p, " ")] == '=';
}

static char *parser_read_line(char *buf, int size, void *stream)
{
	struct parser *p = stream;

	while (p->r == 0 && p->pos < p->len) {
		const char *line = p->text + p->pos, *end = memchr(line, '\n', p->len - p->pos);
		size_t len = end ? (size_t)(end - line) : p->len - p->pos;

		p->pos += len + (end != NULL);
		p->line++;
		for (size_t i = 0; i < len; i++)
			if (line[i] == '#' || line[i] == ';')
				len = i;
		while (len > 0 && is_blank(line[len - 1]))
			len--;
		for (; len > 0 && is_blank(*line); line++)
			len--;
		if (len == 0)
			continue;
		if (len + 2 > (size_t)size) {
			parser_fail(p, p->line, "the line is too long: allowed are %d characters", size - 2);
			break;
		}
		for (size_t i = 0; i < len; i++)
			buf[i] = line[i] == '\t' ? ' ' : line[i];
		buf[len] = '\0';
		if (strlen(buf) != len || !text_valid(buf)) {
			parser_fail(p, p->line, "the line has a control character or is not UTF-8");
			break;
		}
		if (buf[0] == '[') {
			if (parser_begin_section(p, buf) < 0)
				break;
		} else if (!is_assignment(buf)) {
			parser_fail(p, p->line, "this is neither [Section] nor Key = value");
			break;
		}
		return buf;
	}
	return NULL;
}

static int parser_handle(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;

	(void)section; /* the reader knows */
	if (p->r < 0)
		return 0;
	if (p->section == SECTION_NONE) {
		parser_fail(p, p->line, "\"%s\" stands before the first section; put it under [Interface] or [Peer]",
			strlen(name) > NAME_SHOWN_MAX ? "..." : name);
		return 0;
	}
	for (size_t i = 0; i < N_NAMES(config_keys); i++) {
		const struct config_key *key = &config_keys[i];

		if (key->section != p->section || strcasecmp(key->name, name) != 0)
			continue;
		if (p->seen_line[i]) {
			parser_fail(p, p->line, "%s is given twice in this [%s], first in line %u", key->name,
				section_names[p->section], p->seen_line[i]);
			return 0;
		}
		if (!*value) {
			parser_fail(p, p->line, "%s has no value", key->name);
			return 0;
		}
		p->seen_line[i] = p->line;
		if (key->psk_only && !p->psk_only_line) {
			p->psk_only_line = p->line;
			p->psk_only_name = key->name;
		}
		return key->set(p, key->name, value) == 0;
	}
	parser_fail_unknown_key(p, name);
	return 0;
}

static int compare_by_key(const void *a, const void *b, void *user)
{
	const struct config_peer *peers = user;
	const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const int r = memcmp(peers[i].public_key, peers[j].public_key, KEY_SIZE);

	return r ? r : (i > j) - (i < j);
}

static int parser_index_peers(struct parser *p)
{
	struct config *c = p->config;

	c->by_key = calloc(c->n_peers + 1, sizeof(c->by_key[0]));
	if (!c->by_key)
		return p->r = -ENOMEM;
	for (uint32_t i = 0; i < c->n_peers; i++)
		c->by_key[i] = i;
	qsort_r(c->by_key, c->n_peers, sizeof(c->by_key[0]), compare_by_key, c->peers);
	for (size_t i = 1; i < c->n_peers; i++) {
		const struct config_peer *first = &c->peers[c->by_key[i - 1]], *second = &c->peers[c->by_key[i]];

		if (memcmp(first->public_key, second->public_key, KEY_SIZE) == 0)
			return parser_fail(p, second->line, "this [Peer] has the PublicKey of the one in line %u; remove one of the two",
				first->line);
	}
	return 0;
}

/* What can be judged only when everything has been read. */
static int parser_finish(struct parser *p)
{
	struct config *c = p->config;
	const struct config_peer *self;

	if (p->r < 0 || parser_end_section(p) < 0)
		return p->r;
	if (!p->interface_line)
		return parser_fail(p, p->line ? p->line : 1, "there is no [Interface] section");
	if (c->mode == CONFIG_MODE_IDENTITY && p->scope_line)
		return parser_fail(p, p->scope_line,
			"ApprovalScope = peer needs Mode = psk, an identity opens every peer; allowed: tunnel, global");
	if (c->mode == CONFIG_MODE_IDENTITY && p->psk_only_line)
		return parser_fail(p, p->psk_only_line, "%s needs Mode = psk", p->psk_only_name);
	if (parser_index_peers(p) < 0)
		return p->r;
	self = c->has_public_key ? config_find_peer(c, c->public_key) : NULL;
	if (self)
		return parser_fail(p, self->line, "this [Peer] has the PublicKey of the [Interface], which is this side");
	return 0;
}

int config_parse(struct config **ret, char **ret_error, const char *path, const char *ifname, const char *text, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";
	struct parser p = { .path = path, .text = text, .len = len };

	*ret_error = NULL;
	if (len >= 3 && memcmp(text, bom, 3) == 0)
		p.pos = 3;
	p.config = calloc(1, sizeof(*p.config));
	if (!p.config)
		return -ENOMEM;
	*p.config = (struct config){
		.lifetime_seconds = WGFIDO_LIFETIME_DEFAULT_SECONDS,
		.scope = CONFIG_SCOPE_TUNNEL,
		.end_on = CONFIG_END_SUSPEND,
		.slot_seconds = SCHEDULE_SLOT_SECONDS,
	};
	if (!ifname_valid(ifname))
		parser_fail(&p, 1, "the file's name is not that of an interface");
	else if (len > CONFIG_SIZE_MAX)
		parser_fail(&p, 1, "the file is too large: allowed are %u bytes", CONFIG_SIZE_MAX);
	else
		strcpy(p.config->ifname, ifname);
	/* Every line that inih could object to was refused by the reader. */
	if (p.r == 0 && ini_parse_stream(parser_read_line, &p, parser_handle, &p) != 0 && p.r == 0)
		parser_fail(&p, p.line, "this is neither [Section] nor Key = value");
	parser_finish(&p);
	if (p.r < 0) {
		config_free(p.config);
		*ret_error = p.error;
		return p.r;
	}
	*ret = p.config;
	return 0;
}
