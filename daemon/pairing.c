/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/pairing.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/outcome.h"
#include "common/schedule.h"

#define PAIRING_VERSION 1
#define HOST_KEY_NAME "host.key"
#define HOST_KEY_TEXT (KEY_BASE64_SIZE) /* 44 characters and the newline */
#define PAIRINGS_SUBDIR "pairings"
#define FILE_NAME_SIZE (KEY_HEX_SIZE + sizeof(".json"))
#define CREATED_MAX (INT64_C(1) << 52)
#define KEPT_MAX 16 /* that many tokens' pairings are not read anew for each use */

static const struct file_attributes attributes = {.mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1};

struct pairings {
	char *state_dir;
	struct secret *host_key;
	uint8_t host_public[KEY_SIZE];
	size_t n_kept;
	struct {
		uint8_t token_public[KEY_SIZE];
		uint8_t host_index;
	} kept[KEPT_MAX];
};

static bool get_key(uint8_t ret[static KEY_SIZE], json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && key_from_base64(ret, text) == 0;
}

static bool get_number(uint64_t *ret, json_t *object, const char *name, int64_t max)
{
	json_t *v = json_object_get(object, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

static bool parse(struct pairing *p, json_t *root)
{
	json_t *label = json_object_get(root, "label");
	uint64_t version, index;

	if (!json_is_object(root) || json_object_size(root) != 6 || !get_number(&version, root, "version", PAIRING_VERSION) ||
		version != PAIRING_VERSION || !get_key(p->token_public, root, "token_public") ||
		!get_key(p->host_public, root, "host_public") || !get_number(&index, root, "host_index", UINT8_MAX) ||
		!get_number(&p->created, root, "created", CREATED_MAX) || !json_is_string(label) ||
		json_string_length(label) >= sizeof(p->label) || strlen(json_string_value(label)) != json_string_length(label) ||
		!text_valid(json_string_value(label)))
		return false;
	p->host_index = (uint8_t)index;
	strcpy(p->label, json_string_value(label)); /* it fits */
	return !key_is_zero(p->token_public) && !key_is_zero(p->host_public);
}

int pairing_parse(struct pairing *ret, const char *text, size_t len)
{
	struct pairing p = {0};
	json_error_t error;
	json_t *root;
	bool ok;

	root = len <= PAIRING_SIZE_MAX ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &error) : NULL;
	if (!root)
		return len <= PAIRING_SIZE_MAX && json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : OUTCOME_KEYFILE_DAMAGED;
	ok = parse(&p, root);
	json_decref(root);
	if (!ok)
		return OUTCOME_KEYFILE_DAMAGED;
	*ret = p;
	return 0;
}

int pairing_format(char **ret_text, const struct pairing *p)
{
	char token[KEY_BASE64_SIZE], host[KEY_BASE64_SIZE], *text;
	json_t *root;
	int n;

	if (strnlen(p->label, sizeof(p->label)) == sizeof(p->label) || !text_valid(p->label))
		return -EINVAL;
	key_to_base64(token, p->token_public);
	key_to_base64(host, p->host_public);
	root = json_pack("{s:i, s:s, s:s, s:i, s:s, s:I}", "version", PAIRING_VERSION, "token_public", token, "host_public", host, "host_index",
		p->host_index, "label", p->label, "created", (json_int_t)p->created);
	text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
	json_decref(root);
	if (!text)
		return -ENOMEM;
	n = asprintf(ret_text, "%s\n", text);
	free(text);
	return n < 0 ? -ENOMEM : 0;
}

int pairings_new(struct pairings **ret, const char *state_dir)
{
	struct pairings *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->state_dir = strdup(state_dir);
	if (!all->state_dir) {
		free(all);
		return -ENOMEM;
	}
	*ret = all;
	return 0;
}

void pairings_forget(struct pairings *all)
{
	all->host_key = secret_free(all->host_key);
	all->n_kept = 0;
}

struct pairings *pairings_free(struct pairings *all)
{
	if (!all)
		return NULL;
	pairings_forget(all);
	free(all->state_dir);
	free(all);
	return NULL;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int read_host_key(struct secret **ret, int dirfd)
{
	char *text = NULL;
	size_t len;
	int r;

	r = file_read_guarded(&text, &len, dirfd, HOST_KEY_NAME, HOST_KEY_TEXT, NULL);
	if (r == -EFBIG)
		return -EBADMSG;
	if (r < 0)
		return r;
	if (len == HOST_KEY_TEXT && text[len - 1] == '\n')
		r = secret_from_base64(ret, text, len - 1);
	else
		r = -EINVAL;
	sodium_free(text);
	return r == -EINVAL ? -EBADMSG : r;
}

static int make_host_key(struct secret **ret, int dirfd)
{
	_cleanup_secret_ struct secret *key = secret_new(SECRET_KEY_SIZE), *text = secret_new(HOST_KEY_TEXT);
	uint8_t *bytes;
	int r;

	if (!key || !text)
		return -ENOMEM;
	secret_fill_random(key);
	bytes = secret_borrow_mut(key);
	bytes[0] &= 248;
	bytes[31] = (uint8_t)((bytes[31] & 127) | 64);
	secret_to_base64((char *)secret_borrow_mut(text), key);
	secret_borrow_mut(text)[HOST_KEY_TEXT - 1] = '\n';
	r = file_write_atomic(dirfd, HOST_KEY_NAME, secret_borrow(text), HOST_KEY_TEXT, &attributes);
	if (r < 0)
		return r;
	*ret = secret_take(&key);
	return 0;
}

int pairings_host_key(struct pairings *all, const struct secret **ret, bool make)
{
	int dirfd, r = 0;

	if (!all->host_key) {
		dirfd = open_dir(all->state_dir);
		if (dirfd < 0)
			return dirfd;
		r = read_host_key(&all->host_key, dirfd);
		if (r == -ENOENT && make)
			r = make_host_key(&all->host_key, dirfd);
		close(dirfd);
		if (r < 0)
			return r;
		schedule_public(all->host_public, all->host_key);
	}
	*ret = all->host_key;
	return 0;
}

int pairings_channel_key(struct pairings *all, struct secret **ret, const uint8_t token_public[static KEY_SIZE], bool make)
{
	static const uint8_t name[] = "wgfido channel v1";
	_cleanup_secret_ struct secret *key = NULL;
	crypto_generichash_state state;
	const struct secret *host_key;
	int r;

	r = pairings_host_key(all, &host_key, make);
	if (r < 0)
		return r;
	key = secret_new(SECRET_KEY_SIZE);
	if (!key)
		return -ENOMEM;
	/* Clamped where it is used, as RFC 7748 has it. */
	crypto_generichash_init(&state, secret_key(host_key), SECRET_KEY_SIZE, SECRET_KEY_SIZE);
	crypto_generichash_update(&state, name, sizeof(name) - 1);
	crypto_generichash_update(&state, token_public, KEY_SIZE);
	crypto_generichash_final(&state, secret_borrow_mut(key), SECRET_KEY_SIZE);
	sodium_memzero(&state, sizeof(state));
	*ret = secret_take(&key);
	return 0;
}

static void keep(struct pairings *all, const uint8_t token_public[static KEY_SIZE], uint8_t host_index)
{
	size_t i;

	for (i = 0; i < all->n_kept && !key_equal(all->kept[i].token_public, token_public); i++)
		;
	if (i == KEPT_MAX)
		i = randombytes_uniform(KEPT_MAX);
	else if (i == all->n_kept)
		all->n_kept++;
	memcpy(all->kept[i].token_public, token_public, KEY_SIZE);
	all->kept[i].host_index = host_index;
}

static void file_name(char name[static FILE_NAME_SIZE], const uint8_t token_public[static KEY_SIZE])
{
	key_to_hex(name, token_public);
	strcat(name, ".json");
}

static int open_pairings(const struct pairings *all, bool make)
{
	char *path;
	int r;

	if (asprintf(&path, "%s/%s", all->state_dir, PAIRINGS_SUBDIR) < 0)
		return -ENOMEM;
	r = make && mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : open_dir(path);
	free(path);
	return r;
}

int pairings_find(struct pairings *all, uint8_t *ret_host_index, const uint8_t token_public[static KEY_SIZE])
{
	const struct secret *host_key;
	char name[FILE_NAME_SIZE], *text = NULL;
	struct pairing p;
	size_t i, len;
	int dirfd, r;

	r = pairings_host_key(all, &host_key, false);
	if (r < 0)
		return r == -ENOENT ? OUTCOME_NOT_ENROLLED : r;
	for (i = 0; i < all->n_kept; i++)
		if (key_equal(all->kept[i].token_public, token_public)) {
			*ret_host_index = all->kept[i].host_index;
			return 0;
		}
	dirfd = open_pairings(all, false);
	if (dirfd < 0)
		return dirfd == -ENOENT ? OUTCOME_NOT_ENROLLED : dirfd;
	file_name(name, token_public);
	r = file_read(&text, &len, dirfd, name, PAIRING_SIZE_MAX);
	close(dirfd);
	if (r < 0)
		return r == -ENOENT ? OUTCOME_NOT_ENROLLED : r;
	r = pairing_parse(&p, text, len);
	free(text);
	/* One that cannot be read is made anew, by one more touch. */
	if (r == OUTCOME_KEYFILE_DAMAGED)
		return OUTCOME_NOT_ENROLLED;
	if (r != 0)
		return r;
	if (!key_equal(p.token_public, token_public) || !key_equal(p.host_public, all->host_public))
		return OUTCOME_NOT_ENROLLED;
	keep(all, token_public, p.host_index);
	*ret_host_index = p.host_index;
	return 0;
}

int pairings_add(struct pairings *all, struct pairing *p)
{
	const struct secret *host_key;
	char name[FILE_NAME_SIZE], *text = NULL;
	int dirfd, r;

	r = pairings_host_key(all, &host_key, false);
	if (r < 0)
		return r;
	memcpy(p->host_public, all->host_public, sizeof(p->host_public));
	r = pairing_format(&text, p);
	if (r < 0)
		return r;
	dirfd = open_pairings(all, true);
	r = dirfd < 0 ? dirfd : 0;
	file_name(name, p->token_public);
	if (r == 0) {
		(void)file_sweep(dirfd);
		r = file_write_atomic(dirfd, name, text, strlen(text), &attributes);
	}
	if (dirfd >= 0)
		close(dirfd);
	free(text);
	if (r == 0)
		keep(all, p->token_public, p->host_index);
	return r;
}
