/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/x25519.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/clock.h"
#include "token/x25519-sodium.h"

#define ANSWER_HEAD 2
#define SEALED_DH_SIZE (2 * ANSWER_HEAD + X25519_KEY_SIZE + X25519_TAG_SIZE) /* no other answer has this length */

struct soft_x25519 {
	struct x25519_device device;
	struct store_data *data;
	int (*save)(void *userdata);
	void *userdata;
	enum soft_x25519_lie lie;
	unsigned int honest_first;
	uint8_t previous[X25519_MESSAGE_MAX]; /* answer */
	size_t previous_len;
};

static int read_identity(void *userdata, uint8_t ret[static X25519_KEY_SIZE], bool *ret_used)
{
	const struct soft_x25519 *s = userdata;

	memcpy(ret, s->data->x25519->identity, X25519_KEY_SIZE);
	*ret_used = s->data->x25519->has_identity;
	return 0;
}

/* What cannot be written is not there in memory either. */
static int write_record(struct soft_x25519 *s, void *record, const void *value, size_t len)
{
	uint8_t old[sizeof(struct x25519_slot)];
	int r;

	memcpy(old, record, len);
	memcpy(record, value, len);
	r = s->save(s->userdata);
	if (r < 0)
		memcpy(record, old, len);
	sodium_memzero(old, sizeof(old));
	return r;
}

static int write_identity(void *userdata, const uint8_t private_key[static X25519_KEY_SIZE])
{
	struct soft_x25519 *s = userdata;
	int r;

	s->data->x25519->has_identity = true;
	r = write_record(s, s->data->x25519->identity, private_key, X25519_KEY_SIZE);
	s->data->x25519->has_identity = r == 0;
	return r;
}

static int read_slot(void *userdata, unsigned int slot, struct x25519_slot *ret)
{
	const struct soft_x25519 *s = userdata;

	*ret = s->data->x25519->slots[slot];
	return 0;
}

static int write_slot(void *userdata, unsigned int slot, const struct x25519_slot *value)
{
	struct soft_x25519 *s = userdata;

	return write_record(s, &s->data->x25519->slots[slot], value, sizeof(*value));
}

static int read_host(void *userdata, unsigned int host, struct x25519_host *ret)
{
	const struct soft_x25519 *s = userdata;

	*ret = s->data->x25519->hosts[host];
	return 0;
}

static int write_host(void *userdata, unsigned int host, const struct x25519_host *value)
{
	struct soft_x25519 *s = userdata;

	return write_record(s, &s->data->x25519->hosts[host], value, sizeof(*value));
}

static const struct x25519_storage storage = {
	.read_identity = read_identity,
	.write_identity = write_identity,
	.read_slot = read_slot,
	.write_slot = write_slot,
	.read_host = read_host,
	.write_host = write_host,
};

int soft_x25519_new(struct soft_x25519 **ret, struct store_data *data, int (*save)(void *userdata), void *userdata)
{
	struct soft_x25519 *s = sodium_malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->data = data;
	s->save = save;
	s->userdata = userdata;
	if (!x25519_device_init(&s->device, &x25519_sodium, &storage, s,
		    X25519_FEATURE_IMPORT | X25519_FEATURE_CACHED | X25519_FEATURE_OPEN)) {
		soft_x25519_free(s);
		return -EIO;
	}
	*ret = s;
	return 0;
}

struct soft_x25519 *soft_x25519_free(struct soft_x25519 *s)
{
	sodium_free(s);
	return NULL;
}

void soft_x25519_set_lie(struct soft_x25519 *s, enum soft_x25519_lie lie, unsigned int honest_first)
{
	s->lie = lie;
	s->honest_first = honest_first;
}

static enum x25519_finger finger_of(enum ctap2_touch touch)
{
	switch (touch) {
	case CTAP2_TOUCH_NONE:
		return X25519_FINGER_NONE;
	case CTAP2_TOUCH_GIVEN:
		return X25519_FINGER_GIVEN;
	case CTAP2_TOUCH_DENIED:
		return X25519_FINGER_DENIED;
	case CTAP2_TOUCH_TIMEOUT:
		return X25519_FINGER_TIMEOUT;
	case CTAP2_TOUCH_CANCELLED:
		return X25519_FINGER_CANCELLED;
	}
	return X25519_FINGER_DENIED;
}

/* The key of the channel is at hand: such a token is one that its maker made to lie. */
static void say_zero(struct soft_x25519 *s, uint32_t cid, struct softhid_reply *reply)
{
	static const uint8_t zero[ANSWER_HEAD + X25519_KEY_SIZE] = {X25519_DH, X25519_OK};

	if (reply->data[0] == X25519_DH && reply->len == sizeof(zero))
		memcpy(reply->data, zero, sizeof(zero));
	if (reply->data[0] != X25519_SEALED || reply->len != SEALED_DH_SIZE)
		return;
	for (unsigned int i = 0; i < X25519_DEVICE_CHANNELS; i++) {
		struct x25519_session *session = &s->device.sessions[i];

		if (!session->channel.open || session->cid != cid)
			continue;
		session->channel.sent--;
		x25519_channel_seal(&session->channel, &x25519_sodium, reply->data + ANSWER_HEAD, zero, sizeof(zero));
	}
}

static void misbehave(struct soft_x25519 *s, uint32_t cid, struct softhid_reply *reply)
{
	uint8_t honest[X25519_MESSAGE_MAX];
	size_t honest_len = reply->len;

	memcpy(honest, reply->data, honest_len);
	if (s->honest_first > 0) {
		s->honest_first--;
	} else {
		switch (s->lie) {
		case SOFT_X25519_HONEST:
			break;
		case SOFT_X25519_GARBAGE:
			for (size_t i = ANSWER_HEAD; i < reply->len; i++)
				reply->data[i] = (uint8_t)(0xb3 ^ (i * 167));
			break;
		case SOFT_X25519_SHORT:
			reply->len--;
			break;
		case SOFT_X25519_LONG:
			reply->data[reply->len++] = 0;
			break;
		case SOFT_X25519_ZERO:
			say_zero(s, cid, reply);
			break;
		case SOFT_X25519_REPLAY:
			if (s->previous_len > 0) {
				memcpy(reply->data, s->previous, s->previous_len);
				reply->len = s->previous_len;
			}
			break;
		}
	}
	memcpy(s->previous, honest, honest_len);
	s->previous_len = honest_len;
	sodium_memzero(honest, sizeof(honest));
}

enum softhid_verdict soft_x25519_handle(void *userdata, const struct softhid_message *message, struct softhid_reply *reply)
{
	struct soft_x25519 *s = userdata;
	struct x25519_call call = {
		.cid = message->channel,
		.request = message->payload,
		.len = message->len,
		.now_ms = message->now_us / US_PER_MS,
		.finger = finger_of(message->touch),
	};

	if (message->len == 0 || message->len > X25519_MESSAGE_MAX) {
		reply->error = SOFTHID_ERR_INVALID_LEN;
		return SOFTHID_REFUSE;
	}
	if (x25519_device_handle(&s->device, &call, reply->data, &reply->len) == X25519_TOUCH_WANTED)
		return SOFTHID_TOUCH;
	misbehave(s, message->channel, reply);
	return SOFTHID_ANSWER;
}

void soft_x25519_channel_ended(void *userdata, uint32_t channel)
{
	struct soft_x25519 *s = userdata;

	x25519_device_forget(&s->device, channel);
}

int soft_x25519_reset(struct soft_x25519 *s)
{
	return x25519_device_reset(&s->device) ? 0 : -EIO;
}
