/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/broker.h"
#include "daemon/operation.h"

const char *request_kind_name(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_APPROVE:
		return "approve";
	case REQUEST_ENROLL:
		return "enroll";
	case REQUEST_IMPORT:
		return "import";
	case REQUEST_REKEY:
		return "rekey";
	case REQUEST_ADD_KEYSLOT:
		return "add-keyslot";
	case REQUEST_REMOVE_KEYSLOT:
		return "remove-keyslot";
	case REQUEST_EXPORT:
		return "export";
	case REQUEST_COMMIT:
		return "commit-rekey";
	case REQUEST_GENERATE:
		return "generate-key";
	case REQUEST_FIND:
		return "find-key";
	case REQUEST_LIST:
		return "list-keys";
	}
	return "?";
}

void request_options_clear(struct request_options *o)
{
	o->pin = secret_free(o->pin);
	o->old_pin = secret_free(o->old_pin);
	o->recovery = secret_free(o->recovery);
}

/* Every transition there is. */
static void request_set_state(struct request *r, enum request_state to)
{
	switch (r->state) {
	case REQUEST_NEW:
		assert(to == REQUEST_PENDING || to == REQUEST_ANSWERED);
		break;
	case REQUEST_PENDING:
		assert(to == REQUEST_ANSWERED);
		break;
	case REQUEST_ANSWERED:
		assert(false);
		break;
	}
	r->state = to;
}

int request_new(struct request **ret, struct broker *b, enum request_kind kind, const struct requester *requester)
{
	size_t n = 0, n_uid = 0;
	struct request *r;

	TAILQ_FOREACH(r, &b->requests, link) {
		n++;
		if (r->requester.uid == requester->uid)
			n_uid++;
	}

	if ((n >= REQUESTS_MAX && requester->uid != 0) || n_uid >= REQUESTS_PER_UID_MAX)
		return OUTCOME_LIMIT_EXCEEDED;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->broker = b;
	r->kind = kind;
	r->state = REQUEST_NEW;
	r->requester = *requester;
	r->newest_token = b->tokens.next_number - 1;
	r->options.make_recovery = true;
	TAILQ_INSERT_TAIL(&b->requests, r, link);
	*ret = r;
	return 0;
}

void request_answer(struct request *r, const struct request_result *result)
{
	struct operation *op = r->operation;

	request_set_state(r, REQUEST_ANSWERED);
	TAILQ_REMOVE(&r->broker->requests, r, link);
	if (op)
		TAILQ_REMOVE(&op->requests, r, operation_link);
	r->operation = NULL;
	if (result->outcome != OUTCOME_OK)
		broker_note(r->broker, LOG_LEVEL_INFO, "%s%s%s asked for by %s ended: %s%s%s", r->ifname, r->ifname[0] ? ": " : "",
			request_kind_name(r->kind), r->requester.text, outcome_name(result->outcome),
			result->detail[0] ? ": " : "", result->detail);
	r->reply(r->userdata, r, result);
	request_options_clear(&r->options);
	r->import_key = secret_free(r->import_key);
	free(r);
}

void request_refuse(struct request *r, enum outcome outcome, const char *detail)
{
	struct request_result result = {.outcome = outcome, .detail = detail};

	request_answer(r, &result);
}

void request_start(struct request *r)
{
	int e;

	request_set_state(r, REQUEST_PENDING);
	e = operation_begin(r->broker, r);
	if (e < 0)
		request_refuse(r, OUTCOME_FAILED, "out of memory");
}

void request_cancel(struct request *r, const char *why)
{
	struct operation *op = r->operation;

	request_refuse(r, OUTCOME_CANCELLED, why);
	if (op && TAILQ_EMPTY(&op->requests))
		operation_fail(op, OUTCOME_CANCELLED, "");
}
