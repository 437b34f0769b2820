/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "common/schedule.h"
#include "tests/sim/fake-wg.h"

#define REJECT_AFTER_US (180 * US_PER_SEC)
#define INITIATION_BYTES 148

static struct secret *dup_or_null(const struct secret *s)
{
	struct secret *copy = s && !secret_is_zero(s) ? secret_dup(s) : NULL;

	assert(copy || !s || secret_is_zero(s));
	return copy;
}

static int compare(const void *a, const void *b)
{
	const struct device_peer *x = a, *y = b;

	return memcmp(x->public_key, y->public_key, KEY_SIZE);
}

static int fake_get(struct device_backend *b, const char *ifname, struct device **ret)
{
	struct fake_wg *w = (struct fake_wg *)b;
	struct device *d;

	(void)ifname;
	w->n_gets++;
	if (w->get_error)
		return w->get_error;
	if (!w->present)
		return -ENODEV;
	d = calloc(1, sizeof(*d));
	assert(d);
	d->ifindex = w->ifindex;
	d->private_key = dup_or_null(w->private_key);
	if (d->private_key) {
		/* Read a thousand times for each key: X25519 would be most of what a simulation does. */
		if (memcmp(w->public_of, secret_borrow(d->private_key), KEY_SIZE) != 0) {
			memcpy(w->public_of, secret_borrow(d->private_key), KEY_SIZE);
			schedule_public(w->public_key, d->private_key);
		}
		memcpy(d->public_key, w->public_key, KEY_SIZE);
	}
	d->n_peers = w->n_peers;
	d->peers = calloc(w->n_peers + 1, sizeof(*d->peers));
	assert(d->peers);
	for (size_t i = 0; i < w->n_peers; i++) {
		const struct fake_peer *p = &w->peers[i];
		struct device_peer *dp = &d->peers[i];

		memcpy(dp->public_key, p->public_key, KEY_SIZE);
		dp->preshared_key = dup_or_null(p->psk);
		dp->endpoint = p->endpoint;
		dp->keepalive = p->keepalive;
		dp->rx_bytes = p->rx_bytes;
		dp->last_handshake_us = p->last_handshake_us;
		dp->n_allowed_ips = 1;
		dp->allowed_ips = malloc(sizeof(p->allowed_ip));
		assert(dp->allowed_ips);
		dp->allowed_ips[0] = p->allowed_ip;
	}
	qsort(d->peers, d->n_peers, sizeof(*d->peers), compare);
	*ret = d;
	return 0;
}

static void fake_change_peer(struct fake_wg *w, const struct device_peer_change *c)
{
	struct fake_peer *p = fake_wg_peer(w, c->public_key);

	switch (c->how) {
	case DEVICE_PEER_UPDATE:
		if (!p)
			return;
		if (c->preshared_key) {
			secret_free(p->psk);
			p->psk = dup_or_null(c->preshared_key);
		}
		if (c->set_keepalive)
			p->keepalive = c->keepalive;
		return;
	case DEVICE_PEER_RENEW:
		if (p)
			fake_wg_remove_peer(w, c->public_key);
		p = fake_wg_add_peer(w, c->public_key, c->preshared_key, c->keepalive);
		p->endpoint = c->endpoint;
		/* Whoever renews a peer must not lose its routes. */
		assert(c->n_allowed_ips == 1);
		p->allowed_ip = c->allowed_ips[0];
		return;
	}
}

static int fake_set(struct device_backend *b, const char *ifname, const struct device_change *change)
{
	struct fake_wg *w = (struct fake_wg *)b;

	(void)ifname;
	w->n_sets++;
	if (w->set_error)
		return w->set_error;
	if (!w->present)
		return -ENODEV;
	if (w->ignore_sets)
		return 0;
	if (change->private_key_how != DEVICE_PRIVATE_KEY_LEAVE) {
		secret_free(w->private_key);
		w->private_key = change->private_key_how == DEVICE_PRIVATE_KEY_SET ? dup_or_null(change->private_key) : NULL;
	}
	for (size_t i = 0; i < change->n_peers; i++)
		fake_change_peer(w, &change->peers[i]);
	if (w->changed)
		w->changed(w);
	return 0;
}

static const struct device_backend_ops fake_ops = { .name = "fake", .get = fake_get, .set = fake_set };

struct fake_wg *fake_wg_new(struct clock_fake *clock)
{
	struct fake_wg *w = calloc(1, sizeof(*w));

	assert(w);
	w->backend.ops = &fake_ops;
	w->clock = clock;
	w->ifindex = 4;
	return w;
}

void fake_wg_delete(struct fake_wg *w)
{
	for (size_t i = 0; i < w->n_peers; i++)
		secret_free(w->peers[i].psk);
	free(w->peers);
	w->peers = NULL;
	w->n_peers = 0;
	w->private_key = secret_free(w->private_key);
	w->present = false;
}

void fake_wg_create(struct fake_wg *w, const struct secret *private_key)
{
	fake_wg_delete(w);
	w->present = true;
	w->ifindex++;
	w->private_key = dup_or_null(private_key);
}

void fake_wg_free(struct fake_wg *w)
{
	fake_wg_delete(w);
	free(w);
}

struct fake_peer *fake_wg_peer(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE])
{
	for (size_t i = 0; i < w->n_peers; i++)
		if (key_equal(w->peers[i].public_key, public_key))
			return &w->peers[i];
	return NULL;
}

struct fake_peer *fake_wg_add_peer(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE], const struct secret *psk,
	uint16_t keepalive)
{
	struct fake_peer *p;

	w->peers = reallocarray(w->peers, w->n_peers + 1, sizeof(*p));
	assert(w->peers);
	p = &w->peers[w->n_peers++];
	*p = (struct fake_peer){ .psk = dup_or_null(psk), .keepalive = keepalive };
	memcpy(p->public_key, public_key, KEY_SIZE);
	p->endpoint.v4.sin_family = AF_INET;
	p->endpoint.v4.sin_port = 51820;
	p->allowed_ip.family = AF_INET;
	p->allowed_ip.cidr = 32;
	return p;
}

void fake_wg_remove_peer(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE])
{
	struct fake_peer *p = fake_wg_peer(w, public_key);

	secret_free(p->psk);
	*p = w->peers[--w->n_peers];
}

void fake_wg_set_psk(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE], const struct secret *psk)
{
	struct fake_peer *p = fake_wg_peer(w, public_key);

	secret_free(p->psk);
	p->psk = dup_or_null(psk);
}

bool fake_wg_initiation(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE], const struct secret *psk)
{
	struct fake_peer *p = w->present && w->private_key ? fake_wg_peer(w, public_key) : NULL;

	if (!p)
		return false;
	p->rx_bytes += INITIATION_BYTES;
	if (!psk_equal(p->psk, psk))
		return false;
	p->rx_bytes += 32;
	p->session_boot_us = w->clock->now.boot_us;
	p->last_handshake_us = w->clock->now.real_us;
	return true;
}

bool fake_wg_session(struct fake_wg *w, const uint8_t public_key[static KEY_SIZE])
{
	const struct fake_peer *p = w->present && w->private_key ? fake_wg_peer(w, public_key) : NULL;

	return p && p->session_boot_us && w->clock->now.boot_us - p->session_boot_us < REJECT_AFTER_US;
}
