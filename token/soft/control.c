/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/control.h"

#include <string.h>

static void reply(struct control *c, unsigned int client, const char *text)
{
	server_send(&c->server, client, text, strlen(text));
}

static void on_packet(void *userdata, unsigned int client, const uint8_t *data, size_t len)
{
	struct control *c = userdata;
	struct slice text = {data, len};

	if (slice_is(&text, "status"))
		reply(c, client, softhid_touch_wanted(c->hid) ? "touch" : "idle");
	else if (!slice_is(&text, "touch") && !slice_is(&text, "deny"))
		reply(c, client, "unknown");
	else if (c->automatic)
		reply(c, client, "auto");
	else
		c->pending[client] = slice_is(&text, "touch") ? CTAP2_TOUCH_GIVEN : CTAP2_TOUCH_DENIED;
}

static void on_gone(void *userdata, unsigned int client)
{
	struct control *c = userdata;

	c->pending[client] = CTAP2_TOUCH_NONE;
}

int control_open(struct control *c, const char *path, mode_t mode, struct softhid *hid, bool automatic)
{
	int r;

	*c = (struct control){.hid = hid, .automatic = automatic};
	c->server.packet = on_packet;
	c->server.gone = on_gone;
	c->server.userdata = c;
	r = server_open(&c->server, path, mode);
	if (r < 0)
		return r;
	r = server_publish(&c->server);
	if (r < 0)
		server_close(&c->server);
	return r;
}

void control_apply(struct control *c, uint64_t now_us)
{
	for (unsigned int i = 0; i < SERVER_CLIENTS_MAX && softhid_touch_wanted(c->hid); i++) {
		enum ctap2_touch touch = c->pending[i];

		if (touch == CTAP2_TOUCH_NONE)
			continue;
		c->pending[i] = CTAP2_TOUCH_NONE;
		softhid_touch(c->hid, touch, now_us);
		reply(c, i, "ok");
	}
}

void control_close(struct control *c)
{
	server_close(&c->server);
}
