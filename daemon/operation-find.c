/* SPDX-License-Identifier: GPL-2.0-or-later */
/* find-key: which public key a handle names. Nobody needs a right for it: handles and public keys are public. */
#include <errno.h>
#include <string.h>

#include "common/handle.h"
#include "daemon/broker.h"
#include "daemon/operation-resident.h"

struct find {
	struct operation op;
	struct survey *survey;
	struct handle handle;
};

static void found(struct operation *op, const uint8_t public_key[static KEY_SIZE])
{
	struct request_result done = {.detail = "", .public_key = public_key};

	operation_end(op, &done);
}

static bool names(const struct find *f, const struct wire_x_slot *slot, const uint8_t public_key[static KEY_SIZE])
{
	return (uint8_t)slot->kind == f->handle.kind && slot->number == f->handle.slot &&
		handle_matches(f->op.options.handle, public_key);
}

static bool visit(void *userdata, struct token *t, const struct wire_result *list)
{
	struct find *f = userdata;
	const struct wire_x_key *k;

	(void)t;
	for (size_t i = 0; i < list->n_x_keys; i++) {
		k = &list->x_keys[i];
		if (!names(f, &k->slot, k->public_key))
			continue;
		found(&f->op, k->public_key);
		return true;
	}
	return false;
}

static void on_surveyed(void *userdata, int outcome, const char *detail)
{
	struct find *f = userdata;

	operation_fail_with(&f->op, outcome, "%s", outcome == OUTCOME_WRONG_TOKEN ? "none of those plugged in has that key" : detail);
}

static bool in_files(struct find *f)
{
	const struct tunnel *t;

	TAILQ_FOREACH(t, &f->op.broker->tunnels, link) {
		if (!t->keyfile || t->keyfile->held != KEYFILE_RESIDENT)
			continue;
		if (names(f, &t->keyfile->resident.slot, t->keyfile->public_key)) {
			found(&f->op, t->keyfile->public_key);
			return true;
		}
		if (t->keyfile->has_next && names(f, &t->keyfile->next.slot, t->keyfile->next.public_key)) {
			found(&f->op, t->keyfile->next.public_key);
			return true;
		}
	}
	return false;
}

static void start(struct operation *op)
{
	struct find *f = (struct find *)op;
	struct survey_params params = {.token_id = "", .behind = true};

	if (handle_parse(&f->handle, op->options.handle) < 0) {
		operation_fail(op, OUTCOME_INVALID_ARGUMENT, "that is no handle, or a damaged one");
		return;
	}
	if (in_files(f))
		return;
	params.capabilities = x_capability((enum wire_x_kind)f->handle.kind);
	if (survey_start(&f->survey, op, &params, visit, on_surveyed, f) < 0)
		operation_fail(op, OUTCOME_FAILED, "out of memory");
}

static void token_added(struct operation *op, struct token *t)
{
	survey_token_added(((struct find *)op)->survey, t);
}

static void clear(struct operation *op)
{
	struct find *f = (struct find *)op;

	f->survey = survey_free(f->survey);
}

const struct operation_ops operation_find = {
	.size = sizeof(struct find),
	.steps = 1,
	.start = start,
	.token_added = token_added,
	.clear = clear,
};
