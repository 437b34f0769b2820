/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "daemon/broker.h"

#define OTHER_MODE "the key file is for another Mode than the configuration: put Mode back, or remove the key file, see wgfidod(8)"

int tunnel_new(struct tunnel **ret, struct broker *b, const char *ifname)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->broker = b;
	(void)snprintf(t->ifname, sizeof(t->ifname), "%s", ifname);
	dh_tunnel_init(&t->dh);
	*ret = t;
	return 0;
}

struct tunnel *tunnel_free(struct tunnel *t)
{
	if (!t)
		return NULL;
	dh_end(t, OUTCOME_CANCELLED, "the tunnel is gone");
	config_free(t->config);
	keyfile_free(t->keyfile);
	free(t->peers);
	free(t->config_problem);
	free(t->key_problem);
	free(t);
	return NULL;
}

/* All zero for a file that cannot be read. */
static int read_and_hash(char **ret, size_t *ret_len, uint8_t hash[static 32], const char *path, size_t max)
{
	int r;

	memset(hash, 0, 32);
	r = file_read(ret, ret_len, AT_FDCWD, path, max);
	if (r < 0)
		return r;
	(void)crypto_generichash(hash, 32, (const unsigned char *)*ret, *ret_len, NULL, 0);
	return 0;
}

static int set_problem(char **problem, const char *path, const char *what)
{
	free(*problem);
	if (asprintf(problem, "%s: %s", path, what) < 0) {
		*problem = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int read_config(struct tunnel *t, bool *ret_changed)
{
	char path[PATH_MAX], *text = NULL, *error = NULL;
	struct tunnel_peer *peers = NULL;
	struct config *config = NULL;
	uint8_t hash[32];
	size_t i, len = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s.conf", t->broker->options.config_dir, t->ifname);
	r = read_and_hash(&text, &len, hash, path, CONFIG_SIZE_MAX);
	if (r == 0 && t->config && memcmp(hash, t->config_hash, sizeof(hash)) == 0) {
		free(text);
		*ret_changed = false;
		return 0;
	}
	if (r == 0)
		r = config_parse(&config, &error, path, t->ifname, text, len);
	free(text);
	if (r == 0) {
		peers = calloc(config->n_peers + 1, sizeof(*peers));
		if (!peers)
			r = -ENOMEM;
	}
	if (r == -ENOMEM) {
		config_free(config);
		free(error);
		return r;
	}
	config_free(t->config);
	free(t->peers);
	free(t->config_problem);
	t->config = config;
	t->peers = peers;
	t->config_problem = error;
	for (i = 0; config && i < config->n_peers; i++)
		peers[i] = (struct tunnel_peer){.tunnel = t, .config = &config->peers[i]};
	memcpy(t->config_hash, hash, sizeof(hash));
	*ret_changed = true;
	return r < 0 && !error ? set_problem(&t->config_problem, path, strerror(-r)) : 0;
}

/* Ours names the file. */
static const char *without_prefix(const char *error)
{
	static const char prefix[] = "key file: ";

	return strncmp(error, prefix, strlen(prefix)) == 0 ? error + strlen(prefix) : error;
}

int tunnel_read_key(struct tunnel *t)
{
	char path[PATH_MAX], *text = NULL, *error = NULL;
	struct keyfile *keyfile = NULL;
	uint8_t hash[32];
	size_t len = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s.key", t->broker->keys_dir, t->ifname);
	r = read_and_hash(&text, &len, hash, path, KEYFILE_SIZE_MAX);
	if (r == 0)
		sodium_memzero(text, len);
	free(text);
	r = keystore_load(&keyfile, &error, t->broker->keys_dir, t->ifname);
	if (r == -ENOMEM) {
		free(error);
		return r;
	}
	t->keyfile = keyfile_free(t->keyfile);
	free(t->key_problem);
	t->key_problem = NULL;
	memcpy(t->key_hash, hash, sizeof(hash));
	if (r == 0 && strcmp(keyfile->ifname, t->ifname) != 0) {
		keyfile_free(keyfile);
		return set_problem(&t->key_problem, path, "it is of another tunnel");
	}
	if (r == 0)
		t->keyfile = keyfile;
	else if (r != OUTCOME_NOT_ENROLLED)
		r = set_problem(&t->key_problem, path, error ? without_prefix(error) : r < 0 ? strerror(-r) : "it is damaged");
	free(error);
	return r < 0 ? r : 0;
}

int tunnel_read(struct tunnel *t, unsigned int *ret_changed)
{
	uint8_t key_hash[32];
	bool config_changed;
	int r;

	*ret_changed = 0;
	r = read_config(t, &config_changed);
	if (r < 0)
		return r;
	if (config_changed)
		*ret_changed |= TUNNEL_CHANGE_CONFIG;
	memcpy(key_hash, t->key_hash, sizeof(key_hash));
	r = tunnel_read_key(t);
	if (r < 0)
		return r;
	if (memcmp(key_hash, t->key_hash, sizeof(key_hash)) != 0)
		*ret_changed |= TUNNEL_CHANGE_KEY;
	return 0;
}

static void free_preshared(struct secret **preshared, size_t n)
{
	size_t i;

	for (i = 0; preshared && i < n; i++)
		secret_free(preshared[i]);
	free(preshared);
}

void tunnel_free_preshared(struct secret **preshared, const struct tunnel *t)
{
	free_preshared(preshared, t->config->n_peers);
}

int tunnel_load_preshared(struct secret ***ret, const struct tunnel *t, const char **ret_path)
{
	const struct config *config = t->config;
	struct secret **preshared = calloc(config->n_peers + 1, sizeof(*preshared));
	size_t i;
	int r;

	if (!preshared)
		return -ENOMEM;
	for (i = 0; i < config->n_peers; i++) {
		if (!config->peers[i].preshared_key_file)
			continue;
		r = config_load_preshared_key(&preshared[i], config->peers[i].preshared_key_file);
		if (r < 0) {
			*ret_path = config->peers[i].preshared_key_file;
			free_preshared(preshared, config->n_peers);
			return r;
		}
	}
	*ret = preshared;
	return 0;
}

int tunnel_check_usable(const struct tunnel *t, const char **ret_detail)
{
	*ret_detail = "";
	if (!t->config) {
		*ret_detail = t->config_problem ? t->config_problem : "";
		return OUTCOME_FAILED;
	}
	if (t->key_problem) {
		*ret_detail = t->key_problem;
		return OUTCOME_KEYFILE_DAMAGED;
	}
	if (!t->keyfile)
		return OUTCOME_NOT_ENROLLED;
	if (t->keyfile->mode != t->config->mode) {
		*ret_detail = OTHER_MODE;
		return OUTCOME_FAILED;
	}
	return OUTCOME_OK;
}

void tunnel_mark(struct tunnel *t, unsigned int what, const uint8_t *peer)
{
	size_t i;

	t->dirty |= what;
	for (i = 0; t->config && i < t->config->n_peers; i++)
		if (!peer || key_equal(t->config->peers[i].public_key, peer))
			t->peers[i].dirty = true;
	broker_settle_soon(t->broker);
}

void tunnel_describe(const struct tunnel *t, const uint8_t *peer, char *buf, size_t size)
{
	const struct config_peer *p = peer && t->config ? config_find_peer(t->config, peer) : NULL;
	char key[KEY_BASE64_SIZE];

	if (p)
		key_to_base64(key, p->public_key);
	if (p)
		(void)snprintf(buf, size, "%s/%s", t->ifname, p->name ? p->name : key);
	else if (t->config && t->config->name)
		(void)snprintf(buf, size, "%s (%s)", t->ifname, t->config->name);
	else
		(void)snprintf(buf, size, "%s", t->ifname);
}

const char *tunnel_held(const struct tunnel *t)
{
	if (t->key_problem)
		return "damaged";
	if (!t->keyfile)
		return "none";
	return t->keyfile->held == KEYFILE_RESIDENT ? "resident" : "wrapped";
}

const char *tunnel_problem(const struct tunnel *t)
{
	if (!t->config)
		return t->config_problem ? t->config_problem : "it cannot be read";
	if (t->key_problem)
		return t->key_problem;
	if (t->keyfile && t->keyfile->mode != t->config->mode)
		return OTHER_MODE;
	return "";
}

static bool has_window_keys(const struct config *config)
{
	for (size_t i = 0; i < config->n_peers; i++)
		if (!config->peers[i].window_keys_file)
			return false;
	return config->n_peers > 0;
}

#define RESIDENT_PSK                                                                                         \
	"A thief of the disk gets the interface's private key, useless without the PSK. "                    \
	"A memory snapshot after an approval was set up gives PSKs to the end of the window's last epoch. "

const char *tunnel_guarantee(const struct tunnel *t)
{
	if (!t->config || !t->keyfile)
		return "";
	switch (t->config->mode) {
	case CONFIG_MODE_PSK:
		if (t->keyfile->held == KEYFILE_RESIDENT && !has_window_keys(t->config))
			return RESIDENT_PSK "Root at the moment of a touch gets that tunnel's PSKs until rekey.";
		/* What asks for no touch answers root for each window of the file. */
		if (t->keyfile->held == KEYFILE_RESIDENT && t->keyfile->resident.touch != WIRE_X_TOUCH_ALWAYS)
			return RESIDENT_PSK "Root while the key is plugged in gets that tunnel's PSKs of every window that there are window keys "
					    "for; with --touch always it would be one window a touch.";
		if (t->keyfile->held == KEYFILE_RESIDENT)
			return RESIDENT_PSK "Root at the moment of a touch gets that tunnel's PSKs of one window.";
		return "A thief of the disk gets the interface's private key, useless without the PSK. "
		       "A memory snapshot after an approval was set up gives PSKs to the end of the window's last epoch. "
		       "Root at the moment of a touch gets that tunnel's PSKs, past and future, until wgfido rekey.";
	case CONFIG_MODE_IDENTITY:
		if (t->keyfile->held == KEYFILE_RESIDENT)
			return "A thief of the disk gets nothing. "
			       "A memory snapshot after an approval was set up gives running sessions, for 180 s. "
			       "Root at the moment of a touch gets the use of the key while it is plugged in, never the key.";
		return "A thief of the disk gets nothing. "
		       "A memory snapshot after an approval was set up gives the key (the kernel has it) until rekey. "
		       "Root at the moment of a touch gets the key, until rekey.";
	}
	return "";
}

static const struct approval *find(const struct tunnel *t, const uint8_t *peer)
{
	struct instant now = broker_now(t->broker);

	return approvals_find(t->broker->approvals, t->ifname, peer, &now);
}

const struct operation *tunnel_operation(const struct tunnel *t)
{
	const struct operation *op;

	TAILQ_FOREACH(op, &t->broker->operations, link)
		if (strcmp(op->target, t->ifname) == 0)
			return op;
	return NULL;
}

bool tunnel_handshake_touch(const struct tunnel *t)
{
	return t->dh.touches > 0 && !tunnel_operation(t);
}

static const char *pending_state(const struct operation *op)
{
	return op->state == OPERATION_TOUCH ? "touch-needed" : "waiting";
}

const char *tunnel_state(const struct tunnel *t)
{
	const struct operation *op = tunnel_operation(t);

	if (!t->config || (t->keyfile && t->keyfile->mode != t->config->mode))
		return "misconfigured";
	if (find(t, NULL))
		return "approved";
	if (op)
		return pending_state(op);
	return t->keyfile || t->key_problem ? "locked" : "unenrolled";
}

uint64_t tunnel_approved_until(const struct tunnel *t)
{
	const struct approval *a = find(t, NULL);

	if (!a || !t->config)
		return 0;
	/* One peer is the whole tunnel where there is no other. */
	return approval_request(a)->whole_tunnel || t->config->n_peers == 1 ? approval_until_boot_us(a) : 0;
}

static const struct operation *peer_operation(const struct tunnel *t, const struct config_peer *peer)
{
	const struct operation *op;

	TAILQ_FOREACH(op, &t->broker->operations, link)
		if (strcmp(op->target, t->ifname) == 0 && op->kind == REQUEST_APPROVE &&
			(!op->has_peer || key_equal(op->peer, peer->public_key)))
			return op;
	return NULL;
}

const char *tunnel_peer_state(const struct tunnel *t, const struct config_peer *peer)
{
	const struct operation *op;

	if (find(t, peer->public_key))
		return "approved";
	op = peer_operation(t, peer);
	return op ? pending_state(op) : "locked";
}

uint64_t tunnel_peer_approved_until(const struct tunnel *t, const struct config_peer *peer)
{
	const struct approval *a = find(t, peer->public_key);

	return a ? approval_until_boot_us(a) : 0;
}

const char *tunnel_peer_requester(const struct tunnel *t, const struct config_peer *peer)
{
	const struct operation *op;

	if (find(t, peer->public_key))
		return t->peers[peer - t->config->peers].requester;
	op = peer_operation(t, peer);
	return op ? op->requester.text : "";
}
