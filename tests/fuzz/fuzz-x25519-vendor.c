/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile token under the host's side of wgX25519. Input: u8 the operation, then for each answer to the vendor command a byte that says
 * what becomes of it, a length and so many bytes: 0 honest, 1 the bytes instead, 2 the bytes instead inside the channel, 3 the bytes XORed
 * into it, 4 the bytes XORed into what is inside, 5 none. Whatever comes: a result that can be sent, in time, and with no output but
 * of a success.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake-vendor.h"
#include "token/x25519-ops.h"
#include "token/x25519-sodium.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEADLINE_US (3 * US_PER_SEC)
#define SLOT 2

struct input {
	const uint8_t *p;
	size_t left;
};

static uint8_t next(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->p++;
}

/* The token's own answer, as it was before it was sealed. */
static size_t unseal(struct fake_vendor *f, uint8_t ret[static X25519_MESSAGE_MAX], const uint8_t *answer, size_t len)
{
	struct x25519_channel channel = f->before;

	if (len < 2 + X25519_TAG_SIZE)
		return 0;
	/* the host's end of it */
	memcpy(channel.receive_key, f->before.send_key, sizeof(channel.receive_key));
	channel.received = f->before.sent;
	return x25519_channel_open(&channel, &x25519_sodium, ret, answer + 2, len - 2) ? len - 2 - X25519_TAG_SIZE : 0;
}

static bool tamper(struct fake_vendor *f, const uint8_t *request, uint8_t *answer, size_t *len)
{
	struct input *in = f->userdata;
	const uint8_t how = next(in);
	uint8_t plain[X25519_MESSAGE_MAX] = {0};
	const uint8_t *bytes;
	size_t n = next(in), plain_len;

	if (n > in->left)
		n = in->left;
	bytes = in->p;
	in->p += n;
	in->left -= n;
	switch (how % 6) {
	case 1:
		memcpy(answer, bytes, n);
		*len = n;
		break;
	case 2:
		if (request[0] == X25519_SEALED && f->before.open && n <= sizeof(plain))
			fake_vendor_reseal(f, answer, len, bytes, n);
		break;
	case 3:
		for (size_t i = 0; i < n && i < *len; i++)
			answer[i] ^= bytes[i];
		break;
	case 4:
		plain_len = request[0] == X25519_SEALED && f->before.open ? unseal(f, plain, answer, *len) : 0;
		for (size_t i = 0; i < n && i < plain_len; i++)
			plain[i] ^= bytes[i];
		if (plain_len > 0)
			fake_vendor_reseal(f, answer, len, plain, plain_len);
		break;
	case 5:
		return false;
	}
	return true;
}

static void ask(struct wire_request *q, enum wire_type type, const struct fake_vendor *f, const uint8_t host_key[static 32])
{
	*q = (struct wire_request){.type = type, .serial = 1, .timeout_ms = 3000};
	if (type == WIRE_X_LIST)
		return;
	q->x_host_key = secret_new(SECRET_KEY_SIZE);
	if (!q->x_host_key)
		abort();
	memcpy(secret_borrow_mut(q->x_host_key), host_key, SECRET_KEY_SIZE);
	if (type == WIRE_X_PAIR)
		return;
	q->x_slot = (struct wire_x_slot){WIRE_X_CTAPHID, type == WIRE_X_DH || type == WIRE_X_ERASE ? SLOT : SLOT + 1};
	q->x_paired = true;
	memcpy(q->x_token_public, f->device.hello.token_public, 32);
	q->x_point[0] = 9;
	if (type == WIRE_X_GENERATE || type == WIRE_X_IMPORT)
		q->x_touch = WIRE_X_TOUCH_ALWAYS;
	if (type == WIRE_X_IMPORT) {
		q->x_key = secret_new(SECRET_KEY_SIZE);
		if (!q->x_key)
			abort();
		secret_fill_random(q->x_key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum wire_type types[] = {WIRE_X_LIST, WIRE_X_PAIR, WIRE_X_GENERATE, WIRE_X_DH, WIRE_X_IMPORT, WIRE_X_ERASE};
	static const uint8_t host_key[32] = {0x40};
	static uint8_t buf[WIRE_MESSAGE_MAX];
	static struct fake_vendor f;
	static struct wire_request q;
	static struct wire_result result;
	struct input in = {.p = data, .left = size};
	struct x25519_known known = {0};
	uint64_t deadline;
	size_t len;

	if (sodium_init() < 0)
		abort();
	fake_vendor_init(&f);
	f.tamper = tamper;
	f.userdata = &in;
	f.memory.hosts[0].used = true;
	x25519_public(f.memory.hosts[0].public_key, &x25519_sodium, host_key);
	f.memory.slots[SLOT] = (struct x25519_slot){.used = true, .private_key = {0x48}};
	x25519_public(f.memory.slots[SLOT].public_key, &x25519_sodium, f.memory.slots[SLOT].private_key);

	ask(&q, types[next(&in) % 6], &f, host_key);
	if (wire_encode_request(buf, &len, &q) < 0)
		abort();
	deadline = f.token.clock.now.boot_us + DEADLINE_US;
	x25519_operate(&result, &q, &f.token.transport, deadline, NULL, &known);
	if (f.token.clock.now.boot_us > deadline + CTAPHID_CANCEL_GRACE_US || f.token.n_opened != f.token.n_closed)
		abort();
	if (result.outcome != OUTCOME_OK && (result.outputs[0] || known.valid))
		abort();
	if (wire_encode_result(buf, &len, &result) < 0)
		abort();
	wire_request_clear(&q);
	wire_result_clear(&result);
	x25519_device_clear(&f.device);
	return 0;
}
