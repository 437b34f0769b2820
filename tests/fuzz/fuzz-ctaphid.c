/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile token under the CTAPHID engine. Input: u8 report size, then reports of that size, each behind a byte that
 * says what is done to it: bit 0 puts it on our channel, bit 1 on the broadcast channel, bit 2 is a write that fails, the rest lets time
 * go by. Whatever comes: a result, within the deadline, and never more than the buffer.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "token/ctaphid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_token {
	struct transport transport;
	struct clock_fake clock;
	const uint8_t *data;
	size_t size;
	uint8_t nonce[8];
	bool connected, broken;
};

static int fuzz_open(struct transport *t, uint64_t deadline_us)
{
	(void)t;
	(void)deadline_us;
	return 0;
}

static void fuzz_close(struct transport *t)
{
	(void)t;
}

static int fuzz_read(struct transport *t, uint8_t *report, uint64_t deadline_us)
{
	struct fuzz_token *f = (struct fuzz_token *)(void *)t;
	uint64_t now = f->clock.now.boot_us;
	uint8_t how;

	if (now >= deadline_us)
		return -ETIMEDOUT;
	if (f->size < 1 + t->in_size) {
		clock_fake_advance(&f->clock, deadline_us - now);
		return -ETIMEDOUT;
	}
	how = f->data[0];
	memcpy(report, f->data + 1, t->in_size);
	f->data += 1 + t->in_size;
	f->size -= 1 + t->in_size;
	clock_fake_advance(&f->clock, (uint64_t)(how >> 3) * 10 * US_PER_MS);
	if (how & 1)
		memcpy(report, "\x01\x02\x03\x04", 4);
	if (how & 2) {
		memset(report, 0xff, 4);
		if (t->in_size >= 15)
			memcpy(report + 7, f->nonce, sizeof(f->nonce));
	}
	f->broken = (how & 4) != 0;
	return 0;
}

static int fuzz_write(struct transport *t, const uint8_t *report, uint64_t deadline_us)
{
	struct fuzz_token *f = (struct fuzz_token *)(void *)t;

	(void)deadline_us;
	if (!f->connected && t->out_size >= 15)
		memcpy(f->nonce, report + 7, sizeof(f->nonce));
	return f->broken ? -EIO : 0;
}

static const struct transport_ops fuzz_ops = {
	.open = fuzz_open, .close = fuzz_close, .read = fuzz_read, .write = fuzz_write};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t request[300];
	struct fuzz_token f = {.transport = {.ops = &fuzz_ops}};
	struct ctaphid hid;
	uint8_t *reply;
	size_t len = 0, reply_size;
	uint64_t deadline;
	int r;

	if (size < 2 || sodium_init() < 0)
		return 0;
	clock_fake_init(&f.clock, US_PER_SEC, 0);
	f.transport.clock = &f.clock.clock;
	f.transport.in_size = f.transport.out_size = TRANSPORT_REPORT_MIN + data[0] % (TRANSPORT_REPORT_MAX - TRANSPORT_REPORT_MIN + 1);
	reply_size = 1 + (size_t)data[1] * 16;
	f.data = data + 2;
	f.size = size - 2;
	reply = malloc(reply_size); /* of its own, so that AddressSanitizer stands guard behind it */
	if (!reply)
		return 0;

	ctaphid_init(&hid, &f.transport, NULL, NULL);
	deadline = f.clock.now.boot_us + 3 * US_PER_SEC;
	r = ctaphid_connect(&hid, deadline);
	if (r == 0 && (hid.cid == 0 || hid.cid == CTAPHID_BROADCAST))
		abort();
	f.connected = true;
	hid.cid = 0x01020304;
	deadline = f.clock.now.boot_us + 3 * US_PER_SEC;
	r = ctaphid_transact(&hid, CTAPHID_CBOR, request, data[0], reply, reply_size, &len, deadline);
	if (r > 0 || (r == 0 && len > reply_size))
		abort();
	/* a report may take up to 310 ms here */
	if (f.clock.now.boot_us > deadline + CTAPHID_CANCEL_GRACE_US + 2 * 310 * US_PER_MS)
		abort();

	/* with what is left: its channel is taken up again, or nothing is changed */
	f.connected = f.broken = false;
	deadline = f.clock.now.boot_us + 3 * US_PER_SEC;
	r = ctaphid_resume(&hid, 0x01020304, deadline);
	if (r > 0 || hid.cid != 0x01020304 || f.clock.now.boot_us > deadline + 310 * US_PER_MS)
		abort();
	free(reply);
	return 0;
}
