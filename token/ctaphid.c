/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/ctaphid.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define NONCE_SIZE 8
#define INIT_REPLY_SIZE 17
#define BACKOFF_FIRST_US (50 * US_PER_MS)
#define BACKOFF_MAX_US US_PER_SEC
#define CUT_OFF_MAX 3

void ctaphid_init(struct ctaphid *c, struct transport *t, void (*status)(void *userdata, uint8_t status), void *userdata)
{
	*c = (struct ctaphid){.transport = t, .status = status, .userdata = userdata, .cid = CTAPHID_BROADCAST};
}

static uint64_t now_us(struct ctaphid *c)
{
	return clock_now(c->transport->clock).boot_us;
}

/* a + b that does not run past the end of time. */
static uint64_t later(uint64_t a, uint64_t b)
{
	return US_NEVER - a < b ? US_NEVER : a + b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int send_message(struct ctaphid *c, uint32_t cid, uint8_t command, const uint8_t *payload, size_t len,
	uint64_t deadline_us)
{
	struct transport *t = c->transport;
	uint8_t report[TRANSPORT_REPORT_MAX];
	int r = 0;

	if (len > ctaphid_payload_max(t->out_size))
		return -EMSGSIZE;
	for (unsigned int i = 0; r == 0 && ctaphid_fragment(report, t->out_size, cid, command, payload, len, i); i++)
		r = t->ops->write(t, report, deadline_us);
	sodium_memzero(report, sizeof(report));
	return r;
}

/* One whole message on cid. On an error a->command tells nothing. */
static int receive_message(struct ctaphid *c, struct ctaphid_assembler *a, uint32_t cid, uint8_t *payload, size_t size,
	uint64_t deadline_us)
{
	struct transport *t = c->transport;
	uint8_t report[TRANSPORT_REPORT_MAX];
	int r;

	ctaphid_assembler_init(a, cid, payload, size);
	do {
		r = t->ops->read(t, report, deadline_us);
		if (r < 0)
			break;
		r = ctaphid_assemble(a, report, t->in_size);
		/* Other channels' traffic without end is no reason to wait longer. */
		if (r >= 0 && r != CTAPHID_COMPLETE && now_us(c) >= deadline_us)
			r = -ETIMEDOUT;
	} while (r == CTAPHID_IGNORED || r == CTAPHID_INCOMPLETE);
	sodium_memzero(report, sizeof(report));
	return r < 0 ? r : 0;
}

/* Lets time pass, and drops what comes in meanwhile: it is not for us. */
static int back_off(struct ctaphid *c, uint64_t *backoff_us, uint64_t deadline_us)
{
	struct transport *t = c->transport;
	uint64_t until = later(now_us(c), *backoff_us);
	uint8_t report[TRANSPORT_REPORT_MAX];
	int r;

	if (until >= deadline_us)
		return -EBUSY;
	*backoff_us = sooner(*backoff_us * 2, BACKOFF_MAX_US);
	do
		r = t->ops->read(t, report, until);
	while (r == 0 && now_us(c) < until);
	sodium_memzero(report, sizeof(report));
	return r == -ETIMEDOUT ? 0 : r;
}

/* The token must stop blinking, and its late answer must not meet the next one who opens it. */
static void cancel_at_token(struct ctaphid *c, uint8_t *scratch, size_t size)
{
	struct transport *t = c->transport;
	struct interrupt *interrupt = t->interrupt;
	uint64_t deadline = later(now_us(c), CTAPHID_CANCEL_GRACE_US);
	struct ctaphid_assembler a;
	int r;

	t->interrupt = NULL; /* raised already, perhaps */
	r = send_message(c, c->cid, CTAPHID_CANCEL, NULL, 0, deadline);
	while (r == 0) {
		r = receive_message(c, &a, c->cid, scratch, size, deadline);
		if (r == 0 && a.command != CTAPHID_KEEPALIVE)
			break;
		if (now_us(c) >= deadline)
			break;
	}
	t->interrupt = interrupt;
	sodium_memzero(scratch, size);
}

/* INIT, on the broadcast channel or one of ours. */
static int connect_once(struct ctaphid *c, uint32_t channel, uint64_t deadline_us)
{
	uint8_t nonce[NONCE_SIZE], reply[TRANSPORT_REPORT_MAX];
	struct ctaphid_assembler a;
	uint32_t cid;
	int r;

	randombytes_buf(nonce, sizeof(nonce));
	r = send_message(c, channel, CTAPHID_INIT, nonce, sizeof(nonce), deadline_us);
	if (r < 0)
		return r;

	for (;;) {
		r = receive_message(c, &a, channel, reply, sizeof(reply), deadline_us);
		/* What other programs provoke on the broadcast channel is not this token's fault. */
		if (r == -EPROTO || r == -EMSGSIZE) {
			if (now_us(c) >= deadline_us)
				return -ETIMEDOUT;
			continue;
		}
		if (r < 0)
			return r;
		if (a.command == CTAPHID_ERROR && channel != CTAPHID_BROADCAST)
			return -ENOENT;
		if (a.command == CTAPHID_ERROR && a.len == 1 && reply[0] == CTAPHID_ERR_CHANNEL_BUSY)
			return -EBUSY;
		if (a.command == CTAPHID_INIT && a.len >= INIT_REPLY_SIZE && memcmp(reply, nonce, NONCE_SIZE) == 0)
			break;
		if (now_us(c) >= deadline_us)
			return -ETIMEDOUT;
	}

	cid = (uint32_t)reply[8] << 24 | (uint32_t)reply[9] << 16 | (uint32_t)reply[10] << 8 | reply[11];
	if (cid == 0 || cid == CTAPHID_BROADCAST || (channel != CTAPHID_BROADCAST && cid != channel))
		return -EPROTO;
	c->cid = cid;
	c->protocol = reply[12];
	c->major = reply[13];
	c->minor = reply[14];
	c->build = reply[15];
	c->capabilities = reply[16];
	return 0;
}

int ctaphid_connect(struct ctaphid *c, uint64_t deadline_us)
{
	uint64_t backoff = BACKOFF_FIRST_US;
	int r;

	c->touch_wanted = false;
	do {
		r = connect_once(c, CTAPHID_BROADCAST, sooner(deadline_us, later(now_us(c), CTAPHID_INIT_PATIENCE_US)));
		if (r != -EBUSY)
			return r;
		r = back_off(c, &backoff, deadline_us);
	} while (r == 0);
	return r;
}

int ctaphid_resume(struct ctaphid *c, uint32_t cid, uint64_t deadline_us)
{
	const uint64_t patience = later(now_us(c), CTAPHID_RESUME_PATIENCE_US);
	int r;

	c->touch_wanted = false;
	r = connect_once(c, cid, sooner(deadline_us, patience));
	return r == -EPROTO || (r == -ETIMEDOUT && patience < deadline_us) ? -ENOENT : r;
}

static int error_of_token(struct ctaphid *c, uint8_t code)
{
	switch (code) {
	case CTAPHID_ERR_CHANNEL_BUSY:
	case CTAPHID_ERR_LOCK_REQUIRED:
		return -EBUSY;
	}
	c->error = code;
	return -EREMOTEIO;
}

static int receive_reply(struct ctaphid *c, uint8_t command, uint8_t *reply, size_t size, size_t *ret_len,
	uint64_t deadline_us)
{
	struct ctaphid_assembler a;
	int r;

	for (;;) {
		r = receive_message(c, &a, c->cid, reply, size, deadline_us);
		if (r < 0)
			return r;
		if (a.command == command) {
			*ret_len = a.len;
			return 0;
		}
		if (a.len != 1)
			return -EPROTO;
		if (a.command == CTAPHID_ERROR)
			return error_of_token(c, reply[0]);
		if (a.command != CTAPHID_KEEPALIVE)
			return -EPROTO;

		c->touch_wanted = reply[0] == CTAPHID_STATUS_UPNEEDED;
		if (c->status)
			c->status(c->userdata, reply[0]);
		if (now_us(c) >= deadline_us)
			return -ETIMEDOUT;
	}
}

int ctaphid_transact(struct ctaphid *c, uint8_t command, const uint8_t *request, size_t len, uint8_t *reply, size_t size,
	size_t *ret_len, uint64_t deadline_us)
{
	uint64_t backoff = BACKOFF_FIRST_US;
	unsigned int cut_off = 0;
	int r;

	c->error = 0;
	c->touch_wanted = false;
	if (size == 0)
		return -EINVAL; /* not even a status byte would fit */
	do {
		r = send_message(c, c->cid, command, request, len, deadline_us);
		if (r == 0)
			r = receive_reply(c, command, reply, size, ret_len, deadline_us);
		if (r == -ETIMEDOUT || r == -ECANCELED)
			cancel_at_token(c, reply, size);
		/* It never had the whole of the request, so nothing has come of it. */
		if (r == -EREMOTEIO && c->error == CTAPHID_ERR_MSG_TIMEOUT && cut_off++ < CUT_OFF_MAX)
			r = -EBUSY;
		if (r != -EBUSY)
			break;
		r = back_off(c, &backoff, deadline_us);
	} while (r == 0);
	if (r < 0)
		sodium_memzero(reply, size);
	return r;
}
