/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/file.h"

#define CONFIG_SUFFIX ".conf"
#define PRESHARED_KEY_FILE_MAX 256

struct config *config_free(struct config *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n_peers; i++) {
		free(c->peers[i].preshared_key_file);
		free(c->peers[i].window_keys_file);
		free(c->peers[i].name);
	}
	free(c->peers);
	free(c->by_key);
	free(c->name);
	free(c->nm_uuid);
	free(c);
	return NULL;
}

const struct config_peer *config_find_peer(const struct config *c, const uint8_t public_key[static KEY_SIZE])
{
	size_t low = 0, high = c->n_peers;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct config_peer *peer = &c->peers[c->by_key[middle]];
		const int r = memcmp(peer->public_key, public_key, KEY_SIZE);

		if (r == 0)
			return peer;
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

int config_load(struct config **ret, char **ret_error, const char *dir, const char *ifname)
{
	char *path = NULL, *text = NULL;
	size_t len;
	int r;

	*ret_error = NULL;
	/* The name may come from the bus: never a path out of dir. */
	if (!ifname_valid(ifname))
		return -ENOENT;
	if (asprintf(&path, "%s/%s" CONFIG_SUFFIX, dir, ifname) < 0)
		return -ENOMEM;
	r = file_read(&text, &len, AT_FDCWD, path, CONFIG_SIZE_MAX);
	if (r == 0)
		r = config_parse(ret, ret_error, path, ifname, text, len);
	else if (r != -ENOENT && r != -ENOMEM && asprintf(ret_error, "%s: cannot be read: %s", path, strerror(-r)) < 0)
		*ret_error = NULL;
	free(text);
	free(path);
	return r;
}

static int list_filter(const struct dirent *d)
{
	const size_t suffix = strlen(CONFIG_SUFFIX), len = strlen(d->d_name);
	char ifname[IF_NAMESIZE];

	if (len <= suffix || len - suffix >= sizeof(ifname) || strcmp(d->d_name + len - suffix, CONFIG_SUFFIX) != 0)
		return 0;
	memcpy(ifname, d->d_name, len - suffix);
	ifname[len - suffix] = '\0';
	return ifname_valid(ifname);
}

static int list_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort, which asks the locale */
}

int config_list(char ***ret, const char *dir)
{
	struct dirent **entries;
	char **list;
	int n, r = 0;

	n = scandir(dir, &entries, list_filter, list_compare);
	if (n < 0)
		return -errno;
	list = calloc((size_t)n + 1, sizeof(*list));
	if (!list)
		r = -ENOMEM;
	for (int i = 0; i < n; i++) {
		if (r == 0) {
			list[i] = strndup(entries[i]->d_name, strlen(entries[i]->d_name) - strlen(CONFIG_SUFFIX));
			if (!list[i])
				r = -ENOMEM;
		}
		free(entries[i]);
	}
	free(entries);
	if (r < 0) {
		config_list_free(list);
		return r;
	}
	*ret = list;
	return 0;
}

void config_list_free(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

int config_load_preshared_key(struct secret **ret, const char *path)
{
	_cleanup_secret_ struct secret *key = NULL;
	struct stat st;
	char *text;
	size_t len;
	int r;

	r = file_read_guarded(&text, &len, AT_FDCWD, path, PRESHARED_KEY_FILE_MAX, &st);
	if (r < 0)
		return r;
	/* The group may be that of the services. */
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		r = -EPERM;
	} else {
		while (len > 0 && strchr(" \t\r\n", text[len - 1]))
			len--;
		r = secret_from_base64(&key, text, len);
	}
	sodium_free(text);
	if (r == 0 && secret_is_zero(key))
		r = -EINVAL;
	if (r == 0)
		*ret = secret_take(&key);
	return r;
}
