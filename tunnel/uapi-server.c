/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tunnel/uapi-server.h"

#define READ_SIZE 8192
#define ERRNO_MAX 32

struct client {
	struct client *next, *prev;
	struct uapi_server *server;
	int fd;
	sd_event_source *io, *timer;
	struct uapi_parser parser;
	char *answer; /* guarded */
	size_t answer_len, answer_sent;
	char end[ERRNO_MAX]; /* "errno=...", behind answer */
	size_t end_len, end_sent;
	size_t unread, unread_at; /* what of the server's buffer was read past a request */
	char *kept;		  /* guarded: those bytes */
	bool eof;
};

struct uapi_server {
	sd_event *event;
	struct control *control;
	struct config_resident resident;
	sd_event_source *io;
	struct client *clients;
	unsigned int n_clients;
	char *buf; /* guarded, READ_SIZE: of whoever is read from just now */
	struct uapi_parser spare; /* a client's that has gone, for the next: to make guarded memory takes longer than to set a peer */
};

static void client_free(struct client *c)
{
	struct uapi_server *s = c->server;

	*(c->prev ? &c->prev->next : &s->clients) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n_clients--;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	if (c->parser.line && !s->spare.line) {
		uapi_parser_reset(&c->parser);
		s->spare = c->parser;
	} else {
		uapi_parser_clear(&c->parser);
	}
	if (c->answer)
		sodium_free(c->answer);
	if (c->kept)
		sodium_free(c->kept);
	close(c->fd);
	free(c);
}

static void perform(struct client *c)
{
	struct uapi_server *s = c->server;
	struct uapi_request *q = &c->parser.request;
	int r = q->error;

	if (r == 0 && q->operation == UAPI_SET) {
		r = config_set(s->control, q, &s->resident, clock_now(s->control->clock));
	} else if (r == 0) {
		c->answer = config_get(s->control, &c->answer_len);
		if (!c->answer)
			r = -ENOMEM;
	}
	uapi_parser_next(&c->parser);
	c->end_len = (size_t)snprintf(c->end, sizeof(c->end), "errno=%d\n\n", r);
}

/* 1: all is sent; 0: later; negative: gone. */
static int send_some(struct client *c, const char *bytes, size_t len, size_t *sent)
{
	while (*sent < len) {
		const ssize_t n = send(c->fd, bytes + *sent, len - *sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		*sent += (size_t)n;
	}
	return 1;
}

static int send_answer(struct client *c)
{
	int r = c->answer ? send_some(c, c->answer, c->answer_len, &c->answer_sent) : 1;

	if (r > 0)
		r = send_some(c, c->end, c->end_len, &c->end_sent);
	if (r <= 0)
		return r;
	if (c->answer)
		sodium_free(c->answer);
	c->answer = NULL;
	c->answer_len = c->answer_sent = c->end_len = c->end_sent = 0;
	return 1;
}

/* Requests until the bytes are used up (*ret_used == len) or an answer has to wait for the client. */
static int take(struct client *c, const char *bytes, size_t len, size_t *ret_used)
{
	int r = 1;

	*ret_used = 0;
	while (*ret_used < len && r > 0) {
		*ret_used += uapi_parser_push(&c->parser, bytes + *ret_used, len - *ret_used);
		if (c->parser.done) {
			perform(c);
			r = send_answer(c);
		}
	}
	return r;
}

/* 1: nothing more to do now; 0: it waits for the client to read; negative: it is gone. */
static int client_progress(struct client *c, uint32_t revents)
{
	struct uapi_server *s = c->server;
	size_t used;
	ssize_t n;
	int r;

	if (c->end_len) {
		r = send_answer(c);
		if (r <= 0)
			return r;
	}
	if (c->kept) {
		r = take(c, c->kept + c->unread_at, c->unread, &used);
		c->unread_at += used;
		c->unread -= used;
		if (c->unread == 0) {
			sodium_free(c->kept);
			c->kept = NULL;
		}
		if (r <= 0)
			return r;
	}
	if (!(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return 1;
	n = recv(c->fd, s->buf, READ_SIZE, MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 1 : -ECONNRESET;
	r = take(c, s->buf, (size_t)n, &used);
	if (r == 0 && used < (size_t)n) {
		/* Somebody who sends on without reading: what is in hand is kept, and no more is read. */
		c->kept = sodium_malloc(READ_SIZE);
		if (!c->kept)
			r = -ENOMEM;
		else
			memcpy(c->kept, s->buf + used, (size_t)n - used);
		c->unread = (size_t)n - used;
		c->unread_at = 0;
	}
	sodium_memzero(s->buf, (size_t)n);
	return r;
}

static int client_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct client *c = userdata;
	const int r = client_progress(c, revents);

	(void)fd;
	if (r < 0) {
		client_free(c);
		return 0;
	}
	(void)sd_event_source_set_io_events(source, r > 0 ? EPOLLIN : EPOLLOUT);
	(void)sd_event_source_set_time_relative(c->timer, UAPI_PATIENCE_US);
	return 0;
}

static int client_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	client_free(userdata);
	return 0;
}

static int server_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct uapi_server *s = userdata;
	struct client *c;
	const int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)revents;
	if (accepted < 0)
		return 0;
	c = s->n_clients < UAPI_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(accepted);
		return 0;
	}
	c->server = s;
	c->fd = accepted;
	c->next = s->clients;
	if (c->next)
		c->next->prev = c;
	s->clients = c;
	s->n_clients++;
	c->parser = s->spare;
	s->spare = (struct uapi_parser){ 0 };
	if ((!c->parser.line && uapi_parser_init(&c->parser) < 0) || sd_event_add_io(s->event, &c->io, accepted, EPOLLIN, client_io, c) < 0 ||
		sd_event_add_time_relative(s->event, &c->timer, CLOCK_MONOTONIC, UAPI_PATIENCE_US, 0, client_timeout, c) < 0)
		client_free(c);
	return 0;
}

int uapi_server_new(struct uapi_server **ret, sd_event *event, int fd, struct control *c, const struct config_resident *resident)
{
	struct uapi_server *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return r;
	s->event = sd_event_ref(event);
	s->control = c;
	if (resident)
		s->resident = *resident;
	s->buf = sodium_malloc(READ_SIZE);
	if (s->buf && uapi_parser_init(&s->spare) == 0)
		r = sd_event_add_io(event, &s->io, fd, EPOLLIN, server_io, s);
	if (r < 0) {
		uapi_server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct uapi_server *uapi_server_free(struct uapi_server *s)
{
	if (!s)
		return NULL;
	while (s->clients)
		client_free(s->clients);
	sd_event_source_disable_unref(s->io);
	uapi_parser_clear(&s->spare);
	if (s->buf)
		sodium_free(s->buf);
	sd_event_unref(s->event);
	free(s);
	return NULL;
}
