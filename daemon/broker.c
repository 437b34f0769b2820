/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/broker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/names.h"
#include "daemon/expiry.h"
#include "daemon/operation-resident.h"

#define APPROVALS_MAX 4096
#define QUICK_TIMEOUT_MS 10000u /* others may hold the token's lock for a while */
#define PRIORITY_SETTLE (SD_EVENT_PRIORITY_NORMAL - 10)

void broker_note(struct broker *b, enum log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	b->callbacks->note(b->userdata, level, text);
}

struct instant broker_now(const struct broker *b)
{
	return clock_now(b->options.clock);
}

uint64_t broker_touch_deadline(const struct broker *b)
{
	return broker_now(b).boot_us + b->options.touch_timeout_ms * US_PER_MS;
}

uint32_t broker_quick_timeout_ms(const struct broker *b)
{
	return b->options.touch_timeout_ms < QUICK_TIMEOUT_MS ? b->options.touch_timeout_ms : QUICK_TIMEOUT_MS;
}

struct tunnel *broker_find_tunnel(struct broker *b, const char *ifname)
{
	struct tunnel *t;

	TAILQ_FOREACH(t, &b->tunnels, link)
		if (strcmp(t->ifname, ifname) == 0)
			return t;
	return NULL;
}

bool broker_key_file_busy(const struct broker *b, const struct operation *except, const char *ifname)
{
	const struct operation *op;

	TAILQ_FOREACH(op, &b->operations, link)
		if (op != except && (op->ops == &operation_enroll || op->ops == &operation_resident || op->ops == &operation_commit) &&
			strcmp(op->ifname, ifname) == 0)
			return true;
	return false;
}

struct tunnel *broker_find_key(struct broker *b, const uint8_t public_key[static KEY_SIZE])
{
	struct tunnel *t;

	TAILQ_FOREACH(t, &b->tunnels, link)
		if (t->keyfile && t->keyfile->held == KEYFILE_RESIDENT && (key_equal(t->keyfile->public_key, public_key) ||
			(t->keyfile->has_next && key_equal(t->keyfile->next.public_key, public_key))))
			return t;
	return NULL;
}

const struct operation *broker_prompt(const struct broker *b)
{
	const struct operation *op;

	TAILQ_FOREACH(op, &b->operations, link)
		if (op->kind == REQUEST_GENERATE)
			return op;
	return NULL;
}

void broker_mark_prompt(struct broker *b)
{
	b->prompt_dirty = true;
	broker_settle_soon(b);
}

void broker_settle_soon(struct broker *b)
{
	if (b->settle)
		(void)sd_event_source_set_enabled(b->settle, SD_EVENT_ONESHOT);
}

void broker_settle(struct broker *b)
{
	struct operation *op;
	struct tunnel *t;
	struct token *token;
	unsigned int what;
	size_t i;

	while ((op = TAILQ_FIRST(&b->ended))) {
		TAILQ_REMOVE(&b->ended, op, link);
		operation_free(op);
	}
	if (b->prompt_dirty && b->callbacks->prompt_changed)
		b->callbacks->prompt_changed(b->userdata);
	b->prompt_dirty = false;
	TAILQ_FOREACH(t, &b->tunnels, link) {
		what = t->dirty;
		t->dirty = 0;
		if (what)
			b->callbacks->tunnel_changed(b->userdata, t, what);
		for (i = 0; what && t->config && i < t->config->n_peers; i++)
			t->peers[i].dirty = false;
	}
	TAILQ_FOREACH(token, &b->tokens.list, link) {
		if (token->dirty)
			b->callbacks->token_changed(b->userdata, token);
		token->dirty = false;
	}
}

static int on_settle(sd_event_source *source, void *userdata)
{
	(void)source;
	broker_settle(userdata);
	return 0;
}

/* The key material is wiped already. */
static void on_approval_ended(void *userdata, const struct approval *a, enum approval_end why)
{
	const struct approval_request *request = approval_request(a);
	struct broker *b = userdata;
	struct tunnel *t = broker_find_tunnel(b, request->ifname);
	const uint8_t *peer = request->whole_tunnel ? NULL : request->peer;
	char what[160];
	size_t i;

	if (!t)
		return;
	/* First: what is on its way at the token is for nobody any more. The tunnel of a replaced one stays open. */
	if (why != APPROVAL_END_REPLACED)
		dh_end(t, OUTCOME_NOT_APPROVED, "the approval ended");
	/* Of a replaced one too: the next may be another token's. */
	if (t->config && t->config->mode == CONFIG_MODE_IDENTITY)
		x_forget_session(b, request->token_id);
	tunnel_describe(t, peer, what, sizeof(what));
	broker_note(b, LOG_LEVEL_INFO, "%s: approval of uid %u ended: %s", what, request->uid, approval_end_name(why));
	t->end_reason = why;
	for (i = 0; t->config && i < t->config->n_peers; i++)
		if (!peer || key_equal(t->config->peers[i].public_key, peer))
			t->peers[i].end_reason = why;
	tunnel_mark(t, TUNNEL_CHANGE_STATE, peer);
}

static void on_token_changed(void *userdata, struct token *t)
{
	t->dirty = true;
	broker_settle_soon(userdata);
}

static void on_plugged(void *userdata, const struct token_node *node)
{
	struct broker *b = userdata;
	struct operation *op, *following;
	struct token *t;
	int r;

	r = tokens_add(&b->tokens, &t, node);
	if (r < 0) {
		broker_note(b, LOG_LEVEL_WARNING, "%s: token ignored: %s", node->id, strerror(-r));
		return;
	}
	broker_note(b, LOG_LEVEL_INFO, "%s: token plugged in: %s", t->node.id, token_name(t));
	b->callbacks->token_added(b->userdata, t);
	for (op = TAILQ_FIRST(&b->operations); op; op = following) {
		following = TAILQ_NEXT(op, link);
		op->ops->token_added(op, t);
	}
}

/* First of all its approvals end, and that is told before anything else is done. */
static void on_unplugged(void *userdata, const char *id)
{
	struct broker *b = userdata;
	struct token *t = tokens_find(&b->tokens, id);

	(void)approvals_end_token(b->approvals, id);
	broker_settle(b);
	broker_arm_expiry(b);
	if (!t)
		return;
	broker_note(b, LOG_LEVEL_INFO, "%s: token pulled out: %s", id, token_name(t));
	b->callbacks->token_removed(b->userdata, t);
	token_remove(t);
	broker_settle(b);
}

static void on_cards(void *userdata, enum presence_cards state)
{
	switch (state) {
	case PRESENCE_CARDS_WATCHED:
		broker_note(userdata, LOG_LEVEL_DEBUG, "pcscd tells of smart cards");
		break;
	case PRESENCE_CARDS_DENIED:
		broker_note(userdata, LOG_LEVEL_WARNING, "pcscd lets wgfido at no smart card: see wgfido doctor");
		break;
	}
}

static const struct presence_callbacks presence_callbacks = {
	.added = on_plugged,
	.removed = on_unplugged,
	.cards = on_cards,
};

/*
 * What ends an approval must not be overtaken by a touch that was asked for before. ifname, peer, session NULL: any. A global
 * round, and one who has not come to it yet, would open the tunnel too.
 */
static void cancel_approves(struct broker *b, const char *ifname, const uint8_t *peer, const char *session, const char *why)
{
	struct request *r, *following;

	for (r = TAILQ_FIRST(&b->requests); r; r = following) {
		const bool round = r->operation && r->operation->round;

		following = TAILQ_NEXT(r, link);
		if (r->kind == REQUEST_APPROVE && (!ifname || round || strcmp(r->ifname, ifname) == 0) &&
			(!peer || !r->has_peer || key_equal(r->peer, peer)) &&
			(!session || strcmp(r->requester.session, session) == 0))
			request_cancel(r, why);
	}
}

size_t broker_lock_all(struct broker *b)
{
	size_t n = approvals_end(b->approvals, NULL, NULL, APPROVAL_END_REVOKED);

	cancel_approves(b, NULL, NULL, NULL, "all was locked meanwhile");
	broker_settle(b);
	broker_arm_expiry(b);
	return n;
}

size_t broker_revoke(struct broker *b, struct tunnel *t, const uint8_t *peer, const char *who)
{
	struct instant now = broker_now(b);
	size_t n;

	n = approvals_end(b->approvals, t->ifname, peer, APPROVAL_END_REVOKED);
	/* An approval of the whole tunnel covers this peer too. */
	if (peer && approvals_find(b->approvals, t->ifname, peer, &now))
		n += approvals_end(b->approvals, t->ifname, NULL, APPROVAL_END_REVOKED);
	cancel_approves(b, t->ifname, peer, NULL, "it was revoked meanwhile");
	if (n > 0)
		broker_note(b, LOG_LEVEL_INFO, "%s: revoked by %s", t->ifname, who);
	broker_settle(b);
	broker_arm_expiry(b);
	return n;
}

void broker_end_approvals(struct broker *b, const char *ifname, const uint8_t *peer, enum approval_end why)
{
	(void)approvals_end(b->approvals, ifname, peer, why);
	broker_arm_expiry(b);
}

size_t broker_cancel(struct broker *b, const struct requester *who, const char *ifname, const uint8_t *peer)
{
	struct request *r, *following;
	size_t n = 0;

	for (r = TAILQ_FIRST(&b->requests); r; r = following) {
		following = TAILQ_NEXT(r, link);
		if (r->requester.uid != who->uid || strcmp(r->ifname, ifname) != 0 ||
			(peer && r->has_peer && !key_equal(r->peer, peer)))
			continue;
		request_cancel(r, "");
		n++;
	}
	return n;
}

void broker_cancel_operations(struct broker *b, const struct operation *except, const char *ifname, const char *why)
{
	struct operation *op, *following;

	for (op = TAILQ_FIRST(&b->operations); op; op = following) {
		following = TAILQ_NEXT(op, link);
		if (op != except && (strcmp(op->target, ifname) == 0 || strcmp(op->ifname, ifname) == 0))
			operation_fail(op, OUTCOME_CANCELLED, why);
	}
}

int broker_forget_key(struct broker *b, struct tunnel *t, const char *sender)
{
	int r;

	if (!t->exporter[0] || strcmp(t->exporter, sender) != 0 || broker_now(b).boot_us > t->forget_until_boot_us)
		return OUTCOME_DENIED;
	t->exporter[0] = 0;
	r = keystore_remove(b->keys_dir, t->ifname);
	if (r)
		return r;
	broker_cancel_operations(b, NULL, t->ifname, "the key was taken out");
	broker_end_approvals(b, t->ifname, NULL, APPROVAL_END_RECONFIGURED);
	r = tunnel_read_key(t);
	tunnel_mark(t, TUNNEL_CHANGE_KEY, NULL);
	broker_note(b, LOG_LEVEL_WARNING, "%s: key file removed, its key was exported", t->ifname);
	return r;
}

static enum approval_end end_of(enum config_end_on reason)
{
	switch (reason) {
	case CONFIG_END_SUSPEND:
		return APPROVAL_END_SUSPEND;
	case CONFIG_END_LOCK:
		return APPROVAL_END_LOCK;
	case CONFIG_END_LOGOUT:
		return APPROVAL_END_LOGOUT;
	}
	return APPROVAL_END_STOPPED;
}

/* Those of session in this tunnel: it may have one per peer, each with its own requester. An identity's names no peer. */
static size_t end_of_session(struct broker *b, const struct tunnel *t, const char *session, enum approval_end why)
{
	const struct approval_request *request;
	struct instant now = broker_now(b);
	const struct approval *a;
	uint8_t peer[KEY_SIZE];
	size_t i, n = 0;

	for (i = 0; t->config && i <= t->config->n_peers; i++) {
		a = approvals_find(b->approvals, t->ifname, i < t->config->n_peers ? t->config->peers[i].public_key : NULL, &now);
		request = a ? approval_request(a) : NULL;
		if (!request || strcmp(request->session, session) != 0)
			continue;
		memcpy(peer, request->peer, sizeof(peer));
		n += approvals_end(b->approvals, t->ifname, request->whole_tunnel ? NULL : peer, why);
	}
	return n;
}

size_t broker_end_on(struct broker *b, enum config_end_on reason, const char *session, bool force)
{
	enum approval_end why = end_of(reason);
	const struct tunnel *t;
	size_t n = 0;

	TAILQ_FOREACH(t, &b->tunnels, link) {
		if (!force && (!t->config || !(t->config->end_on & (unsigned int)reason)))
			continue;
		n += session ? end_of_session(b, t, session, why) : approvals_end(b->approvals, t->ifname, NULL, why);
		cancel_approves(b, t->ifname, NULL, session, approval_end_name(why));
	}
	broker_settle(b);
	broker_arm_expiry(b);
	return n;
}

void broker_set_told_of(struct broker *b, unsigned int flags)
{
	unsigned int lost = b->told_of & ~flags;
	const struct tunnel *t;

	b->told_of = flags;
	TAILQ_FOREACH(t, &b->tunnels, link)
		if (t->config && (t->config->end_on & lost))
			(void)approvals_end(b->approvals, t->ifname, NULL, APPROVAL_END_UNWATCHED);
	broker_settle(b);
	broker_arm_expiry(b);
}

void broker_set_sleeping(struct broker *b, bool sleeping)
{
	b->sleeping = sleeping;
}

int broker_check_grant(const struct broker *b, const struct config *c, const char **ret_detail)
{
	/* What ends with sleep has ended, and the kind of sleep that writes keys to disk ends everything: this would be neither's. */
	if (b->sleeping) {
		*ret_detail = "the machine is going to sleep: try again when it is awake";
		return OUTCOME_DENIED;
	}
	if (!(c->end_on & (CONFIG_END_LOCK | CONFIG_END_LOGOUT) & ~b->told_of))
		return 0;
	*ret_detail = "EndOn = lock and logout need logind, which is not there";
	return OUTCOME_DENIED;
}

static int make_directory(const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* What a crash left there was never proved; and the key it was to replace, if any, stands. */
static int clean_staging(const struct broker *b)
{
	struct dirent *entry;
	DIR *dir = opendir(b->staging_dir);

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	(void)closedir(dir);
	return 0;
}

/* A save that a crash cut short leaves a temporary file; the key file that it was to replace stands. */
static int clean_keys(const struct broker *b)
{
	int fd = open(b->keys_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = file_sweep(fd);
	close(fd);
	return r;
}

static int open_state(struct broker *b)
{
	int r;

	if (asprintf(&b->keys_dir, "%s/%s", b->options.state_dir, WGFIDO_KEYS_SUBDIR) < 0) {
		b->keys_dir = NULL;
		return -ENOMEM;
	}
	if (asprintf(&b->staging_dir, "%s/new", b->keys_dir) < 0) {
		b->staging_dir = NULL;
		return -ENOMEM;
	}
	r = make_directory(b->options.state_dir);
	if (r == 0)
		r = make_directory(b->keys_dir);
	if (r == 0)
		r = make_directory(b->staging_dir);
	if (r == 0)
		r = clean_staging(b);
	return r < 0 ? r : clean_keys(b);
}

int broker_new(struct broker **ret, sd_event *event, const struct broker_options *options,
	const struct broker_callbacks *callbacks, void *userdata)
{
	struct broker *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->event = sd_event_ref(event);
	b->options = *options;
	b->callbacks = callbacks;
	b->userdata = userdata;
	TAILQ_INIT(&b->tunnels);
	TAILQ_INIT(&b->requests);
	TAILQ_INIT(&b->operations);
	TAILQ_INIT(&b->ended);
	tokens_init(&b->tokens, event, options->token_worker, on_token_changed, b);
	r = open_state(b);
	if (r >= 0)
		r = approvals_new(&b->approvals, APPROVALS_MAX, on_approval_ended, b);
	if (r >= 0)
		r = pairings_new(&b->pairings, options->state_dir);
	if (r >= 0)
		r = sd_event_add_defer(event, &b->settle, on_settle, b);
	if (r >= 0)
		r = sd_event_source_set_priority(b->settle, PRIORITY_SETTLE);
	if (r >= 0)
		r = expiry_new(&b->expiry, b);
	if (r >= 0)
		r = presence_new(&b->presence, event, options->use_udev, options->soft_tokens, &presence_callbacks, b);
	if (r >= 0 && options->use_cards && presence_watch_cards(b->presence, options->token_worker, options->pcscd) < 0)
		broker_note(b, LOG_LEVEL_WARNING, "smart cards are not seen: the monitor of readers does not start");
	if (r < 0) {
		broker_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

void broker_arm_expiry(struct broker *b)
{
	expiry_arm(b->expiry);
}

void broker_stop(struct broker *b)
{
	struct operation *op;
	struct request *r;

	/* The keys first, then what is only a matter of manners. */
	if (b->approvals)
		(void)approvals_end(b->approvals, NULL, NULL, APPROVAL_END_STOPPED);
	while ((op = TAILQ_FIRST(&b->operations)))
		operation_fail(op, OUTCOME_CANCELLED, "wgfidod stops");
	while ((r = TAILQ_FIRST(&b->requests)))
		request_refuse(r, OUTCOME_CANCELLED, "wgfidod stops");
	broker_settle(b);
}

struct broker *broker_free(struct broker *b)
{
	struct tunnel *t;

	if (!b)
		return NULL;
	if (b->approvals)
		broker_stop(b);
	b->presence = presence_free(b->presence);
	b->settle = sd_event_source_disable_unref(b->settle);
	tokens_clear(&b->tokens);
	b->approvals = approvals_free(b->approvals);
	b->pairings = pairings_free(b->pairings);
	b->expiry = expiry_free(b->expiry);
	while ((t = TAILQ_FIRST(&b->tunnels))) {
		TAILQ_REMOVE(&b->tunnels, t, link);
		tunnel_free(t);
	}
	free(b->keys_dir);
	free(b->staging_dir);
	sd_event_unref(b->event);
	free(b);
	return NULL;
}
