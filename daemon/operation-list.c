/* SPDX-License-Identifier: GPL-2.0-or-later */
/* list-keys: which resident keys a token has. As with find-key nobody needs a right for it, and nothing is touched. */
#include "daemon/broker.h"
#include "daemon/operation-resident.h"

struct list {
	struct operation op;
	struct survey *survey;
};

static bool visit(void *userdata, struct token *t, const struct wire_result *list)
{
	struct list *l = userdata;
	const struct request_result done = {.detail = "", .x_list = list};

	(void)t;
	operation_end(&l->op, &done);
	return true;
}

static void on_surveyed(void *userdata, int outcome, const char *detail)
{
	struct list *l = userdata;

	operation_fail_with(&l->op, outcome, "%s", detail);
}

static void start(struct operation *op)
{
	struct list *l = (struct list *)op;
	const struct survey_params params = {.capabilities = X_CAPABILITIES, .token_id = op->options.token, .behind = true};

	if (survey_start(&l->survey, op, &params, visit, on_surveyed, l) < 0)
		operation_fail(op, OUTCOME_FAILED, "out of memory");
}

static void token_added(struct operation *op, struct token *t)
{
	/* One that comes now is not the one that was asked. */
	(void)op, (void)t;
}

static void clear(struct operation *op)
{
	struct list *l = (struct list *)op;

	l->survey = survey_free(l->survey);
}

const struct operation_ops operation_list = {
	.size = sizeof(struct list),
	.steps = 1,
	.start = start,
	.token_added = token_added,
	.clear = clear,
};
