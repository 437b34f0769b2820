/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/bus-dh.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bus-call.h"
#include "daemon/dh.h"

#define CLIENTS_MAX 64 /* connections of the agent's uid: one for each tunnel, and some */

struct pending {
	TAILQ_ENTRY(pending) link;
	struct dh_client *client;
	sd_bus_message *message;
	struct dh_call *call;
};

struct dh_client {
	TAILQ_ENTRY(dh_client) link;
	struct bus *bus;
	char name[64];
	sd_bus_track *track;
	TAILQ_HEAD(, pending) calls;
};

static void pending_free(struct pending *p)
{
	TAILQ_REMOVE(&p->client->calls, p, link);
	dh_cancel(p->call);
	sd_bus_message_unref(p->message);
	free(p);
}

static void client_free(struct dh_client *c)
{
	while (!TAILQ_EMPTY(&c->calls))
		pending_free(TAILQ_FIRST(&c->calls));
	TAILQ_REMOVE(&c->bus->dh_clients, c, link);
	sd_bus_track_unref(c->track);
	free(c);
}

void bus_dh_drop_all(struct bus *b)
{
	while (!TAILQ_EMPTY(&b->dh_clients))
		client_free(TAILQ_FIRST(&b->dh_clients));
}

static int on_gone(sd_bus_track *track, void *userdata)
{
	(void)track;
	client_free(userdata);
	return 1;
}

static int client_find(struct dh_client **ret, struct bus *b, sd_bus_message *m, sd_bus_error *error)
{
	const char *name = sd_bus_message_get_sender(m);
	struct dh_client *c;
	unsigned int n = 0;
	int r;

	TAILQ_FOREACH(c, &b->dh_clients, link) {
		if (name && strcmp(c->name, name) == 0) {
			*ret = c;
			return 0;
		}
		n++;
	}
	r = bus_check_agent(b, m, error);
	if (r < 0)
		return r;
	if (n >= CLIENTS_MAX || strlen(name) >= sizeof(c->name))
		return bus_error(error, OUTCOME_LIMIT_EXCEEDED, "too many connections");
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->bus = b;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	TAILQ_INIT(&c->calls);
	TAILQ_INSERT_TAIL(&b->dh_clients, c, link);
	r = sd_bus_track_new(b->bus, &c->track, on_gone, c);
	if (r >= 0)
		r = sd_bus_track_add_sender(c->track, m);
	if (r < 0) {
		client_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

static void on_done(void *userdata, int outcome, const char *detail, struct secret **shared)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct pending *p = userdata;
	int fd, r = 0;

	p->call = NULL;
	if (outcome == OUTCOME_OK) {
		r = secret_to_pipe(*shared, &fd);
		if (r >= 0) {
			r = sd_bus_reply_method_return(p->message, "h", fd);
			(void)close(fd);
		}
		if (r < 0)
			(void)bus_error(&error, r, "the answer cannot be sent");
	} else {
		(void)bus_error(&error, outcome, detail);
	}
	if (sd_bus_error_is_set(&error))
		(void)sd_bus_reply_method_error(p->message, &error);
	sd_bus_error_free(&error);
	pending_free(p);
}

static int read_call(sd_bus_message *m, struct dh_params *ret, struct request_options *options, sd_bus_error *error)
{
	const void *point;
	size_t len;
	int r;

	r = sd_bus_message_read_array(m, 'y', &point, &len);
	if (r < 0)
		return r;
	if (len != KEY_SIZE)
		return bus_error(error, OUTCOME_INVALID_ARGUMENT, "a point has 32 bytes");
	r = bus_options_read(m, BUS_OPTION_ROLE | BUS_OPTION_PEER | BUS_OPTION_MESSAGE | BUS_OPTION_NEXT, options, error);
	if (r < 0)
		return r;
	*ret = (struct dh_params){
		.role = options->role,
		.has_peer = options->has_peer,
		.message = options->message,
		.message_len = options->message_len,
		.next = options->next,
	};
	memcpy(ret->point, point, KEY_SIZE);
	memcpy(ret->peer, options->peer, KEY_SIZE);
	return 0;
}

int bus_dh(struct bus *b, sd_bus_message *m, struct tunnel *t, sd_bus_error *error)
{
	struct request_options options = {0};
	struct dh_client *client;
	struct dh_params params;
	struct pending *p;
	const char *detail;
	int r;

	r = client_find(&client, b, m, error);
	if (r >= 0)
		r = read_call(m, &params, &options, error);
	if (r < 0)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	r = dh_start(&p->call, t, &params, on_done, p, &detail);
	if (r) {
		free(p);
		return bus_error(error, r, detail);
	}
	p->client = client;
	p->message = sd_bus_message_ref(m);
	TAILQ_INSERT_TAIL(&client->calls, p, link);
	return 1;
}
