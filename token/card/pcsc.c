/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/card/pcsc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <winscard.h>

#define PNP_READER "\\\\?PnP?\\Notification"

struct pcsc_lite {
	struct pcsc pcsc;
	SCARDCONTEXT context;
	SCARDHANDLE card;
	bool connected;
	DWORD protocol;
};

/* A switch would want these to be of one type, and pcsc-lite writes them with casts. */
static int to_errno(LONG rv)
{
	static const struct {
		LONG rv;
		int error;
	} rows[] = {
		{SCARD_S_SUCCESS, 0},
		{SCARD_W_REMOVED_CARD, -ENODEV},
		{SCARD_E_NO_SMARTCARD, -ENODEV},
		{SCARD_W_UNPOWERED_CARD, -ENODEV},
		{SCARD_W_UNRESPONSIVE_CARD, -ENODEV},
		{SCARD_E_UNKNOWN_READER, -ENODEV},
		{SCARD_E_READER_UNAVAILABLE, -ENODEV},
		{SCARD_E_INVALID_HANDLE, -ENODEV},
		{SCARD_W_RESET_CARD, -ESTALE},
		{SCARD_E_SHARING_VIOLATION, -EBUSY},
		{SCARD_E_NO_SERVICE, -ECONNREFUSED},
		{SCARD_E_SERVICE_STOPPED, -ECONNRESET},
		{SCARD_F_COMM_ERROR, -ECONNRESET},
		{SCARD_E_INVALID_VALUE, -ECONNRESET},
		{SCARD_W_SECURITY_VIOLATION, -EACCES},
		{SCARD_E_NO_ACCESS, -EACCES},
		{SCARD_E_INSUFFICIENT_BUFFER, -EMSGSIZE},
		{SCARD_E_NO_MEMORY, -ENOMEM},
		{SCARD_E_TIMEOUT, -ETIMEDOUT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].rv == rv)
			return rows[i].error;
	return -EIO;
}

static struct pcsc_lite *lite(struct pcsc *p)
{
	return (struct pcsc_lite *)(void *)p;
}

static int lite_open(struct pcsc **ret, const char *socket)
{
	struct pcsc_lite *l;
	LONG rv;

	/* The worker's environment is empty but for what it sets itself. */
	if (socket && setenv("PCSCLITE_CSOCK_NAME", socket, 1) < 0)
		return -errno;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &l->context);
	if (rv != SCARD_S_SUCCESS) {
		free(l);
		return to_errno(rv);
	}
	l->pcsc.ops = &pcsc_system;
	*ret = &l->pcsc;
	return 0;
}

static void lite_disconnect(struct pcsc *p, bool reset)
{
	struct pcsc_lite *l = lite(p);

	if (l->connected)
		(void)SCardDisconnect(l->card, reset ? SCARD_RESET_CARD : SCARD_LEAVE_CARD);
	l->connected = false;
}

static void lite_close(struct pcsc *p)
{
	lite_disconnect(p, false);
	(void)SCardReleaseContext(lite(p)->context);
	free(lite(p));
}

static int lite_connect(struct pcsc *p, const char *reader, struct pcsc_connection *ret)
{
	DWORD atr_len = sizeof(ret->atr), state, protocol;
	struct pcsc_lite *l = lite(p);
	LONG rv;

	rv = SCardConnect(l->context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &l->card, &l->protocol);
	if (rv != SCARD_S_SUCCESS)
		return to_errno(rv);
	l->connected = true;
	rv = SCardStatus(l->card, NULL, NULL, &state, &protocol, ret->atr, &atr_len);
	if (rv != SCARD_S_SUCCESS && rv != SCARD_W_RESET_CARD) {
		lite_disconnect(p, false);
		return to_errno(rv);
	}
	ret->atr_len = rv == SCARD_S_SUCCESS && atr_len <= sizeof(ret->atr) ? atr_len : 0;
	ret->t0 = l->protocol == SCARD_PROTOCOL_T0;
	return 0;
}

static int lite_reconnect(struct pcsc *p)
{
	struct pcsc_lite *l = lite(p);

	return to_errno(SCardReconnect(l->card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD,
		&l->protocol));
}

static int lite_begin(struct pcsc *p)
{
	return to_errno(SCardBeginTransaction(lite(p)->card));
}

static void lite_end(struct pcsc *p)
{
	(void)SCardEndTransaction(lite(p)->card, SCARD_LEAVE_CARD);
}

static int lite_transmit(struct pcsc *p, const uint8_t *command, size_t len, uint8_t *answer, size_t size, size_t *ret_len)
{
	struct pcsc_lite *l = lite(p);
	DWORD got = size;
	LONG rv;

	rv = SCardTransmit(l->card, l->protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1, command, len, NULL, answer, &got);
	if (rv != SCARD_S_SUCCESS)
		return to_errno(rv);
	*ret_len = got;
	return 0;
}

static int list_readers(struct pcsc_lite *l, struct pcsc_readers *ret)
{
	char names[PCSC_READERS_MAX * PCSC_READER_SIZE];
	DWORD len = sizeof(names);
	LONG rv;

	ret->n = 0;
	rv = SCardListReaders(l->context, NULL, names, &len);
	if (rv == SCARD_E_NO_READERS_AVAILABLE)
		return 0;
	if (rv != SCARD_S_SUCCESS)
		return to_errno(rv);
	for (const char *name = names; name < names + len && *name && ret->n < PCSC_READERS_MAX; name += strlen(name) + 1) {
		if (strlen(name) >= PCSC_READER_SIZE)
			continue;
		ret->list[ret->n] = (struct pcsc_reader){0};
		strcpy(ret->list[ret->n++].name, name);
	}
	return 0;
}

static void fill(SCARD_READERSTATE *ret, const struct pcsc_reader *r)
{
	*ret = (SCARD_READERSTATE){.szReader = r->name};
	ret->dwCurrentState = (r->present ? SCARD_STATE_PRESENT : SCARD_STATE_EMPTY) | (DWORD)r->events << 16;
	/* Programs that come and go are no news, but for one that had the card for itself. */
	if (r->present)
		ret->dwCurrentState |= r->exclusive ? SCARD_STATE_EXCLUSIVE | SCARD_STATE_INUSE : 0;
}

static bool take(struct pcsc_reader *r, const SCARD_READERSTATE *s)
{
	const struct pcsc_reader before = *r;

	r->present = (s->dwEventState & SCARD_STATE_PRESENT) && !(s->dwEventState & SCARD_STATE_MUTE);
	r->exclusive = s->dwEventState & SCARD_STATE_EXCLUSIVE;
	r->events = (uint32_t)(s->dwEventState >> 16) & 0xffff;
	return r->present != before.present || r->exclusive != before.exclusive || r->events != before.events;
}

static bool same_names(const struct pcsc_readers *a, const struct pcsc_readers *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (strcmp(a->list[i].name, b->list[i].name) != 0)
			return false;
	return true;
}

/* The state of the readers at this moment, for a list that has just been made. */
static int look(struct pcsc_lite *l, struct pcsc_readers *readers)
{
	SCARD_READERSTATE states[PCSC_READERS_MAX];
	LONG rv;

	if (readers->n == 0)
		return 0;
	for (unsigned int i = 0; i < readers->n; i++)
		states[i] = (SCARD_READERSTATE){.szReader = readers->list[i].name, .dwCurrentState = SCARD_STATE_UNAWARE};
	rv = SCardGetStatusChange(l->context, 0, states, readers->n);
	if (rv != SCARD_S_SUCCESS && rv != SCARD_E_TIMEOUT)
		return to_errno(rv);
	for (unsigned int i = 0; i < readers->n; i++)
		(void)take(&readers->list[i], &states[i]);
	return 0;
}

static int lite_watch(struct pcsc *p, struct pcsc_readers *known)
{
	SCARD_READERSTATE states[PCSC_READERS_MAX + 1];
	struct pcsc_lite *l = lite(p);
	struct pcsc_readers now;
	bool changed;
	LONG rv;
	int r;

	for (;;) {
		r = list_readers(l, &now);
		if (r < 0)
			return r;
		if (!same_names(&now, known)) {
			r = look(l, &now);
			if (r == 0)
				*known = now;
			/* One that went between the two calls: the list is asked for again. */
			if (r != -ENODEV)
				return r;
			continue;
		}
		for (unsigned int i = 0; i < known->n; i++)
			fill(&states[i], &known->list[i]);
		states[known->n] = (SCARD_READERSTATE){.szReader = PNP_READER, .dwCurrentState = (DWORD)known->n << 16};
		rv = SCardGetStatusChange(l->context, INFINITE, states, known->n + 1);
		r = to_errno(rv);
		if (r == -ENODEV || r == -ETIMEDOUT)
			continue;
		if (r < 0)
			return r;
		changed = false;
		for (unsigned int i = 0; i < known->n; i++)
			changed = take(&known->list[i], &states[i]) || changed;
		if (changed)
			return 0;
	}
}

const struct pcsc_ops pcsc_system = {
	.open = lite_open,
	.close = lite_close,
	.connect = lite_connect,
	.reconnect = lite_reconnect,
	.disconnect = lite_disconnect,
	.begin = lite_begin,
	.end = lite_end,
	.transmit = lite_transmit,
	.watch = lite_watch,
};
