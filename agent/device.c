/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agent/device-build.h"
#include "agent/device.h"

struct device *device_free(struct device *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < d->n_peers; i++) {
		secret_free(d->peers[i].preshared_key);
		free(d->peers[i].allowed_ips);
	}
	free(d->peers);
	secret_free(d->private_key);
	free(d);
	return NULL;
}

static int peer_compare(const void *a, const void *b)
{
	const struct device_peer *x = a, *y = b;

	return memcmp(x->public_key, y->public_key, KEY_SIZE);
}

const struct device_peer *device_find_peer(const struct device *d, const uint8_t public_key[static KEY_SIZE])
{
	struct device_peer key;

	if (d->n_peers == 0)
		return NULL;
	memcpy(key.public_key, public_key, KEY_SIZE);
	return bsearch(&key, d->peers, d->n_peers, sizeof(d->peers[0]), peer_compare);
}

int device_builder_init(struct device_builder *b)
{
	*b = (struct device_builder){ .device = calloc(1, sizeof(struct device)) };
	return b->device ? 0 : -ENOMEM;
}

void device_builder_clear(struct device_builder *b)
{
	device_free(b->device);
	*b = (struct device_builder){ 0 };
}

/* Doubles an array that is full. Nothing secret lies in these arrays: secrets are behind pointers. */
static int array_grow(void *array_pointer, size_t *allocated, size_t used, size_t element_size, size_t first)
{
	void *bigger, *array;
	size_t n = *allocated ? *allocated * 2 : first;

	if (used < *allocated)
		return 0;
	memcpy(&array, array_pointer, sizeof(array));
	bigger = reallocarray(array, n, element_size);
	if (!bigger)
		return -ENOMEM;
	memcpy(array_pointer, &bigger, sizeof(bigger));
	*allocated = n;
	return 0;
}

int device_builder_add_peer(struct device_builder *b, const uint8_t public_key[static KEY_SIZE],
	struct device_peer **ret)
{
	struct device *d = b->device;
	struct device_peer *peer;
	int r;

	if (d->n_peers >= DEVICE_PEERS_MAX)
		return -E2BIG;
	r = array_grow(&d->peers, &b->peers_allocated, d->n_peers, sizeof(d->peers[0]), 4);
	if (r < 0)
		return r;
	peer = &d->peers[d->n_peers++];
	memset(peer, 0, sizeof(*peer));
	memcpy(peer->public_key, public_key, KEY_SIZE);
	b->allowed_ips_allocated = 0;
	if (ret)
		*ret = peer;
	return 0;
}

struct device_peer *device_builder_peer(struct device_builder *b)
{
	return b->device->n_peers ? &b->device->peers[b->device->n_peers - 1] : NULL;
}

int device_builder_add_allowed_ip(struct device_builder *b, const struct device_allowed_ip *ip)
{
	struct device_peer *peer = device_builder_peer(b);
	int r;

	if (b->n_allowed_ips >= DEVICE_ALLOWED_IPS_MAX)
		return -E2BIG;
	/* Most peers have one. */
	r = array_grow(&peer->allowed_ips, &b->allowed_ips_allocated, peer->n_allowed_ips,
		sizeof(peer->allowed_ips[0]), 1);
	if (r < 0)
		return r;
	peer->allowed_ips[peer->n_allowed_ips++] = *ip;
	b->n_allowed_ips++;
	return 0;
}

int device_builder_key(struct secret **slot, const uint8_t key[static KEY_SIZE])
{
	struct secret *s = NULL;

	if (!sodium_is_zero(key, KEY_SIZE)) {
		s = secret_new(KEY_SIZE);
		if (!s)
			return -ENOMEM;
		memcpy(secret_borrow_mut(s), key, KEY_SIZE);
	}
	secret_free(*slot);
	*slot = s;
	return 0;
}

int device_builder_finish(struct device_builder *b, struct device **ret)
{
	struct device *d = b->device;

	if (d->n_peers > 1)
		qsort(d->peers, d->n_peers, sizeof(d->peers[0]), peer_compare);
	for (size_t i = 1; i < d->n_peers; i++)
		if (key_equal(d->peers[i - 1].public_key, d->peers[i].public_key)) {
			device_builder_clear(b);
			return -EBADMSG;
		}
	b->device = NULL;
	device_builder_clear(b);
	*ret = d;
	return 0;
}

int device_change_check(const struct device_change *c)
{
	if (c->private_key_how == DEVICE_PRIVATE_KEY_SET &&
		(!c->private_key || secret_len(c->private_key) != KEY_SIZE))
		return -EINVAL;
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct device_peer_change *p = &c->peers[i];

		if (p->preshared_key && secret_len(p->preshared_key) != KEY_SIZE)
			return -EINVAL;
		for (size_t j = 0; p->how == DEVICE_PEER_RENEW && j < p->n_allowed_ips; j++) {
			const struct device_allowed_ip *ip = &p->allowed_ips[j];

			if ((ip->family != AF_INET || ip->cidr > 32) && (ip->family != AF_INET6 || ip->cidr > 128))
				return -EINVAL;
		}
	}
	return 0;
}
