/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/fake-token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fake_token *fake_of(struct transport *t)
{
	return (struct fake_token *)(void *)t;
}

static int fake_open(struct transport *t, uint64_t deadline_us)
{
	struct fake_token *f = fake_of(t);

	(void)deadline_us;
	f->n_opened++;
	t->in_size = t->out_size = TRANSPORT_REPORT_MAX;
	strcpy(t->product, "Fake");
	strcpy(t->serial, "0001");
	return f->open_error;
}

static void fake_close(struct transport *t)
{
	fake_of(t)->n_closed++;
}

/* Whether the wait ends before until because of the interrupt; moves the clock. */
static bool interrupted(struct fake_token *f, uint64_t until)
{
	uint64_t now = f->clock.now.boot_us;

	if (!f->transport.interrupt)
		return false;
	if (!f->interrupted && f->interrupt_at_us && f->interrupt_at_us <= until) {
		if (f->interrupt_at_us > now)
			clock_fake_advance(&f->clock, f->interrupt_at_us - now);
		f->interrupted = true;
	}
	return f->transport.interrupt->raised(f->transport.interrupt);
}

static int fake_read(struct transport *t, uint8_t *report, uint64_t deadline_us)
{
	struct fake_token *f = fake_of(t);
	uint64_t now = f->clock.now.boot_us, arrives;
	int r;

	if (now >= deadline_us)
		return -ETIMEDOUT;
	if (f->n_read == f->n_queued && f->on_empty) {
		r = f->on_empty(f);
		if (r < 0)
			return r;
	}
	arrives = f->n_read < f->n_queued ? now + f->queue[f->n_read].delay_us : US_NEVER;
	if (interrupted(f, arrives < deadline_us ? arrives : deadline_us))
		return -ECANCELED;
	if (arrives >= deadline_us) {
		if (arrives != US_NEVER)
			f->queue[f->n_read].delay_us -= deadline_us - now;
		clock_fake_advance(&f->clock, deadline_us - now);
		return -ETIMEDOUT;
	}
	clock_fake_advance(&f->clock, arrives - now);
	memcpy(report, f->queue[f->n_read++].bytes, t->in_size);
	if (f->n_read == f->n_queued)
		f->n_read = f->n_queued = 0;
	return 0;
}

bool fake_token_take(struct fake_token *f, const uint8_t *report)
{
	int r;

	if (!f->in.payload || f->in.cid != f->cid)
		ctaphid_assembler_init(&f->in, f->cid, f->message, sizeof(f->message));
	r = ctaphid_assemble(&f->in, report, f->transport.out_size);
	if (r == CTAPHID_COMPLETE) {
		f->in.payload = NULL; /* the next one begins anew */
		return true;
	}
	if (r < 0)
		abort(); /* our own host must not break protocol */
	return false;
}

static int fake_write(struct transport *t, const uint8_t *report, uint64_t deadline_us)
{
	struct fake_token *f = fake_of(t);
	uint8_t init[17];

	(void)deadline_us;
	if (f->write_error)
		return f->write_error;
	f->n_written++;
	if (memcmp(report, "\xff\xff\xff\xff\x86", 5) == 0) {
		f->n_inits++;
		if (f->answer_init) {
			memcpy(init, report + 7, 8);
			memcpy(init + 8, (uint8_t[]){(uint8_t)(f->cid >> 24), (uint8_t)(f->cid >> 16),
				(uint8_t)(f->cid >> 8), (uint8_t)f->cid, 2, 5, 4, 3, f->capabilities}, 9);
			fake_token_queue(f, CTAPHID_BROADCAST, CTAPHID_INIT, init, sizeof(init), 0);
			return 0;
		}
	}
	if (report[4] == (0x80 | CTAPHID_CANCEL)) {
		f->n_cancelled++;
		f->in.payload = NULL;
	}
	if (f->on_write)
		f->on_write(f, report);
	return 0;
}

static const struct transport_ops fake_ops = {
	.open = fake_open, .close = fake_close, .read = fake_read, .write = fake_write};

static bool fake_raised(struct interrupt *i)
{
	struct fake_token *f = (struct fake_token *)(void *)((char *)i - offsetof(struct fake_token, interrupt));

	return f->interrupted;
}

void fake_token_init(struct fake_token *f)
{
	memset(f, 0, sizeof(*f));
	clock_fake_init(&f->clock, 1000 * US_PER_SEC, 0);
	f->transport.ops = &fake_ops;
	f->transport.clock = &f->clock.clock;
	f->transport.in_size = f->transport.out_size = TRANSPORT_REPORT_MAX;
	f->interrupt = (struct interrupt){.fd = -1, .raised = fake_raised};
	f->transport.interrupt = &f->interrupt;
	f->answer_init = true;
	f->cid = 0x01020304;
	f->capabilities = 0x0c; /* CBOR, no MSG */
}

void fake_token_queue_raw(struct fake_token *f, const void *report, size_t len, uint64_t delay_us)
{
	if (f->n_queued == FAKE_QUEUE)
		abort();
	memset(f->queue[f->n_queued].bytes, 0, TRANSPORT_REPORT_MAX);
	memcpy(f->queue[f->n_queued].bytes, report, len);
	f->queue[f->n_queued++].delay_us = delay_us;
}

void fake_token_queue(struct fake_token *f, uint32_t cid, uint8_t command, const void *payload, size_t len, uint64_t delay_us)
{
	uint8_t report[TRANSPORT_REPORT_MAX];

	for (unsigned int i = 0; ctaphid_fragment(report, sizeof(report), cid, command, payload, len, i); i++)
		fake_token_queue_raw(f, report, sizeof(report), i == 0 ? delay_us : 0);
}
