/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/card/fake-pcsc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct fake_pcsc *fake(struct pcsc *p)
{
	return (struct fake_pcsc *)(void *)p;
}

static int fake_connect(struct pcsc *p, const char *reader, struct pcsc_connection *ret)
{
	struct fake_pcsc *f = fake(p);

	assert(!f->connected);
	(void)reader;
	if (!f->card)
		return -ENODEV;
	if (f->busy)
		return -EBUSY;
	f->n_connects++;
	f->connected = true;
	f->stale = false;
	ret->atr_len = emulator_atr(f->card, ret->atr);
	ret->t0 = false;
	return 0;
}

static int fake_reconnect(struct pcsc *p)
{
	if (!fake(p)->card)
		return -ENODEV;
	fake(p)->stale = false;
	return 0;
}

static void fake_disconnect(struct pcsc *p, bool reset)
{
	struct fake_pcsc *f = fake(p);

	assert(!f->in_transaction);
	if (!f->connected)
		return;
	f->connected = false;
	if (reset) {
		f->n_resets++;
		if (f->card)
			emulator_reset(f->card);
	} else {
		f->n_leaves++;
	}
}

static int fake_begin(struct pcsc *p)
{
	struct fake_pcsc *f = fake(p);

	assert(f->connected && !f->in_transaction);
	if (f->begin_error)
		return f->begin_error;
	if (!f->card)
		return -ENODEV;
	if (f->stale)
		return -ESTALE;
	f->in_transaction = true;
	return 0;
}

static void fake_end(struct pcsc *p)
{
	assert(fake(p)->in_transaction);
	fake(p)->in_transaction = false;
}

static int fake_transmit(struct pcsc *p, const uint8_t *command, size_t len, uint8_t *answer, size_t size, size_t *ret_len)
{
	static uint8_t whole[EMULATOR_ANSWER_MAX];
	struct fake_pcsc *f = fake(p);
	size_t n;
	int r = f->transmit_error;

	assert(f->in_transaction);
	f->transmit_error = 0;
	if (r)
		return r;
	if (f->fail_after == 0)
		f->card = NULL;
	if (f->fail_after > 0)
		f->fail_after--;
	if (!f->card)
		return -ENODEV;
	n = emulator_transmit(f->card, command, len, whole);
	if (n > size)
		return -EMSGSIZE;
	memcpy(answer, whole, n);
	memset(whole, 0, n);
	*ret_len = n;
	return 0;
}

static int fake_watch(struct pcsc *p, struct pcsc_readers *known)
{
	struct fake_pcsc *f = fake(p);

	if (f->n_states == 0)
		return f->watch_error;
	*known = *f->states++;
	f->n_states--;
	return 0;
}

static const struct pcsc_ops ops = {
	.connect = fake_connect,
	.reconnect = fake_reconnect,
	.disconnect = fake_disconnect,
	.begin = fake_begin,
	.end = fake_end,
	.transmit = fake_transmit,
	.watch = fake_watch,
};

void fake_pcsc_init(struct fake_pcsc *f, struct emulator *card)
{
	*f = (struct fake_pcsc){.pcsc = {.ops = &ops}, .card = card, .fail_after = -1};
}

void fake_pcsc_reset_by_other(struct fake_pcsc *f)
{
	emulator_reset(f->card);
	f->stale = true;
}
