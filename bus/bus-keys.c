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

/* What the caller knows that the broker does not say: it may be gone, or was not reached. */
static enum outcome refusal(sd_bus_message *m)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);

	return e && e->name ? outcome_from_error_name(e->name) : OUTCOME_FAILED;
}

static int on_dh(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	struct secret *shared;
	const char *why;

	(void)error;
	if (!question_is_current(q))
		return 0;
	shared = reply_secret(m, &why);
	q->bus->handlers->dh(q->bus->userdata, q->id, shared, shared ? OUTCOME_OK : refusal(m), why);
	return 0;
}

static const char *role_name(enum bus_dh_role role)
{
	switch (role) {
	case BUS_DH_STATIC:
		return "static";
	case BUS_DH_INITIATOR:
		return "initiator";
	case BUS_DH_RESPONDER:
		return "responder";
	}
	return "";
}

static int append_bytes(sd_bus_message *m, const char *name, const uint8_t *bytes, size_t len)
{
	int r = sd_bus_message_open_container(m, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append_basic(m, 's', name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', "ay");
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', bytes, len);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int dh_append(sd_bus_message *m, const struct bus_dh *what)
{
	int r = sd_bus_message_append_array(m, 'y', what->point, KEY_SIZE);

	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "role", "s", role_name(what->role));
	if (r >= 0 && what->role == BUS_DH_INITIATOR)
		r = append_bytes(m, "peer", what->peer, KEY_SIZE);
	if (r >= 0 && what->role != BUS_DH_STATIC)
		r = append_bytes(m, "message", what->message, what->message_len);
	if (r >= 0 && what->next)
		r = sd_bus_message_append(m, "{sv}", "next", "b", 1);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int bus_ask_dh(struct bus *b, const char *ifname, uint64_t id, const struct bus_dh *what)
{
	sd_bus_message *m = NULL;
	char *path = NULL;
	int r = bus_path(&path, ifname, NULL);

	if (r == 0)
		r = bus_message(b, &m, path, WGFIDO_TUNNEL_INTERFACE, "DiffieHellman");
	if (r >= 0)
		r = dh_append(m, what);
	if (r >= 0)
		r = bus_send(b, m, on_dh, BUS_DH_REPLY_US, ifname, NULL, id);
	sd_bus_message_unref(m);
	free(path);
	return r;
}

static int on_committed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct question *q = userdata;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)error;
	if (question_is_current(q))
		q->bus->handlers->committed(q->bus->userdata, q->ifname, !e ? NULL : e->message ? e->message : e->name);
	return 0;
}

int bus_ask_commit(struct bus *b, const char *ifname)
{
	char *path = NULL;
	int r = bus_path(&path, ifname, NULL);

	if (r == 0)
		r = bus_call(b, path, WGFIDO_TUNNEL_INTERFACE, "CommitRekey", on_committed, BUS_REPLY_US, ifname, NULL, "a{sv}", 0);
	free(path);
	return r;
}
