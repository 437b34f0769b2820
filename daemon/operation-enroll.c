/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * enroll, import, rekey: a key file for a new token key, or one that exists already. It is written and synced into the
 * staging directory, read back, and unwrapped with one more touch; only then does it take its place, in one rename. So at any
 * moment, and after any crash, there is the old file or the proven new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/handle.h"
#include "daemon/broker.h"
#include "daemon/operation.h"

struct enroll {
	struct operation op;
	struct create *create;
	struct unlock *unlock;
	struct secret *t;
	struct secret *recovery_text;
	struct keyfile *keyfile;
	bool staged;
};

#define NOTHING_CHANGED "nothing was changed"

static int place(struct enroll *e)
{
	const struct broker *b = e->op.broker;
	char name[IF_NAMESIZE + sizeof(".key")];
	int from, to, r = 0;

	(void)snprintf(name, sizeof(name), "%s.key", e->op.target);
	from = open(b->staging_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return -errno;
	to = open(b->keys_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (to < 0) {
		r = -errno;
	} else if (renameat(from, name, to, name) < 0) {
		r = -errno;
	} else {
		e->staged = false;
		if (fsync(to) < 0)
			r = -errno;
		(void)close(to);
		(void)close(from);
		return r;
	}
	if (to >= 0)
		(void)close(to);
	(void)close(from);
	return r;
}

static void unstage(struct enroll *e)
{
	char path[PATH_MAX];

	if (!e->staged)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s.key", e->op.broker->staging_dir, e->op.target);
	(void)file_remove_synced(AT_FDCWD, path);
	e->staged = false;
}

/* Another one may have come into being meanwhile, made by hand. */
static bool in_the_way(const struct enroll *e, struct tunnel *t)
{
	return e->op.kind != REQUEST_REKEY && (tunnel_read_key(t) < 0 || t->keyfile || t->key_problem);
}

static void on_proved(struct operation *op, struct unlock_result *result)
{
	struct enroll *e = (struct enroll *)op;
	struct tunnel *t = operation_tunnel(op);
	struct request_result done = {.detail = "", .recovery = e->recovery_text};
	int r;

	if (result->outcome != OUTCOME_OK || !secret_equal(*result->t, e->t)) {
		unstage(e);
		operation_fail_with(op, result->outcome ? result->outcome : OUTCOME_TOKEN_FAILED,
			"%s%sthe new key file could not be proved and was removed, " NOTHING_CHANGED, result->detail,
			result->detail[0] ? "; " : "");
		return;
	}
	if (!t || !t->config || in_the_way(e, t)) {
		unstage(e);
		operation_fail(op, t ? OUTCOME_EXISTS : OUTCOME_CANCELLED, NOTHING_CHANGED);
		return;
	}
	r = place(e);
	if (r < 0) {
		unstage(e);
		operation_fail_with(op, r, "the key file");
		return;
	}
	/* What others still wait to unlock is the key that is gone. */
	broker_cancel_operations(op->broker, op, t->ifname, "its key was replaced");
	broker_end_approvals(op->broker, t->ifname, NULL, APPROVAL_END_RECONFIGURED);
	r = tunnel_read_key(t);
	t->exporter[0] = 0;
	tunnel_mark(t, TUNNEL_CHANGE_KEY, NULL);
	if (r < 0) {
		operation_fail_with(op, r, "the new key file");
		return;
	}
	broker_note(op->broker, LOG_LEVEL_INFO, "%s: new key (%s) by %s with %s", t->ifname, request_kind_name(op->kind),
		op->requester.text, token_name(result->token));
	done.public_key = e->keyfile->public_key;
	operation_end(op, &done);
}

static int add_recovery(struct enroll *e, uint64_t now)
{
	_cleanup_secret_ struct secret *bits = NULL, *kek = NULL;
	struct keyslot_new slot = {.type = KEYSLOT_RECOVERY, .label = "recovery code", .created = now};
	uint32_t id;
	int r;

	r = recovery_new(&bits, &e->recovery_text);
	if (r == 0)
		r = keyslot_kek(&kek, bits, e->keyfile->salt);
	slot.kek = kek;
	return r ? r : keyfile_add_slot(e->keyfile, &id, &slot, e->t);
}

static int add_slots(struct enroll *e, const struct create_result *created)
{
	const struct request_options *o = &e->op.options;
	uint64_t now = broker_now(e->op.broker).real_us / US_PER_SEC;
	struct keyslot_new slot = {
		.type = KEYSLOT_HMAC_SECRET,
		.label = o->label[0] ? o->label : token_name(created->token),
		.created = now,
		.uv = created->uv,
		.aaguid = created->aaguid,
		.credential = created->credential,
		.kek = *created->kek,
	};
	uint32_t id;
	int r;

	r = keyfile_add_slot(e->keyfile, &id, &slot, e->t);
	return r || !o->make_recovery ? r : add_recovery(e, now);
}

static void on_created(struct operation *op, struct create_result *result)
{
	struct enroll *e = (struct enroll *)op;
	struct unlock_params params = {.token_id = "", .pin = &op->pin, .confirm_pin = op->options.confirm_pin};
	struct keyfile *written = NULL;
	char *error = NULL;
	int r;

	if (result->outcome != OUTCOME_OK) {
		operation_fail_with(op, result->outcome, "%s", result->detail);
		return;
	}
	r = add_slots(e, result);
	if (r) {
		operation_fail_with(op, r, "cannot make a keyslot");
		return;
	}
	r = keystore_save(op->broker->staging_dir, e->keyfile);
	if (r) {
		operation_fail_with(op, r, "cannot write the key file, " NOTHING_CHANGED);
		return;
	}
	e->staged = true;
	r = keystore_load(&written, &error, op->broker->staging_dir, op->target);
	free(error);
	if (r) {
		unstage(e);
		operation_fail_with(op, r, "cannot read the new key file back, " NOTHING_CHANGED);
		return;
	}
	operation_set_step(op, 3);
	params.keyfile = written;
	params.only_number = result->token->number;
	r = unlock_start(&e->unlock, op, &params, on_proved);
	keyfile_free(written);
	if (r < 0)
		operation_fail_with(op, r, "%s", "");
}

static void clamp(struct secret *t)
{
	uint8_t *bytes = secret_borrow_mut(t);

	/* As wg genkey does: the key an export gives is the very one that others would have made. */
	bytes[0] &= 248;
	bytes[31] = (uint8_t)((bytes[31] & 127) | 64);
}

static int check(const struct operation *op, const struct tunnel *t, const char **ret_detail)
{
	*ret_detail = "";
	if (!t)
		return OUTCOME_CANCELLED;
	if (!t->config) {
		*ret_detail = tunnel_problem(t);
		return OUTCOME_FAILED;
	}
	if (op->options.has_x_slot || op->options.x_touch != WIRE_X_TOUCH_UNKNOWN || op->options.has_handle) {
		*ret_detail = "options slot, touch and handle go with resident only";
		return OUTCOME_INVALID_ARGUMENT;
	}
	if (op->kind == REQUEST_REKEY && !t->keyfile && !t->key_problem)
		return OUTCOME_NOT_ENROLLED;
	if (op->kind != REQUEST_REKEY && (t->keyfile || t->key_problem))
		return OUTCOME_EXISTS;
	if (op->kind == REQUEST_IMPORT && t->config->mode != CONFIG_MODE_IDENTITY) {
		*ret_detail = "a key can be imported only with Mode = identity";
		return OUTCOME_INVALID_ARGUMENT;
	}
	if (op->kind == REQUEST_IMPORT && handle_is_secret(TAILQ_FIRST(&op->requests)->import_key)) {
		*ret_detail = HANDLE_NOT_A_KEY;
		return OUTCOME_INVALID_ARGUMENT;
	}
	/* Two at once would write the same file. */
	if (broker_key_file_busy(op->broker, op, t->ifname)) {
		*ret_detail = "another new key for this tunnel is being made";
		return OUTCOME_TOKEN_BUSY;
	}
	return OUTCOME_OK;
}

static void start(struct operation *op)
{
	struct enroll *e = (struct enroll *)op;
	struct tunnel *t = operation_tunnel(op);
	struct create_params params = {
		.pin = &op->pin,
		.token_id = op->options.token,
		.uv = op->options.uv,
		.wait = op->options.wait,
		.confirm_pin = op->options.confirm_pin,
	};
	const char *detail;
	int r;

	r = check(op, t, &detail);
	if (r) {
		operation_fail(op, (enum outcome)r, detail);
		return;
	}
	if (op->kind == REQUEST_IMPORT) {
		e->t = secret_take(&TAILQ_FIRST(&op->requests)->import_key);
	} else {
		e->t = secret_new(SECRET_KEY_SIZE);
		if (e->t) {
			secret_fill_random(e->t);
			clamp(e->t);
		}
	}
	r = e->t ? keyfile_new(&e->keyfile, t->ifname, t->config->mode, e->t) : -ENOMEM;
	if (r == 0) {
		params.tunnel_name = t->ifname;
		params.salt = e->keyfile->salt;
		r = create_start(&e->create, op, &params, on_created);
	}
	if (r)
		operation_fail_with(op, r, "%s", "");
}

static void token_added(struct operation *op, struct token *t)
{
	struct enroll *e = (struct enroll *)op;

	if (e->unlock)
		unlock_token_added(e->unlock, t);
	else
		create_token_added(e->create, t);
}

static void clear(struct operation *op)
{
	struct enroll *e = (struct enroll *)op;

	e->create = create_free(e->create);
	e->unlock = unlock_free(e->unlock);
	e->t = secret_free(e->t);
	e->recovery_text = secret_free(e->recovery_text);
	e->keyfile = keyfile_free(e->keyfile);
	unstage(e);
}

const struct operation_ops operation_enroll = {
	.size = sizeof(struct enroll),
	.steps = 3,
	.start = start,
	.token_added = token_added,
	.clear = clear,
};
