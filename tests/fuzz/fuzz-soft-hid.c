/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device side of CTAPHID under a hostile host: reports, time, touches, in any order. Whatever comes, all
 * that it sends is whole messages in good frames, and it never wants to be woken for something that it then
 * does not do.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "token/soft/hid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum action { REPORT, SHORT_REPORT, PASS_TIME, PASS_TO_DEADLINE, TOUCH, DENY, N_ACTIONS };

/* The host's view: of the message that is being sent. */
struct host {
	uint8_t channel[4];
	size_t left;
	uint8_t sequence;
};

static void on_send(void *userdata, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	struct host *host = userdata;
	size_t n;

	if (host->left == 0) {
		size_t len = (size_t)report[5] << 8 | report[6];

		if (!(report[4] & 0x80) || len > SOFTHID_MESSAGE_MAX)
			abort();
		memcpy(host->channel, report, 4);
		n = len < 57 ? len : 57;
		host->left = len - n;
		host->sequence = 0;
		return;
	}
	if (memcmp(host->channel, report, 4) != 0 || report[4] != host->sequence++)
		abort();
	host->left -= host->left < 59 ? host->left : 59;
}

/* Does what the first byte of the message says. */
static enum softhid_verdict handle(
	void *userdata, const struct softhid_message *message, struct softhid_reply *reply)
{
	(void)userdata;
	if (message->len == 0 || message->payload[0] == 'r') {
		reply->error = SOFTHID_ERR_INVALID_PAR;
		return SOFTHID_REFUSE;
	}
	if (message->payload[0] == 't' && message->touch == CTAP2_TOUCH_NONE)
		return SOFTHID_TOUCH;
	if (message->payload[0] == 'T')
		return SOFTHID_TOUCH;
	memcpy(reply->data, message->payload, message->len);
	reply->len = message->len;
	return SOFTHID_ANSWER;
}

static void to_deadline(struct softhid *h, uint64_t *now)
{
	uint64_t deadline = softhid_deadline(h);

	if (deadline == US_NEVER)
		return;
	if (deadline > *now)
		*now = deadline;
	softhid_tick(h, *now);
	if (softhid_deadline(h) <= *now)
		abort(); /* the caller's loop would spin */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct softhid h;
	struct host host = {.left = 0};
	uint8_t report[SOFTHID_REPORT_SIZE];
	uint64_t now = US_PER_SEC;

	if (size == 0)
		return 0;
	/* Channels are 1, 2, 3... */
	softhid_init(&h, on_send, &host, 0);
	softhid_set_handler(&h, SOFTHID_CBOR, handle, NULL);
	softhid_set_handler(&h, 0x41, handle, NULL);
	h.misbehaviour = (enum softhid_misbehaviour)(data[0] % 6);
	h.slow_us = US_PER_SEC;
	h.honest_first = data[0] >> 4;
	data++;
	size--;
	while (size > 0) {
		enum action action = (enum action)(*data++ % N_ACTIONS);
		size_t n = 0;

		size--;
		switch (action) {
		case REPORT:
		case SHORT_REPORT: /* the rest zero: saves the fuzzer bytes */
			n = action == REPORT ? SOFTHID_REPORT_SIZE : 16;
			n = n < size ? n : size;
			memset(report, 0, sizeof(report));
			memcpy(report, data, n);
			softhid_receive(&h, report, now);
			break;
		case PASS_TIME:
			n = size ? 1 : 0;
			now += n ? data[0] * 10 * US_PER_MS : 0;
			softhid_tick(&h, now);
			break;
		case PASS_TO_DEADLINE:
			to_deadline(&h, &now);
			break;
		case TOUCH:
			softhid_touch(&h, CTAP2_TOUCH_GIVEN, now);
			break;
		case DENY:
			softhid_touch(&h, CTAP2_TOUCH_DENIED, now);
			break;
		case N_ACTIONS:
			break;
		}
		data += n;
		size -= n;
		if (host.left != 0 || softhid_touch_wanted(&h) != (h.state == SOFTHID_TOUCH_WAIT))
			abort();
	}
	return 0;
}
