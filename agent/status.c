/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/status.h"
#include "common/clock.h"
#include "common/file.h"

#define STATE_FILE_MAX (4u << 20)

const char *status_state_name(enum status_state s)
{
	switch (s) {
	case STATUS_ABSENT:
		return "absent";
	case STATUS_CLOSED:
		return "closed";
	case STATUS_OPEN:
		return "open";
	case STATUS_ERROR:
		return "error";
	}
	return "error";
}

const char *status_peer_state_name(enum status_peer_state s)
{
	switch (s) {
	case STATUS_PEER_CLOSED:
		return "closed";
	case STATUS_PEER_OPEN:
		return "open";
	case STATUS_PEER_ROTATED:
		return "rotated";
	case STATUS_PEER_HUNTING:
		return "hunting";
	case STATUS_PEER_REFUSED:
		return "refused";
	}
	return "closed";
}

struct text {
	char *buf;
	size_t len, size;
};

/* The callback of json_dump_callback: grows the text, keeps a NUL behind it. */
static int text_append(const char *data, size_t len, void *userdata)
{
	struct text *t = userdata;

	if (t->size - t->len <= len) {
		const size_t size = (t->len + len + 1) * 2;
		char *buf = realloc(t->buf, size);

		if (!buf)
			return -1;
		t->buf = buf;
		t->size = size;
	}
	memcpy(t->buf + t->len, data, len);
	t->len += len;
	t->buf[t->len] = '\0';
	return 0;
}

static int text_json(struct text *t, json_t *json, size_t flags)
{
	int r;

	if (!json)
		return -ENOMEM;
	r = json_dump_callback(json, text_append, t, flags | JSON_COMPACT);
	json_decref(json);
	return r < 0 ? -ENOMEM : 0;
}

static int text_peer(struct text *t, const struct status_peer *p)
{
	char key[KEY_BASE64_SIZE];
	json_t *json;

	key_to_base64(key, p->public_key);
	json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "public_key", key, "name", p->name ? p->name : "", "state",
		status_peer_state_name(p->state), "slot", (json_int_t)p->slot, "slot_end", (json_int_t)p->slot_end, "offset",
		(json_int_t)p->offset, "last_handshake", (json_int_t)(p->last_handshake_us / US_PER_SEC), "drift_repaired",
		(json_int_t)p->drift_repaired);
	if (json && p->reason)
		json_object_set_new(json, "reason", json_string(p->reason));
	return text_json(t, json, 0);
}

int status_format(char **ret, size_t *ret_len, const struct status *s)
{
	struct text t = { 0 };
	int r;

	/* The head as one object, then the peers appended by hand: a tree of ten thousand would take tens of megabytes. */
	r = text_append("{", 1, &t) < 0 ? -ENOMEM : 0;
	if (r == 0)
		r = text_json(&t,
			json_pack("{s:s, s:s?, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "interface", s->ifname, "mode",
				s->has_mode ? config_mode_name(s->mode) : NULL, "role", s->gateway ? "gateway" : "client", "backend",
				s->backend ? s->backend : "none", "state", status_state_name(s->state), "reason", s->reason,
				"problem", s->problem, "changed_boottime_us", (json_int_t)s->changed_us, "closed_boottime_us",
				(json_int_t)s->closed_us, "unguarded", (json_int_t)s->n_unguarded),
			JSON_EMBED);
	if (r == 0 && text_append(",\"peers\":[", 10, &t) < 0)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < s->n_peers; i++) {
		struct status_peer p = { 0 };

		s->peer(s->userdata, i, &p);
		if (text_append(i ? ",\n" : "\n", i ? 2 : 1, &t) < 0)
			r = -ENOMEM;
		else
			r = text_peer(&t, &p);
	}
	if (r == 0 && text_append("]}\n", 3, &t) < 0)
		r = -ENOMEM;
	if (r < 0) {
		free(t.buf);
		return r;
	}
	*ret = t.buf;
	*ret_len = t.len;
	return 0;
}

int status_write(const char *run_dir, const char *ifname, const char *text, size_t len)
{
	const struct file_attributes attributes = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.json", run_dir, ifname) >= sizeof(path))
		return -ENAMETOOLONG;
	return file_write_atomic(AT_FDCWD, path, text, len, &attributes);
}

void status_remove(const char *run_dir, const char *ifname)
{
	static const char *const suffixes[] = { "json", "state" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if ((size_t)snprintf(path, sizeof(path), "%s/%s.%s", run_dir, ifname, suffixes[i]) < sizeof(path))
			(void)unlink(path);
}

static int keepalive_parse(struct keepalive **ret, size_t *ret_n, const json_t *json, uint32_t ifindex)
{
	json_t *peers = json_object_get(json, "keepalive"), *value;
	struct keepalive *all;
	const char *key;
	size_t n = 0;

	if (json_integer_value(json_object_get(json, "ifindex")) != (json_int_t)ifindex || json_object_size(peers) == 0)
		return 0;
	all = calloc(json_object_size(peers), sizeof(*all));
	if (!all)
		return -ENOMEM;
	json_object_foreach (peers, key, value) {
		const json_int_t seconds = json_integer_value(value);

		if (key_from_base64(all[n].public_key, key) == 0 && seconds > 0 && seconds <= UINT16_MAX)
			all[n++].seconds = (uint16_t)seconds;
	}
	*ret = all;
	*ret_n = n;
	return 0;
}

int keepalive_load(struct keepalive **ret, size_t *ret_n, const char *run_dir, const char *ifname, uint32_t ifindex)
{
	char path[PATH_MAX], *text = NULL;
	json_t *json;
	size_t len;
	int r;

	*ret = NULL;
	*ret_n = 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s.state", run_dir, ifname) >= sizeof(path))
		return -ENAMETOOLONG;
	if (file_read(&text, &len, AT_FDCWD, path, STATE_FILE_MAX) < 0)
		return 0;
	json = json_loadb(text, len, 0, NULL);
	free(text);
	if (!json)
		return 0;
	r = keepalive_parse(ret, ret_n, json, ifindex);
	json_decref(json);
	return r;
}

int keepalive_save(const char *run_dir, const char *ifname, uint32_t ifindex, const struct keepalive *all, size_t n)
{
	const struct file_attributes attributes = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char path[PATH_MAX], key[KEY_BASE64_SIZE];
	json_t *peers = json_object();
	struct text t = { 0 };
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s.state", run_dir, ifname) >= sizeof(path)) {
		json_decref(peers);
		return -ENAMETOOLONG;
	}
	for (size_t i = 0; i < n; i++) {
		key_to_base64(key, all[i].public_key);
		json_object_set_new(peers, key, json_integer(all[i].seconds));
	}
	r = text_json(&t, json_pack("{s:I, s:o}", "ifindex", (json_int_t)ifindex, "keepalive", peers), 0);
	if (r == 0)
		r = file_write_atomic(AT_FDCWD, path, t.buf, t.len, &attributes);
	free(t.buf);
	return r;
}
