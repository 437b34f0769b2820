/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/handle.h"
#include "tunnel/config.h"
#include "tunnel/handshake.h"

/* *ret NULL: no key is asked for. */
static int make_key(struct static_key **ret, struct uapi_request *q, const struct config_resident *resident)
{
	struct handle handle;

	*ret = NULL;
	if (!q->private_key || secret_is_zero(q->private_key))
		return 0;
	if (handle_is_secret(q->private_key)) {
		/* Also a damaged one, or one that somebody clamped: as a private key everybody could compute it. */
		if (handle_parse(&handle, secret_key(q->private_key)) < 0)
			return -EINVAL;
		if (!resident || !resident->resolve)
			return -EOPNOTSUPP;
		return resident->resolve(resident->userdata, secret_key(q->private_key), ret);
	}
	*ret = static_key_software_new(secret_take(&q->private_key));
	return *ret ? 0 : -ENOMEM;
}

static int set_sockets(struct control *c, const struct uapi_request *q)
{
	uint16_t port = q->has_listen_port ? q->listen_port : c->listen_port;
	const uint32_t fwmark = q->has_fwmark ? q->fwmark : c->fwmark;
	int r;

	if ((!q->has_listen_port || (c->bound && port == c->listen_port)) && fwmark == c->fwmark)
		return 0;
	/* A mark alone waits for the sockets that it is for. */
	if (c->bound || q->has_listen_port) {
		r = c->device->path_ops->rebind(c->device->path, &port, fwmark);
		if (r < 0)
			return r;
		c->bound = true;
		c->listen_port = port;
	}
	c->fwmark = fwmark;
	return 0;
}

static int set_allowed_ips(struct control *c, struct peer *p, const struct uapi_request *q, const struct uapi_peer *u)
{
	struct device *d = c->device;
	int r = 0;

	if (!u->replace_allowed_ips && !u->n_allowed_ips)
		return 0;
	device_lock(d);
	if (u->replace_allowed_ips)
		allowedips_remove_peer(&d->allowed_ips, p);
	for (size_t i = 0; r == 0 && i < u->n_allowed_ips; i++) {
		const struct uapi_allowed_ip *ip = &q->allowed_ips[u->first_allowed_ip + i];

		if (ip->remove)
			allowedips_remove(&d->allowed_ips, ip->family, ip->address, ip->cidr, p);
		else
			r = allowedips_insert(&d->allowed_ips, ip->family, ip->address, ip->cidr, p);
	}
	device_unlock(d);
	return r;
}

static void set_keepalive(struct control *c, struct handshake *h, uint16_t seconds, struct instant now)
{
	const bool begins = seconds && !h->keepalive_s;

	h->keepalive_s = seconds;
	h->timers.persistent_us = seconds * US_PER_SEC;
	h->timers.persistent_base_us = now.boot_us;
	if (begins && c->up) {
		if (session_lives(h->peer->current, now.boot_us))
			c->device->path_ops->send_staged(c->device->path, h->peer, now.boot_us, true);
		else
			handshake_begin(h, false, now);
	}
}

static int set_peer(struct control *c, const struct uapi_request *q, struct uapi_peer *u, struct instant now)
{
	struct peer *p = device_peer_find(c->device, u->public_key);
	struct handshake *h;
	bool staged = false;
	int r;

	/* As the kernel: oneself is no peer. */
	if (c->key && key_equal(u->public_key, c->key->public_key))
		return 0;
	if (u->remove) {
		if (p)
			control_peer_remove(p);
		return 0;
	}
	if (!p) {
		if (u->update_only)
			return 0;
		r = control_peer_add(c, u->public_key, &p);
		if (r < 0)
			return r;
	}
	h = p->handshake;
	if (u->has_psk) {
		secret_free(h->psk);
		h->psk = secret_take(&u->psk);
		if (h->psk && secret_is_zero(h->psk))
			h->psk = secret_free(h->psk);
	}
	if (u->has_endpoint) {
		device_lock(c->device);
		p->endpoint = u->endpoint;
		staged = p->stage != NULL;
		device_unlock(c->device);
	}
	r = set_allowed_ips(c, p, q, u);
	if (u->has_keepalive)
		set_keepalive(c, h, u->keepalive_s, now);
	/* What waited for somewhere to go. */
	if (staged && !session_lives(p->current, now.boot_us))
		handshake_begin(h, false, now);
	handshake_schedule(h, now.boot_us);
	return r;
}

int config_set(struct control *c, struct uapi_request *q, const struct config_resident *resident, struct instant now)
{
	struct static_key *key = NULL;
	int r = make_key(&key, q, resident);

	if (r < 0)
		return r;
	r = set_sockets(c, q);
	if (r < 0) {
		static_key_free(key);
		return r;
	}
	if (q->replace_peers)
		while (c->device->first_peer)
			control_peer_remove(c->device->first_peer);
	if (q->has_private_key && !(key && c->key && key_equal(key->public_key, c->key->public_key))) {
		r = control_set_key(c, key, now);
		if (r < 0)
			return r;
	} else {
		/* The same again, as syncconf sends it: its sessions go on. */
		static_key_free(key);
	}
	for (size_t i = 0; r == 0 && i < q->n_peers; i++)
		r = set_peer(c, q, &q->peers[i], now);
	return r;
}

/* Everything of one device, and of a peer but its allowed-ips, with room to spare. */
#define DEVICE_TEXT 256
#define PEER_TEXT 512
#define ALLOWED_IP_TEXT 64

struct text {
	char *buf; /* guarded */
	size_t len, size;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->buf + t->len, t->size - t->len, format, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
}

static void say_secret(struct text *t, const char *key, const struct secret *s)
{
	say(t, "%s=", key);
	secret_to_hex(t->buf + t->len, s);
	t->len += KEY_HEX_SIZE - 1;
	say(t, "\n");
}

static void say_key(struct text *t, const char *name, const uint8_t key[static KEY_SIZE])
{
	char hex[KEY_HEX_SIZE];

	key_to_hex(hex, key);
	say(t, "%s=%s\n", name, hex);
}

static void say_peer(struct text *t, const struct peer *p)
{
	static const uint8_t no_psk[KEY_SIZE];
	const struct handshake *h = p->handshake;
	char address[INET6_ADDRSTRLEN], endpoint[UAPI_ENDPOINT_MAX];

	say_key(t, "public_key", p->public_key);
	if (h->psk)
		say_secret(t, "preshared_key", h->psk);
	else
		say_key(t, "preshared_key", no_psk);
	say(t, "protocol_version=1\n");
	if (endpoint_known(&p->endpoint)) {
		uapi_endpoint_format(endpoint, &p->endpoint);
		say(t, "endpoint=%s\n", endpoint);
	}
	say(t, "last_handshake_time_sec=%" PRIu64 "\nlast_handshake_time_nsec=%" PRIu64 "\n", h->completed_real_us / US_PER_SEC,
		h->completed_real_us % US_PER_SEC * 1000);
	say(t, "tx_bytes=%" PRIu64 "\nrx_bytes=%" PRIu64 "\n", atomic_load_explicit(&p->traffic.tx_bytes, memory_order_relaxed),
		atomic_load_explicit(&p->traffic.rx_bytes, memory_order_relaxed));
	say(t, "persistent_keepalive_interval=%u\n", h->keepalive_s);
	for (const struct allowedips_node *n = NULL; (n = allowedips_next(p, n));) {
		uint8_t bytes[16], cidr;
		int family;

		allowedips_describe(n, &family, bytes, &cidr);
		inet_ntop(family, bytes, address, sizeof(address));
		say(t, "allowed_ip=%s/%u\n", address, cidr);
	}
}

char *config_get(const struct control *c, size_t *ret_len)
{
	struct text t = { .size = DEVICE_TEXT };

	for (const struct peer *p = c->device->first_peer; p; p = p->next_peer) {
		t.size += PEER_TEXT;
		for (const struct allowedips_node *n = NULL; (n = allowedips_next(p, n));)
			t.size += ALLOWED_IP_TEXT;
	}
	t.buf = sodium_malloc(t.size);
	if (!t.buf)
		return NULL;
	if (c->key && c->key->resident)
		say_key(&t, "private_key", c->key->shown);
	else if (c->key && static_key_software_private(c->key))
		say_secret(&t, "private_key", static_key_software_private(c->key));
	if (c->listen_port)
		say(&t, "listen_port=%u\n", c->listen_port);
	if (c->fwmark)
		say(&t, "fwmark=%" PRIu32 "\n", c->fwmark);
	for (const struct peer *p = c->device->first_peer; p; p = p->next_peer)
		say_peer(&t, p);
	*ret_len = t.len;
	return t.buf;
}
