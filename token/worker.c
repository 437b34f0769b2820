/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/worker.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "token/card/watchdog.h"
#include "token/fido.h"
#include "token/x25519-ops.h"

struct token_worker {
	struct interrupt interrupt;
	struct card_watch card_watch;
	struct card *card;	/* instead of the transport; NULL: none */
	int fd;
	struct transport *transport;
	struct clock *clock;
	struct x25519_known known;
	uint8_t *buffer;	/* guarded, WIRE_MESSAGE_MAX + 1: a longer packet shows */
	uint32_t serial;	/* of the running request; 0: none */
	int ended;		/* what the interrupt saw of the broker's end: 1 = nothing, 0 = closed, or a negative errno */
};

/* 0 with *ret_len 0 at the end of the socket; -EAGAIN with MSG_DONTWAIT. */
static int receive(struct token_worker *w, size_t *ret_len, int flags)
{
	ssize_t n;

	do
		n = recv(w->fd, w->buffer, WIRE_MESSAGE_MAX + 1, flags | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? (*ret_len = 0, 0) : -errno;
	if (n > WIRE_MESSAGE_MAX) {
		sodium_memzero(w->buffer, WIRE_MESSAGE_MAX + 1);
		return -EBADMSG;
	}
	*ret_len = (size_t)n;
	return 0;
}

static int transmit(struct token_worker *w, size_t len)
{
	ssize_t n;
	int r;

	do {
		struct pollfd ready = {.fd = w->fd, .events = POLLOUT};

		n = send(w->fd, w->buffer, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			poll(&ready, 1, -1);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	r = n < 0 ? -errno : 0;
	sodium_memzero(w->buffer, len);
	return r;
}

/* The broker while an operation runs: it may cancel it, or go away. A cancellation of a request that is over is late, not wrong. */
static bool interrupt_raised(struct interrupt *i)
{
	struct token_worker *w = (struct token_worker *)(void *)i;
	struct wire_request request;
	bool cancel;
	size_t len;
	int r;

	for (;;) {
		r = receive(w, &len, MSG_DONTWAIT);
		if (r == -EAGAIN)
			return false;
		if (r < 0 || len == 0) {
			w->ended = r;
			return true;
		}
		r = wire_decode_request(&request, w->buffer, len);
		sodium_memzero(w->buffer, len);
		if (r < 0 || request.type != WIRE_CANCEL) {
			if (r == 0)
				wire_request_clear(&request);
			w->ended = -EBADMSG;
			return true;
		}
		cancel = request.serial == w->serial;
		wire_request_clear(&request);
		if (cancel)
			return true;
	}
}

static void report_status(void *userdata, enum wire_status status)
{
	struct token_worker *w = userdata;
	struct wire_status_message message = {.serial = w->serial, .status = status};
	size_t len;

	/* Whether it arrives is the next receive's business. */
	if (wire_encode_status(w->buffer, &len, &message) == 0)
		(void)transmit(w, len);
}

static int answer(struct token_worker *w, struct wire_result *result)
{
	size_t len;
	int r = wire_encode_result(w->buffer, &len, result);

	wire_result_clear(result);
	return r < 0 ? r : transmit(w, len);
}

static void on_card_phase(struct card_watch *watch, enum card_phase phase)
{
	struct token_worker *w = (struct token_worker *)(void *)((char *)watch - offsetof(struct token_worker, card_watch));

	watchdog_phase(phase);
	if (phase == CARD_WANTS_TOUCH)
		report_status(w, WIRE_STATUS_TOUCH);
}

/* A cancellation, the deadline and the broker's end are the watchdog's, which ends the process. */
static int serve_card(struct token_worker *w, struct wire_request *request, uint64_t deadline_us)
{
	struct wire_result result;
	int r;

	w->serial = request->serial;
	r = watchdog_arm(w->fd, request->serial, deadline_us);
	if (r < 0)
		return r;
	card_operate(&result, request, w->card, deadline_us, &w->card_watch);
	watchdog_disarm();
	w->serial = 0;
	r = answer(w, &result);
	if (r == 0 && card_is_lost(w->card))
		return -ECONNRESET;
	return r < 0 ? r : 1;
}

static int serve(struct token_worker *w, struct wire_request *request)
{
	struct fido_status_sink sink = {.status = report_status, .userdata = w};
	uint64_t deadline = clock_now(w->clock).boot_us + request->timeout_ms * US_PER_MS;
	struct wire_result result;
	int r;

	if (w->card)
		return serve_card(w, request, deadline);
	w->serial = request->serial;
	w->ended = 1;
	w->transport->interrupt = &w->interrupt;
	if (wire_type_is_x25519(request->type))
		x25519_operate(&result, request, w->transport, deadline, &sink, &w->known);
	else
		fido_operate(&result, request, w->transport, deadline, &sink);
	w->transport->interrupt = NULL;
	w->serial = 0;

	r = answer(w, &result);
	if (w->ended != 1)
		return w->ended;
	return r < 0 ? r : 1;
}

int token_worker_turn(struct token_worker *w)
{
	struct wire_request request;
	size_t len;
	int r;

	r = receive(w, &len, 0);
	if (r == -EAGAIN) {
		struct pollfd ready = {.fd = w->fd, .events = POLLIN};

		return poll(&ready, 1, -1) < 0 && errno != EINTR ? -errno : 1;
	}
	if (r < 0)
		return r;
	if (len == 0)
		return 0;
	r = wire_decode_request(&request, w->buffer, len);
	sodium_memzero(w->buffer, len);
	if (r < 0)
		return r;
	/* One that crossed its request's result. */
	if (request.type != WIRE_CANCEL)
		r = serve(w, &request);
	else
		r = 1;
	wire_request_clear(&request);
	return r;
}

int token_worker_new(struct token_worker **ret, int fd, struct transport *t, struct clock *clock)
{
	struct token_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->buffer = sodium_malloc(WIRE_MESSAGE_MAX + 1);
	if (!w->buffer) {
		free(w);
		return -ENOMEM;
	}
	sodium_memzero(w->buffer, WIRE_MESSAGE_MAX + 1);
	w->interrupt = (struct interrupt){.fd = fd, .raised = interrupt_raised};
	w->fd = fd;
	w->transport = t;
	w->clock = clock;
	*ret = w;
	return 0;
}

void token_worker_use_card(struct token_worker *w, struct card *card)
{
	w->card = card;
	w->card_watch.phase = on_card_phase;
}

struct token_worker *token_worker_free(struct token_worker *w)
{
	if (w) {
		sodium_free(w->buffer);
		free(w);
	}
	return NULL;
}

bool token_worker_is_clean(const struct token_worker *w)
{
	return sodium_is_zero(w->buffer, WIRE_MESSAGE_MAX + 1) != 0;
}
