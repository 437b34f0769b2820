/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tunnel/device.h"

#define PEER_BUCKETS_FIRST 16u

int device_init(struct device *d, const struct path_ops *ops, void *path)
{
	memset(d, 0, sizeof(*d));
	d->path_ops = ops;
	d->path = path;
	randombytes_buf(d->hash_key, sizeof(d->hash_key));
	d->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->kick_fd < 0)
		return -errno;
	d->inbox = calloc(1, sizeof(*d->inbox));
	d->peer_buckets = calloc(PEER_BUCKETS_FIRST, sizeof(struct peer *));
	if (!d->inbox || !d->peer_buckets) {
		close(d->kick_fd);
		free(d->inbox);
		free(d->peer_buckets);
		return -ENOMEM;
	}
	d->peer_mask = PEER_BUCKETS_FIRST - 1;
	for (int i = 0; i < _DEVICE_PATHS; i++)
		pthread_mutex_init(&d->path_lock[i], NULL);
	pthread_mutex_init(&d->gate, NULL);
	pthread_mutex_init(&d->control_lock, NULL);
	return 0;
}

void device_clear(struct device *d)
{
	while (d->first_peer)
		device_peer_remove(d->first_peer);
	allowedips_clear(&d->allowed_ips);
	index_clear(&d->indexes);
	free(d->peer_buckets);
	sodium_memzero(d->inbox, sizeof(*d->inbox));
	free(d->inbox);
	close(d->kick_fd);
	for (int i = 0; i < _DEVICE_PATHS; i++)
		pthread_mutex_destroy(&d->path_lock[i]);
	pthread_mutex_destroy(&d->gate);
	pthread_mutex_destroy(&d->control_lock);
	sodium_memzero(d, sizeof(*d));
}

void device_lock(struct device *d)
{
	pthread_mutex_lock(&d->gate);
	atomic_store_explicit(&d->gate_closed, true, memory_order_relaxed);
	for (int i = 0; i < _DEVICE_PATHS; i++)
		pthread_mutex_lock(&d->path_lock[i]);
}

void device_lock_closing(struct device *d)
{
	atomic_store(&d->closing, true);
	device_lock(d);
	atomic_store(&d->closing, false);
}

void device_unlock(struct device *d)
{
	for (int i = _DEVICE_PATHS; i-- > 0;)
		pthread_mutex_unlock(&d->path_lock[i]);
	atomic_store_explicit(&d->gate_closed, false, memory_order_relaxed);
	pthread_mutex_unlock(&d->gate);
}

void device_kick(struct device *d)
{
	/* Full means that a kick is pending. */
	(void)!eventfd_write(d->kick_fd, 1);
}

void device_control_enter(struct device *d)
{
	atomic_store(&d->control_wanted, true);
	pthread_mutex_lock(&d->control_lock);
	atomic_store(&d->control_wanted, false);
}

void device_control_leave(struct device *d)
{
	pthread_mutex_unlock(&d->control_lock);
}

void device_serve(struct device *d)
{
	bool more = true;

	if (atomic_load(&d->serves) && !atomic_load(&d->control_wanted) && pthread_mutex_trylock(&d->control_lock) == 0) {
		if (d->serve)
			more = d->serve(d->serve_userdata);
		pthread_mutex_unlock(&d->control_lock);
	}
	if (more)
		device_kick(d);
}

bool device_deliver(struct device *d, const void *bytes, size_t len, const struct endpoint *from)
{
	bool was_empty;

	if (!inbox_push(d->inbox, bytes, len, from, &was_empty))
		return false;
	if (was_empty)
		atomic_store(&d->told, true);
	return true;
}

static uint32_t bucket_of(const struct device *d, const uint8_t public_key[static KEY_SIZE])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t n;

	crypto_shorthash(hash, public_key, KEY_SIZE, d->hash_key);
	memcpy(&n, hash, sizeof(n));
	return n & d->peer_mask;
}

struct peer *device_peer_find(const struct device *d, const uint8_t public_key[static KEY_SIZE])
{
	struct peer *p = d->peer_buckets[bucket_of(d, public_key)];

	while (p && !key_equal(p->public_key, public_key))
		p = p->next_hashed;
	return p;
}

/* One that cannot grow only gets slower. Nobody but control looks at it. */
static void grow_buckets(struct device *d)
{
	const uint32_t n = 2 * (d->peer_mask + 1);
	struct peer **buckets = calloc(n, sizeof(struct peer *));

	if (!buckets)
		return;
	free(d->peer_buckets);
	d->peer_buckets = buckets;
	d->peer_mask = n - 1;
	for (struct peer *p = d->first_peer; p; p = p->next_peer) {
		struct peer **bucket = &buckets[bucket_of(d, p->public_key)];

		p->next_hashed = *bucket;
		*bucket = p;
	}
}

int device_peer_add(struct device *d, const uint8_t public_key[static KEY_SIZE], struct peer **ret)
{
	struct peer *p, **bucket;

	if (device_peer_find(d, public_key))
		return -EEXIST;
	if (d->n_peers >= DEVICE_PEERS_MAX)
		return -ENOSPC;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->device = d;
	memcpy(p->public_key, public_key, KEY_SIZE);
	if (d->n_peers > d->peer_mask)
		grow_buckets(d);
	bucket = &d->peer_buckets[bucket_of(d, public_key)];
	p->next_hashed = *bucket;
	*bucket = p;
	p->prev_peer = d->last_peer;
	*(d->last_peer ? &d->last_peer->next_peer : &d->first_peer) = p;
	d->last_peer = p;
	d->n_peers++;
	*ret = p;
	return 0;
}

/* Both locks are held, so that nobody puts one on it meanwhile. */
static void attention_drop(struct device *d, const struct peer *gone)
{
	struct peer *p = atomic_load(&d->attention), *prev = NULL, *next;

	for (; p; prev = p, p = next) {
		next = atomic_load_explicit(&p->attention_next, memory_order_relaxed);
		if (p != gone)
			continue;
		if (prev)
			atomic_store_explicit(&prev->attention_next, next, memory_order_relaxed);
		else
			atomic_store(&d->attention, next);
		return;
	}
}

void device_session_end(struct device *d, struct session **s)
{
	if (*s) {
		index_remove(&d->indexes, &(*s)->entry);
		if (d->path_ops && d->path_ops->forget_keys)
			d->path_ops->forget_keys(d->path, *s);
	}
	*s = session_free(*s);
}

void device_peer_remove(struct peer *p)
{
	struct device *d = p->device;
	struct peer **link = &d->peer_buckets[bucket_of(d, p->public_key)];

	while (*link != p)
		link = &(*link)->next_hashed;
	*link = p->next_hashed;
	*(p->prev_peer ? &p->prev_peer->next_peer : &d->first_peer) = p->next_peer;
	*(p->next_peer ? &p->next_peer->prev_peer : &d->last_peer) = p->prev_peer;
	d->n_peers--;

	device_lock(d);
	allowedips_remove_peer(&d->allowed_ips, p);
	device_session_end(d, &p->current);
	device_session_end(d, &p->previous);
	device_session_end(d, &p->next);
	if (p->stage)
		d->path_ops->drop_staged(d->path, p, false);
	attention_drop(d, p);
	device_unlock(d);
	sodium_memzero(p, sizeof(*p));
	free(p);
}

struct peer *device_attention(struct device *d, uint32_t *ret_flags)
{
	struct peer *p, *next;

	/* Pushing and popping in one list: there is one who pops, so nothing comes back under the same address meanwhile. */
	p = atomic_load(&d->attention);
	do {
		if (!p)
			return NULL;
		next = atomic_load_explicit(&p->attention_next, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak(&d->attention, &p, next));
	*ret_flags = atomic_exchange(&p->flags, 0);
	return p;
}
