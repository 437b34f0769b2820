/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys that the broker hands out. */
#include <errno.h>
#include <stdlib.h>

#include "bus/bus-internal.h"

/* The secret in the pipe at the head of the reply. error: of the reply, or what is wrong with it. */
static struct secret *reply_secret(sd_bus_message *m, const char **ret_error)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	struct secret *s = NULL;
	int fd, r;

	if (e) {
		*ret_error = e->message ? e->message : e->name;
		return NULL;
	}
	r = sd_bus_message_read_basic(m, 'h', &fd);
	if (r >= 0)
		r = secret_from_pipe(&s, fd, SECRET_KEY_SIZE);
	*ret_error = r < 0 ? "the broker's answer has no key in it" : NULL;
	return s;
}

static int on_psk(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	uint64_t start = 0, end = 0;
	struct secret *psk;
	const char *why;

	(void)error;
	if (!question_is_current(q))
		return 0;
	psk = reply_secret(m, &why);
	if (psk && sd_bus_message_read(m, "tt", &start, &end) < 0) {
		psk = secret_free(psk);
		why = "the broker's answer has no slot in it";
	}
	q->bus->handlers->psk(q->bus->userdata, q->ifname, q->public_key, psk, start, end, why);
	return 0;
}

static int on_private_key(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	struct secret *key;
	const char *why;

	(void)error;
	if (!question_is_current(q))
		return 0;
	key = reply_secret(m, &why);
	q->bus->handlers->private_key(q->bus->userdata, q->ifname, key, why);
	return 0;
}

int bus_ask_psk(struct bus *b, const char *ifname, const uint8_t public_key[static KEY_SIZE], const uint64_t *slot)
{
	char *path = NULL;
	int r = bus_path(&path, ifname, public_key);

	if (r == 0 && slot)
		r = bus_call(b, path, WGFIDO_PEER_INTERFACE, "GetPsk", on_psk, BUS_REPLY_US, ifname, public_key, "a{sv}", 1, "slot", "t", *slot);
	else if (r == 0)
		r = bus_call(b, path, WGFIDO_PEER_INTERFACE, "GetPsk", on_psk, BUS_REPLY_US, ifname, public_key, "a{sv}", 0);
	free(path);
	return r;
}

int bus_ask_private_key(struct bus *b, const char *ifname)
{
	char *path = NULL;
	int r = bus_path(&path, ifname, NULL);

	if (r == 0)
		r = bus_call(b, path, WGFIDO_TUNNEL_INTERFACE, "GetPrivateKey", on_private_key, BUS_REPLY_US, ifname, NULL, "");
	free(path);
	return r;
}
