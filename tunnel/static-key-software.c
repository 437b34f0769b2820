/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "tunnel/static_key.h"

/* A third of what one core answers, so that others get their share of it; at once as many as a gateway's peers that all come back
 * after its restart. */
#define SOFTWARE_BURST 1024
#define SOFTWARE_RATE_US 500

struct static_key_software {
	struct static_key key;
	struct secret *private_key;
};

static int software_dh(struct static_key *k, const struct static_request *request, static_done done, void *userdata,
	struct static_call **ret_call, struct secret **ret_shared)
{
	const struct static_key_software *s = (const struct static_key_software *)k;
	_cleanup_secret_ struct secret *shared = secret_new(SECRET_KEY_SIZE);

	(void)done;
	(void)userdata;
	(void)ret_call;
	if (!shared)
		return -ENOMEM;
	/* It refuses all-zero results. */
	if (crypto_scalarmult(secret_borrow_mut(shared), secret_key(s->private_key), request->point) != 0)
		return -EINVAL;
	*ret_shared = secret_take(&shared);
	return 1;
}

static void software_cancel(struct static_key *k, struct static_call *call)
{
	(void)k;
	(void)call;
}

static bool software_approved(struct static_key *k, const uint8_t peer[static KEY_SIZE])
{
	(void)k;
	(void)peer;
	return true;
}

static void software_free(struct static_key *k)
{
	struct static_key_software *s = (struct static_key_software *)k;

	secret_free(s->private_key);
	free(s);
}

static const struct static_key_ops software_ops = {
	.dh = software_dh,
	.cancel = software_cancel,
	.approved = software_approved,
	.free = software_free,
};

struct static_key *static_key_software_new(struct secret *private_key)
{
	struct static_key_software *s = calloc(1, sizeof(*s));
	uint8_t *bytes = secret_borrow_mut(private_key);

	if (!s) {
		secret_free(private_key);
		return NULL;
	}
	bytes[0] &= 248;
	bytes[31] = (uint8_t)((bytes[31] & 127) | 64);
	crypto_scalarmult_base(s->key.public_key, bytes);
	s->key.ops = &software_ops;
	s->key.burst = SOFTWARE_BURST;
	s->key.rate_us = SOFTWARE_RATE_US;
	s->key.waiting_max = UINT32_MAX; /* none ever waits */
	s->private_key = private_key;
	return &s->key;
}

const struct secret *static_key_software_private(const struct static_key *k)
{
	return k && k->ops == &software_ops ? ((const struct static_key_software *)k)->private_key : NULL;
}
