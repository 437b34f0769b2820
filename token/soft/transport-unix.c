/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "token/soft/server.h"
#include "token/soft/transport.h"

struct transport_unix {
	struct transport transport;
	struct server server;
};

static struct transport_unix *from(struct transport *t)
{
	return (struct transport_unix *)t; /* the first member */
}

static int unix_fd(struct transport *t)
{
	return from(t)->server.epoll_fd;
}

static int unix_plug(struct transport *t)
{
	return server_publish(&from(t)->server);
}

static void unix_dispatch(struct transport *t)
{
	server_dispatch(&from(t)->server);
}

static void unix_send(struct transport *t, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	server_send_all(&from(t)->server, report, SOFTHID_REPORT_SIZE);
}

static void unix_free(struct transport *t)
{
	server_close(&from(t)->server);
	free(t);
}

static void on_packet(void *userdata, unsigned int client, const uint8_t *data, size_t len)
{
	struct transport_unix *u = userdata;

	(void)client;
	if (len == SOFTHID_REPORT_SIZE)
		u->transport.report(u->transport.userdata, data);
}

int transport_unix_new(
	struct transport **ret, const char *path, mode_t mode, transport_report report, void *userdata)
{
	static const struct transport_ops ops = {
		.fd = unix_fd,
		.plug = unix_plug,
		.dispatch = unix_dispatch,
		.send = unix_send,
		.free = unix_free,
	};
	struct transport_unix *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	u->transport = (struct transport){.ops = &ops, .report = report, .userdata = userdata};
	u->server.packet = on_packet;
	u->server.userdata = u;
	r = server_open(&u->server, path, mode);
	if (r < 0) {
		free(u);
		return r;
	}
	*ret = &u->transport;
	return 0;
}
