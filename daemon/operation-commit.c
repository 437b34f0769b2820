/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commit-rekey: the next resident key takes the place of the present one. An identity's approval goes on, since it holds nothing of
 * the key and the token is the same. A psk tunnel's is made anew from the next key, for the time that was left, so that there is no
 * moment without a PSK.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation-resident.h"

struct commit {
	struct operation op;
	struct use *use;
	struct keyfile_resident next; /* that is being committed */
	struct keyfile_resident old;  /* that is given up */
	struct survey *survey;	      /* for the token that has it, to erase it there */
	struct job *erase;
	size_t *asked;		      /* peers of the configuration, in the order of the points */
	size_t n_asked;
	struct window_point *points; /* beside config->peers, of those that were asked */
	char *points_error;
};

/* The approval that covers a peer, or none. */
static const struct approval *approval_of(const struct commit *c, const struct tunnel *t, size_t peer)
{
	struct instant now = broker_now(c->op.broker);

	return approvals_find(c->op.broker->approvals, t->ifname, t->config->peers[peer].public_key, &now);
}

static int write_key(struct commit *c, struct tunnel *t, bool abandon)
{
	struct keyfile *k = malloc(sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	*k = *t->keyfile;
	r = abandon ? keyfile_set_next(k, NULL) : keyfile_commit_next(k);
	if (r == 0)
		r = keystore_save(c->op.broker->keys_dir, k);
	keyfile_free(k);
	if (r == 0)
		r = tunnel_read_key(t);
	tunnel_mark(t, TUNNEL_CHANGE_KEY, NULL);
	return r;
}

static void end(struct commit *c)
{
	struct request_result done = {.detail = ""};

	operation_end(&c->op, &done);
}

#define STILL_THERE "what was asked for is done, but the key that is no longer used is still in its slot"

static void on_erased(void *userdata, struct job *j, struct wire_result *result)
{
	struct commit *c = userdata;

	(void)j;
	c->erase = NULL;
	/* Somebody else has emptied it. */
	if (result->outcome == OUTCOME_OK || result->outcome == OUTCOME_NOT_ENROLLED)
		end(c);
	else
		operation_fail_with(&c->op, (int)result->outcome, "%s%s" STILL_THERE, result->detail, result->detail[0] ? "; " : "");
}

static void on_touch(void *userdata, struct job *j)
{
	struct commit *c = userdata;

	(void)j;
	operation_set_state(&c->op, OPERATION_TOUCH);
}

static void on_begun(void *userdata, struct job *j)
{
	struct commit *c = userdata;

	operation_set_prompt(&c->op, j->token, broker_touch_deadline(c->op.broker));
}

/* The slot is looked at once more: what is in it now may be another key. */
static bool visit(void *userdata, struct token *t, const struct wire_result *list)
{
	struct commit *c = userdata;
	const char *detail = "";
	size_t i;
	int r;

	for (i = 0; i < list->n_x_keys; i++)
		if (list->x_keys[i].slot.kind == c->old.slot.kind && list->x_keys[i].slot.number == c->old.slot.number &&
			key_equal(list->x_keys[i].public_key, c->old.public_key))
			break;
	if (i == list->n_x_keys)
		return false;
	r = job_new(&c->erase, t, WIRE_X_ERASE, c);
	if (r == 0)
		r = x_fill_channel(c->op.broker, &c->erase->request, c->old.slot.kind, c->old.token_public, &detail);
	if (r) {
		c->erase = job_cancel(c->erase);
		operation_fail_with(&c->op, r, "%s%s" STILL_THERE, detail, detail[0] ? "; " : "");
		return true;
	}
	c->erase->request.x_slot = c->old.slot;
	c->erase->request.timeout_ms = c->op.broker->options.touch_timeout_ms;
	c->erase->begun = on_begun;
	c->erase->touch = on_touch;
	c->erase->done = on_erased;
	job_start(c->erase);
	return true;
}

static void on_surveyed(void *userdata, int outcome, const char *detail)
{
	struct commit *c = userdata;

	operation_fail_with(&c->op, outcome, "%s%s" STILL_THERE, detail, detail[0] ? "; " : "");
}

static void finish(struct commit *c, struct tunnel *t)
{
	struct survey_params params = {.token_id = ""};
	struct operation *op = &c->op;

	broker_note(op->broker, LOG_LEVEL_INFO, "%s: the next key is %s by %s", t->ifname,
		op->options.abandon ? "given up" : "the present one now", op->requester.text);
	if (!op->options.erase) {
		end(c);
		return;
	}
	params.capabilities = x_capability(c->old.slot.kind);
	if (survey_start(&c->survey, op, &params, visit, on_surveyed, c) < 0)
		operation_fail(op, OUTCOME_FAILED, "out of memory; " STILL_THERE);
}

static bool was_asked(const struct commit *c, size_t peer)
{
	for (size_t i = 0; i < c->n_asked; i++)
		if (c->asked[i] == peer)
			return true;
	return false;
}

/* Approvals that came while the next key was being used are of the old one. */
static void end_others(struct commit *c, struct tunnel *t)
{
	for (size_t i = 0; i < t->config->n_peers; i++)
		if (!was_asked(c, i) && approval_of(c, t, i))
			broker_end_approvals(c->op.broker, t->ifname, t->config->peers[i].public_key, APPROVAL_END_RECONFIGURED);
}

/* A new approval in the place of each that stands, with what was left of its time. */
static int renew(struct commit *c, struct tunnel *t, const struct use_result *used)
{
	struct broker *b = c->op.broker;
	struct instant now = broker_now(b);
	struct secret **shared = calloc(t->config->n_peers + 1, sizeof(struct secret *));
	struct secret **preshared = NULL;
	struct approval_request request;
	const struct approval *a;
	const char *path = "";
	uint64_t until;
	int r = -ENOMEM;

	if (!shared)
		return r;
	for (size_t i = 0; i < c->n_asked; i++)
		shared[c->asked[i]] = used->shared[i];
	r = tunnel_load_preshared(&preshared, t, &path);
	for (size_t i = 0; i < c->n_asked && r == 0; i++) {
		a = approval_of(c, t, c->asked[i]);
		if (!a)
			continue;
		/* A whole tunnel's covers the rest as well. */
		if (approval_request(a)->whole_tunnel && i > 0)
			break;
		request = *approval_request(a);
		until = approval_until_boot_us(a);
		request.lifetime_seconds = (uint32_t)((until - now.boot_us) / US_PER_SEC);
		(void)snprintf(request.token_id, sizeof(request.token_id), "%s", used->token->node.id);
		request.uv = used->uv;
		if (request.lifetime_seconds > 0)
			r = approvals_grant_resident(b->approvals, &a, &request, t->config, shared, c->points, c->next.public_key, preshared,
				&now);
	}
	tunnel_free_preshared(preshared, t);
	free(shared);
	broker_arm_expiry(b);
	tunnel_mark(t, TUNNEL_CHANGE_STATE, NULL);
	return r;
}

static bool is_current(const struct commit *c, const struct tunnel *t)
{
	const char *detail;

	return t && tunnel_check_usable(t, &detail) == OUTCOME_OK && t->keyfile->held == KEYFILE_RESIDENT && t->keyfile->has_next &&
		key_equal(t->keyfile->next.public_key, c->next.public_key);
}

static void on_used(struct operation *op, struct use_result *result)
{
	struct commit *c = (struct commit *)op;
	struct tunnel *t = operation_tunnel(op);
	int r;

	if (result->outcome != OUTCOME_OK) {
		operation_fail_with(op, result->outcome, "%s", result->detail);
		return;
	}
	if (!is_current(c, t)) {
		operation_fail(op, OUTCOME_CANCELLED, "the tunnel changed meanwhile");
		return;
	}
	r = write_key(c, t, false);
	if (r) {
		operation_fail_with(op, r, "%s", "cannot write the key file");
		return;
	}
	/* Of the old key nothing is served any more, whatever becomes of this. */
	end_others(c, t);
	r = renew(c, t, result);
	if (r) {
		broker_end_approvals(op->broker, t->ifname, NULL, APPROVAL_END_RECONFIGURED);
		operation_fail_with(op, r, "%s", "the next key is in its place, but the tunnel has to be approved again");
		return;
	}
	finish(c, t);
}

/* The peers of approvals that stand, and the points for them. */
static int collect(struct commit *c, const struct tunnel *t, uint8_t (**ret_points)[KEY_SIZE], const char **ret_detail)
{
	const uint64_t now = broker_now(c->op.broker).real_us / US_PER_SEC;
	uint8_t (*points)[KEY_SIZE] = calloc(t->config->n_peers + 1, sizeof(*points));
	struct window_point *one;
	int r = 0;

	c->asked = calloc(t->config->n_peers + 1, sizeof(*c->asked));
	c->points = calloc(t->config->n_peers + 1, sizeof(*c->points));
	if (!points || !c->asked || !c->points) {
		free(points);
		return -ENOMEM;
	}
	for (size_t i = 0; i < t->config->n_peers && r == 0; i++) {
		if (!approval_of(c, t, i))
			continue;
		r = window_points(&one, &c->points_error, t->config, t->config->peers[i].public_key, now);
		if (r) {
			*ret_detail = c->points_error ? c->points_error : "";
			break;
		}
		c->points[i] = one[i];
		free(one);
		memcpy(points[c->n_asked], c->points[i].point, KEY_SIZE);
		c->asked[c->n_asked++] = i;
	}
	if (r) {
		free(points);
		return r;
	}
	*ret_points = points;
	return 0;
}

static int use(struct commit *c, struct tunnel *t, const char **ret_detail)
{
	struct operation *op = &c->op;
	struct use_params params = {
		.key = &c->next,
		.pin = &op->pin,
		.token_id = op->options.token,
		.wait = op->options.wait,
		.confirm_pin = op->options.confirm_pin,
	};
	uint8_t (*points)[KEY_SIZE] = NULL;
	int r;

	r = collect(c, t, &points, ret_detail);
	if (r)
		return r;
	params.points = (const uint8_t (*)[KEY_SIZE])points;
	params.n_points = c->n_asked;
	op->steps = use_touches(&c->next, c->n_asked);
	r = use_start(&c->use, op, &params, on_used);
	free(points);
	return r;
}

static void start(struct operation *op)
{
	struct commit *c = (struct commit *)op;
	struct tunnel *t = operation_tunnel(op);
	struct instant now = broker_now(op->broker);
	const char *detail = "";
	int r;

	r = t ? tunnel_check_usable(t, &detail) : OUTCOME_CANCELLED;
	if (r == OUTCOME_OK && (t->keyfile->held != KEYFILE_RESIDENT || !t->keyfile->has_next)) {
		r = OUTCOME_NOT_ENROLLED;
		detail = "there is no next key: wgfido rekey makes one";
	}
	if (r == OUTCOME_OK && broker_key_file_busy(op->broker, op, t->ifname)) {
		r = OUTCOME_TOKEN_BUSY;
		detail = "another new key for this tunnel is being made";
	}
	if (r) {
		operation_fail(op, (enum outcome)r, detail);
		return;
	}
	c->next = t->keyfile->next;
	c->old = op->options.abandon ? c->next : t->keyfile->resident;
	if (!op->options.abandon && t->config->mode == CONFIG_MODE_PSK &&
		approvals_find(op->broker->approvals, t->ifname, NULL, &now)) {
		r = use(c, t, &detail);
		if (r)
			operation_fail_with(op, r, "%s", detail);
		return;
	}
	/* What waits for a touch of the present key would be an approval with that. */
	if (!op->options.abandon)
		broker_cancel_operations(op->broker, op, t->ifname, "the key was replaced meanwhile");
	r = write_key(c, t, op->options.abandon);
	if (r)
		operation_fail_with(op, r, "%s", "cannot write the key file");
	else
		finish(c, t);
}

static void token_added(struct operation *op, struct token *t)
{
	use_token_added(((struct commit *)op)->use, t);
}

static void clear(struct operation *op)
{
	struct commit *c = (struct commit *)op;

	c->erase = job_cancel(c->erase);
	c->survey = survey_free(c->survey);
	c->use = use_free(c->use);
	free(c->asked);
	free(c->points);
	free(c->points_error);
}

const struct operation_ops operation_commit = {
	.size = sizeof(struct commit),
	.steps = 1,
	.start = start,
	.token_added = token_added,
	.clear = clear,
};
