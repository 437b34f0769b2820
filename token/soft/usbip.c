/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "token/soft/usbip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/usbip.h>
#include <stdio.h>
#include <string.h>

enum { CMD_SUBMIT = 1, CMD_UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4 };
enum { DIRECTION_OUT = 0, DIRECTION_IN = 1 };

/* Where in a header, in bytes. */
enum { COMMAND = 0, SEQUENCE = 4, DIRECTION = 12, ENDPOINT = 16, UNLINKED = 20, STATUS = 20, LENGTH = 24, SETUP = 40 };

static uint32_t get32(const uint8_t *header, size_t at)
{
	uint32_t v;

	memcpy(&v, header + at, sizeof(v));
	return ntohl(v);
}

static void put32(uint8_t *header, size_t at, uint32_t v)
{
	v = htonl(v);
	memcpy(header + at, &v, sizeof(v));
}

/* data may be NULL with a length: so much of what the host sent was taken. */
static void answer(struct usbip *u, uint32_t command, uint32_t sequence, int status, const uint8_t *data, size_t len)
{
	uint8_t frame[USBIP_FRAME_MAX] = {0};

	put32(frame, COMMAND, command);
	put32(frame, SEQUENCE, sequence);
	put32(frame, STATUS, (uint32_t)status);
	if (command == RET_SUBMIT)
		put32(frame, LENGTH, (uint32_t)len);
	if (data)
		memcpy(frame + USBIP_HEADER_SIZE, data, len);
	u->send(u->userdata, frame, USBIP_HEADER_SIZE + (data ? len : 0));
}

static void forget_waiting(struct usbip *u, unsigned int i)
{
	u->n_waiting--;
	memmove(u->waiting + i, u->waiting + i + 1, (u->n_waiting - i) * sizeof(u->waiting[0]));
}

static void settle(struct usbip *u)
{
	while (u->n_waiting > 0 && u->n_reports > 0) {
		uint32_t sequence = u->waiting[0];
		const uint8_t *report = u->reports[u->first_report];

		forget_waiting(u, 0);
		u->first_report = (u->first_report + 1) % USBIP_REPORTS_MAX;
		u->n_reports--;
		answer(u, RET_SUBMIT, sequence, 0, report, SOFTHID_REPORT_SIZE);
	}
}

void usbip_report(struct usbip *u, const uint8_t report[static SOFTHID_REPORT_SIZE])
{
	if (u->n_reports == USBIP_REPORTS_MAX) {
		u->first_report = (u->first_report + 1) % USBIP_REPORTS_MAX;
		u->n_reports--;
	}
	memcpy(u->reports[(u->first_report + u->n_reports) % USBIP_REPORTS_MAX], report, SOFTHID_REPORT_SIZE);
	u->n_reports++;
	settle(u);
}

static void on_control(struct usbip *u, uint32_t sequence, bool in, uint32_t length)
{
	uint8_t data[SOFTUSB_ANSWER_MAX];
	size_t out = in ? 0 : u->have - USBIP_HEADER_SIZE;
	int n;

	/* The direction is said twice. */
	n = ((u->in[SETUP] & 0x80) != 0) != in && length > 0 ?
		-EPIPE :
		softusb_control(&u->device, u->in + SETUP, u->in + USBIP_HEADER_SIZE, out, data);
	if (n < 0)
		answer(u, RET_SUBMIT, sequence, n, NULL, 0);
	else if (in)
		answer(u, RET_SUBMIT, sequence, 0, data, (uint32_t)n < length ? (uint32_t)n : length);
	else
		answer(u, RET_SUBMIT, sequence, 0, NULL, out);
}

static void on_submit(struct usbip *u)
{
	uint32_t sequence = get32(u->in, SEQUENCE), endpoint = get32(u->in, ENDPOINT), length = get32(u->in, LENGTH);
	bool in = get32(u->in, DIRECTION) == DIRECTION_IN;

	if (endpoint == 0) {
		on_control(u, sequence, in, length);
	} else if (u->device.configuration == 0) {
		answer(u, RET_SUBMIT, sequence, -EPIPE, NULL, 0);
	} else if (in && endpoint == SOFTUSB_IN) {
		if (length < SOFTHID_REPORT_SIZE || u->n_waiting == USBIP_WAITING_MAX) {
			answer(u, RET_SUBMIT, sequence, -EOVERFLOW, NULL, 0);
			return;
		}
		u->waiting[u->n_waiting++] = sequence;
		settle(u);
	} else if (!in && endpoint == SOFTUSB_OUT && length == SOFTHID_REPORT_SIZE) {
		/* First, so that the transfer is over before what it brings about. */
		answer(u, RET_SUBMIT, sequence, 0, NULL, length);
		u->device.report(u->device.userdata, u->in + USBIP_HEADER_SIZE);
	} else {
		answer(u, RET_SUBMIT, sequence, -EPIPE, NULL, 0);
	}
}

/* A transfer that is answered already is not there any more: 0. */
static void on_unlink(struct usbip *u)
{
	uint32_t unlinked = get32(u->in, UNLINKED);

	for (unsigned int i = 0; i < u->n_waiting; i++)
		if (u->waiting[i] == unlinked) {
			forget_waiting(u, i);
			answer(u, RET_UNLINK, get32(u->in, SEQUENCE), -ECONNRESET, NULL, 0);
			return;
		}
	answer(u, RET_UNLINK, get32(u->in, SEQUENCE), 0, NULL, 0);
}

/* How much follows the header. */
static int measure(struct usbip *u)
{
	uint32_t command = get32(u->in, COMMAND), direction = get32(u->in, DIRECTION), length = get32(u->in, LENGTH);

	u->want = 0;
	if (command == CMD_UNLINK)
		return 0;
	/* Nobody sends a token more: it would have to be read to find the next header. */
	if (command != CMD_SUBMIT || direction > DIRECTION_IN || (direction == DIRECTION_OUT && length > USBIP_OUT_MAX))
		return -EPROTO;
	if (direction == DIRECTION_OUT)
		u->want = length;
	return 0;
}

int usbip_receive(struct usbip *u, const uint8_t *data, size_t len)
{
	for (;;) {
		size_t end = u->have < USBIP_HEADER_SIZE ? USBIP_HEADER_SIZE : USBIP_HEADER_SIZE + u->want;
		size_t n = end - u->have < len ? end - u->have : len;

		memcpy(u->in + u->have, data, n);
		u->have += n;
		data += n;
		len -= n;
		if (u->have < end)
			return 0;
		if (end == USBIP_HEADER_SIZE && measure(u) < 0)
			return -EPROTO;
		if (u->have < USBIP_HEADER_SIZE + u->want)
			continue;
		if (get32(u->in, COMMAND) == CMD_SUBMIT)
			on_submit(u);
		else
			on_unlink(u);
		u->have = 0;
		u->want = 0;
	}
}

int usbip_free_port(unsigned int *port, const char *status)
{
	unsigned int number, state;
	char hub[3];

	for (const char *line = status; line && *line; line = strchr(line, '\n'), line += line != NULL)
		if (sscanf(line, "%2s %u %u", hub, &number, &state) == 3 && strcmp(hub, "hs") == 0 && state == VDEV_ST_NULL &&
			number >= *port) {
			*port = number;
			return 0;
		}
	return -EBUSY;
}
