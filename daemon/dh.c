/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/dh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation-resident.h"

struct dh_call {
	TAILQ_ENTRY(dh_call) link;
	struct tunnel *tunnel;
	enum request_role role;
	uint8_t peer[KEY_SIZE]; /* static, initiator */
	uint64_t generation;	/* of the approval under which it was asked for */
	uint64_t begun_boot_us;
	bool touching;
	struct job *job;
	sd_event_source *deadline;
	dh_done_t done;
	void *userdata;
};

void dh_tunnel_init(struct dh_tunnel *d)
{
	memset(d, 0, sizeof(*d));
	d->generation = 1;
	TAILQ_INIT(&d->calls);
}

static struct tunnel_peer *find_peer(struct tunnel *t, const uint8_t public_key[static KEY_SIZE])
{
	const struct config_peer *p = t->config ? config_find_peer(t->config, public_key) : NULL;

	return p ? &t->peers[p - t->config->peers] : NULL;
}

static void set_touching(struct dh_call *c, bool touching)
{
	struct dh_tunnel *d = &c->tunnel->dh;

	if (c->touching == touching)
		return;
	c->touching = touching;
	d->touches += touching ? 1u : -1u;
	tunnel_mark(c->tunnel, TUNNEL_CHANGE_PROMPT, NULL);
}

/* Off the list; who asked is still to be told. */
static void detach(struct dh_call *c)
{
	struct tunnel_peer *p = c->role == REQUEST_ROLE_INITIATOR ? find_peer(c->tunnel, c->peer) : NULL;

	if (p)
		p->dh.waiting = false;
	set_touching(c, false);
	c->job = job_cancel(c->job);
	c->deadline = sd_event_source_disable_unref(c->deadline);
	TAILQ_REMOVE(&c->tunnel->dh.calls, c, link);
}

static void end(struct dh_call *c, int outcome, const char *detail, struct secret **shared)
{
	detach(c);
	c->done(c->userdata, outcome, detail, shared);
	free(c);
}

struct dh_call *dh_cancel(struct dh_call *c)
{
	if (!c)
		return NULL;
	detach(c);
	free(c);
	return NULL;
}

void dh_end(struct tunnel *t, int outcome, const char *detail)
{
	struct dh_call *c;

	t->dh.generation++;
	while ((c = TAILQ_FIRST(&t->dh.calls)))
		end(c, outcome, detail, NULL);
}

static const struct approval *find_approval(struct tunnel *t)
{
	struct instant now = broker_now(t->broker);

	return approvals_find(t->broker->approvals, t->ifname, NULL, &now);
}

/* Lately, as a moving average: what it takes decides how often others may ask. */
static void learn_cost(struct token *token, uint64_t us)
{
	token->x_cost_us = token->x_cost_us ? (7 * token->x_cost_us + us) / 8 : us;
}

static void on_done(void *userdata, struct job *j, struct wire_result *result)
{
	struct dh_call *c = userdata;
	struct tunnel *t = c->tunnel;
	struct broker *b = t->broker;
	struct tunnel_peer *p;

	c->job = NULL;
	if (result->outcome == OUTCOME_PIN_REQUIRED) {
		/* It will not come back by itself. This ends the call as well. */
		broker_end_approvals(b, t->ifname, NULL, APPROVAL_END_SESSION_LOST);
		return;
	}
	if (result->outcome != OUTCOME_OK) {
		end(c, (int)result->outcome, result->detail, NULL);
		return;
	}
	if (!c->touching)
		learn_cost(j->token, broker_now(b).boot_us - c->begun_boot_us);
	if (result->n_outputs != 1 || secret_is_zero(result->outputs[0])) {
		end(c, OUTCOME_TOKEN_FAILED, "it answered what was not asked", NULL);
		return;
	}
	/* Time may have run out a moment ago, with nobody having looked yet. */
	if (c->generation != t->dh.generation || !find_approval(t)) {
		end(c, OUTCOME_NOT_APPROVED, "", NULL);
		return;
	}
	p = c->role == REQUEST_ROLE_STATIC ? find_peer(t, c->peer) : NULL;
	if (p)
		p->dh.generation = c->generation;
	end(c, OUTCOME_OK, "", &result->outputs[0]);
}

static void on_begun(void *userdata, struct job *j)
{
	struct dh_call *c = userdata;

	(void)j;
	c->begun_boot_us = broker_now(c->tunnel->broker).boot_us;
}

static void on_touch(void *userdata, struct job *j)
{
	struct dh_call *c = userdata;
	struct dh_tunnel *d = &c->tunnel->dh;

	(void)snprintf(d->token_name, sizeof(d->token_name), "%s", token_name(j->token));
	d->deadline_boot_us = broker_touch_deadline(c->tunnel->broker);
	set_touching(c, true);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dh_call *c = userdata;

	(void)source;
	(void)usec;
	if (c->touching)
		end(c, OUTCOME_TOUCH_TIMEOUT, "", NULL);
	else
		end(c, OUTCOME_TOKEN_BUSY, "", NULL);
	return 0;
}

static bool remembered(const struct dh_tunnel *d, const uint8_t mac1[static MAC1_SIZE])
{
	for (unsigned int i = 0; i < DH_REMEMBERED; i++)
		if (memcmp(d->mac1[i], mac1, MAC1_SIZE) == 0)
			return true;
	return false;
}

static void remember(struct dh_tunnel *d, const uint8_t mac1[static MAC1_SIZE])
{
	memcpy(d->mac1[d->next_mac1], mac1, MAC1_SIZE);
	d->next_mac1 = (d->next_mac1 + 1) % DH_REMEMBERED;
}

static unsigned int count(const struct dh_tunnel *d, bool responder_only)
{
	const struct dh_call *c;
	unsigned int n = 0;

	TAILQ_FOREACH(c, &d->calls, link)
		n += !responder_only || c->role == REQUEST_ROLE_RESPONDER;
	return n;
}

static int check_static(struct tunnel *t, const struct dh_params *p, const char **ret_detail)
{
	if (p->has_peer || p->message_len > 0) {
		*ret_detail = "role static has no peer and no message";
		return OUTCOME_INVALID_ARGUMENT;
	}
	if (find_peer(t, p->point))
		return OUTCOME_OK;
	*ret_detail = "that is no peer of the tunnel's configuration";
	return OUTCOME_NOT_APPROVED;
}

static int check_message(struct tunnel *t, const struct dh_params *p, enum mac1_type type, const uint8_t own[static KEY_SIZE],
	uint8_t ret_mac1[static MAC1_SIZE], const char **ret_detail)
{
	uint8_t ephemeral[KEY_SIZE];
	int r;

	r = mac1_check(ephemeral, ret_mac1, type, p->message, p->message_len, own);
	if (r == -EBADMSG || (r == 0 && !key_equal(ephemeral, p->point))) {
		*ret_detail = "the message is no handshake for this tunnel's key, or its point is another one";
		return OUTCOME_INVALID_ARGUMENT;
	}
	if (r == 0 && remembered(&t->dh, ret_mac1)) {
		*ret_detail = "this message was there before";
		return OUTCOME_INVALID_ARGUMENT;
	}
	return r;
}

static int check_initiator(struct tunnel *t, const struct dh_params *p, const uint8_t own[static KEY_SIZE],
	uint8_t ret_mac1[static MAC1_SIZE], const char **ret_detail)
{
	struct tunnel_peer *peer = p->has_peer ? find_peer(t, p->peer) : NULL;
	const uint64_t now = broker_now(t->broker).boot_us;
	int r;

	if (!p->has_peer) {
		*ret_detail = "role initiator wants a peer";
		return OUTCOME_INVALID_ARGUMENT;
	}
	if (!peer || peer->dh.generation != t->dh.generation) {
		*ret_detail = peer ? "no handshake with that peer was begun" : "that is no peer of the tunnel's configuration";
		return OUTCOME_NOT_APPROVED;
	}
	r = check_message(t, p, MAC1_RESPONSE, own, ret_mac1, ret_detail);
	if (r)
		return r;
	if (!peer->dh.bucket_ready)
		bucket_init(&peer->dh.initiator, DH_INITIATOR_BURST, now);
	peer->dh.bucket_ready = true;
	if (peer->dh.waiting || !bucket_take(&peer->dh.initiator, DH_INITIATOR_BURST, DH_INITIATOR_INTERVAL_US, now)) {
		*ret_detail = "that peer answers too often";
		return OUTCOME_LIMIT_EXCEEDED;
	}
	return OUTCOME_OK;
}

static int check_responder(struct tunnel *t, const struct dh_params *p, const struct keyfile_resident *key, const struct token *token,
	uint8_t ret_mac1[static MAC1_SIZE], const char **ret_detail)
{
	const uint64_t now = broker_now(t->broker).boot_us;
	uint64_t interval = 2 * token->x_cost_us;
	int r;

	if (p->has_peer) {
		*ret_detail = "role responder has no peer";
		return OUTCOME_INVALID_ARGUMENT;
	}
	/* Else whoever is on the network could have it blink. */
	if (key->touch == WIRE_X_TOUCH_ALWAYS) {
		*ret_detail = "it wants a touch each time, and so answers no handshakes of others";
		return OUTCOME_UNSUPPORTED;
	}
	r = check_message(t, p, MAC1_INITIATION, key->public_key, ret_mac1, ret_detail);
	if (r)
		return r;
	if (interval < DH_RESPONDER_INTERVAL_MIN_US)
		interval = DH_RESPONDER_INTERVAL_MIN_US;
	if (!t->dh.bucket_ready)
		bucket_init(&t->dh.responder, DH_RESPONDER_BURST, now);
	t->dh.bucket_ready = true;
	if (count(&t->dh, true) >= DH_RESPONDER_WAITING_MAX || !bucket_take(&t->dh.responder, DH_RESPONDER_BURST, interval, now)) {
		*ret_detail = "too many handshakes are asked for";
		return OUTCOME_LIMIT_EXCEEDED;
	}
	return OUTCOME_OK;
}

static int check_tunnel(struct tunnel *t, const struct dh_params *p, const struct keyfile_resident **ret_key, struct token **ret_token,
	const char **ret_detail)
{
	const struct approval *a;
	int r;

	r = tunnel_check_usable(t, ret_detail);
	if (r)
		return r;
	if (t->keyfile->held != KEYFILE_RESIDENT || t->config->mode != CONFIG_MODE_IDENTITY) {
		*ret_detail = "it is for identity tunnels whose key is on a security key";
		return OUTCOME_UNSUPPORTED;
	}
	a = find_approval(t);
	if (!a)
		return OUTCOME_NOT_APPROVED;
	if (p->next && !t->keyfile->has_next) {
		*ret_detail = "there is no next key";
		return OUTCOME_INVALID_ARGUMENT;
	}
	*ret_key = p->next ? &t->keyfile->next : &t->keyfile->resident;
	*ret_token = tokens_find(&t->broker->tokens, approval_request(a)->token_id);
	if (!*ret_token)
		return OUTCOME_TOKEN_MISSING;
	if (count(&t->dh, false) >= DH_WAITING_MAX) {
		*ret_detail = "too many handshakes wait for the security key";
		return OUTCOME_LIMIT_EXCEEDED;
	}
	return OUTCOME_OK;
}

static int new_job(struct dh_call *c, struct token *token, const struct keyfile_resident *key, const struct dh_params *p,
	const char **ret_detail)
{
	struct broker *b = c->tunnel->broker;
	struct job *j;
	int r;

	r = job_new(&j, token, WIRE_X_DH, c);
	if (r < 0)
		return r;
	j->request.timeout_ms = b->options.touch_timeout_ms;
	j->request.x_slot = key->slot;
	memcpy(j->request.x_point, p->point, KEY_SIZE);
	j->request.x_keep = key->slot.kind != WIRE_X_CTAPHID;
	j->turn = JOB_FOR_HANDSHAKES;
	j->begun = on_begun;
	j->touch = on_touch;
	j->done = on_done;
	r = x_fill_channel(b, &j->request, key->slot.kind, key->token_public, ret_detail);
	if (r)
		job_cancel(j);
	else
		c->job = j;
	return r;
}

int dh_start(struct dh_call **ret, struct tunnel *t, const struct dh_params *params, dh_done_t done, void *userdata,
	const char **ret_detail)
{
	const uint64_t limit = t->broker->options.touch_timeout_ms * US_PER_MS;
	const struct keyfile_resident *key;
	uint8_t mac1[MAC1_SIZE] = {0};
	struct tunnel_peer *peer;
	struct token *token;
	struct dh_call *c;
	int r;

	*ret_detail = "";
	r = check_tunnel(t, params, &key, &token, ret_detail);
	if (r)
		return r;
	switch (params->role) {
	case REQUEST_ROLE_NONE:
		*ret_detail = "option role is missing";
		r = OUTCOME_INVALID_ARGUMENT;
		break;
	case REQUEST_ROLE_STATIC:
		r = check_static(t, params, ret_detail);
		break;
	case REQUEST_ROLE_INITIATOR:
		r = check_initiator(t, params, key->public_key, mac1, ret_detail);
		break;
	case REQUEST_ROLE_RESPONDER:
		r = check_responder(t, params, key, token, mac1, ret_detail);
		break;
	}
	if (r)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->tunnel = t;
	c->role = params->role;
	memcpy(c->peer, params->role == REQUEST_ROLE_STATIC ? params->point : params->peer, KEY_SIZE);
	c->generation = t->dh.generation;
	c->done = done;
	c->userdata = userdata;
	r = new_job(c, token, key, params, ret_detail);
	if (r == 0)
		r = sd_event_add_time_relative(t->broker->event, &c->deadline, CLOCK_MONOTONIC, limit, 0, on_deadline, c);
	if (r < 0 || !c->job) {
		job_cancel(c->job);
		free(c);
		return r;
	}
	if (params->message_len > 0)
		remember(&t->dh, mac1);
	peer = params->role == REQUEST_ROLE_INITIATOR ? find_peer(t, params->peer) : NULL;
	if (peer)
		peer->dh.waiting = true;
	TAILQ_INSERT_TAIL(&t->dh.calls, c, link);
	*ret = c;
	job_start(c->job);
	return 0;
}
