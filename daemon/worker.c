/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker goes through three states, always in this order:
 *
 *   WORKER_RUNNING   speaks; at most one request is pending
 *   WORKER_BROKEN    broke the contract, missed its deadline, or hung up: was killed, its request has failed; we wait for its exit
 *   WORKER_GONE      its exit was collected, gone() was called
 *
 * The worker's bytes are hostile: what does not decode, or does not answer what was asked, breaks it.
 */
#include "daemon/worker.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/worker-spawn.h"

/* The worker keeps the deadline itself and answers; this much later it is taken to be stuck. */
#define DEADLINE_SLACK_US (5 * US_PER_SEC)
/* A token sends a keepalive every 100 ms; this is a flood. */
#define STATUS_MAX 65536

enum worker_state { WORKER_RUNNING, WORKER_BROKEN, WORKER_GONE };

/* What of the pending request the answer is held against. */
struct pending {
	uint32_t serial; /* 0: none */
	enum wire_type type;
	uint8_t n_credentials, n_salts;
	struct wire_x_slot slot;
	enum wire_x_touch touch;
	enum wire_status status; /* the last one told; 0: none yet */
	unsigned int n_status;
	bool cancelled;
};

struct worker {
	sd_event *event;
	struct token_node node;
	struct worker_callbacks callbacks;
	void *userdata;
	enum worker_state state;
	struct worker_process process;
	sd_event_source *socket_source, *exit_source, *deadline_source;
	uint32_t last_serial;
	struct pending pending;
	uint8_t *buf; /* guarded, WIRE_MESSAGE_MAX; all zero between calls */
	bool handling; /* a handler that goes on after callbacks is below us on the stack: */
	bool doomed;   /* worker_free leaves the memory to it */
};

const struct token_node *worker_node(const struct worker *w)
{
	return &w->node;
}

/* Ends the pending request, if any; the callback may free w. */
static void finish(struct worker *w, struct wire_result *result)
{
	memset(&w->pending, 0, sizeof(w->pending));
	w->deadline_source = sd_event_source_disable_unref(w->deadline_source);
	w->callbacks.result(w->userdata, w, result);
}

static void finish_failed(struct worker *w, const char *detail)
{
	struct wire_result result = {
		.serial = w->pending.serial,
		.outcome = OUTCOME_TOKEN_FAILED,
		.pin_retries = -1,
		.answers = w->pending.type,
	};

	if (w->pending.serial == 0)
		return;
	strncpy(result.detail, detail, sizeof(result.detail) - 1);
	finish(w, &result);
}

/* Last thing a handler does with w. gone() comes when the process has gone. */
static void worker_break(struct worker *w, const char *detail)
{
	if (w->state != WORKER_RUNNING)
		return;
	w->state = WORKER_BROKEN;
	worker_process_kill(&w->process);
	w->socket_source = sd_event_source_disable_unref(w->socket_source);
	finish_failed(w, detail);
}

/* A key in another slot, or one that is used without the touch that was asked for, is not what was ordered. */
static bool key_answers(const struct pending *p, const struct wire_x_key *key)
{
	return key->slot.kind == p->slot.kind && key->slot.number == p->slot.number &&
	       (p->touch == WIRE_X_TOUCH_UNKNOWN || key->touch == p->touch);
}

static bool result_answers(const struct pending *p, const struct wire_result *result)
{
	if (p->serial == 0 || result->serial != p->serial)
		return false;
	if (result->outcome != OUTCOME_OK)
		return true;
	if (result->answers != p->type)
		return false;
	switch (p->type) {
	case WIRE_INFO:
	case WIRE_CREATE:
	case WIRE_X_LIST:
	case WIRE_X_DH:
	case WIRE_X_ERASE:
	case WIRE_X_PAIR:
	case WIRE_X_FORGET:
		return true;
	case WIRE_X_GENERATE:
	case WIRE_X_IMPORT:
		return key_answers(p, &result->x_keys[0]);
	case WIRE_PROBE:
		return (result->known >> p->n_credentials) == 0;
	case WIRE_EVALUATE:
		return result->credential_index < p->n_credentials && result->n_outputs == p->n_salts;
	case WIRE_CANCEL:
	case WIRE_STATUS:
	case WIRE_RESULT:
		break;
	}
	return false;
}

static void on_status(struct worker *w, const struct wire_status_message *status)
{
	if (w->pending.serial == 0 || status->serial != w->pending.serial || ++w->pending.n_status > STATUS_MAX) {
		worker_break(w, "the token worker sent a status that nobody waits for");
		return;
	}
	/* Changes only: keepalives are many. */
	if (status->status == w->pending.status)
		return;
	w->pending.status = status->status;
	w->callbacks.status(w->userdata, w, status);
}

static void on_message(struct worker *w, size_t len)
{
	struct wire_result result = { 0 };
	struct wire_status_message status;
	enum wire_type type;
	int r;

	r = len <= WIRE_MESSAGE_MAX ? wire_decode_reply(&type, &result, &status, w->buf, len) : -EBADMSG;
	sodium_memzero(w->buf, WIRE_MESSAGE_MAX);
	if (r < 0) {
		worker_break(w, r == -ENOMEM ? "out of memory" : "the token worker sent a message that makes no sense");
		return;
	}
	if (type == WIRE_STATUS) {
		on_status(w, &status);
		return;
	}
	if (result_answers(&w->pending, &result))
		finish(w, &result);
	else
		worker_break(w, "the token worker sent an answer to something else");
	wire_result_clear(&result);
}

/* One message. False when there is none to be had: *ret_end tells whether there will ever be one. */
static bool receive(struct worker *w, bool *ret_end)
{
	ssize_t n;

	/* MSG_TRUNC: the true length, so that an overlong message shows. Descriptors that come along are dropped by the kernel. */
	n = recv(w->process.socket, w->buf, WIRE_MESSAGE_MAX, MSG_DONTWAIT | MSG_TRUNC);
	*ret_end = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	if (n <= 0)
		return false;
	on_message(w, (size_t)n);
	return true;
}

static int on_socket(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct worker *w = userdata;
	bool end;

	(void)s;
	(void)fd;
	(void)events;
	if (!receive(w, &end) && end)
		worker_break(w, "the token worker hung up");
	return 0;
}

static int on_exit_seen(sd_event_source *s, int fd, uint32_t events, void *userdata)
{
	struct worker *w = userdata;
	bool end;

	(void)s;
	(void)fd;
	(void)events;
	if (worker_process_reap(&w->process) == -EAGAIN)
		return 0;
	w->exit_source = sd_event_source_disable_unref(w->exit_source);

	/* What it said before it died counts. */
	w->handling = true;
	while (!w->doomed && w->state == WORKER_RUNNING && receive(w, &end))
		;
	if (!w->doomed)
		worker_break(w, "the token worker died");
	w->handling = false;
	if (w->doomed) {
		free(w);
		return 0;
	}
	w->state = WORKER_GONE;
	w->callbacks.gone(w->userdata, w);
	return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata)
{
	(void)s;
	(void)usec;
	worker_break(userdata, "the token worker did not answer in time");
	return 0;
}

int worker_new(struct worker **ret, sd_event *event, const char *exe, const struct token_node *node,
	const struct worker_callbacks *callbacks, void *userdata)
{
	char *argv[] = { (char *)exe, (char *)"--fd", (char *)"3", NULL, NULL, NULL, NULL, NULL };
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->process = (struct worker_process){ .pid = -1, .pidfd = -1, .socket = -1 };
	w->event = sd_event_ref(event);
	w->node = *node;
	w->callbacks = *callbacks;
	w->userdata = userdata;
	w->state = WORKER_GONE; /* until it runs */
	w->buf = sodium_malloc(WIRE_MESSAGE_MAX);
	r = w->buf ? 0 : -ENOMEM;
	if (r < 0)
		goto fail;
	sodium_memzero(w->buf, WIRE_MESSAGE_MAX);

	switch (node->kind) {
	case TOKEN_HIDRAW:
		argv[3] = (char *)"--hidraw";
		break;
	case TOKEN_SOFT:
		argv[3] = (char *)"--soft";
		break;
	case TOKEN_CARD:
		argv[3] = (char *)"--card";
		if (node->pcscd[0]) {
			argv[5] = (char *)"--pcscd";
			argv[6] = w->node.pcscd;
		}
		break;
	}
	argv[4] = w->node.path;
	r = worker_spawn(&w->process, argv);
	if (r < 0)
		goto fail;
	w->state = WORKER_RUNNING;

	/* Not sd_event_add_child: that wants SIGCHLD blocked by whoever runs the loop, and a pidfd needs no signal. */
	r = sd_event_add_io(event, &w->exit_source, w->process.pidfd, EPOLLIN, on_exit_seen, w);
	if (r < 0)
		goto fail;
	r = sd_event_add_io(event, &w->socket_source, w->process.socket, EPOLLIN, on_socket, w);
	if (r < 0)
		goto fail;

	*ret = w;
	return 0;
fail:
	worker_free(w);
	return r;
}

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->socket_source);
	sd_event_source_disable_unref(w->exit_source);
	sd_event_source_disable_unref(w->deadline_source);
	switch (w->state) {
	case WORKER_RUNNING:
		/* Time to send the token a cancel, so that it stops blinking. */
		worker_process_bury(&w->process, w->event, DEADLINE_SLACK_US);
		break;
	case WORKER_BROKEN:
		worker_process_bury(&w->process, w->event, 0);
		break;
	case WORKER_GONE:
		if (w->process.socket >= 0)
			close(w->process.socket);
		if (w->process.pidfd >= 0)
			close(w->process.pidfd);
		break;
	}
	sodium_free(w->buf);
	sd_event_unref(w->event);
	w->doomed = true;
	if (!w->handling)
		free(w);
	return NULL;
}

/* The whole message or none. */
static int send_request(struct worker *w, const struct wire_request *request)
{
	size_t len;
	ssize_t n;
	int r;

	r = wire_encode_request(w->buf, &len, request);
	if (r == 0) {
		n = send(w->process.socket, w->buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		r = n < 0 ? -errno : 0;
	}
	sodium_memzero(w->buf, WIRE_MESSAGE_MAX);
	return r;
}

static int arm_deadline(struct worker *w, uint64_t in_us)
{
	w->deadline_source = sd_event_source_disable_unref(w->deadline_source);
	return sd_event_add_time_relative(w->event, &w->deadline_source, CLOCK_MONOTONIC, in_us, 0, on_deadline, w);
}

int worker_submit(struct worker *w, struct wire_request *request)
{
	int r;

	if (w->state != WORKER_RUNNING)
		return -EPIPE;
	if (w->pending.serial != 0)
		return -EBUSY;
	if (request->type == WIRE_CANCEL)
		return -EINVAL;

	if (++w->last_serial == 0)
		w->last_serial = 1;
	request->serial = w->last_serial;
	r = arm_deadline(w, request->timeout_ms * US_PER_MS + DEADLINE_SLACK_US);
	if (r == 0)
		r = send_request(w, request);
	if (r < 0) {
		w->deadline_source = sd_event_source_disable_unref(w->deadline_source);
		return r;
	}
	w->pending = (struct pending){
		.serial = request->serial,
		.type = request->type,
		.n_credentials = request->n_credentials,
		.n_salts = request->n_salts,
		.slot = request->x_slot,
		.touch = request->x_touch,
	};
	return 0;
}

void worker_cancel(struct worker *w)
{
	struct wire_request request = { .type = WIRE_CANCEL, .serial = w->pending.serial };

	if (w->state != WORKER_RUNNING || w->pending.serial == 0 || w->pending.cancelled)
		return;
	w->pending.cancelled = true;
	/* If it cannot be told, or does not hear, it is stuck: the new deadline ends it, and the result comes from there. */
	(void)send_request(w, &request);
	(void)arm_deadline(w, DEADLINE_SLACK_US);
}
