/* SPDX-License-Identifier: GPL-2.0-or-later */
/* export: the identity key itself, with a fresh touch (an approval is not enough) or the recovery code. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation.h"

struct export {
	struct operation op;
	struct unlock *unlock;
};

static void on_unlocked(struct operation *op, struct unlock_result *result)
{
	struct tunnel *t = operation_tunnel(op);
	struct request_result done = {.detail = ""};
	uint8_t public_key[KEY_SIZE];

	if (result->outcome != OUTCOME_OK) {
		operation_fail_with(op, result->outcome, "%s", result->detail);
		return;
	}
	schedule_public(public_key, *result->t);
	/* The old key, and then the right to remove the new one's file, is nothing to hand out. */
	if (!t || !t->keyfile || !key_equal(t->keyfile->public_key, public_key)) {
		operation_fail(op, OUTCOME_CANCELLED, "the tunnel changed meanwhile");
		return;
	}
	t->exporter[0] = 0;
	if (op->options.forget) {
		memcpy(t->exporter, op->requester.sender, sizeof(t->exporter));
		t->forget_until_boot_us = broker_now(op->broker).boot_us + BROKER_FORGET_SECONDS * US_PER_SEC;
	}
	broker_note(op->broker, LOG_LEVEL_WARNING, "%s: key exported to %s with %s", t->ifname, op->requester.text,
		result->token ? token_name(result->token) : "the recovery code");
	done.key = *result->t;
	operation_end(op, &done);
}

static void start(struct operation *op)
{
	struct export *e = (struct export *)op;
	struct tunnel *t = operation_tunnel(op);
	struct unlock_params params = {
		.pin = &op->pin,
		.recovery = op->options.recovery,
		.token_id = op->options.token,
		.wait = op->options.wait,
		.confirm_pin = op->options.confirm_pin,
	};
	const char *detail = "";
	int r;

	r = t ? tunnel_check_usable(t, &detail) : OUTCOME_CANCELLED;
	if (r == OUTCOME_OK && t->keyfile->held == KEYFILE_RESIDENT) {
		r = OUTCOME_UNSUPPORTED;
		detail = TUNNEL_RESIDENT_NO_EXPORT;
	}
	if (r == OUTCOME_OK && t->config->mode != CONFIG_MODE_IDENTITY) {
		r = OUTCOME_INVALID_ARGUMENT;
		detail = "only a key of Mode = identity can be exported";
	}
	if (r) {
		operation_fail(op, (enum outcome)r, detail);
		return;
	}
	params.keyfile = t->keyfile;
	r = unlock_start(&e->unlock, op, &params, on_unlocked);
	if (r < 0)
		operation_fail_with(op, r, "%s", "");
}

static void token_added(struct operation *op, struct token *t)
{
	unlock_token_added(((struct export *)op)->unlock, t);
}

static void clear(struct operation *op)
{
	struct export *e = (struct export *)op;

	e->unlock = unlock_free(e->unlock);
}

const struct operation_ops operation_export = {
	.size = sizeof(struct export),
	.steps = 1,
	.start = start,
	.token_added = token_added,
	.clear = clear,
};
