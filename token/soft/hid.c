/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/hid.h"

#include <string.h>

#include "common/clock.h"
#include "common/names.h"

#define INIT_HEADER 7
#define CONT_HEADER 5
#define INIT_DATA (SOFTHID_REPORT_SIZE - INIT_HEADER)
#define CONT_DATA (SOFTHID_REPORT_SIZE - CONT_HEADER)

#define INIT_NONCE_SIZE 8
#define PROTOCOL_VERSION 2
#define CAPABILITY_CBOR 0x04
#define CAPABILITY_NMSG 0x08 /* no U2F */

#define KEEPALIVE_PROCESSING 1
#define KEEPALIVE_UP_NEEDED 2

static void put_channel(uint8_t *p, uint32_t channel)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(channel >> (24 - 8 * i));
}

static uint32_t get_channel(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void send_message(
	struct softhid *h, uint32_t channel, uint8_t command, const uint8_t *data, size_t len)
{
	uint8_t report[SOFTHID_REPORT_SIZE] = {0};
	size_t n = len < INIT_DATA ? len : INIT_DATA;
	uint8_t sequence = 0;

	put_channel(report, channel);
	report[4] = command | 0x80;
	report[5] = (uint8_t)(len >> 8);
	report[6] = (uint8_t)len;
	if (n > 0)
		memcpy(report + INIT_HEADER, data, n);
	h->send(h->userdata, report);
	for (size_t at = n; at < len; at += n) {
		memset(report + 4, 0, SOFTHID_REPORT_SIZE - 4);
		report[4] = sequence++;
		n = len - at < CONT_DATA ? len - at : CONT_DATA;
		memcpy(report + CONT_HEADER, data + at, n);
		h->send(h->userdata, report);
	}
}

static void send_error(struct softhid *h, uint32_t channel, enum softhid_error error)
{
	uint8_t code = (uint8_t)error;

	send_message(h, channel, SOFTHID_ERROR, &code, 1);
}

static void send_keepalive(struct softhid *h, uint64_t now_us)
{
	uint8_t status = h->state == SOFTHID_TOUCH_WAIT ? KEEPALIVE_UP_NEEDED : KEEPALIVE_PROCESSING;

	send_message(h, h->channel, SOFTHID_KEEPALIVE, &status, 1);
	h->keepalive_us = now_us + SOFTHID_KEEPALIVE_US;
}

/* Whatever lay in the buffers (PIN hashes, outputs: encrypted, but still) goes with the transaction. */
static void go_idle(struct softhid *h)
{
	h->state = SOFTHID_IDLE;
	memset(h->buffer, 0, h->len);
	h->len = 0;
	h->expected = 0;
	h->keepalive_us = US_NEVER;
	h->deadline_us = US_NEVER;
}

void softhid_init(struct softhid *h,
	void (*send)(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE]), void *userdata,
	uint32_t first_channel)
{
	memset(h, 0, sizeof(*h));
	h->send = send;
	h->userdata = userdata;
	h->next_channel = first_channel;
	h->misbehaving = SOFTHID_CBOR;
	h->touch_timeout_us = WGFIDO_TOUCH_TIMEOUT_SECONDS * US_PER_SEC;
	go_idle(h);
}

void softhid_set_handler(struct softhid *h, uint8_t command, softhid_handler handle, void *userdata)
{
	h->handlers[command & 0x7f].handle = handle;
	h->handlers[command & 0x7f].userdata = userdata;
}

static bool channel_use(struct softhid *h, uint32_t channel)
{
	for (size_t i = 0; i < SOFTHID_CHANNELS_MAX; i++) {
		if (h->channels[i].id == channel && channel != 0) {
			h->channels[i].used = ++h->use_count;
			return true;
		}
	}
	return false;
}

static void channel_ended(struct softhid *h, uint32_t channel)
{
	if (h->channel_ended)
		h->channel_ended(h->channel_userdata, channel);
}

static uint32_t channel_open(struct softhid *h)
{
	size_t oldest = SOFTHID_CHANNELS_MAX;

	do {
		h->next_channel++;
	} while (h->next_channel == 0 || h->next_channel == SOFTHID_BROADCAST ||
		 channel_use(h, h->next_channel));
	for (size_t i = 0; i < SOFTHID_CHANNELS_MAX; i++) {
		bool busy = h->state != SOFTHID_IDLE && h->channels[i].id == h->channel;

		if (!busy &&
			(oldest == SOFTHID_CHANNELS_MAX || h->channels[i].used < h->channels[oldest].used))
			oldest = i;
	}
	if (h->channels[oldest].id != 0)
		channel_ended(h, h->channels[oldest].id);
	h->channels[oldest].id = h->next_channel;
	h->channels[oldest].used = ++h->use_count;
	return h->next_channel;
}

/* INIT is answered at any time: it opens a channel, or brings an open one back in step. */
static void handle_init(struct softhid *h, uint32_t channel, const uint8_t *data, size_t len)
{
	uint8_t answer[17] = {0};

	if (len != INIT_NONCE_SIZE) {
		send_error(h, channel, SOFTHID_ERR_INVALID_LEN);
		return;
	}
	if (channel != SOFTHID_BROADCAST && h->state != SOFTHID_IDLE && h->channel == channel)
		go_idle(h);
	if (channel != SOFTHID_BROADCAST)
		channel_ended(h, channel);
	memcpy(answer, data, INIT_NONCE_SIZE);
	put_channel(answer + 8, channel == SOFTHID_BROADCAST ? channel_open(h) : channel);
	answer[12] = PROTOCOL_VERSION;
	answer[13] = 0; /* device version: major, minor, build */
	answer[14] = 1;
	answer[15] = 0;
	answer[16] = CAPABILITY_CBOR | CAPABILITY_NMSG;
	send_message(h, channel, SOFTHID_INIT, answer, sizeof(answer));
}

/* Does what was asked for with an answer that is ready. */
static void deliver(struct softhid *h, uint64_t now_us)
{
	struct softhid_reply *reply = &h->reply;
	enum softhid_misbehaviour how = h->misbehaviour;

	if (h->command != h->misbehaving)
		how = SOFTHID_HONEST;
	if (how != SOFTHID_HONEST && h->honest_first > 0) {
		h->honest_first--;
		how = SOFTHID_HONEST;
	}
	switch (how) {
	case SOFTHID_HONEST:
		break;
	case SOFTHID_GARBAGE:
		if (reply->len < 64)
			reply->len = 64;
		for (size_t i = 1; i < reply->len; i++)
			reply->data[i] = (uint8_t)(0xb3 ^ (i * 167));
		reply->data[0] = CTAP2_OK;
		break;
	case SOFTHID_TOO_LONG:
		memset(reply->data + reply->len, 0xa5, sizeof(reply->data) - reply->len);
		reply->len = sizeof(reply->data);
		break;
	case SOFTHID_SILENT:
		go_idle(h);
		return;
	case SOFTHID_SLOW:
		h->state = SOFTHID_DELAYED;
		h->keepalive_us = US_NEVER;
		h->deadline_us = now_us + h->slow_us;
		return;
	case SOFTHID_KEEPALIVE_FOREVER:
		h->state = SOFTHID_DELAYED;
		h->deadline_us = US_NEVER;
		send_keepalive(h, now_us);
		return;
	}
	send_message(h, h->channel, h->command, reply->data, reply->len);
	go_idle(h);
}

static void call_handler(struct softhid *h, enum ctap2_touch touch, uint64_t now_us)
{
	softhid_handler handle = h->handlers[h->command].handle;
	struct softhid_message message = {
		.channel = h->channel,
		.command = h->command,
		.payload = h->buffer,
		.len = h->expected,
		.received_us = h->received_us,
		.now_us = now_us,
		.touch = touch,
	};

	h->reply.len = 0;
	h->reply.error = SOFTHID_ERR_OTHER;
	switch (handle(h->handlers[h->command].userdata, &message, &h->reply)) {
	case SOFTHID_ANSWER:
		deliver(h, now_us);
		return;
	case SOFTHID_TOUCH:
		if (touch != CTAP2_TOUCH_NONE)
			break; /* it may ask once */
		h->state = SOFTHID_TOUCH_WAIT;
		h->deadline_us = now_us + h->touch_timeout_us;
		send_keepalive(h, now_us);
		return;
	case SOFTHID_REFUSE:
		break;
	}
	send_error(h, h->channel, h->reply.error);
	go_idle(h);
}

static void message_complete(struct softhid *h, uint64_t now_us)
{
	h->received_us = now_us;
	h->deadline_us = US_NEVER;
	if (h->command == SOFTHID_PING) {
		send_message(h, h->channel, SOFTHID_PING, h->buffer, h->expected);
		go_idle(h);
	} else {
		call_handler(h, CTAP2_TOUCH_NONE, now_us);
	}
}

static void abandon(struct softhid *h, uint32_t channel, enum softhid_error error)
{
	send_error(h, channel, error);
	go_idle(h);
}

static void handle_cancel(struct softhid *h, uint32_t channel, uint64_t now_us)
{
	/* Never answered by itself; without a request that waits it means nothing. */
	if (h->state == SOFTHID_TOUCH_WAIT && h->channel == channel)
		call_handler(h, CTAP2_TOUCH_CANCELLED, now_us);
}

static void receive_first(struct softhid *h, uint32_t channel, const uint8_t *report, uint64_t now_us)
{
	uint8_t command = report[4] & 0x7f;
	size_t expected = (size_t)report[5] << 8 | report[6];

	if (channel == 0 || (channel == SOFTHID_BROADCAST && command != SOFTHID_INIT)) {
		send_error(h, channel, SOFTHID_ERR_INVALID_CHANNEL);
		return;
	}
	if (channel != SOFTHID_BROADCAST && !channel_use(h, channel)) {
		send_error(h, channel, SOFTHID_ERR_INVALID_CHANNEL);
		return;
	}
	if (command == SOFTHID_INIT) {
		handle_init(h, channel, report + INIT_HEADER, expected);
		return;
	}
	if (command == SOFTHID_CANCEL) {
		handle_cancel(h, channel, now_us);
		return;
	}
	if (h->state != SOFTHID_IDLE) {
		if (h->state == SOFTHID_RECEIVING && h->channel == channel)
			abandon(h, channel, SOFTHID_ERR_INVALID_SEQ);
		else
			send_error(h, channel, SOFTHID_ERR_CHANNEL_BUSY);
		return;
	}
	if (command != SOFTHID_PING && !h->handlers[command].handle) {
		send_error(h, channel, SOFTHID_ERR_INVALID_CMD);
		return;
	}
	if (expected > SOFTHID_MESSAGE_MAX || (command == SOFTHID_CBOR && expected == 0)) {
		send_error(h, channel, SOFTHID_ERR_INVALID_LEN);
		return;
	}
	h->state = SOFTHID_RECEIVING;
	h->channel = channel;
	h->command = command;
	h->sequence = 0;
	h->expected = expected;
	h->len = expected < INIT_DATA ? expected : INIT_DATA;
	memcpy(h->buffer, report + INIT_HEADER, h->len);
	h->deadline_us = now_us + SOFTHID_FRAGMENT_TIMEOUT_US;
	if (h->len == h->expected)
		message_complete(h, now_us);
}

static void receive_next(struct softhid *h, uint32_t channel, const uint8_t *report, uint64_t now_us)
{
	size_t n;

	if (h->state != SOFTHID_RECEIVING || h->channel != channel)
		return; /* the spec: spurious continuations are ignored */
	if (report[4] != h->sequence) {
		abandon(h, channel, SOFTHID_ERR_INVALID_SEQ);
		return;
	}
	n = h->expected - h->len < CONT_DATA ? h->expected - h->len : CONT_DATA;
	memcpy(h->buffer + h->len, report + CONT_HEADER, n);
	h->len += n;
	h->sequence++;
	h->deadline_us = now_us + SOFTHID_FRAGMENT_TIMEOUT_US;
	if (h->len == h->expected)
		message_complete(h, now_us);
}

void softhid_receive(struct softhid *h, const uint8_t report[static SOFTHID_REPORT_SIZE], uint64_t now_us)
{
	uint32_t channel = get_channel(report);

	softhid_tick(h, now_us);
	if (report[4] & 0x80)
		receive_first(h, channel, report, now_us);
	else
		receive_next(h, channel, report, now_us);
}

void softhid_tick(struct softhid *h, uint64_t now_us)
{
	if (now_us >= h->deadline_us) {
		switch (h->state) {
		case SOFTHID_IDLE:
			break;
		case SOFTHID_RECEIVING:
			abandon(h, h->channel, SOFTHID_ERR_MSG_TIMEOUT);
			return;
		case SOFTHID_TOUCH_WAIT:
			call_handler(h, CTAP2_TOUCH_TIMEOUT, now_us);
			return;
		case SOFTHID_DELAYED:
			send_message(h, h->channel, h->command, h->reply.data, h->reply.len);
			go_idle(h);
			return;
		}
	}
	if (now_us >= h->keepalive_us)
		send_keepalive(h, now_us);
}

uint64_t softhid_deadline(const struct softhid *h)
{
	return h->deadline_us < h->keepalive_us ? h->deadline_us : h->keepalive_us;
}

bool softhid_touch_wanted(const struct softhid *h)
{
	return h->state == SOFTHID_TOUCH_WAIT;
}

void softhid_touch(struct softhid *h, enum ctap2_touch touch, uint64_t now_us)
{
	if (h->state == SOFTHID_TOUCH_WAIT)
		call_handler(h, touch, now_us);
}

enum softhid_verdict softhid_handle_cbor(
	void *userdata, const struct softhid_message *message, struct softhid_reply *reply)
{
	struct ctap2_call call = {
		.request = message->payload,
		.len = message->len,
		.received_us = message->received_us,
		.touch = message->touch,
	};

	return ctap2_handle(userdata, &call, reply->data, &reply->len) == CTAP2_DONE ? SOFTHID_ANSWER
										     : SOFTHID_TOUCH;
}
