/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake-vendor.h"

#include <stdlib.h>
#include <string.h>

#include "token/x25519-sodium.h"

/* CTAP 2.1, section 6.4: {1: ["FIDO_2_0"], 2: [extension], 3: aaguid} */
static void get_info(struct fake_vendor *f)
{
	static const uint8_t head[] = {0x00, 0xa3, 0x01, 0x81, 0x68, 'F', 'I', 'D', 'O', '_', '2', '_', '0', 0x02, 0x81, 0x68};
	static const uint8_t tail[2 + 16] = {0x03, 0x50};
	uint8_t info[sizeof(head) + 8 + sizeof(tail)];

	f->n_get_info++;
	memcpy(info, head, sizeof(head));
	memcpy(info + sizeof(head), f->no_extension ? "wgX25518" : "wgX25519", 8);
	memcpy(info + sizeof(head) + 8, tail, sizeof(tail));
	fake_token_queue(&f->token, f->token.cid, CTAPHID_CBOR, info, sizeof(info), 0);
}

static void remember_channel(struct fake_vendor *f)
{
	memset(&f->before, 0, sizeof(f->before));
	for (unsigned int i = 0; i < X25519_DEVICE_CHANNELS; i++)
		if (f->device.sessions[i].channel.open && f->device.sessions[i].cid == f->token.cid)
			f->before = f->device.sessions[i].channel;
}

static void vendor(struct fake_vendor *f)
{
	struct fake_token *t = &f->token;
	struct x25519_call call = {.cid = t->cid, .request = t->message, .len = t->in.len,
		.now_ms = t->clock.now.boot_us / US_PER_MS};
	static uint8_t answer[CTAPHID_PAYLOAD_MAX];
	size_t len;

	f->n_vendor++;
	if (call.len > 0)
		f->n_ops[t->message[0] & 15]++;
	remember_channel(f);
	if (x25519_device_handle(&f->device, &call, answer, &len) == X25519_TOUCH_WANTED) {
		f->n_touches++;
		fake_token_queue(t, t->cid, CTAPHID_KEEPALIVE, (uint8_t[]){CTAPHID_STATUS_UPNEEDED}, 1, 0);
		if (f->no_touch)
			return;
		call.finger = X25519_FINGER_GIVEN;
		if (x25519_device_handle(&f->device, &call, answer, &len) != X25519_ANSWERED)
			abort();
	}
	if (!f->tamper || f->tamper(f, t->message, answer, &len))
		fake_token_queue(t, t->cid, X25519_COMMAND, answer, len, 0);
}

static void resume(struct fake_vendor *f)
{
	struct fake_token *t = &f->token;
	uint8_t init[17] = {[12] = 2, [16] = t->capabilities};

	f->n_resumed++;
	x25519_device_forget(&f->device, t->cid);
	memcpy(init, t->message, 8);
	memcpy(init + 8, (uint8_t[]){(uint8_t)(t->cid >> 24), (uint8_t)(t->cid >> 16), (uint8_t)(t->cid >> 8), (uint8_t)t->cid}, 4);
	switch (f->resume) {
	case FAKE_RESUME_OTHER:
		init[11]++;
		break;
	case FAKE_RESUME_ERROR:
		fake_token_queue(t, t->cid, CTAPHID_ERROR, (uint8_t[]){0x0b}, 1, 0); /* ERR_INVALID_CHANNEL */
		return;
	case FAKE_RESUME_SILENCE:
		return;
	case FAKE_RESUME:
		break;
	}
	fake_token_queue(t, t->cid, CTAPHID_INIT, init, sizeof(init), 0);
}

static void on_write(struct fake_token *t, const uint8_t *report)
{
	struct fake_vendor *f = t->userdata;

	if (report[4] == (0x80 | CTAPHID_CANCEL) || !fake_token_take(t, report))
		return;
	if (t->in.command == X25519_COMMAND)
		vendor(f);
	else if (t->in.command == CTAPHID_INIT && t->in.len == 8)
		resume(f);
	else if (t->in.command == CTAPHID_CBOR && t->in.len == 1 && t->message[0] == 0x04)
		get_info(f);
}

void fake_vendor_reseal(struct fake_vendor *f, uint8_t *answer, size_t *len, const uint8_t *plain, size_t plain_len)
{
	struct x25519_channel channel = f->before;

	answer[0] = X25519_SEALED;
	answer[1] = X25519_OK;
	*len = 2 + x25519_channel_seal(&channel, &x25519_sodium, answer + 2, plain, plain_len);
}

void fake_vendor_init(struct fake_vendor *f)
{
	memset(f, 0, sizeof(*f));
	fake_token_init(&f->token);
	f->token.userdata = f;
	f->token.on_write = on_write;
	x25519_memory_init(&f->memory);
	if (!x25519_device_init(&f->device, &x25519_sodium, &x25519_memory_storage, &f->memory,
		    X25519_FEATURE_IMPORT | X25519_FEATURE_CACHED))
		abort();
}
