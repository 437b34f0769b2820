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
#include "daemon/operation.h"

struct approve {
	struct operation op;
	struct unlock *unlock;
	uint64_t until_boot_us; /* of the tunnel that was asked for */
	bool first_done;
};

static void next(struct approve *a);

static void free_preshared(struct secret **preshared, size_t n)
{
	size_t i;

	for (i = 0; preshared && i < n; i++)
		secret_free(preshared[i]);
	free(preshared);
}

/* The admin's own PSKs to mix in. */
static int load_preshared(struct secret ***ret, const struct config *config, const char **ret_path)
{
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

static void grant(struct approve *a, struct tunnel *t, const struct unlock_result *opened)
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

	r = load_preshared(&preshared, t->config, &path);
	if (r < 0) {
		operation_fail_with(op, r, "%s", path);
		return;
	}
	r = broker_check_grant(op->broker, t->config, &path);
	if (r) {
		free_preshared(preshared, t->config->n_peers);
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
	r = approvals_grant(op->broker->approvals, &approval, &request, t->config, *opened->t, t->keyfile->public_key,
		preshared, &now);
	free_preshared(preshared, t->config->n_peers);
	if (r) {
		operation_fail_with(op, r, "%s", r == OUTCOME_LIMIT_EXCEEDED ? "too many approvals" : "");
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
	grant(a, t, result);
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
	struct secret **preshared = NULL;
	const char *detail;
	int r;

	r = t ? tunnel_check_usable(t, &detail) : OUTCOME_CANCELLED;
	if (!r)
		r = broker_check_grant(op->broker, t->config, &detail);
	if (r) {
		operation_fail(op, (enum outcome)r, t ? detail : "the tunnel is gone");
		return;
	}
	/* Only to see that they can be read, before anyone is asked for a touch. */
	r = load_preshared(&preshared, t->config, &detail);
	if (r < 0) {
		operation_fail_with(op, r, "%s", detail);
		return;
	}
	free_preshared(preshared, t->config->n_peers);
	params.keyfile = t->keyfile;
	a->unlock = unlock_free(a->unlock);
	r = unlock_start(&a->unlock, op, &params, on_unlocked);
	if (r < 0)
		operation_fail_with(op, r, "%s", "");
}

static bool goes_along(const struct tunnel *t)
{
	const char *detail;

	return t->config && t->config->scope == CONFIG_SCOPE_GLOBAL && tunnel_check_usable(t, &detail) == OUTCOME_OK;
}

static unsigned int count_global(const struct approve *a, bool global)
{
	const struct tunnel *t;
	unsigned int n = 1;

	if (!global)
		return n;
	TAILQ_FOREACH(t, &a->op.broker->tunnels, link)
		n += goes_along(t) && strcmp(t->ifname, a->op.ifname) != 0;
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
	op->steps = count_global(a, config->scope == CONFIG_SCOPE_GLOBAL);
	unlock(a);
}

static void token_added(struct operation *op, struct token *t)
{
	unlock_token_added(((struct approve *)op)->unlock, t);
}

static void clear(struct operation *op)
{
	struct approve *a = (struct approve *)op;

	a->unlock = unlock_free(a->unlock);
}

const struct operation_ops operation_approve = {
	.size = sizeof(struct approve),
	.steps = 1,
	.start = start,
	.token_added = token_added,
	.clear = clear,
};
