/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * approve: a touch opens one peer, one tunnel, or with ApprovalScope = global every enrolled tunnel of that scope,
 * one touch each, the one that was asked for first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation-resident.h"

struct approve {
	struct operation op;
	struct unlock *unlock;
	struct use *use; /* of a resident key */
	size_t *asked;   /* its points are of these peers of the configuration; NULL: identity */
	size_t n_asked;
	struct window_point *points; /* beside config->peers; NULL: identity */
	char *points_error;
	uint64_t until_boot_us; /* of the tunnel that was asked for */
	bool first_done;
	uint8_t key[KEY_SIZE]; /* the resident one that is used */
};

static void next(struct approve *a);

/* What the touch gave: t, or what a token made of it. */
struct opened {
	const struct token *token;
	enum wire_uv uv;
	const struct secret *t;	   /* NULL: resident */
	struct secret *const *shared; /* beside config->peers; NULL: identity */
	const struct window_point *points; /* the same */
};

static void grant(struct approve *a, struct tunnel *t, const struct opened *opened)
{
	struct operation *op = &a->op;
	struct approval_request request = {0};
	struct instant now = broker_now(op->broker);
	const struct approval *approval = NULL;
	struct secret **preshared = NULL;
	const char *path = "";
	char what[160], span[48];
	size_t i;
	int r;

	r = tunnel_load_preshared(&preshared, t, &path);
	if (r < 0) {
		operation_fail_with(op, r, "%s", path);
		return;
	}
	r = broker_check_grant(op->broker, t->config, &path);
	if (r) {
		tunnel_free_preshared(preshared, t);
		operation_fail(op, (enum outcome)r, path);
		return;
	}
	memcpy(request.ifname, t->ifname, sizeof(request.ifname));
	request.whole_tunnel = !op->has_peer;
	memcpy(request.peer, op->peer, sizeof(request.peer));
	request.uid = op->requester.uid;
	memcpy(request.session, op->requester.session, sizeof(request.session));
	(void)snprintf(request.token_id, sizeof(request.token_id), "%s", opened->token->node.id);
	request.uv = opened->uv;
	request.lifetime_seconds = operation_lifetime(op);
	request.slot_seconds = t->config->slot_seconds;
	if (opened->t)
		r = approvals_grant(op->broker->approvals, &approval, &request, t->config, opened->t, t->keyfile->public_key,
			preshared, &now);
	else
		r = approvals_grant_resident(op->broker->approvals, &approval, &request, t->config, opened->shared,
			opened->points, t->keyfile->public_key, preshared, &now);
	tunnel_free_preshared(preshared, t);
	if (r) {
		operation_fail_with(op, r, "%s", r == OUTCOME_LIMIT_EXCEEDED ? "too many approvals" :
			r == OUTCOME_CANCELLED ? "the window of its window keys ended meanwhile: approve it again" : "");
		return;
	}
	if (!a->first_done)
		a->until_boot_us = approval_until_boot_us(approval);
	a->first_done = true;
	t->end_reason = APPROVAL_END_NONE;
	for (i = 0; i < t->config->n_peers; i++) {
		if (op->has_peer && !key_equal(t->config->peers[i].public_key, op->peer))
			continue;
		t->peers[i].end_reason = APPROVAL_END_NONE;
		memcpy(t->peers[i].requester, op->requester.text, sizeof(t->peers[i].requester));
	}
	tunnel_describe(t, op->has_peer ? op->peer : NULL, what, sizeof(what));
	broker_note(op->broker, LOG_LEVEL_INFO, "%s: approved by %s with %s (%s) for %s", what, op->requester.text,
		token_name(opened->token), opened->uv == WIRE_UV_PIN ? "PIN" : "touch",
		duration_format(span, sizeof(span), request.lifetime_seconds));
	tunnel_mark(t, TUNNEL_CHANGE_STATE, op->has_peer ? op->peer : NULL);
	broker_arm_expiry(op->broker);
	next(a);
}

static void on_unlocked(struct operation *op, struct unlock_result *result)
{
	struct approve *a = (struct approve *)op;
	struct tunnel *t = operation_tunnel(op);
	uint8_t public_key[KEY_SIZE];
	struct opened opened;
	const char *detail;

	if (result->outcome != OUTCOME_OK) {
		operation_fail_with(op, result->outcome, "%s%s%s", a->first_done ? op->target : "",
			a->first_done && result->detail[0] ? ": " : "", result->detail);
		return;
	}
	schedule_public(public_key, *result->t);
	/*
	 * Rekeyed while we waited for the touch, what was unwrapped is the old key; configured anew, it may be a psk key
	 * that would go out as a private key.
	 */
	if (!t || tunnel_check_usable(t, &detail) != OUTCOME_OK || !result->token || !key_equal(t->keyfile->public_key, public_key)) {
		operation_fail(op, OUTCOME_CANCELLED, "the tunnel changed meanwhile");
		return;
	}
	opened = (struct opened){.token = result->token, .uv = result->uv, .t = *result->t};
	grant(a, t, &opened);
}

/* The configuration cannot have changed meanwhile: then its tunnel is another one, and what waits was cancelled. */
static void on_used(struct operation *op, struct use_result *result)
{
	struct approve *a = (struct approve *)op;
	struct tunnel *t = operation_tunnel(op);
	struct secret **shared = NULL;
	struct opened opened;
	const char *detail;

	if (result->outcome != OUTCOME_OK) {
		operation_fail_with(op, result->outcome, "%s%s%s", a->first_done ? op->target : "",
			a->first_done && result->detail[0] ? ": " : "", result->detail);
		return;
	}
	if (!t || tunnel_check_usable(t, &detail) != OUTCOME_OK || t->keyfile->held != KEYFILE_RESIDENT ||
		!key_equal(t->keyfile->public_key, a->key)) {
		operation_fail(op, OUTCOME_CANCELLED, "the tunnel changed meanwhile");
		return;
	}
	if (a->asked) {
		shared = calloc(t->config->n_peers, sizeof(struct secret *));
		if (!shared) {
			operation_fail(op, OUTCOME_FAILED, "out of memory");
			return;
		}
		for (size_t i = 0; i < a->n_asked; i++)
			shared[a->asked[i]] = result->shared[i];
	}
	opened = (struct opened){.token = result->token, .uv = result->uv, .shared = shared, .points = a->points};
	grant(a, t, &opened);
	free(shared);
}

/* The touches that the tunnel at hand wants. */
static unsigned int touches(const struct approve *a, const struct tunnel *t)
{
	size_t n;

	if (!t->keyfile || t->keyfile->held != KEYFILE_RESIDENT)
		return 1;
	n = t->config->mode == CONFIG_MODE_IDENTITY || a->op.has_peer ? 1 : t->config->n_peers;
	return use_touches(&t->keyfile->resident, n);
}

/* A key that never leaves its token is used at once for what the approval needs: with each peer's point, or as a proof. */
static int use(struct approve *a, struct tunnel *t, const struct use_params *base, const char **ret_detail)
{
	const struct config *config = t->config;
	struct use_params params = *base;
	uint8_t (*points)[KEY_SIZE];
	int r = 0;

	a->use = use_free(a->use);
	free(a->asked);
	a->asked = NULL;
	a->n_asked = 0;
	free(a->points);
	a->points = NULL;
	params.key = &t->keyfile->resident;
	memcpy(a->key, t->keyfile->public_key, sizeof(a->key));
	if (config->mode == CONFIG_MODE_IDENTITY) {
		params.keep = true;
		return use_start(&a->use, &a->op, &params, on_used);
	}
	r = window_points(&a->points, &a->points_error, config, a->op.has_peer ? a->op.peer : NULL,
		broker_now(a->op.broker).real_us / US_PER_SEC);
	if (r) {
		*ret_detail = a->points_error ? a->points_error : "";
		return r;
	}
	a->op.window_end = window_points_end(a->points, config->n_peers);
	points = calloc(config->n_peers + 1, sizeof(*points));
	a->asked = calloc(config->n_peers + 1, sizeof(*a->asked));
	if (!points || !a->asked) {
		free(points);
		return -ENOMEM;
	}
	for (size_t i = 0; i < config->n_peers; i++) {
		if (!a->points[i].wanted)
			continue;
		memcpy(points[a->n_asked], a->points[i].point, KEY_SIZE);
		a->asked[a->n_asked++] = i;
	}
	params.points = (const uint8_t (*)[KEY_SIZE])points;
	params.n_points = a->n_asked;
	r = a->n_asked > 0 ? use_start(&a->use, &a->op, &params, on_used) : OUTCOME_INVALID_ARGUMENT;
	free(points);
	return r;
}

/* Who sees t at its touch has every window: a promise that would not be kept is not made. */
static int check_windows(const struct approve *a, const struct tunnel *t, const char **ret_detail)
{
	for (size_t i = 0; i < t->config->n_peers; i++)
		if (t->config->peers[i].window_keys_file && t->keyfile->held != KEYFILE_RESIDENT &&
			(!a->op.has_peer || key_equal(t->config->peers[i].public_key, a->op.peer))) {
			*ret_detail = "window keys (WindowKeysFile) are for a key that never leaves its token: wgfido rekey --resident makes one";
			return OUTCOME_UNSUPPORTED;
		}
	return OUTCOME_OK;
}

static void unlock(struct approve *a)
{
	struct operation *op = &a->op;
	struct tunnel *t = operation_tunnel(op);
	struct unlock_params params = {
		.pin = &op->pin,
		.token_id = op->options.token,
		.wait = op->options.wait,
		.confirm_pin = op->options.confirm_pin,
	};
	const struct use_params resident = {
		.pin = &op->pin,
		.token_id = op->options.token,
		.wait = op->options.wait,
		.confirm_pin = op->options.confirm_pin,
	};
	struct secret **preshared = NULL;
	const char *detail = "";
	int r;

	r = t ? tunnel_check_usable(t, &detail) : OUTCOME_CANCELLED;
	if (!r)
		r = broker_check_grant(op->broker, t->config, &detail);
	if (!r)
		r = check_windows(a, t, &detail);
	if (r) {
		operation_fail(op, (enum outcome)r, t ? detail : "the tunnel is gone");
		return;
	}
	/* Only to see that they can be read, before anyone is asked for a touch. */
	r = tunnel_load_preshared(&preshared, t, &detail);
	if (r < 0) {
		operation_fail_with(op, r, "%s", detail);
		return;
	}
	tunnel_free_preshared(preshared, t);
	a->unlock = unlock_free(a->unlock);
	op->window_end = UINT64_MAX;
	if (t->keyfile->held == KEYFILE_RESIDENT) {
		detail = "";
		r = use(a, t, &resident, &detail);
	} else {
		params.keyfile = t->keyfile;
		detail = "";
		r = unlock_start(&a->unlock, op, &params, on_unlocked);
	}
	if (r)
		operation_fail_with(op, r, "%s", detail);
}

static bool goes_along(const struct tunnel *t)
{
	const char *detail;

	return t->config && t->config->scope == CONFIG_SCOPE_GLOBAL && tunnel_check_usable(t, &detail) == OUTCOME_OK;
}

static unsigned int count_global(const struct approve *a, const struct tunnel *first, bool global)
{
	const struct tunnel *t;
	unsigned int n = touches(a, first);

	if (!global)
		return n;
	TAILQ_FOREACH(t, &a->op.broker->tunnels, link)
		if (goes_along(t) && t != first)
			n += touches(a, t);
	return n;
}

/* The tunnel asked for goes first, the others follow by name. */
static struct tunnel *find_next(const struct approve *a)
{
	const struct tunnel *asked = broker_find_tunnel(a->op.broker, a->op.ifname);
	bool first = strcmp(a->op.target, a->op.ifname) == 0;
	struct tunnel *t;

	if (!asked || !goes_along(asked))
		return NULL;
	TAILQ_FOREACH(t, &a->op.broker->tunnels, link)
		if (t != asked && goes_along(t) && (first || strcmp(t->ifname, a->op.target) > 0))
			return t;
	return NULL;
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct approve *a = userdata;

	a->op.wait_timer = sd_event_source_disable_unref(source);
	unlock(a);
	return 0;
}

static void next(struct approve *a)
{
	struct request_result result = {.detail = "", .until_boot_us = a->until_boot_us};
	struct tunnel *t = find_next(a);

	if (!t) {
		operation_end(&a->op, &result);
		return;
	}
	tunnel_mark(broker_find_tunnel(a->op.broker, a->op.ifname), TUNNEL_CHANGE_PROMPT, NULL);
	operation_set_state(&a->op, OPERATION_BUSY);
	memcpy(a->op.target, t->ifname, sizeof(a->op.target));
	operation_set_step(&a->op, a->op.step + 1);
	/* From the loop's next turn: the unlock that has just called us must not be freed under its feet. */
	if (sd_event_add_defer(a->op.broker->event, &a->op.wait_timer, on_turn, a) < 0)
		operation_fail(&a->op, OUTCOME_FAILED, "out of memory");
}

static void start(struct operation *op)
{
	struct approve *a = (struct approve *)op;
	struct tunnel *t = operation_tunnel(op);
	const struct config *config = t ? t->config : NULL;
	const char *detail = "";
	int r;

	r = t ? tunnel_check_usable(t, &detail) : OUTCOME_CANCELLED;
	if (r) {
		operation_fail(op, (enum outcome)r, detail);
		return;
	}
	if (config->scope == CONFIG_SCOPE_PEER && !op->has_peer) {
		operation_fail(op, OUTCOME_INVALID_ARGUMENT, "ApprovalScope = peer: name the peer");
		return;
	}
	op->steps = count_global(a, t, config->scope == CONFIG_SCOPE_GLOBAL);
	op->round = find_next(a) != NULL;
	unlock(a);
}

static void token_added(struct operation *op, struct token *t)
{
	struct approve *a = (struct approve *)op;

	unlock_token_added(a->unlock, t);
	use_token_added(a->use, t);
}

static void clear(struct operation *op)
{
	struct approve *a = (struct approve *)op;

	a->unlock = unlock_free(a->unlock);
	a->use = use_free(a->use);
	free(a->asked);
	free(a->points);
	free(a->points_error);
}

const struct operation_ops operation_approve = {
	.size = sizeof(struct approve),
	.steps = 1,
	.start = start,
	.token_added = token_added,
	.clear = clear,
};
