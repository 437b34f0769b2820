/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"

static struct device_peer_change *plan_add(struct plan *p, const uint8_t public_key[static KEY_SIZE])
{
	struct device_peer_change *c;

	if (p->n_peers == p->size) {
		const size_t size = p->size ? p->size * 2 : 8;

		c = reallocarray(p->peers, size, sizeof(*c));
		if (!c)
			return NULL;
		p->peers = c;
		p->size = size;
	}
	c = &p->peers[p->n_peers++];
	*c = (struct device_peer_change){ 0 };
	memcpy(c->public_key, public_key, KEY_SIZE);
	return c;
}

int plan_update(struct plan *p, const uint8_t public_key[static KEY_SIZE], const struct secret *psk)
{
	struct device_peer_change *c = plan_add(p, public_key);

	if (!c)
		return -ENOMEM;
	c->how = DEVICE_PEER_UPDATE;
	c->preshared_key = psk;
	return 0;
}

int plan_renew(struct plan *p, const struct device_peer *peer, const struct secret *psk, uint16_t keepalive)
{
	struct device_peer_change *c = plan_add(p, peer->public_key);

	if (!c)
		return -ENOMEM;
	c->how = DEVICE_PEER_RENEW;
	c->preshared_key = psk;
	c->set_keepalive = true;
	c->keepalive = keepalive;
	c->endpoint = peer->endpoint;
	c->n_allowed_ips = peer->n_allowed_ips;
	c->allowed_ips = peer->allowed_ips;
	return 0;
}

bool plan_empty(const struct plan *p)
{
	return p->n_peers == 0 && p->private_key_how == DEVICE_PRIVATE_KEY_LEAVE;
}

struct device_change plan_change(const struct plan *p)
{
	return (struct device_change){
		.private_key_how = p->private_key_how,
		.private_key = p->private_key,
		.n_peers = p->n_peers,
		.peers = p->peers,
	};
}

void plan_clear(struct plan *p)
{
	free(p->peers);
	*p = (struct plan){ 0 };
}

bool psk_equal(const struct secret *a, const struct secret *b)
{
	if (!a || !b)
		return a == b;
	return secret_equal(a, b);
}

struct secret *psk_random(void)
{
	struct secret *s = secret_new(SECRET_KEY_SIZE);

	if (s)
		secret_fill_random(s);
	return s;
}
