/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client/agent-status.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/dirs.h"
#include "client/text.h"
#include "common/file.h"

#define STATUS_SIZE_MAX (16u << 20) /* a gateway with tens of thousands of peers */
/* The agent writes at every slot's start; a busy machine may be this late, and a gateway with many peers writes less often. */
#define STALE_SECONDS 30
#define STALE_PEERS_PER_SECOND 100

static int get_string(const json_t *object, const char *key, char **ret)
{
	const char *s = json_string_value(json_object_get(object, key));

	*ret = strdup(s ? s : "");
	if (!*ret)
		return -ENOMEM;
	text_make_printable(*ret);
	return 0;
}

static uint64_t get_number(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? (uint64_t)n : 0;
}

static int peer_parse(struct agent_peer *peer, const json_t *object)
{
	int r = json_is_object(object) ? 0 : -EBADMSG;

	if (r >= 0)
		r = get_string(object, "public_key", &peer->public_key);
	if (r >= 0)
		r = get_string(object, "name", &peer->name);
	if (r >= 0)
		r = get_string(object, "state", &peer->state);
	if (r >= 0)
		r = get_string(object, "reason", &peer->reason);
	peer->slot = get_number(object, "slot");
	peer->slot_end = get_number(object, "slot_end");
	peer->offset = json_integer_value(json_object_get(object, "offset"));
	peer->last_handshake = get_number(object, "last_handshake");
	peer->drift_repaired = get_number(object, "drift_repaired");
	return r;
}

int agent_status_parse(struct agent_status **ret, const char *text, size_t len)
{
	struct agent_status *s = calloc(1, sizeof(*s));
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *peers;
	int r = -EBADMSG;

	if (!s) {
		r = -ENOMEM;
		goto fail;
	}
	if (!json_is_object(root) || !json_is_string(json_object_get(root, "state")))
		goto fail;
	r = get_string(root, "interface", &s->interface);
	if (r >= 0)
		r = get_string(root, "mode", &s->mode);
	if (r >= 0)
		r = get_string(root, "role", &s->role);
	if (r >= 0)
		r = get_string(root, "backend", &s->backend);
	if (r >= 0)
		r = get_string(root, "state", &s->state);
	if (r >= 0)
		r = get_string(root, "reason", &s->reason);
	if (r >= 0)
		r = get_string(root, "problem", &s->problem);
	if (r < 0)
		goto fail;
	s->changed_boottime_us = get_number(root, "changed_boottime_us");

	peers = json_object_get(root, "peers");
	s->peers = calloc(json_array_size(peers) + 1, sizeof(*s->peers));
	if (!s->peers) {
		r = -ENOMEM;
		goto fail;
	}
	for (size_t i = 0; i < json_array_size(peers); i++) {
		s->n_peers++;
		r = peer_parse(&s->peers[i], json_array_get(peers, i));
		if (r < 0)
			goto fail;
	}
	json_decref(root);
	*ret = s;
	return 0;
fail:
	json_decref(root);
	agent_status_free(s);
	return r;
}

int agent_status_load(struct agent_status **ret, const char *run_dir, const char *ifname)
{
	char *path = dirs_file(run_dir, ifname, ".json"), *text = NULL;
	size_t len;
	int r;

	if (!path)
		return -ENOMEM;
	r = file_read(&text, &len, AT_FDCWD, path, STATUS_SIZE_MAX);
	if (r >= 0)
		r = agent_status_parse(ret, text, len);
	free(text);
	free(path);
	return r;
}

struct agent_status *agent_status_free(struct agent_status *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n_peers; i++) {
		free(s->peers[i].public_key);
		free(s->peers[i].name);
		free(s->peers[i].state);
		free(s->peers[i].reason);
	}
	free(s->peers);
	free(s->interface);
	free(s->mode);
	free(s->role);
	free(s->backend);
	free(s->state);
	free(s->reason);
	free(s->problem);
	free(s);
	return NULL;
}

const struct agent_peer *agent_status_find_peer(const struct agent_status *s, const char *public_key)
{
	for (size_t i = 0; s && i < s->n_peers; i++)
		if (!strcmp(s->peers[i].public_key, public_key))
			return &s->peers[i];
	return NULL;
}

bool agent_status_is_stale(const struct agent_status *s, struct instant now)
{
	uint64_t late = STALE_SECONDS + s->n_peers / STALE_PEERS_PER_SECOND, now_s = now.real_us / US_PER_SEC;

	if (s->changed_boottime_us > now.boot_us)
		return true;
	for (size_t i = 0; i < s->n_peers; i++)
		if (s->peers[i].slot_end && (!strcmp(s->peers[i].state, "open") || !strcmp(s->peers[i].state, "rotated")) &&
			s->peers[i].slot_end < now_s && now_s - s->peers[i].slot_end > late)
			return true;
	return false;
}

#define CLOSED_WAIT_MS 2000
#define CLOSED_POLL_MS 20

bool agent_status_wait_closed(const char *run_dir, const char *ifname, const char *public_key)
{
	const struct timespec pause = {.tv_nsec = CLOSED_POLL_MS * 1000000L};

	/* The agent hears of it at the same time as we do; what it says is what is in WireGuard. */
	for (unsigned int waited = 0; waited <= CLOSED_WAIT_MS; waited += CLOSED_POLL_MS) {
		struct agent_status *s = NULL;
		const struct agent_peer *peer;
		bool open;

		if (agent_status_load(&s, run_dir, ifname) < 0)
			return true;
		peer = public_key ? agent_status_find_peer(s, public_key) : NULL;
		open = !strcmp(s->state, "open") && (!peer || !strcmp(peer->state, "open") || !strcmp(peer->state, "rotated"));
		agent_status_free(s);
		if (!open)
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}
