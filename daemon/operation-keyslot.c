/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * add-keyslot: the new token first (create, evaluate), of which only the wrapping key is kept; then one that has a keyslot,
 * or the recovery code. So one USB port is enough. remove-keyslot: a touch of one that has a keyslot, or the code.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/broker.h"
#include "daemon/operation.h"

struct keyslot_operation {
	struct operation op;
	struct create *create;
	struct unlock *unlock;
	/* of the new slot */
	enum keyslot_type type;
	struct wire_credential credential;
	uint8_t aaguid[16];
	enum wire_uv uv;
	char label[KEYFILE_LABEL_MAX];
	struct secret *kek;
	struct secret *recovery_text;
	uint64_t new_number;
	uint32_t slot; /* to remove */
};

static int add(struct keyslot_operation *k, struct keyfile *file, const struct secret *t)
{
	struct keyslot_new slot = {
		.type = k->type,
		.label = k->label,
		.created = broker_now(k->op.broker).real_us / US_PER_SEC,
		.uv = k->uv,
		.aaguid = k->aaguid,
		.credential = &k->credential,
	};
	_cleanup_secret_ struct secret *bits = NULL;
	int r = 0;

	if (k->type == KEYSLOT_RECOVERY) {
		r = recovery_new(&bits, &k->recovery_text);
		if (r == 0)
			r = keyslot_kek(&k->kek, bits, file->salt);
	}
	slot.kek = k->kek;
	return r ? r : keyfile_add_slot(file, &k->slot, &slot, t);
}

/* t is the key of the file as it is now, which may have got other slots while we waited for touches. */
static int change(struct keyslot_operation *k, struct tunnel *tunnel, const struct secret *t)
{
	uint8_t public_key[KEY_SIZE];
	struct keyfile *file;
	int r;

	schedule_public(public_key, t);
	if (!tunnel || !tunnel->keyfile || !key_equal(public_key, tunnel->keyfile->public_key))
		return OUTCOME_CANCELLED;
	file = malloc(sizeof(*file));
	if (!file)
		return -ENOMEM;
	*file = *tunnel->keyfile;
	r = k->op.kind == REQUEST_ADD_KEYSLOT ? add(k, file, t) : keyfile_remove_slot(file, k->slot, t);
	if (r == 0)
		r = keystore_save(k->op.broker->keys_dir, file);
	keyfile_free(file);
	return r ? r : tunnel_read_key(tunnel);
}

static const char *explain(const struct keyslot_operation *k, int outcome)
{
	switch (outcome) {
	case OUTCOME_LIMIT_EXCEEDED:
		return "all keyslots are taken";
	case OUTCOME_NOT_ENROLLED:
		return "there is no such keyslot";
	case OUTCOME_INVALID_ARGUMENT:
		return k->op.kind == REQUEST_REMOVE_KEYSLOT ? "it is the last keyslot" : "";
	case OUTCOME_CANCELLED:
		return "the key was replaced meanwhile";
	default:
		return outcome < 0 ? "the key file stays as it was" : "";
	}
}

static void on_unlocked(struct operation *op, struct unlock_result *result)
{
	struct keyslot_operation *k = (struct keyslot_operation *)op;
	struct tunnel *t = operation_tunnel(op);
	struct request_result done = {.detail = ""};
	int r;

	if (result->outcome != OUTCOME_OK) {
		operation_fail_with(op, result->outcome, "%s", result->detail);
		return;
	}
	r = change(k, t, *result->t);
	if (r) {
		operation_fail_with(op, r, "%s", explain(k, r));
		return;
	}
	/* Who loses a keyslot loses what it opened, and what it was about to open. */
	if (op->kind == REQUEST_REMOVE_KEYSLOT) {
		broker_cancel_operations(op->broker, op, t->ifname, "a keyslot was removed");
		broker_end_approvals(op->broker, t->ifname, NULL, APPROVAL_END_RECONFIGURED);
	}
	tunnel_mark(t, TUNNEL_CHANGE_KEY, NULL);
	broker_note(op->broker, LOG_LEVEL_INFO, "%s: keyslot %u %s by %s", t->ifname, k->slot,
		op->kind == REQUEST_ADD_KEYSLOT ? "added" : "removed", op->requester.text);
	done.slot = k->slot;
	done.recovery = k->recovery_text;
	operation_end(op, &done);
}

static void unlock(struct keyslot_operation *k, struct tunnel *t, struct pin *pin, const char *token_id, bool wait)
{
	struct unlock_params params = {
		.keyfile = t->keyfile,
		.pin = pin,
		.recovery = k->op.options.recovery,
		.token_id = token_id,
		.except_number = k->new_number,
		.wait = wait,
		.confirm_pin = k->op.options.confirm_pin,
	};
	int r;

	k->op.touch = "touch";
	r = unlock_start(&k->unlock, &k->op, &params, on_unlocked);
	if (r < 0)
		operation_fail_with(&k->op, r, "%s", "");
}

static void on_created(struct operation *op, struct create_result *result)
{
	struct keyslot_operation *k = (struct keyslot_operation *)op;
	struct tunnel *t = operation_tunnel(op);

	if (result->outcome != OUTCOME_OK) {
		operation_fail_with(op, result->outcome, "%s",
			result->outcome == OUTCOME_EXISTS ? "this key has a keyslot already" : result->detail);
		return;
	}
	if (!t || !t->keyfile) {
		operation_fail(op, OUTCOME_CANCELLED, "the key is gone");
		return;
	}
	k->credential = *result->credential;
	memcpy(k->aaguid, result->aaguid, sizeof(k->aaguid));
	k->uv = result->uv;
	k->kek = secret_take(result->kek);
	k->new_number = result->token->number;
	(void)snprintf(k->label, sizeof(k->label), "%s",
		op->options.label[0] ? op->options.label : token_name(result->token));
	operation_set_step(op, 3);
	/* With one port the new token must make room for an old one, whose PIN has come before it. */
	op->old_pin.newest = UINT64_MAX;
	unlock(k, t, &op->old_pin, "", true);
}

/* Keyslots wrap a key that the broker can have; this one never leaves its token. */
static int check(struct tunnel *t, const char **ret_detail)
{
	int r;

	*ret_detail = "";
	r = t ? tunnel_check_usable(t, ret_detail) : OUTCOME_CANCELLED;
	if (r == OUTCOME_OK && t->keyfile->held == KEYFILE_RESIDENT) {
		*ret_detail = TUNNEL_RESIDENT_NO_KEYSLOTS;
		r = OUTCOME_UNSUPPORTED;
	}
	return r;
}

static void start_add(struct operation *op)
{
	struct keyslot_operation *k = (struct keyslot_operation *)op;
	struct tunnel *t = operation_tunnel(op);
	struct create_params params = {
		.tunnel_name = op->target,
		.pin = &op->pin,
		.token_id = op->options.token,
		.uv = op->options.uv,
		.wait = op->options.wait,
		.confirm_pin = op->options.confirm_pin,
	};
	const char *detail = "";
	int r;

	r = check(t, &detail);
	if (r == OUTCOME_OK && t->keyfile->n_slots >= KEYFILE_SLOTS_MAX) {
		r = OUTCOME_LIMIT_EXCEEDED;
		detail = "all keyslots are taken";
	}
	if (r) {
		operation_fail(op, (enum outcome)r, detail);
		return;
	}
	if (op->options.add_recovery) {
		op->steps = 1;
		k->type = KEYSLOT_RECOVERY;
		(void)snprintf(k->label, sizeof(k->label), "%s",
			op->options.label[0] ? op->options.label : "recovery code");
		unlock(k, t, op->old_pin.text ? &op->old_pin : &op->pin, op->options.token, op->options.wait);
		return;
	}
	k->type = KEYSLOT_HMAC_SECRET;
	op->touch = "touch-new";
	params.keyfile = t->keyfile;
	params.salt = t->keyfile->salt;
	r = create_start(&k->create, op, &params, on_created);
	if (r < 0)
		operation_fail_with(op, r, "%s", "");
}

static void start_remove(struct operation *op)
{
	struct keyslot_operation *k = (struct keyslot_operation *)op;
	struct tunnel *t = operation_tunnel(op);
	const char *detail = "";
	int r;

	k->slot = TAILQ_FIRST(&op->requests)->slot;
	r = check(t, &detail);
	if (r == OUTCOME_OK && !keyfile_find_slot(t->keyfile, k->slot)) {
		r = OUTCOME_INVALID_ARGUMENT;
		detail = "there is no such keyslot";
	} else if (r == OUTCOME_OK && t->keyfile->n_slots == 1) {
		r = OUTCOME_INVALID_ARGUMENT;
		detail = "it is the last keyslot";
	}
	if (r)
		operation_fail(op, (enum outcome)r, detail);
	else
		unlock(k, t, &op->pin, op->options.token, op->options.wait);
}

static void token_added(struct operation *op, struct token *t)
{
	struct keyslot_operation *k = (struct keyslot_operation *)op;

	if (k->unlock)
		unlock_token_added(k->unlock, t);
	else
		create_token_added(k->create, t);
}

static void clear(struct operation *op)
{
	struct keyslot_operation *k = (struct keyslot_operation *)op;

	k->create = create_free(k->create);
	k->unlock = unlock_free(k->unlock);
	k->kek = secret_free(k->kek);
	k->recovery_text = secret_free(k->recovery_text);
}

const struct operation_ops operation_add_keyslot = {
	.size = sizeof(struct keyslot_operation),
	.steps = 3,
	.start = start_add,
	.token_added = token_added,
	.clear = clear,
};

const struct operation_ops operation_remove_keyslot = {
	.size = sizeof(struct keyslot_operation),
	.steps = 1,
	.start = start_remove,
	.token_added = token_added,
	.clear = clear,
};
