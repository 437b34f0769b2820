/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile card under the worker's operations. Input: u8 what is asked (0: info, 1: list, 2: X25519 with OpenPGP, 3: with PIV, each with 4 added to keep
 * the session and ask twice), then answers, each behind its length (u8). Whatever comes: a result, within bounds, fit to be sent, and a PIN at most once.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "token/card/card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_card {
	struct pcsc pcsc;
	const uint8_t *data;
	size_t size;
	unsigned int n_verify, n_commands;
	bool in_transaction, connected;
};

static struct fuzz_card *own(struct pcsc *p)
{
	return (struct fuzz_card *)(void *)p;
}

static int fuzz_connect(struct pcsc *p, const char *reader, struct pcsc_connection *ret)
{
	(void)reader;
	own(p)->connected = true;
	ret->atr_len = sizeof("\x3bYubiKey") - 1;
	memcpy(ret->atr, "\x3bYubiKey", ret->atr_len);
	ret->t0 = false;
	return 0;
}

static int fuzz_reconnect(struct pcsc *p)
{
	(void)p;
	return 0;
}

static void fuzz_disconnect(struct pcsc *p, bool reset)
{
	(void)reset;
	own(p)->connected = false;
}

static int fuzz_begin(struct pcsc *p)
{
	own(p)->in_transaction = true;
	return 0;
}

static void fuzz_end(struct pcsc *p)
{
	own(p)->in_transaction = false;
}

static int fuzz_transmit(struct pcsc *p, const uint8_t *command, size_t len, uint8_t *answer, size_t size, size_t *ret_len)
{
	struct fuzz_card *f = own(p);
	size_t n;

	if (!f->in_transaction || len < 4)
		abort();
	/* A card that goes on for ever is the deadline's; here the input ends. */
	if (f->size < 1 || ++f->n_commands > 1000)
		return -ENODEV;
	f->n_verify += command[1] == 0x20 && len > 5;
	n = f->data[0];
	if (n > f->size - 1)
		n = f->size - 1;
	if (n > size)
		abort();
	memcpy(answer, f->data + 1, n);
	f->data += 1 + n;
	f->size -= 1 + n;
	*ret_len = n;
	return 0;
}

static const struct pcsc_ops ops = {
	.connect = fuzz_connect,
	.reconnect = fuzz_reconnect,
	.disconnect = fuzz_disconnect,
	.begin = fuzz_begin,
	.end = fuzz_end,
	.transmit = fuzz_transmit,
};

static void ask(struct card *c, struct fuzz_card *f, uint8_t what, bool with_pin)
{
	static const enum wire_type types[] = {WIRE_INFO, WIRE_X_LIST, WIRE_X_DH, WIRE_X_DH};
	static uint8_t buf[WIRE_MESSAGE_MAX];
	struct wire_request request = {.type = types[what & 3], .serial = 1, .x_keep = what & 4};
	struct wire_result result;
	size_t len;

	if (request.type == WIRE_X_DH) {
		request.x_slot = (struct wire_x_slot){(what & 3) == 2 ? WIRE_X_OPENPGP : WIRE_X_PIV, (what & 3) == 2 ? 0 : 0x9d};
		memset(request.x_point, 9, sizeof(request.x_point));
		if (with_pin) {
			request.uv = WIRE_UV_PIN;
			request.pin = secret_new(6);
			if (!request.pin)
				abort();
			memcpy(secret_borrow_mut(request.pin), "123456", 6);
		}
	}
	f->n_verify = 0;
	card_operate(&result, &request, c, 1000 * US_PER_SEC, NULL);
	if (request.pin || f->in_transaction || f->n_verify > 1 || (!with_pin && f->n_verify > 0))
		abort();
	if (wire_encode_result(buf, &len, &result) < 0)
		abort();
	wire_result_clear(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_card f = {.pcsc = {.ops = &ops}};
	struct clock_fake clock;
	struct card *c;

	if (size < 1 || sodium_init() < 0)
		return 0;
	clock_fake_init(&clock, US_PER_SEC, US_PER_SEC);
	f.data = data + 1;
	f.size = size - 1;
	if (card_new(&c, &f.pcsc, "Reader 00 00", &clock.clock) < 0)
		return 0;
	ask(c, &f, data[0], true);
	if (data[0] & 4)
		ask(c, &f, data[0], false);
	card_free(c);
	if (f.connected)
		abort();
	return 0;
}
