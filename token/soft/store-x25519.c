/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium.h>
#include <string.h>

#include "token/soft/store.h"

/* The identity: a flag, three bytes of zero, the key. Then the slots, then the hosts. */
#define AT_IDENTITY 4
#define AT_SLOTS 36
#define SLOT_SIZE 72
#define HOST_SIZE 36
#define AT_HOSTS (AT_SLOTS + SLOT_SIZE * X25519_DEVICE_SLOTS)

/* In a slot; what is not used is zero. */
#define SLOT_USED 0
#define SLOT_IMPORTED 1
#define SLOT_OWNER 2
#define SLOT_TOUCH 3
#define SLOT_SECONDS 4
#define SLOT_RESERVED 6
#define SLOT_PRIVATE 8
#define SLOT_PUBLIC 40
#define HOST_USED 0
#define HOST_PUBLIC 4

_Static_assert(AT_HOSTS + HOST_SIZE * X25519_DEVICE_HOSTS == STORE_X25519_SIZE, "size of the X25519 keys");

static void encode_slot(uint8_t *p, const struct x25519_slot *s)
{
	if (!s->used)
		return;
	p[SLOT_USED] = 1;
	p[SLOT_IMPORTED] = s->imported;
	p[SLOT_OWNER] = s->owner;
	p[SLOT_TOUCH] = (uint8_t)s->touch;
	p[SLOT_SECONDS] = (uint8_t)s->cached_seconds;
	p[SLOT_SECONDS + 1] = (uint8_t)(s->cached_seconds >> 8);
	memcpy(p + SLOT_PRIVATE, s->private_key, X25519_KEY_SIZE);
	memcpy(p + SLOT_PUBLIC, s->public_key, X25519_KEY_SIZE);
}

static bool decode_slot(struct x25519_slot *s, const uint8_t *p, const struct x25519_host *hosts)
{
	uint16_t seconds = (uint16_t)(p[SLOT_SECONDS] | p[SLOT_SECONDS + 1] << 8);

	if (p[SLOT_USED] == 0)
		return sodium_is_zero(p, SLOT_SIZE);
	if (p[SLOT_USED] > 1 || p[SLOT_IMPORTED] > 1 || p[SLOT_TOUCH] > X25519_TOUCH_ALWAYS ||
		(p[SLOT_TOUCH] == X25519_TOUCH_CACHED) != (seconds > 0) || p[SLOT_RESERVED] || p[SLOT_RESERVED + 1])
		return false;
	/* a slot of nobody's would be the next host's */
	if (p[SLOT_OWNER] != X25519_NO_HOST && (p[SLOT_OWNER] >= X25519_DEVICE_HOSTS || !hosts[p[SLOT_OWNER]].used))
		return false;
	s->used = true;
	s->imported = p[SLOT_IMPORTED];
	s->owner = p[SLOT_OWNER];
	s->touch = (enum x25519_touch)p[SLOT_TOUCH];
	s->cached_seconds = seconds;
	memcpy(s->private_key, p + SLOT_PRIVATE, X25519_KEY_SIZE);
	memcpy(s->public_key, p + SLOT_PUBLIC, X25519_KEY_SIZE);
	return true;
}

void store_encode_x25519(uint8_t *buf, const struct store_x25519 *x)
{
	memset(buf, 0, STORE_X25519_SIZE);
	if (x->has_identity) {
		buf[0] = 1;
		memcpy(buf + AT_IDENTITY, x->identity, X25519_KEY_SIZE);
	}
	for (unsigned int i = 0; i < X25519_DEVICE_SLOTS; i++)
		encode_slot(buf + AT_SLOTS + SLOT_SIZE * i, &x->slots[i]);
	for (unsigned int i = 0; i < X25519_DEVICE_HOSTS; i++) {
		uint8_t *p = buf + AT_HOSTS + HOST_SIZE * i;

		if (!x->hosts[i].used)
			continue;
		p[HOST_USED] = 1;
		memcpy(p + HOST_PUBLIC, x->hosts[i].public_key, X25519_KEY_SIZE);
	}
}

bool store_decode_x25519(struct store_x25519 *ret, const uint8_t *buf)
{
	if (buf[0] > 1 || buf[1] || buf[2] || buf[3] || (!buf[0] && !sodium_is_zero(buf + AT_IDENTITY, X25519_KEY_SIZE)))
		return false;
	ret->has_identity = buf[0];
	memcpy(ret->identity, buf + AT_IDENTITY, X25519_KEY_SIZE);
	for (unsigned int i = 0; i < X25519_DEVICE_HOSTS; i++) {
		const uint8_t *p = buf + AT_HOSTS + HOST_SIZE * i;

		if (p[0] > 1 || p[1] || p[2] || p[3] || (!p[0] && !sodium_is_zero(p, HOST_SIZE)))
			return false;
		ret->hosts[i].used = p[0];
		memcpy(ret->hosts[i].public_key, p + HOST_PUBLIC, X25519_KEY_SIZE);
	}
	for (unsigned int i = 0; i < X25519_DEVICE_SLOTS; i++) {
		if (!decode_slot(&ret->slots[i], buf + AT_SLOTS + SLOT_SIZE * i, ret->hosts))
			return false;
	}
	return true;
}
