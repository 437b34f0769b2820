/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include "common/clock.h"
#include "token/soft/hid.h"

#define MS(n) ((uint64_t)(n)*US_PER_MS)

static struct softhid hid;
static uint64_t now;

/* What the token sent, put together again: the last messages. */
static struct sent {
	uint32_t channel;
	uint8_t command;
	size_t len, have;
	uint8_t data[SOFTHID_MESSAGE_MAX];
} sent[256];
static size_t n_sent;

/* What the handler saw. */
static unsigned int n_calls;
static enum ctap2_touch last_touch;

static void on_send(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	size_t header = report[4] & 0x80 ? 7 : 5, n;
	struct sent *s;

	(void)userdata;
	if (report[4] & 0x80) {
		assert_true(n_sent < 256);
		s = &sent[n_sent++];
		memset(s, 0, sizeof(*s));
		s->channel = (uint32_t)report[0] << 24 | (uint32_t)report[1] << 16 |
			     (uint32_t)report[2] << 8 | report[3];
		s->command = report[4] & 0x7f;
		s->len = (size_t)report[5] << 8 | report[6];
	} else {
		s = &sent[n_sent - 1];
	}
	n = s->len - s->have < SOFTHID_REPORT_SIZE - header ? s->len - s->have : SOFTHID_REPORT_SIZE - header;
	memcpy(s->data + s->have, report + header, n);
	s->have += n;
}

/* 't': wants a touch, then says what became of it; 'r': refuses; else echoes. */
static enum softhid_verdict handle(
	void *userdata, const struct softhid_message *m, struct softhid_reply *reply)
{
	(void)userdata;
	n_calls++;
	last_touch = m->touch;
	if (m->payload[0] == 't' && m->touch == CTAP2_TOUCH_NONE)
		return SOFTHID_TOUCH;
	if (m->payload[0] == 'r') {
		reply->error = SOFTHID_ERR_INVALID_PAR;
		return SOFTHID_REFUSE;
	}
	memcpy(reply->data, m->payload, m->len);
	reply->len = m->len;
	return SOFTHID_ANSWER;
}

static void put_report(uint8_t *report, uint32_t channel, uint8_t byte)
{
	memset(report, 0, SOFTHID_REPORT_SIZE);
	for (int i = 0; i < 4; i++)
		report[i] = (uint8_t)(channel >> (24 - 8 * i));
	report[4] = byte;
}

static void first(uint32_t channel, uint8_t command, size_t total, const void *data, size_t len)
{
	uint8_t report[SOFTHID_REPORT_SIZE];

	put_report(report, channel, command | 0x80);
	report[5] = (uint8_t)(total >> 8);
	report[6] = (uint8_t)total;
	if (len > 0)
		memcpy(report + 7, data, len);
	softhid_receive(&hid, report, now);
}

static void next(uint32_t channel, uint8_t sequence)
{
	uint8_t report[SOFTHID_REPORT_SIZE];

	put_report(report, channel, sequence);
	softhid_receive(&hid, report, now);
}

static void short_message(uint32_t channel, uint8_t command, const char *text)
{
	first(channel, command, strlen(text), text, strlen(text));
}

static const struct sent *last(void)
{
	assert_true(n_sent > 0);
	assert_int_equal(sent[n_sent - 1].have, sent[n_sent - 1].len);
	return &sent[n_sent - 1];
}

static void assert_error(uint32_t channel, enum softhid_error error)
{
	assert_int_equal(last()->channel, channel);
	assert_int_equal(last()->command, SOFTHID_ERROR);
	assert_int_equal(last()->len, 1);
	assert_int_equal(last()->data[0], error);
}

static uint32_t open_channel(void)
{
	const struct sent *s;

	first(SOFTHID_BROADCAST, SOFTHID_INIT, 8, "abcdefgh", 8);
	s = last();
	assert_int_equal(s->channel, SOFTHID_BROADCAST);
	assert_int_equal(s->command, SOFTHID_INIT);
	assert_int_equal(s->len, 17);
	assert_memory_equal(s->data, "abcdefgh", 8);
	assert_int_equal(s->data[12], 2);
	assert_int_equal(s->data[16], 0x04 | 0x08);
	return (uint32_t)s->data[8] << 24 | (uint32_t)s->data[9] << 16 | (uint32_t)s->data[10] << 8 |
	       s->data[11];
}

static int setup(void **state)
{
	(void)state;
	now = US_PER_SEC;
	n_sent = 0;
	n_calls = 0;
	softhid_init(&hid, on_send, NULL, 0xfffffff0u);
	softhid_set_handler(&hid, SOFTHID_CBOR, handle, NULL);
	return 0;
}

static void test_channels(void **state)
{
	uint32_t a = open_channel(), b = open_channel();

	(void)state;
	assert_true(a != b && a != 0 && b != 0 && a != SOFTHID_BROADCAST && b != SOFTHID_BROADCAST);
	short_message(a, SOFTHID_PING, "hello");
	assert_int_equal(last()->channel, a);
	assert_int_equal(last()->command, SOFTHID_PING);
	assert_memory_equal(last()->data, "hello", 5);
	/* INIT on an open channel keeps it */
	first(b, SOFTHID_INIT, 8, "12345678", 8);
	assert_int_equal(last()->channel, b);
	assert_memory_equal(last()->data, "12345678", 8);
	assert_int_equal(last()->data[11], b & 0xff);
	first(b, SOFTHID_INIT, 7, "1234567", 7);
	assert_error(b, SOFTHID_ERR_INVALID_LEN);
	/* not open, reserved, broadcast */
	short_message(0x1234, SOFTHID_PING, "x");
	assert_error(0x1234, SOFTHID_ERR_INVALID_CHANNEL);
	short_message(0, SOFTHID_PING, "x");
	assert_error(0, SOFTHID_ERR_INVALID_CHANNEL);
	short_message(SOFTHID_BROADCAST, SOFTHID_PING, "x");
	assert_error(SOFTHID_BROADCAST, SOFTHID_ERR_INVALID_CHANNEL);
	/* numbers wrap around the reserved ones, and the one unused for longest is forgotten */
	for (int i = 0; i < SOFTHID_CHANNELS_MAX; i++) {
		uint32_t c = open_channel();

		assert_true(c != 0 && c != SOFTHID_BROADCAST);
		short_message(a, SOFTHID_PING, "keep");
		assert_int_equal(last()->command, SOFTHID_PING);
	}
	short_message(b, SOFTHID_PING, "x");
	assert_error(b, SOFTHID_ERR_INVALID_CHANNEL);
}

static void test_long_messages(void **state)
{
	uint8_t data[57];
	uint32_t a = open_channel();

	(void)state;
	memset(data, 'x', sizeof(data));
	first(a, SOFTHID_PING, SOFTHID_MESSAGE_MAX, data, 57);
	for (unsigned int i = 0; i < 128; i++)
		next(a, (uint8_t)i);
	assert_int_equal(last()->command, SOFTHID_PING);
	assert_int_equal(last()->len, SOFTHID_MESSAGE_MAX);
	assert_int_equal(last()->data[56], 'x');
	assert_int_equal(last()->data[57], 0);
	assert_int_equal(softhid_deadline(&hid), US_NEVER);
	first(a, SOFTHID_PING, SOFTHID_MESSAGE_MAX + 1, data, 57);
	assert_error(a, SOFTHID_ERR_INVALID_LEN);
	first(a, SOFTHID_CBOR, 0, NULL, 0);
	assert_error(a, SOFTHID_ERR_INVALID_LEN);
	short_message(a, SOFTHID_PING, "");
	assert_int_equal(last()->command, SOFTHID_PING);
	assert_int_equal(last()->len, 0);
}

static void test_fragments_out_of_order(void **state)
{
	uint32_t a = open_channel(), b = open_channel();
	size_t before;

	(void)state;
	first(a, SOFTHID_PING, 300, NULL, 0);
	next(a, 0);
	next(a, 2);
	assert_error(a, SOFTHID_ERR_INVALID_SEQ);
	before = n_sent;
	next(a, 3); /* what follows is spurious */
	assert_int_equal(n_sent, before);
	first(a, SOFTHID_PING, 300, NULL, 0);
	short_message(a, SOFTHID_PING, "x"); /* a new message in the middle of one */
	assert_error(a, SOFTHID_ERR_INVALID_SEQ);
	/* another channel does not disturb */
	first(a, SOFTHID_PING, 100, NULL, 0);
	short_message(b, SOFTHID_PING, "x");
	assert_error(b, SOFTHID_ERR_CHANNEL_BUSY);
	before = n_sent;
	next(b, 0);
	assert_int_equal(n_sent, before);
	open_channel();
	next(a, 0);
	assert_int_equal(last()->command, SOFTHID_PING);
	/* INIT brings a channel back in step */
	first(a, SOFTHID_PING, 100, NULL, 0);
	first(a, SOFTHID_INIT, 8, "12345678", 8);
	short_message(a, SOFTHID_PING, "ok");
	assert_int_equal(last()->command, SOFTHID_PING);
}

static void test_fragment_timeout(void **state)
{
	uint32_t a = open_channel();
	size_t before;

	(void)state;
	first(a, SOFTHID_PING, 300, NULL, 0);
	now += MS(499);
	next(a, 0);
	assert_int_equal(softhid_deadline(&hid), now + MS(500));
	now += MS(499);
	before = n_sent;
	softhid_tick(&hid, now);
	assert_int_equal(n_sent, before);
	now += MS(1);
	softhid_tick(&hid, now);
	assert_error(a, SOFTHID_ERR_MSG_TIMEOUT);
	assert_int_equal(softhid_deadline(&hid), US_NEVER);
}

static void test_commands(void **state)
{
	static const uint8_t unknown[] = {
		0x03, 0x04, 0x08, 0x40, 0x57, 0x7f, SOFTHID_ERROR, SOFTHID_KEEPALIVE};
	uint32_t a = open_channel();

	(void)state;
	for (size_t i = 0; i < sizeof(unknown); i++) {
		first(a, unknown[i], 1, "x", 1);
		assert_error(a, SOFTHID_ERR_INVALID_CMD);
	}
	assert_int_equal(n_calls, 0);
	/* where a vendor command goes */
	softhid_set_handler(&hid, 0x57, handle, NULL);
	short_message(a, 0x57, "vendor");
	assert_int_equal(last()->command, 0x57);
	assert_memory_equal(last()->data, "vendor", 6);
	short_message(a, SOFTHID_CBOR, "r");
	assert_error(a, SOFTHID_ERR_INVALID_PAR);
}

static void test_touch(void **state)
{
	uint32_t a = open_channel(), b = open_channel();
	size_t before;

	(void)state;
	short_message(a, SOFTHID_CBOR, "touch");
	assert_true(softhid_touch_wanted(&hid));
	assert_int_equal(last()->command, SOFTHID_KEEPALIVE);
	assert_int_equal(last()->data[0], 2);
	assert_int_equal(softhid_deadline(&hid), now + MS(100));
	for (int i = 0; i < 3; i++) {
		before = n_sent;
		now += MS(99);
		softhid_tick(&hid, now);
		assert_int_equal(n_sent, before);
		now += MS(1);
		softhid_tick(&hid, now);
		assert_int_equal(n_sent, before + 1);
		assert_int_equal(last()->channel, a);
		assert_int_equal(last()->command, SOFTHID_KEEPALIVE);
	}
	short_message(b, SOFTHID_CBOR, "me too");
	assert_error(b, SOFTHID_ERR_CHANNEL_BUSY);
	short_message(a, SOFTHID_PING, "x");
	assert_error(a, SOFTHID_ERR_CHANNEL_BUSY);
	short_message(b, SOFTHID_CANCEL, ""); /* somebody else's */
	assert_true(softhid_touch_wanted(&hid));
	softhid_touch(&hid, CTAP2_TOUCH_GIVEN, now);
	assert_int_equal(last_touch, CTAP2_TOUCH_GIVEN);
	assert_int_equal(last()->channel, a);
	assert_memory_equal(last()->data, "touch", 5);
	assert_false(softhid_touch_wanted(&hid));
	before = n_sent;
	softhid_touch(&hid, CTAP2_TOUCH_GIVEN, now); /* nobody asked */
	short_message(a, SOFTHID_CANCEL, "");
	assert_int_equal(n_sent, before);
	assert_int_equal(n_calls, 2);
}

static void test_touch_not_given(void **state)
{
	uint32_t a = open_channel();
	uint64_t end;

	(void)state;
	short_message(a, SOFTHID_CBOR, "touch");
	short_message(a, SOFTHID_CANCEL, "");
	assert_int_equal(last_touch, CTAP2_TOUCH_CANCELLED);
	assert_int_equal(last()->command, SOFTHID_CBOR);
	short_message(a, SOFTHID_CBOR, "touch");
	softhid_touch(&hid, CTAP2_TOUCH_DENIED, now);
	assert_int_equal(last_touch, CTAP2_TOUCH_DENIED);
	short_message(a, SOFTHID_CBOR, "touch");
	end = now + 30 * US_PER_SEC;
	n_sent = 0;
	while (softhid_touch_wanted(&hid)) {
		assert_true(softhid_deadline(&hid) > now && softhid_deadline(&hid) <= end);
		now = softhid_deadline(&hid);
		n_sent = 0;
		softhid_tick(&hid, now);
	}
	assert_int_equal(now, end);
	assert_int_equal(last_touch, CTAP2_TOUCH_TIMEOUT);
	assert_int_equal(last()->command, SOFTHID_CBOR);
	/* INIT on its channel gives it up without an answer */
	short_message(a, SOFTHID_CBOR, "touch");
	first(a, SOFTHID_INIT, 8, "12345678", 8);
	assert_int_equal(last()->command, SOFTHID_INIT);
	assert_false(softhid_touch_wanted(&hid));
}

static void test_misbehaviour(void **state)
{
	uint32_t a = open_channel();
	size_t before;

	(void)state;
	hid.misbehaviour = SOFTHID_GARBAGE;
	hid.honest_first = 1;
	short_message(a, SOFTHID_CBOR, "answer");
	assert_memory_equal(last()->data, "answer", 6);
	short_message(a, SOFTHID_CBOR, "answer");
	assert_int_equal(last()->data[0], CTAP2_OK);
	assert_int_equal(last()->len, 64);
	hid.misbehaviour = SOFTHID_TOO_LONG;
	short_message(a, SOFTHID_CBOR, "answer");
	assert_int_equal(last()->len, SOFTHID_MESSAGE_MAX);
	hid.misbehaviour = SOFTHID_SILENT;
	before = n_sent;
	short_message(a, SOFTHID_CBOR, "answer");
	assert_int_equal(n_sent, before);
	assert_int_equal(softhid_deadline(&hid), US_NEVER);
	hid.misbehaviour = SOFTHID_SLOW;
	hid.slow_us = 5 * US_PER_SEC;
	short_message(a, SOFTHID_CBOR, "answer");
	assert_int_equal(n_sent, before);
	assert_int_equal(softhid_deadline(&hid), now + 5 * US_PER_SEC);
	now += 5 * US_PER_SEC;
	softhid_tick(&hid, now);
	assert_memory_equal(last()->data, "answer", 6);
	hid.misbehaviour = SOFTHID_KEEPALIVE_FOREVER;
	short_message(a, SOFTHID_CBOR, "answer");
	for (int i = 0; i < 100; i++) {
		assert_int_equal(last()->command, SOFTHID_KEEPALIVE);
		assert_int_equal(last()->data[0], 1);
		now = softhid_deadline(&hid);
		short_message(a, SOFTHID_CANCEL, "");
	}
	/* pings are honest */
	setup(NULL);
	a = open_channel();
	hid.misbehaviour = SOFTHID_SILENT;
	short_message(a, SOFTHID_PING, "x");
	assert_int_equal(last()->command, SOFTHID_PING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_channels, setup),
		cmocka_unit_test_setup(test_long_messages, setup),
		cmocka_unit_test_setup(test_fragments_out_of_order, setup),
		cmocka_unit_test_setup(test_fragment_timeout, setup),
		cmocka_unit_test_setup(test_commands, setup),
		cmocka_unit_test_setup(test_touch, setup),
		cmocka_unit_test_setup(test_touch_not_given, setup),
		cmocka_unit_test_setup(test_misbehaviour, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
