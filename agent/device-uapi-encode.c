/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/device-uapi-text.h"

/* An operation of that many peers is over well within the time limit, and no longer keeps others from their turn. */
#define PEERS_PER_OPERATION 128
#define ALLOWED_IP_LINE_MAX 80
#define PEER_HEAD_MAX 512 /* all of a RENEW's lines but for the allowed-ips: at most 428 */

struct text {
	char *buf;
	size_t size, len;
};

static void text_add(struct text *t, const char *s)
{
	const size_t n = strlen(s);

	assert(n <= t->size - t->len);
	memcpy(t->buf + t->len, s, n);
	t->len += n;
}

static void text_key(struct text *t, const char *name, const uint8_t key[static KEY_SIZE])
{
	char hex[KEY_HEX_SIZE];

	key_to_hex(hex, key);
	text_add(t, name);
	text_add(t, hex);
	text_add(t, "\n");
}

static void text_secret(struct text *t, const char *name, const struct secret *key)
{
	static const uint8_t none[KEY_SIZE];

	if (!key) {
		text_key(t, name, none);
		return;
	}
	text_add(t, name);
	assert(t->size - t->len >= KEY_HEX_SIZE);
	secret_to_hex(t->buf + t->len, key);
	t->len += KEY_HEX_SIZE - 1;
	text_add(t, "\n");
}

static void text_endpoint(struct text *t, const union device_endpoint *endpoint)
{
	char address[INET6_ADDRSTRLEN], line[INET6_ADDRSTRLEN + 48], scope[16] = "";

	if (endpoint->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &endpoint->v4.sin_addr, address, sizeof(address));
		snprintf(line, sizeof(line), "endpoint=%s:%u\n", address, ntohs(endpoint->v4.sin_port));
	} else if (endpoint->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &endpoint->v6.sin6_addr, address, sizeof(address));
		if (endpoint->v6.sin6_scope_id)
			snprintf(scope, sizeof(scope), "%%%u", endpoint->v6.sin6_scope_id);
		snprintf(line, sizeof(line), "endpoint=[%s%s]:%u\n", address, scope,
			ntohs(endpoint->v6.sin6_port));
	} else {
		return;
	}
	text_add(t, line);
}

static void text_keepalive(struct text *t, uint16_t seconds)
{
	char line[48];

	snprintf(line, sizeof(line), "persistent_keepalive_interval=%u\n", seconds);
	text_add(t, line);
}

static void text_allowed_ip(struct text *t, const struct device_allowed_ip *ip)
{
	char address[INET6_ADDRSTRLEN], line[ALLOWED_IP_LINE_MAX];

	inet_ntop(ip->family, &ip->v4, address, sizeof(address));
	snprintf(line, sizeof(line), "allowed_ip=%s/%u\n", address, ip->cidr);
	text_add(t, line);
}

static void text_peer_head(struct text *t, const struct device_peer_change *p)
{
	text_key(t, "public_key=", p->public_key);
	switch (p->how) {
	case DEVICE_PEER_UPDATE:
		text_add(t, "update_only=true\n");
		if (p->preshared_key)
			text_secret(t, "preshared_key=", p->preshared_key);
		if (p->set_keepalive)
			text_keepalive(t, p->keepalive);
		break;
	case DEVICE_PEER_RENEW:
		text_add(t, "remove=true\n");
		text_key(t, "public_key=", p->public_key);
		text_secret(t, "preshared_key=", p->preshared_key);
		text_endpoint(t, &p->endpoint);
		text_keepalive(t, p->keepalive);
		text_add(t, "replace_allowed_ips=true\n");
		break;
	}
}

/* As much of the operation as there is room for. True: it is whole. */
static bool encode_operation(struct device_uapi_encoder *e, struct text *t)
{
	const struct device_change *c = e->change;
	const struct device_peer_change *p;

	for (;;) {
		if (t->size - t->len < PEER_HEAD_MAX)
			return false;
		if (!e->in_peer) {
			if (e->peer == c->n_peers || e->n_in_operation == PEERS_PER_OPERATION)
				return true;
			text_peer_head(t, &c->peers[e->peer]);
			e->in_peer = true;
			e->allowed_ip = 0;
		}
		p = &c->peers[e->peer];
		while (p->how == DEVICE_PEER_RENEW && e->allowed_ip < p->n_allowed_ips) {
			if (t->size - t->len < ALLOWED_IP_LINE_MAX)
				return false;
			text_allowed_ip(t, &p->allowed_ips[e->allowed_ip++]);
		}
		e->in_peer = false;
		e->peer++;
		e->n_in_operation++;
	}
}

int device_uapi_encode_set(struct device_uapi_encoder *e, char *buf, size_t size, bool *ret_end)
{
	const struct device_change *c = e->change;
	struct text t = { .buf = buf, .size = size };
	int r;

	assert(size >= DEVICE_UAPI_BUFFER_MIN);
	*ret_end = false;
	if (!e->begun) {
		r = device_change_check(c);
		if (r < 0)
			return r;
	} else if (!e->in_operation && e->peer == c->n_peers) {
		return 0;
	}
	if (!e->in_operation) {
		e->in_operation = true;
		e->n_in_operation = 0;
		text_add(&t, "set=1\n");
	}
	if (!e->begun && c->private_key_how != DEVICE_PRIVATE_KEY_LEAVE)
		text_secret(&t, "private_key=",
			c->private_key_how == DEVICE_PRIVATE_KEY_SET ? c->private_key : NULL);
	e->begun = true;
	if (encode_operation(e, &t)) {
		text_add(&t, "\n");
		e->in_operation = false;
		*ret_end = true;
	}
	return (int)t.len;
}
